"""What carries a socket: a session without I/O says what to do, the pump does it. And the route class of sockets."""

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Protocol

from fastapi import APIRouter, WebSocket
from fastapi.routing import APIWebSocketRoute
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

from mock_server.base.clock import SAME, Clock, Timeline
from mock_server.base.errors import ApiError, UpgradeRequired
from mock_server.engine.answers import empty
from mock_server.engine.exchange import Exchange
from mock_server.engine.frames import ARRIVED, Arrived

NORMAL, BROKEN = 1000, 1011  # close codes
LONGEST_WAIT = 3600.0  # seconds of the machine's time, after which the clock is looked at again


@dataclass(frozen=True, slots=True)
class Send:
    """One frame to the client: text, or binary for bytes."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The end, told by the server. Nothing that comes after it is sent."""

    code: int = NORMAL
    reason: str = ""


@dataclass(frozen=True, slots=True, init=False)
class Work:
    """A job whose result goes to `session.done`: `Work(fn, *args)`. Awaited where it gives an awaitable."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]

    def __init__(self, fn: Callable[..., Any], *args: Any) -> None:
        object.__setattr__(self, "fn", fn)
        object.__setattr__(self, "args", args)


Out = Send | Close | Work


class Session(Protocol):
    """One socket's protocol, without I/O. `now` and `due` are seconds since the epoch by the account's clock.

    One call at a time: until all is done that a call asked for, the result of its Work included, there is no other.
    """

    def opened(self, now: float) -> Iterable[Out]:
        """What to do right after the handshake."""

    def feed(self, message: str | bytes, now: float) -> Iterable[Out]:
        """One frame of the client's: str for a text frame, bytes for a binary one."""

    def due(self) -> float | None:
        """When `tick` wants to be called next. A tick must move it on."""

    def tick(self, now: float) -> Iterable[Out]:
        """The instant `due` has come: silence, idleness, pacing."""

    def done(self, result: Any, now: float) -> Iterable[Out]:
        """A Work has ended; `result` is the ApiError where it raised one. What this gives goes before what is left."""

    def closed(self, now: float) -> Iterable[Out]:
        """The socket is closed, by whomever: once, and last. Work is done, Send and Close are passed over."""


