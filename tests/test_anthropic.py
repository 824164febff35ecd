"""Anthropic's messages with the official anthropic SDK, and what the SDK would not send."""

import asyncio
import json
from typing import Any

import anthropic
import pytest

PATH = "/ai/anthropic/v1/messages"
ASK: Any = [{"role": "user", "content": "What is the weather in Chicago?"}]
WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: Any = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def sdk(client):
    with anthropic.Anthropic(auth_token=client.key, base_url=client.v2 + "/ai/anthropic", max_retries=0) as sdk:
        yield sdk


def script(client, *rules: dict[str, Any]) -> None:
    for rule in rules:
        assert client.admin("POST", "/replies", json=rule).is_success


def test_a_message_has_anthropics_shape(sdk):
    answer = sdk.messages.create(model="zai-org/GLM-5.2", max_tokens=1024, system="Be kind.", messages=ASK)

    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "zai-org/GLM-5.2")
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None) and answer.id.startswith("msg_")
    (block,) = answer.content
    assert block.type == "text" and ASK[0]["content"] in block.text
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_chat_and_anthropic_say_and_count_the_same(sdk, client):
    by_chat = client.chat("hi", model="m").json()
    answer = sdk.messages.create(model="m", max_tokens=1024, messages=[{"role": "user", "content": "hi"}])

    assert answer.content[0].text == by_chat["choices"][0]["message"]["content"]
    assert answer.usage.input_tokens == by_chat["usage"]["prompt_tokens"]
    assert answer.usage.output_tokens == by_chat["usage"]["completion_tokens"]


def test_blocks_and_system_are_read(sdk, client):
    match = {"user_text": "two\nparts", "system_text": "Be kind.\nAnd short.", "turn": 2}
    script(client, {"match": match, "reply": {"text": "read"}})

    answer = sdk.messages.create(
        model="m",
        max_tokens=100,
        system=[{"type": "text", "text": "Be kind."}, {"type": "text", "text": "And short."}],
        messages=[
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
            {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "parts"}]},
        ],
    )

    assert answer.content[0].text == "read"


def test_the_stream_helper_puts_the_same_message_together(sdk):
    ask: Any = {"model": "m", "max_tokens": 2000, "messages": ASK, "thinking": THINKING}
    with sdk.messages.stream(**ask) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    whole = sdk.messages.create(**ask)

    assert [block.type for block in final.content] == [block.type for block in whole.content] == ["thinking", "text"]
    assert final.content[0].thinking == whole.content[0].thinking and final.content[0].signature
    assert final.content[1].text == whole.content[1].text and final.usage.output_tokens == whole.usage.output_tokens
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"


def test_events_are_these_in_order(client):
    raw = client.post(PATH, {"model": "m", "max_tokens": 100, "messages": ASK, "stream": True})

    blocks = [block.split("\n") for block in raw.text.strip().split("\n\n")]
    kinds = [event.removeprefix("event: ") for event, _ in blocks]
    data = [json.loads(line.removeprefix("data: ")) for _, line in blocks]
    assert raw.headers["content-type"].startswith("text/event-stream") and kinds == [event["type"] for event in data]
    once = [kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]]
    assert once == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert data[0]["message"]["content"] == [] and data[0]["message"]["stop_reason"] is None


def test_async_stream(client):
    async def ask() -> str:
        base_url = client.v2 + "/ai/anthropic"
        sdk = anthropic.AsyncAnthropic(auth_token=client.key, base_url=base_url, max_retries=0)
        async with sdk, sdk.messages.stream(model="m", max_tokens=100, messages=ASK) as stream:
            return await stream.get_final_text()

    assert "canned" in asyncio.run(ask())


@pytest.mark.parametrize(
    ("choice", "called"), [({"type": "any"}, "get_weather"), ({"type": "tool", "name": "get_time"}, "get_time")]
)
def test_a_tool_is_used_with_an_input_of_its_schema(sdk, choice, called):
    ask: Any = {"model": "m", "max_tokens": 100, "messages": ASK, "tools": [WEATHER, CLOCK], "tool_choice": choice}
    whole = sdk.messages.create(**ask)
    with sdk.messages.stream(**ask) as stream:
        streamed = stream.get_final_message()

    for answer in (whole, streamed):
        (use,) = answer.content
        assert (use.type, use.name, answer.stop_reason) == ("tool_use", called, "tool_use") and use.id.startswith(
            "toolu_"
        )
        assert set(use.input) == ({"city"} if called == "get_weather" else set())


