"""Webhooks: what is posted where, how it is signed, when it is tried again, and what the admin API shows of it."""

import json
from typing import Any

import httpx
import pytest
import telnyx
from conftest import Client
from receiver import Received, closed_port, receiver
from test_insights import insight
from test_insights_runs import complete, grouped, say, talk

from mock_server import LocalServer, Settings


def attempts(client: Client) -> list[dict[str, Any]]:
    """Every attempt so far, oldest first, once nothing is under way."""
    found: list[dict[str, Any]] = client.admin("GET", "/webhooks", params={"wait": True}).json()["data"]
    return found[::-1]


def public_key(client: Client) -> str:
    key: str = client.admin("GET", "/webhooks/public-key").json()["public_key"]
    return key


def unwrap(client: Client, request: Received) -> Any:
    """The event of a delivery, its signature checked by the official SDK."""
    sdk = telnyx.Telnyx(api_key=client.key, public_key=public_key(client))
    return sdk.webhooks.unwrap(request.body, headers=request.headers)


def test_a_groups_webhook_gets_all_results_and_an_insights_own_its_result(client: Client) -> None:
    with receiver() as site:
        schema = {"type": "object", "properties": {"score": {"const": 4}}}
        one = insight(client, name="Score", json_schema=schema, webhook=site.url + "/insight")
        other = insight(client, name="Text")
        made = grouped(client, one, other, name="mine", webhook=site.url + "/group")
        id = talk(client, "Hello")
        (run,) = complete(client, id).json()["data"]

        requests = sorted((site.next(), site.next()), key=lambda r: r.path)

    (to_group, to_insight) = [json.loads(r.body) for r in requests]
    assert [(r.method, r.path, r.headers["content-type"]) for r in requests] == [
        ("POST", "/group", "application/json"),
        ("POST", "/insight", "application/json"),
    ]
    text = run["conversation_insights"][1]["result"]
    score = {"insight_id": one["id"], "insight_name": "Score", "result": {"score": 4}}
    assert to_group == {
        "event_type": "conversation.insights.completed",
        "conversation_id": id,
        "insight_group_id": made["id"],
        "insight_group_name": "mine",
        "insights": [score, {"insight_id": other["id"], "insight_name": "Text", "result": text}],
    }
    assert to_insight == {**to_group, "insights": [score]}


def test_live_posts_the_captured_event(start: Any) -> None:
    live = start(profile="live")
    with receiver() as site:
        one = insight(live, instructions="Ask.", webhook=site.url + "/insight")
        made = grouped(live, one, webhook=site.url + "/group")
        id = talk(live, "Hello", assistant_id="a-1")
        (run,) = complete(live, id).json()["data"]

        requests = sorted((site.next(), site.next()), key=lambda r: r.path)

    (to_group, to_insight) = [json.loads(r.body) for r in requests]
    request_id, user_id = to_group["payload"].pop("request_id"), to_group["payload"].pop("user_id")
    assert to_group == {
        "record_type": "event",
        "event_type": "conversation_insight_result",
        "payload": {
            "conversation_id": id,
            "insight_group_id": made["id"],
            "insight_id": None,
            "insights_instructions": None,
            "metadata": {"assistant_id": "a-1"},
            "results": run["conversation_insights"],
            "status": "completed",
        },
    }
    assert len(request_id) == len(user_id) == 36
    assert to_insight["payload"]["insight_id"] == one["id"]
    assert to_insight["payload"]["insights_instructions"] == "Ask."
    assert to_insight["payload"]["insight_group_id"] is None


def test_a_failed_run_is_told_in_live_only(client: Client, start: Any) -> None:
    with receiver() as site:
        for one in (client, start(profile="live")):
            grouped(one, insight(one), webhook=site.url)
            complete(one, talk(one, "Hello"), plan="pending@0, failed@0")
            attempts(one)

        told = json.loads(site.next().body)
        assert (told["payload"]["status"], told["payload"]["results"]) == ("failed", [])
        assert site.empty()


def test_the_official_sdk_verifies_deliveries(client: Client) -> None:
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url)
        client.admin("POST", "/clock", json={"set": "2001-01-01T00:00:00Z"})  # the signature's time stays real
        complete(client, talk(client, "Grüße, 世界 😀"))
        request = site.next()

    assert unwrap(client, request).event_type == "conversation.insights.completed"
    with pytest.raises(ValueError, match="Signature verification failed"):
        unwrap(client, Received("POST", "/", request.headers, request.body.replace("Hello", "") + " "))
    with pytest.raises(ValueError, match="Signature verification failed"):
        stale = {**request.headers, "telnyx-timestamp": str(int(request.headers["telnyx-timestamp"]) + 1)}
        unwrap(client, Received("POST", "/", stale, request.body))


