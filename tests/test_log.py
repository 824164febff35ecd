"""The log on stderr: a line for each exchange, readable or JSON, that nobody can forge and that never holds a key."""

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from mock_server import LocalServer, Settings
from mock_server.engine.exchange import Exchange
from mock_server.engine.heads import Head
from mock_server.engine.log import JsonLines, Log

KEY = "a-key-that-is-in-no-log"
HEADERS = {"authorization": f"Bearer {KEY}"}
HI = {"messages": [{"role": "user", "content": "hi"}]}
READY = re.compile(r"ready at (http://\S+)/v2\n")


@dataclass
class Logging:
    """A server process, and what it writes to stderr once it is told to stop."""

    process: subprocess.Popen[bytes]
    url: str

    def send(self, method: str = "POST", path: str = "/v2/ai/chat/completions", **options: Any) -> httpx.Response:
        options.setdefault("headers", HEADERS)
        if method == "POST":
            options.setdefault("json", HI)
        return httpx.request(method, self.url + path, timeout=20, trust_env=False, **options)

    def lines(self) -> list[str]:
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=15)
        return err.decode().split("\n")[:-1]


@pytest.fixture
def serve() -> Iterator[Callable[..., Logging]]:
    """Start a server process: `serve("--log-format", "json")`."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str, stderr: Any = subprocess.PIPE, **env: str) -> Logging:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("MOCK_") and name != "NO_COLOR"
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "mock_server", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE, stderr=stderr, env={**kept, "TERM": "xterm", **env},
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        found = READY.search(process.stdout.readline().decode())
        assert found is not None
        return Logging(process, found[1])

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_each_exchange_is_a_line_without_colours_in_a_pipe(serve):
    server = serve()
    server.send()
    server.send("GET", "/v2/ai/models?page=2", headers={**HEADERS, "x-mock-fault": "503"})
    server.send("GET", "/v2/no/such", headers={})

    lines = server.lines()

    when = r"\d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(rf"{when} 200 POST   /v2/ai/chat/completions \d+\.\d ms  reply=default", lines[0])
    assert re.fullmatch(rf"{when} 503 GET    /v2/ai/models\?page=2 \d+\.\d ms  fault=header", lines[1])
    assert re.fullmatch(rf"{when} 404 GET    /v2/no/such \d+\.\d ms", lines[2])
    assert len(lines) == 3


def test_the_admin_api_and_health_checks_are_no_lines(serve):
    server = serve()
    server.send("GET", "/_mock/health")
    server.send("GET", "/_mock/requests")
    assert server.lines() == []


def test_the_time_is_the_accounts_as_in_the_journal(serve):
    server = serve("--clock", "2026-01-31T12:34:56.789Z")
    server.send()
    assert server.lines()[0].startswith("12:34:56.789 200 POST")


def test_a_socket_is_a_line_when_it_ends(serve):
    server = serve()
    url = server.url.replace("http", "ws") + "/v2/text-to-speech/speech"
    with connect(url, additional_headers=HEADERS) as socket:
        for text in (" ", "Hi.", ""):
            socket.send(json.dumps({"text": text}))
        frames = len(list(socket))

    (line,) = server.lines()

    assert " 101 WS     /v2/text-to-speech/speech " in line
    assert line.endswith(f"3 frames in, {frames} out  closed by the server: 1000")


def on_a_terminal(serve: Callable[..., Logging], *arguments: str, **env: str) -> str:
    """What a server writes to stderr that is a terminal."""
    ours, theirs = os.openpty()
    try:
        server = serve(*arguments, stderr=theirs, **env)
        server.send()
        os.close(theirs)
        server.process.send_signal(signal.SIGTERM)
        written = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            written += read
        server.process.wait(15)
        return written.decode()
    finally:
        os.close(ours)


@pytest.mark.check
def test_a_terminal_gets_colours_unless_it_wants_none(serve):
    assert "\033[32m200\033[0m POST" in on_a_terminal(serve)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = on_a_terminal(serve, **env)
        assert " 200 POST" in plain and "\033" not in plain
    assert json.loads(on_a_terminal(serve, "--log-format", "json"))["status"] == 200


def test_json_has_what_the_journal_has(serve):
    server = serve(MOCK_LOG_FORMAT="json")
    answer = server.send()
    (kept,) = server.send("GET", "/_mock/requests?brief=true").json()["data"]

    (line,) = server.lines()

    assert json.loads(line) == kept
    assert kept["id"] == answer.headers["x-request-id"] and kept["operation"] == "chat.create_completion"


def test_none_is_nothing(serve):
    server = serve("--log-format", "none")
    server.send()
    server.send("GET", "/v2/no/such")
    assert server.lines() == []


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_client_cannot_write_lines_of_its_own_nor_move_the_cursor(serve, format):
    server = serve("--log-format", format)
    server.send("GET", "/v2/x%0a12:00:00.000%20200%20GET%20/forged%1b[2J%c2%9b31m%e2%80%ae?q=%0aforged")

    raw = "\n".join(server.lines())

    assert raw.count("\n") == 0 and raw.isprintable()
    assert (json.loads(raw)["path"] if format == "json" else raw).count("forged") == 1 + (format == "text")


@pytest.mark.parametrize("format", ["text", "json"])
def test_keys_are_in_no_line(serve, format):
    server = serve("--log-format", format)
    server.send("GET", f"/v2/ai/conversations/{KEY}?api_key={KEY}&token=other-{KEY}")
    server.send("GET", f"/v2/nothing/{KEY}")
    server.send("GET", "/v2/text-to-speech/voices?provider=elevenlabs&api_key=sk_another_secret")
    server.send("POST", "/v2/ai/chat/completions", json={"messages": [{"role": "user", "content": KEY}]})

    text = "\n".join(server.lines())

    assert KEY not in text and "sk_another_secret" not in text and text.count("***") >= 4


@pytest.mark.check
def test_a_pipe_that_nobody_reads_holds_nobody_up(serve):
    server = serve()
    path = "/v2/" + "x" * 900
    with httpx.Client(base_url=server.url, headers=HEADERS, timeout=20, trust_env=False) as http:
        for _ in range(1500):  # 1.4 MB: more than the pipe and what waits
            assert http.get(path).status_code == 404

    assert server.process.stderr is not None
    lines: list[bytes] = []
    while not lines or b"missing" not in lines[-1]:
        lines.append(server.process.stderr.readline())

    missing = int(lines[-1].split()[0])
    assert missing > 0 and len(lines) - 1 + missing == 1500
    assert all(b" 404 GET    /v2/xxx" in line and line.endswith(b" ms\n") for line in lines[:-1])


@pytest.mark.parametrize("format", ["text", "json"])
def test_lines_that_nobody_reads_are_counted_and_told_of_when_somebody_does(format):
    theirs, ours = os.pipe()
    told = b""

    async def run() -> None:
        nonlocal told
        with os.fdopen(ours, "w") as out:
            log = Log(format, out)
            for n in range(1500):  # 1.5 MB: more than the pipe and what waits
                log.hint("GET", f"/{n:04d}" + "x" * 900, "Says something.")
            for _ in range(100):
                log.flush()
                os.set_blocking(theirs, False)
                with contextlib.suppress(BlockingIOError):
                    told += os.read(theirs, 1 << 20)
            log.close()

    asyncio.run(run())
    with os.fdopen(theirs, "rb") as rest:
        os.set_blocking(theirs, True)
        told += rest.read()

    *lines, last = told.decode().splitlines()
    last = json.loads(last)["message"] if format == "json" else last
    assert last == f"{1500 - len(lines)} lines are missing here: nobody read them in time."
    assert 1000 < len(lines) < 1500
    assert all(f"/{n:04d}xxx" in line and "Says something." in line for n, line in enumerate(lines))


def test_a_log_may_go_to_a_stream_of_pythons_own_and_a_closed_one_disturbs_nobody():
    out = io.StringIO()
    log = Log("text", out)

    async def run() -> None:
        log.hint("GET", "/a", "One.")
        log.flush()
        log.hint("GET", "/b", "Two.")
        log.close()
        assert out.getvalue() == "hint  GET /a: One.\nhint  GET /b: Two.\n"
        out.close()
        log.hint("GET", "/c", "Nobody hears it.")
        log.close()

    asyncio.run(run())


def test_a_long_path_is_cut_and_a_short_one_is_not():
    def line(path: str, query: bytes = b"") -> str:
        out = io.StringIO()
        log = Log("text", out)

        async def run() -> None:
            log.see(Exchange("http", Head("GET", path, b"", query, []), 0.0))
            log.close()

        asyncio.run(run())
        return out.getvalue()

    assert f" GET    /{'x' * 998} " in line("/" + "x" * 998)
    assert f" GET    /{'x' * 999}... " in line("/" + "x" * 5000)
    assert f" GET    /a?b={'x' * 995}... " in line("/a", b"b=" + b"x" * 5000)


def test_a_server_in_a_tests_own_process_says_nothing_unless_it_is_told_to(capfd):
    for settings in (Settings(port=0), Settings(port=0, log_format="text")):
        with LocalServer(settings) as server:
            httpx.post(server.url + "/v2/ai/chat/completions", headers=HEADERS, json=HI, trust_env=False)
        said = capfd.readouterr().err
        assert (" 200 POST" in said) == (settings.log_format == "text")


def test_what_else_is_said_becomes_json_too(capsys):
    out = JsonLines(sys.stderr)
    print("Traceback:\n\n  a line", file=out)
    print("half a ", end="", file=out)
    print("line", file=out)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert said == [{"message": "Traceback:"}, {"message": "  a line"}, {"message": "half a line"}]
