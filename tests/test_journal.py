"""GET /_mock/requests: every exchange once, however it ended; filters; caps; and no secret anywhere in it."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.heads import Head
from mock_server.engine.journal import Ring
from tests.waiting import tries

CHAT = "/ai/chat/completions"
HI = {"messages": [{"role": "user", "content": "hi"}]}
KB = 1024


def whole(client, **query: Any) -> list[dict[str, Any]]:
    """The journal of the whole server, newest first."""
    return client.http.get(client.url + "/_mock/requests", params=query).json()["data"]


def after(client, n: int) -> list[dict[str, Any]]:
    """The account's journal once it holds `n` exchanges: one that is cut is written a moment after its client left."""
    for _ in tries():
        if len(found := client.journal()) >= n:
            return found
    raise AssertionError(f"{len(found)} exchanges instead of {n}")


# Once each


def test_a_plain_exchange_with_all_that_a_reader_needs(client):
    answer = client.post(CHAT, HI, params={"debug": "1"})
    (entry,) = client.journal()
    assert entry["id"] == answer.headers["x-request-id"] and entry["account"].startswith("acct_")
    assert (entry["method"], entry["path"], entry["query"]) == ("POST", "/v2/ai/chat/completions", "debug=1")
    assert (entry["operation"], entry["status"], entry["ended"]) == ("chat.create_completion", 200, "complete")
    assert (entry["fault"], entry["reply"], entry["kind"]) == (None, "default", "http")
    assert json.loads(entry["request"]["body"]) == HI and json.loads(entry["response"]["body"]) == answer.json()
    assert entry["response"]["size"] == len(answer.content) and not entry["response"]["truncated"]
    assert ["content-type", "application/json"] in entry["response"]["headers"]
    assert entry["duration_ms"] > 0 and entry["at"].endswith("Z")


def test_a_stream_is_one_exchange_with_its_whole_body(client):
    answer = client.chat(stream=True)
    (entry,) = client.journal()
    assert entry["response"]["body"] == answer.text and entry["ended"] == "complete"


