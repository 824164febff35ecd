"""What a fault does to an HTTP answer on its way out: waits, cuts, broken JSON, events that are wrong or missing."""

import asyncio
import re
from collections.abc import Iterator
from math import ceil
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from mock_server.base.clock import Clock
from mock_server.base.ids import Ids
from mock_server.engine.answers import disconnected
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.answers import event_body, instead
from mock_server.engine.faults.effects import Effect, Moment
from mock_server.engine.faults.schedule import Fired
from mock_server.engine.heads import Headers

EVENT = re.compile(rb".*?(?:\r?\n){2}|.+", re.DOTALL)
# What ends a stream as it should: of chats, of Anthropic's messages, of responses.
DONE = re.compile(rb"data: ?\[DONE\]\s*|event: ?(?:message_stop|response\.(?:completed|incomplete))\r?\n.*", re.DOTALL)
NAMED = b"event:"  # how an event begins where events have names
AT_ONCE = Moment(unit="chunks", n=0)
AFTER_ONE = Moment(unit="chunks", n=1)
BEAT = 0.1  # seconds between the pieces of a body that drips


class Wire:
    """Stands between an exchange and its connection once a fault fired, or while one waits for the body.

    `send` goes to the operation in place of the connection's own, which is `beneath`. `over`: the rest of the answer goes
    nowhere.
    """

    def __init__(
        self,
        exchange: Exchange,
        scope: Scope,
        receive: Receive,
        send: Send,
        fired: Fired | None,
        clock: Clock,
        ids: Ids,
    ) -> None:
        assert exchange.account is not None
        self.fired = fired
        self.receive = receive if fired is not None else self._noting
        self.over = False
        self._exchange, self._scope, self._clock, self._ids = exchange, scope, clock, ids
        self._account, self._timeline = exchange.account, exchange.account.timeline
        self._receive = receive
        self.beneath = self._send = send
        self._noted: list[bytes] = []
        self._json = b"json" in exchange.headers.get(b"content-type", b"json")
        self._shaped = self._events = self._broken = False
        self._began = 0.0  # when the head went out, by the account's clock
        self.chunks = self.bytes = 0  # sent so far
        self._dripped = 0
        self._later: asyncio.Future[None] | None = None

    async def send(self, message: Message) -> None:
        if self.fired is None or self.over:
            return None if self.over else await self._send(message)
        if message["type"] == "http.response.start":
            await self._start(self.fired, message)
        elif message["type"] == "http.response.body" and self._shaped:
            await self._body(self.fired, message)
        else:
            await self._send(message)

    def instead(self) -> Response | None:
        """What answers in place of the operation, None where that answers itself. Raises the error it answers with."""
        return None if self.fired is None else instead(self._exchange, self.fired, self._clock)

    async def _noting(self) -> Message:
        """What the client sends, a JSON body kept for the rules that wait for it."""
        message = await self._receive()
        if self._json and self.fired is None:
            self._noted.append(message.get("body", b""))
        return message

    def raw(self) -> bytes:
        """The JSON body as it came."""
        raw, self._noted = b"".join(self._noted), []
        return raw

    @property
    def job(self) -> str | None:
        """How the job ends that the exchange makes, where a fault says so."""
        return None if self.fired is None else self.fired.effect.job

    async def linger(self) -> None:
        """After the operation: until nothing is left to do on the connection."""

    def end(self) -> None:
        """Nothing of this outlives its exchange, nor waits for the garbage collector: `receive` may be bound to this."""
        self.receive = self._receive
        if self._later is not None:
            self._later.cancel()

    async def pause(self, seconds: float) -> bool:
        """Wait by the account's clock; False, and all is over, when the client left meanwhile."""
        if seconds <= 0:
            return True
        left = asyncio.ensure_future(disconnected(self._receive))
        try:
            if await self._clock.sleep(self._timeline, seconds, until=left):
                return True
        finally:
            left.cancel()
        self.over = True
        self._exchange.ended = self._exchange.ended or "client_left"
        return False

    def hang_up(self) -> None:
        self.over = True
        self._exchange.ended = "cut"
        self._scope["mock.connection"].hang_up()  # set by our uvicorn protocols, serve.py

    def _flush(self) -> None:
        if "mock.connection" in self._scope:
            self._scope["mock.connection"].flush()

    def _wait(self, wait: tuple[float, float] | None, part: str) -> float:
        assert self.fired is not None
        return self.fired.draw(self._ids, self._account, wait, part)

    async def _start(self, fired: Fired, message: Message) -> None:
        effect = fired.effect
        if not await self.pause(self._wait(effect.delay, "delay")):
            return
        headers: Headers = message["headers"]
        self._events = any(
            name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
        )
        self._shaped = is_shaped(effect)
        dropped = {b"content-length"} if resizes(effect) else set()
        await self._send({**message, "headers": dressed(headers, fired, dropped)})
        self._began = self._timeline.now()
        if self._shaped:
            self._flush()
        if effect.cut is not None and effect.cut.unit == "seconds":
            self._later = asyncio.ensure_future(self._cut_later(effect.cut.n))
        elif effect.cut is not None and self._reached(effect.cut):
            self.hang_up()

    async def _cut_later(self, seconds: float) -> None:
        if await self._clock.sleep(self._timeline, seconds) and not self.over:
            self.hang_up()

    async def _body(self, fired: Fired, message: Message) -> None:
        for chunk in self._split(message.get("body", b"")):
            await self._chunk(fired.effect, chunk)
            if self.over:
                return
        if not message.get("more_body", False):
            effect = fired.effect
            if effect.cut is not None and effect.cut.unit == "seconds":  # the end has to wait for the cut
                await self.pause(max(0.0, self._began + effect.cut.n - self._timeline.now()))
                if not self.over:
                    self.hang_up()
                return
            await self._send({"type": "http.response.body", "body": b""})

    def _split(self, body: bytes) -> Iterator[bytes]:
        if self._events:
            return (found[0] for found in EVENT.finditer(body))
        return iter((body,) if body else ())

    async def _chunk(self, effect: Effect, chunk: bytes) -> None:
        done = self._events and DONE.fullmatch(chunk) is not None
        if effect.error_event is not None and self._events and (done or self._reached(effect.at or AFTER_ONE)):
            assert self._exchange.operation is not None
            dialect, named = self._exchange.operation.dialect, chunk.startswith(NAMED)
            return await self._finish(event_body(effect.error_event, dialect, named))
        if done and effect.no_done:
            return
        if not await self.pause(self._wait(effect.chunk_delay, f"chunk {self.chunks}")):
            return
        if effect.malformed and not done and self._reached(effect.at or AT_ONCE):
            if not self._events:
                return await self._finish(halved(chunk))
            if not self._broken:
                chunk, self._broken = halved(chunk.rstrip()) + b"\n\n", True
        for _ in range(2 if effect.duplicate and not done else 1):
            await self._out(effect, chunk)
        self.chunks += 1
        if effect.cut is not None and not self.over and self._reached(effect.cut):
            self.hang_up()

    async def _finish(self, last: bytes) -> None:
        await self._send({"type": "http.response.body", "body": last})
        self.over = True

    async def _out(self, effect: Effect, chunk: bytes) -> None:
        """A chunk, in pieces when it drips, as far as a cut lets it."""
        size = len(chunk) if effect.drip is None else max(1, ceil(effect.drip * BEAT))
        for begin in range(0, len(chunk), size):
            piece = chunk[begin : begin + size]
            if effect.drip is not None:
                self._dripped += len(piece)
                if not await self.pause(self._began + self._dripped / effect.drip - self._timeline.now()):
                    return
            if effect.cut is not None and effect.cut.unit == "bytes":
                piece = piece[: max(0, int(effect.cut.n) - self.bytes)]
            if self.over:
                return
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            self.bytes += len(piece)
            if effect.cut is not None and self._reached(effect.cut):
                return self.hang_up()

    def _reached(self, moment: Moment) -> bool:
        return self._so_far(moment) >= moment.n

    def _so_far(self, moment: Moment) -> float:
        if moment.unit == "seconds":
            return self._timeline.now() - self._began
        return self.bytes if moment.unit == "bytes" else 0 if moment.unit == "headers" else self.chunks