def test_tools_that_a_real_server_runs_itself_are_passed_over(client):
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    tools = [search, {**WEATHER, "type": "custom"}]
    answer = client.post(PATH, {**GOOD, "tools": tools, "tool_choice": {"type": "any"}})
    alone = client.post(PATH, {**GOOD, "tools": [search]})

    assert [block["name"] for block in answer.json()["content"]] == ["get_weather"]
    assert [block["type"] for block in alone.json()["content"]] == ["text"]


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "none"}])
def test_no_tool_is_used_unless_it_must(sdk, choice):
    answer = sdk.messages.create(model="m", max_tokens=100, messages=ASK, tools=[WEATHER], tool_choice=choice)

    assert [block.type for block in answer.content] == ["text"]


def test_text_and_several_tools_are_blocks_of_one_message(sdk, client):
    calls = [{"name": "get_weather", "arguments": {"city": c}} for c in ("Chicago", "Paris")]
    script(client, {"match": {"user_text": "both"}, "reply": {"text": "Let me see.", "tool_calls": calls}})
    ask: Any = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "both"}], "tools": [WEATHER]}

    whole = sdk.messages.create(**ask)
    with sdk.messages.stream(**ask) as stream:
        streamed = stream.get_final_message()

    for answer in (whole, streamed):
        assert [block.type for block in answer.content] == ["text", "tool_use", "tool_use"]
        assert [block.input for block in answer.content[1:]] == [{"city": "Chicago"}, {"city": "Paris"}]


def test_a_result_of_a_tool_is_matched_by_name_and_text(sdk, client):
    script(
        client,
        {"match": {"tool_result": {"name": "get_weather", "content": {"contains": "3"}}}, "reply": {"text": "Cold."}},
    )
    first = sdk.messages.create(model="m", max_tokens=100, messages=ASK, tools=[WEATHER], tool_choice={"type": "any"})
    result = {
        "type": "tool_result",
        "tool_use_id": first.content[0].id,
        "content": [{"type": "text", "text": "3 degrees"}],
    }
    history: Any = [
        *ASK,
        {"role": "assistant", "content": [b.model_dump() for b in first.content]},
        {"role": "user", "content": [result]},
    ]

    answer = sdk.messages.create(model="m", max_tokens=100, messages=history, tools=[WEATHER])

    assert answer.content[0].text == "Cold."


def test_a_stop_sequence_ends_the_text_and_is_named(sdk):
    answer = sdk.messages.create(model="m", max_tokens=100, messages=ASK, stop_sequences=["nowhere in it", "canned"])

    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "canned")
    assert answer.content[0].text.endswith("This is a ")


def test_max_tokens_cut_the_text(sdk):
    answer = sdk.messages.create(model="m", max_tokens=5, messages=ASK)

    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 5


def test_a_refusal_is_a_text_with_a_reason(sdk, client):
    script(client, {"match": {"user_text": "bad"}, "reply": {"refusal": "I will not."}})

    answer = sdk.messages.create(model="m", max_tokens=100, messages=[{"role": "user", "content": "bad"}])

    assert (answer.content[0].text, answer.stop_reason) == ("I will not.", "refusal")


@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}])
def test_thoughts_are_shown_only_where_they_are_asked_for(sdk, thinking):
    options: Any = {} if thinking is None else {"thinking": thinking}
    answer = sdk.messages.create(model="moonshotai/Kimi-K2.6", max_tokens=100, messages=ASK, **options)

    assert [block.type for block in answer.content] == ["text"]


