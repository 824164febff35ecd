"""uvicorn's HTTP protocol: requests begin at once, whole answers go out in one write, heads have an end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mock_server.base.errors import BadRequest
from mock_server.engine.heads import Head
from mock_server.engine.masks import OURS
from mock_server.protocols.heads import END, LONGEST, Heads
from mock_server.protocols.refusal import refuse
from mock_server.protocols.transports import OneWrite, Outgoing

FEW = 4  # connections, whose answers are not worth gathering
MOST_HEAD, MOST_HEADERS = 256 * 1024, 1000  # bytes of a request before its body; its headers, trailers counted


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
    A request's head has an end: MOST_HEAD bytes, and the time that an idle connection has. So have its chunks' heads and trailers.
    """

    prompt = False  # whether the application does without a task of its own until it first waits
    between = True  # whether the next byte begins a request
    around = 0  # bytes that came since the last of a body, or since the request began
    _packet = 0  # bytes that are being read, until a request begins in them
    _reading = False
    _declined = False  # whether a request is read that wants another protocol than there is
    _unknown = b""  # the head that is being read, if it is worth to be known
    _ready: tuple[RequestResponseCycle, Any] | None = None  # a request that has been read, to be begun
    _idle: asyncio.TimerHandle | None = None
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = OneWrite(transport)  # type: ignore[assignment]
        self.prompt = getattr(self.app, "prompt", False)
        shared = vars(self.server_state)
        self._outgoing = shared.setdefault("mock_outgoing", Outgoing(self.loop))
        self._heads: Heads = shared.setdefault("mock_heads", Heads())
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_idling()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but that a connection is idle until a head is whole, however it drips."""
        if self.between and (self.cycle is None or self.cycle.response_complete):
            end = data.find(END, 0, LONGEST) + len(END)
            if end >= len(END):
                raw = data[:end]
                head = self._heads.get(raw)
                if head is None:
                    self._unknown = raw
                elif head.length == len(data) - end:
                    self.begin_known(head, data[end:])
                    return
        while data:
            data = self._parse(data)
        self._unknown = b""

    def begin_known(self, head: Head, body: bytes) -> None:
        """Begin a request that has come whole, its head byte for byte as one that was parsed."""
        self.on_message_begin()
        self.around = 0
        scope: Any = self.scope
        self.headers += head.headers
        scope["method"], scope["path"], scope["raw_path"] = head.method, head.path, head.raw_path
        scope["query_string"], scope["mock.head"] = head.query, head
        arrived = asyncio.Event()
        arrived.set()
        self.cycle = cycle = RequestResponseCycle(
            scope, self.transport, self.flow, self.logger, self.access_logger, self.access_log,
            self.server_state.default_headers, arrived, False, True, self.on_response_complete,
        )  # fmt: skip
        cycle.body, cycle.more_body = bytearray(body), False
        self.between = True
        (self._begin if self.prompt else self._start_asgi_task)(cycle, self.app)

    def _parse(self, data: bytes) -> bytes:
        """Gives back what was not read."""
        self._reading, rest = True, b""
        self._packet = len(data)
        self.around += self._packet
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._reading = False
                self._stop_idling()
                self.handle_websocket_upgrade()
                # What refers back to this would stay until the garbage collector comes by.
                self.parser, self.scope = None, {}  # type: ignore[assignment, typeddict-item]
                return b""
            rest = data[upgrade.args[0] :]
            if self._declined:
                self._declined, rest = False, self._without_upgrade() + rest
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if self.around > MOST_HEAD:
                self._give_up(f"A request's head, and what stands around its chunks, has at most {MOST_HEAD} bytes.")
            elif len(self.headers) > MOST_HEADERS:
                self._give_up(f"A request has at most {MOST_HEADERS} headers.")
        while self._ready is not None:
            (cycle, app), self._ready = self._ready, None
            self._begin(cycle, app)
        self._reading = False
        return rest

    def _give_up(self, why: str) -> None:
        self._ready = None
        refuse(self.transport, BadRequest(why))

    def on_body(self, body: bytes) -> None:
        self.around = 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.between = False
        self.around, self._packet = self._packet, 0  # a second request in a packet is somewhere in it
        self.scope["mock.connection"] = self  # type: ignore[typeddict-unknown-key]

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self._get_upgrade() not in (None, b"websocket"):
            self._declined = True
            return
        super().on_headers_complete()
        raw, self._unknown = self._unknown, b""
        if raw and self.cycle is not None and self.cycle.scope is self.scope and self.cycle.keep_alive:
            self._heads.learn(raw, self.scope)

    def on_message_complete(self) -> None:
        if not self._declined:
            super().on_message_complete()
        self.between = True

    def _without_upgrade(self) -> bytes:
        """The head that was read, to be read again. The parser takes a body for what was upgraded to: to HTTP/2, say, as
        Java's client asks with every first request. It stays with HTTP/1.1."""
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join(lines) + END

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

    def respond(
        self, scope: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes, chunked: bool = False
    ) -> bool:
        """Send a whole answer at once; False where that takes uvicorn's own way, message by message.

        `chunked`: with no length beforehand, in one chunk.
        """
        cycle = self.cycle
        if (
            cycle.scope is not scope  # the next request of the connection has come already
            or cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
            or scope["method"] == "HEAD"
            or len(headers) > OURS  # what others put in is looked at, header by header
            or (chunked and scope["http_version"] == "1.0")
        ):
            return False
        head = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            head += (name, b": ", value, b"\r\n")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        if chunked:
            head += (b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(body), body, b"\r\n0\r\n\r\n")
        else:
            head += (b"\r\n", body)
        self.transport.write(b"".join(head))
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