class Pump:
    """Moves frames between ASGI and a session.

    Nothing is read while a frame is being answered: a client that sends without reading is held up by TCP. Once the
    client has left, its frames that came before are still fed, and what cannot be sent any more is passed over.
    """

    def __init__(self, session: Session, clock: Clock, timeline: Timeline) -> None:
        self._session, self._clock, self._timeline = session, clock, timeline
        self._free = asyncio.Event()  # nothing is being done that the session asked for
        self._free.set()
        self._changed = asyncio.Event()  # the time was moved, or the session is due earlier
        self._armed = math.inf  # the instant that the timekeeper waits for
        self._timekeeper: asyncio.Task[None] | None = None
        self._mute = False  # nothing more can be sent
        self._over = False  # the session has closed the socket
        self._broken: Exception | None = None

    async def __call__(self, receive: Receive, send: AsgiSend, arrived: Arrived | None = None) -> None:
        """Serve one socket, from its handshake to its end. What the session raises closes it with 1011, and is raised.

        `arrived` gives a message that `receive` would give without waiting, None where there is none: where there is much
        to read, waiting for what is there takes longer than what is done with it.
        """
        self._send = send
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            return  # left during the handshake
        try:
            await self._converse(receive, arrived or _nothing)
        except Exception as error:
            await self._break(error)
        finally:
            await self._end()
        if self._broken is not None:
            raise self._broken

    async def _converse(self, receive: Receive, arrived: Arrived) -> None:
        session, free = self._session, self._free
        now = self._timeline.now()
        await self._do(session.opened(now))
        while not self._over:
            message = arrived()
            if message is None:
                self._arm()
                message = await receive()
                now = self._timeline.now()
            if message["type"] != "websocket.receive":
                return
            while not free.is_set():
                await free.wait()
            data = message.get("text")
            if not self._over and (outs := session.feed(message["bytes"] if data is None else data, now)):
                await self._do_alone(outs)
                now = self._timeline.now()

    async def _do_alone(self, outs: Iterable[Out]) -> None:
        """Neither a frame nor the time reaches the session meanwhile."""
        self._free.clear()
        try:
            await self._do(outs)
        finally:
            self._free.set()

    async def _do(self, outs: Iterable[Out]) -> None:
        for out in outs:
            if type(out) is Send:
                if not self._mute:
                    data = out.data
                    try:
                        await self._send({"type": "websocket.send", "text" if type(data) is str else "bytes": data})
                    except OSError:
                        self._mute = True
            elif type(out) is Work:
                await self._do(self._session.done(await _result(out), self._timeline.now()))
            elif type(out) is Close:
                self._over = True
                await self._close(out)

    async def _close(self, close: Close) -> None:
        if not self._mute:
            self._mute = True
            with suppress(OSError):
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})

    def _arm(self) -> None:
        """See that the timekeeper wakes when the session is due."""
        due = self._session.due()
        if due is None or due >= self._armed:
            return
        if self._timekeeper is None:
            self._armed = due
            self._timekeeper = asyncio.create_task(self._keep_time())
        else:
            self._changed.set()

    async def _keep_time(self) -> None:
        self._timeline.watch(self._changed)
        try:
            while not self._over:
                self._changed.clear()
                due = self._session.due()
                self._armed = math.inf if due is None else due
                left = self._armed - self._timeline.now()
                if left <= SAME:
                    await self._tick()
                    continue
                rate = self._timeline.rate
                wait = min(left / rate, LONGEST_WAIT) if rate > 0 and due is not None else None
                await self._clock.wait(self._changed, wait)
        except Exception as error:
            await self._break(error)
        finally:
            self._timeline.unwatch(self._changed)

    async def _tick(self) -> None:
        while not self._free.is_set():
            await self._free.wait()
        due, now = self._session.due(), self._timeline.now()
        if due is not None and due <= now + SAME and not self._over:  # a frame may have come first
            await self._do_alone(self._session.tick(max(now, due)))
        await self._clock.turn()

    async def _break(self, error: Exception) -> None:
        self._broken = self._broken or error
        self._over = True
        await self._close(Close(BROKEN))

    async def _end(self) -> None:
        self._over = self._mute = True
        if self._timekeeper is not None:
            self._timekeeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._timekeeper
        await self._do(self._session.closed(self._timeline.now()))


def _nothing() -> None:
    """What `arrived` is of a connection that cannot tell."""


async def _result(work: Work) -> Any:
    try:
        result = work.fn(*work.args)
        return await result if isawaitable(result) else result
    except ApiError as error:
        return error


class Caller(Protocol):
    """What a socket's route asks of a call."""

    def pump(self, session: Session) -> Pump: ...

    def quirk(self, name: str) -> bool: ...


Begin = Callable[[Any], Session]


class SocketRoute(APIWebSocketRoute):
    """A socket. `begin` makes the session of a call, or raises the ApiError that its handshake is denied with."""

    def __init__(self, path: str, begin: Begin, *, name: str) -> None:
        async def lean(scope: Scope, receive: Receive, send: AsgiSend) -> None:
            exchange: Exchange = scope["mock.exchange"]
            caller: Caller = exchange.call
            await caller.pump(begin(caller))(receive, send, scope.get(ARRIVED))

        async def endpoint(websocket: WebSocket) -> None:
            await lean(websocket.scope, websocket.receive, websocket.send)

        super().__init__(path, endpoint, name=name)
        self.lean = lean


def socket(router: APIRouter, path: str, operation_id: str) -> Callable[[Begin], Begin]:
    """Declare a socket on a domain's router: the decorated function makes its session."""

    def declare(begin: Begin) -> Begin:
        router.routes.append(SocketRoute(path, begin, name=operation_id))
        return begin

    return declare


PLAIN_GET: dict[int | str, dict[str, Any]] = {
    200: {"description": "Nothing; in the profile `stub` only."},
    426: {"description": "This is a WebSocket; how to connect."},
}


def upgrade_required(call: Caller, path: str) -> Response:
    """The answer to a plain GET on a socket's path. Raises UpgradeRequired."""
    if call.quirk("plain_get_on_sockets_accepted"):
        return empty()
    raise UpgradeRequired(
        f"{path} is a WebSocket: connect to it with ws:// (wss:// behind TLS) and the header Authorization: Bearer <key>.",
        headers={"upgrade": "websocket", "connection": "upgrade"},
    )
