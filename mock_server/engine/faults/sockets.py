"""What a fault does to a socket: frames that come late, twice, broken or not at all, and every way to end."""

import asyncio
from collections import deque
from typing import Any

from pydantic_core import to_json
from starlette.types import Message

from mock_server.engine.faults.effects import Moment
from mock_server.engine.faults.schedule import Fired
from mock_server.engine.faults.wire import Wire, dressed, halved, message_of
from mock_server.engine.frames import DROPPED

FORMATS = (
    "mp3, wav, webm, ogg, flac, ogg_opus, webm_opus, linear16, linear32, mulaw, alaw, opus, amr_nb, amr_wb, g729, speex"
)
ENGINES = "AssemblyAI, Azure, Cohere, Deepgram, Google, Humain, Parakeet, Reson8, Soniox, Speechmatics, Telnyx, xAI"
# The documented codes of the speech-to-text socket: title, detail, the parameter that is to blame. 40001, 40002 and 40007
# are captured; the vendor publishes the meaning of the others, not their words.
FRAME_ERRORS = {
    "40001": ("Invalid Parameter", f"Unsupported input_format 'aac'. Supported formats: {FORMATS}", "input_format"),
    "40002": ("Unsupported format", "Format 'flac' is not supported by engine 'Azure'", "input_format"),
    "40003": ("Missing Parameter", "sample_rate is required for this input_format", "sample_rate"),
    "40004": ("Invalid Parameter", "sample_rate must be a positive integer", "sample_rate"),
    "40005": ("Invalid Parameter", "This sample_rate is not supported for this input_format", "sample_rate"),
    "40006": ("Unsupported format", "This input_format is not supported by Flux", "input_format"),
    "40007": (
        "Invalid Parameter",
        f"Unsupported transcription_engine 'telnyx'. Supported engines: {ENGINES}",
        "transcription_engine",
    ),
}  # fmt: skip
NOW = Moment(unit="frames", n=0)
MOST_STASHED = 256  # messages taken off the connection while a frame waits
GONE: Message = {"type": "websocket.disconnect", "code": 1006}


