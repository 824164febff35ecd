"""Fault rules: which exchanges they are for, when they fire, and that no account's traffic shifts another's."""

import json
from contextlib import closing
from http.client import HTTPConnection
from time import perf_counter
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server.base.clock import Clock
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Accounts
from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.rules import Rule
from mock_server.engine.faults.schedule import Armed, Fired

HI = {"messages": [{"role": "user", "content": "hi"}]}


def rule(client, effect: Any = 503, **fields: Any) -> str:
    """The id of a fault rule that was added for the client's account."""
    how = {"effects": effect} if isinstance(effect, list) else {"effect": effect}
    added = client.admin("POST", "/faults", json={**how, **fields})
    assert added.status_code == 200, added.text
    return added.json()["data"]["id"]


def statuses(client, times: int, **options: Any) -> list[int]:
    return [client.get("/ai/models", **options).status_code for _ in range(times)]


# What it is for


def chat(client, body: dict[str, Any], headers: dict[str, str] | None = None, query: str = "") -> int:
    return client.post("/ai/chat/completions" + query, {**HI, **body}, headers=headers or {}).status_code


def said(*texts: str) -> dict[str, Any]:
    """A conversation in which the user says these, each but the last answered."""
    messages: list[dict[str, Any]] = []
    for text in texts:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "refund"}]
    return {"messages": messages[:-1]}


PARTS = {
    "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "text", "text": "refund"}]}]
}
TOOL = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}
BODIES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"user_text": "hi"}, {}, said("hi there")),
    ({"user_text": {"contains": "REFUND"}}, said("hi", "a refund, please"), said("a refund", "no")),
    ({"user_text": {"contains": "refund"}}, PARTS, {}),
    ({"user_text": {"regex": r"ord-\d{4}"}}, said("where is ord-1234?"), said("where is ord-12?")),
    ({"stream": True}, {"stream": True}, {"stream": False}),
    ({"stream": False}, {}, {"stream": True}),
    ({"model": "zai-org/*", "stream": False}, {"model": "zai-org/GLM-5.2"}, {"model": "openai/gpt-4o"}),
    ({"body": {"model": "m"}}, {"model": "m"}, {"model": "mm"}),
    ({"body": {"messages.0.role": "system"}}, {"messages": [{"role": "system", "content": "x"}, *HI["messages"]]}, {}),
    ({"body": {"messages.-1.content": {"contains": "B"}}}, said("a", "b"), said("b", "a")),
    ({"body": {"messages.*.role": "assistant"}}, said("a", "b"), {}),
    ({"body": {"tools.*.function.name": "f"}}, TOOL, {}),
    ({"body": {"temperature": 0.5}}, {"temperature": 0.5}, {"temperature": 1}),
    ({"body": {"max_tokens": {"regex": "^1"}}}, {"max_tokens": 12}, {"max_tokens": 2}),
    ({"body": {"stream": True}}, {"stream": True}, {}),
    ({"body": {"my_own_field": "x"}}, {"my_own_field": "x"}, {"my_own_field": {"x": 1}}),
    ({"body": {"mine.0.deep": None}}, {"mine": [{"deep": None}]}, {"mine": []}),
    ({"body": {"messages.10.role": "user"}}, said(*"abcde", "f"), {}),
    ({"user_text": "hi"}, {"messages": [*HI["messages"], {"role": "assistant", "content": "Hello."}]}, said("a")),
    ({"user_text": "hi"}, {}, {"messages": [{"role": "system", "content": "hi"}]}),
    ({"body": {"messages.*.role": "user"}}, {}, {"messages": [{"role": "system", "content": "x"}]}),
    ({"body": {"messages.0.content": {"contains": "type"}}}, said("a type"), PARTS),
    ({"body": {"messages.first.role": {"regex": "."}, "model": "m"}}, None, {"model": "m"}),
]


@pytest.mark.parametrize(("match", "hit", "miss"), BODIES, ids=[json.dumps(match) for match, *_ in BODIES])
def test_a_body_decides(client, match, hit, miss):
    rule(client, match=match)
    assert hit is None or chat(client, hit) == 503
    assert chat(client, miss) == 200
    assert client.get("/ai/models").status_code == 200


def test_the_first_of_several_rules_whose_body_fits_fires(client):
    for status, match in (
        (500, {"user_text": "a"}), (501, {"user_text": "b"}), (502, {"body": {"x.y": 1}}), (503, {"body": {"x.z": 1}}),
    ):  # fmt: skip
        rule(client, status, match=match)
    asked = ({}, said("a"), said("b"), {"x": {"z": 1}}, {"x": {"y": 1, "z": 1}})
    assert [chat(client, body) for body in asked] == [200, 500, 501, 503, 502]