def test_what_a_reply_says_around_its_text(sdk, client):
    reply = {
        "text": "hi",
        "id": "msg_mine",
        "usage": {"prompt_tokens": 7, "cached_tokens": 5},
        "finish_reason": "pause_turn",
    }
    script(client, {"match": {"user_text": "mine"}, "reply": reply})

    answer = sdk.messages.create(model="m", max_tokens=100, messages=[{"role": "user", "content": "mine"}])

    assert (answer.id, answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == ("msg_mine", 7, 5)
    assert answer.stop_reason == "pause_turn"


def test_only_a_bearer_key_counts(client):
    body = {"model": "m", "max_tokens": 9, "messages": ASK}
    alone = client.http.post(client.v2 + PATH, json=body, headers={"x-api-key": client.key})
    beside = client.post(PATH, body, headers={"x-api-key": "another-key"})

    assert (alone.status_code, alone.json()["errors"][0]["code"]) == (401, "10009")
    assert beside.status_code == 200 and len(client.journal()) == 1


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, anthropic.BadRequestError, "10015"),
        (401, anthropic.AuthenticationError, "10009"),
        (403, anthropic.PermissionDeniedError, "10010"),
        (404, anthropic.NotFoundError, "10005"),
        (429, anthropic.RateLimitError, "10011"),
        (500, anthropic.InternalServerError, "10007"),
    ],
)
def test_errors_are_the_sdks_own_with_the_vendors_body(sdk, status, kind, code):
    with pytest.raises(kind) as raised:
        sdk.messages.create(model="m", max_tokens=9, messages=ASK, extra_headers={"x-mock-fault": str(status)})

    assert raised.value.status_code == status and raised.value.response.json()["errors"][0]["code"] == code


GOOD = {"model": "m", "max_tokens": 9, "messages": ASK}
INVALID: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "no messages": ({"messages": []}, ["body", "messages"]),
    "role": ({"messages": [{"role": "wizard", "content": "hi"}]}, ["body", "messages", 0, "role"]),
    "content": ({"messages": [{"role": "user", "content": 3}]}, ["body", "messages", 0, "content"]),
    "a block that is none": ({"messages": [{"role": "user", "content": [3]}]}, ["body", "messages", 0, "content", 0]),
    "text": ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, ["body", "messages", 0, "content", 0, "text"]),
    "result without use": (
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, ["body", "messages", 0, "content", 0, "tool_use_id"],
    ),
    "NUL": ({"system": "a\0b"}, ["body", "system"]),
    "cap": ({"max_tokens": 0}, ["body", "max_tokens"]),
    "tool without name": ({"tools": [{"input_schema": {}}]}, ["body", "tools", 0, "name"]),
    "input_schema": ({"tools": [{"name": "f", "input_schema": 3}]}, ["body", "tools", 0, "input_schema"]),
    "billing group": ({"billing_group_id": "x"}, ["body", "billing_group_id"]),
}  # fmt: skip


@pytest.mark.parametrize(("change", "loc"), INVALID.values(), ids=INVALID)
def test_what_makes_no_sense_is_unprocessable(client, change, loc):
    answer = client.post(PATH, {**GOOD, **change})

    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == loc


@pytest.mark.parametrize("name", ["model", "messages", "max_tokens"])
def test_three_fields_are_required(client, name):
    answer = client.post(PATH, {key: value for key, value in GOOD.items() if key != name})

    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"] == ["body", name]


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "g"}, {"type": "any"}])
def test_a_tool_choice_that_cannot_be_met_is_refused(client, choice):
    answer = client.post(PATH, {**GOOD, "tool_choice": choice})

    assert answer.status_code == 400 and "tool_choice" in answer.json()["errors"][0]["detail"]


def test_stub_takes_whatever_comes(start):
    client = start(profile="stub")

    for messages in (
        [{"role": "wizard", "content": 3}],
        [{"foo": "bar"}],
        [{"role": "user", "content": [3, {"type": "text"}]}],
        [{"role": "user", "content": "a\0b"}, {"role": "user", "content": [{"type": "text", "text": "a\0b"}]}],
    ):
        answer = client.post(
            PATH, {"model": "m", "max_tokens": 9, "messages": messages, "tools": [{}], "tool_choice": {"type": "tool"}}
        )
        assert answer.status_code == 200, answer.text
