"""What faults do to HTTP answers, as real clients see it: the OpenAI SDK, httpx, curl, a bare socket."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx
import openai
import pytest
import telnyx

from mock_server import LocalServer, Settings, create_app
from tests.waiting import tries

HI = [{"role": "user", "content": "hi"}]


def sdk(client, fault: str, **options: Any) -> openai.OpenAI:
    options = {"max_retries": 0, "timeout": 10, **options}
    headers = {"x-mock-fault": fault}
    return openai.OpenAI(base_url=client.v2 + "/ai", api_key=client.key, default_headers=headers, **options)


def ask(client, fault: str, **options: Any) -> str | None:
    answer = sdk(client, fault, **options).chat.completions.create(model="m", messages=HI)
    return answer.choices[0].message.content


def stream(client, fault: str) -> tuple[int, Exception | None]:
    """How many chunks a stream gave the OpenAI SDK, and what it raised then."""
    chunks = 0
    try:
        for _ in sdk(client, fault).chat.completions.create(model="m", messages=HI, stream=True):
            chunks += 1
    except Exception as error:
        return chunks, error
    return chunks, None


def raw(client, fault: str, **fields: Any) -> bytes:
    """All bytes that come of a chat until the connection ends."""
    body = json.dumps({"messages": HI, **fields}).encode()
    address = urlsplit(client.url)
    head = (
        f"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\nconnection: close\r\n"
        f"content-type: application/json\r\nx-mock-fault: {fault}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as wire:
        wire.sendall(head.encode() + body)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def while_time_passes(client, call: Callable[[], Any], step: float = 1) -> tuple[Any, float]:
    """What `call` gives or raises while the account's frozen clock moves step by step, and how far it had to move."""
    client.admin("POST", "/clock", json={"set": "2026-01-01T00:00:00Z", "freeze": True})
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    steps = 0
    thread.join(0.1)
    while thread.is_alive() and steps < 2000:
        client.admin("POST", "/clock", json={"advance": step})
        steps += 1
        thread.join(0.02)
    assert not thread.is_alive()
    return outcome[0], steps * step


def fresh(client) -> Any:
    return client.as_key(client.key)


# Nothing, or not all


@pytest.mark.parametrize("fault", ["disconnect", "timeout=0"])
def test_curl_sees_an_empty_reply(client, fault):
    curl = shutil.which("curl")
    assert curl, "the README is full of curl"
    command = [
        curl,
        "-s",
        client.v2 + "/ai/models",
        "-H",
        f"authorization: Bearer {client.key}",
        "-H",
        f"x-mock-fault: {fault}",
    ]
    assert subprocess.run(command, capture_output=True, timeout=20).returncode == 52
    assert [(e["fault"], e["status"], e["ended"]) for e in client.journal()] == [("header", 0, "cut")]


def test_the_sdk_sees_a_connection_error_and_tries_again(client):
    assert ask(client, "disconnect, disconnect, fine", max_retries=2)
    assert [e["ended"] for e in client.journal()] == ["complete", "cut", "cut"]
    with pytest.raises(openai.APIConnectionError):
        ask(client, "disconnect")


def test_hanging_ends_when_the_client_leaves(client):
    client.admin("POST", "/clock", json={"freeze": True})
    with pytest.raises(openai.APITimeoutError):
        ask(client, "hang", timeout=0.2)
    entry = next(found[0] for _ in tries() if (found := client.journal()))
    assert (entry["fault"], entry["ended"]) == ("header", "client_left")


@pytest.mark.parametrize("fault", ["hang", "delay=60", "timeout=60"])
def test_a_server_that_stops_ends_every_wait(fault):
    with LocalServer(Settings(port=0)) as server:
        address = urlsplit(server.url)
        wire = socket.create_connection((address.hostname, address.port), timeout=10)
        request = f"GET /v2/ai/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nx-mock-fault: {fault}\r\n\r\n"
        wire.sendall(request.encode())
        httpx.get(server.url + "/_mock/health")
    with wire:
        assert wire.recv(100) == b""


@pytest.mark.parametrize(
    ("fault", "body"), [("cut=headers", 0), ("cut=0 bytes", 0), ("cut=1 byte", 1), ("cut=100 bytes", 100)]
)
def test_an_answer_is_cut_after_its_headers_or_some_bytes(client, fault, body):
    head, _, rest = raw(client, fault).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and len(rest) == body
    assert int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) > 100
    with pytest.raises(openai.APIConnectionError):
        ask(client, fault)
    assert {entry["ended"] for entry in client.journal()} == {"cut"}


def test_an_answer_shorter_than_the_cut_is_whole(client):
    assert ask(client, "cut=100000 bytes")


