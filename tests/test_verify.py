"""POST /_mock/verify, and the filters of GET /_mock/requests."""

from typing import Any

import pytest

CHAT = {"operation": "chat.*"}


def verify(client, match: Any = None, count: Any = None) -> Any:
    body = {key: value for key, value in (("match", match), ("count", count)) if value is not None}
    return client.admin("POST", "/verify", json=body)


@pytest.fixture
def talked(client):
    for text, model in (("first", "a/one"), ("second", "a/two"), ("third", "b/three")):
        client.chat(text, model=model, n=2)
    client.get("/ai/models")
    return client


@pytest.mark.parametrize(
    ("match", "count", "status"),
    [
        (CHAT, {"exactly": 3}, 200), (CHAT, {"exactly": 2}, 417), (CHAT, {"exactly": 4}, 417),
        (CHAT, {"at_least": 3}, 200), (CHAT, {"at_least": 4}, 417), (CHAT, {"at_most": 3}, 200), (CHAT, {"at_most": 2}, 417),
        (CHAT, {"at_least": 1, "at_most": 3}, 200), (CHAT, {"at_least": 4, "at_most": 9}, 417), (CHAT, None, 200),
        ({"operation": "none.*"}, None, 417), ({"operation": "none.*"}, {"exactly": 0}, 200), (None, {"exactly": 4}, 200),
    ],
    ids=str,
)  # fmt: skip
def test_counts(talked, match, count, status):
    assert verify(talked, match, count).status_code == status


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ({"body": {"model": "a/*"}}, 2), ({"body": {"model": {"regex": "^b"}}}, 1), ({"body": {"messages.-1.content": "second"}}, 1),
        ({"body": {"messages.*.role": "user", "n": 2}}, 3), ({"body": {"n": True}}, 0), ({"body": {"n": 2.0}}, 3),
        ({"body": {"messages": [{"role": "user", "content": "first"}]}}, 1), ({"body": {"nope.0.x": None}}, 0),
        ({"body": {"messages.5.role": "user"}}, 0), ({"body": {"messages.first.role": "user"}}, 0),
        ({"body": {"messages.0": {"role": "user", "content": "first"}}}, 1), ({"body": {"model.*.x": "a"}}, 0),
        ({"text": "THIRD"}, 1), ({"text": {"regex": "first|second"}}, 2), ({"status": 200}, 4), ({"status": 500}, 0),
        ({"method": "GET"}, 1), ({"path": "/v2/ai/chat/*"}, 3), ({"reply": "default"}, 3), ({"kind": "http"}, 4),
        ({"headers": {"Content-Type": "application/json"}}, 3), ({"headers": {"x-nope": "*"}}, 0),
        ({"operation": "chat.*", "text": "first", "body": {"model": "b/*"}}, 0),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_match_may_ask_for(talked, match, found):
    answer = verify(talked, match, {"exactly": found})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == {"found": found, "detail": f"Expected exactly {found} that match, found {found}."}


def test_a_body_is_looked_into_only_so_deep(client):
    for levels in (19, 20):
        inner: Any = "here"
        for _ in range(levels):
            inner = {"a": inner}
        client.chat(deep=inner)
        path = ".".join(["deep", *["a"] * levels])
        assert verify(client, {"body": {path: "here"}}, {"exactly": 20 - levels}).status_code == 200


def test_a_difference_says_what_was_closest_and_why(talked):
    answer = verify(talked, {"operation": "chat.*", "body": {"model": "c/*", "messages.0.content": "second"}})
    body = answer.json()
    assert answer.status_code == 417 and body["found"] == 0
    closest = body["closest"][0]
    assert closest["differs"] == ["body.model is 'a/two', not 'c/*'"]
    assert closest["operation"] == "chat.create_completion" and closest["status"] == 200
    assert talked.admin("GET", f"/requests/{closest['id']}").json()["data"]["id"] == closest["id"]
    error = body["errors"][0]
    assert error["code"] == "417" and error["title"] == "Expectation failed"
    assert error["detail"].startswith(
        "Expected at least 1 that match, found 0. Closest: POST /v2/ai/chat/completions ("
    )
    assert error["detail"].endswith("): body.model is 'a/two', not 'c/*'.")