def test_a_model_is_looked_up_where_the_operation_does_not_know_of_one(client):
    rule(client, match={"model": "openai/*"})
    named, other = ({"name": "a", "model": model} for model in ("openai/gpt-4o", "m"))
    found = [client.post("/ai/conversations", body).status_code for body in (named, other, {"name": "a"})]
    assert found == [503, 200, 200]


def test_a_path_with_an_id_is_matched_as_it_was_sent(client):
    one, other = (client.post("/ai/conversations", {}).json()["id"] for _ in range(2))
    rule(client, match={"path": f"/v2/ai/conversations/{one[:-1]}*", "method": "GET"})
    found = [client.get(f"/ai/conversations/{id}").status_code for id in (one, other)]
    assert found == [503, 200 if one[:-1] != other[:-1] else 503]


INPUTS: list[Any] = [
    "a refund",
    [{"role": "user", "content": "a refund"}],
    [{"role": "user", "content": "hi"}, {"role": "user", "content": [{"type": "input_text", "text": "a refund"}]}],
]


@pytest.mark.parametrize("said", INPUTS, ids=json.dumps)
def test_what_the_user_said_in_a_response(client, said):
    rule(client, match={"user_text": {"contains": "refund"}})
    assert client.post("/ai/openai/responses", {"model": "m", "input": said}).status_code == 503
    other = [{"role": "user", "content": "a refund"}, {"role": "user", "content": "hi"}]
    assert client.post("/ai/openai/responses", {"model": "m", "input": other}).status_code == 200


def test_what_was_said_in_messages_and_in_texts_to_embed(client):
    rule(client, match={"user_text": {"contains": "refund"}})
    message = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a refund"}]}
    assert client.post("/ai/anthropic/v1/messages", message).status_code == 503
    assert client.post("/ai/openai/embeddings", {"model": "m", "input": ["hi", "a refund"]}).status_code == 503
    assert client.post("/ai/openai/embeddings", {"model": "m", "input": ["hi"]}).status_code == 200


@pytest.mark.parametrize(
    ("match", "hit", "miss"),
    [
        ({"header": {"X-Trace": "a"}}, {"headers": {"x-trace": "a"}}, {"headers": {"x-trace": "b"}}),
        ({"header": {"x-n": 3}}, {"headers": {"x-n": "3"}}, {}),
        ({"header": {"user-agent": {"contains": "TEST"}}}, {"headers": {"user-agent": "a test"}}, {}),
        ({"header": {"x-trace": {"regex": "^a+$"}}}, {"headers": {"x-trace": "aa"}}, {"headers": {"x-trace": "ab"}}),
        ({"query": {"page": "2"}}, {"params": {"page": 2}}, {"params": {"page": 1}}),
        ({"query": {"a": {"contains": "x"}, "b": "1"}}, {"params": {"a": "yxy", "b": 1}}, {"params": {"b": 1}}),
        ({"domain": "models"}, {}, None),
        ({"kind": "http"}, {}, None),
        ({"account": "acct_*"}, {}, None),
        ({"path": "/v2/ai/models", "method": "GET"}, {}, None),
    ],
    ids=str,
)
def test_the_head_decides(client, match, hit, miss):
    rule(client, match=match)
    assert statuses(client, 1, **hit) == [503]
    if miss is None:
        assert client.get("/text-to-speech/voices").status_code == (503 if set(match) & {"kind", "account"} else 200)
    else:
        assert statuses(client, 1, **miss) == [200]


@pytest.mark.parametrize(
    "match", [{"kind": "socket"}, {"account": "acct_0"}, {"domain": "chat"}, {"operation": "Ai.*"}]
)
def test_what_is_not_meant_goes_well(client, match):
    rule(client, match=match)
    assert statuses(client, 1) == [200]


def test_sockets_are_matched_by_query_and_kind(client):
    rule(client, match={"kind": "socket", "query": {"voice": {"contains": "astra"}}})
    url = client.v2.replace("http", "ws") + "/text-to-speech/speech?voice=Telnyx.NaturalHD."
    headers = {"authorization": f"Bearer {client.key}"}
    with pytest.raises(InvalidStatus) as denied:
        connect(url + "astra", additional_headers=headers, proxy=None)
    with connect(url + "orion", additional_headers=headers, proxy=None):
        pass
    assert denied.value.response.status_code == 503