@pytest.mark.parametrize(
    ("fault", "chunks"), [("cut=headers", 0), ("cut=3 chunks", 3), ("cut=1 frame", 1), ("cut=100 bytes", 0)]
)
def test_a_stream_that_is_cut_is_the_sdks_own_connection_error(client, fault, chunks):
    seen, error = stream(client, fault)
    assert seen == chunks and type(error) is openai.APIConnectionError
    assert client.journal()[0]["ended"] == "cut"


def test_a_stream_is_cut_after_seconds_of_the_accounts_clock(client):
    body, moved = while_time_passes(client, lambda: raw(fresh(client), "cut=5 seconds", stream=True))
    assert b"[DONE]" in body and not body.endswith(b"0\r\n\r\n") and moved >= 5


def test_a_paced_stream_is_cut_in_the_middle(start):
    paced = start(tokens_per_second=2)
    (seen, error), _ = while_time_passes(paced, lambda: stream(paced, "cut=3 seconds"))
    assert 1 <= seen <= 10 and isinstance(error, openai.APIConnectionError)


# Not what it should be


@pytest.mark.parametrize("fault", ["malformed", "503;malformed", "malformed;content-type=text/html"])
def test_json_that_ends_in_the_middle(client, fault):
    answer = client.get("/ai/models", headers={"x-mock-fault": fault})
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert answer.status_code == (503 if "503" in fault else 200) and answer.text.startswith("{")
    assert answer.headers["content-type"].startswith("text/html" if "html" in fault else "application/json")


def test_an_event_that_ends_in_the_middle(client):
    chunks, error = stream(client, "malformed;at=3 chunks")
    assert chunks == 3 and isinstance(error, json.JSONDecodeError)
    assert raw(client, "malformed", stream=True).rstrip().endswith(b"data: [DONE]\n\n\r\n0"), "the rest of it comes"


def test_a_stream_without_done(client):
    whole, without = raw(client, "delay=0", stream=True), raw(client, "no-done", stream=True)
    assert b"[DONE]" in whole and b"[DONE]" not in without and without.endswith(b"0\r\n\r\n")


def test_an_error_event_in_mid_stream_is_the_sdks_own_error(client):
    chunks, error = stream(client, "error-event;at=3 chunks")
    assert chunks == 3 and type(error) is openai.APIError and "unexpected error" in str(error).lower()
    assert stream(client, "error-event")[0] == 1
    tail = raw(client, "error-event;at=2 chunks", stream=True)
    event = json.loads(tail.split(b"data: ")[-1].split(b"\n")[0])
    assert event["errors"][0]["code"] == event["error"]["code"] == "10007" and b"[DONE]" not in tail


def test_an_error_event_of_ones_own(client):
    mine = {"error": {"message": "Model overloaded", "code": "overloaded"}}
    client.admin("POST", "/faults", json={"effect": {"error_event": mine, "at": "2 chunks"}}).raise_for_status()
    with pytest.raises(openai.APIError, match="Model overloaded"):
        list(openai.OpenAI(base_url=client.v2 + "/ai", api_key=client.key).chat.completions.create(
            model="m", messages=HI, stream=True))  # fmt: skip


def test_an_error_event_after_the_last_chunk_comes_in_the_place_of_done(client):
    body = raw(client, "error-event;at=1000 chunks", stream=True)
    assert b"[DONE]" not in body and body.count(b"10007") >= 1


def response(client, fault: str) -> list[str]:
    """The types of the events that a streamed response gives the OpenAI SDK."""
    events = sdk(client, fault).responses.create(model="m", input="hi", stream=True)
    return [event.type for event in events]


def message(client, fault: str) -> list[str]:
    """The same of Anthropic's messages and SDK."""
    headers = {"x-mock-fault": fault}
    base = client.v2 + "/ai/anthropic"
    with anthropic.Anthropic(auth_token=client.key, base_url=base, max_retries=0, default_headers=headers) as sdk_:
        return [event.type for event in sdk_.messages.create(model="m", max_tokens=99, messages=HI, stream=True)]  # type: ignore[arg-type]


def test_streams_of_named_events_break_in_their_own_ways(client):
    with pytest.raises(openai.APIError, match="unexpected error"):
        response(client, "error-event;at=3 chunks")
    with pytest.raises(anthropic.APIStatusError, match="unexpected error") as raised:
        message(client, "error-event;at=3 chunks")
    assert raised.value.body["type"] == "error" and raised.value.body["errors"][0]["code"] == "10007"  # type: ignore[index]
    for events, last in ((response, "response.completed"), (message, "message_stop")):
        whole = events(client, "delay=0")
        assert whole[-1] == last and events(client, "no-done") == whole[:-1]
        with pytest.raises(Exception, match=r"Connection error|incomplete chunked read"):
            events(client, "cut=3 chunks")
        with pytest.raises(json.JSONDecodeError):
            events(client, "malformed;at=2 chunks")