def is_shaped(effect: Effect) -> bool:
    """Whether an effect touches the bytes of a body."""
    parts = (
        effect.cut,
        effect.chunk_delay,
        effect.drip,
        effect.error_event,
        effect.malformed,
        effect.duplicate,
        effect.no_done,
    )
    return any(part is not None for part in parts)


def resizes(effect: Effect) -> bool:
    """Whether a body's length is another one afterwards, or must not tell the client that all of it has come."""
    if effect.cut is not None and effect.cut.unit == "seconds":
        return True
    return any(part is not None for part in (effect.error_event, effect.malformed, effect.duplicate, effect.no_done))


def dressed(headers: Headers, fired: Fired, dropped: set[bytes]) -> Headers:
    """An answer's headers with what a fault sets, and the name of what fired."""
    changed = {name.encode(): value for name, value in (fired.effect.headers or {}).items()}
    kept = [(name, value) for name, value in headers if name not in dropped and name not in changed]
    added = [(name, value.encode("latin-1")) for name, value in changed.items() if value is not None]
    return [*kept, *added, (b"x-mock-fault", fired.id.encode("latin-1", "replace"))]


def halved(text: bytes) -> bytes:
    """The first half of a text, which is no JSON any more."""
    return text[: max(1, len(text) // 2)]


def message_of(text: str) -> dict[str, Any]:
    """A text frame as ASGI sends it."""
    return {"type": "websocket.send", "text": text}
