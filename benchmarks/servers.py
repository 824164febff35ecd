"""The servers under measurement: start, first answer, memory, CPU time, end."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from wire import CHAT, CREATE, HEADERS, Request

HERE = Path(__file__).resolve().parent
START_TIMEOUT = 60.0  # seconds


class ServerFailed(RuntimeError):
    """A server did not do what it must: one sentence for a person."""


class Server:
    """A process of ours on a free port, as a context manager; ended when the block is left, however it is left.

    It leads a session of its own: Ctrl-C reaches the benchmark only, and the benchmark ends the server.
    """

    def __init__(self, name: str, command: list[str], host: str) -> None:
        self.name, self.host, self.port = name, host, _free_port(host)
        self.command = [*command, "--host", host, "--port", str(self.port)]
        self.cold = 0.0  # seconds from the start of the process to the first answered chat

    def __enter__(self) -> "Server":
        self._log = tempfile.TemporaryFile()
        # A setting in the caller's environment would be measured along.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOCK_")}
        began = time.perf_counter()
        self._process = subprocess.Popen(
            self.command,
            cwd=HERE.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            self._first_answer(began + START_TIMEOUT)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.cold = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.terminate()
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        finally:  # after an impatient second Ctrl-C too
            self._process.kill()
            self._process.wait()
            self._log.close()

    def _first_answer(self, deadline: float) -> None:
        while time.perf_counter() < deadline:
            if self._process.poll() is not None:
                raise ServerFailed(f"{self.name} ended with code {self._process.returncode}: {self._last_words()}")
            try:
                status, _ = self.ask(CHAT)
            except ConnectionError:
                time.sleep(0.002)
                continue
            if status == 200:
                return
            raise ServerFailed(f"{self.name} answered the first chat with {status}.")
        raise ServerFailed(f"{self.name} gave no answer within {START_TIMEOUT:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-400:] or "it said nothing"

    def ask(self, request: Request, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """One request on a connection of its own: (status, body); the body is left out when the protocol is switched."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(request.method, request.path, request.body or None, {**HEADERS, **(headers or {})})
            response = connection.getresponse()
            return response.status, b"" if response.status == 101 else response.read()
        except (TimeoutError, http.client.HTTPException) as error:
            raise ServerFailed(f"{self.name} gave no answer to {request.method} {request.path}: {error!r}.") from None
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory_mb(self) -> float | None:
        """Resident memory in MB of 2**20 bytes; None where there is no /proc."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return None
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def cpu_seconds(self) -> float | None:
        """Time that its threads have run so far, in steps of a clock tick (10 ms) where the kernel keeps no finer count of
        each; None where there is no /proc.
        """
        threads = Path(f"/proc/{self._process.pid}/task")
        with contextlib.suppress(OSError):
            if counts := [int(count.read_text().split()[0]) for count in threads.glob("*/schedstat")]:
                return sum(counts) / 1e9
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        except OSError:
            return None
        user, system = stat.rpartition(")")[2].split()[11:13]  # the name in brackets may hold blanks
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def mock(host: str, *options: str) -> Server:
    """The mock server: journal, authentication, fault check and validation on. No line a request, as the references have none."""
    return Server("mock", [sys.executable, "-m", "mock_server", "serve", "--log-format", "none", *options], host)


def new_conversation(mock: Server) -> str:
    """The id of a conversation that is made."""
    status, body = mock.ask(CREATE)
    if status not in (200, 201):
        raise ServerFailed(f"mock answered {CREATE.path} with {status}.")
    answer = json.loads(body)
    return str(answer.get("data", answer)["id"])


def bare(host: str) -> Server:
    return Server("bare", _uvicorn("bare:app"), host)


def minimal_fastapi(host: str) -> Server:
    return Server("minimal FastAPI", _uvicorn("minimal_fastapi:app"), host)


def _uvicorn(app: str) -> list[str]:
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", app, "--app-dir", str(HERE), *options]