ENDINGS = {
    "404": ("GET", "/ai/no/such", {}, 404),
    "405": ("PUT", "/ai/models", {}, 405),
    "422": ("POST", CHAT, {"json": {}}, 422),
    "malformed": ("POST", CHAT, {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    "415": ("POST", CHAT, {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    "501": ("GET", "/ai/assistants", {}, 501),
    "fault": ("GET", "/ai/models", {"headers": {"x-mock-fault": "503"}}, 503),
}


@pytest.mark.parametrize(("method", "path", "options", "status"), ENDINGS.values(), ids=ENDINGS)
def test_an_exchange_that_fails_is_there_once_under_the_id_it_told(start, method, path, options, status):
    client = start()
    answer = client.request(method, path, **options)
    (entry,) = whole(client)
    assert (answer.status_code, entry["status"], entry["id"]) == (status, status, answer.headers["x-request-id"])
    assert json.loads(entry["response"]["body"]) == answer.json()


def test_a_401_is_there_once_without_an_account(start):
    client = start()
    answer = client.http.get(client.v2 + "/ai/models")
    (entry,) = whole(client)
    assert (entry["status"], entry["account"], entry["id"]) == (401, None, answer.headers["x-request-id"])


def test_a_cut_is_there_once(client):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/ai/models", headers={"x-mock-fault": "timeout=0"})
    assert [(entry["status"], entry["ended"]) for entry in after(client, 1)] == [(0, "cut")]


def test_a_client_that_leaves_in_mid_stream_is_there_once(start):
    client = start(clock="2026-01-01T00:00:00Z", tokens_per_second=1)
    stream = client.http.stream(
        "POST", client.v2 + CHAT, json={**HI, "stream": True}, headers={"authorization": f"Bearer {client.key}"}
    )
    with stream as answer:
        assert next(answer.iter_lines()).startswith("data: {")
    (entry,) = after(client, 1)
    assert (entry["status"], entry["ended"]) == (200, "client_left")
    assert entry["response"]["body"].startswith("data: {") and "[DONE]" not in entry["response"]["body"]


def test_a_client_that_leaves_in_mid_body_is_there_once(client):
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port)) as wire:
        head = (
            f"POST /v2{CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\ncontent-length: 100\r\n\r\n"
        )
        wire.sendall(head.encode() + b'{"messages"')
    (entry,) = after(client, 1)
    assert (entry["status"], entry["ended"], entry["request"]["body"]) == (0, "client_left", '{"messages"')


@pytest.mark.parametrize("fault", ["401", "429", "500"])
def test_a_denied_socket_is_there_once_under_the_id_it_told(client, fault):
    headers = {"authorization": f"Bearer {client.key}", "x-mock-fault": fault}
    with pytest.raises(InvalidStatus) as denied:
        connect(client.v2.replace("http", "ws") + "/text-to-speech/speech", additional_headers=headers, proxy=None)
    (entry,) = after(client, 1)
    assert (entry["kind"], entry["status"], entry["operation"]) == ("socket", int(fault), "text_to_speech.stream")
    assert entry["id"] == denied.value.response.headers["x-request-id"]
    assert json.loads(entry["response"]["body"]) == json.loads(denied.value.response.body or b"")


def test_admin_calls_are_not_in_the_journal(client):
    client.admin("GET", "/health")
    client.admin("POST", "/clock", json={"advance": 1})
    assert client.journal() == []


# Ids


def test_every_response_carries_an_id_of_its_own_that_finds_the_exchange(client):
    answers = [
        client.get("/ai/models"),
        client.chat(),
        client.chat(stream=True),
        client.post(CHAT, []),
        client.get("/ai/tools"),
    ]
    ids = [answer.headers.get_list("x-request-id") for answer in answers]
    assert [[entry["id"]] for entry in reversed(client.journal())] == ids and len({id for (id,) in ids}) == len(ids)
    for (id,), answer in zip(ids, answers, strict=True):
        assert client.admin("GET", f"/requests/{id}").json()["data"]["status"] == answer.status_code


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ai/no/such"), ("PUT", "/ai/models"), ("GET", "/ai/assistants/%ff")]
)
def test_a_wrong_path_or_method_with_a_good_key_is_in_the_accounts_journal(client, method, path):
    answer = client.request(method, path)
    assert [entry["id"] for entry in client.journal()] == [answer.headers["x-request-id"]]


def test_an_id_of_another_account_finds_nothing(client):
    id = client.get("/ai/models").headers["x-request-id"]
    assert client.as_key(client.key + "-other").admin("GET", f"/requests/{id}").status_code == 404
    assert client.admin("GET", "/requests/no-such-id").status_code == 404


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/_mock/health", "/_mock/no/such"])
def test_what_is_no_exchange_carries_an_id_too(client, path):
    assert client.http.get(client.url + path).headers["x-request-id"]


def test_a_preflight_carries_an_id_too(client):
    asking = {"origin": "http://page.example", "access-control-request-method": "POST"}
    assert client.http.options(client.v2 + CHAT, headers=asking).headers["x-request-id"]


# Filters


def test_newest_first_and_limited(client):
    for text in ("one", "two", "three"):
        client.chat(text)
    texts = [json.loads(entry["request"]["body"])["messages"][0]["content"] for entry in client.journal()]
    assert texts == ["three", "two", "one"]
    assert [entry["id"] for entry in client.journal(limit=2)] == [entry["id"] for entry in client.journal()[:2]]


def test_filters_by_operation_and_status_hold_together(client):
    client.chat()
    client.post(CHAT, {})
    client.get("/ai/models")
    assert [e["status"] for e in client.journal(operation="chat.create_completion")] == [422, 200]
    assert [e["operation"] for e in client.journal(status=200)] == ["ai.retrieve_models", "chat.create_completion"]
    assert len(client.journal(operation="chat.create_completion", status=200, limit=5)) == 1
    assert client.journal(operation="no.such") == [] == client.journal(status=599)


def test_filter_by_account_for_who_sees_the_whole_server(start):
    client = start()
    other = client.as_key("another-key-altogether")
    client.get("/ai/models")
    other.get("/ai/openai/models")
    account = other.journal()[0]["account"]
    assert [e["path"] for e in whole(client)] == ["/v2/ai/openai/models", "/v2/ai/models"]
    assert [e["path"] for e in whole(client, account=account)] == ["/v2/ai/openai/models"]
    assert [e["path"] for e in client.journal()] == ["/v2/ai/models"]
    assert [e["path"] for e in client.journal(account=account)] == ["/v2/ai/models"], "a key sees its own only"


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"status": 99}, {"status": "ok"}])
def test_a_filter_that_makes_no_sense_is_422(client, query):
    assert client.admin("GET", "/requests", params=query).status_code == 422


