"""Who asks: a credential turned into a `Caller`, from memory for all but the first use.

The token's prefix finds the row, its SHA-256 proves it. What was resolved is kept until the revision row changes;
expiry is read off the clock on every use. No token is kept or logged here: the memory is keyed by digest.
"""

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from inference.callers import Caller
from inference.database import Database, DatabaseUnavailable
from inference.engine.errors import ForetellError
from inference.errors import (
    DeviceDisabled,
    InsufficientScope,
    InvalidToken,
    MissingToken,
    Overloaded,
    TokenExpired,
    TokenRevoked,
    UnknownEndpoint,
)
from inference.revision import Revision
from inference.tokens import Presented, presented

MAX_CACHED = 50_000
MAX_WAITING = 1_000
"""Look-ups that may wait for the one query in flight; past it the caller is told to come back."""
RETRY_AFTER_MS = 1_000
CHECK_S = 1.0

_SELECT = """
SELECT c.id, c.prefix, c.secret_sha256, c.device_id, d.name, c.service, c.scopes, c.expires_at, c.revoked_at,
       d.disabled_at IS NOT NULL OR u.is_active IS FALSE,
       (SELECT array_agg(e.slug) FROM inference_credential_endpoints l JOIN inference_endpoint e ON e.id = l.endpoint_id
        WHERE l.credential_id = c.id)
FROM inference_credential c
LEFT JOIN inference_device d ON d.id = c.device_id
LEFT JOIN auth_user u ON u.id = d.owner_id
"""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    """A credential as it stands in the database."""

    prefix: str
    secret_sha256: bytes
    caller: Caller
    revoked: bool
    disabled: bool

    @classmethod
    def of(cls, columns: Sequence) -> "_Row":
        """The row of one line of `_SELECT`."""
        (id_, prefix, sha256, device_id, device, service, scopes, expires_at, revoked_at, disabled, endpoints) = columns
        allowed = None if endpoints is None else frozenset(endpoints)
        caller = Caller(id_, device_id, device, service, frozenset(scopes), allowed, expires_at)
        return cls(prefix, bytes(sha256), caller, revoked_at is not None, bool(disabled))


@dataclass(slots=True, eq=False)
class _Watch:
    """An open socket that wants to know when its caller loses what it relies on, and what else the caller loses."""

    caller: Caller
    slug: str
    on_loss: Callable[[ForetellError], None]
    on_change: Callable[[Caller], None]

    def loss(self, row: _Row | None) -> ForetellError | None:
        """What the caller has lost, given its row now (None when the row is gone)."""
        if row is None or row.revoked:
            return TokenRevoked()
        # A rotation gives a credential an end that it did not have; other endpoints may be taken from it.
        self.caller = replace(self.caller, expires_at=row.caller.expires_at, endpoints=row.caller.endpoints)
        if self.caller.expired:
            return TokenExpired()
        if row.disabled:
            return DeviceDisabled(row.caller.device or "")
        if not row.caller.may_use(self.slug):
            return UnknownEndpoint(self.slug)
        if lost := self.caller.scopes - row.caller.scopes:
            return InsufficientScope(min(lost))
        return None