def test_a_socket_has_a_model_in_its_query_and_no_text(client):
    rule(client, 500, match={"user_text": {"regex": "."}})
    rule(client, 500, match={"stream": False})
    rule(client, 503, match={"model": "deepgram/*"})
    url = (
        client.v2.replace("http", "ws") + "/speech-to-text/transcription?transcription_engine=Deepgram&input_format=wav"
    )
    headers = {"authorization": f"Bearer {client.key}"}
    with pytest.raises(InvalidStatus) as denied:
        connect(url + "&model=deepgram/nova-3", additional_headers=headers, proxy=None)
    for other in ("", "&model=nova-3"):
        with connect(url + other, additional_headers=headers, proxy=None) as opened:
            assert "x-mock-fault" not in opened.response.headers
    assert denied.value.response.status_code == 503


def test_a_form_is_matched_by_its_fields(client):
    rule(client, match={"body": {"model": {"contains": "whisper"}}})
    files = {"file": ("a.wav", b"RIFF")}
    hit = client.post("/ai/audio/transcriptions", files=files, data={"model": "distil-whisper/distil-large-v2"})
    miss = client.post("/ai/audio/transcriptions", files=files, data={"model": "deepgram/nova-3"})
    assert hit.status_code == 503 and miss.status_code != 503


def test_what_the_body_breaks_is_told_first_and_does_not_count(client):
    rule(client, match={"stream": False}, times=1)
    assert [chat(client, {"n": 0}), chat(client, {}), chat(client, {})] == [422, 503, 200]


def test_the_first_rule_that_fires_wins_and_what_does_not_fire_is_passed_over(client):
    rule(client, 500, id="a", match={"header": {"x-a": "1"}}, times=1)
    rule(client, 503, id="b", match={"operation": "ai.*"})
    assert statuses(client, 2, headers={"x-a": "1"}) == [500, 503]


def test_a_hostile_expression_does_not_hold_the_server(client):
    rule(client, match={"user_text": {"regex": "(a+)+$"}})
    start = perf_counter()
    assert chat(client, said("a" * 16_000 + "!")) == 200
    assert perf_counter() - start < 2


# When


@pytest.mark.parametrize(
    ("schedule", "pattern"),
    [
        ({}, "xxxxxxxx"),
        ({"times": 2}, "xx......"),
        ({"after": 3}, "...xxxxx"),
        ({"every": 3}, "..x..x.."),
        ({"after": 1, "every": 2, "times": 2}, "..x.x..."),
        ({"after": 0, "every": 1}, "xxxxxxxx"),
        ({"probability": 0}, "........"),
        ({"probability": 1}, "xxxxxxxx"),
        ({"between": {"from": "2000-01-01", "until": None}}, "xxxxxxxx"),
        ({"between": {"from": None, "until": "2000-01-01"}}, "........"),
    ],
    ids=str,
)
def test_a_schedule(client, schedule, pattern):
    rule(client, **schedule)
    assert statuses(client, 8) == [503 if char == "x" else 200 for char in pattern]


@pytest.mark.parametrize(
    ("effects", "schedule", "expected"),
    [
        ([429, 429], {}, [429, 429, 200, 200]),
        ([429, "fine", 503], {}, [429, 200, 503, 200]),
        ([429, 503], {"times": 3}, [429, 503, 429, 200]),
        ([429, 503], {"every": 2}, [200, 429, 200, 503]),
        (["429;retry-after=0", {"status": 500}, None, 404], {}, [429, 500, 200, 404]),
    ],
    ids=str,
)
def test_effects_in_sequence(client, effects, schedule, expected):
    rule(client, effects, **schedule)
    assert statuses(client, 4) == expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("429, 429, fine", [429, 429, 200, 200]),
        ("503;after=1;times=1", [200, 503, 200, 200]),
        ("503;every=2", [200, 503, 200, 503]),
        ("503;probability=0", [200] * 4),
    ],
)
def test_a_header_has_the_whole_schedule(client, fault, expected):
    assert statuses(client, 4, headers={"x-mock-fault": fault}) == expected


def test_between_two_instants_of_the_accounts_clock(client):
    rule(client, between={"from": "2026-01-01T12:00:00Z", "until": "2026-01-01T13:00:00+00:00"}, times=2)
    found = []
    for instant in ("11:59:59", "12:00:00", "12:59:59", "13:00:00"):
        client.admin("POST", "/clock", json={"set": f"2026-01-01T{instant}Z", "freeze": True})
        found += statuses(client, 1)
    assert found == [200, 503, 503, 200]


