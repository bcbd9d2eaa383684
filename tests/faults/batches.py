"""Batch jobs of the fault tests: started over REST, watched in the tables, their workers caught in the act."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.faults.crew import Hand
from tests.faults.results import Results
from tests.faults.sheets import Sheet
from tests.faults.stack import ENDPOINT, POLL_S, Stack

OVER = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Caught:
    """A worker that was stopped while it held a chunk."""

    hand: Hand
    number: int
    attempts: int


class Batch:
    """One job of one sheet."""

    def __init__(self, stack: Stack, sheet: Sheet, id: str = "") -> None:
        self.stack = stack
        self.sheet = sheet
        self.id = id

    def start(self, timeout_s: float = 30) -> "Batch":
        """Upload the sheet and have the job made; returns when it is.

        Raises:
            AssertionError: it was refused.
        """
        answer = self.upload(timeout_s)
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:1000]}"
        self.id = answer.json()["id"]
        return self

    def upload(self, timeout_s: float = 30) -> httpx.Response:
        """Send the sheet; what came back."""
        asked = {"endpoint": ENDPOINT, "carry": "n"}
        headers = {"Content-Type": "text/csv"}
        return self._api("POST", "/", timeout_s, params=asked, headers=headers, content=self.sheet.csv)

    def change(self, action: str) -> httpx.Response:
        """Pause, resume, cancel or retry it; what came back."""
        return self._api("POST", f"/{self.id}/{action}")

    def download(self, format: str, timeout_s: float = 120) -> bytes:
        """All results as a file.

        Raises:
            AssertionError: there are none.
        """
        answer = self._api("GET", f"/{self.id}/download", timeout_s, params={"format": format})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:1000]}"
        return answer.content

    @property
    def state(self) -> str:
        """The job's state in the table."""
        return self.stack.sql("SELECT state FROM jobs_batchjob WHERE id = %s", (self.id,))[0][0]

    def chunks(self, state: str) -> list[tuple[int, int, str]]:
        """Number, attempts and holder of the chunks in that state."""
        query = "SELECT number, attempts, holder FROM jobs_chunk WHERE job_id = %s AND state = %s ORDER BY number"
        return self.stack.sql(query, (self.id, state))

    async def finishes(self, timeout_s: float, meanwhile: Callable[[], object] = lambda: None) -> float:
        """Return when the job is over, calling `meanwhile` all the time; how long it took, in seconds.

        Raises:
            AssertionError: it is not over in time.
        """
        started = time.monotonic()
        while await asyncio.to_thread(lambda: self.state) not in OVER:
            meanwhile()
            assert time.monotonic() - started < timeout_s, f"not over within {timeout_s} s: {self._where()}"
            await asyncio.sleep(POLL_S)
        return time.monotonic() - started

    async def reaches(self, rows: int, timeout_s: float = 60) -> None:
        """Return when at least so many rows are done.

        Raises:
            AssertionError: they are not in time.
        """
        until = time.monotonic() + timeout_s
        while await asyncio.to_thread(self.done_rows) < rows:
            assert time.monotonic() < until, f"{rows} rows are not done within {timeout_s} s: {self._where()}"
            await asyncio.sleep(POLL_S)

    def done_rows(self) -> int:
        """How many rows are in chunks that are done."""
        query = "SELECT coalesce(sum(rows), 0) FROM jobs_chunk WHERE job_id = %s AND state = 'done'"
        return int(self.stack.sql(query, (self.id,))[0][0])

    def problems(self, poison: int | None = None) -> list[str]:
        """Every way in which the job, its chunks and its results differ from what they must be.

        Args:
            poison: the number of the chunk that must have been set aside.
        """
        return Results(self.stack, self.id, self.sheet, poison).problems()

    # ---- Chunks -----------------------------------------------------------------------------------------------------

    async def catch(
        self,
        hands: Sequence[Hand],
        *,
        attempts: int = 3,
        number: int | None = None,
        storing: bool = False,
        timeout_s: float = 60,
    ) -> Caught:
        """Stop one of the workers, all of its processes, while it holds a chunk. The others go on.

        Args:
            attempts: chunks that were tried more often are left alone.
            number: of the chunk, if it must be this one.
            storing: it must be held up in the transaction that stores its results (see `results_locked`).

        Raises:
            AssertionError: it did not come to that in time.
        """
        until = time.monotonic() + timeout_s
        with psycopg.connect(self.stack.postgres.url, autocommit=True) as connection:
            while True:
                for hand in hands:
                    found = self._caught(connection, hand, attempts, storing)
                    if found is not None and number in (None, found.number):
                        return found
                    hand.thaw()
                assert time.monotonic() < until, f"no worker was caught with a chunk: {self._where()}"
                await asyncio.sleep(0.01)

    def _caught(self, connection: Any, hand: Hand, attempts: int, storing: bool) -> Caught | None:
        query = (
            "SELECT number, attempts FROM jobs_chunk WHERE job_id = %s AND state = 'running' AND leased_until > now()"
            " AND attempts <= %s AND split_part(holder, ':', 2)::int = ANY (%s)"
            # A row's xmax is the transaction that has changed it: of this worker, and no other one.
            " AND (NOT %s OR EXISTS (SELECT FROM pg_locks AS lock JOIN pg_stat_activity AS session USING (pid)"
            "  WHERE relation = 'jobs_result'::regclass AND NOT granted AND backend_xid = jobs_chunk.xmax))"
        )
        asked = (self.id, attempts, [child.pid for child in hand.children], storing)
        if not connection.execute(query, asked).fetchone():
            return None
        hand.freeze()
        # It may have ended the chunk, and begun another, between the question and the signal.
        found = connection.execute(query, asked).fetchone()
        return Caught(hand, *found) if found else None

    @contextmanager
    def results_locked(self) -> Iterator[None]:
        """Nobody can write results while the block lasts: a worker waits in the middle of its transaction."""
        with psycopg.connect(self.stack.postgres.url) as connection:
            connection.execute("LOCK TABLE jobs_result IN SHARE MODE")
            yield

    async def waits_for_the_lock(self, timeout_s: float = 60) -> None:
        """Return when a worker waits for the end of `results_locked`.

        Raises:
            AssertionError: none does in time.
        """
        query = "SELECT count(*) FROM pg_locks WHERE relation = 'jobs_result'::regclass AND NOT granted"
        until = time.monotonic() + timeout_s
        while not self.stack.sql(query)[0][0]:
            assert time.monotonic() < until, f"no worker waits to store results: {self._where()}"
            await asyncio.sleep(POLL_S)

    def expire_lease(self, number: int) -> None:
        """Let the lease of a chunk be over, as if its holder had not been heard of for so long."""
        self._chunk(number, "UPDATE jobs_chunk SET leased_until = now() - interval '1 s' WHERE {} RETURNING 1")

    async def chunk_is_done(self, number: int, timeout_s: float = 60) -> None:
        """Return when that chunk is done.

        Raises:
            AssertionError: it is not in time.
        """
        until = time.monotonic() + timeout_s
        while await asyncio.to_thread(self._chunk, number, "SELECT state FROM jobs_chunk WHERE {}") != ("done",):
            assert time.monotonic() < until, f"chunk {number} is not done within {timeout_s} s: {self._where()}"
            await asyncio.sleep(POLL_S)

    def attempts(self, number: int) -> int:
        """How often that chunk was tried."""
        return int(self._chunk(number, "SELECT attempts FROM jobs_chunk WHERE {}")[0])

    def most_attempts(self) -> int:
        """How often the chunk was tried that was tried most often."""
        return int(self.stack.sql("SELECT max(attempts) FROM jobs_chunk WHERE job_id = %s", (self.id,))[0][0])

    def writes(self, number: int) -> tuple[Any, ...]:
        """By which transactions that chunk and its results were written: another one is another write."""
        return self._chunk(
            number,
            "SELECT xmin::text, (SELECT array_agg(DISTINCT r.xmin::text) FROM jobs_result r WHERE r.job_id = c.job_id"
            " AND r.row BETWEEN c.first_row AND c.first_row + c.rows - 1) FROM jobs_chunk c WHERE {}",
        )

    def _chunk(self, number: int, query: str) -> tuple[Any, ...]:
        return self.stack.sql(query.format("job_id = %s AND number = %s"), (self.id, number))[0]

    # ---- REST -------------------------------------------------------------------------------------------------------

    def _api(self, method: str, path: str, timeout_s: float = 10, **options: Any) -> httpx.Response:
        address = f"http://{self.stack.host}:{self.stack.port}/api/v1/jobs/batch{path}"
        options["headers"] = {"Authorization": f"Bearer {self.stack.key}"} | options.get("headers", {})
        return httpx.request(method, address, timeout=timeout_s, **options)

    def _where(self) -> str:
        query = "SELECT state, count(*), max(attempts), sum(rows) FROM jobs_chunk WHERE job_id = %s GROUP BY state"
        job = self.stack.sql("SELECT state, holder, attempts FROM jobs_batchjob WHERE id = %s", (self.id,))
        logs = "\n".join(f"{hand.name}: {hand.log()[-1500:]}" for hand in self.stack.crew.hands)
        return f"{job} {self.stack.sql(query, (self.id,))}\n{logs}"
