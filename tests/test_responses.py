"""The Responses API with the official openai SDK, and what the SDK would not send."""

import json
from typing import Any

import openai
import pytest

ASK = "What is the weather in Chicago?"
REASONER = "moonshotai/Kimi-K2.6"
PATHS = ["/ai/openai/responses", "/ai/responses"]
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
    },
    "strict": True,
}  # fmt: skip
CLOCK: Any = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def sdk(client):
    with openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai", max_retries=0) as sdk:
        yield sdk


def script(client, *rules: dict[str, Any]) -> None:
    for rule in rules:
        assert client.admin("POST", "/replies", json=rule).is_success


def test_a_response_has_openais_shape(sdk):
    answer = sdk.responses.create(model="openai/gpt-4o", input=ASK, metadata={"a": "b"}, temperature=0.5)

    assert (answer.object, answer.status, answer.model, answer.metadata) == (
        "response",
        "completed",
        "openai/gpt-4o",
        {"a": "b"},
    )
    assert answer.id.startswith("resp_") and answer.created_at and answer.error is None and answer.temperature == 0.5
    (message,) = answer.output
    assert message.type == "message" and message.role == "assistant" and ASK in answer.output_text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_required(client, path):
    answer = client.post(path, {})

    assert answer.status_code == 200 and answer.json()["output"][0]["content"][0]["type"] == "output_text"


def test_chat_and_responses_say_and_count_the_same(sdk, client):
    by_chat = client.chat(ASK, model="m").json()
    by_responses = sdk.responses.create(model="m", input=ASK)

    assert by_responses.output_text == by_chat["choices"][0]["message"]["content"]
    assert by_responses.usage.input_tokens == by_chat["usage"]["prompt_tokens"]
    assert by_responses.usage.output_tokens == by_chat["usage"]["completion_tokens"]


def test_input_items_and_instructions_are_read(sdk, client):
    script(client, {
        "match": {"user_text": "two\nparts", "system_text": "Be kind.\nAnd short.", "turn": 2}, "reply": {"text": "read"},
    })  # fmt: skip

    answer = sdk.responses.create(
        model="m",
        instructions="Be kind.",
        input=[
            {"role": "developer", "content": "And short."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "yes", "annotations": []}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "two"}, {"type": "input_image", "image_url": "data:,"},
                {"type": "input_text", "text": "parts"},
            ]},
        ],
    )  # fmt: skip

    assert answer.output_text == "read"


ORDER = [
    "response.created", "response.in_progress",
    "response.output_item.added", "response.content_part.added", "response.reasoning_text.delta", "response.reasoning_text.done",
    "response.content_part.done", "response.output_item.done",
    "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
    "response.content_part.done", "response.output_item.done", "response.completed",
]  # fmt: skip


def without_repeats(events: list[Any]) -> list[str]:
    kinds = [event.type for event in events]
    return [kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]]


def test_typed_events_come_in_order_and_are_numbered(sdk):
    events = list(sdk.responses.create(model=REASONER, input=ASK, stream=True))
    whole = sdk.responses.create(model=REASONER, input=ASK)

    assert without_repeats(events) == ORDER
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].response.output_text == whole.output_text and events[-1].response.usage == whole.usage


def test_events_are_named_as_their_data_is_typed(client):
    raw = client.post(PATHS[0], {"input": "hi", "stream": True})

    assert raw.headers["content-type"].startswith("text/event-stream")
    for block in raw.text.strip().split("\n\n"):
        event, data = block.split("\n")
        assert event.removeprefix("event: ") == json.loads(data.removeprefix("data: "))["type"]


