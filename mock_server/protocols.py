"""uvicorn's protocols with what an ASGI application cannot do: hang up, write at once, tell why a frame was refused."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

import httptools
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from mock_server.base.errors import ApiError, BadRequest, MethodNotAllowed, render
from mock_server.engine.frames import ARRIVED
from mock_server.engine.masks import OURS
from mock_server.framing import Frames, Inbox, Message

TOGETHER, FEW = 32, 4  # answers that wait for the end of the turn at most; connections that are not worth it
GATHERED = 64 * 1024  # bytes that are not held back any longer
WAITING = 64 * 1024  # bytes that came since the application had no message left, after which nothing is read
MOST_HEAD, MOST_HEADERS = 256 * 1024, 1000  # bytes of a request before its body; its headers, trailers counted
QUIET, LINGER = 0.25, 10.0  # seconds without more of a refused frame after which we hang up, and seconds at most


class OneWrite:
    """A transport that holds an answer's head back until its body comes, or until a paced stream asks to flush it.

    uvicorn writes the two apart, a system call each: a third of the time of a short answer.
    """

    __slots__ = ("_closed", "_held", "_transport", "is_closing", "whole")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = self.whole = transport
        self.is_closing = transport.is_closing
        self._held = b""
        self._closed = False

    def write(self, data: bytes) -> None:
        if self._held:
            head, self._held = self._held, b""
            self._transport.writelines((head, data))
        elif self._closed:
            return  # an answer of uvicorn's own to a connection that was hung up
        elif data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":  # 100 Continue is waited for
            self._held = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        if self._held:
            head, self._held = self._held, b""
            if not self.is_closing():
                self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._closed = True
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Outgoing:
    """Whole answers of one turn of the loop, sent one after the other at its end.

    Sent as they are made, each would wake a client that sleeps, which takes as long as making one; so the first wakes it for all.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[OneWrite] = []

    def add(self, transport: OneWrite) -> None:
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self.send)
        waiting.append(transport)
        if len(waiting) == TOGETHER:
            self.send()

    def send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            transport.flush()


class Gathering:
    """A transport that writes what comes in one turn of the loop in one go: a system call a frame costs more than the frame."""

    __slots__ = ("_loop", "_size", "_transport", "_waiting", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.is_closing = transport.is_closing
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > GATHERED:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            data, self._waiting, self._size = b"".join(self._waiting), [], 0
            if not self._transport.is_closing():  # uvloop raises where asyncio drops what nobody reads any more
                self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self.flush()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Begun(Coroutine[Any, Any, Any]):
    """A coroutine that has run up to its first wait, for a task to go on with."""

    __slots__ = ("_coroutine", "_fresh", "_waited")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waited: Any) -> None:
        self._coroutine, self._waited, self._fresh = coroutine, waited, True

    def send(self, value: Any) -> Any:
        if self._fresh:
            self._fresh = False
            return self._waited
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        self._fresh = False
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        raise NotImplementedError


