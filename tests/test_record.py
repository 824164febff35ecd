"""Recorded from a second server of ours, and played back: the same bytes, cuts included, and no key on disk."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server.engine.recordings.form import Asked
from mock_server.engine.recordings.matching import difference
from tests.waiting import tries

ROOT = Path(__file__).parent.parent
SECRET = "KEY0123456789-very-secret"
READY = re.compile(r"Recording \S+ into .+ at (http://\S+)/v2\n")


@dataclass
class Recording:
    """A recorder process in front of an upstream."""

    process: subprocess.Popen[str]
    url: str
    out: Path

    def chat(self, text: str = "hi", **fields: Any) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": text}], **fields}
        return self.request("POST", "/ai/chat/completions", json=body)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        options["headers"] = {"authorization": f"Bearer {SECRET}", **options.get("headers", {})}
        return httpx.request(method, f"{self.url}/v2{path}", timeout=20, **options)

    def stop(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=15)
        assert self.process.returncode == 0, err
        return out, err

    def files(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.out / "recordings").glob("*.json"))]


@pytest.fixture
def record(tmp_path) -> Iterator[Callable[..., Recording]]:
    """Start a recorder: `record(client.v2)` records the server of that client. `limits`: its own, but lower."""
    started: list[subprocess.Popen[str]] = []

    def run(upstream: str, *options: str, **limits: int) -> Recording:
        out = tmp_path / "recorded"
        lower = "".join(f"recorder.{name} = {value}; " for name, value in limits.items())
        program = (
            ["-c", f"from mock_server import cli, recorder; {lower}cli.main()"] if lower else ["-m", "mock_server"]
        )
        command = [
            sys.executable,
            *program,
            "record",
            "--upstream",
            upstream,
            "--out",
            str(out),
            "--port",
            "0",
        ]
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = READY.fullmatch(line)
        assert found, line or process.communicate()
        return Recording(process, found[1], out)

    yield run
    for process in started:
        process.kill()
        process.communicate()


def same(a: httpx.Response, b: httpx.Response) -> bool:
    kept = [{k: v for k, v in r.headers.items() if k not in ("date", "x-request-id")} for r in (a, b)]
    return (a.status_code, a.content, kept[0]) == (b.status_code, b.content, kept[1])


# Recorded, then played


def test_what_was_recorded_is_played_to_the_byte(start, record):
    upstream = start(seed=7)
    recorder = record(upstream.v2)
    speech = {"voice": "Telnyx.KokoroTTS.af", "text": "Hello"}
    form = {"files": {"file": ("a.wav", b"any bytes"), "model": (None, "distil-whisper/distil-large-v2")}}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/ai/chat/completions", {"json": {"messages": [{"role": "user", "content": "Grüße"}]}}),
        (
            "POST",
            "/ai/openai/chat/completions",
            {"json": {"messages": [{"role": "user", "content": "x"}], "stream": True}},
        ),
        ("GET", "/ai/models", {}),
        ("GET", "/ai/conversations?metadata->a=eq.b&limit=3", {}),
        ("POST", "/text-to-speech/speech", {"json": speech}),
        ("POST", "/ai/audio/transcriptions", form),
        ("POST", "/ai/chat/completions", {"json": {"messages": []}}),
        ("GET", "/nothing/here", {}),
    ]
    recorded = [recorder.request(method, path, **options) for method, path, options in requests]
    out, _ = recorder.stop()

    client = start(fixtures=(recorder.out,), seed=8).as_key(SECRET)
    played = [client.request(method, path, **options) for method, path, options in requests[:-1]]

    assert [response.status_code for response in recorded] == [200, 200, 200, 200, 200, 200, 422, 404]
    assert all(same(a, b) for a, b in zip(recorded, played, strict=False))
    replies = [exchange["reply"] for exchange in reversed(client.journal())]
    assert replies[0] == "0001-chat.create_completion" and all(reply[:2] == "00" for reply in replies)
    assert "8 exchanges recorded. Play them: telnyx-ai-mock serve --fixtures" in out


def test_a_stream_keeps_its_pieces_and_its_times(start, record):
    upstream = start(tokens_per_second=50.0)
    recorder = record(upstream.v2)
    with httpx.stream("POST", f"{recorder.url}/v2/ai/chat/completions", headers={"authorization": f"Bearer {SECRET}"},
                      json={"messages": [{"role": "user", "content": "hi"}], "stream": True}) as response:  # fmt: skip
        live = list(response.iter_raw())
    recorder.stop()

    (recording,) = recorder.files()
    chunks = recording["response"]["chunks"]
    assert [chunk["text"].encode() for chunk in chunks] == live and len(live) > 10
    assert sum(chunk["after"] for chunk in chunks) > 0.1
    assert recording["response"]["headers"]["content-type"] == "text/event-stream; charset=utf-8"


def test_a_stream_is_played_at_its_own_pace_by_the_account_s_clock(start, tmp_path):
    chunks = [{"after": 60, "text": "data: one\n\n"}, {"after": 3600, "text": "data: two\n\n"}]
    write(tmp_path, "one", {"method": "GET", "path": "/v2/ai/models"}, {"status": 200, "chunks": chunks})
    client = start(fixtures=(tmp_path,), replay_pace=1.0, clock="2026-01-01T00:00:00Z")
    client.admin("POST", "/clock", json={"speed": 1})
    client.http.post(client.url + "/_mock/clock", json={"speed": 100_000})
    assert client.get("/ai/models").text == "data: one\n\ndata: two\n\n"
    passed = client.journal()[0]["duration_ms"]
    assert 30 < passed < 5000


def test_the_openai_sdk_is_recorded_and_played(start, record):
    upstream = start()
    recorder = record(upstream.v2)

    def talk(url: str) -> tuple[str, list[str]]:
        client = openai.OpenAI(base_url=f"{url}/v2/ai/openai", api_key=SECRET)
        ask: Any = {"model": "moonshotai/Kimi-K2.6", "messages": [{"role": "user", "content": "hello"}]}
        answer = client.chat.completions.create(**ask)
        stream = client.chat.completions.create(**ask, stream=True)
        return answer.model_dump_json(), [chunk.model_dump_json() for chunk in stream]

    live = talk(recorder.url)
    recorder.stop()

    assert talk(start(fixtures=(recorder.out,), seed=99).url) == live


def test_the_same_request_is_answered_in_turn_then_with_the_last(start, record):
    upstream = start()
    recorder = record(upstream.v2)
    first = recorder.request("POST", "/ai/conversations", json={"name": "x"}).json()
    second = recorder.request("POST", "/ai/conversations", json={"name": "x"}).json()
    recorder.stop()
    client = start(fixtures=(recorder.out,))

    mine = [client.post("/ai/conversations", {"name": "x"}).json() for _ in range(3)]
    theirs = client.as_key("another-key").post("/ai/conversations", {"name": "x"}).json()

    assert mine == [first, second, second] and theirs == first
    client.admin("POST", "/reset")
    assert client.post("/ai/conversations", {"name": "x"}).json() == first


@pytest.mark.check
def test_names_go_on_behind_those_that_are_there(start, record):
    upstream = start()
    for text in ("one", "two"):
        recorder = record(upstream.v2)
        recorder.chat(text)
        recorder.stop()
    assert sorted(path.name[:4] for path in (recorder.out / "recordings").iterdir()) == ["0001", "0002"]


# Cuts


def test_an_answer_that_the_upstream_cuts_is_recorded_so_and_played_so(start, record):
    upstream = start()
    recorder = record(upstream.v2)
    ask: dict[str, Any] = {"headers": {"authorization": f"Bearer {SECRET}", "x-mock-fault": "cut=3 chunks"},
           "json": {"messages": [{"role": "user", "content": "hi"}], "stream": True}}  # fmt: skip

    def cut(url: str) -> bytes:
        got = b""
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("POST", f"{url}/v2/ai/chat/completions", **ask) as response,
        ):
            for piece in response.iter_raw():
                got += piece
        return got

    live = cut(recorder.url)
    recorder.stop()
    del ask["headers"]["x-mock-fault"]
    client = start(fixtures=(recorder.out,)).as_key(SECRET)

    assert cut(client.url) == live != b""
    assert recorder.files()[0]["response"]["ended"] == "cut"
    assert client.journal()[0]["ended"] == "cut"


def test_of_a_client_that_leaves_nothing_is_saved(start, record):
    upstream = start(tokens_per_second=2.0)
    recorder = record(upstream.v2)
    with httpx.stream("POST", f"{recorder.url}/v2/ai/chat/completions", headers={"authorization": f"Bearer {SECRET}"},
                      json={"messages": [{"role": "user", "content": "hi"}], "stream": True}) as response:  # fmt: skip
        next(response.iter_raw())
    assert recorder.process.stderr is not None
    assert "the client left, nothing is saved" in recorder.process.stderr.readline()
    assert recorder.chat("one more").status_code == 200
    recorder.stop()
    assert len(recorder.files()) == 1
    assert "client_left" in [e["ended"] for e in upstream.as_key(SECRET).journal()], "the upstream is not kept waiting"


def test_of_a_client_that_leaves_within_its_body_nothing_is_passed_on(start, record):
    upstream = start()
    recorder = record(upstream.v2)
    host, port = recorder.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as wire:
        wire.sendall(f"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {SECRET}\r\n"
                     'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"messages": '.encode())  # fmt: skip

    assert recorder.chat("one more").status_code == 200
    recorder.stop()
    assert [file["request"]["json"]["messages"][0]["content"] for file in recorder.files()] == ["one more"]
    assert len(upstream.as_key(SECRET).journal()) == 1


def test_what_is_larger_than_the_recorder_keeps_is_told_and_not_saved(start, record):
    recorder = record(start().v2, MOST_BODY=5000, MOST_ANSWER=800)

    body = recorder.chat("a" * 6000)
    answer = recorder.request("GET", "/ai/models")
    small = recorder.chat("hi", max_tokens=1)
    health = httpx.get(f"{recorder.url}/_mock/health").json()

    assert body.status_code == 413 and "more than 5000 bytes, which is the limit of the recorder" in body.text
    assert answer.status_code == 200 and len(answer.content) > 800 and answer.json()["data"]
    assert small.status_code == 200 and (health["status"], health["saved"]) == ("ok", 1)
    assert "/v2/ai/models: the answer has more than 800 bytes, nothing is saved" in recorder.stop()[1]
    assert [file["request"]["path"] for file in recorder.files()] == ["/v2/ai/chat/completions"]


def test_what_a_recorder_does_not_pass_on_is_told(start, record):
    upstream = start()
    recorder = record(upstream.v2)

    astray = httpx.get(f"{recorder.url}/ai/models", headers={"authorization": f"Bearer {SECRET}"})
    with pytest.raises(InvalidStatus) as refused:
        connect(recorder.url.replace("http", "ws") + "/v2/text-to-speech/speech").close()

    assert astray.status_code == 404
    assert f"The recorder stands for {upstream.v2} at /v2: try /v2/ai/models." in astray.text
    assert refused.value.response.status_code == 501
    assert b"The recorder passes HTTP on, not WebSockets." in refused.value.response.body
    recorder.stop()
    assert recorder.files() == [] and upstream.as_key(SECRET).journal() == []


def test_an_upstream_that_does_not_answer_is_told(record):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        recorder = record(f"http://127.0.0.1:{taken.getsockname()[1]}/v2")
        answer = recorder.chat()
    assert answer.status_code == 503 and "gave no answer" in answer.text
    recorder.stop()
    assert recorder.files() == []


# Secrets


def test_no_key_is_ever_on_disk_or_on_the_screen(start, record):
    upstream = start()
    recorder = record(upstream.v2, "--redact", r"\d{3}-\d{2}-\d{4}")
    recorder.chat(f"my key is {SECRET}, my number 123-45-6789", metadata={"api_key": "sk-other-secret"})
    recorder.request("GET", f"/ai/models?api_key={SECRET}")
    recorder.request(
        "POST", "/ai/chat/completions", json={"messages": [{"role": "user", "content": SECRET}], "stream": True}
    )
    out, err = recorder.stop()

    disk = "".join(path.read_text() for path in recorder.out.rglob("*") if path.is_file())
    for secret in (SECRET, "123-45-6789", "sk-other-secret"):
        assert secret not in disk + out + err
    assert '"content": "my key is ***, my number ***"' in disk


def told(stream: str) -> dict[int, str]:
    """What each choice of a chat's stream says."""
    said: dict[int, str] = {}
    for line in stream.splitlines():
        for choice in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
            said[choice["index"]] = said.get(choice["index"], "") + choice["delta"].get("content", "")
    return said


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_that_comes_back_word_by_word_is_not_on_disk(start, record, header):
    upstream = start()
    rule = {"reply": {"text": ["{{user_text}} and {{user_text}}", "so {{user_text}}"]}}
    upstream.as_key(SECRET).admin("POST", "/replies", json=rule)
    recorder = record(upstream.v2, "--redact", "number .*? end")
    given = {"x-api-key": "another-key-0815", "authorization": f"Bearer {SECRET}"} if header == "x-api-key" else {}
    words = f"key {SECRET} of another-key-0815 number 12-34, 56 end."
    body = {"messages": [{"role": "user", "content": words}], "stream": True, "n": 2}
    answer = recorder.request("POST", "/ai/chat/completions", headers=given, json=body)
    recorder.stop()

    assert told(answer.text) == {0: f"{words} and {words}", 1: f"so {words}"}
    (recording,) = recorder.files()
    kept = told("".join(chunk["text"] for chunk in recording["response"]["chunks"]))
    blank = words.replace("number 12-34, 56 end", "*" * 20).replace(SECRET, "*" * len(SECRET))
    if header == "x-api-key":
        blank = blank.replace("another-key-0815", "*" * 16)
    assert kept == {0: f"{blank} and {blank}", 1: f"so {blank}"}