def test_the_key_pair_comes_from_the_seed(start: Any) -> None:
    keys = [public_key(start(seed=seed)) for seed in (0, 0, 1)]

    assert keys[0] == keys[1] != keys[2]


def test_a_failed_delivery_is_tried_again_with_growing_pauses_by_the_accounts_clock(client: Client) -> None:
    client.admin("POST", "/clock", json={"set": "2025-04-15T13:00:00Z", "freeze": True})
    with receiver(503, 404, 302, 200) as site:
        grouped(client, insight(client), webhook=site.url)
        complete(client, talk(client, "Hello"))
        first = attempts(client)
        for seconds in (0.5, 0.5, 2, 4, 100):
            client.admin("POST", "/clock", json={"advance": seconds})
            attempts(client)
        bodies = {site.next().body for _ in range(4)}
        assert site.empty()

    assert [(a["outcome"], a["next_attempt_at"]) for a in first] == [("retrying", "2025-04-15T13:00:01.000Z")]
    assert [(a["attempt"], a["status"], a["outcome"], a["at"], a["next_attempt_at"]) for a in attempts(client)] == [
        (1, 503, "retrying", "2025-04-15T13:00:00.000Z", "2025-04-15T13:00:01.000Z"),
        (2, 404, "retrying", "2025-04-15T13:00:01.000Z", "2025-04-15T13:00:03.000Z"),
        (3, 302, "retrying", "2025-04-15T13:00:03.000Z", "2025-04-15T13:00:07.000Z"),
        (4, 200, "delivered", "2025-04-15T13:00:07.000Z", None),
    ]
    assert len({a["id"] for a in attempts(client)}) == 1
    assert len(bodies) == 1


def test_a_delivery_is_given_up_after_six_attempts(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client), webhook=f"http://127.0.0.1:{closed_port()}/hook")
    complete(client, talk(client, "Hello"))
    for _ in range(8):
        attempts(client)
        client.admin("POST", "/clock", json={"advance": 16})

    found = attempts(client)

    assert [a["outcome"] for a in found] == ["retrying"] * 5 + ["given_up"]
    assert "cannot be connected to" in found[-1]["error"]
    assert client.admin("GET", "/webhooks").json()["meta"] == {"evicted": 0, "waiting": 0}


@pytest.mark.check
def test_an_answer_that_takes_longer_than_two_seconds_is_a_failure(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url + "/slow")
        complete(client, talk(client, "Hello"))
        (attempt,) = attempts(client)

    assert (attempt["outcome"], attempt["status"], attempt["error"]) == ("retrying", None, "No answer within 2 s.")


@pytest.mark.parametrize(("url", "why"), [
    ("http://10.0.0.7/hook", "--egress-allow 10.0.0.7"), ("https://169.254.169.254/", "--egress-allow"),
    ("webhook", "is not an http or https URL"), ("ftp://127.0.0.1/", "is not an http or https URL"),
])  # fmt: skip
def test_a_url_that_may_not_be_called_is_refused_once_and_says_why(client: Client, url: str, why: str) -> None:
    grouped(client, insight(client), webhook=url)
    complete(client, talk(client, "Hello"))

    (attempt,) = attempts(client)

    assert (attempt["outcome"], attempt["status"], attempt["next_attempt_at"]) == ("refused", None, None)
    assert why in attempt["error"]


def test_an_attempt_shows_what_was_sent(client: Client) -> None:
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url)
        complete(client, talk(client, "Hello"))
        request = site.next()
        (attempt,) = attempts(client)

    assert attempt["request"]["body"] == request.body
    assert attempt["request"]["headers"].items() <= request.headers.items()
    assert (attempt["event_type"], attempt["url"]) == ("conversation.insights.completed", site.url)


def test_a_webhook_is_sent_when_the_plan_ends_and_once(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url)
        id = talk(client, "Hello")
        complete(client, id, plan="pending@0, in_progress@2, completed@10")
        by_reads = talk(client, "Hello")
        complete(client, by_reads, plan="poll: pending@0, completed@2")
        client.admin("POST", "/clock", json={"advance": 9.5})
        assert attempts(client) == []
        client.admin("POST", "/clock", json={"advance": 0.5})
        assert len(attempts(client)) == 1
        for _ in range(3):
            client.get(f"/ai/conversations/{id}/conversations-insights")
            client.get(f"/ai/conversations/{by_reads}/conversations-insights")

        assert [json.loads(site.next().body)["conversation_id"] for _ in attempts(client)] == [id, by_reads]
        assert site.empty()