def test_delete_forgets_the_accounts_own_or_all(start):
    client = start()
    other = client.as_key("another-key-altogether")
    for key in (client, client, other):
        key.get("/ai/models")
    assert client.admin("DELETE", "/requests").json() == {"deleted": 2}
    assert (len(client.journal()), len(other.journal())) == (0, 1)
    client.http.get(client.v2 + "/ai/models")
    assert client.http.delete(client.url + "/_mock/requests").json() == {"deleted": 2} and whole(client) == []


def test_a_stream_that_comes_again_is_there_as_it_was_sent_each_time(client):
    sent = [client.chat("stream200 please", stream=True).text for _ in range(3)]
    assert len(set(sent)) == 3, "each has its own id"
    told = [
        (entry["response"]["body"], entry["response"]["size"], entry["response"]["truncated"])
        for entry in client.journal()
    ]
    assert told == [(text[: 16 * KB], len(text), True) for text in reversed(sent)]


@pytest.mark.parametrize("where", ["text", "model", "service_tier"])
def test_a_key_in_a_stream_that_comes_again_is_masked_each_time(client, where):
    keys = ["key0text"] if where == "text" else [f"plain-key-{where}", f'odd"\\/+&=%{where}']  # one word is one event
    for key in keys:
        mine = client.as_key(key)
        fields = {"model": "m"} if where == "text" else {where: f"<{key}>"}
        sent = [mine.chat(key if where == "text" else "hi", stream=True, **fields) for _ in range(3)]
        entries = mine.journal()
        assert [answer.status_code for answer in sent] == [200] * 3 and len(entries) == 3
        for entry in entries:
            body = entry["response"]["body"]
            assert key not in body and json.dumps(key)[1:-1] not in body and "***" in body and "data: [DONE]" in body


# Caps


def exchange(n: int, body: bytes = b"") -> Exchange:
    made = Exchange("http", Head("POST", f"/{n}", b"", b"", []), 0.0)
    made.request_body = body
    return made


def test_the_ring_keeps_the_last_thousand():
    ring = Ring()
    for n in range(1005):
        ring.add(exchange(n))
    kept = [made.path for made in ring.newest_first()]
    assert len(kept) == 1000 and kept[0] == "/1004" and kept[-1] == "/5" and ring.evicted == 5


def test_the_ring_keeps_at_most_32_mb():
    ring = Ring()
    for n in range(50):
        ring.add(exchange(n, b"x" * 1024 * KB))
    kept = list(ring.newest_first())
    assert 28 <= len(kept) <= 32 and sum(len(made.request_body) for made in kept) <= 32 * 1024 * KB
    assert kept[0].path == "/49" and ring.bytes <= 32 * 1024 * KB


def test_clearing_an_account_leaves_the_others(client):
    ring = Ring()
    mine, theirs = (Account(id, None, "") for id in ("acct_mine", "acct_theirs"))  # type: ignore[arg-type]
    for n, account in enumerate([mine, theirs, mine, None]):
        made = exchange(n)
        made.account = account
        ring.add(made)
    assert ring.clear("acct_mine") == 2 and [made.path for made in ring.newest_first()] == ["/3", "/1"]


def test_a_body_is_kept_to_16_kb_and_its_size_is_told(client):
    answer = client.post(CHAT, {"messages": [{"role": "user", "content": "x" * 40 * KB}], "n": 100})
    (entry,) = client.journal()
    for side, size in (("request", len(answer.request.content)), ("response", len(answer.content))):
        assert entry[side]["truncated"] and entry[side]["size"] == size
        assert len(entry[side]["body"]) == 16 * KB


# Secrets


def test_the_key_is_nowhere_in_the_journal(client):
    key = client.key
    client.chat(f"my key is {key}", model=key, api_key=key)
    client.get(f"/ai/{key}", params={"api_key": key, "q": key})
    client.get("/ai/models", headers={"x-api-key": key, "cookie": key, "x-note": f"<{key}>", "api-key": key})
    client.request("POST", CHAT, content=f"{{oops {key}")
    told = json.dumps(whole(client))
    assert len(client.journal()) >= 3 and key not in told and json.dumps(key)[1:-1] not in told