def test_counts_are_each_accounts_own_and_start_anew_with_a_reset(start):
    one = start()
    other = one.as_key("another-key-altogether")
    one.http.post(one.url + "/_mock/faults", json={"effect": 503, "times": 1}).raise_for_status()
    assert statuses(one, 2) + statuses(other, 2) == [503, 200, 503, 200]
    other.admin("POST", "/reset")
    assert statuses(one, 1) + statuses(other, 2) == [200, 503, 200]


def draws(client, n: int, others: int = 0) -> list[int]:
    """Which of `n` requests fail, with so many of other accounts beside each."""
    connection = HTTPConnection(client.url.removeprefix("http://"), timeout=20)  # a third of httpx's time

    def status(key: str) -> int:
        connection.request("GET", "/v2/ai/models", headers={"authorization": f"Bearer {key}"})
        with connection.getresponse() as response:
            response.read()
            return response.status

    failed = []
    with closing(connection):
        for i in range(n):
            for k in range(others):
                status(f"other-{k}")
            if status(client.key) == 503:
                failed.append(i)
    return failed


def test_a_probability_draws_the_same_in_every_run_whoever_else_is_there(start):
    found = []
    for others in (0, 2):
        one = start(seed=7)
        for k in range(others):
            rule(one.as_key(f"other-{k}"), probability=0.5)
        rule(one, probability=0.3)
        found.append(draws(one, 100, others))
    reseeded = start(seed=8)
    rule(reseeded, probability=0.3)
    assert found[0] == found[1] and 15 <= len(found[0]) <= 45
    assert draws(reseeded, 100) != found[0]


@pytest.mark.check
@pytest.mark.timeout(300)
def test_ten_thousand_requests_draw_the_same_indices_with_others_beside(start):
    found = []
    for others in (0, 1):
        one = start(seed=1)
        rule(one, probability=0.1)
        found.append(draws(one, 10_000, others))
    assert found[0] == found[1] and 900 <= len(found[0]) <= 1100


def test_ten_thousand_draws_are_spread_evenly_and_repeat():
    def fired(seed: int, *beside: str) -> list[int]:
        clock, ids = Clock(), Ids(seed)
        accounts = Accounts(clock)
        mine, others = accounts.of_key(b"mine"), [accounts.of_key(key.encode()) for key in beside]
        armed = Armed(Rule.model_validate({"id": "r", "effect": 503, "probability": 0.1}), None)
        found = []
        for n in range(10_000):
            for other in others:
                armed.fire(other, ids)
            if armed.fire(mine, ids):
                found.append(n)
        return found

    alone = fired(1)
    assert alone == fired(1, "a", "b") and alone != fired(2)
    assert 900 <= len(alone) <= 1100 and all(
        60 <= sum(k <= n < k + 1000 for n in alone) <= 145 for k in range(0, 10_000, 1000)
    )


def test_waits_are_drawn_by_seed_account_rule_count_and_chunk():
    accounts = Accounts(Clock())

    def waits(seed: int, key: bytes, rule: str = "r") -> list[float]:
        fired = [Fired(Effect.model_validate({"chunk_delay": [1, 3]}), rule, n) for n in (1, 2)]
        return [
            f.draw(Ids(seed), accounts.of_key(key), f.effect.chunk_delay, f"chunk {k}") for f in fired for k in (0, 1)
        ]

    mine = waits(1, b"mine")
    assert mine == waits(1, b"mine") and len(set(mine)) == 4 and all(1 <= wait <= 3 for wait in mine)
    others = (waits(2, b"mine"), waits(1, b"other"), waits(1, b"mine", "s"))
    assert not any(set(mine) & set(other) for other in others)


# Many


@pytest.mark.check
def test_a_thousand_rules_cost_hardly_more_than_ten(start):
    few, many = start(), start()
    for n in range(1000):
        match = [
            {"operation": f"assistants.tools.{n}"}, {"header": {"x-case": str(n)}}, {"model": f"model-{n}"},
            {"path": f"/v2/ai/conversations/{n}"},
        ][n % 4]  # fmt: skip
        for one in (few, many) if n < 10 else (many,):
            rule(one, match=match)

    def a_chat(one: Any) -> float:
        began = perf_counter()
        assert one.chat(model="m").status_code == 200
        return perf_counter() - began

    times = [(a_chat(few), a_chat(many)) for _ in range(300)]  # by turns: this machine has other work, too
    ten, thousand = (sorted(column)[60] for column in zip(*times, strict=True))
    assert thousand < 1.5 * ten


