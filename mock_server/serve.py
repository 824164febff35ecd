"""Runs an App under uvicorn: from the command line, or as `LocalServer` in a thread of a test."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
import threading  # noqa: TID251  LocalServer is a thread of the test's process, not of the server
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

import uvicorn

from mock_server.app import create_app
from mock_server.base.settings import Settings, SettingsError
from mock_server.protocols import HttpProtocol, SocketProtocol

LAST_WORDS = 0.1  # seconds in which what is being answered may still end, where no --drain gives it more
READY = "Telnyx AI mock ready at {url}/v2"


class PortInUse(RuntimeError):
    """The address cannot be listened on: one sentence for a person."""


class Server(uvicorn.Server):
    """uvicorn that stops as soon as it is told to, with exit code 0, and without waiting for what is over already: test
    suites start and stop hundreds. With a process of its own it says one line when ready.
    """

    said = ""  # when it is ready, with {url} in it: the process is the server's
    _loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """End, from whichever thread or signal handler."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.said and sockets:
            gc.freeze()  # what came with the start is never looked through for garbage again
            gc.enable()
            print(self.said.replace("{url}", url_of(sockets[0])), flush=True)

    async def main_loop(self) -> None:
        # uvicorn's looks ten times a second whether it shall end; once is enough for the Date header that it makes.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        app.stopping()
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        state, running = self.server_state, asyncio.get_running_loop()
        for connection in list(state.connections):
            connection.shutdown()
        end = running.time() + max(self.config.timeout_graceful_shutdown or 0, LAST_WORDS)
        while (state.connections or state.tasks) and running.time() < end and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.005)  # noqa: TID251  no account's time: the process ends
        for task in state.tasks:
            task.cancel()
        if not self.force_exit:
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again after its shutdown, and the process would die of it instead of ending.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.stop()


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


def config(app: Any, settings: Settings, protocol: Any = HttpProtocol) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,
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
    _run(app, settings, listener, READY)


def run_app(app: Any, host: str, port: int, said: str) -> None:
    """Serve another application in the same way; `said` is printed when it is ready. Raises PortInUse."""
    listener = bind(host, port)
    quieten()
    _run(app, Settings(), listener, said)


def _run(app: Any, settings: Settings, listener: socket.socket, said: str) -> None:
    server = Server(config(app, settings))
    server.said = said
    server.run(sockets=[listener])


class LocalServer:
    """A server in a thread, as a context manager: `with LocalServer() as server: server.url`."""

    def __init__(self, settings: Settings | None = None, **app_options: Any) -> None:
        self.settings = settings or Settings(port=0)
        if self.settings.workers > 1:
            raise SettingsError("LocalServer is a thread of one process: workers are for `telnyx-ai-mock serve`.")
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
        self._server.stop()
        assert self._thread is not None
        self._thread.join(10)
        if self._thread.is_alive():
            print("the mock server did not stop within 10 s", file=sys.stderr)