def test_a_key_with_odd_characters_is_nowhere_however_it_was_escaped(client):
    odd = client.as_key('secret"\\/+&=%key')
    odd.chat(odd.key, api_key=odd.key)
    odd.get("/ai/models", params={"q": odd.key})
    entries = odd.journal()
    assert len(entries) == 2 and entries[1]["status"] == 200
    escaped, encoded = json.dumps(odd.key)[1:-1], str(httpx.QueryParams({"q": odd.key}))[2:]
    assert escaped not in entries[1]["request"]["body"], "escaped as JSON does"
    assert escaped not in entries[1]["response"]["body"], "echoed in the reply"
    assert encoded not in entries[0]["query"], "percent-encoded"


def test_the_key_of_a_refused_exchange_is_masked_too(start):
    client = start(api_key=("the-accepted-key",))
    client.as_key("a-stolen-key-of-someone").chat("a-stolen-key-of-someone")
    client.http.get(client.v2 + "/ai/models", headers={"authorization": "Basic a-stolen-key-of-someone"})
    assert len(whole(client)) == 2 and "stolen" not in json.dumps(whole(client))


SECRETS = {
    "api_key": {"api_key": "hunter2-secret"},
    "apiKey": {"apiKey": "hunter2-secret"},
    "nested": {"azure": {"region": "eu", "api_key": "hunter2-secret"}, "elevenlabs": {"api_key": "hunter2-secret"}},
    "in a list": {"tools": [{"headers": {"x-api-key": "hunter2-secret"}}]},
    "escaped": {"api_key": 'hunter2-secret"and\\more-hunter2-secret'},
    "storage": {"loader": {"aws_access_key_id": "hunter2-secret", "aws_secret_access_key": "hunter2-secret"}},
    "storage 2": {
        "access_key_id": "hunter2-secret",
        "secret_access_key": "hunter2-secret",
        "session_token": "hunter2-secret",
    },
    "as a number": {"api_key": 4815162342},
    "password": {"password": "hunter2-secret"},
}


@pytest.mark.parametrize("fields", SECRETS.values(), ids=SECRETS)
def test_credentials_in_a_body_are_masked(client, fields):
    client.post(CHAT, {**HI, **fields})
    (entry,) = client.journal()
    assert "hunter2" not in json.dumps(entry) and "4815162342" not in json.dumps(entry)
    assert '"hi"' in entry["request"]["body"], "what is no secret stays readable"


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "apikey", "access_token", "X-Amz-Signature", "password"])
def test_credentials_in_a_query_are_masked(client, name):
    client.request("GET", f"/ai/models?provider=x&{name}=hunter2%20secret&page=2")
    (entry,) = client.journal()
    assert "hunter2" not in json.dumps(entry)
    assert entry["query"].startswith("provider=x&") and entry["query"].endswith("&page=2")


def test_credentials_in_a_form_are_masked(client):
    client.request("POST", CHAT, data={"api_key": "hunter2-secret", "a": "b"})
    client.request("POST", CHAT, files={"api_key": (None, "hunter2-secret"), "a": (None, "b")})
    assert len(client.journal()) == 2 and "hunter2" not in json.dumps(client.journal())


@pytest.mark.parametrize("place", range(16 * KB - 60, 16 * KB + 20, 7))
def test_a_secret_at_the_cap_is_not_left_in_half(client, place):
    body = '{"model": "' + "x" * (place - 11) + '", "api_key": "hunter2-secret", "messages": []}'
    client.request("POST", CHAT, content=body, headers={"content-type": "application/json"})
    assert "hunter" not in client.journal()[0]["request"]["body"]


def test_the_clients_own_key_at_the_cap_is_not_left_in_half(client):
    for start_at in (16 * KB - 40, 16 * KB - 20, 16 * KB - 1):
        client.request("POST", CHAT, content="x" * start_at + client.key)
        kept = client.journal()[0]["request"]["body"]
        assert set(kept) <= {"x", "*"}, kept[-60:]