def test_the_stream_helper_puts_the_same_response_together(sdk):
    with sdk.responses.stream(model=REASONER, input=ASK) as stream:
        final = stream.get_final_response()
    whole = sdk.responses.create(model=REASONER, input=ASK)

    assert final.output_text == whole.output_text
    assert final.output[0].content[0].text == whole.output[0].content[0].text


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", "get_weather"),
        ({"type": "function", "name": "get_time"}, "get_time"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]},
            "get_time",
        ),
    ],
    ids=["required", "named", "allowed"],
)
def test_a_tool_is_called_with_arguments_of_its_schema(sdk, choice, called):
    answer = sdk.responses.create(model="m", input=ASK, tools=[WEATHER, CLOCK], tool_choice=choice)
    with sdk.responses.stream(model="m", input=ASK, tools=[WEATHER, CLOCK], tool_choice=choice) as stream:
        streamed = stream.get_final_response()

    for response in (answer, streamed):
        (call,) = response.output
        assert (call.type, call.name, call.status) == ("function_call", called, "completed")
        assert call.call_id.startswith("call_") and set(json.loads(call.arguments)) == (
            {"city"} if called == "get_weather" else set()
        )


def test_tools_as_chat_spells_them_are_understood_and_those_of_other_kinds_passed_over(client):
    function = {"name": "get_time", "parameters": CLOCK["parameters"]}
    tools = [{"type": "web_search_preview"}, WEATHER, {"type": "function", "function": function}]
    choice = {"type": "function", "function": {"name": "get_time"}}
    answer = client.post(PATHS[0], {"input": ASK, "tools": tools, "tool_choice": choice})

    assert [(item["type"], item["name"]) for item in answer.json()["output"]] == [("function_call", "get_time")]
    assert client.post(PATHS[0], {"input": ASK, "tools": tools[:1]}).json()["output"][0]["type"] == "message"


def test_streamed_arguments_add_up(sdk):
    events = list(sdk.responses.create(model="m", input=ASK, tools=[WEATHER], tool_choice="required", stream=True))
    deltas = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    (done,) = [event for event in events if event.type == "response.function_call_arguments.done"]

    assert deltas == done.arguments == events[-1].response.output[0].arguments


def test_text_and_several_calls_are_items_of_one_response(sdk, client):
    calls = [{"name": "get_weather", "arguments": {"city": c}} for c in ("Chicago", "Paris")]
    script(client, {"match": {"user_text": "both"}, "reply": {"text": "Let me see.", "tool_calls": calls}})

    answer = sdk.responses.create(model="m", input="both", tools=[WEATHER])

    assert [item.type for item in answer.output] == ["message", "function_call", "function_call"]
    assert [json.loads(item.arguments)["city"] for item in answer.output[1:]] == ["Chicago", "Paris"]


def test_no_tool_is_called_where_that_is_barred(sdk, client):
    script(client, {"match": {"user_text": "both"}, "reply": {"text": "No.", "tool_calls": [{"name": "get_weather"}]}})

    answer = sdk.responses.create(model="m", input="both", tools=[WEATHER], tool_choice="none")

    assert [item.type for item in answer.output] == ["message"]


def test_a_cap_makes_the_response_incomplete(sdk):
    answer = sdk.responses.create(model="m", input=ASK, max_output_tokens=3)
    events = list(sdk.responses.create(model="m", input=ASK, max_output_tokens=3, stream=True))

    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.usage.output_tokens == 3 and answer.output[0].status == "incomplete"
    assert events[-1].type == "response.incomplete" and events[-1].response.output_text == answer.output_text


def test_a_refusal_is_a_part_of_its_own(sdk, client):
    script(client, {"match": {"user_text": "bad"}, "reply": {"refusal": "I will not."}})

    answer = sdk.responses.create(model="m", input="bad")
    events = list(sdk.responses.create(model="m", input="bad", stream=True))

    assert answer.output[0].content[0].refusal == "I will not." and answer.output_text == ""
    assert "".join(event.delta for event in events if event.type == "response.refusal.delta") == "I will not."


def test_effort_none_switches_thoughts_off(sdk):
    answer = sdk.responses.create(model=REASONER, input=ASK, reasoning={"effort": "none"})

    assert [item.type for item in answer.output] == [
        "message"
    ] and answer.usage.output_tokens_details.reasoning_tokens == 0


