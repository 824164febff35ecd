"""The official SDK, sync and async, over every method of insights and insight groups."""

import asyncio
import inspect
import json
from typing import Any

import pytest
import telnyx
from conftest import Client
from test_insights import NOBODYS
from test_insights_runs import SCORED, complete, talk


async def script(sdk: Any, client: Client) -> None:
    """Every method once, in an order that makes sense; `done` awaits where the SDK is the async one."""
    conversations = sdk.ai.conversations
    insight = (await done(conversations.insights.create(instructions="Rate.", name="Score", json_schema=SCORED))).data
    assert (insight.name, insight.insight_type, insight.json_schema) == ("Score", "custom", SCORED)
    assert (await done(conversations.insights.retrieve(insight.id))).data == insight
    changed = (await done(conversations.insights.update(insight.id, webhook="http://127.0.0.1:9/"))).data
    assert (changed.webhook, changed.name) == ("http://127.0.0.1:9/", "Score")
    text = (await done(conversations.insights.create(instructions="Sum up.", name="Text", idempotency_key="k"))).data
    again = (await done(conversations.insights.create(instructions="Sum up.", name="Text", idempotency_key="k"))).data
    assert again == text

    groups = conversations.insight_groups
    group = (await done(groups.insight_groups(name="mine", description="d"))).data
    assert (group.name, group.description, group.insights) == ("mine", "d", [])
    for one in (insight, text):
        assert await done(groups.insights.assign(one.id, group_id=group.id)) is None
    assert [i.id for i in (await done(groups.retrieve(group.id))).data.insights] == [insight.id, text.id]
    assert (await done(groups.update(group.id, name="ours"))).data.name == "ours"

    conversation = talk(client, "Hello", assistant_id="a-1")
    complete(client, conversation)
    found = await done(conversations.retrieve_conversations_insights(conversation))
    assert (found.meta.total_results, found.data[0].status) == (1, "completed")
    score = json.loads(found.data[0].conversation_insights[0].result)["score"]
    counted = await done(
        conversations.conversation_insights.retrieve_aggregates(
            insight_id=insight.id, group_by=["score", "metadata.assistant_id"], show=["score"],
            metadata={"assistant_id": "eq.a-1"}, created_at="gte.2001-01-01",
        )
    )  # fmt: skip
    (row,) = counted.data
    assert row.to_dict() == {"score": score, "metadata.assistant_id": "a-1", "record_count": 1}

    assert await done(groups.insights.delete_unassign(text.id, group_id=group.id)) is None
    assert await done(conversations.insights.delete(text.id)) is None
    assert await done(groups.delete(group.id)) is None
    with pytest.raises(telnyx.NotFoundError):
        await done(conversations.insights.retrieve(text.id))
    with pytest.raises(telnyx.NotFoundError):
        await done(groups.retrieve(group.id))


async def done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def test_every_method_sync(client: Client) -> None:
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
        asyncio.run(script(sdk, client))


def test_every_method_async(client: Client) -> None:
    async def run() -> None:
        async with telnyx.AsyncTelnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
            await script(sdk, client)

    asyncio.run(run())


def test_auto_paging_ends_and_visits_every_item_once(client: Client) -> None:
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
        conversations = sdk.ai.conversations
        for n in range(45):
            conversations.insights.create(instructions="i", name=str(n))
            conversations.insight_groups.insight_groups(name=str(n))

        names = [str(n) for n in range(45)]
        assert [i.name for i in conversations.insights.list()] == names
        assert [i.name for i in conversations.insights.list(page_size=7)] == names
        assert [g.name for g in conversations.insight_groups.retrieve_insight_groups(page_size=7)] == names


def test_errors_are_the_sdks_own(client: Client) -> None:
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
        conversations = sdk.ai.conversations
        group = conversations.insight_groups.insight_groups(name="g").data
        insight = conversations.insights.create(instructions="i", name="n").data

        for call in (
            lambda: conversations.insights.retrieve(NOBODYS),
            lambda: conversations.insights.update(NOBODYS, name="n"),
            lambda: conversations.insights.delete(NOBODYS),
            lambda: conversations.insight_groups.retrieve(NOBODYS),
            lambda: conversations.insight_groups.update(NOBODYS, name="n"),
            lambda: conversations.insight_groups.delete(NOBODYS),
            lambda: conversations.insight_groups.insights.assign(NOBODYS, group_id=group.id),
            lambda: conversations.insight_groups.insights.assign(insight.id, group_id=NOBODYS),
            lambda: conversations.insight_groups.insights.delete_unassign(insight.id, group_id=group.id),
            lambda: conversations.retrieve_conversations_insights(NOBODYS),
        ):
            with pytest.raises(telnyx.NotFoundError):
                call()
        with pytest.raises(telnyx.UnprocessableEntityError):
            conversations.insights.create(instructions="i", name=None)  # type: ignore[arg-type]
        with pytest.raises(telnyx.BadRequestError):
            conversations.conversation_insights.retrieve_aggregates(created_at="yesterday")


def test_in_stub_nothing_is_refused_and_every_answer_is_of_the_sdks_type(start: Any) -> None:
    stub = start(profile="stub")
    with telnyx.Telnyx(
        api_key=stub.key, base_url=stub.v2, max_retries=0, _strict_response_validation=True
    ) as sdk:  # fmt: skip
        conversations, groups = sdk.ai.conversations, sdk.ai.conversations.insight_groups

        assert conversations.insights.retrieve(NOBODYS).data.id == NOBODYS
        changed = conversations.insights.update(NOBODYS, instructions="i", json_schema="string", name="n", webhook="w")
        assert (changed.data.name, changed.data.json_schema) == ("n", "string")
        conversations.insights.delete(NOBODYS)
        assert conversations.insights.list(page_number=1, page_size=0).data == []
        assert groups.retrieve(NOBODYS).data.insights == []
        assert groups.update(NOBODYS, description="d", name="n", webhook="w").data.description == "d"
        groups.delete(NOBODYS)
        groups.insights.assign(NOBODYS, group_id=NOBODYS)
        groups.insights.delete_unassign(NOBODYS, group_id=NOBODYS)
        counted = conversations.conversation_insights.retrieve_aggregates(
            created_at="created_at", group_by=["string"], insight_id=NOBODYS, show=["string"],
            metadata={"assistant_id": "assistant_id"},
        )  # fmt: skip
        assert counted.data == []
        assert conversations.retrieve_conversations_insights("conversation_id").data == []
