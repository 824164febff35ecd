"""uvicorn's WebSocket protocol: frames are read and written here where nothing but their length is to be looked at."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from mock_server.base.errors import ApiError, BadRequest, MethodNotAllowed
from mock_server.engine.frames import ARRIVED
from mock_server.framing import Data, Frames, Inbox
from mock_server.protocols.refusal import refuse
from mock_server.protocols.transports import Gathering

WAITING = 64 * 1024  # bytes that came since the application had no message left, after which nothing is read
QUIET, LINGER = 0.25, 10.0  # seconds without more of a refused frame after which we hang up, and seconds at most
PARTING = 1.0  # seconds after which a client's close is answered, whatever the application still does


class SocketProtocol(WebSocketsSansIOProtocol):
    """As `HttpProtocol` for sockets; a handshake that is none is told so in the vendor's envelope, where uvicorn has plain text."""

    deaf = False
    hang_up_at = 0.0  # by the loop's time, once a frame was refused
    frames_in: Frames | None = None  # once the handshake has come
    arrived = 0  # bytes since the application had no message left
    parting: asyncio.TimerHandle | None = None  # once the client has closed, until that is answered

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
        self.app, self._application = self._run, self.app
        try:
            await super().run_asgi()
        finally:
            # What refers back to itself would stay until the garbage collector comes by.
            self.app, self.scope = self._application, {}  # type: ignore[typeddict-item]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.frames_in = None
        self.conn.parser.close()

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._application(scope, receive, send)
        finally:
            self._part()

    def handle_close(self, event: Frame) -> None:
        """A client's close is answered when the application has ended: who has closed finds the exchange in the journal."""
        if self.close_sent or self.transport.is_closing() or self.parting is not None:
            return super().handle_close(event)
        told = self.conn.close_rcvd
        assert told is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": told.code, "reason": told.reason})
        self.disconnected = True
        self.parting = self.loop.call_later(PARTING, self._part)

    def _part(self) -> None:
        if self.parting is not None:
            self.parting.cancel()
            self.parting = None
            if not self.transport.is_closing():
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.transport.close()

    def shutdown(self) -> None:
        if self.parting is not None:
            return self._part()
        super().shutdown()

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

    def _take(self, messages: list[Data]) -> None:
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
