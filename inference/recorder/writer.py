"""One connection to Postgres, driven from the event loop through libpq, that runs one transaction at a time.

A transaction is one simple-query string that ends in COPY, so Postgres runs it as one implicit transaction: the
statements, then the rows, then the commit, in two round trips. psycopg's own `copy()` costs a task switch for each
step, which is a third of the throughput with small groups.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from psycopg import Error
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from inference.recorder.backend import Backend
from inference.recorder.lines import COPY

_XID = "SELECT pg_current_xact_id()::text"
_ENDS = frozenset({ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE, ExecStatus.PIPELINE_ABORTED})

logger = structlog.get_logger(__name__)


class Transaction(Protocol):
    """What the writer runs, and whom it tells. Exactly one of `committed`, `failed` and `lost` is called, once."""

    @property
    def statements(self) -> Sequence[str]:
        """The statements before the rows, each without parameters."""
        ...

    def rows(self, results: Sequence[Sequence[str]]) -> bytes:
        """The COPY lines to store, asked for when Postgres is ready for them.

        Args:
            results: what the row-returning ones of `statements` returned: the texts of their first column.
        """
        ...

    def committed(self) -> None:
        """It is committed."""
        ...

    def failed(self, sqlstate: str, message: str) -> None:
        """Postgres refused it, so nothing of it is stored."""
        ...

    def lost(self, xid: str | None, reason: str) -> None:
        """The connection is gone.

        Args:
            xid: the transaction that may have been committed; nothing if it can't have been.
            reason: what happened.
        """
        ...


class Writer:
    """Runs transactions over one backend until its connection is lost.

    Args:
        backend: an open connection that nothing else uses.
        on_idle_loss: called with the reason when the connection is lost while no transaction is under way.
    """

    def __init__(self, backend: Backend, on_idle_loss: Callable[[str], None]) -> None:
        self.backend = backend
        self._on_idle_loss = on_idle_loss
        self._loop = asyncio.get_running_loop()
        self._pgconn: PGconn = backend.connection.pgconn
        self._pgconn.nonblocking = 1
        self._socket = self._pgconn.socket
        self._transaction: Transaction | None = None
        self._begun_at = 0.0
        self._results: list[list[str]] = []
        self._error: tuple[str, str] | None = None
        self._ending = False
        self._flushing = False
        self.closed = False
        self._loop.add_reader(self._socket, self._readable)

    @property
    def busy(self) -> bool:
        """Whether a transaction is under way."""
        return self._transaction is not None

    def busy_for(self) -> float:
        """For how many seconds the present transaction has been under way."""
        return self._loop.time() - self._begun_at if self._transaction is not None else 0.0

    def begin(self, transaction: Transaction) -> None:
        """Start a transaction; none may be under way. Nothing is called back before this has returned.

        Raises:
            ValueError: its statements are not Unicode text without NUL; nothing has started then.
        """
        statements = "; ".join((*transaction.statements, _XID, COPY)).encode()
        if b"\0" in statements:
            raise ValueError("A statement holds a NUL, behind which libpq would drop the rest.")
        self._transaction = transaction
        self._begun_at = self._loop.time()
        self._results = []
        self._error = None
        self._ending = False
        try:
            self._pgconn.send_query(statements)
            self._flush()
        except Error as error:
            self._loop.call_soon(self.lose, str(error))

    def lose(self, reason: str) -> None:
        """Give the connection up, also when it only seems to hang, and tell the transaction under way."""
        if self.closed:
            return
        self.close()
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            xid = self._results[-1][0] if self._ending else None
            transaction.lost(xid, reason)
        else:
            self._on_idle_loss(reason)

    def close(self) -> None:
        """Close the connection. A transaction under way is not told."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pgconn.finish()

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            if self._flushing:
                self._flush()
            self._receive()
        except Error as error:
            self.lose(str(error))
        except Exception as error:
            # Whatever went wrong, the rows may or may not be stored: the same question as after a lost connection.
            logger.exception("a step of recording failed")
            self.lose(repr(error))

    def _receive(self) -> None:
        """Take the results that have come, as far as they go without waiting."""
        pgconn = self._pgconn
        while not self.closed and self._transaction is not None and not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                self._end()
                return
            if result.status == ExecStatus.TUPLES_OK:
                self._results.append([_text(result, row) for row in range(result.ntuples)])
            elif result.status == ExecStatus.COPY_IN:
                if self._ending:
                    return
                self._send_rows(self._transaction)
            elif result.status in _ENDS:
                self._refused(result)
        if not self.closed and self._transaction is None:
            # Also between transactions libpq must look at what came: a notice, or that the server shuts down.
            pgconn.is_busy()

    def _refused(self, result: PGresult) -> None:
        """Keep an error until the transaction has ended, unless the error leaves open how it ended."""
        sqlstate = _field(result, DiagnosticField.SQLSTATE)
        message = _field(result, DiagnosticField.MESSAGE_PRIMARY)
        severity = _field(result, DiagnosticField.SEVERITY_NONLOCALIZED)
        # Postgres acts on a termination or a cancellation wherever it next looks, also just behind the commit.
        if severity != "ERROR" or sqlstate[:2] == "57":
            self.lose(f"{severity} {sqlstate}: {message}")
        else:
            self._error = (sqlstate, message)

    def _send_rows(self, transaction: Transaction) -> None:
        """Send the rows and their end; from here on the transaction may commit."""
        rows = transaction.rows(self._results[:-1])
        if rows:
            self._pgconn.put_copy_data(rows)
        self._ending = True
        self._pgconn.put_copy_end()
        self._flush()

    def _end(self) -> None:
        """Tell the transaction how it ended."""
        if self._error is None and not self._ending:
            raise RuntimeError("Postgres ended the transaction before it asked for the rows")
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        if self._error is not None:
            transaction.failed(*self._error)
        else:
            transaction.committed()

    def _flush(self) -> None:
        """Send what libpq holds; go on when the socket can take more."""
        unsent = self._pgconn.flush()
        if unsent and not self._flushing:
            self._flushing = True
            self._loop.add_writer(self._socket, self._writable)
        elif not unsent and self._flushing:
            self._flushing = False
            self._loop.remove_writer(self._socket)

    def _writable(self) -> None:
        try:
            self._flush()
        except Error as error:
            self.lose(str(error))


def _text(result: PGresult, row: int) -> str:
    value = result.get_value(row, 0)
    return "" if value is None else value.decode()


def _field(result: PGresult, field: DiagnosticField) -> str:
    value = result.error_field(field)
    return "" if value is None else value.decode(errors="replace")