def test_what_was_not_told_before_a_restart_is_told_at_the_next_read(start: Any, tmp_path: Any) -> None:
    first = start(db=tmp_path / "kept.db", clock="2025-04-15T13:00:00Z")
    with receiver() as site:
        grouped(first, insight(first), webhook=site.url)
        id = talk(first, "Hello")
        complete(first, id, plan="pending@0, completed@10")

        again = start(db=tmp_path / "kept.db", clock="2025-04-15T14:00:00Z")
        again.get(f"/ai/conversations/{id}/conversations-insights")

        assert json.loads(site.next().body)["conversation_id"] == id
        assert len(attempts(again)) == 1


def test_accounts_see_their_own_attempts_and_one_account_does_not_hold_up_another(client: Client) -> None:
    other = client.as_key(client.key + "-other")
    client.admin("POST", "/clock", json={"freeze": True})
    with receiver() as site:
        for _ in range(2):
            grouped(client, insight(client), webhook=site.url + "/slow")
        for _ in range(20):
            complete(client, talk(client, "Hello"))
        grouped(other, insight(other), webhook=site.url + "/quick")
        complete(other, talk(other, "Hello"))

        assert [a["outcome"] for a in attempts(other)] == ["delivered"]
        site.hold.set()
        mine = attempts(client)

    assert {a["url"] for a in mine} == {site.url + "/slow"}
    everyone = client.http.get(client.url + "/_mock/webhooks").json()["data"]
    assert {a["url"] for a in everyone} >= {site.url + "/slow", site.url + "/quick"}
    assert client.admin("DELETE", "/webhooks").json() == {"deleted": len(mine)}
    assert [attempts(client), len(attempts(other))] == [[], 1]


def test_a_reset_stops_what_is_under_way(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    with receiver(500) as site:
        grouped(client, insight(client), webhook=site.url + "/slow")
        complete(client, talk(client, "Hello"))
        site.next()

        client.admin("POST", "/reset")
        client.admin("POST", "/clock", json={"advance": 100})

        assert client.admin("GET", "/webhooks", params={"wait": True}).json() == {
            "data": [],
            "meta": {"evicted": 0, "waiting": 0},
        }
        assert site.empty()


def test_the_list_of_attempts_is_capped(start: Any) -> None:
    client = start()
    grouped(client, insight(client), webhook="nowhere")
    id = talk(client, "Hello")
    for _ in range(20):
        grouped(client, insight(client), webhook="nowhere")
    for _ in range(50):
        complete(client, id)

    assert len(attempts(client)) == 1000
    assert client.admin("GET", "/webhooks").json()["meta"]["evicted"] == 50


def test_a_server_stops_with_deliveries_under_way_and_waiting() -> None:
    with receiver() as site, httpx.Client() as http:
        with LocalServer(Settings(port=0, insights_after=1000.0)) as running:
            client = Client(running.url, "key", http)
            grouped(client, insight(client), webhook=site.url + "/slow")
            id = talk(client, "Hello")
            complete(client, id)
            say(client, id, "Bye")
            site.next()

        assert running._thread is not None
        assert not running._thread.is_alive()


def test_a_name_is_allowed_by_the_option(start: Any) -> None:
    client = start(egress_allow=("nowhere.invalid", "192.0.2.0/24"))
    client.admin("POST", "/clock", json={"freeze": True})
    grouped(client, insight(client, webhook="http://nowhere.invalid/"))
    complete(client, talk(client, "Hello"))

    (attempt,) = attempts(client)

    assert (attempt["outcome"], "cannot be resolved" in attempt["error"]) == ("retrying", True)


def test_what_is_due_now_is_done_on_a_clock_frozen_a_moment_before_a_millisecond(client: Client) -> None:
    client.admin("POST", "/clock", json={"set": "2026-01-01T00:00:00Z", "freeze": True})
    client.admin("POST", "/clock", json={"advance": 0.9999997})  # which is a whole second to the microsecond
    with receiver() as site:
        grouped(client, insight(client), webhook=site.url + "/now")
        complete(client, talk(client, "Hello"))
        assert [attempt["outcome"] for attempt in attempts(client)] == ["delivered"]