def test_what_a_reply_says_around_its_text(sdk, client):
    reply = {
        "text": "hi",
        "id": "resp_mine",
        "usage": {"prompt_tokens": 7, "cached_tokens": 5},
        "finish_reason": "content_filter",
    }
    script(client, {"match": {"user_text": "mine"}, "reply": reply})

    answer = sdk.responses.create(model="m", input="mine")

    assert (answer.id, answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens) == (
        "resp_mine",
        7,
        5,
    )
    assert answer.incomplete_details.reason == "content_filter"


def test_a_reply_s_own_total_and_the_tier_that_was_asked_for_are_told(client):
    script(client, {"match": {"user_text": "mine"}, "reply": {"text": "hi", "usage": {"total_tokens": 99}}})

    answer = client.post(PATHS[0], {"input": "mine", "service_tier": "flex"}).json()

    assert (answer["usage"]["total_tokens"], answer["service_tier"]) == (99, "flex")
    assert "service_tier" not in client.post(PATHS[0], {"input": "mine"}).json()


def messages(client, conversation: str) -> list[dict[str, Any]]:
    return client.get(f"/ai/conversations/{conversation}/messages").json()["data"]


def test_a_conversation_keeps_what_is_said_and_is_the_context(sdk, client):
    conversation = client.post("/ai/conversations", {"metadata": {"plan": "gold"}}).json()["id"]
    script(
        client,
        {
            "id": "call",
            "match": {"metadata": {"plan": "gold"}, "turn": 2},
            "reply": {"tool_calls": [{"name": "get_weather"}]},
        },
        {"id": "answer", "match": {"tool_result": {"name": "get_weather"}, "turn": 2}, "reply": {"text": "Three."}},
    )
    # The script's first rule would fit the tool's answer too.
    client.admin("DELETE", "/replies/call")
    first = {
        "match": {"metadata": {"plan": "gold"}, "turn": 2, "tool_result": False},
        "reply": {"tool_calls": [{"name": "get_weather"}]},
    }
    script(client, first)

    sdk.responses.create(model=REASONER, input="hello", instructions="Be nice.", conversation=conversation)
    asked = sdk.responses.create(
        model="m", input="weather?", instructions="Be nice.", conversation=conversation, tools=[WEATHER]
    )
    output: Any = {"type": "function_call_output", "call_id": asked.output[0].call_id, "output": "3"}
    told = sdk.responses.create(model="m", input=[output], conversation={"id": conversation})

    assert told.output_text == "Three." and told.conversation.id == conversation
    kept = messages(client, conversation)
    assert [m["role"] for m in kept] == ["system", "user", "assistant", "user", "assistant", "tool", "assistant"]
    assert kept[2]["metadata"]["reasoning"] and kept[4]["tool_calls"][0]["id"] == asked.output[0].call_id
    assert [kept[n]["text"] for n in (0, 1, 3, 5, 6)] == ["Be nice.", "hello", "weather?", "3", "Three."]


def test_a_call_that_is_sent_again_is_not_kept_twice(sdk, client):
    conversation = client.post("/ai/conversations", {}).json()["id"]
    asked = sdk.responses.create(
        model="m", input=ASK, tools=[WEATHER], tool_choice="required", conversation=conversation
    )
    call = asked.output[0]
    again: Any = [call.model_dump(), {"type": "function_call_output", "call_id": call.call_id, "output": "3"}]

    sdk.responses.create(model="m", input=again, conversation=conversation)

    assert [m["role"] for m in messages(client, conversation)] == ["user", "assistant", "tool", "assistant"]


def test_what_a_tool_said_in_a_conversation_is_part_of_the_prompt_of_what_follows(sdk, client):
    conversation = client.post("/ai/conversations", {}).json()["id"]
    asked = sdk.responses.create(
        model="m", input=ASK, tools=[WEATHER], tool_choice="required", conversation=conversation
    )
    output: Any = {"type": "function_call_output", "call_id": asked.output[0].call_id, "output": "rain " * 500}
    sdk.responses.create(model="m", input=[output], conversation=conversation)

    later = sdk.responses.create(model="m", input="And tomorrow?", conversation=conversation)

    assert asked.usage.input_tokens < 100 and later.usage.input_tokens > 500