def test_what_was_redacted_matches_anything(start, record):
    upstream = start()
    recorder = record(upstream.v2)
    recorder.chat(f"Who has the key {SECRET}?")
    recorder.stop()
    client = start(fixtures=(recorder.out,))
    told = client.chat("Who has the key of-another-kind?").json()["choices"][0]["message"]["content"]
    assert "Who has the key ****" in told


# What is not recorded


def write(folder: Path, name: str, request: Any, response: Any) -> None:
    (folder / "recordings").mkdir(exist_ok=True)
    (folder / "recordings" / f"{name}.json").write_text(json.dumps({"request": request, "response": response}))


def test_another_request_is_answered_as_ever_and_the_journal_says_what_differs(start, tmp_path):
    asked = {
        "method": "POST",
        "path": "/v2/ai/chat/completions",
        "json": {"messages": [{"role": "user", "content": "hi"}]},
    }
    write(tmp_path, "greeting", asked, {"status": 200, "chunks": [{"text": "recorded"}]})
    client = start(fixtures=(tmp_path,))
    assert client.chat("hi").text == "recorded"
    assert client.chat("ho").json()["choices"]
    assert client.journal()[0]["near_misses"] == ["greeting: body.messages.0.content differs from what was recorded"]
    assert client.chat("hi", headers={}, temperature=0.5).json()["choices"]
    assert client.get("/ai/models").json()["data"]


