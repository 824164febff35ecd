"""Insight templates and groups: what is kept, what is answered, what is refused."""

from typing import Any

import pytest
from conftest import Client

INSIGHTS, GROUPS = "/ai/conversations/insights", "/ai/conversations/insight-groups"
NOBODYS = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "additionalProperties": False}


def insight(client: Client, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post(INSIGHTS, {"instructions": "Sum up.", "name": "Summary", **fields}).json()[
        "data"
    ]
    return made


def group(client: Client, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = client.post(GROUPS, {"name": "my-resource", **fields}).json()["data"]
    return made


def assign(client: Client, group_id: str, insight_id: str) -> Any:
    return client.post(f"{GROUPS}/{group_id}/insights/{insight_id}/assign")


def test_a_new_insight_is_wrapped_and_has_what_was_sent(client: Client) -> None:
    client.admin("POST", "/clock", json={"set": "2025-04-15T13:07:28.764Z", "freeze": True})

    answer = client.post(INSIGHTS, {"instructions": "You are a helpful assistant.", "name": "my-resource"})

    assert answer.status_code == 200
    made = answer.json()["data"]
    id = made.pop("id")
    assert made == {
        "name": "my-resource",
        "instructions": "You are a helpful assistant.",
        "insight_type": "custom",
        "webhook": "",
        "created_at": "2025-04-15T13:07:28.764Z",
    }
    assert client.get(f"{INSIGHTS}/{id}").json() == answer.json()
    assert client.get(f"{INSIGHTS}/{id.upper()}").json() == answer.json()


@pytest.mark.parametrize("schema", [SCHEMA, '{"type": "object"}', "anything", {}, {"a": [1.5, None, {"b": "ü"}]}])
def test_a_schema_comes_back_as_it_was_sent(client: Client, schema: Any) -> None:
    made = insight(client, json_schema=schema)

    assert client.get(f"{INSIGHTS}/{made['id']}").json()["data"]["json_schema"] == schema


def test_put_changes_what_it_names_and_nothing_without_a_body(client: Client) -> None:
    made = insight(client, webhook="http://127.0.0.1/x", json_schema=SCHEMA)
    url = f"{INSIGHTS}/{made['id']}"

    assert client.request("PUT", url, json={"name": "New"}).json()["data"] == {**made, "name": "New"}
    bare = client.request("PUT", url, headers={"content-type": "application/json"})
    assert bare.json()["data"] == {**made, "name": "New"}
    changed = client.request("PUT", url, json={"instructions": "I", "webhook": "", "json_schema": None}).json()["data"]
    without_schema = {k: v for k, v in made.items() if k != "json_schema"}
    assert changed == {**without_schema, "name": "New", "instructions": "I", "webhook": ""}
    assert client.get(url).json()["data"] == changed


def test_a_group_holds_its_insights_in_the_order_of_assignment(client: Client) -> None:
    first, second = insight(client, name="A"), insight(client, name="B")
    made = group(client, description="d", webhook="http://127.0.0.1/g")

    answers = [assign(client, made["id"], one["id"]) for one in (second, first)]

    assert [(a.status_code, a.content, "content-type" in a.headers) for a in answers] == [(200, b"", False)] * 2
    assert client.get(f"{GROUPS}/{made['id']}").json()["data"] == {**made, "insights": [second, first]}
    assert client.get(GROUPS).json()["data"] == [{**made, "insights": [second, first]}]


def test_put_of_a_group_changes_what_it_names(client: Client) -> None:
    made = group(client, description="d")
    url = f"{GROUPS}/{made['id']}"

    assert client.request("PUT", url, json={"webhook": "w"}).json()["data"] == {**made, "webhook": "w"}
    assert client.request("PUT", url).json()["data"] == {**made, "webhook": "w"}
    changed = client.request("PUT", url, json={"name": "n", "description": "e"}).json()["data"]
    assert changed == {**made, "webhook": "w", "name": "n", "description": "e"}


def test_assigning_again_changes_nothing(client: Client) -> None:
    one, made = insight(client), group(client)

    assert [assign(client, made["id"], one["id"]).status_code for _ in range(2)] == [200, 200]
    assert client.get(f"{GROUPS}/{made['id']}").json()["data"]["insights"] == [one]


def test_unassigning_takes_out_and_is_404_when_there_is_nothing_to_take(client: Client) -> None:
    one, made = insight(client), group(client)
    assign(client, made["id"], one["id"])
    url = f"{GROUPS}/{made['id']}/insights/{one['id']}/unassign"

    first, second = client.request("DELETE", url), client.request("DELETE", url)

    assert (first.status_code, first.content) == (200, b"")
    assert second.status_code == 404
    assert client.get(f"{GROUPS}/{made['id']}").json()["data"]["insights"] == []
    assert client.get(f"{INSIGHTS}/{one['id']}").status_code == 200


def test_deleting_an_insight_takes_it_out_of_its_groups(client: Client) -> None:
    one, other, made = insight(client), insight(client), group(client)
    for each in (one, other):
        assign(client, made["id"], each["id"])

    answer = client.request("DELETE", f"{INSIGHTS}/{one['id']}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get(f"{INSIGHTS}/{one['id']}").status_code == 404
    assert client.get(f"{GROUPS}/{made['id']}").json()["data"]["insights"] == [other]
    assert client.get(INSIGHTS).json()["meta"]["total_results"] == 1


def test_deleting_a_group_leaves_its_insights(client: Client) -> None:
    one, made = insight(client), group(client)
    assign(client, made["id"], one["id"])

    answer = client.request("DELETE", f"{GROUPS}/{made['id']}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get(f"{GROUPS}/{made['id']}").status_code == 404
    assert client.get(GROUPS).json() == {
        "data": [],
        "meta": {"total_pages": 0, "total_results": 0, "page_number": 1, "page_size": 20},
    }
    assert client.get(INSIGHTS).json()["data"] == [one]


@pytest.mark.parametrize("path", [INSIGHTS, GROUPS])
def test_lists_are_paged_in_the_order_of_creation(client: Client, path: str) -> None:
    make = insight if path == INSIGHTS else group
    names = [make(client, name=f"n{n}")["name"] for n in range(5)]

    pages = [client.get(path, params={"page[number]": n, "page[size]": 2}).json() for n in (1, 2, 3, 4)]

    assert [[one["name"] for one in page["data"]] for page in pages] == [names[:2], names[2:4], names[4:], []]
    assert pages[1]["meta"] == {"total_pages": 3, "total_results": 5, "page_number": 2, "page_size": 2}
    everything = client.get(path).json()
    assert len(everything["data"]) == 5
    assert everything["meta"]["page_size"] == 20


@pytest.mark.parametrize("path", [INSIGHTS, GROUPS])
@pytest.mark.parametrize(("name", "value", "status"), [
    ("page[size]", "99", 200), ("page[size]", "0", 200), ("page[size]", "100", 422), ("page[size]", "-1", 422),
    ("page[number]", "0", 422), ("page[number]", "x", 422), ("page[number]", "9" * 30, 200),
])  # fmt: skip
def test_pages_have_the_documented_bounds(client: Client, path: str, name: str, value: str, status: int) -> None:
    answer = client.get(path, params={name: value})

    assert answer.status_code == status
    if status == 422:
        assert answer.json()["detail"][0]["loc"] == ["query", name]


@pytest.mark.parametrize(("path", "body", "loc"), [
    (INSIGHTS, {"name": "n"}, ["body", "instructions"]),
    (INSIGHTS, {"instructions": "i"}, ["body", "name"]),
    (INSIGHTS, {"instructions": 1, "name": "n"}, ["body", "instructions"]),
    (INSIGHTS, {"instructions": "i", "name": "n", "webhook": None}, ["body", "webhook"]),
    (GROUPS, {}, ["body", "name"]),
    (GROUPS, {"name": ["n"]}, ["body", "name"]),
    (GROUPS, {"name": "n", "description": 5}, ["body", "description"]),
])  # fmt: skip
def test_a_body_that_breaks_the_schema_is_422(client: Client, path: str, body: Any, loc: list[str]) -> None:
    answer = client.post(path, body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc


def test_a_schema_that_is_neither_text_nor_object_is_422(client: Client) -> None:
    answer = client.post(INSIGHTS, {"instructions": "i", "name": "n", "json_schema": 5})

    assert answer.status_code == 422
    assert {issue["loc"][1] for issue in answer.json()["detail"]} == {"json_schema"}


OPERATIONS_ON_ONE = [
    ("GET", f"{INSIGHTS}/%s"), ("PUT", f"{INSIGHTS}/%s"), ("DELETE", f"{INSIGHTS}/%s"),
    ("GET", f"{GROUPS}/%s"), ("PUT", f"{GROUPS}/%s"), ("DELETE", f"{GROUPS}/%s"),
    ("POST", f"{GROUPS}/%s/insights/{NOBODYS}/assign"), ("DELETE", f"{GROUPS}/%s/insights/{NOBODYS}/unassign"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), OPERATIONS_ON_ONE)
def test_an_unknown_id_is_404_and_what_is_no_uuid_422(client: Client, method: str, path: str) -> None:
    unknown, malformed = client.request(method, path % NOBODYS), client.request(method, path % "not-a-uuid")

    assert unknown.status_code == 404
    assert unknown.json()["errors"][0]["code"] == "10005"
    assert malformed.status_code == 422
    assert malformed.json()["detail"][0]["type"] == "uuid_parsing"
    assert malformed.json()["detail"][0]["loc"][0] == "path"


def test_with_unknown_ids_synthesised_nothing_is_refused(start: Any) -> None:
    stub = start(profile="stub")

    answers = [stub.request(method, path % id) for method, path in OPERATIONS_ON_ONE for id in (NOBODYS, "string")]

    assert {a.status_code for a in answers} == {200}
    assert {a.json()["data"]["id"] for a in answers if a.content} == {NOBODYS, "string"}
    assert stub.get(INSIGHTS).json()["data"] == []


def test_an_account_never_meets_anothers(client: Client) -> None:
    one, made = insight(client), group(client)
    other = client.as_key(client.key + "-other")
    theirs, their_group = insight(other), group(other)

    answers = [
        other.request(method, path % id)
        for method, path in OPERATIONS_ON_ONE
        for id in ((one["id"],) if INSIGHTS in path else (made["id"],))
    ]
    answers.append(assign(other, their_group["id"], one["id"]))
    answers.append(assign(other, made["id"], theirs["id"]))

    assert {a.status_code for a in answers} == {404}
    assert [i["id"] for i in other.get(INSIGHTS).json()["data"]] == [theirs["id"]]
    assert [g["id"] for g in other.get(GROUPS).json()["data"]] == [their_group["id"]]
    assert client.get(f"{INSIGHTS}/{one['id']}").json()["data"] == one
    assert client.get(f"{GROUPS}/{made['id']}").json()["data"] == made


@pytest.mark.parametrize(("path", "body"), [(INSIGHTS, {"instructions": "i", "name": "n"}), (GROUPS, {"name": "n"})])
def test_a_create_with_an_idempotency_key_happens_once(client: Client, path: str, body: dict[str, str]) -> None:
    headers = {"idempotency-key": "once"}

    first, again = (client.post(path, body, headers=headers) for _ in range(2))
    other = client.post(path, {**body, "name": "other"}, headers=headers)

    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert other.json()["errors"][0]["code"] == "10027"
    assert client.get(path).json()["meta"]["total_results"] == 1


def test_live_refuses_an_open_schema(start: Any) -> None:
    live = start(profile="live")
    url = f"{INSIGHTS}/{insight(live)['id']}"

    def statuses(schema: Any) -> list[int]:
        made = live.post(INSIGHTS, {"instructions": "i", "name": "n", "json_schema": schema})
        return [made.status_code, live.request("PUT", url, json={"json_schema": schema}).status_code]

    assert statuses({"type": "object"}) == [400, 400]
    assert statuses({"type": "object", "additionalProperties": True}) == [400, 400]
    assert statuses(SCHEMA) == [200, 200]
    assert statuses('{"type": "object"}') == [200, 200]
    refused = live.request("PUT", url, json={"json_schema": {}}).json()["errors"][0]
    assert (refused["code"], refused["source"]) == ("10015", {"pointer": "/json_schema"})


def test_live_refuses_a_second_assignment(start: Any) -> None:
    live = start(profile="live")
    one, made = insight(live), group(live)

    first, second = (assign(live, made["id"], one["id"]) for _ in range(2))

    assert first.status_code == 200
    assert second.status_code == 400
    assert "already assigned" in second.json()["errors"][0]["detail"]


def test_ids_never_repeat_in_a_kept_database(start: Any, tmp_path: Any) -> None:
    first = start(db=tmp_path / "kept.db")
    ids = [insight(first)["id"], group(first)["id"]]
    first.request("DELETE", f"{INSIGHTS}/{ids[0]}")

    again = start(db=tmp_path / "kept.db")

    assert again.get(f"{GROUPS}/{ids[1]}").status_code == 200
    assert {insight(again)["id"], group(again)["id"]}.isdisjoint(ids)


@pytest.mark.parametrize("body", [
    b'{"instructions":"i","name":"n","json_schema":{"minimum":NaN,"maximum":1e999,"x":123456789012345678901234567890}}',
    b'{"instructions":"\\u0000","name":"\\ud83d\\ude00","webhook":"\\u0000"}',
    b'{"instructions":"i","name":"n","json_schema":' + b'{"items":' * 150 + b"1" + b"}" * 150 + b"}",
    b'{"instructions":"i","name":"n","json_schema":' + b"[" * 100_000 + b"}",
])  # fmt: skip
def test_strange_bodies_are_kept_or_refused_but_never_a_crash(client: Client, body: bytes) -> None:
    answer = client.request("POST", INSIGHTS, content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (200, 400, 422)
    assert client.get(INSIGHTS).status_code == 200
    client.get(INSIGHTS).json()