def test_a_streamed_response_is_kept_too(sdk, client):
    conversation = client.post("/ai/conversations", {}).json()["id"]

    list(sdk.responses.create(model="m", input=ASK, conversation=conversation, stream=True))

    assert [m["role"] for m in messages(client, conversation)] == ["user", "assistant"]


def test_another_accounts_conversation_is_unknown(sdk, client):
    conversation = client.as_key("another-key-of-its-own").post("/ai/conversations", {}).json()["id"]

    with pytest.raises(openai.NotFoundError) as raised:
        sdk.responses.create(model="m", input=ASK, conversation=conversation)
    assert raised.value.response.json()["errors"][0]["code"] == "10005"


INVALID: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "an item that is none": ({"input": [3]}, ["body", "input", 0]),
    "input that is none": ({"input": 3}, ["body", "input"]),
    "role": ({"input": [{"role": "wizard", "content": "hi"}]}, ["body", "input", 0, "role"]),
    "no type": ({"input": [{"text": "hi"}]}, ["body", "input", 0, "type"]),
    "content": ({"input": [{"role": "user", "content": 3}]}, ["body", "input", 0, "content"]),
    "output without call": (
        {"input": [{"type": "function_call_output", "output": "x"}]},
        ["body", "input", 0, "call_id"],
    ),
    "call without name": (
        {"input": [{"type": "function_call", "call_id": "c", "arguments": ""}]},
        ["body", "input", 0, "name"],
    ),
    "NUL": ({"input": "a\0b"}, ["body", "input"]),
    "tool without name": ({"tools": [{"type": "function"}]}, ["body", "tools", 0, "name"]),
    "parameters": ({"tools": [{"type": "function", "name": "f", "parameters": 3}]}, ["body", "tools", 0, "parameters"]),
    "format": ({"text": {"format": {"type": "xml"}}}, ["body", "text", "format", "type"]),
    "cap": ({"max_output_tokens": 0}, ["body", "max_output_tokens"]),
    "effort": ({"reasoning": {"effort": "huge"}}, ["body", "reasoning", "effort"]),
}


@pytest.mark.parametrize(("body", "loc"), INVALID.values(), ids=INVALID)
def test_what_makes_no_sense_is_unprocessable(client, body, loc):
    answer = client.post(PATHS[0], body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc


@pytest.mark.parametrize(
    "body",
    [{"tool_choice": {"type": "function", "name": "g"}, "tools": [WEATHER]}, {"tool_choice": "required"}],
    ids=["not among tools", "no tools"],
)
def test_a_tool_choice_that_cannot_be_met_is_refused(client, body):
    answer = client.post(PATHS[0], {"input": "hi", **body})

    assert answer.status_code == 400 and "tool_choice" in answer.json()["errors"][0]["detail"]


def test_stub_takes_whatever_comes(start):
    client = start(profile="stub")

    for input in (
        3,
        {"foo": "bar"},
        [3, {"role": "wizard", "content": 4}, {"type": "function_call_output"}],
        [[]],
        True,
        "a\0b",
        [{"role": "user", "content": "a\0b"}, {"type": "function_call_output", "call_id": "a\0", "output": "\0"}],
    ):
        answer = client.post(PATHS[0], {"input": input, "conversation": "unknown", "tools": [{"type": "function"}]})
        assert answer.status_code == 200, answer.text


def test_paced_streams_wait_for_tokens_only(start):
    client = start(tokens_per_second=10_000, time_to_first_token=0.01)

    answer = client.post(PATHS[0], {"input": "hi", "stream": True})

    assert answer.text.count("event: ") > 10


def test_a_number_that_json_does_not_have_is_not_sent_back(client):
    answer = client.request(
        "POST", PATHS[0], content='{"metadata": {"a": NaN}}', headers={"content-type": "application/json"}
    )

    assert answer.status_code == 422 or answer.json()["metadata"] == {"a": None}


def test_a_limit_of_tokens_counts_responses_too(client):
    client.admin("PUT", "/limits", json={"limits": ["tokens=10/minute"]})

    statuses = [client.post(path, {"input": ASK}).status_code for path in PATHS]

    assert statuses == [200, 429]
