"""The answers of one socket: whenever each is ready, they leave in the order of the messages. No I/O."""

from collections import deque
from collections.abc import Sequence

from inference.engine.errors import ForetellError
from inference.engine.instances import Instance
from inference.truth import Truth
from streaming import messages, replies
from streaming.messages import Refused

COALESCED = 256
"""Answers in one `predictions` frame of a coalescing session, at most."""


class Slot:
    """The place of one message in the order of answers. It holds the answer's frames once they are known.

    `truth` is what the message tells of a prediction, when it is feedback; it has no instances then.
    """

    __slots__ = ("batch", "frames", "instances", "items", "truth")

    def __init__(self, instances: Sequence[Instance] = (), items: Sequence[Instance | Refused] | None = None) -> None:
        self.instances = instances
        self.items = items
        self.frames: list[str] | None = None
        self.batch = items is not None
        self.truth: Truth | None = None


class Answers:
    """What was asked and is not sent yet.

    A session is this instead of having it: one look-up less for every reading.
    """

    def __init__(self, *, coalesce: bool, packed: bool) -> None:
        """Begin with nothing to send.

        Args:
            coalesce: put several answers into one frame where they are ready together.
            packed: speak MessagePack in binary frames, instead of JSON in text frames.
        """
        self._coalesce = coalesce
        self._packed = packed
        self._slots: deque[Slot] = deque()
        self._urgent: list[str] = []
        """What must not wait behind held answers."""

    def answer(
        self, slot: Slot, *, ids: Sequence[str], outcomes: Sequence[str | ForetellError], version: str, stored: bool
    ) -> None:
        """Fill a slot with what was predicted: an output (JSON text) or an error for each of its instances."""
        if slot.items is None:
            (outcome,), (instance,) = outcomes, slot.instances
            if isinstance(outcome, str):
                slot.frames = [replies.prediction(ids[0], outcome, version, stored, instance)]
                return
        texts = [
            replies.prediction(id_, outcome, version, stored, instance)
            if isinstance(outcome, str)
            else replies.error(messages.refusal(outcome, instance.seq))
            for id_, outcome, instance in zip(ids, outcomes, slot.instances, strict=True)
        ]
        self._fill(slot, texts)

    def refuse(self, slot: Slot, error: ForetellError) -> None:
        """Fill a slot whose instances, or whose truth, could not be served."""
        if slot.truth is not None:
            slot.frames = [replies.error(messages.refusal(error))]
            return
        self._fill(slot, [replies.error(messages.refusal(error, instance.seq)) for instance in slot.instances])

    def told(self, slot: Slot, duplicate: bool) -> None:
        """Fill a slot of feedback that is committed."""
        assert slot.truth is not None
        slot.frames = [replies.feedback(str(slot.truth.prediction), duplicate)]

    def _fill(self, slot: Slot, texts: list[str]) -> None:
        if slot.items is None:
            slot.frames = texts
            return
        answers = iter(texts)
        slot.frames = [
            replies.predictions(
                replies.error(item) if isinstance(item, Refused) else next(answers) for item in slot.items
            )
        ]

    def _answered(self, text: str) -> None:
        """Put a frame that is ready into the order of answers."""
        slot = Slot()
        slot.frames = [text]
        slot.batch = True
        self._slots.append(slot)

    def frames_to_send(self) -> Sequence[str | bytes]:
        """Take the frames that may leave now, in order: text in a JSON session, bytes in a MessagePack one."""
        texts = self._texts_to_send()
        return [replies.packed(text) for text in texts] if self._packed else texts

    def _texts_to_send(self) -> list[str]:
        out, self._urgent = self._urgent, []
        slots = self._slots
        if not self._coalesce:
            while slots and slots[0].frames is not None:
                out += slots.popleft().frames or ()
            return out
        run: list[str] = []
        while slots and slots[0].frames is not None:
            slot = slots.popleft()
            if slot.batch or len(run) == COALESCED:
                out += _coalesced(run)
                run = []
            if slot.batch:
                out += slot.frames or ()
            else:
                run += slot.frames or ()
        return out + _coalesced(run)


def _coalesced(run: list[str]) -> list[str]:
    return run if len(run) < 2 else [replies.predictions(run)]