def test_keys_and_faults_come_before_recordings(start, tmp_path):
    write(
        tmp_path,
        "models",
        {"method": "GET", "path": "/v2/ai/models"},
        {"status": 200, "chunks": [{"text": "recorded"}]},
    )
    client = start(fixtures=(tmp_path,))
    assert client.get("/ai/models").text == "recorded"
    assert client.get("/ai/models", headers={"x-mock-fault": "503"}).status_code == 503
    assert client.http.get(client.v2 + "/ai/models").status_code == 401


def test_what_is_not_emulated_can_be_played(start, tmp_path):
    write(
        tmp_path,
        "assistants",
        {"method": "GET", "path": "/v2/ai/assistants/***"},
        {"status": 200, "chunks": [{"text": "[]"}]},
    )
    client = start(fixtures=(tmp_path,))
    assert client.get("/ai/assistants/assistant-1").text == "[]"
    assert client.get("/ai/assistants").status_code == 501


def test_a_recording_that_was_mended_by_hand_is_sent_whole(start, tmp_path):
    answered = {
        "status": 201,
        "headers": {"Content-Length": "3", "x-a": "b"},
        "chunks": [{"text": "longer"}, {"base64": "AP8="}],
    }
    write(tmp_path, "models", {"method": "GET", "path": "/v2/ai/models"}, answered)
    answer = start(fixtures=(tmp_path,)).get("/ai/models")
    assert (answer.status_code, answer.content, answer.headers["x-a"]) == (201, b"longer\x00\xff", "b")


