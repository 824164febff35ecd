"""Closed-loop HTTP load: wrk where it is installed, else a client of our own; event streams always by our own."""

import asyncio
import contextlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from servers import Server, ServerFailed
from wire import HEADERS, Request

PATIENCE = 30.0  # seconds that an answer may take beyond the end of a run
WRK = shutil.which("wrk")
CLIENT = "wrk" if WRK else "built-in client (slower than wrk: ratios of short answers come out too high)"


@dataclass(frozen=True)
class Load:
    """What one run gave."""

    rate: float  # requests, chunks or frames a second
    p50_ms: float  # of a whole answer; of the first byte for streams; of a turn for sockets
    count: int  # what CPU time is divided by: requests, streams or frames
    failed: int
    p99_ms: float = float("nan")  # of the same as p50, of sockets that are fed in real time
    lag_ms: float = 0.0  # p99 of how late the client itself was


def http_load(server: Server, request: Request, connections: int, seconds: int) -> Load:
    """Requests/s of a short answer."""
    if WRK:
        return _wrk(server, request, connections, seconds)
    tally = repeat(server, request, connections, seconds)
    return Load(tally.answers / tally.seconds, tally.p50_ms(tally.whole), tally.answers, tally.failed)


def stream_load(server: Server, request: Request, connections: int, seconds: int) -> Load:
    """Chunks (`data:` lines)/s of event streams; p50 of the first one."""
    tally = repeat(server, request, connections, seconds)
    if not tally.chunks:
        raise ServerFailed(f"{server.name} streamed no chunk.")
    return Load(tally.chunks / tally.seconds, tally.p50_ms(tally.first), tally.answers, tally.failed)


# ---- wrk

LUA = """
wrk.method = {method}
wrk.body = {body}
{headers}
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("RESULT %d %d %d %.1f\\n", summary.requests, summary.duration, failed, latency:percentile(50)))
end
"""


def _wrk(server: Server, request: Request, connections: int, seconds: int) -> Load:
    assert WRK is not None
    headers = "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in HEADERS.items())
    body = _lua(request.body.decode()) if request.body else "nil"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(method=_lua(request.method), body=body, headers=headers))
        script.flush()
        url = f"http://{server.host}:{server.port}{request.path}"
        command = [WRK, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name, url]
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + PATIENCE)
    found = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+)", run.stdout)
    if not found:
        raise ServerFailed(f"wrk gave no result for {server.name}: {(run.stderr or run.stdout).strip()[:200]}")
    requests, microseconds, failed = (int(number) for number in found.groups()[:3])
    return Load(requests / (microseconds / 1e6), float(found[4]) / 1000, requests, failed)


def _lua(text: str) -> str:
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\' else _escaped(c) for c in text)
    return f'"{"".join(plain)}"'


def _escaped(character: str) -> str:
    return "".join(f"\\{byte:03d}" for byte in character.encode())


# ---- our own client


@dataclass
class Tally:
    """What the clients of one run saw together; times in seconds. `most`: answers after which they stop."""

    most: int = sys.maxsize
    answers: int = 0
    failed: int = 0
    chunks: int = 0
    seconds: float = 0.0
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    def goes_on(self, deadline: float) -> bool:
        return self.answers < self.most and time.perf_counter() < deadline

    @staticmethod
    def p50_ms(times: list[float]) -> float:
        return statistics.median(times) * 1000 if times else float("nan")


class Client(asyncio.Protocol):
    """Sends one request again and again on a kept-alive connection and reads each answer to its end."""

    def __init__(self, request: bytes, deadline: float, tally: Tally, done: asyncio.Future[None]) -> None:
        self.request, self.deadline, self.tally, self.done = request, deadline, tally, done

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.answer = bytearray()
        self.ends_at: int | None = None  # total length; 0 for an answer in chunks, None before the head is there
        self.streaming = False
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        answer += data
        if self.ends_at is None:
            head = answer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = re.search(rb"content-length: *(\d+)", answer[:head].lower())
            self.ends_at = head + 4 + int(length[1]) if length else 0
        if not self.streaming and not self.ends_at and b"data:" in answer:
            self.streaming = True
            self.tally.first.append(time.perf_counter() - self.began)
        if len(answer) >= self.ends_at if self.ends_at else answer.endswith(b"\r\n0\r\n\r\n"):
            self.finish()

    def finish(self) -> None:
        now = time.perf_counter()
        self.tally.answers += 1
        self.tally.failed += self.answer[9:10] != b"2"
        self.tally.chunks += self.answer.count(b"data:")
        self.tally.whole.append(now - self.began)
        if self.tally.goes_on(self.deadline):
            self.send()
        else:
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.tally.failed += 1
            self.done.set_result(None)


def repeat(server: Server, request: Request, connections: int, seconds: int, most: int = sys.maxsize) -> Tally:
    """A request again and again, for some seconds or until there are as many answers."""
    raw = request.raw(f"{server.host}:{server.port}")

    async def one(tally: Tally, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda: Client(raw, deadline, tally, done), server.host, server.port)
        await done

    return run_clients(server, Tally(most), one, connections, seconds)


def run_clients(
    server: Server,
    tally: Tally,
    one: Callable[[Tally, float], Coroutine[Any, Any, None]],
    connections: int,
    seconds: int,
) -> Tally:
    """`connections` times `one(tally, deadline)` side by side. Raises ServerFailed when one of them hangs."""

    async def everyone() -> None:
        began = time.perf_counter()
        with _signals_cancel():
            async with asyncio.timeout(seconds + PATIENCE):
                await asyncio.gather(*(one(tally, began + seconds) for _ in range(connections)))
        tally.seconds = time.perf_counter() - began

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(everyone())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except (OSError, TimeoutError) as error:
        raise ServerFailed(f"{server.name} did not answer under load: {str(error) or 'timed out'}.") from None
    return tally


@contextlib.contextmanager
def _signals_cancel() -> Iterator[None]:
    """Ctrl-C cancels the task: an exception that a handler raises amid a callback is swallowed by uvloop."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def cancel(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(task.cancel)

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
