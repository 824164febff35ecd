"""What a hostile client or file may try, one row each, and the tests that show it comes to nothing."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mock_server import LocalServer, Settings, create_app
from mock_server.protocols import MOST_HEAD, MOST_HEADERS
from tests.conftest import Client
from tests.receiver import receiver
from tests.test_buckets import s3_of
from tests.test_embed_url import crawl

ROOT = Path(__file__).parent.parent
THREATS = {
    "path traversal": [
        "test_safety.py::test_no_path_leads_out",
        "test_documents_story.py::test_no_name_leads_out_of_a_bucket",
        "test_buckets.py::test_odd_keys_are_names_like_any_other",
        "test_console.py::test_the_page_is_sent_with_a_strict_policy_and_nothing_else_of_the_disk",
        "test_embed_url.py::test_what_cannot_be_had_fails_with_the_reason",
        "test_replies.py::test_audio_by_api_is_base64_and_never_a_file",
        "test_reply_files.py::test_audio_of_a_file_never_lies_elsewhere",
        "test_scenarios.py::test_an_unknown_one_is_told_with_those_there_are",
        "test_snapshots.py::test_names_that_cannot_be_are_refused",
        "test_snapshots.py::test_a_row_that_names_a_file_outside_reads_nothing",
    ],
    "egress by redirect": [
        "test_safety.py::test_a_redirect_leads_nowhere_else",
        "test_egress.py::test_a_redirect_to_a_forbidden_place_is_refused",
        "test_egress.py::test_redirects_in_a_circle_end",
        "test_egress.py::test_a_post_follows_no_redirect",
    ],
    "egress by DNS name": [
        "test_egress.py::test_a_name_that_resolves_elsewhere_is_refused",
        "test_egress.py::test_the_connection_goes_to_the_address_that_was_checked",
        "test_egress.py::test_a_name_that_was_fine_is_checked_again_after_a_redirect_to_itself",
        "test_egress.py::test_an_allowed_name_does_not_allow_its_subdomains",
    ],
    "header injection": [
        "test_safety.py::test_a_header_that_would_end_early_is_refused",
        "test_safety.py::test_what_is_echoed_stays_in_its_header",
    ],
    "template sandbox escape": [
        "test_reply_templates.py::test_nothing_leads_out_of_the_sandbox",
        "test_reply_templates.py::test_a_bomb_ends_in_a_moment",
        "test_reply_templates.py::test_a_clients_text_is_never_a_template",
        "test_reply_templates.py::test_a_quote_of_a_bucket_is_never_a_template",
    ],
    "YAML bomb": ["test_safety.py::test_a_file_whose_aliases_explode_is_refused"],
    "gzip bomb": [
        "test_safety.py::test_a_compressed_body_is_not_unpacked",
        "test_safety.py::test_a_frame_that_inflates_over_the_limit_closes_with_1009",
        "test_snapshots.py::test_one_that_inflates_without_end_is_refused",
        "test_documents_story.py::test_bombs_fail_as_files_and_do_no_harm",
    ],
    "slowloris": [
        "test_safety.py::test_a_head_that_drips_is_given_up",
        "test_safety.py::test_clients_that_drip_hold_up_nobody",
        "test_serve.py::test_ends_with_idle_connections_and_a_half_sent_request",
        "test_sockets.py::test_others_are_served_while_one_does_not_read",
    ],
    "ReDoS": [
        "test_safety.py::test_a_hostile_pattern_holds_up_nobody",
        "test_regex.py::test_a_hostile_pattern_ends_soon",
        "test_reply_templates.py::test_captures_never_hang",
        "test_record.py::test_a_pattern_of_many_parts_takes_no_time",
        "test_speech_session.py::test_hostile_markdown_takes_no_time",
    ],
    "oversized everything": [
        "test_safety.py::test_a_head_over_the_limit_is_told_and_takes_no_memory",
        "test_safety.py::test_trailers_without_end_are_cut_off",
        "test_safety.py::test_what_is_too_large_is_told",
        "test_errors.py::test_a_body_over_the_limit_is_413_and_says_the_limit",
        "test_errors.py::test_huge_numbers_are_no_crash",
        "test_errors.py::test_deep_nesting_in_a_free_field_is_no_crash",
        "test_buckets.py::test_an_object_over_the_limit_is_refused_and_leaves_nothing",
        "test_transcriptions.py::test_an_upload_over_the_limit_is_refused",
        "test_snapshots.py::test_an_upload_larger_than_the_limit_is_refused",
        "test_sockets.py::test_a_frame_over_the_limit_closes_with_1009",
        "test_sockets.py::test_a_client_that_does_not_read_cannot_grow_memory",
        "test_egress.py::test_an_answer_over_the_limit_is_not_read",
    ],
    "keys in journal, logs, database or recordings": [
        "test_safety.py::test_a_key_is_nowhere_but_in_the_request",
        "test_journal.py::test_the_key_is_nowhere_in_the_journal",
        "test_journal.py::test_the_clients_own_key_at_the_cap_is_not_left_in_half",
        "test_journal.py::test_credentials_in_a_body_are_masked",
        "test_record.py::test_no_key_is_ever_on_disk_or_on_the_screen",
    ],
}


@pytest.mark.parametrize("threat", THREATS)
def test_every_threat_has_its_tests(threat: str) -> None:
    for test in THREATS[threat]:
        file, name = test.split("::")
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), test


def raw(url: str, sent: bytes, patience: float = 20) -> bytes:
    """What comes back for these bytes until the server closes; nothing where it was cut off."""
    with socket.create_connection(tuple(url.removeprefix("http://").split(":")), timeout=patience) as wire:  # type: ignore[arg-type]
        try:
            wire.sendall(sent)
            return b"".join(iter(lambda: wire.recv(65536), b""))
        except ConnectionError:
            return b""


# ----------------------------------------------------------------------------------------------- paths

UP = ["../" * 9, "..%2f" * 9, "%2e%2e/" * 9, "%2e%2e%2f" * 9, "..%5c" * 9, "..%252f" * 9, "%00/" + "../" * 9, "/" * 9]


@pytest.mark.parametrize("up", UP)
def test_no_path_leads_out(client: Client, up: str) -> None:
    for below in (
        "/_mock/",
        "/_mock/snapshots/",
        "/_mock/scenarios/",
        "/v2/",
        "/v2/ai/models/",
        "/s3/",
        "/s3/my-bucket/",
        "/",
    ):
        asked = f"GET {below}{up}etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"

        answer = raw(client.url, f"{asked}authorization: Bearer {client.key}\r\n\r\n".encode())

        assert answer.split(b" ", 2)[1] in (b"400", b"404", b"405", b"307"), answer[:200]
        assert b"root:" not in answer


# ---------------------------------------------------------------------------------------------- egress


def test_a_redirect_leads_nowhere_else(client: Client) -> None:
    """Of all that the server calls by itself: a page to embed, audio to transcribe, a webhook."""
    with receiver((302, {"location": "http://10.255.255.1/secret"}, b"")) as site:
        assert crawl(client, site.url + "/page") == "failure"
        files = client.get("/ai/embeddings/buckets/web").text
        heard = client.post("/ai/audio/transcriptions", files={"file_url": (None, site.url + "/a.wav")})
        group = client.post("/ai/conversations/insight-groups", {"name": "g", "webhook": site.url + "/hook"}).json()[
            "data"
        ]
        insight = client.post("/ai/conversations/insights", {"name": "n", "instructions": "i"}).json()["data"]
        client.post(f"/ai/conversations/insight-groups/{group['id']}/insights/{insight['id']}/assign")
        id = client.post("/ai/conversations").json()["id"]
        client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": "Hi"})
        client.admin("POST", f"/conversations/{id}/complete")
        called = {site.next().path for _ in range(3)}

    assert called == {"/page", "/a.wav", "/hook"}
    assert "10.255.255.1 is not this machine" in files
    assert (
        "10.255.255.1 is not this machine" in heard.text or heard.status_code == 200
    )  # a host it may not call is canned
    (attempt, *_) = client.admin("GET", "/webhooks?wait=true").json()["data"]
    assert attempt["status"] == 302


# --------------------------------------------------------------------------------------------- headers

BROKEN = ["a\r\nset-cookie: b", "a\nset-cookie: b", "a\rb", "a\0b"]


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_a_header_that_would_end_early_is_refused(client: Client, value: str) -> None:
    for rule in (
        {"effect": {"status": 429, "headers": {"x-told": value}}},
        {"effect": {"status": 429, "headers": {value: "told"}}},
        {"id": value, "effect": {"status": 429}},
    ):
        assert client.admin("POST", "/faults", json=rule).status_code == 422, rule
    assert client.get("/ai/models").status_code == 200


@pytest.mark.parametrize("value", ["a%0d%0aset-cookie:%20b", "a%0aset-cookie:%20b"])
def test_what_is_echoed_stays_in_its_header(client: Client, value: str) -> None:
    answers = [
        client.get(f"/ai/models?x={value}"),
        client.get(f"/{value}"),
        client.request("PUT", f"/../s3/my-bucket/{value}", content=b"x"),
        client.request(
            "GET", f"/../s3/my-bucket/{value}?response-content-disposition={value}&response-content-type={value}"
        ),
        client.post("/ai/embeddings/url", {"bucket_name": "my-bucket", "url": f"http://127.0.0.1:1/{value}"}),
        client.chat("x", model="a\r\nset-cookie: b"),
    ]

    assert all("set-cookie" not in answer.headers for answer in answers)
    assert all(answer.status_code < 500 for answer in answers)


# ----------------------------------------------------------------------------------------------- bombs

NAMES = "abcdefghi"
BOMBS = {
    "laughs": "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    + "".join(f"{y}: &{y} [{', '.join(['*' + x] * 9)}]\n" for x, y in pairwise(NAMES)),
    "merges": "a: &a {k: 1}\n"
    + "".join(f"{y}: &{y} {{<<: [{', '.join(['*' + x] * 9)}]}}\n" for x, y in pairwise(NAMES)),
    "circle": "replies: &a [*a]\n",
    "depth": "[" * 100_000,
}


@pytest.mark.parametrize(
    "file", ["replies/bomb.yaml", "faults/bomb.yaml", "scenarios/bomb.yaml", "plans.yaml", "models.yaml", "voices.yaml"]
)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_whose_aliases_explode_is_refused(tmp_path: Path, file: str, bomb: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(BOMBS[bomb])

    with pytest.raises(ValueError, match=f"{Path(file).name}.*(aliases stand for|nesting depth)"):
        create_app(Settings(fixtures=(tmp_path,)))


def test_a_compressed_body_is_not_unpacked(client: Client) -> None:
    packed = gzip.compress(b'{"messages":[{"role":"user","content":"' + b"x" * 50_000_000 + b'"}]}')

    answer = client.request(
        "POST", "/ai/chat/completions", content=packed,
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )  # fmt: skip

    assert len(packed) < 100_000
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "10023")


def test_a_frame_that_inflates_over_the_limit_closes_with_1009(start: Any) -> None:
    client = start(compression=True, max_frame_bytes=1_000_000)
    url = client.v2.replace("http", "ws") + "/text-to-speech/speech?voice=Telnyx.NaturalHD.astra"
    with connect(url, additional_headers={"authorization": f"Bearer {client.key}"}, proxy=None) as wire:
        wire.send(json.dumps({"text": "x" * 100_000_000}))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=30)

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


# ----------------------------------------------------------------------------------------------- slow

HEAD = b"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.check
@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /v2/ai/mod", HEAD, HEAD + b"x-y: z"], ids=repr)
def test_a_head_that_drips_is_given_up(sent: bytes) -> None:
    """However often a byte comes: after the time that an idle connection has."""
    server = LocalServer(Settings(port=0))
    server._server.config.timeout_keep_alive = 1
    with server, socket.create_connection(tuple(server.url.removeprefix("http://").split(":")), timeout=20) as wire:  # type: ignore[arg-type]
        began, closed = time.monotonic(), False
        wire.sendall(sent)
        wire.settimeout(0.05)
        while not closed and time.monotonic() - began < 15:
            try:
                if sent:
                    wire.sendall(sent[-1:])
                closed = wire.recv(100) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                closed = True

    assert closed


def test_clients_that_drip_hold_up_nobody(client: Client) -> None:
    address = tuple(client.url.removeprefix("http://").split(":"))
    slow = [socket.create_connection(address, timeout=20) for _ in range(200)]  # type: ignore[arg-type]
    try:
        for n, wire in enumerate(slow):
            body = b"content-length: 1000\r\nauthorization: Bearer drip\r\n\r\n{"
            wire.sendall(HEAD + (body if n % 2 else b""))
        answers = []
        for wire in slow[:50]:
            wire.sendall(b" ")
            answers.append(client.chat().status_code)
    finally:
        for wire in slow:
            wire.close()

    assert answers == [200] * 50


# ---------------------------------------------------------------------------------------------- regex

HOSTILE = "(a|a)*(a+)+(x+x+)+$"
LONG = "a" * 16_000 + "!"
Ask = Callable[[Client], Any]
ASKED: dict[str, Ask] = {
    "fault": lambda c: c.admin("POST", "/faults", json={"match": {"body": HOSTILE}, "effect": {"status": 429}}),
    "reply": lambda c: c.admin("POST", "/replies", json={"match": {"regex": HOSTILE}, "reply": {"text": "x"}}),
    "schema": lambda c: c.chat(
        LONG,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "string", "pattern": HOSTILE}},
        },
    ),
    "guided": lambda c: c.chat(LONG, guided_regex=HOSTILE),
    "filter": lambda c: c.get("/ai/conversations", params={"name": "like." + "%a" * 200 + "%b"}),
    "verify": lambda c: c.admin("POST", "/verify", json={"match": {"body": HOSTILE}, "count": 1}),
}


@pytest.mark.parametrize("place", ASKED)
def test_a_hostile_pattern_holds_up_nobody(client: Client, place: str) -> None:
    client.post("/ai/conversations", {"name": "a" * 250})
    client.chat(LONG)

    answer = ASKED[place](client)
    after = client.chat(LONG)

    assert answer.status_code < 500, answer.text
    assert after.status_code in (200, 429)  # within the client's 20 s


# --------------------------------------------------------------------------------------------- too large


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.parametrize("piece", [b"a" * 100_000, b"x-y: z\r\n" * 10_000], ids=["one header", "many headers"])
def test_a_head_over_the_limit_is_told_and_takes_no_memory(client: Client, piece: bytes) -> None:
    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    just_over = raw(client.url, HEAD + b"x: " + b"a" * MOST_HEAD)
    before = megabytes()
    raw(client.url, HEAD + b"x: " + piece * 400)

    assert just_over.startswith(b"HTTP/1.1 400 ") and b'"10015"' in just_over
    assert megabytes() - before < 50
    assert client.get("/ai/models").status_code == 200


def test_trailers_without_end_are_cut_off(client: Client) -> None:
    body = b"2\r\n{}\r\n0\r\n"
    head = HEAD + f"authorization: Bearer {client.key}\r\ntransfer-encoding: chunked\r\n\r\n".encode()

    few = raw(client.url, head.replace(b"host", b"connection: close\r\nhost") + body + b"x-y: z\r\n\r\n")
    many = raw(client.url, head + body + b"x-y: z\r\n" * 40 * MOST_HEADERS)

    assert few.startswith(b"HTTP/1.1 422 ")
    assert many == b"" or many.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("key", ["a-key-that-may", ""], ids=["read", "refused before its body"])
@pytest.mark.parametrize("behind", [b"2\r\n{}\r\n0\r\nx-y: ", b"2;x="], ids=["trailer", "extension"])
def test_what_stands_around_chunks_has_an_end(client: Client, behind: bytes, key: str) -> None:
    head = HEAD + f"authorization: Bearer {key}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(tuple(client.url.removeprefix("http://").split(":")), timeout=20) as wire:  # type: ignore[arg-type]
        wire.sendall(head + behind)
        with pytest.raises(OSError):  # it is closed while more is sent
            for _ in range(2000):
                wire.sendall(b"a" * 64 * 1024)
    assert client.get("/ai/models").status_code == 200


def test_a_body_in_very_small_chunks_is_read(client: Client) -> None:
    body = b'{"messages": [{"role": "user", "content": "' + b"a" * 40_000 + b'"}]}'
    head = (
        HEAD + f"authorization: Bearer {client.key}\r\ncontent-type: application/json\r\nconnection: close\r\n".encode()
    )
    chunks = b"".join(b"1;some=extension\r\n%c\r\n" % byte for byte in body)
    answer = raw(client.url, head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


CHAT = "/ai/chat/completions"
TOO_LARGE: dict[str, tuple[Ask, set[int]]] = {
    "key": (lambda c: c.as_key("k" * 100_000).get("/ai/models"), {400, 401}),
    "path": (lambda c: c.get("/ai/conversations/" + "a" * 60_000), {404, 422}),
    "query": (lambda c: c.get("/ai/conversations?" + "&".join(f"a{n}=eq.1" for n in range(5000))), {200, 400}),
    "conditions": (lambda c: c.get("/ai/conversations?" + "&".join(["name=eq.a"] * 500)), {400}),
    "idempotency key": (lambda c: c.post("/ai/conversations", {}, headers={"idempotency-key": "k" * 100_000}), {400}),
    "fault header": (lambda c: c.get("/ai/models", headers={"x-mock-fault": "429;" * 30_000}), {400}),
    "name": (lambda c: c.post("/ai/conversations", {"name": "n" * 5_000_000}), {200, 413, 422}),
    "metadata": (lambda c: c.post("/ai/conversations", {"metadata": {str(n): "v" for n in range(50_000)}}), {200, 400, 413, 422}),
    "messages": (lambda c: c.post(CHAT, {"messages": [{"role": "user", "content": "x"}] * 50_000}), {200, 400, 413, 422}),
    "choices": (lambda c: c.chat(n=10_000_000), {400, 422}),
    "speech": (lambda c: c.post("/text-to-speech/speech", {"text": "a" * 1_000_000}), {400, 422}),
    "page": (lambda c: c.get("/ai/conversations/insights?page[size]=99999999999999999999"), {422}),
}  # fmt: skip


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_is_too_large_is_told(client: Client, what: str) -> None:
    ask, told = TOO_LARGE[what]

    answer = ask(client)

    assert answer.status_code in told, (answer.status_code, answer.text[:300])
    assert client.get("/ai/models").status_code == 200


# ------------------------------------------------------------------------------------------------ keys


def test_a_key_is_nowhere_but_in_the_request(tmp_path: Path) -> None:
    """Not in the database or the objects beside it, not on the screen, not in what the admin API or a snapshot tells."""
    key = "KEY-0123456789-secret"
    command = [sys.executable, "-m", "mock_server", "serve", "--port", "0", "--db", str(tmp_path / "kept.db")]
    process = subprocess.Popen(
        [*command, "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    line = process.stdout.readline()  # type: ignore[union-attr]
    with httpx.Client(timeout=20) as http:
        client = Client(line.split(" ready at ")[1].strip().removesuffix("/v2"), key, http)
        made = client.post("/ai/conversations", {"name": "n"}, headers={"idempotency-key": "i-1"}).json()
        client.post(f"/ai/conversations/{made['id']}/message", {"role": "user", "content": "Hello"})
        client.chat(metadata={"api_key": key}, user=key)
        client.chat(stream=True)
        client.get(f"/ai/models?api_key={key}")
        client.get("/ai/" + key)
        client.request("POST", "/ai/chat/completions", content=b"{broken " + key.encode())
        client.chat(headers={"x-mock-fault": "crash"})
        client.post("/text-to-speech/speech", {"text": "Hello"})
        s3_of(client).put_object(Bucket="my-bucket", Key="a.txt", Body=b"Bees dance.")
        client.post("/ai/embeddings", {"bucket_name": "my-bucket"})
        client.admin("POST", "/faults", json={"effect": "429;times=1"})
        client.admin("PUT", "/account", json={"state": "read-only"})
        client.admin("PUT", "/snapshots/mine")
        shown = [
            client.admin("GET", path).text
            for path in (
                "/requests?limit=100",
                "/accounts",
                "/faults",
                "/replies",
                "/account",
                "/state",
                "/verdict",
                "/jobs",
                "/limits",
            )
        ]
        taken = client.admin("GET", "/snapshots/mine")
        while_running = kept(tmp_path)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)

    assert made["id"].encode() in while_running and b"acct_" in while_running
    assert taken.status_code == 200 and key.encode() not in gzip.decompress(taken.content)
    assert key not in "".join([*shown, line, out, err])
    for form in (key.encode(), key.encode().hex().encode()):
        assert form not in while_running and form not in kept(tmp_path)


def kept(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
