"""Rate limits: per account and operation, of requests and tokens, by the account's clock; told with every answer."""

import json
from typing import Any

import openai
import pytest
import telnyx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server import Settings
from mock_server.base.limits import Limit, parse
from mock_server.base.settings import SettingsError

HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")
SOCKET = "/speech-to-text/transcription"
SPEECH = "/text-to-speech/speech?voice=Telnyx.NaturalHD.astra"
HI = [{"role": "user", "content": "hi"}]


def limited(client, *limits: str) -> None:
    """These limits for the client's account, and its clock standing still."""
    assert client.admin("PUT", "/limits", json={"limits": limits}).status_code == 200
    client.admin("POST", "/clock", json={"freeze": True})


def pass_by(client, seconds: float) -> None:
    client.admin("POST", "/clock", json={"advance": seconds})


def told(answer) -> list[str | None]:
    return [answer.headers.get(name) for name in HEADERS]


def test_every_answer_tells_the_limit_what_is_left_and_when_all_is_there_again(client):
    limited(client, "3/minute")

    answers = [client.get("/ai/models") for _ in range(5)]

    assert [(a.status_code, told(a)) for a in answers] == [
        (200, ["3", "2", "20", None]),
        (200, ["3", "1", "40", None]),
        (200, ["3", "0", "60", None]),
        (429, ["3", "0", "60", "20"]),
        (429, ["3", "0", "60", "20"]),
    ]
    assert answers[3].json()["errors"][0]["code"] == "10011"
    assert answers[3].headers["x-mock-fault"] == "limit:3/minute"
    assert [entry["fault"] for entry in client.journal()] == ["limit:3/minute"] * 2 + [None] * 3


def test_who_waits_as_long_as_told_passes_and_who_waits_less_does_not(client):
    limited(client, "5/minute")
    refused = next(a for _ in range(9) if (a := client.get("/ai/models")).status_code == 429)
    wait = float(refused.headers["retry-after"])

    pass_by(client, wait - 1)
    early = client.get("/ai/models")
    pass_by(client, 1)

    assert early.status_code == 429 and early.headers["retry-after"] == "1"
    assert client.get("/ai/models").status_code == 200


def test_refused_requests_cost_nothing_and_a_full_bucket_holds_no_more(client):
    limited(client, "2/second")
    for _ in range(10):
        client.get("/ai/models")
    pass_by(client, 3600)
    assert [client.get("/ai/models").status_code for _ in range(3)] == [200, 200, 429]


def test_a_clock_that_is_set_back_takes_nothing_away(client):
    limited(client, "2/minute")
    client.get("/ai/models")
    pass_by(client, -3600)
    assert client.get("/ai/models").headers["x-ratelimit-remaining"] == "0"
    pass_by(client, 30)
    assert client.get("/ai/models").status_code == 200


def test_a_limit_of_an_operation_leaves_the_others_alone_and_the_narrowest_is_told(client):
    limited(client, "100/minute", "openai.chat.*=1/hour")
    ask = {"messages": [{"role": "user", "content": "hi"}]}

    first = client.post("/ai/openai/chat/completions", ask)
    second = client.post("/ai/openai/chat/completions", ask)

    assert told(first) == ["1", "0", "3600", None]
    assert second.status_code == 429 and told(second) == ["1", "0", "3600", "3600"]
    assert told(client.get("/ai/models"))[:2] == ["100", "98"], "a refused request counts nowhere"


def test_tokens_are_counted_after_the_answer_and_a_debt_is_paid_first(client):
    limited(client, "tokens=60/minute")

    answers = [client.chat("x" * 240), client.chat("hi")]
    used = answers[0].json()["usage"]["total_tokens"]
    wait = int(answers[1].headers["retry-after"])
    models = client.get("/ai/models")

    assert used > 60 and answers[0].status_code == 200 and told(answers[0])[:2] == ["60", "0"]
    assert answers[1].status_code == 429 and wait == used - 60
    assert models.status_code == 200 and told(models) == [None] * 4, "nothing but chats has tokens"
    pass_by(client, wait + 1)
    assert client.chat("hi").status_code == 200


def test_streams_tell_what_they_cost(client):
    limited(client, "tokens=10000/minute")
    answer = client.chat("hi", stream=True, stream_options={"include_usage": True})
    usage = json.loads(answer.text.split("data: ")[-2])["usage"]
    assert int(answer.headers["x-ratelimit-remaining"]) == 10000 - usage["total_tokens"]


def test_accounts_do_not_share(start):
    client = start(rate_limit=("1/hour",))
    other = client.as_key("another-key-altogether")
    assert [c.get("/ai/models").status_code for c in (client, other, client, other)] == [200, 200, 429, 429]


