"""The process itself: what it says at start, what it refuses, and how it ends. Real processes, real sockets."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mock_server import LocalServer, Settings
from mock_server.base.settings import SettingsError
from mock_server.cli import main

READY = re.compile(r"Telnyx AI mock ready at (http://\S+)/v2\n")
KEY = {"authorization": "Bearer a-key-of-this-test"}
STOPS = [signal.SIGTERM, signal.SIGINT]
PROMISED = 2.0  # seconds from the signal to the end of the process
PATIENCE = 15.0  # seconds for the same on a machine that is busy with other things; what is left open lasts longer
PACED = ("--tokens-per-second", "0.1")


@dataclass
class Running:
    """A server process that said it was ready."""

    process: subprocess.Popen[str]
    url: str
    line: str

    @property
    def v2(self) -> str:
        return self.url + "/v2"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self, how: signal.Signals) -> tuple[int, str, str]:
        """Exit code, what it still printed, and what it complained of; fails when it waits for what is open."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def chat(self, text: str = "hi", **fields: Any) -> dict[str, Any]:
        """The arguments of an httpx request that asks for a chat."""
        body = {"messages": [{"role": "user", "content": text}], **fields}
        return {"method": "POST", "url": f"{self.v2}/ai/chat/completions", "headers": KEY, "json": body}


