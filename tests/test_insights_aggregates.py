"""Aggregates: what insights found, counted by fields of the results and metadata of the conversations."""

from typing import Any

import pytest
from conftest import Client
from test_insights import NOBODYS, insight
from test_insights_runs import AGGREGATES, complete, grouped, talk


@pytest.fixture
def counted(client: Client) -> tuple[Client, str, str]:
    """Four conversations of two assistants, with scripted scores; and a text insight beside."""
    one = insight(
        client,
        name="Score",
        json_schema={"type": "object", "properties": {"score": {"const": 4}, "ok": {"const": True}}},
    )
    text = insight(client, name="Text")
    grouped(client, one, text)
    for n, assistant in enumerate(("a-1", "a-1", "a-2")):
        client.admin("POST", "/clock", json={"set": f"2025-04-0{n + 1}T12:00:00Z", "freeze": True})
        complete(client, talk(client, f"Hello {n}", assistant_id=assistant, **{'odd "key"': "x"}))
    client.request(
        "PUT",
        f"/ai/conversations/insights/{one['id']}",
        json={"json_schema": {"properties": {"score": {"const": "4"}}}},
    )
    complete(client, talk(client, "No assistant"))
    return client, one["id"], text["id"]


def rows(client: Client, query: str) -> Any:
    answer = client.get(f"{AGGREGATES}?{query}")
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["data"]
    return answer.json()["data"]


def test_aggregates_count_results(counted: tuple[Client, str, str]) -> None:
    client, one, text = counted

    assert rows(client, "") == [{"record_count": 8}]
    assert rows(client, f"insight_id={one}") == [{"record_count": 4}]
    assert rows(client, f"insight_id={NOBODYS}") == [{"record_count": 0}]
    assert rows(client, f"group_by=score&insight_id={one}") == [
        {"score": 4, "record_count": 3}, {"score": "4", "record_count": 1},
    ]  # fmt: skip
    assert rows(client, f"group_by=score&insight_id={text}") == [{"score": None, "record_count": 4}]
    assert rows(client, f"insight_id={one}&group_by=ok,metadata.assistant_id") == [
        {"ok": None, "metadata.assistant_id": None, "record_count": 1},
        {"ok": True, "metadata.assistant_id": "a-1", "record_count": 2},
        {"ok": True, "metadata.assistant_id": "a-2", "record_count": 1},
    ]
    same = rows(client, f"insight_id={one}&group_by=ok&show=metadata.assistant_id")
    assert same == rows(client, f"insight_id={one}&group_by=ok&group_by=metadata.assistant_id")
    assert rows(client, "group_by=metadata.odd%20%22key%22")[1] == {'metadata.odd "key"': "x", "record_count": 6}


@pytest.mark.parametrize("query", ["metadata.assistant_id=eq.a-1", "metadata%5Bassistant_id%5D=eq.a-1",
                                   "metadata.assistant_id=neq.a-2&group_by=metadata.assistant_id"])  # fmt: skip
def test_aggregates_of_one_assistant(counted: tuple[Client, str, str], query: str) -> None:
    assert rows(counted[0], query)[0]["record_count"] == 4


def test_aggregates_of_a_window(counted: tuple[Client, str, str]) -> None:
    client, one, _ = counted
    base = f"insight_id={one}"

    assert rows(client, f"{base}&created_at=gte.2025-04-01&created_at=lt.2025-04-02") == [{"record_count": 1}]
    assert rows(client, f"{base}&created_at=gte.2025-04-02T12:00:00Z") == [{"record_count": 3}]
    assert rows(client, f"{base}&created_at=gt.2025-04-02T14:00:00+02:00") == [{"record_count": 2}]


def test_aggregates_leave_out_what_is_not_completed_yet_and_deleted_conversations(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client))
    deleted, later, failing = (talk(client, "Hello") for _ in range(3))
    complete(client, deleted)
    complete(client, later, plan="pending@0, completed@5")
    complete(client, failing, plan="pending@0, failed@0")

    before = rows(client, "")
    client.request("DELETE", f"/ai/conversations/{deleted}")
    client.admin("POST", "/clock", json={"advance": 4})
    between = rows(client, "")
    client.admin("POST", "/clock", json={"advance": 1})

    assert [before, between, rows(client, "")] == [[{"record_count": n}] for n in (1, 0, 1)]


@pytest.mark.parametrize(("query", "status"), [
    ("created_at=soon", 400), ("created_at=gte.soon", 400), ("created_at=like.2025", 400), ("metadata.a=x", 400),
    ("metadata.a=xx.1", 400), ("insight_id=x", 422), ("group_by=" + ",".join(map(str, range(21))), 400),
    ("group_by=%ff", 400), ("created_at=in.()", 400), ("created_at=not.gte.2025-01-01", 400), ("unknown=1&x=gte.1", 200),
    ("group_by=,,&show=", 200), ("metadata.=eq.1&metadata%5B%5D=eq.1", 200), ("group_by=record_count", 200),
    ("group_by=metadata.&show=a.b,$.c,%22", 200), ("&".join(["metadata.a=eq.1"] * 101), 400),
    ("&".join(["metadata.a=eq.1"] * 100), 200),
])  # fmt: skip
def test_a_malformed_aggregate_is_refused_with_where(client: Client, query: str, status: int) -> None:
    answer = client.get(f"{AGGREGATES}?{query}")

    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["errors"][0]["code"] == "10031"
