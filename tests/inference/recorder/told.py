"""An entry of the tests: remembers what it was told, and in which order entries were told."""

import asyncio
import json
import uuid
from collections.abc import Sequence

from inference import ids, recorder
from inference.engine.errors import ForetellError

FEATURES = "[55.0,0.0,81.0,0.0,-6.0,11.0,25.0,88.0,64.0]"


class Told:
    """One row, or several, and what became of it.

    Args:
        order: every told entry is appended to it.
        features_json: stored as it is.
        rows: how many rows it has.
        give_up_s: how long it may take.
        participants: its conditions.
    """

    def __init__(
        self,
        order: list["Told"],
        features_json: str = FEATURES,
        *,
        rows: int = 1,
        give_up_s: float = 60.0,
        participants: Sequence[recorder.Participant] = (),
        **columns: object,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.order = order
        self.ids = [ids.prediction_id() for _ in range(rows)]
        self.request_id = str(uuid.uuid4())
        head = recorder.line_head(
            endpoint_id=1, version_id=1, device_id=None, credential_id=None, source=1, request_id=self.request_id
        )
        output = json.dumps({"value": 1.5})
        self.text = "".join(recorder.line_of(head, id, features_json, output, **columns) for id in self.ids)
        self.rows = rows
        self.participants = participants
        self.give_up_at = self.loop.time() + give_up_s
        self.calls: list[object] = []
        self.done = asyncio.Event()

    def committed(self) -> None:
        self._tell("committed")

    def refused(self, participant: recorder.Participant) -> None:
        self._tell(participant)

    def failed(self, error: ForetellError) -> None:
        self._tell(error)

    def _tell(self, what: object) -> None:
        self.calls.append(what)
        self.order.append(self)
        self.done.set()


class Failing(Told):
    """An entry whose own code fails when it is told."""

    def committed(self) -> None:
        super().committed()
        raise RuntimeError("on purpose")


async def told(entries: Sequence[Told]) -> None:
    """Wait until each has been told something."""
    for entry in entries:
        await entry.done.wait()