def environment(**extra: str) -> Mapping[str, str]:
    """This process's environment without settings that it may hold for the mock; and no log, so that all else is seen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOCK_")}
    return {**kept, "MOCK_LOG_FORMAT": "none", **extra}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mock_server", "serve", *arguments]


@pytest.fixture
def launch() -> Iterator[Callable[..., Running]]:
    """Start a server process and wait for its line: `launch("--seed", "7", MOCK_PROFILE="live")`."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, port: str | None = "0", **extra: str) -> Running:
        given = (*arguments, *(("--port", port) if port is not None else ()))
        process = subprocess.Popen(
            command(*given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**extra)
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = READY.fullmatch(line)
        if found is None:
            pytest.fail(f"no line with the URL, but {line!r} and {process.communicate(timeout=10)}")
        return Running(process, found[1], line)

    yield run
    for process in started:
        process.kill()
        process.communicate()


def refused(*arguments: str, **extra: str) -> tuple[int, str, str]:
    """Exit code, output and complaint of a server that must not come up."""
    done = subprocess.run(
        command(*arguments), env=environment(**extra), capture_output=True, text=True, timeout=20, check=False
    )
    return done.returncode, done.stdout, done.stderr


# ------------------------------------------------------------------------------------------------- start


def test_prints_one_line_with_the_url_and_nothing_else(launch):
    server = launch()
    answer = httpx.request(**server.chat())

    code, rest, complaints = server.stop(signal.SIGTERM)

    assert answer.status_code == 200
    assert server.port > 0
    assert (code, rest, complaints) == (0, "", "")


def test_listens_on_this_machine_only_unless_told_otherwise(server):
    with LocalServer(Settings(host="0.0.0.0", port=0)) as everywhere:
        reached = [knock("127.0.0.2", running.url) for running in (server, everywhere)]

    assert Settings().host == "127.0.0.1"
    assert server.url.startswith("http://127.0.0.1:")
    assert everywhere.url.startswith("http://localhost:")
    assert reached == [False, True]


def knock(address: str, url: str) -> bool:
    """Whether the port of `url` is listened on at another address of this machine."""
    with socket.socket() as visitor:
        visitor.settimeout(5)
        return visitor.connect_ex((address, int(url.rpartition(":")[2]))) == 0


def test_variables_set_what_options_set(launch, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text("- {id: mine, reply: {text: from my file}}\n")
    server = launch(
        port=None,
        MOCK_PORT="0",
        MOCK_PROFILE="live",
        MOCK_SEED="7",
        MOCK_API_KEY="first-key a-key-of-this-test",
        MOCK_QUIRK="unknown_model_refused=off",
        MOCK_FIXTURES=str(tmp_path),
        MOCK_CLOCK="2026-01-31T12:00:00Z",
    )

    health = httpx.get(f"{server.url}/_mock/health").json()
    chat = httpx.request(**server.chat(model="nobody/knows-me")).json()
    stranger = httpx.get(f"{server.v2}/ai/models", headers={"authorization": "Bearer another-key"})

    assert (health["profile"], health["seed"]) == ("live", 7)
    assert chat["choices"][0]["message"]["content"] == "from my file"
    assert chat["created"] == 1769860800
    assert stranger.status_code == 401


def test_an_option_wins_over_its_variable_and_an_empty_variable_is_none(launch):
    server = launch("--seed", "3", MOCK_SEED="7", MOCK_PROFILE="", MOCK_DB="", MOCK_HOST="")

    health = httpx.get(f"{server.url}/_mock/health").json()

    assert (health["profile"], health["seed"]) == ("spec", 3)


# ----------------------------------------------------------------------------------------------- refusals

NOWHERE = ("--host", "192.0.2.1")  # an address of no machine: a setting that should have been refused ends there
# (arguments, what the sentence says)
BAD = [
    (("--port", "70000"), "--port is a number from 0 to 65535"),
    (("--port", "-1"), "--port is a number from 0 to 65535"),
    (("--quirk", "nope=on"), "there is no quirk named 'nope'"),
    (("--quirk", "unknown_model_refused"), "is not written name=on or name=off"),
    (("--quirk", "unknown_model_refused=maybe"), "is not written name=on or name=off"),
    (("--clock", "yesterday"), "--clock is an ISO 8601 instant"),
    (("--clock", "99999-01-01"), "--clock is an ISO 8601 instant"),
    (("--clock", "0001-01-01T00:00:00+14:00"), "--clock is an ISO 8601 instant"),
    (("--api-key", ""), "--api-key is empty"),
    (("--api-key", "good", "--api-key", " "), "--api-key is empty"),
    (("--admin-token", " "), "--admin-token is empty"),
    (("--drain", "-1"), "--drain is a number of seconds from 0 up"),
    (("--drain", "nan"), "--drain is a number of seconds from 0 up"),
    (("--drain", "inf"), "--drain is a number of seconds from 0 up"),
    (("--time-to-first-token", "-0.5"), "--time-to-first-token is a number of seconds from 0 up"),
    (("--time-to-first-token", "inf"), "--time-to-first-token is a number of seconds from 0 up"),
    (("--tokens-per-second", "0"), "--tokens-per-second is at least 0.001"),
    (("--tokens-per-second", "1e-320"), "--tokens-per-second is at least 0.001"),
    (("--tokens-per-second", "nan"), "--tokens-per-second is at least 0.001"),
    (("--max-json-bytes", "0"), "--max-json-bytes is at least 1"),
    (("--insights-after", "0"), "--insights-after is a number of seconds above 0"),
    (("--transcription-idle", "0"), "--transcription-idle is a number of seconds above 0, at most a day"),
    (("--transcription-idle", "86401"), "--transcription-idle is a number of seconds above 0, at most a day"),
    (("--replay-pace", "0"), "--replay-pace is a number from 0.000001 to 1000000"),
    (("--max-upload-bytes", "-5"), "--max-upload-bytes is at least 1"),
    (("--fixtures", "{tmp}/nowhere"), "is not a folder"),
    (("--data", "{tmp}/file"), "is not a folder"),
    (("--db", "{tmp}"), "is a folder: name a file"),
    (("--db", "{tmp}/nowhere/mock.sqlite3"), "its folder does not exist"),
    (("--db", "{tmp}/mock.sqlite3", "--data", "{tmp}"), "keep rows and object bytes apart"),
]
BAD_TYPES = [
    (("--port", "many"), "'--port'"),
    (("--seed", "1.5"), "'--seed'"),
    (("--drain", "soon"), "'--drain'"),
    (("--profile", "perfect"), "'--profile'"),
    (("--unheard-of",), "--unheard-of"),
    (("and", "more"), "unexpected extra argument"),
]
# What only the attempt to start finds out.
BAD_STARTS = [
    (("--port", "-1"), "--port is a number from 0 to 65535"),
    (("--fixtures", "{tmp}/broken"), "broken/replies/mine.yaml:2: "),
    (("--fixtures", "{tmp}/unknown"), "unknown/replies/mine.yaml:1: "),
    (("--data", "/proc/nope"), "--data /proc/nope cannot be made"),
    (("--fixtures", "{tmp}/models"), "models/models.yaml:2: "),
    (("--db", "{tmp}/file"), "cannot be used: file is not a database"),
    (NOWHERE, "Cannot listen on 192.0.2.1"),
    (("--host", "no such name"), "Cannot listen on no such name"),
    (("--host", "no..name"), "Cannot listen on no..name"),
]


def names(table: Sequence[tuple[tuple[str, ...], str]]) -> list[str]:
    return [" ".join(arguments) for arguments, _ in table]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Exit code, output and complaint of the console script in this process, where a start of Python is saved."""

    def run(*arguments: str) -> tuple[int, str, str]:
        for name in [name for name in os.environ if name.startswith("MOCK_")]:
            monkeypatch.delenv(name)
        monkeypatch.setattr(sys, "argv", ["telnyx-ai-mock", "serve", *NOWHERE, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file that is no database, and fixtures that cannot be read."""
    (tmp_path / "file").write_text("This is neither a folder nor a database, but one line of text in a file.\n" * 20)
    for name, text in (("broken", "a: [b\n"), ("unknown", "- {reply: {txt: no such field}}\n")):
        (tmp_path / name / "replies").mkdir(parents=True)
        (tmp_path / name / "replies" / "mine.yaml").write_text(text)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models.yaml").write_text("models: [\n")
    return tmp_path


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=names(BAD))
def test_a_setting_that_cannot_be_is_refused_in_one_sentence(arguments, sentence, folder, typed):
    code, out, complaint = typed(*(text.replace("{tmp}", str(folder)) for text in arguments))

    assert (code, out) == (2, "")
    assert complaint.startswith("telnyx-ai-mock: ")
    assert complaint.count("\n") == 1
    assert sentence in complaint


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"profile": "perfect"}, "--profile is one of spec, live and stub, not 'perfect'."),
        ({"log_format": "xml"}, "--log-format is one of auto, text, json and none, not 'xml'."),
    ],
    ids=str,
)
def test_a_setting_that_a_test_gives_is_looked_at_as_the_command_line_s_are(settings, sentence):
    with pytest.raises(SettingsError) as refused:
        Settings(**settings)

    assert str(refused.value) == sentence