def test_another_accounts_thousand_rules_are_not_looked_at(start):
    one = start()
    for _ in range(200):
        rule(one.as_key("busy"), 500)
    assert statuses(one, 1) == [200] and statuses(one.as_key("busy"), 1) == [500]


def test_names_made_up_do_not_depend_on_other_accounts(start):
    one = start()
    rule(one.as_key("other"))
    assert [rule(one), rule(one)] == ["fault-1", "fault-2"]
    one.admin("POST", "/reset")
    assert rule(one) == "fault-1"


# Bounds


def test_there_is_a_bound_to_rules_that_are_kept(start, monkeypatch):
    monkeypatch.setattr("mock_server.engine.faults.table.MOST_RULES", 3)
    one = start()
    for _ in range(3):
        rule(one)
    refused = one.admin("POST", "/faults", json={"effect": 500})
    assert refused.status_code == 400 and "most" in refused.text


def test_headers_that_are_never_the_same_do_not_fill_the_memory(start, monkeypatch):
    monkeypatch.setattr("mock_server.engine.faults.table.MOST_ASKED", 3)
    one = start()
    found = [
        one.get("/ai/models", headers={"x-mock-fault": f"503;times=1;retry-after={n}"}).status_code for n in range(9)
    ]
    assert found == [503] * 9


def test_more_accounts_than_are_kept_sorted_still_have_their_rules(start, monkeypatch):
    monkeypatch.setattr("mock_server.engine.faults.table.MOST_SHELVES", 2)
    one = start()
    others = [one.as_key(f"key-{n}") for n in range(5)]
    rule(others[0], 500)
    one.http.post(one.url + "/_mock/faults", json={"effect": 503, "times": 1}).raise_for_status()
    found = [[statuses(other, 1)[0] for other in others] for _ in range(2)]
    assert found == [[500, 503, 503, 503, 503], [500, 200, 200, 200, 200]]


def test_a_webhook_fails_by_rules_for_webhooks_of_its_event_alone(client):
    from tests.receiver import receiver
    from tests.test_webhooks import attempts, complete, grouped, insight, talk

    client.admin("POST", "/clock", json={"freeze": True})
    rule(client, 500, match={"operation": "ai.*"})
    rule(client, 501, match={"kind": "webhook", "event": "fine_tuning*"})
    rule(client, 502, match={"kind": "webhook", "url": "https://*"})
    last = rule(client, 503, match={"kind": "webhook"}, times=1)
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url)
        complete(client, talk(client, "Hello"))
        attempts(client)
        client.admin("POST", "/clock", json={"advance": 16})
        found = attempts(client)
    assert [(a["outcome"], a["status"], a["fault"]) for a in found] == [
        ("retrying", 503, last),
        ("delivered", 200, None),
    ]


def test_a_webhook_comes_late_by_rule_by_the_accounts_clock(client):
    from tests.receiver import receiver
    from tests.test_webhooks import attempts, complete, grouped, insight, talk

    client.admin("POST", "/clock", json={"freeze": True})
    late = rule(client, {"delay": 5}, match={"kind": "webhook"})
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url)
        complete(client, talk(client, "Hello"))
        client.admin("POST", "/clock", json={"advance": 4})
        before = attempts(client)
        client.admin("POST", "/clock", json={"advance": 2})
        after = attempts(client)
    assert [a["outcome"] for a in before if a["outcome"] == "delivered"] == []
    assert [(a["outcome"], a["fault"]) for a in after] == [("delivered", late)]


def test_webhooks_fail_by_rule(client):
    from tests.receiver import receiver
    from tests.test_webhooks import attempts, complete, grouped, insight, talk

    client.admin("POST", "/clock", json={"freeze": True})
    outcomes = [{"status": 500}, {"disconnect": True}, {"timeout": 2}, {"duplicate": True}]
    added = rule(client, outcomes, match={"kind": "webhook", "event": "conversation*", "url": "http://*"})
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url + "/hook")
        complete(client, talk(client, "Hello"))
        for _ in range(4):
            attempts(client)
            client.admin("POST", "/clock", json={"advance": 16})
        found = attempts(client)
        arrived = [site.next() for _ in range(3)]
    assert [a["outcome"] for a in found] == ["retrying", "retrying", "retrying", "delivered"]
    assert [a["status"] for a in found] == [500, None, None, 200] and {a["fault"] for a in found} == {added}
    assert len({request.body for request in arrived}) == 1, "one came late, one came twice"
    assert isinstance(client.http, httpx.Client)
