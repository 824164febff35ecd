"""Errors on demand: by header, by magic key, by admin rule; on HTTP and on the handshake of a socket."""

import json
import threading
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.waiting import tries

CODES = {
    400: ("10015", "Bad Request"),
    401: ("10009", "Authentication failed"),
    403: ("10010", "Authorization failed"),
    404: ("10005", "Resource not found"),
    409: ("10036", "Resource is being processed"),
    429: ("10011", "Too many requests"),
    500: ("10007", "Unexpected error"),
    503: ("10016", "Service unavailable"),
}
STATUSES = sorted([*CODES, 422])
SOCKETS = ["/speech-to-text/transcription", "/text-to-speech/speech"]


def faulty(client, fault: str, path: str = "/ai/models", method: str = "GET", **options: Any) -> httpx.Response:
    return client.request(method, path, headers={"x-mock-fault": fault}, **options)


def statuses(client, times: int, **headers: str) -> list[int]:
    return [client.get("/ai/models", headers=headers).status_code for _ in range(times)]


def rule(client, effect: Any, **fields: Any) -> dict[str, Any]:
    """The fault rule as the admin API shows it, added for the client's account."""
    added = client.admin("POST", "/faults", json={"effect": effect, **fields})
    assert added.status_code == 200, added.text
    return added.json()["data"]


# By header


@pytest.mark.parametrize("status", CODES)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ai/models"), ("POST", "/ai/openai/chat/completions"), ("GET", "/ai/assistants")]
)
def test_a_status_by_header_in_the_vendors_envelope(client, method, path, status):
    answer = faulty(client, str(status), path, method)
    (item,) = answer.json()["errors"]
    assert answer.status_code == status and (item["code"], item["title"]) == CODES[status]
    assert item["meta"]["url"].endswith("/" + item["code"]) and answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "shape"),
    [
        ("POST", "/ai/chat/completions", "detail"),
        ("GET", "/ai/models", "detail"),
        ("POST", "/messages", "errors"),
        ("GET", "/text-to-speech/voices", "errors"),
    ],
)
def test_422_takes_the_operations_own_validation_shape(client, method, path, shape):
    answer = faulty(client, "422", path, method)
    (item,) = answer.json()[shape]
    expected = {"loc", "msg", "type"} if shape == "detail" else {"code", "title", "detail", "meta"}
    assert answer.status_code == 422 and expected <= set(item)


def test_422_of_speech_is_a_map_of_fields(client):
    answer = faulty(client, "422", "/text-to-speech/speech", "POST")
    assert answer.status_code == 422
    assert all(isinstance(words, list) for words in answer.json()["errors"].values())


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_socket_is_denied_with_status_and_body(client, path, status):
    headers = {"authorization": f"Bearer {client.key}", "x-mock-fault": str(status)}
    url = client.v2.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as denied, connect(url, additional_headers=headers, proxy=None):
        pass
    answer = denied.value.response
    assert answer.status_code == status and json.loads(answer.body or b"")["errors"]
    assert ("retry-after" in answer.headers) == (status == 429)
    assert [(e["kind"], e["status"], e["fault"]) for e in client.journal()] == [("socket", status, "header")]


@pytest.mark.parametrize("status", CODES)
def test_a_magic_key_denies_a_socket_too(client, status):
    headers = {"authorization": f"Bearer mock-fault-{status}-{client.key}"}
    with pytest.raises(InvalidStatus) as denied:
        connect(client.v2.replace("http", "ws") + SOCKETS[0], additional_headers=headers, proxy=None)
    assert denied.value.response.status_code == status