def test_workers_need_a_system_that_can_fork(monkeypatch):
    monkeypatch.delattr(os, "fork")

    with pytest.raises(SettingsError, match="--workers needs a system that can fork a process"):
        Settings(workers=2)
    assert Settings(workers=1).workers == 1


@pytest.mark.parametrize(("arguments", "named"), BAD_TYPES, ids=names(BAD_TYPES))
def test_a_value_of_the_wrong_type_is_named(arguments, named, typed):
    code, out, complaint = typed(*arguments)

    assert (code, out) == (2, "")
    assert named in complaint.splitlines()[-1]


@pytest.mark.check
@pytest.mark.parametrize(("arguments", "sentence"), BAD_STARTS, ids=names(BAD_STARTS))
def test_a_start_that_fails_says_why_in_one_sentence(arguments, sentence, folder):
    given = [text.replace("{tmp}", str(folder)) for text in arguments]

    code, out, complaint = refused("--port", "0", *given)

    assert (code, out) == (2, "")
    assert complaint.startswith("telnyx-ai-mock: ")
    assert complaint.count("\n") == 1
    assert sentence in complaint


def test_a_bad_variable_is_refused_like_its_option():
    code, out, complaint = refused(MOCK_PORT="0", MOCK_QUIRK="unknown_model_refused=off nope=on")

    assert (code, out) == (2, "")
    assert complaint.count("\n") == 1
    assert "there is no quirk named 'nope'" in complaint


