"""Insights over conversations: what runs, what is found, when it is told, how it is counted."""

import json
from collections.abc import Sequence
from typing import Any

import jsonschema
import pytest
from conftest import Client
from test_insights import NOBODYS, assign, group, insight

AGGREGATES = "/ai/conversations/conversation-insights/aggregates"
SCORED = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}, "reason": {"type": "string"}},
    "required": ["score", "reason"],
    "additionalProperties": False,
}


def talk(client: Client, *texts: str, **metadata: str) -> str:
    """A conversation in which the user says these texts. Its id."""
    id: str = client.post("/ai/conversations", {"metadata": metadata}).json()["id"]
    for text in texts:
        say(client, id, text)
    return id


def say(client: Client, id: str, text: str) -> None:
    assert client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": text}).status_code == 200


def grouped(client: Client, *insights: dict[str, Any], **fields: str) -> dict[str, Any]:
    """A group of these insights."""
    made = group(client, **fields)
    for one in insights:
        assign(client, made["id"], one["id"])
    return made


def complete(client: Client, id: str, **body: Any) -> Any:
    return client.admin("POST", f"/conversations/{id}/complete", json=body)


def runs(client: Client, id: str, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/ai/conversations/{id}/conversations-insights", params=query).json()
    return found


def results(client: Client, id: str) -> Sequence[str]:
    """What the newest run found."""
    return [found["result"] for found in runs(client, id)["data"][0]["conversation_insights"]]


def test_completing_a_conversation_runs_every_group_that_has_insights(client: Client) -> None:
    client.admin("POST", "/clock", json={"set": "2025-04-15T13:07:28.764Z", "freeze": True})
    one, other = insight(client, name="One"), insight(client, name="Other")
    first, second = grouped(client, one, other), grouped(client, one)
    group(client, name="empty")
    id = talk(client, "Hello")

    answer = complete(client, id)

    assert answer.status_code == 200
    found = runs(client, id)
    assert found["meta"] == {"total_pages": 1, "total_results": 2, "page_number": 1, "page_size": 20}
    assert [(run.pop("insight_group_id"), run) for run in answer.json()["data"][::-1]] == [
        (second["id"], found["data"][0]),
        (first["id"], found["data"][1]),
    ]
    assert list(found["data"][0]) == ["id", "status", "created_at", "conversation_insights"]
    assert [(r["status"], r["created_at"]) for r in found["data"]] == [("completed", "2025-04-15T13:07:28.764Z")] * 2
    assert [f["insight_id"] for f in found["data"][1]["conversation_insights"]] == [one["id"], other["id"]]


def test_one_group_can_be_named_and_live_tells_it(start: Any) -> None:
    live = start(profile="live")
    grouped(live, insight(live))
    chosen = grouped(live, insight(live))
    id = talk(live, "Hello")

    complete(live, id, insight_group_id=chosen["id"].upper())

    assert [run["insight_group_id"] for run in runs(live, id)["data"]] == [chosen["id"]]


def test_a_conversation_without_runs_has_an_empty_list(client: Client) -> None:
    id = talk(client, "Hello")

    assert complete(client, id).json() == {"data": []}
    assert runs(client, id) == {
        "data": [],
        "meta": {"total_pages": 0, "total_results": 0, "page_number": 1, "page_size": 20},
    }


def test_a_text_follows_from_the_whole_conversation(client: Client) -> None:
    grouped(client, insight(client, name="Summary"))
    talks = [talk(client, *texts) for texts in (("Hi", "Bye"), ("Hi", "Bye"), ("Ho", "Bye"), ("Hi", "Bye", "Hm"))]
    for id in talks:
        complete(client, id)

    first, same, changed, longer = (results(client, id)[0] for id in talks)

    assert first.startswith("Summary: 2 messages, 2 from the user.")
    assert '"Bye"' in first
    assert first == same
    assert len({first, changed, longer}) == 3


@pytest.mark.parametrize("as_text", [False, True])
def test_json_fits_the_schema_and_follows_from_the_conversation(client: Client, as_text: bool) -> None:
    grouped(client, insight(client, json_schema=json.dumps(SCORED) if as_text else SCORED))
    talks = [talk(client, f"Message {n}") for n in range(12)]
    for id in talks:
        complete(client, id)

    found = [json.loads(results(client, id)[0]) for id in talks]

    for value in found:
        jsonschema.validate(value, SCORED)
    assert len({value["reason"] for value in found}) == 12
    assert len({value["score"] for value in found}) > 1


def test_the_same_seed_and_script_find_the_same(start: Any) -> None:
    def script(client: Client) -> Any:
        client.admin("POST", "/clock", json={"set": "2025-04-15T13:07:28.764Z", "freeze": True})
        grouped(client, insight(client, json_schema=SCORED), insight(client))
        id = talk(client, "Hello", "Bye")
        complete(client, id)
        return runs(client, id)

    assert script(start()) == script(start())


def test_reply_files_script_results(start: Any, tmp_path: Any) -> None:
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text(
        """
        - {id: a, match: {operation: insights, model: Satisfaction, user_text: {contains: "user: money back"}},
           reply: {json: {score: Poor}}}
        - {id: b, match: {operation: insights.run}, reply: {text: "About {{model}}."}}
        """
    )
    client = start(fixtures=(tmp_path,))
    grouped(client, insight(client, name="Satisfaction", json_schema=SCORED), insight(client, name="Other"))
    angry, calm = talk(client, "Hello", "money back!"), talk(client, "Thanks")
    for id in (angry, calm):
        complete(client, id)

    assert results(client, angry) == ['{"score":"Poor"}', "About Other."]
    assert results(client, calm) == ["About Satisfaction.", "About Other."]


def test_a_run_goes_through_its_plan_by_the_accounts_clock(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client))
    id = talk(client, "Hello")
    complete(client, id, plan="pending@0, in_progress@2, completed@10")

    seen = []
    for seconds in (0, 1, 1, 7, 1):
        client.admin("POST", "/clock", json={"advance": seconds})
        run = runs(client, id)["data"][0]
        seen.append((run["status"], len(run["conversation_insights"])))

    assert seen == [("pending", 0), ("pending", 0), ("in_progress", 0), ("in_progress", 0), ("completed", 1)]


