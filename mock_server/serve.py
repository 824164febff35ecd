"""Runs an App under uvicorn: from the command line, or as `LocalServer` in a thread of a test."""

import asyncio
import errno
import logging
import signal
import socket
import sys
import threading  # noqa: TID251  LocalServer is a thread of the test's process, not of the server
from http import HTTPStatus
from types import FrameType, TracebackType
from typing import Any

import uvicorn
from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from mock_server.app import App, create_app
from mock_server.base.errors import ApiError, BadRequest, MethodNotAllowed, render
from mock_server.base.settings import Settings
from mock_server.engine.masks import OURS

LINGER = 2.0  # seconds in which a client may read why its frame was refused


class PortInUse(RuntimeError):
    """The address cannot be listened on: one sentence for a person."""


class OneWrite:
    """A transport that holds an answer's head back until its body comes, or until a paced stream asks to flush it.

    uvicorn writes the two apart, a system call each: a third of the time of a short answer.
    """

    __slots__ = ("_closed", "_held", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
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
            self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._closed = True
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """Puts into the scope how to close the connection, which uvicorn offers no other way before headers were sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = OneWrite(transport)  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["mock.hang_up"] = self.transport.close  # type: ignore[typeddict-unknown-key]
        self.scope["mock.flush"] = self.transport.flush  # type: ignore[typeddict-unknown-key, attr-defined]
        self.scope["mock.respond"] = self.respond  # type: ignore[typeddict-unknown-key]

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
        self.transport.flush()  # type: ignore[attr-defined]  # of an answer to HEAD uvicorn writes no body
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP request."""
        refuse(self.transport, BadRequest(msg))


class SocketProtocol(WebSocketsSansIOProtocol):
    """As above for sockets; a handshake that is none is told so in the vendor's envelope, where uvicorn has plain text."""

    deaf = False

    async def run_asgi(self) -> None:
        self.scope["mock.hang_up"] = self.transport.close  # type: ignore[typeddict-unknown-key]
        self.scope["mock.deafen"] = self.deafen  # type: ignore[typeddict-unknown-key]
        await super().run_asgi()

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
        if self.deaf or self.conn.parser_exc is not None:
            return
        super().data_received(data)
        if (
            not (self.handshake_initiated or self.handshake_complete) and self.conn.handshake_exc is not None
        ):  # uvicorn would wait for ever
            self._refuse(BadRequest(f"This is no WebSocket handshake: {self.conn.handshake_exc}."))

    def handle_parser_exception(self) -> None:
        """A frame that is too large, or none: told in a close frame, which a reset would overtake if we hung up at once."""
        told = self.conn.close_sent
        assert told is not None
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": told.code, "reason": told.reason, "mock.by": "server"}  # type: ignore[arg-type]
        )
        self.close_sent = self.disconnected = True  # whoever is sending now is told that nobody is there
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)
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


class Server(uvicorn.Server):
    """uvicorn that says one line when ready, and ends with exit code 0 when told to stop."""

    announce = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.announce and sockets:
            print(f"Telnyx AI mock ready at {url_of(sockets[0])}/v2", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after its shutdown, and the process would die of it instead of ending.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def url_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:4010` of a bound socket; a wildcard address is shown as localhost."""
    host, port = listener.getsockname()[:2]
    host = "localhost" if host in ("0.0.0.0", "::") else host  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse with a sentence."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # IPPROTO_TCP said out loud: asyncio sets TCP_NODELAY only on sockets that were made with it.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no host name"
        raise PortInUse(f"Cannot listen on {host}: {reason}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise PortInUse(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        hint = "Another port: --port 4011, any free one: --port 0."
        raise PortInUse(f"Cannot listen on {host}:{port}: the port is in use. {hint}") from None
    return listener


def config(app: App, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws=SocketProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # clients keep an idle connection for 5 s too, and would meet ours as it closes
        timeout_graceful_shutdown=settings.drain,  # type: ignore[arg-type]
        ws_ping_interval=None,  # a half-open socket must stay one
        ws_max_size=settings.max_frame_bytes,
        ws_per_message_deflate=settings.compression,
    )


def quieten() -> None:
    """uvicorn's own lines say nothing about the mock; what goes wrong in an exchange is the journal's to tell."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it tells of each form it cannot read


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises PortInUse and SettingsError before anything is answered."""
    listener = bind(settings.host, settings.port)
    quieten()
    app = create_app(settings)
    server = Server(config(app, settings))
    server.announce = True
    server.run(sockets=[listener])


class LocalServer:
    """A server in a thread, as a context manager: `with LocalServer() as server: server.url`."""

    def __init__(self, settings: Settings | None = None, **app_options: Any) -> None:
        self.settings = settings or Settings(port=0)
        self.app = create_app(self.settings, **app_options)
        self.url = ""
        self._server = Server(config(self.app, self.settings))
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "LocalServer":
        quieten()
        listener = bind(self.settings.host, self.settings.port)
        self.url = url_of(listener)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True, name="telnyx-ai-mock")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        assert self._thread is not None
        self._thread.join(10)
        if self._thread.is_alive():
            print("the mock server did not stop within 10 s", file=sys.stderr)