def test_health_needs_no_admin_token(start):
    client = start(admin_token="a-token-of-this-test")

    assert client.admin("GET", "/health").status_code == 200
    assert client.admin("GET", "/requests").status_code == 401


def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, out, complaint = refused("--port", port)

    assert (code, out) == (2, "")
    assert complaint.startswith(f"telnyx-ai-mock: Cannot listen on 127.0.0.1:{port}: the port is in use.")
    assert complaint.count("\n") == 1


def test_the_port_of_a_server_that_ended_is_free_at_once(launch):
    first = launch()
    with httpx.Client() as kept_alive:
        kept_alive.request(**first.chat())
        first.stop(signal.SIGTERM)

        second = launch(port=str(first.port))

    assert httpx.request(**second.chat()).status_code == 200


# --------------------------------------------------------------------------------------------------- end


def begun(server: Running, http: httpx.Client) -> Iterator[str]:
    """The lines of a streamed chat after its first."""
    lines = http.send(http.build_request(**server.chat(stream=True)), stream=True).iter_lines()
    assert next(lines).startswith("data: ")
    return lines


@pytest.mark.parametrize(("how", "drain"), [(signal.SIGTERM, ()), (signal.SIGINT, ("--drain", "0"))])
def test_a_stop_cuts_an_open_stream_where_it_is(launch, how, drain):
    server = launch(*PACED, *drain)
    with httpx.Client() as http:
        lines = begun(server, http)

        assert server.stop(how) == (0, "", "")
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)


def test_drain_lets_a_short_stream_finish(launch):
    server = launch("--drain", "10", "--tokens-per-second", "40")
    with httpx.Client() as http:
        lines = begun(server, http)

        server.process.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]

    assert rest[-1] == "data: [DONE]"
    assert server.process.wait(PATIENCE) == 0


def test_drain_is_not_waited_out_when_nothing_is_open(launch):
    server = launch("--drain", "1000")
    with httpx.Client() as kept_alive:
        assert kept_alive.request(**server.chat()).status_code == 200

        assert server.stop(signal.SIGTERM) == (0, "", "")


@pytest.mark.check
def test_ends_within_what_is_promised(launch):
    taken = []
    for how in (*STOPS, signal.SIGTERM):
        server = launch(*PACED)
        speech = server.v2.replace("http", "ws") + "/text-to-speech/speech"
        with httpx.Client() as http, connect(speech, additional_headers=KEY, proxy=None):
            begun(server, http)
            before = time.monotonic()
            server.stop(how)
            taken.append(time.monotonic() - before)

    assert min(taken) < PROMISED


@pytest.mark.parametrize("how", STOPS)
def test_ends_while_an_exchange_waits_on_a_frozen_clock(launch, how):
    server = launch("--clock", "2026-01-31T12:00:00Z")
    with socket.create_connection(("127.0.0.1", server.port)) as waiting:
        waiting.sendall(raw_request(b"x-mock-fault: timeout=60\r\n"))
        assert httpx.request(**server.chat()).status_code == 200  # the one before has been taken up, too

        assert server.stop(how) == (0, "", "")
        waiting.settimeout(5)
        assert waiting.recv(100) == b""


@pytest.mark.parametrize("how", STOPS)
@pytest.mark.parametrize(
    "options", [(), ("--realtime",), ("--clock", "2026-01-31T12:00:00Z", "--realtime")], ids=" ".join
)
def test_ends_with_an_open_websocket(launch, how, options):
    server = launch(*options)
    with connect(
        server.v2.replace("http", "ws") + "/text-to-speech/speech", additional_headers=KEY, proxy=None
    ) as wire:
        for frame in (
            {"text": " "},
            {"text": "A sentence that is being spoken while the server is told to end.", "flush": True},
        ):
            wire.send(json.dumps(frame))

        assert server.stop(how) == (0, "", "")
        with pytest.raises(ConnectionClosed):
            while True:
                wire.recv(timeout=5)

    assert wire.close_code == 1012