class Credentials:
    """Resolves credentials and watches those of open sockets.

    Args:
        database: where credentials are looked up.
        revision: tells when one of them has changed.
        check_s: seconds between two looks for watched credentials that have expired, and at least between two
            queries for watched ones.
    """

    def __init__(self, database: Database, *, revision: Revision, check_s: float = CHECK_S) -> None:
        self._database = database
        self._revision = revision
        self._check_s = check_s
        self._callers: dict[bytes, Caller] = {}
        self._current: dict[int, Caller] = {}
        self._generation = 0
        self._waiting: dict[str, asyncio.Future[_Row | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._watches: set[_Watch] = set()
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Follow the revision, and look after the watched callers."""
        self._unsubscribe = self._revision.subscribe(self._forget)
        self._keeping = asyncio.create_task(self._keep(), name="credentials")
        self._end_expired()

    async def stop(self) -> None:
        """Look after nothing any more. Watches are forgotten without a call."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()
        self._watches.clear()
        for task in (self._keeping, self._asking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    # ---- Who is it? -------------------------------------------------------------------------------------------------

    def resolve_cached(self, authorization: str | None) -> Caller | None:
        """The caller of an `Authorization` header if memory knows it and it has not expired; never waits."""
        token = presented(authorization) if authorization else None
        caller = self._callers.get(token.sha256) if token else None
        return None if caller is None or caller.expired else caller

    async def resolve(self, authorization: str | None) -> Caller:
        """The caller of an `Authorization` header, `Bearer ft_…`. A malformed one costs no query.

        Raises:
            MissingToken: there is none.
            InvalidToken: it is malformed, unknown or revoked.
            TokenExpired: its time is over.
            DeviceDisabled: its device, or the device's owner, is disabled.
            Overloaded: too many unknown credentials are being looked up.
            DatabaseUnavailable: it has to be looked up and the database is away.
        """
        if not authorization:
            raise MissingToken
        token = presented(authorization)
        if token is None:
            raise InvalidToken
        caller = self._callers.get(token.sha256) or await self._look_up(token)
        if caller.expired:
            raise TokenExpired
        return caller

    async def _look_up(self, token: Presented) -> Caller:
        generation = self._generation
        row = await self._row(token.prefix)
        # Compared also when there is no row, so that a known prefix and an unknown one take the same time.
        proven = hmac.compare_digest(token.sha256, row.secret_sha256 if row else bytes(32))
        if row is None or not proven or row.revoked:
            raise InvalidToken
        if row.disabled:
            raise DeviceDisabled(row.caller.device or "")
        # What was read before the revision changed may be outdated: it serves this once and is not kept.
        if generation == self._generation:
            if len(self._callers) >= MAX_CACHED:
                self._callers.clear()
                self._current.clear()
            self._callers[token.sha256] = self._current[row.caller.credential_id] = row.caller
        return row.caller

    async def _row(self, prefix: str) -> _Row | None:
        """The row of a prefix. One query is in flight at a time and asks for everyone who waits."""
        waiting = self._waiting.get(prefix)
        if waiting is None:
            if len(self._waiting) >= MAX_WAITING:
                raise Overloaded(RETRY_AFTER_MS)
            waiting = self._waiting[prefix] = asyncio.get_running_loop().create_future()
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(), name="credentials_ask")
        return await asyncio.shield(waiting)

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                lines = await self._database.fetch(_SELECT + "WHERE c.prefix = ANY(%s)", (list(asked),))
                rows = {row.prefix: row for row in map(_Row.of, lines)}
            except asyncio.CancelledError:
                for future in (*asked.values(), *self._waiting.values()):
                    future.cancel()
                raise
            except ForetellError as error:
                self._fail(asked, error)
            except Exception as error:
                logger.exception("credentials could not be read")
                self._fail(asked, error)
            else:
                for prefix, future in asked.items():
                    future.set_result(rows.get(prefix))

    @staticmethod
    def _fail(asked: dict[str, asyncio.Future[_Row | None]], error: Exception) -> None:
        for future in asked.values():
            future.set_exception(error)
            # Read once, so that asyncio does not complain when everyone who waited has gone.
            future.exception()

    # ---- Is it still? -----------------------------------------------------------------------------------------------

    def watch(
        self,
        caller: Caller,
        slug: str,
        on_loss: Callable[[ForetellError], None],
        on_change: Callable[[Caller], None] = lambda caller: None,
    ) -> Callable[[], None]:
        """Call `on_loss` once, on the event loop, when the caller may no longer use the endpoint: at most 5 s later.

        It gets TokenExpired, TokenRevoked, DeviceDisabled, UnknownEndpoint (taken out of the credential's endpoints)
        or InsufficientScope (a scope was taken away). `on_change` gets the caller as it is from then on when it may
        still use this endpoint and not the same others.

        Returns:
            What ends the watch.
        """
        watch = _Watch(caller, slug, on_loss, on_change)
        self._watches.add(watch)
        if self._current.get(caller.credential_id) is not caller:
            # Something changed between its look-up and now, when no one watched.
            self._changed.set()
        return lambda: self._watches.discard(watch)

    def _forget(self) -> None:
        self._generation += 1
        self._callers.clear()
        self._current.clear()
        self._changed.set()

    def _end_expired(self) -> None:
        for watch in [watch for watch in self._watches if watch.caller.expired]:
            self._tell(watch, TokenExpired())
        self._timer = asyncio.get_running_loop().call_later(self._check_s, self._end_expired)

    async def _keep(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._check_watched()
            except DatabaseUnavailable:
                self._changed.set()
            except Exception:
                logger.exception("watched credentials could not be checked")
                self._changed.set()
            await asyncio.sleep(self._check_s)

    async def _check_watched(self) -> None:
        watched = {watch.caller.credential_id for watch in self._watches}
        if not watched:
            return
        lines = await self._database.fetch(_SELECT + "WHERE c.id = ANY(%s)", (list(watched),))
        rows = {row.caller.credential_id: row for row in map(_Row.of, lines)}
        for watch in list(self._watches):
            if watch.caller.credential_id not in watched:
                continue
            allowed = watch.caller.endpoints
            if loss := watch.loss(rows.get(watch.caller.credential_id)):
                self._tell(watch, loss)
            elif watch.caller.endpoints != allowed and watch in self._watches:
                watch.on_change(watch.caller)

    def _tell(self, watch: _Watch, loss: ForetellError) -> None:
        if watch in self._watches:
            self._watches.discard(watch)
            try:
                watch.on_loss(loss)
            except Exception:
                logger.exception("a loss could not be told", credential=watch.caller.credential_id)