def test_too_many_are_shown(talked):
    body = verify(talked, CHAT, {"at_most": 1}).json()
    assert body["found"] == 3 and len(body["closest"]) == 3 and body["closest"][0]["differs"] == []


def test_in_order(talked):
    first, third = {"text": "first"}, {"body": {"model": "b/*"}}
    assert verify(talked, [first, third, {"path": "*/models"}], "in_order").status_code == 200
    wrong = verify(talked, [third, first], "in_order")
    assert wrong.status_code == 417 and wrong.json()["found"] == 1
    assert "nothing matches number 2 after them" in wrong.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"match": [CHAT]}, {"count": "in_order"}, {"match": [], "count": "in_order"}, {"count": {}}, {"count": {"exactly": -1}},
        {"count": {"exactly": 1, "at_least": 1}}, {"match": {"nope": 1}}, {"match": {"text": {"regex": "("}}}, {"match": {"status": 5}},
        {"match": [CHAT] * 101, "count": "in_order"},
    ],
    ids=lambda body: str(body)[:40],
)  # fmt: skip
def test_an_expectation_that_cannot_be_is_refused(client, body):
    assert client.admin("POST", "/verify", json=body).status_code == 422


def test_an_account_sees_its_own_and_the_server_all(talked):
    other = talked.as_key(talked.key + "-other")
    assert verify(other, CHAT, {"exactly": 0}).status_code == 200
    whole = talked.http.post(talked.url + "/_mock/verify", json={"match": CHAT, "count": {"at_least": 3}})
    assert whole.status_code == 200


def test_what_was_evicted_is_told_where_it_would_decide(start):
    client = start()
    for _ in range(1003):
        client.get("/ai/models")
    client.chat("last")
    models = {"path": "*/models"}
    assert verify(client, models, {"at_least": 900}).status_code == 200
    assert verify(client, models, {"at_most": 900}).status_code == 417
    assert verify(client, [models, {"text": "last"}], "in_order").status_code == 200
    gone = verify(client, models, {"at_least": 1003})
    assert gone.status_code == 409 and "4 exchanges were evicted from the journal" in gone.json()["errors"][0]["detail"]
    for match, count in (
        (models, {"exactly": 1003}),
        (models, {"at_most": 1003}),
        ([{"text": "first"}, models], "in_order"),
    ):
        assert verify(client, match, count).status_code == 409
    assert verify(client.as_key("another-key"), CHAT, {"exactly": 0}).status_code == 200
    client.admin("DELETE", "/requests")
    assert verify(client, CHAT, {"exactly": 0}).status_code == 200


def test_a_body_that_was_cut_is_told_where_it_would_decide(client):
    client.chat("x" * 20_000 + " the end", model="a/one")
    assert verify(client, {"text": "xxx"}).status_code == 200
    for match in ({"text": "the end"}, {"body": {"model": "a/one"}}):
        answer = verify(client, match)
        assert answer.status_code == 409 and "only the beginning of 1 bodies" in answer.json()["errors"][0]["detail"]
    assert verify(client, {"operation": "none", "text": "xxx"}).status_code == 417


def test_a_secret_is_matched_as_the_journal_shows_it(client):
    client.chat("hi", api_key="sk-very-secret")
    assert verify(client, {"text": "sk-very-secret"}).status_code == 417
    assert "sk-very-secret" not in verify(client, {"body": {"api_key": "nope"}}).text


def test_the_journal_is_filtered_by_body_fields_and_text(talked):
    def ids(**query):
        return [row["id"] for row in talked.journal(**query)]

    everything = ids()
    assert ids(text="SECOND") == everything[2:3] and ids(method="get") == everything[:1]
    assert (
        ids(**{"body.model": "a/*"}) == everything[2:4]
        and ids(**{"body.messages.0.content": "third"}) == everything[1:2]
    )
    assert ids(path="/v2/ai/models", status=200) == everything[:1] and ids(reply="default", limit=1) == everything[1:2]
    assert ids(fault="*x*") == [] and ids(**{"body.model": "a/*", "text": "third"}) == []
    assert talked.admin("GET", "/requests", params={f"body.a{n}": "x" for n in range(60)}).status_code == 400