@pytest.mark.check
@pytest.mark.parametrize(
    "response", [{}, {"status": 99}, {"status": 200, "chunks": [{}]}, {"status": 200, "chunks": [{"base64": "%"}]}]
)
def test_a_broken_recording_is_told_with_its_file(tmp_path, response):
    write(tmp_path, "broken", {"method": "GET", "path": "/"}, response)
    command = [sys.executable, "-m", "mock_server"]
    checked = subprocess.run([*command, "fixtures", "check", str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    served = subprocess.run(
        [*command, "serve", "--port", "0", "--fixtures", str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert (checked.returncode, served.returncode) == (1, 2)
    assert f"{tmp_path}/recordings/broken.json: response." in checked.stdout
    assert f"{tmp_path}/recordings/broken.json: response." in served.stderr


@pytest.mark.check
@pytest.mark.parametrize("body", [b"[" * 5000 + b"]" * 5000, b"[NaN]", b'"\\ud800"', b"no JSON", b"\xff"])
def test_bodies_that_are_no_json_are_known_by_their_hash(start, record, body):
    recorder = record(start().v2)
    live = recorder.request("POST", "/ai/chat/completions", content=body)
    recorder.stop()
    client = start(fixtures=(recorder.out,))
    assert len(recorder.files()[0]["request"]["sha256"]) == 64
    assert same(client.request("POST", "/ai/chat/completions", content=body), live)
    assert client.journal()[0]["reply"] == "0001-chat.create_completion"


@pytest.mark.parametrize(
    ("recorded", "given", "place"),
    [
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1}, {"a": True}, "body.a"),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, "body.a.1.b"),
        ({"a": [1]}, {"a": [1, 2]}, "body.a.1"),
        ({"a": 1}, {"a": 1, "b": 2}, "body.b"),
        ({"a": "***"}, {"a": "anything"}, None),
        ({"a": "***"}, {"a": 5}, "body.a"),
        ({"a": "id ***, name ***."}, {"a": "id 7, name Bo."}, None),
        ({"a": "id ***, name ***."}, {"a": "id 7, name Bo"}, "body.a"),
        ({"a": "ab***ba"}, {"a": "aba"}, "body.a"),
        ({"a": "a***b***c"}, {"a": "a, b and c"}, None),
        ({"a": "a***b***c"}, {"a": "a and c"}, "body.a"),
        (None, {"a": 1}, "body"),
        ({"a": 1}, None, "body"),
    ],
)
def test_where_two_bodies_differ(recorded, given, place):
    asked = Asked(method="POST", path="/p", json=recorded)
    assert difference(asked, "POST", "/p", {}, given, None) == place
    assert difference(asked, "GET", "/p", {}, given, None) == "path"


def test_a_query_that_differs_is_told_before_the_body():
    asked = Asked(method="GET", path="/p", query={"a": "1"}, json={"b": 2})
    assert difference(asked, "GET", "/p", {"a": "1"}, {"b": 2}, None) is None
    assert difference(asked, "GET", "/p", {"a": "2"}, {"b": 3}, None) == "query.a"
    assert difference(asked, "GET", "/p", {"a": "1", "c": ""}, {"b": 2}, None) == "query.c"


@pytest.mark.parametrize("late", [0, 1], ids=["before it begins", "in its middle"])
def test_who_leaves_a_recording_that_is_played_as_slowly_as_it_came_ends_it(start, tmp_path, late):
    chunks = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    chunks[late] |= {"after": 60}
    write(tmp_path, "models", {"method": "GET", "path": "/v2/ai/models"}, {"status": 200, "chunks": chunks})
    client = start(fixtures=(tmp_path,), replay_pace=1.0, clock="2026-01-01T00:00:00Z")
    with pytest.raises(httpx.ReadTimeout):
        client.get("/ai/models", timeout=0.2)
    entry = next(found[0] for _ in tries() if (found := client.journal()))
    assert (entry["status"], entry["ended"], entry["reply"]) == (200 if late else 0, "client_left", "models")


def test_a_body_that_turns_out_too_large_is_compared_with_no_recording(start, tmp_path):
    asked = {"method": "POST", "path": "/v2/ai/chat/completions", "json": "***"}
    write(tmp_path, "any", asked, {"status": 200, "chunks": [{"text": "recorded"}]})
    client = start(fixtures=(tmp_path,), max_json_bytes=1000)
    answers = [
        client.request("POST", "/ai/chat/completions", content=iter([b'"', b"x" * size, b'"']),
                       headers={"content-type": "application/json"})
        for size in (500, 2000)
    ]  # fmt: skip
    assert answers[0].text == "recorded" and answers[1].status_code == 413


def test_a_pattern_of_many_parts_takes_no_time():
    asked = Asked(method="GET", path="/p", json="a***" * 50 + "b")
    assert difference(asked, "GET", "/p", {}, "a" * 100_000, None) == "body"


CANNOT_BE = [["--upstream", "nonsense", "--out", "x"], ["--upstream", "http://x", "--out", "x", "--redact", "("],
             ["--upstream", "http://x", "--out", "/dev/null/x"], ["--out", "x"]]  # fmt: skip


@pytest.mark.check
@pytest.mark.parametrize("options", CANNOT_BE)
def test_a_recorder_that_cannot_be_is_wrong_usage(options):
    command = [sys.executable, "-m", "mock_server", "record", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.startswith("telnyx-ai-mock: ") and done.stderr.count("\n") == 1