def test_429_carries_the_rate_limit_headers(client):
    headers = faulty(client, "429").headers
    told = {name: headers[name] for name in ("retry-after", "x-ratelimit-remaining", "x-ratelimit-reset")}
    assert told == {"retry-after": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    assert int(headers["x-ratelimit-limit"]) > 0


@pytest.mark.parametrize(
    ("fault", "seconds"), [("429;retry-after=2", "2"), ("503; retry-after=0.5", "0.5"), ("500;retry-after=0", "0")]
)
def test_retry_after_is_what_was_asked_for(client, fault, seconds):
    assert faulty(client, fault).headers["retry-after"] == seconds


def test_only_429_and_who_asks_for_it_have_retry_after(client):
    assert ["retry-after" in faulty(client, str(status)).headers for status in STATUSES] == [s == 429 for s in STATUSES]


def test_times_counts_per_account_and_header_value(client):
    other = client.as_key(client.key + "-other")
    assert statuses(client, 3, **{"x-mock-fault": "429;times=2"}) == [429, 429, 200]
    assert statuses(client, 2, **{"x-mock-fault": "503;times=1"}) == [503, 200]
    assert statuses(other, 3, **{"x-mock-fault": "429;times=2"}) == [429, 429, 200]
    client.admin("POST", "/reset")
    assert statuses(client, 1, **{"x-mock-fault": "429;times=2"}) == [429]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "oops",
        "200",
        "600",
        "099",
        "429;times=0",
        "429;times=x",
        "429;retry-after=soon",
        "timeout=-1",
        "429;timeout=1",
        "times=2",
        "429;x=1",
    ],
)
def test_a_header_that_cannot_be_read_says_so(client, text):
    answer = faulty(client, text)
    (item,) = answer.json()["errors"]
    assert answer.status_code == 400 and item["code"] == "10015" and "x-mock-fault" in item["detail"]


def test_the_key_comes_before_the_fault(client):
    assert client.http.get(client.v2 + "/ai/models", headers={"x-mock-fault": "500"}).status_code == 401


def test_the_fault_comes_before_the_body(client):
    answer = faulty(client, "503", "/ai/chat/completions", "POST", content=b"{oops")
    assert answer.status_code == 503


# Silence