def test_an_account_may_have_limits_of_its_own_or_none(start):
    client = start(rate_limit=("1/hour",))
    other = client.as_key("another-key-altogether")

    client.admin("PUT", "/limits", json={"limits": []})
    assert [client.get("/ai/models").status_code for _ in range(3)] == [200] * 3
    assert [other.get("/ai/models").status_code for _ in range(2)] == [200, 429]
    client.admin("DELETE", "/limits")
    assert [client.get("/ai/models").status_code for _ in range(2)] == [200, 429]


def test_limits_are_listed_with_what_is_left(client):
    limited(client, "10/minute", "tokens=100/hour")
    client.get("/ai/models")
    shown = client.admin("GET", "/limits").json()
    assert shown["own"] is True and shown["data"] == [
        {"limit": "10/minute", "remaining": 9, "reset": 6},
        {"limit": "tokens=100/hour", "remaining": 100, "reset": 0},
    ]


def test_a_reset_fills_the_buckets_and_takes_back_what_came_by_api(start):
    client = start(rate_limit=("2/hour",))
    client.admin("PUT", "/limits", json={"limits": ["1/hour"]})
    assert [client.get("/ai/models").status_code for _ in range(2)] == [200, 429]
    client.admin("POST", "/reset")
    assert [client.get("/ai/models").status_code for _ in range(3)] == [200, 200, 429]
    client.http.put(client.url + "/_mock/limits", json={"limits": ["5/hour"]})
    client.http.post(client.url + "/_mock/reset")
    shown = client.http.get(client.url + "/_mock/limits").json()
    assert shown == {"data": [{"limit": "2/hour"}], "account": None}


def test_without_limits_no_answer_has_the_headers(client):
    assert told(client.get("/ai/models")) == [None] * 4


def test_an_injected_429_keeps_its_own_headers(client):
    limited(client, "50/minute")
    answer = client.get("/ai/models", headers={"x-mock-fault": "429;retry-after=7"})
    assert told(answer) == ["100", "0", "7", "7"] and len(answer.headers.get_list("x-ratelimit-limit")) == 1


BODIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "answer": ("GET", "/ai/models", {}),
    "chat": ("POST", "/ai/chat/completions", {"json": {"messages": HI}}),
    "stream": ("POST", "/ai/chat/completions", {"json": {"messages": HI, "stream": True}}),
    "response": ("POST", "/ai/openai/responses", {"json": {"model": "m", "input": "hi", "stream": True}}),
    "message": (
        "POST",
        "/ai/anthropic/v1/messages",
        {"json": {"model": "m", "max_tokens": 9, "messages": HI, "stream": True}},
    ),
    "speech": ("POST", "/text-to-speech/speech", {"json": {"text": "Hi.", "voice": "Telnyx.KokoroTTS.af"}}),
    "broken body": ("POST", "/ai/chat/completions", {"content": b"{oops"}),
    "refused body": ("POST", "/ai/chat/completions", {"json": {}}),
    "unknown id": ("GET", "/ai/conversations/x", {}),
    "not emulated": ("GET", "/ai/assistants", {}),
    "unknown path": ("GET", "/ai/nothing-here", {}),
    "wrong method": ("PATCH", "/ai/models", {}),
    "plain GET of a socket": ("GET", SOCKET, {}),
    "fault": ("GET", "/ai/models", {"headers": {"x-mock-fault": "503"}}),
    "broken answer": ("GET", "/ai/models", {"headers": {"x-mock-fault": "malformed"}}),
    "unreadable fault": ("GET", "/ai/models", {"headers": {"x-mock-fault": "oops"}}),
    "unknown scenario": ("GET", "/ai/models", {"headers": {"x-mock-scenario": "oops"}}),
}


@pytest.mark.parametrize(("method", "path", "options"), BODIES.values(), ids=BODIES)
def test_every_kind_of_answer_tells_the_limit(client, method, path, options):
    limited(client, "50/minute")
    answer = client.request(method, path, **options)
    assert told(answer)[0] == "50" and len(answer.headers.get_list("x-ratelimit-remaining")) == 1


@pytest.mark.parametrize("state", ["forbidden", "without-funds", "read-only"])
def test_what_a_state_refuses_tells_the_limit_and_costs_nothing(client, state):
    limited(client, "50/minute")
    client.admin("PUT", "/account", json={"state": state})
    answer = client.chat()
    assert answer.status_code == 403 and told(answer) == ["50", "50", "0", None]