def test_a_run_can_go_by_reads_and_can_fail(client: Client) -> None:
    grouped(client, insight(client))
    by_reads, failing = talk(client, "Hello"), talk(client, "Hello")
    complete(client, by_reads, plan="poll: pending@0, in_progress@2, completed@3")
    complete(client, failing, plan="pending@0, failed@0")

    seen = [runs(client, by_reads)["data"][0]["status"] for _ in range(4)]

    assert seen == ["pending", "in_progress", "completed", "completed"]
    assert client.get(AGGREGATES).json()["data"] == [{"record_count": 1}]
    failed = runs(client, failing)["data"][0]
    assert (failed["status"], failed["conversation_insights"]) == ("failed", [])


@pytest.mark.parametrize("plan", [
    "", "soon", "completed@1", "pending@0", "pending@0, done@1", "completed@0, failed@1", "pending@0, completed@nan",
    "pending@0, completed@inf", "pending@0, completed@1e300", "pending@0, completed@-1",
])  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(client: Client, plan: str) -> None:
    grouped(client, insight(client))
    id = talk(client, "Hello")

    answer = complete(client, id, plan=plan)

    assert answer.status_code == (200 if plan == "" else 400)
    assert runs(client, id)["meta"]["total_results"] == (1 if plan == "" else 0)