class SocketWire(Wire):
    """The same for a socket: both directions pass here."""

    def __init__(self, *parts: Any, typed: bool = False) -> None:
        """`typed`: whether frames carry a `type`."""
        super().__init__(*parts)
        self.receive = self.take
        self._typed = typed
        self._stash: deque[Message] = deque()
        self._pending: asyncio.Future[Message] | None = None
        self._ended = asyncio.Event()
        self._deaf = self._gone = False
        self.received = 0

    # What the operation receives

    async def take(self) -> Message:
        """The next message of the client; that it has gone, once the fault ended the socket."""
        message = await self._next()
        if message["type"] == "websocket.receive" and self.fired is not None:
            self.received += 1
            await self._maybe_end(self.fired)
            if self.over:
                return await self._next()
        return message

    async def _next(self) -> Message:
        while True:
            self._collect()
            if self._deaf:
                self._stash = deque(message for message in self._stash if message["type"] == "websocket.disconnect")
            elif self.over and not self._gone:
                return GONE
            if self._stash:
                return self._stash.popleft()
            ended = asyncio.ensure_future(self._ended.wait()) if not self.over else None
            try:
                waiting: set[asyncio.Future[Any]] = {self._listen()} if ended is None else {self._listen(), ended}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if ended is not None:
                    ended.cancel()

    def _listen(self) -> "asyncio.Future[Message]":
        """The one message that the connection is asked for at a time, whoever waits for it."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        return self._pending

    def _collect(self) -> None:
        if self._pending is not None and self._pending.done():
            message = self._pending.result()
            self._pending = None
            self._stash.append(message)
            self._gone = self._gone or message["type"] == "websocket.disconnect"

    async def _until_gone(self) -> None:
        """Returns once the client has left; what it says meanwhile is kept for the operation."""
        while True:
            self._collect()
            if self._gone:
                return
            if len(self._stash) >= MOST_STASHED:
                await asyncio.Event().wait()
            await asyncio.wait({self._listen()})

    # What the operation sends

    async def send(self, message: Message) -> None:
        fired = self.fired
        if fired is None or self.over:
            return None if self.over else await self._send(message)
        kind = message["type"]
        if kind in ("websocket.accept", "websocket.http.response.start"):
            await self._open(fired, message)
        elif kind == "websocket.send":
            await self._frame(fired, message)
        else:
            await self._send(message)

    async def _open(self, fired: Fired, message: Message) -> None:
        if not await self.pause(self._wait(fired.effect.delay, "delay")):
            return
        await self._send({**message, "headers": dressed(list(message.get("headers", ())), fired, set())})
        if message["type"] != "websocket.accept":
            return
        self._began = self._timeline.now()
        moment = self._moment(fired)
        if moment is not None and moment.unit == "seconds":
            self._later = asyncio.ensure_future(self._end_later(fired, moment.n))
        await self._maybe_end(fired)

    async def _frame(self, fired: Fired, message: Message) -> None:
        effect = fired.effect
        if not await self.pause(self._wait(effect.chunk_delay, f"chunk {self.chunks}")) or self.over:
            return
        if effect.malformed and not self._broken and self._reached(effect.at or NOW) and message.get("text"):
            message, self._broken = message_of(halved(message["text"].encode()).decode(errors="ignore")), True
        for _ in range(2 if effect.duplicate else 1):
            await self._send(message)
        self.chunks += 1
        self.bytes += len(message.get("bytes") or (message.get("text") or "").encode())
        await self._maybe_end(fired)

    async def pause(self, seconds: float) -> bool:
        if seconds <= 0:
            return True
        left = asyncio.ensure_future(self._until_gone())
        try:
            if await self._clock.sleep(self._timeline, seconds, until=left):
                return True
        finally:
            left.cancel()
        self.over = True
        return False

    # How it ends

    async def strike(self) -> None:
        """Do at once what a fault does that has just fired on an open socket, and waits for nothing."""
        if self.fired is not None:
            await self._maybe_end(self.fired)

    def _moment(self, fired: Fired) -> Moment | None:
        """When a fault ends the socket, None where it does not."""
        effect = fired.effect
        if effect.cut is not None:
            return effect.cut
        ends = effect.close is not None or effect.error_frame is not None or effect.half_open
        return effect.at or NOW if ends else None

    def _so_far(self, moment: Moment) -> float:
        return self.received if moment.unit == "received" else super()._so_far(moment)

    async def _end_later(self, fired: Fired, seconds: float) -> None:
        if await self._clock.sleep(self._timeline, seconds) and not self.over:
            await self._finish_socket(fired)

    async def _maybe_end(self, fired: Fired) -> None:
        moment = self._moment(fired)
        if moment is not None and moment.unit != "seconds" and not self.over and self._reached(moment):
            await self._finish_socket(fired)

    def hang_up(self) -> None:
        if self._exchange.frames is not None:
            self._exchange.frames.close(DROPPED, "", "server")
        super().hang_up()

    async def _finish_socket(self, fired: Fired) -> None:
        effect = fired.effect
        self.over = True
        if effect.half_open:
            self._deaf = True
            self._scope["mock.connection"].deafen()  # set by our uvicorn protocol, serve.py
        elif effect.cut is not None:
            self.hang_up()
        else:
            self._exchange.ended = "cut"
            if effect.error_frame is not None:
                await self._send(message_of(to_json(self._error(effect.error_frame)).decode()))
            await self._send({"type": "websocket.close", "code": effect.close or 1000, "reason": effect.reason or ""})
        self._ended.set()

    def _error(self, said: Any) -> dict[str, Any]:
        """An error frame: one that is given, one of the documented codes, or a message as the operation would word it."""
        if isinstance(said, dict):
            return said
        operation = self._exchange.operation
        kind = {"type": "error"} if self._typed else {}
        if said in FRAME_ERRORS:
            title, detail, parameter = FRAME_ERRORS[said]
            return {
                **kind,
                "errors": [{"code": said, "title": title, "detail": detail, "source": {"parameter": parameter}}],
            }
        if operation is not None and operation.dialect == "stt":
            return {**kind, "errors": [{"code": "10007", "title": "Unexpected error", "detail": said}]}
        return {**kind, "error": said}

    async def linger(self) -> None:
        """A half-open socket stays when the operation has ended, until the client gives up."""
        if self._deaf:
            await self._until_gone()

    def end(self) -> None:
        super().end()
        if self._pending is not None:
            self._pending.cancel()