def test_ends_with_a_websocket_that_nobody_reads(launch):
    server = launch()
    url = server.v2.replace("http", "ws") + "/text-to-speech/speech?audio_format=linear16"
    with connect(url, additional_headers=KEY, proxy=None, max_queue=1, close_timeout=0.1) as wire:
        wire.send(json.dumps({"text": " "}))
        for _ in range(10):
            wire.send(json.dumps({"text": "A sentence with a lot of audio. " * 30, "flush": True}))
        assert httpx.request(**server.chat()).status_code == 200

        assert server.stop(signal.SIGTERM) == (0, "", "")


@pytest.mark.parametrize("how", STOPS)
def test_ends_with_idle_connections_and_a_half_sent_request(launch, how):
    server = launch()
    with httpx.Client() as kept_alive, socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n" + BEARER + b'\r\n{"')
        with socket.create_connection(("127.0.0.1", server.port)):
            assert kept_alive.request(**server.chat()).status_code == 200

            assert server.stop(how) == (0, "", "")


# ------------------------------------------------------------------------------------------ connections

BEARER = b"authorization: Bearer a-key-of-this-test\r\n"


def raw_request(headers: bytes = b"", **fields: Any) -> bytes:
    """The bytes of a chat request."""
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    head = b"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return head + BEARER + headers + b"content-length: %d\r\n\r\n" % len(body) + body


def test_the_journal_says_that_a_client_left_in_mid_stream(start):
    client = start(clock="2026-01-31T12:00:00Z", tokens_per_second=0.1)
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    bearer = {"authorization": f"Bearer {client.key}"}
    with client.http.stream("POST", f"{client.v2}/ai/chat/completions", headers=bearer, json=body) as stream:
        assert next(stream.iter_lines()).startswith("data: ")

    entries: list[dict[str, Any]] = []
    while not entries:  # the server hears of the closed connection on its own time; pytest's timeout is the end
        entries = client.journal()

    assert [(entry["status"], entry["ended"]) for entry in entries] == [(200, "client_left")]
    assert "[DONE]" not in entries[0]["response"]["body"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: its exit code cannot be seen")
def test_a_timeout_fault_is_an_empty_reply_to_curl(client):
    headers = ["-H", f"authorization: Bearer {client.key}", "-H", "x-mock-fault: timeout=0"]

    done = subprocess.run(["curl", "-s", *headers, f"{client.v2}/ai/models"], capture_output=True, timeout=20)

    assert (done.returncode, done.stdout) == (52, b"")
    assert client.journal()[0]["ended"] == "cut"


def test_two_servers_in_one_process_do_not_meet():
    frozen = Settings(port=0, clock="2026-01-31T12:00:00Z", profile="live")
    with LocalServer(frozen) as one, LocalServer(Settings(port=0)) as two, httpx.Client(headers=KEY) as http:
        http.post(f"{one.url}/_mock/faults", json={"effect": "503"})
        broken = http.get(f"{one.url}/v2/ai/models")
        whole = http.get(f"{two.url}/v2/ai/models")
        clocks = [http.get(f"{server.url}/_mock/clock").json()["speed"] for server in (one, two)]
        journals = [http.get(f"{server.url}/_mock/requests").json()["data"] for server in (one, two)]
        http.post(f"{one.url}/_mock/reset")
        after = http.get(f"{two.url}/_mock/requests").json()["data"]

    assert (broken.status_code, whole.status_code) == (503, 200)
    assert clocks == [0.0, 1.0]
    assert [[entry["status"] for entry in journal] for journal in journals] == [[503], [200]]
    assert [entry["status"] for entry in after] == [200]


def test_an_answer_to_head_comes_without_a_body_and_the_connection_goes_on(start):
    client = start()
    answers = [client.http.head(client.url + "/_mock/health") for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(405, b""), (405, b"")]
    assert client.chat().status_code == 200


def test_a_client_that_expects_100_continue_is_told_at_once(start):
    client = start()
    host, _, port = client.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n"
        connection.sendall((head + "expect: 100-continue\r\ncontent-length: 2\r\n\r\n").encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 422")
