"""The only code that reads and writes a device's socket: frame in, session, predictor, frame out."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from inference.call import Call, Origin
from inference.catalog import LiveVersion
from inference.engine.errors import ForetellError, ModelUnavailable
from inference.errors import Internal, UnknownEndpoint
from inference.models import AuditPolicy, Source
from inference.predictor import Predictor
from streaming import errors, handshake
from streaming.answers import Slot
from streaming.bell import Bell
from streaming.errors import Close
from streaming.feedback import FeedbackLine
from streaming.handshake import Handshake
from streaming.session import Served, Session

logger = structlog.get_logger(__name__)

SEND_TIMEOUT_S = 10.0
"""How long a client may leave the server's buffer over its high-water mark (64 KiB) before its socket is closed."""
CLOSE_TIMEOUT_S = 5.0
PAUSED_FOR_S = 15.0
GIVE_UP_S = 20.0
"""Longer than a pause may last, so that a paused stream is closed before any of its readings is given up."""
RETRY_AFTER_MS = (500, 15_000)
"""The spread of reconnects after a restart, so that devices do not come back in the same second."""

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class DeviceSocket:
    """One accepted socket: a reader that receives and submits, and a writer that sends what is ready."""

    def __init__(self, asked: Handshake, predictor: Predictor, session_id: str, receive: Receive, send: Send) -> None:
        self._asked = asked
        self.slug = asked.endpoint.slug
        self.device_id = asked.caller.device_id
        self._predictor = predictor
        self._receive = receive
        self._send = send
        self._endpoint = asked.endpoint
        self._version: LiveVersion | None = asked.pinned or asked.endpoint.champion
        assert self._version is not None
        self._origin = Origin(
            endpoint_id=asked.endpoint.id, caller=asked.caller, source=Source.STREAM, request_id=session_id
        )
        self._session = Session(
            session_id=session_id,
            endpoint=self.slug,
            audit=asked.endpoint.audit,
            served=Served(self._version.tag, self._version.signature),
            coalesce=asked.coalesce,
            short_hello=asked.short_hello,
            packed=asked.subprotocol == handshake.MSGPACK,
        )
        self._frame_key = "bytes" if asked.subprotocol == handshake.MSGPACK else "text"
        self._loop = asyncio.get_running_loop()
        self._to_write = Bell()
        self._to_read = Bell()
        self._feedback = FeedbackLine(predictor.database, asked.caller, self._session, self._to_write.ring)
        self._task = asyncio.current_task()
        self._writer: asyncio.Task[None] | None = None
        self._sending_since_s: float | None = None
        self._pause_timer: asyncio.TimerHandle | None = None
        self._give_up_timer: asyncio.TimerHandle | None = None
        self._gone = False
        self._given_up = False

    async def run(self) -> None:
        """Serve the socket until either side closes it."""
        predictor = self._predictor
        stop_listening = [
            predictor.catalog.on_change(self._catalog_changed),
            predictor.recorder.on_availability(self._availability_changed),
            predictor.credentials.watch(self._asked.caller, self.slug, self._lost, self._feedback.speak_for),
        ]
        if not predictor.recorder.available:
            self._availability_changed(False)
        self._writer = asyncio.create_task(self._write(), name="stream writer")
        self._to_write.ring()
        try:
            await self._read()
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            asyncio.current_task().uncancel()
            logger.info("a client did not close its socket", session=self._session.id)
        finally:
            for stop in stop_listening:
                stop()
            self._stop_timers()
            self._gone = True
            self._to_write.ring()
            await self._writer
            await self._feedback.finish()

    # ---- Reading ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Receive until the client is gone. After a fault of ours, and after our close frame, only for that."""
        try:
            await self._read_all()
        except Exception:
            logger.exception("a stream failed", session=self._session.id)
            self._session.end(Internal(self._session.id))
            self._to_write.ring()
            await self._until_gone()

    async def _read_all(self) -> None:
        """Take frames as long as there is room for them, until the socket is closed."""
        session, predictor, receive = self._session, self._predictor, self._receive
        while session.readable or await self._until_readable():
            if predictor.full:
                await predictor.room()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            slot = session.receive(message["bytes"] if text is None else text)
            if session.rejected:
                self._count_rejected()
            if slot is None:
                self._to_write.ring()
            elif slot.truth is None:
                self._submit(slot)
            else:
                self._feedback.add(slot)

    async def _until_readable(self) -> bool:
        """Wait for half of the window. A session that ends is read on for its client's close frame only."""
        while not self._session.refreshed:
            if self._session.close is not None or self._gone:
                await self._until_gone()
                return False
            await self._to_read.wait()
        return True

    async def _until_gone(self) -> None:
        """Drop what still comes until the socket is closed; the writer's timer bounds it."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    def _submit(self, slot: Slot) -> None:
        version = self._version
        if version is None:
            reason = self._endpoint.reason or "no version is live"
            self._session.refuse(slot, ModelUnavailable(self.slug, reason))
            self._to_write.ring()
            return
        self._predictor.submit(
            Call(
                self._predictor,
                self._endpoint.audit,
                version,
                self._origin,
                slot.instances,
                self._answer,
                time.perf_counter(),
                self._loop.time() + GIVE_UP_S,
                slot,
            )
        )

    def _answer(self, call: Call) -> None:
        """Put a call's answers into the slot of its message."""
        if call.error is not None:
            self._session.refuse(call.context, call.error)
        else:
            self._session.answer(
                call.context, ids=call.ids, outcomes=call.outcomes, version=call.version.tag, stored=call.stored
            )
        self._to_write.ring()

    def _count_rejected(self) -> None:
        for code in self._session.rejected:
            self._predictor.reject(endpoint_id=self._endpoint.id, device_id=self._asked.caller.device_id, code=code)
        self._session.rejected.clear()

    # ---- Writing ----------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Send what is ready, in order, until the session has sent its last frame or the client is gone."""
        close = Close(errors.INTERNAL_ERROR, "internal")
        try:
            close = await self._send_all()
        except (OSError, RuntimeError) as error:
            # What servers raise when the client is gone; the reader sees the disconnect itself.
            logger.debug("a stream's client is gone", session=self._session.id, error=repr(error))
        except asyncio.CancelledError:
            if self._sending_since_s is None:
                raise
            logger.info("a client does not read its answers", session=self._session.id)
            close = Close(errors.TRY_AGAIN_LATER, "slow_reader")
        except Exception:
            logger.exception("a stream's writer failed", session=self._session.id)
        finally:
            if not self._gone:
                self._gone = True
                self._to_read.ring()
                self._give_up_timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._give_up)
                await self._close(close)

    async def _send_all(self) -> Close:
        """Send frames as they become ready; what closes the socket once the last one is sent."""
        session, to_write, send, key = self._session, self._to_write, self._send, self._frame_key
        while not self._gone:
            await to_write.wait()
            if frames := session.frames_to_send():
                self._sending_since_s = self._loop.time()
                for frame in frames:
                    await send({"type": "websocket.send", key: frame})
                self._sending_since_s = None
            if session.finished:
                break
            self._to_read.ring()
        return session.close or Close(errors.NORMAL, "")

    async def _close(self, close: Close) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        except (TimeoutError, OSError, RuntimeError) as error:
            logger.debug("a stream's client is gone", session=self._session.id, error=repr(error))

    def _give_up(self) -> None:
        """The client answers our close frame with nothing: end without it."""
        self._given_up = True
        self._task.cancel()

    def _stop_timers(self) -> None:
        for timer in (self._pause_timer, self._give_up_timer):
            if timer is not None:
                timer.cancel()

    # ---- What happens to the stream ---------------------------------------------------------------------------------

    def check_sending(self, now_s: float) -> None:
        """Close the socket of a client that has left its answers unread for too long."""
        if self._sending_since_s is not None and now_s - self._sending_since_s > SEND_TIMEOUT_S:
            self._writer.cancel()

    def drain(self) -> None:
        """Read no more, answer what is in flight, then close with 1012."""
        self._session.drain(random.randint(*RETRY_AFTER_MS))
        self._wake()

    def cut(self) -> None:
        """Close now one that drains, without what is still in flight."""
        self._session.cut()
        self._wake()

    def _wake(self) -> None:
        self._to_write.ring()
        self._to_read.ring()

    def _lost(self, error: ForetellError) -> None:
        """The caller may no longer use this endpoint."""
        self._session.end(error)
        self._wake()

    def _catalog_changed(self) -> None:
        try:
            endpoint = self._predictor.catalog.endpoint(self.slug)
        except UnknownEndpoint as error:
            self._lost(error)
            return
        self._endpoint = endpoint
        if self._asked.pinned is None and endpoint.champion is not self._version:
            self._version = endpoint.champion
            signature = self._session.served.signature if self._version is None else self._version.signature
            self._session.serve(Served(self._version.tag if self._version else None, signature))
            self._wake()

    def _availability_changed(self, available: bool) -> None:
        if self._endpoint.audit != AuditPolicy.STRICT:
            return
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
        if available:
            self._session.resume()
        else:
            self._session.pause("audit_unavailable")
            self._pause_timer = self._loop.call_later(PAUSED_FOR_S, self._paused_too_long)
        self._wake()

    def _paused_too_long(self) -> None:
        self._session.give_up(random.randint(*RETRY_AFTER_MS))
        self._wake()