def test_completing_is_refused_for_what_is_not_the_accounts(client: Client) -> None:
    id, mine = talk(client, "Hello"), grouped(client, insight(client))
    other = client.as_key(client.key + "-other")
    theirs = talk(other, "Hello")

    assert complete(client, NOBODYS).status_code == 404
    assert complete(client, theirs).status_code == 404
    assert complete(other, theirs, insight_group_id=mine["id"]).status_code == 404
    assert complete(client, id, insight_group_id="no-such-group").status_code == 404
    assert complete(client, id, unknown=1).status_code == 422
    nobody = client.http.post(f"{client.url}/_mock/conversations/{id}/complete")
    assert nobody.status_code == 401
    assert other.get(f"/ai/conversations/{id}/conversations-insights").status_code == 404
    assert client.get(f"/ai/conversations/{NOBODYS}/conversations-insights").status_code == 404
    assert other.get(AGGREGATES).json()["data"] == [{"record_count": 0}]


def test_in_stub_an_unknown_conversation_has_no_insights(start: Any) -> None:
    assert runs(start(profile="stub"), "string")["data"] == []


def test_runs_are_listed_newest_first_and_paged_when_asked(client: Client) -> None:
    grouped(client, insight(client))
    id = talk(client, "Hello")
    ids = [complete(client, id).json()["data"][0]["id"] for _ in range(3)]

    assert [run["id"] for run in runs(client, id)["data"]] == ids[::-1]
    page = runs(client, id, **{"page[number]": 2, "page[size]": 2})
    assert [run["id"] for run in page["data"]] == ids[:1]
    assert page["meta"] == {"total_pages": 2, "total_results": 3, "page_number": 2, "page_size": 2}


def test_a_run_keeps_what_it_found_when_group_and_insight_go(client: Client) -> None:
    one = insight(client)
    made = grouped(client, one)
    id = talk(client, "Hello")
    complete(client, id)
    before = runs(client, id)

    client.request("DELETE", f"/ai/conversations/insight-groups/{made['id']}")
    client.request("DELETE", f"/ai/conversations/insights/{one['id']}")

    assert runs(client, id) == before


def test_insights_run_by_themselves_after_silence(start: Any) -> None:
    client = start(insights_after=60.0)
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client))
    quiet = client.post("/ai/conversations", {}).json()["id"]
    id = talk(client, "Hello")

    def runs_after(seconds: float) -> int:
        client.admin("POST", "/clock", json={"advance": seconds})
        client.admin("GET", "/webhooks", params={"wait": True})
        total: int = runs(client, id)["meta"]["total_results"]
        return total

    assert runs_after(59) == 0
    say(client, id, "Still here")
    assert runs_after(59) == 0
    assert runs_after(1) == 1
    assert runs_after(600) == 1
    say(client, id, "Back again")
    assert runs_after(60) == 2
    say(client, id, "Bye")
    complete(client, id)
    assert runs_after(60) == 3
    assert runs(client, quiet)["meta"]["total_results"] == 0


def test_a_reset_forgets_runs_and_silence(start: Any) -> None:
    client = start(insights_after=60.0)
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client))
    talk(client, "Hello")

    assert client.admin("GET", "/webhooks").json()["meta"]["waiting"] == 1
    client.admin("POST", "/reset")

    assert client.admin("GET", "/webhooks").json()["meta"]["waiting"] == 0
    assert client.get("/ai/conversations/insight-groups").json()["data"] == []
    assert client.get(AGGREGATES).json()["data"] == [{"record_count": 0}]


def test_a_conversation_that_is_deleted_in_its_silence_is_no_trouble(
    start: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    client = start(insights_after=60.0)
    grouped(client, insight(client))
    client.admin("POST", "/clock", json={"freeze": True})
    gone, kept = talk(client, "Hello"), talk(client, "Hello")
    assert client.request("DELETE", f"/ai/conversations/{gone}").is_success

    client.admin("POST", "/clock", json={"advance": 61})
    client.admin("GET", "/webhooks", params={"wait": True})

    assert len(client.get(f"/ai/conversations/{kept}/conversations-insights").json()["data"]) == 1
    assert client.get(f"/ai/conversations/{gone}/conversations-insights").status_code == 404
    assert "Traceback" not in capfd.readouterr().err
