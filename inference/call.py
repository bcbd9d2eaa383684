"""A call: instances of one caller on their way through batch and commit, and their answers afterwards."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from inference import ids
from inference.catalog import LiveVersion
from inference.credentials import Caller
from inference.engine.batcher import Outcome
from inference.engine.errors import ForetellError
from inference.engine.instances import Instance
from inference.engine.signature import Row
from inference.errors import TakenOver
from inference.models import Source
from inference.recorder import Participant, line_head, line_of


class Origin:
    """Where instances come from: the door, the caller, and the request or stream session.

    It keeps the constant part of the stored row per version, so that a stream pays for it once.
    """

    __slots__ = ("_heads", "caller", "endpoint_id", "request_id", "source")

    def __init__(self, *, endpoint_id: int, caller: Caller, source: Source, request_id: str) -> None:
        self.endpoint_id = endpoint_id
        self.caller = caller
        self.source = source
        self.request_id = request_id
        self._heads: dict[int, str] = {}

    def head(self, version: LiveVersion) -> str:
        """The part of a stored row that all predictions of this origin by this version share."""
        head = self._heads.get(version.id)
        if head is None:
            head = self._heads[version.id] = line_head(
                endpoint_id=self.endpoint_id,
                version_id=version.id,
                device_id=self.caller.device_id,
                credential_id=self.caller.credential_id,
                source=self.source.value,
                request_id=self.request_id,
            )
        return head


class Path(Protocol):
    """What leads a call on: the predictor."""

    def store(self, call: "Call") -> None:
        """Store the call's rows, or not, as its audit policy says."""

    def leave(self, call: "Call") -> None:
        """The call is answered and takes no room any more."""


class Call(msgspec.Struct, gc=False, eq=False):
    """Instances of one caller on their way through batch and commit; afterwards it holds their answers.

    `done` is called exactly once, on the event loop, when the answers may leave. Then either `error` says why none
    may, or `outcomes` has an output (JSON text) or an error for each instance, `ids` their predictions' ids, and
    `stored` whether they are committed. `received_at` is when they came, by `time.perf_counter`. `context` is
    whatever the caller wants to find there again. A `whole` call is answered by one status: an instance that fails
    fails all of them, and they are stored so.

    A struct, since one is made for every reading: msgspec fills it in C. It is not tracked by the garbage collector,
    so nothing a call holds may hold the call.
    """

    path: Path
    audit: str
    version: LiveVersion
    origin: Origin
    instances: Sequence[Instance]
    done: "Callable[[Call], None]"
    received_at: float
    give_up_at: float
    context: Any = None
    whole: bool = False
    participants: Sequence[Participant] = ()
    inputs: Sequence[Row] = ()
    rows: int = 0
    outcomes: Sequence[Outcome] = ()
    ids: Sequence[str] = ()
    text: str = ""
    stored: bool = False
    error: ForetellError | None = None
    settled: bool = False

    def __post_init__(self) -> None:
        self.rows = len(self.instances)
        self.inputs = [instance.row for instance in self.instances]

    @property
    def request_id(self) -> str:
        """The request or session, for the log and for an `internal` error."""
        return self.origin.request_id

    def predicted(self, outcomes: Sequence[Outcome]) -> None:
        """Take the batch's outcomes and go on to storing them, or to answering."""
        if self.whole and (failed := next((one for one in outcomes if not isinstance(one, str)), None)):
            outcomes = [failed] * len(outcomes)
        self.outcomes = outcomes
        self.ids = [ids.prediction_id() for _ in outcomes]
        self.path.store(self)

    def build_text(self) -> None:
        """Write the rows to store, as the recorder wants them."""
        head = self.origin.head(self.version)
        row_json = self.version.signature.row_json
        self.text = "".join(
            [
                _line(head, id_, instance, row_json(instance.row), outcome)
                for id_, instance, outcome in zip(self.ids, self.instances, self.outcomes, strict=True)
            ]
        )

    def committed(self) -> None:
        """The rows are in Postgres: release the answers."""
        self.stored = True
        self.settle()

    def refused(self, participant: Participant) -> None:
        """A participant no longer holds, so nothing was stored."""
        self.error = TakenOver()
        self.settle()

    def failed(self, error: ForetellError) -> None:
        """The rows could not be stored, so no prediction may leave."""
        self.error = error
        self.settle()

    def settle(self) -> None:
        """Hand the call back to its caller, once."""
        if self.settled:
            return
        self.settled = True
        self.path.leave(self)
        self.done(self)


def _line(head: str, id_: str, instance: Instance, features_json: str, outcome: Outcome) -> str:
    if isinstance(outcome, str):
        output_json, error = outcome, None
        if (
            instance.seq is instance.client_id is instance.subject is instance.device_time is None
            and not instance.warnings
        ):
            return line_of(head, id_, features_json, output_json)
    else:
        output_json, error = None, outcome.code
    return line_of(
        head,
        id_,
        features_json,
        output_json,
        error=error,
        warnings_json=msgspec.json.encode(instance.warnings).decode() if instance.warnings else None,
        seq=instance.seq,
        client_id=instance.client_id,
        subject=instance.subject,
        device_time=instance.device_time,
    )
