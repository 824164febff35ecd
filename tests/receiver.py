"""A web server on loopback for what the mock sends out: keeps every request, answers what the test says."""

import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """`answers` are given in turn, the last one for good: a status, or (status, headers, body)."""

    url: str
    answers: list[int | tuple[int, dict[str, str], bytes]]
    arrived: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    hold: threading.Event = field(default_factory=threading.Event)  # while clear, "slow" requests get no answer

    def next(self) -> Received:
        """The next request, as soon as it comes."""
        return self.arrived.get(timeout=20)

    def empty(self) -> bool:
        return self.arrived.empty()

    def address(self, host: str) -> str:
        """This receiver's URL under another host name."""
        return self.url.replace("127.0.0.1", host)


@contextmanager
def receiver(
    *answers: int | tuple[int, dict[str, str], bytes], tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            mine.arrived.put(Received(self.command, self.path, headers, body))
            if "slow" in self.path:
                mine.hold.wait(20)
            first = mine.answers.pop(0) if len(mine.answers) > 1 else mine.answers[0]
            status, extra, content = (first, {}, b"") if isinstance(first, int) else first
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a caller that gave up

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    mine = Receiver(f"{scheme}://127.0.0.1:{server.server_port}", list(answers) or [200])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def closed_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
