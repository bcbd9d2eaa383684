"""The one door to predictions: instances and who asks go in, answers come out. Every protocol comes through here.

A call is predicted in its version's batch, then, as its endpoint's audit policy says, released by the commit that
stores it (`strict`), answered first and stored behind (`fast`), or not stored (`off`).
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog

from inference.activity import Activity
from inference.call import Call, Origin
from inference.catalog import Catalog, LiveEndpoint, LiveVersion
from inference.credentials import Caller, Credentials
from inference.database import Database
from inference.engine.errors import ForetellError, ModelUnavailable
from inference.engine.instances import Instance
from inference.errors import Overloaded
from inference.models import AuditPolicy, Source
from inference.recorder import Participant, Recorder

logger = structlog.get_logger(__name__)

# Plain strings: comparing with an enumeration's member costs more than the rest of the decision.
_FAST, _OFF = AuditPolicy.FAST.value, AuditPolicy.OFF.value

ROOM = 4000
"""Instances in flight a process, some MiB; with fewer, busy sockets spend their time waiting (docs/decisions.md)."""
OVERLOADED_AT = 2 * ROOM
"""Where callers that can't be made to wait are refused instead."""
RETRY_AFTER_MS = 1000
REST_GIVE_UP_S = 4.0
"""How long a REST answer waits for its commit: with the rest of the request, under the 5 s that we promise."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What is answered to one instance: an output as JSON text, or an error."""

    id: str
    version: str
    stored: bool
    output_json: str | None = None
    error: ForetellError | None = None
    warnings: tuple[str, ...] = ()


class Predictor:
    """Leads calls through batcher and recorder, and bounds how many are on their way. One a process."""

    def __init__(self, *, catalog: Catalog, credentials: Credentials, recorder: Recorder, database: Database) -> None:
        self.catalog = catalog
        self.credentials = credentials
        self.recorder = recorder
        self.database = database
        self.activity = Activity()
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def full(self) -> bool:
        """Whether callers that can wait should: see `room`."""
        return self.in_flight >= ROOM

    async def room(self) -> None:
        """Wait until there is room for more instances, in the order of asking."""
        while self.full:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def submit(self, call: Call) -> None:
        """Predict, store and answer a call; `call.done` says when. Never raises."""
        self.in_flight += call.rows
        call.version.batcher.submit(call)

    def reject(self, *, endpoint_id: int, device_id: int | None, code: str) -> None:
        """Count a reading that is refused before it becomes a call."""
        self.recorder.reject(endpoint_id, device_id, code)
        self.activity.rejected(endpoint_id, code)

    async def predict(
        self,
        *,
        endpoint: LiveEndpoint,
        version: LiveVersion | None = None,
        instances: Sequence[Instance],
        caller: Caller,
        source: Source,
        request_id: str,
        whole: bool = False,
    ) -> list[Answer]:
        """Predict instances and wait for the answers, in their order.

        Args:
            version: the version that answers, whose signature made the rows; by default the champion.
            whole: one instance that fails fails them all, in what is stored too.

        Raises:
            ModelUnavailable: there is no champion.
            Overloaded: too much is on its way already.
            AuditUnavailable, StorageFull: the endpoint answers only what is stored, and nothing can be.
        """
        version = version or endpoint.champion
        if version is None:
            raise ModelUnavailable(endpoint.slug, endpoint.reason or "no version is live")
        if self.in_flight >= OVERLOADED_AT:
            raise Overloaded(RETRY_AFTER_MS)
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[None] = loop.create_future()
        call = Call(
            path=self,
            audit=endpoint.audit,
            version=version,
            origin=Origin(endpoint_id=endpoint.id, caller=caller, source=source, request_id=request_id),
            instances=instances,
            done=lambda _: None if finished.done() else finished.set_result(None),
            received_at=time.perf_counter(),
            give_up_at=loop.time() + REST_GIVE_UP_S,
            whole=whole,
        )
        self.submit(call)
        await finished
        if call.error is not None:
            raise call.error
        return [
            Answer(id_, version.tag, call.stored, outcome, None, instance.warnings)
            if isinstance(outcome, str)
            else Answer(id_, version.tag, call.stored, None, outcome, instance.warnings)
            for id_, outcome, instance in zip(call.ids, call.outcomes, instances, strict=True)
        ]

    # ---- What a call asks of its path -------------------------------------------------------------------------------

    def store(self, call: Call) -> None:
        """Store a predicted call as its audit policy says."""
        if call.audit == _OFF:
            call.settle()
            return
        call.build_text()
        if call.audit == _FAST and self.recorder.store_behind(_Behind(call)):
            call.settle()
        else:
            self.recorder.submit(call)

    def leave(self, call: Call) -> None:
        """Count an answered call, and give its room to those who wait."""
        self.in_flight -= call.rows
        self.activity.settled(call)
        free = ROOM - self.in_flight
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


class _Behind:
    """The rows of an answered call that are stored afterwards. Nobody waits for them; losing them is logged."""

    participants: Sequence[Participant] = ()

    def __init__(self, call: Call) -> None:
        self.text = call.text
        self.rows = call.rows
        self.request_id = call.request_id
        self.give_up_at = call.give_up_at

    def committed(self) -> None:
        """Stored, as nobody asked."""

    def refused(self, participant: Participant) -> None:
        """There are no participants to be refused by."""

    def failed(self, error: ForetellError) -> None:
        """The rows are lost, which the policy `fast` allows and the log must tell."""
        logger.error("predictions answered first could not be stored", rows=self.rows, code=error.code)