def until_over(client, call: Any) -> list[Any]:
    """What `call` gives or raises, while the account's frozen clock is moved on step by step."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(2000):
        if not thread.is_alive():
            break
        client.admin("POST", "/clock", json={"advance": 1})
        thread.join(0.01)
    assert not thread.is_alive()
    return outcome


def test_timeout_waits_by_the_accounts_clock_and_closes_without_an_answer(client):
    client.admin("POST", "/clock", json={"set": "2026-01-01T00:00:00Z", "freeze": True})
    (error,) = until_over(client, lambda: faulty(client.as_key(client.key), "timeout=5"))
    (entry,) = client.journal()
    assert isinstance(error, httpx.RemoteProtocolError)
    assert (entry["status"], entry["ended"], entry["fault"], entry["response"]["size"]) == (0, "cut", "header", 0)
    assert client.admin("GET", "/clock").json()["now"] >= "2026-01-01T00:00:05"


def test_timeout_closes_a_socket_before_the_handshake(client):
    client.admin("POST", "/clock", json={"freeze": True})
    headers = {"authorization": f"Bearer {client.key}", "x-mock-fault": "timeout=5"}
    url = client.v2.replace("http", "ws") + SOCKETS[1]
    (error,) = until_over(client, lambda: connect(url, additional_headers=headers, proxy=None))
    (entry,) = client.journal()
    assert isinstance(error, Exception) and not isinstance(error, InvalidStatus)
    assert (entry["kind"], entry["ended"]) == ("socket", "cut")


def test_a_client_that_leaves_ends_the_wait(client):
    client.admin("POST", "/clock", json={"freeze": True})
    with pytest.raises(httpx.ReadTimeout), httpx.Client(timeout=0.2, verify=False) as impatient:
        impatient.get(
            client.v2 + "/ai/models",
            headers={"authorization": f"Bearer {client.key}", "x-mock-fault": "timeout=5"},
        )
    entries = next(found for _ in tries() if (found := client.journal()))
    assert [(entry["status"], entry["ended"]) for entry in entries] == [(0, "client_left")]


# By magic key


@pytest.mark.parametrize("status", STATUSES)
def test_a_magic_key_fails_every_time(client, status):
    assert statuses(client.as_key(f"mock-fault-{status}-{client.key}"), 3) == [status] * 3


@pytest.mark.parametrize(("times", "n"), [("once", 1), ("twice", 2), ("thrice", 3)])
def test_a_magic_key_fails_as_often_as_it_says(client, times, n):
    assert statuses(client.as_key(f"mock-fault-503-{times}-{client.key}"), n + 2) == [503] * n + [200, 200]


def test_the_bare_magic_keys_work_and_a_name_makes_them_ones_own(start):
    server = start()
    assert statuses(server.as_key("mock-fault-429"), 2) == [429, 429]
    assert statuses(server.as_key("mock-fault-429-twice"), 3) == [429, 429, 200]
    assert statuses(server.as_key("mock-fault-429-twice-mytest"), 3) == [429, 429, 200]


@pytest.mark.parametrize(
    "key", ["mock-fault-", "mock-fault-399-x", "mock-fault-600", "mock-fault-4290", "mock-fault-429x"]
)
def test_a_magic_key_that_cannot_be_read_is_400_and_names_the_statuses(client, key):
    answer = client.as_key(key).get("/ai/models")
    assert answer.status_code == 400 and "429" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("key", ["mock-fault", "amock-fault-429"])
def test_a_key_that_is_not_quite_magic_is_an_ordinary_key(client, key):
    assert statuses(client.as_key(key), 1) == [200]


def test_a_magic_key_needs_to_be_accepted_where_keys_are_named(start):
    closed = start(api_key=("right", "mock-fault-429-named"))
    assert statuses(closed.as_key("mock-fault-503"), 1) == [401]
    assert statuses(closed.as_key("mock-fault-429-named"), 1) == [429]


# By admin rule


@pytest.mark.parametrize(
    ("match", "hit", "miss"),
    [
        ({"method": "POST"}, ("POST", "/ai/chat/completions"), ("GET", "/ai/models")),
        ({"method": "get"}, ("GET", "/ai/models"), ("POST", "/ai/chat/completions")),
        ({"path": "/v2/ai/*/completions"}, ("POST", "/ai/chat/completions"), ("GET", "/ai/models")),
        ({"path": "/v2/ai/models"}, ("GET", "/ai/models"), ("GET", "/ai/openai/models")),
        ({"operation": "openai.*"}, ("GET", "/ai/openai/models"), ("GET", "/ai/models")),
        (
            {"operation": "chat.create_completion"},
            ("POST", "/ai/chat/completions"),
            ("POST", "/ai/openai/chat/completions"),
        ),
        ({"model": "openai/*"}, ("POST", "/ai/chat/completions"), ("GET", "/ai/models")),
        (
            {"method": "POST", "operation": "chat.*", "path": "*"},
            ("POST", "/ai/chat/completions"),
            ("POST", "/messages"),
        ),
    ],
    ids=json.dumps,
)
def test_a_rule_fires_where_all_of_its_match_holds(client, match, hit, miss):
    added = rule(client, {"status": 503}, match=match)
    body = {"messages": [{"role": "user", "content": "hi"}], "model": "openai/gpt-4o", "to": "+1"}
    assert client.request(*hit, json=body).status_code == 503
    assert client.request(*miss, json=body).status_code == 200
    assert [entry["fault"] for entry in client.journal()] == [None, added["id"]]


def test_a_model_rule_fires_after_the_body_is_read(client):
    rule(client, {"status": 429, "retry_after": 3}, match={"model": "openai/gpt-4o"})
    broken = client.chat(model="openai/gpt-4o", n=0)
    fired = client.chat(model="openai/gpt-4o")
    assert broken.status_code == 422, "what breaks the schema is told first"
    assert fired.status_code == 429 and fired.headers["retry-after"] == "3"
    assert client.chat(model="zai-org/GLM-5.2").status_code == 200


def test_a_model_rule_meets_the_default_model(client):
    rule(client, {"status": 500}, match={"model": "meta-llama/Meta-Llama-3.1-8B-Instruct"})
    assert client.chat().status_code == 500


def test_a_rule_without_a_match_fires_always_and_times_limits_it(client):
    shown = rule(client, {"status": 500}, times=2, id="flaky")
    assert (shown["id"], shown["times"], shown["used"], shown["effect"]) == ("flaky", 2, 0, {"status": 500})
    assert statuses(client, 3) == [500, 500, 200]
    assert client.admin("GET", "/faults").json()["data"][0]["used"] == 2


@pytest.mark.parametrize(("effect", "expected"), [("429;retry-after=7;times=1", [429, 200]), ("503", [503, 503])])
def test_the_short_form_says_the_same(client, effect, expected):
    rule(client, effect)
    first = client.get("/ai/models")
    assert [first.status_code, *statuses(client, 1)] == expected
    assert first.headers.get("retry-after") == ("7" if "retry" in effect else None)


def test_a_rule_of_an_account_is_its_own_and_one_without_a_key_is_everyones(start):
    one = start()
    other = one.as_key("another-key-altogether")
    rule(one, {"status": 503})
    assert statuses(one, 1) + statuses(other, 1) == [503, 200]
    everyone = one.http.post(one.url + "/_mock/faults", json={"effect": {"status": 500}, "match": {"operation": "*"}})
    assert everyone.json()["data"]["account"] is None
    assert statuses(one, 1) + statuses(other, 1) == [503, 500], "rules are tried in the order they were added"


def test_header_before_key_before_rule(client):
    failing = client.as_key(f"mock-fault-503-once-{client.key}")
    rule(failing, {"status": 500}, id="last")
    assert statuses(failing, 1, **{"x-mock-fault": "409"}) + statuses(failing, 2) == [409, 503, 500]
    assert [entry["fault"] for entry in failing.journal()] == ["last", "key", "header"]


def test_an_injected_error_says_what_fired(client):
    rule(client, {"status": 500}, id="mine")
    assert faulty(client, "500").headers["x-mock-fault"] == "header"
    assert client.get("/ai/models").headers["x-mock-fault"] == "mine"
    assert client.as_key(f"mock-fault-500-{client.key}").get("/ai/models").headers["x-mock-fault"] == "key"


def test_rules_are_listed_replaced_and_taken_out(client):
    rule(client, {"status": 500}, id="a")
    rule(client, {"status": 503}, id="b")
    rule(client, {"status": 409}, id="a")
    assert [r["id"] for r in client.admin("GET", "/faults").json()["data"] if r["account"]] == ["b", "a"]
    assert client.admin("DELETE", "/faults/b").json() == {"deleted": 1}
    assert client.admin("DELETE", "/faults/b").status_code == 404
    assert statuses(client, 1) == [409]
    assert client.admin("DELETE", "/faults").json() == {"deleted": 1} and statuses(client, 1) == [200]


def test_an_account_cannot_take_out_anothers_rule(client):
    other = client.as_key(client.key + "-other")
    rule(other, {"status": 500}, id="theirs")
    assert client.admin("DELETE", "/faults/theirs").status_code == 404
    client.admin("DELETE", "/faults")
    client.admin("POST", "/reset")
    assert statuses(other, 1) == [500]


def test_a_rule_for_everyone_leaves_an_accounts_rule_of_the_same_name_alone(start):
    one = start()
    rule(one, {"status": 503}, id="same", match={"path": "/v2/ai/models"})
    one.http.post(
        one.url + "/_mock/faults", json={"id": "same", "effect": {"status": 500}, "match": {"path": "/v2/messages"}}
    )
    assert statuses(one, 1) == [503]


def test_a_rule_without_a_name_never_takes_the_place_of_a_named_one(start):
    one = start()
    rule(one, {"status": 503}, id="fault-1", match={"path": "/v2/ai/models"})
    rule(one, {"status": 500}, match={"path": "/v2/messages"})
    assert statuses(one, 1) == [503]


MALFORMED: list[tuple[Any, int, str]] = [
    ({}, 422, "effect"),
    ({"effect": {}}, 422, "status or timeout"),
    ({"effect": {"status": 199}}, 422, "200"),
    ({"effect": {"status": 204}}, 422, "give the body"),
    ({"effect": {"timeout": 1, "delay": 1}}, 422, "by itself"),
    ({"effect": {"hang": True, "disconnect": True}}, 422, "not both"),
    ({"effect": {"detail": "x"}}, 422, "goes with status"),
    ({"effect": {"close": 1006}}, 422, "1006"),
    ({"effect": {"close": 1011, "drip": 10}}, 422, "not for both"),
    ({"effect": {"cut": "3 apples"}}, 422, "100 bytes"),
    ({"effect": {"at": "3 chunks", "status": 500}}, 422, "at goes with"),
    ({"effect": {"delay": [3, 1]}}, 422, "the least of it first"),
    ({"effect": {"delay": True}}, 422, "a wait is"),
    ({"effect": {"headers": {"content-length": "1"}}}, 422, "not for a rule"),
    ({"effect": {"headers": {f"x-{n}": "1" for n in range(51)}}}, 422, "50 are the most"),
    ({"effect": {"headers": {"a": "b\r\nc: d"}}}, 422, "header can carry"),
    ({"effect": {"headers": {"a b": "c"}}}, 422, "no name of a header"),
    ({"effect": {"headers": {"sec-websocket-accept": "x"}}}, 422, "not for a rule"),
    ({"effect": {"close": 1011, "cut": "1 frame"}}, 422, "not both"),
    ({"effect": {"half_open": True, "status": 500}}, 422, "not both"),
    ({"effect": {"silent": 1, "error_frame": 40001}}, 422, "not both"),
    ({"effect": {"close": 1000, "reason": "x" * 124}}, 422, "123 bytes"),
    ({"effect": {"reason": "x"}}, 422, "goes with close"),
    ({"effect": {"error_frame": [1]}}, 422, "error_frame is"),
    ({"effect": {"error_event": 3}}, 422, "error_event is"),
    ({"effect": {"status": 403, "code": "x"}}, 422, "code"),
    ({"effects": []}, 422, "effects"),
    ({"effects": [429, "oops"]}, 422, "oops"),
    ({"effect": "429", "effects": [429]}, 422, "either"),
    ({"effect": {"status": 500}, "probability": 1.5}, 422, "probability"),
    ({"effect": {"status": 500}, "between": {"from": "noon"}}, 422, "ISO 8601"),
    ({"effect": {"status": 500}, "match": {"user_text": {"regex": "("}}}, 422, "unclosed"),
    ({"effect": {"status": 500}, "match": {"user_text": {"regex": "[a[b"}}}, 422, "unclosed"),
    ({"effect": {"status": 500}, "match": {"user_text": {}}}, 422, "at least one"),
    ({"effect": {"status": 500}, "match": {"kind": "webhook", "path": "*"}}, 422, "a webhook has no path"),
    ({"effect": {"hang": True}, "match": {"kind": "webhook"}}, 422, "a webhook has no hang"),
    ({"effect": {"status": 500}, "match": {"event": "*"}}, 422, "kind webhook"),
    ({"effect": {"close": 1011}, "match": {"kind": "http"}}, 422, "kind of exchange"),
    ({"effect": {"cut": "1 frame"}, "match": {"kind": "socket", "stream": True}}, 422, "no body"),
    ({"effect": {"close": 1011}, "match": {"user_text": "hi"}}, 422, "no body to match"),
    ({"effect": {"status": 500}, "between": {"from": 5}}, 422, "an instant is written in ISO 8601"),
    ({"effect": {"status": 429, "timeout": 5}}, 422, "status or timeout, not both"),
    ({"effect": {"timeout": -1}}, 422, "timeout"),
    ({"effect": {"status": 429, "retry_after": "soon"}}, 422, "retry_after"),
    ({"effect": "oops"}, 422, "oops"),
    ({"effect": "429;times=0"}, 422, "times"),
    ({"effect": True}, 422, "effect"),
    ({"effect": {"status": 500}, "times": 0}, 422, "times"),
    ({"effect": {"status": 500}, "match": {"colour": "red"}}, 422, "colour"),
    ({"effect": {"status": 500}, "match": "POST"}, 422, "match"),
    ({"effect": {"status": 500}, "matches": {}}, 422, "matches"),
    ({"effect": {"status": 500}, "id": "no spaces"}, 422, "id"),
    ([], 422, "body"),
]


@pytest.mark.parametrize(("body", "status", "word"), MALFORMED, ids=[json.dumps(body) for body, *_ in MALFORMED])
def test_a_malformed_rule_is_refused_with_what_is_wrong(client, body, status, word):
    answer = client.admin("POST", "/faults", json=body)
    assert answer.status_code == status and word in answer.text
    assert statuses(client, 1) == [200]


def test_a_body_that_a_rule_gives_has_a_bound(client):
    most = 1024 * 1024
    refused = client.admin("POST", "/faults", json={"effect": {"status": 500, "body": "x" * (most + 1)}})
    assert refused.status_code == 422 and "the body is too long" in refused.text
    rule(client, {"status": 500, "body": "x" * most})
    assert client.get("/ai/models").text == "x" * most


def test_a_header_has_so_many_effects_at_most(client):
    many = faulty(client, ",".join(["429"] * 101)).json()["errors"][0]["detail"]
    assert "100 effects are the most" in many
    assert statuses(client, 2, **{"x-mock-fault": ",".join(["429"] + ["fine"] * 99)}) == [429, 200]


def test_a_magic_key_with_a_status_that_no_handshake_has_is_for_requests_alone(client):
    failing = client.as_key(f"mock-fault-499-{client.key}")
    headers = {"authorization": f"Bearer {failing.key}"}
    url = client.v2.replace("http", "ws") + SOCKETS[1] + "?voice=Telnyx.NaturalHD.astra"
    with connect(url, additional_headers=headers, proxy=None) as opened:
        assert "x-mock-fault" not in opened.response.headers
    assert statuses(failing, 1) == [499]


def test_a_rule_that_is_no_json_is_400(client):
    answer = client.admin("POST", "/faults", content=b"{oops", headers={"content-type": "application/json"})
    assert answer.status_code == 400
