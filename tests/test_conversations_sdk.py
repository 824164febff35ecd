"""The official SDK over every method of `client.ai.conversations` that is a conversation's or a message's; the brief's curls."""

import asyncio
import shlex
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
import telnyx
from telnyx import AsyncTelnyx, Telnyx

from tests.conftest import Client

UNKNOWN = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def sdk(client: Client) -> Telnyx:
    return Telnyx(api_key=client.key, base_url=client.v2, max_retries=0)


def test_the_life_of_a_conversation(sdk: Telnyx) -> None:
    conversations = sdk.ai.conversations
    made = conversations.create(name="Support", metadata={"assistant_id": "assistant-123"})
    assert (made.name, made.metadata) == ("Support", {"assistant_id": "assistant-123"})
    assert made.created_at.tzinfo is not None
    assert conversations.retrieve(made.id).data == made

    updated = conversations.update(made.id, metadata={"a": "b"}).data
    assert (updated.id, updated.metadata) == (made.id, {"a": "b"})
    assert [c.id for c in conversations.list().data] == [made.id]

    assert conversations.delete(made.id) is None
    with pytest.raises(telnyx.NotFoundError):
        conversations.retrieve(made.id)
    assert conversations.list().data == []


def test_messages_are_added_and_read(sdk: Telnyx) -> None:
    id = sdk.ai.conversations.create().id
    sent = datetime(2025, 1, 1, tzinfo=UTC)
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert sdk.ai.conversations.add_message(id, role="user", content="hi", sent_at=sent, metadata={"n": 1}) is None
    sdk.ai.conversations.add_message(id, role="assistant", tool_calls=[call])
    sdk.ai.conversations.add_message(id, role="tool", content="done", tool_call_id="call_1", name="f")

    messages = sdk.ai.conversations.messages.list(id).data
    assert [(m.role, m.text) for m in messages] == [("user", "hi"), ("assistant", ""), ("tool", "done")]
    assert messages[0].sent_at == sent
    assert messages[1].tool_calls[0].function.name == "f"


def test_filters_as_the_sdk_sends_them(sdk: Telnyx) -> None:
    made = sdk.ai.conversations.create(
        name="Voice 1",
        metadata={"assistant_id": "a", "call_control_id": "v3:1", "telnyx_agent_target": "+13128675309",
                  "telnyx_end_user_target": "+13128675310", "telnyx_conversation_channel": "phone_call",
                  "assistant_version_id": "20250812T114318034399"},
    )  # fmt: skip
    sdk.ai.conversations.create(name="Other")

    for filters in (
        {"id": f"eq.{made.id}"},
        {"name": "like.Voice%"},
        {"metadata_assistant_id": "eq.a"},
        {"metadata_call_control_id": "eq.v3:1"},
        {"metadata_telnyx_agent_target": "eq.+13128675309"},
        {"metadata_telnyx_end_user_target": "eq.+13128675310"},
        {"metadata_telnyx_conversation_channel": "eq.phone_call"},
        {"metadata_assistant_version_id": "eq.20250812T114318034399"},
        {"or_": "(name.eq.Voice 1,metadata->assistant_id.eq.b)"},
        {"created_at": "gte.2025-01-01", "last_message_at": "lte.2999-01-01", "order": "created_at.asc", "limit": 1},
        {"extra_query": {"metadata->call_control_id": "in.(v3:1,v3:2)"}},
    ):
        assert [c.id for c in sdk.ai.conversations.list(**filters).data] == [made.id], filters


def test_auto_paging_visits_every_message_once(sdk: Telnyx) -> None:
    id = sdk.ai.conversations.create().id
    for n in range(45):
        sdk.ai.conversations.add_message(id, role="user", content=str(n))

    for size in (1, 20, 44, 45, 46, 100):
        assert [m.text for m in sdk.ai.conversations.messages.list(id, page_size=size)] == [str(n) for n in range(45)]
    assert list(sdk.ai.conversations.messages.list(sdk.ai.conversations.create().id)) == []


@pytest.mark.parametrize(
    "run",
    [
        lambda c: c.retrieve(UNKNOWN),
        lambda c: c.update(UNKNOWN, metadata={}),
        lambda c: c.delete(UNKNOWN),
        lambda c: c.add_message(UNKNOWN, role="user"),
        lambda c: c.messages.list(UNKNOWN),
    ],
)
def test_unknown_ids_raise_not_found(sdk: Telnyx, run) -> None:
    with pytest.raises(telnyx.NotFoundError):
        run(sdk.ai.conversations)


def test_what_is_wrong_raises_the_sdks_errors(sdk: Telnyx) -> None:
    with pytest.raises(telnyx.BadRequestError):
        sdk.ai.conversations.list(name="nonsense")
    with pytest.raises(telnyx.UnprocessableEntityError):
        sdk.ai.conversations.create(metadata={"a": 1})


def test_the_async_sdk_does_the_same(client: Client) -> None:
    async def run() -> None:
        async with AsyncTelnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
            conversations = sdk.ai.conversations
            made = await asyncio.gather(*(conversations.create(name=str(n), metadata={"n": str(n)}) for n in range(30)))
            assert len({c.id for c in made}) == 30
            assert {c.id for c in (await conversations.list()).data} == {c.id for c in made}
            id = made[7].id
            assert (await conversations.retrieve(id)).data == made[7]
            assert (await conversations.update(id, metadata={"x": "y"})).data.metadata == {"x": "y"}
            for n in range(7):
                await conversations.add_message(id, role="user", content=str(n))
            assert [m.text async for m in conversations.messages.list(id, page_size=3)] == [str(n) for n in range(7)]
            assert await conversations.delete(id) is None
            with pytest.raises(telnyx.NotFoundError):
                await conversations.retrieve(id)
            assert len((await conversations.list(metadata_assistant_id="is.null")).data) == 29

    asyncio.run(run())


CURLS = """
curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/conversations"
curl -X POST -H "Authorization: Bearer $TELNYX_API_KEY" -H "Content-Type: application/json" "https://api.telnyx.com/v2/ai/conversations"
curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/conversations/550e8400-e29b-41d4-a716-446655440000"
curl -X PUT -H "Authorization: Bearer $TELNYX_API_KEY" -H "Content-Type: application/json" "https://api.telnyx.com/v2/ai/conversations/550e8400-e29b-41d4-a716-446655440000"
curl -X POST -H "Authorization: Bearer $TELNYX_API_KEY" -H "Content-Type: application/json" -d '{ "role": "user" }' "https://api.telnyx.com/v2/ai/conversations/550e8400-e29b-41d4-a716-446655440000/message"
curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/conversations/550e8400-e29b-41d4-a716-446655440000/messages"
curl -X DELETE -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/conversations/550e8400-e29b-41d4-a716-446655440000"
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_briefs_curls(client: Client) -> None:
    id = client.post("/ai/conversations").json()["id"]

    for curl in CURLS.strip().split("\n"):
        command = (
            curl.replace("https://api.telnyx.com", client.url)
            .replace("$TELNYX_API_KEY", client.key)
            .replace(UNKNOWN, id)
        )
        done = subprocess.run([*shlex.split(command), "-s", "-w", "%{http_code}"], capture_output=True, text=True)
        assert done.stdout.endswith("200"), (curl, done.stdout)
    assert client.get(f"/ai/conversations/{id}").status_code == 404