class HttpProtocol(HttpToolsProtocol):
    """Begins a request as soon as it is read, and becomes a task only when it has to wait: most never do.

    `scope["mock.connection"]` is this protocol: how to hang up, which uvicorn offers no other way before headers were sent,
    how to take a body that is there already, and how to send a whole answer at once.
    A request's head has an end: MOST_HEAD bytes, and the time that an idle connection has.
    """

    prompt = False  # whether the application does without a task of its own until it first waits
    head = 0  # bytes of a head that is not whole yet
    _reading = False
    _ready: tuple[RequestResponseCycle, Any] | None = None  # a request that has been read, to be begun
    _idle: asyncio.TimerHandle | None = None
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = OneWrite(transport)  # type: ignore[assignment]
        self.prompt = getattr(self.app, "prompt", False)
        self._outgoing = vars(self.server_state).setdefault("mock_outgoing", Outgoing(self.loop))
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_idling()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but that a connection is idle until a head is whole, however it drips."""
        self._reading = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reading = False
            if self._should_upgrade():
                self._stop_idling()
                self.handle_websocket_upgrade()
            return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            self._measure_head(data)
        while self._ready is not None:
            (cycle, app), self._ready = self._ready, None
            self._begin(cycle, app)
        self._reading = False

    def _measure_head(self, data: bytes) -> None:
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            self.head += len(data)
            if self.head > MOST_HEAD:
                refuse(self.transport, BadRequest(f"A request's head has at most {MOST_HEAD} bytes."))
        elif not cycle.response_complete:
            self.head = 0
            if len(self.headers) > MOST_HEADERS:
                self._ready = None
                refuse(self.transport, BadRequest(f"A request has at most {MOST_HEADERS} headers."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["mock.connection"] = self  # type: ignore[typeddict-unknown-key]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._reading and self.prompt:
            self._ready = (cycle, app)  # its body may be in the same packet
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        coroutine = cycle.run_asgi(app)
        try:
            waited = coroutine.send(None)
        except StopIteration:
            return
        task = self.loop.create_task(Begun(coroutine, waited))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def hang_up(self) -> None:
        self.transport.close()

    def flush(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]

    def whole(self, scope: Any) -> bytes | None:
        """Take the request's body, if all of it has come."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.more_body or cycle.waiting_for_100_continue or cycle.disconnected:
            return None
        body, cycle.body = cycle.body, bytearray()
        cycle.message_event.clear()
        return bytes(body)

    def respond(self, scope: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer at once; False where that takes uvicorn's own way, message by message."""
        cycle = self.cycle
        if (
            cycle.scope is not scope  # the next request of the connection has come already
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
            or scope["method"] == "HEAD"
            or len(headers) > OURS  # what others put in is looked at, header by header
        ):
            return False
        head = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            head += (name, b": ", value, b"\r\n")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.write(b"".join((*head, b"\r\n", body)))
        cycle.message_event.set()
        self.on_response_complete()
        return True

    def on_response_complete(self) -> None:
        if len(self.connections) > FEW:
            self._outgoing.add(self.transport)
        else:
            self.transport.flush()  # type: ignore[attr-defined]
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._rest()

    def _rest(self) -> None:
        """Nothing is being answered. One timer a connection: uvicorn makes a new one for every request."""
        self._idle_since = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def _look_idle(self) -> None:
        self._idle = None
        if (self.cycle is not None and not self.cycle.response_complete) or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._look_idle)
        else:
            self.transport.close()

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP request."""
        refuse(self.transport, BadRequest(msg))


class SocketProtocol(WebSocketsSansIOProtocol):
    """As above for sockets; a handshake that is none is told so in the vendor's envelope, where uvicorn has plain text."""

    deaf = False
    hang_up_at = 0.0  # by the loop's time, once a frame was refused
    frames_in: Frames | None = None  # once the handshake has come
    arrived = 0  # bytes since the application had no message left

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue = self.inbox = Inbox(self.loop)  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(Gathering(getattr(transport, "whole", transport), self.loop))  # type: ignore[arg-type]

    async def send(self, message: Any) -> None:
        """A frame is written here where nothing but its length is to be added: uvicorn's way costs three times as much."""
        if (
            message["type"] != "websocket.send"
            or not self.handshake_complete
            or self.close_sent
            or self.conn.extensions
            or self.conn.state is not State.OPEN
            or not self.writable.is_set()
        ):
            return await super().send(message)
        text = message.get("text")
        kind, data = (b"\x82", message["bytes"]) if text is None else (b"\x81", text.encode())
        size = len(data)
        if size < 126:
            head = kind + size.to_bytes(1, "big")
        else:
            head = kind + (b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big"))
        self.transport.write(head + data)

    async def receive(self) -> Any:
        inbox = self.inbox
        if not inbox.messages:
            self.arrived = 0
            if self.read_paused:
                self.read_paused = False
                self.transport.resume_reading()
        return await inbox.get()

    async def run_asgi(self) -> None:
        self.scope["mock.connection"] = self  # type: ignore[typeddict-unknown-key]
        self.scope[ARRIVED] = self.inbox.arrived  # type: ignore[literal-required]
        await super().run_asgi()

    def hang_up(self) -> None:
        self.transport.close()

    def flush(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]

    def send_500_response(self) -> None:
        self.transport.close()  # a handshake that ends without an answer is closed

    def handle_connect(self, event: Request) -> None:
        response = self.conn.accept(event)
        if response.status_code == 101:
            return super().handle_connect(event)
        detail = (response.body or b"").decode("utf-8", "replace").strip()
        self._refuse(MethodNotAllowed() if response.status_code == 405 else BadRequest(detail))

    def deafen(self) -> None:
        """From now on whatever comes is dropped unread: no ping is answered, no close. That the client left is noticed."""
        self.deaf = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if self.conn.parser_exc is not None:
            if self.loop.time() < self.hang_up_at and self.close_timer is not None:
                self.close_timer.cancel()
                self.close_timer = self.loop.call_later(QUIET, self.transport.close)
            return
        if self.frames_in is not None:
            self.arrived += len(data)
            return self.frames_in.feed(data)
        super().data_received(data)  # the handshake, which comes by itself, whatever follows it
        self.frames_in = Frames(self.config.ws_max_size, self._plain, self._take, self._odd)
        if (
            not (self.handshake_initiated or self.handshake_complete) and self.conn.handshake_exc is not None
        ):  # uvicorn would wait for ever
            self._refuse(BadRequest(f"This is no WebSocket handshake: {self.conn.handshake_exc}."))

    def _plain(self) -> bool:
        """Whether messages that come whole need nobody to look at them."""
        conn = self.conn
        return self.handshake_complete and conn.state is State.OPEN and conn.current_size is None

    def _take(self, messages: list[Message]) -> None:
        """Put them before the application. Once too much waits, nothing is read until it has taken all."""
        self.inbox.put(messages)
        if self.arrived > WAITING and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _odd(self, data: bytes) -> None:
        """A control frame, part of a message, or what is to be refused."""
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """A frame that is too large, or none: told in a close frame, which a reset would overtake if we hung up at once."""
        told = self.conn.close_sent
        assert told is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": told.code, "reason": told.reason, "mock.by": "server"}  # type: ignore[arg-type]
        )
        self.close_sent = self.disconnected = True  # whoever is sending now is told that nobody is there
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.hang_up_at = self.loop.time() + LINGER
        self.close_timer = self.loop.call_later(QUIET, self.transport.close)
        self.transport.resume_reading()  # what still comes is discarded

    def handle_ping(self) -> None:
        """Who pings without reading is not read from: the answers would pile up."""
        super().handle_ping()
        if not self.writable.is_set():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    def _refuse(self, error: ApiError) -> None:
        self.handshake_complete = self.close_sent = True
        refuse(self.transport, error)


def refuse(transport: asyncio.Transport, error: ApiError) -> None:
    """Answer in the vendor's envelope what never became an exchange, and close."""
    body = to_json(render(error, "std"))
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: unreadable\r\nconnection: close\r\n\r\n"
    )
    transport.write(head.encode() + body)
    transport.close()
