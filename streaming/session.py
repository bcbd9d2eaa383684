"""One socket's side of the stream protocol as a state machine: frames in, frames out, no I/O.

What came in takes a slot; answers leave in the order of the slots, whenever each is ready. Events that must not wait
behind held answers (`paused`, an error that ends the socket) go out at once.
"""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from inference.engine.errors import ForetellError
from inference.engine.instances import Instance
from inference.engine.signature import Signature
from inference.truth import Truth
from streaming import errors, messages, replies
from streaming.answers import Answers, Slot
from streaming.errors import Close
from streaming.frames import Decoder
from streaming.messages import Ping, Readings, Refused
from streaming.packed import PackedDecoder

WINDOW = 64
FRAME_BYTES = 65536
HEARTBEAT_S = 20
MAX_FAULTS = 20
FAULTS_WITHIN_S = 60.0


@lru_cache(maxsize=64)
def _decoder(
    kind: type[Decoder] | type[PackedDecoder], signature: Signature, clock: Callable[[], float]
) -> Decoder | PackedDecoder:
    """One for all sessions of a signature: the types it compiles take 10 KiB."""
    return kind(signature, clock)


class State(enum.Enum):
    """What a session does with frames that come."""

    OPEN = enum.auto()
    PAUSED = enum.auto()
    ENDING = enum.auto()


@dataclass(frozen=True, slots=True)
class Served:
    """What answers the session now. `version` is None while the endpoint has no champion."""

    version: str | None
    signature: Signature