def test_a_replayed_answer_tells_the_limit(client):
    limited(client, "50/minute")
    answers = [client.post("/ai/conversations", {}, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert [told(answer)[1] for answer in answers] == ["49", "48"]
    assert answers[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("path", [SOCKET + "?transcription_engine=Telnyx&input_format=wav", SPEECH])
def test_a_sockets_handshake_tells_the_limit(client, path):
    limited(client, "50/minute")
    headers = {"authorization": f"Bearer {client.key}"}
    with connect(client.v2.replace("http", "ws") + path, additional_headers=headers, proxy=None) as socket:
        assert socket.response is not None
        assert [socket.response.headers[name] for name in HEADERS[:2]] == ["50", "49"]


def test_a_401_tells_nothing(client):
    limited(client, "50/minute")
    client.admin("PUT", "/account", json={"state": "revoked"})
    assert told(client.get("/ai/models")) == [None] * 4


def test_in_the_dialect_of_the_operation(client):
    limited(client, "1/hour")
    client.get("/ai/models")
    answer = client.http.get(f"{client.url}/s3/my-bucket", headers={"authorization": f"AWS {client.key}:x"})
    assert (
        answer.status_code == 429 and "<Code>SlowDown</Code>" in answer.text and answer.headers["retry-after"] == "3600"
    )


def test_a_handshake_counts_and_is_denied(client):
    limited(client, "1/hour")
    client.get("/ai/models")
    url = client.v2.replace("http", "ws") + SOCKET
    with pytest.raises(InvalidStatus) as denied:
        connect(url, additional_headers={"authorization": f"Bearer {client.key}"}, proxy=None)
    assert denied.value.response.status_code == 429 and denied.value.response.headers["retry-after"] == "3600"


def test_the_account_comes_before_the_limit_and_the_limit_before_the_body(client):
    limited(client, "1/hour")
    assert client.post("/ai/chat/completions", content=b"{oops").status_code == 400
    assert client.post("/ai/chat/completions", content=b"{oops").status_code == 429
    assert client.http.get(client.v2 + "/ai/models").status_code == 401


@pytest.mark.parametrize("kind", ["telnyx", "openai"])
def test_the_sdk_waits_as_told_and_gets_its_answer(client, kind):
    client.admin("PUT", "/limits", json={"limits": ["1/second"]})
    ask: Any = [{"role": "user", "content": "hi"}]
    if kind == "telnyx":
        sdk: Any = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
        answers = [sdk.ai.openai.chat.create_completion(messages=ask) for _ in range(2)]
    else:
        sdk = openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai")
        answers = [sdk.chat.completions.create(model="openai/gpt-4o", messages=ask) for _ in range(2)]
    assert len(answers) == 2 and [e["status"] for e in client.journal()] == [200, 429, 200]


def test_the_sdk_raises_its_rate_limit_error(client):
    limited(client, "1/hour")
    client.get("/ai/models")
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0)
    with sdk, pytest.raises(telnyx.RateLimitError) as raised:
        sdk.ai.openai.list_models()
    assert raised.value.response.headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize("text", ["20/second", "chat.*=5/minute", "tokens=10000/hour", "1/day"])
def test_a_limit_is_written_as_it_is_read(text):
    assert str(parse(text)) == text


def test_what_a_limit_says():
    assert parse("openai.chat.*=5/minute") == Limit(5, 60.0, "openai.chat.*")
    assert parse("tokens=7/second") == Limit(7, 1.0, None, tokens=True)


WRONG = [
    "",
    "20",
    "20/fortnight",
    "0/second",
    "-1/second",
    "1.5/second",
    "=5/minute",
    "a b=5/minute",
    "9" * 13 + "/day",
    "\u0665/day",
    "[!\u20ac]*=1/hour",
    "[!\x01]*=1/hour",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_limit_is_refused(client, text):
    answer = client.admin("PUT", "/limits", json={"limits": [text]})
    assert answer.status_code == 422 and "20/second" in answer.text
    with pytest.raises(SettingsError, match="--rate-limit"):
        Settings(rate_limit=(text,))


def test_too_many_limits_are_refused(client):
    with pytest.raises(SettingsError, match="--rate-limit: at most 50 limits"):
        Settings(rate_limit=tuple(f"{n}/day" for n in range(1, 52)))
    assert len(Settings(rate_limit=tuple(f"{n}/day" for n in range(1, 51))).limits()) == 50
    assert client.admin("PUT", "/limits", json={"limits": [f"{n}/day" for n in range(1, 52)]}).status_code == 422


def test_without_a_key_everyones_limits_are_taken_back_and_all_is_there_again(start):
    client = start(rate_limit=("2/hour",))
    client.http.put(f"{client.url}/_mock/limits", json={"limits": ["1/hour"]}).raise_for_status()
    found = [client.get("/ai/models").status_code for _ in range(2)]
    client.http.delete(f"{client.url}/_mock/limits").raise_for_status()

    assert found == [200, 429]
    assert [client.get("/ai/models").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("whole", [False, True], ids=["account", "server"])
def test_a_snapshot_keeps_what_is_left_of_the_limits_that_all_have(start, whole):
    client = start(rate_limit=("3/hour",), clock="2026-01-01T00:00:00Z")
    options = {} if whole else {"headers": {"authorization": f"Bearer {client.key}"}}
    client.get("/ai/models")
    client.http.put(f"{client.url}/_mock/snapshots/one", **options).raise_for_status()
    first = [client.get("/ai/models").status_code for _ in range(3)]
    client.http.post(f"{client.url}/_mock/snapshots/one", **options).raise_for_status()

    assert [client.get("/ai/models").status_code for _ in range(3)] == first == [200, 200, 429]