def test_every_chunk_twice(client):
    once, twice = stream(client, "delay=0")[0], stream(client, "duplicate")[0]
    assert once > 3 and twice == 2 * once


def test_a_chunk_that_comes_twice_is_cut_where_the_cut_says(client):
    once = len(client.chat().content)
    for size in (5, once + 5):
        framed = raw(client, f"duplicate;cut={size} bytes").split(b"\r\n\r\n", 1)[1]
        body = b"".join(re.split(rb"(?:^|\r\n)[0-9a-f]+\r\n", framed)).removesuffix(b"\r\n")
        assert len(body) == size and body[once:] == body[: size - once if size > once else 0]


def test_an_application_that_no_server_runs_breaks_its_answers_too():
    app = create_app(Settings())

    async def chat() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/v2") as http:
            headers = {"authorization": "Bearer k", "x-mock-fault": "malformed"}
            answer = await http.post("/ai/chat/completions", json={"messages": HI}, headers=headers)
        await app.world.close()
        return answer

    answer = asyncio.run(chat())
    assert answer.status_code == 200 and "content-length" not in answer.headers
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_another_content_type_and_headers(client):
    rule = {"effect": {"headers": {"Content-Type": "text/html", "retry-after": 3, "cache-control": None, "x-y": "z"}}}
    client.admin("POST", "/faults", json=rule).raise_for_status()
    answer = client.chat(stream=True)
    assert answer.status_code == 200 and "[DONE]" in answer.text and "cache-control" not in answer.headers
    assert [answer.headers[name] for name in ("content-type", "retry-after", "x-y")] == ["text/html", "3", "z"]


# Late


@pytest.mark.parametrize("fault", ["delay=5", "503;delay=5", "404;delay=5-9"])
def test_an_answer_comes_late_by_the_accounts_clock(client, fault):
    answer, moved = while_time_passes(client, lambda: fresh(client).get("/ai/models", headers={"x-mock-fault": fault}))
    assert answer.status_code == (200 if fault == "delay=5" else int(fault[:3]))
    assert answer.headers["x-mock-fault"] == "header" and 5 <= moved <= 60


@pytest.mark.parametrize(("fault", "status"), [("delay=5", 0), ("chunk-delay=5", 200), ("cut=5 seconds", 200)])
def test_a_client_that_leaves_ends_a_delay(client, fault, status):
    client.admin("POST", "/clock", json={"freeze": True})
    with pytest.raises(openai.APITimeoutError):
        ask(client, fault, timeout=0.2)
    entry = next(found[0] for _ in tries() if (found := client.journal()))
    assert (entry["status"], entry["ended"]) == (status, "client_left")


def test_each_chunk_comes_late(client):
    (chunks, error), moved = while_time_passes(client, lambda: stream(fresh(client), "chunk-delay=2"), step=2)
    assert error is None and moved >= 2 * (chunks - 1)


def test_jitter_is_drawn_by_the_seed(start):
    def waits() -> list[float]:
        one = start()
        headers = {"x-mock-fault": "delay=1-9"}
        return [while_time_passes(one, lambda: one.get("/ai/models", headers=headers), step=0.5)[1] for _ in range(3)]

    first, again = waits(), waits()
    assert all(abs(a - b) <= 1.5 for a, b in zip(first, again, strict=True)) and all(1 <= wait <= 12 for wait in first)


def test_a_body_that_drips(client):
    whole = client.chat().content
    text, moved = while_time_passes(client, lambda: raw(fresh(client), "drip=100").split(b"\r\n\r\n", 1)[1])
    assert len(text) == len(whole) and abs(moved - len(whole) / 100) <= 3


# Statuses and bodies


@pytest.mark.parametrize(
    ("fault", "status", "code", "title"),
    [
        ("402", 402, "20100", "Insufficient Funds"),
        ("403;code=20015", 403, "20015", "Feature not enabled"),
        ("403;code=20012", 403, "20012", "Account inactive"),
        ("401;code=20002", 401, "20002", "API Key revoked"),
        ("408", 408, "10008", "Request timeout"),
        ("418", 418, "10015", "I'm a Teapot"),
        ("422;code=10027", 422, "10027", "Unprocessable Entity"),
        ("502", 502, "10007", "Bad Gateway"),
        ("503;code=10037", 503, "10037", "Service unavailable"),
        ("529", 529, "10007", "Unexpected error"),
    ],
)
def test_any_status_and_any_documented_code(client, fault, status, code, title):
    answer = client.post("/ai/chat/completions", {"messages": HI}, headers={"x-mock-fault": fault})
    (item,) = answer.json()["errors"]
    assert (answer.status_code, item["code"], item["title"]) == (status, code, title)