class Session(Answers):
    """One open socket of a device to an endpoint."""

    def __init__(
        self,
        *,
        session_id: str,
        endpoint: str,
        audit: str,
        served: Served,
        coalesce: bool = False,
        short_hello: bool = False,
        packed: bool = False,
        window: int = WINDOW,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin a session, with `hello` as its first frame.

        Args:
            coalesce: put several answers into one frame where they are ready together.
            short_hello: leave inputs and outputs out of `hello`.
            packed: speak MessagePack in binary frames, instead of JSON in text frames.
            window: how many messages may be unanswered before reading stops.
            clock: Unix seconds.
            monotonic: seconds that never jump.
        """
        super().__init__(coalesce=coalesce, packed=packed)
        self.id = session_id
        self.endpoint = endpoint
        self.served = served
        self.state = State.OPEN
        self.close: Close | None = None
        self.rejected: list[str] = []
        self._window = window
        self._clock = clock
        self._monotonic = monotonic
        self._faults: list[float] = []
        self._frame_type: type[str | bytes] = bytes if packed else str
        self._decode = self._decoder_of(served.signature)
        self._urgent.append(self._hello(audit, short_hello))

    def _hello(self, audit: str, short: bool) -> str:
        """The first frame, which says what the session serves and what it takes."""
        return replies.hello(
            session=self.id,
            endpoint=self.endpoint,
            version=self.served.version,
            signature=self.served.signature,
            audit=audit,
            limits={
                "window": self._window,
                "frame_bytes": FRAME_BYTES,
                "items": messages.MAX_ITEMS,
                "heartbeat_s": HEARTBEAT_S,
            },
            short=short,
        )

    # ---- In ---------------------------------------------------------------------------------------------------------

    @property
    def readable(self) -> bool:
        """Whether a frame may be received now: the window has a free place and nothing pauses or ends the stream."""
        return self.state is State.OPEN and len(self._slots) < self._window

    @property
    def refreshed(self) -> bool:
        """Whether half of the window is free: once full, reading starts again there and not at the first place."""
        return self.state is State.OPEN and len(self._slots) <= self._window // 2

    def receive(self, frame: str | bytes) -> Slot | None:
        """Take one frame.

        Returns:
            The slot whose instances want predictions, or whose truth wants to be stored; None when the frame is
            answered already.
        """
        if type(frame) is not self._frame_type:
            self._refuse_kind(frame)
            return None
        message = self._decode(frame)
        if type(message) is Instance:
            slot = Slot((message,))
            self._slots.append(slot)
            return slot
        if isinstance(message, Readings):
            slot = self._batch(message)
        elif isinstance(message, Ping):
            self._answered(replies.pong(message.n))
            return None
        elif isinstance(message, Truth):
            slot = Slot()
            slot.truth = message
            slot.batch = True
        else:
            assert isinstance(message, Refused)
            self._refuse(message)
            return None
        self._slots.append(slot)
        return slot if slot.frames is None else None

    def _decoder_of(self, signature: Signature) -> Callable[..., messages.Message]:
        """What decodes a client's frames, as the session's subprotocol says."""
        return _decoder(PackedDecoder if self._packed else Decoder, signature, self._clock).decode

    def _refuse_kind(self, frame: str | bytes) -> None:
        """Refuse a binary frame in a JSON session, or a text frame in a MessagePack one."""
        if not frame:
            self._refuse(Refused("empty_frame", "Expected an object; the frame was empty."))
            return
        spoken, came = ("MessagePack in binary", "a text") if self._packed else ("JSON in text", "a binary")
        detail = f"This session speaks {spoken} frames; {came} frame came. The subprotocol decides."
        self._end(Refused("unsupported_frame", detail), Close(errors.UNSUPPORTED_DATA, "unsupported_frame"))

    def _batch(self, message: Readings) -> Slot:
        slot = Slot([item for item in message.items if type(item) is Instance], message.items)
        for item in message.items:
            if isinstance(item, Refused):
                self._count(item)
        if not slot.instances:
            slot.frames = [
                replies.predictions(replies.error(item) for item in message.items if isinstance(item, Refused))
            ]
        return slot

    def _refuse(self, refused: Refused) -> None:
        self._answered(replies.error(refused))
        self._count(refused)

    def _count(self, refused: Refused) -> None:
        """Count a refusal for the record, and a protocol fault towards the limit."""
        self.rejected.append(refused.code)
        if refused.code not in messages.FAULTS:
            return
        now = self._monotonic()
        self._faults = [*(at for at in self._faults if at >= now - FAULTS_WITHIN_S), now]
        if len(self._faults) >= MAX_FAULTS and self.state is not State.ENDING:
            detail = f"{MAX_FAULTS} malformed messages came within a minute. Fix the client, then connect again."
            self._end(Refused("too_many_errors", detail), Close(errors.POLICY_VIOLATION, "too_many_errors"))

    # ---- What happens to the stream ---------------------------------------------------------------------------------

    def serve(self, served: Served) -> None:
        """Another version answers from now on. Tells the client, in order, and what is asked if that changed."""
        if served == self.served:
            return
        before, self.served = self.served, served
        if served.signature.digest != before.signature.digest:
            self._decode = self._decoder_of(served.signature)
            described = served.signature.to_dict()
            facts = {
                "signature": served.signature.digest,
                "inputs": described["inputs"],
                "outputs": described["output"],
            }
            self._answered(replies.event("schema_changed", version=served.version, **facts))
        else:
            self._answered(replies.event("version_changed", version=served.version))

    def pause(self, reason: str) -> None:
        """Read no more until `resume`: what was read waits."""
        if self.state is State.OPEN:
            self.state = State.PAUSED
            self._urgent.append(replies.event("paused", reason=reason))

    def resume(self) -> None:
        """Read again."""
        if self.state is State.PAUSED:
            self.state = State.OPEN
            self._urgent.append(replies.event("resumed"))

    def drain(self, retry_after_ms: int) -> None:
        """Answer what is in flight, then tell the client to come back and close."""
        if self.state is not State.ENDING:
            self.state = State.ENDING
            self._answered(replies.event("draining", retry_after_ms=retry_after_ms))
            self.close = Close(errors.SERVICE_RESTART, f"draining;after_ms={retry_after_ms}")

    def cut(self) -> None:
        """Close a stream that drains as it was told it would be, without the answers that are not there yet."""
        if self.close is not None:
            self._end(None, self.close)

    def give_up(self, retry_after_ms: int) -> None:
        """Close a stream whose pause took too long."""
        self._end(None, Close(errors.TRY_AGAIN_LATER, f"audit_unavailable;after_ms={retry_after_ms}"))

    def end(self, error: ForetellError) -> None:
        """Tell the client why and close, at once: what is unanswered stays so."""
        self._end(messages.refusal(error), errors.close_of(error))

    def _end(self, refused: Refused | None, close: Close) -> None:
        if self.state is State.ENDING and self.close is not None and self.close.code != errors.SERVICE_RESTART:
            return
        self.state = State.ENDING
        self.close = close
        # What is answered leaves first, what is not never will.
        ready = [text for slot in self._slots if slot.frames is not None for text in slot.frames]
        self._slots.clear()
        self._urgent += ready if refused is None else [*ready, replies.error(refused)]

    @property
    def finished(self) -> bool:
        """Whether the close frame is what is left to send."""
        return self.close is not None and not self._slots and not self._urgent