@pytest.mark.parametrize(
    ("effect", "kind", "content"),
    [
        ({"status": 502, "body": "<h1>Bad</h1>", "headers": {"content-type": "text/html"}}, "text/html", b"<h1>Bad</h1>"),
        ({"status": 200, "body": {"choices": []}}, "application/json", b'{"choices":[]}'),
        ({"status": 200, "body": None}, "application/json", b"null"),
        ({"status": 500, "body": ""}, "text/plain; charset=utf-8", b""),
        ({"status": 204, "body": None}, None, b""),
        ({"status": 400, "detail": "No such region."}, "application/json", b"No such region."),
        ({"status": 422, "detail": "Too odd."}, "application/json", b"Too odd."),
    ],
    ids=str,
)  # fmt: skip
def test_a_body_that_the_rule_gives(client, effect, kind, content):
    client.admin("POST", "/faults", json={"effect": effect, "id": "mine"}).raise_for_status()
    answer = client.chat()
    assert (answer.status_code, answer.headers.get("content-type")) == (effect["status"], kind)
    assert content in answer.content and answer.headers["x-mock-fault"] == "mine"


def test_a_429_whose_body_is_given_has_its_headers_too(client):
    client.admin("POST", "/faults", json={"effect": {"status": 429, "body": {}, "retry_after": 7}}).raise_for_status()
    headers = client.chat().headers
    assert (headers["retry-after"], headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"]) == ("7", "0", "7")


def test_two_429_then_a_good_answer_is_three_exchanges_and_the_wait_obeys_retry_after(client):
    sdk_ = telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=2)
    headers = {"x-mock-fault": "429;retry-after=0.3, 429;retry-after=0.3, fine"}
    answer = sdk_.ai.openai.chat.create_completion(messages=HI, extra_headers=headers)
    entries = client.journal()[::-1]
    assert answer and [entry["status"] for entry in entries] == [429, 429, 200]
    times = [datetime.fromisoformat(entry["at"]).timestamp() for entry in entries]
    assert all(0.29 <= b - a < 5 for a, b in pairwise(times))


def test_a_fault_after_the_work_was_done_leaves_its_answer_to_the_idempotency_key(client):
    headers = {"idempotency-key": "once", "x-mock-fault": "cut=headers;times=1"}
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/ai/conversations", {"name": "a"}, headers=headers)
    again = client.post("/ai/conversations", {"name": "a"}, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(client.get("/ai/conversations").json()["data"]) == 1


def test_binary_answers_are_cut_and_paced_too(client):
    body = {"text": "Hello there, this is a test.", "voice": "Telnyx.KokoroTTS.af"}
    whole = client.post("/text-to-speech/speech", body).content
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/text-to-speech/speech", body, headers={"x-mock-fault": f"cut={len(whole) // 2} bytes"})
    assert client.post("/text-to-speech/speech", body, headers={"x-mock-fault": "drip=10000000"}).content == whole


@pytest.mark.parametrize("fault", ["cut=headers", "malformed", "duplicate", "delay=0", "drip=5"])
def test_an_answer_without_a_body_is_no_crash(client, fault):
    client.request("PUT", "/../s3/b")
    answer = client.http.head(
        client.url + "/s3/nothing", headers={"authorization": f"AWS {client.key}:x", "x-mock-fault": fault}
    )
    assert answer.status_code == 404 and answer.headers["x-mock-fault"] == "header"


# Jobs and webhooks


@pytest.mark.parametrize(
    ("fault", "embedding", "tuning"),
    [
        ("job=failed", "failure", "failed"),
        ("job=partial", "partial_success", "failed"),
        ("job=stuck", "processing", "running"),
    ],
)
def test_jobs_that_end_badly_or_not_at_all(client, fault, embedding, tuning):
    headers = {"x-mock-fault": fault}
    task = client.post("/ai/embeddings", {"bucket_name": "my-bucket"}, headers=headers)
    job = client.post("/ai/fine_tuning/jobs", {"model": "m", "training_file": "training-data.jsonl"}, headers=headers)
    assert task.headers["x-mock-fault"] == job.headers["x-mock-fault"] == "header"
    client.admin("POST", "/clock", json={"advance": 3600})
    path = f"/ai/embeddings/{task.json()['data']['task_id']}"  # which ends with its work, however slow the machine is
    assert embedding in (client.get(path).json()["data"]["status"] for _ in tries())
    assert client.get(f"/ai/fine_tuning/jobs/{job.json()['id']}").json()["status"] == tuning
