"""The official openai SDK, at both base URLs that the vendor documents for it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

ASK: Any = [{"role": "user", "content": "What is the weather in Chicago?"}]
REASONER = "moonshotai/Kimi-K2.6"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 2, "maximum": 7},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def shared() -> Iterator[openai.OpenAI]:
    """One pool of connections for all tests: making one takes longer than most of them."""
    with openai.OpenAI(api_key="unused", base_url="http://unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(params=["/ai", "/ai/openai"])
def sdk(shared, client, request) -> openai.OpenAI:
    return shared.with_options(api_key=client.key, base_url=client.v2 + request.param)


def content(chunks: list[ChatCompletionChunk], index: int = 0) -> str:
    """What a client puts together from a stream."""
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)


def test_chat(sdk):
    answer = sdk.chat.completions.create(model="openai/gpt-4o", messages=ASK)
    assert (answer.object, answer.model) == ("chat.completion", "openai/gpt-4o")
    assert answer.choices[0].message.role == "assistant"
    assert "What is the weather in Chicago?" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_request_id_that_the_sdk_shows_is_the_journals(sdk, client):
    answer = sdk.chat.completions.create(model="m", messages=ASK)
    assert answer._request_id == client.journal()[0]["id"]


def test_async_chat_and_stream(client):
    async def ask() -> tuple[str | None, str]:
        async with openai.AsyncOpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai", max_retries=0) as sdk:
            whole = await sdk.chat.completions.create(model="m", messages=ASK)
            stream = await sdk.chat.completions.create(model="m", messages=ASK, stream=True)
            return whole.choices[0].message.content, content([chunk async for chunk in stream])

    whole, streamed = asyncio.run(ask())
    assert whole and whole == streamed


def test_stream_has_one_role_one_finish_and_the_whole_text(sdk):
    whole = sdk.chat.completions.create(model="m", messages=ASK)
    chunks = list(sdk.chat.completions.create(model="m", messages=ASK, stream=True))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [c.delta.role for c in choices if c.delta.role] == ["assistant"] and choices[0].delta.role == "assistant"
    assert [c.finish_reason for c in choices if c.finish_reason] == ["stop"] and choices[-1].finish_reason == "stop"
    assert content(chunks) == whole.choices[0].message.content
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_with_usage_ends_in_the_usage_of_the_plain_answer(sdk):
    whole = sdk.chat.completions.create(model="m", messages=ASK)
    options: Any = {"include_usage": True}
    chunks = list(sdk.chat.completions.create(model="m", messages=ASK, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert all(chunk.usage is None and chunk.choices for chunk in chunks[:-1])


def test_stream_helper_puts_the_same_completion_together(sdk):
    whole = sdk.chat.completions.create(model="m", messages=ASK)
    with sdk.chat.completions.stream(model="m", messages=ASK) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
    ],
    ids=["required", "named-first", "named-second"],
)
def test_a_tool_is_called_with_arguments_of_its_schema(sdk, choice, called):
    answer = sdk.chat.completions.create(model="m", messages=ASK, tools=[WEATHER, CLOCK], tool_choice=choice)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls" and message.content is None
    (call,) = message.tool_calls or []
    assert call.type == "function" and call.function.name == called and call.id.startswith("call_")
    schema = {tool["function"]["name"]: tool["function"]["parameters"] for tool in (WEATHER, CLOCK)}[called]
    jsonschema.validate(json.loads(call.function.arguments), schema)


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_no_tool_is_called_unless_it_must(sdk, choice):
    answer = sdk.chat.completions.create(model="m", messages=ASK, tools=[WEATHER], tool_choice=choice)
    assert answer.choices[0].message.tool_calls is None and answer.choices[0].message.content


def test_a_streamed_tool_call_adds_up(sdk):
    stream = sdk.chat.completions.create(model="m", messages=ASK, tools=[WEATHER], tool_choice="required", stream=True)
    choices = [choice for chunk in stream for choice in chunk.choices]
    calls = [call for choice in choices for call in choice.delta.tool_calls or []]
    assert calls[0].function and (calls[0].id, calls[0].type, calls[0].function.name) != (None, None, None)
    assert [call.function.name for call in calls if call.function and call.function.name] == ["get_weather"]
    arguments = "".join(call.function.arguments or "" for call in calls if call.function)
    jsonschema.validate(json.loads(arguments), WEATHER["function"]["parameters"])
    assert choices[-1].finish_reason == "tool_calls" and {call.index for call in calls} == {0}


def test_a_tool_conversation_comes_back_to_text(sdk):
    first = sdk.chat.completions.create(model="m", messages=ASK, tools=[WEATHER], tool_choice="required")
    (call,) = first.choices[0].message.tool_calls or []
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 3}'}
    history = [*ASK, first.choices[0].message.model_dump(exclude_none=True), result]
    second = sdk.chat.completions.create(model="m", messages=history, tools=[WEATHER])
    assert second.choices[0].message.content and second.choices[0].finish_reason == "stop"


def test_three_choices_are_three_texts_streamed_and_not(sdk):
    whole = sdk.chat.completions.create(model="m", messages=ASK, n=3)
    chunks = list(sdk.chat.completions.create(model="m", messages=ASK, n=3, stream=True))
    texts = [choice.message.content for choice in whole.choices]
    assert [choice.index for choice in whole.choices] == [0, 1, 2] and len(set(texts)) == 3
    assert [content(chunks, index) for index in range(3)] == texts


def test_stop_ends_the_text_before_the_stop_string(sdk):
    whole = sdk.chat.completions.create(model="m", messages=ASK).choices[0].message.content or ""
    for stop in ("canned", ["nowhere in it", "canned"]):
        choice = sdk.chat.completions.create(model="m", messages=ASK, stop=stop).choices[0]
        assert choice.message.content == whole.partition("canned")[0] and choice.finish_reason == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_five_tokens_and_no_more(sdk, name):
    cap: Any = {name: 5}
    whole = sdk.chat.completions.create(model="m", messages=ASK, **cap)
    chunks = list(
        sdk.chat.completions.create(model="m", messages=ASK, stream=True, stream_options={"include_usage": True}, **cap)
    )
    assert whole.usage and whole.usage.completion_tokens == 5 and whole.choices[0].finish_reason == "length"
    assert chunks[-1].usage == whole.usage and chunks[-2].choices[0].finish_reason == "length"
    assert content(chunks) == whole.choices[0].message.content
    assert sum(bool(c.delta.content) for chunk in chunks for c in chunk.choices) == 5


def test_logprobs_cover_the_text_token_by_token(sdk):
    choice = sdk.chat.completions.create(model="m", messages=ASK, logprobs=True, top_logprobs=2).choices[0]
    assert choice.logprobs and choice.logprobs.content
    rows = choice.logprobs.content
    assert "".join(row.token for row in rows) == choice.message.content
    assert all(row.logprob <= 0 and bytes(row.bytes or []).decode() == row.token for row in rows)
    assert all(len(row.top_logprobs) == 2 and row.top_logprobs[0].token == row.token for row in rows)


def test_logprobs_are_streamed_too_and_absent_unless_asked_for(sdk):
    chunks = list(sdk.chat.completions.create(model="m", messages=ASK, logprobs=True, stream=True))
    rows = [row for chunk in chunks for c in chunk.choices if c.logprobs for row in c.logprobs.content or []]
    assert "".join(row.token for row in rows) == content(chunks)
    assert all(row.top_logprobs == [] for row in rows)
    assert sdk.chat.completions.create(model="m", messages=ASK).choices[0].logprobs is None


def test_a_seed_repeats_and_another_may_differ(sdk):
    def said(seed: int) -> str | None:
        return sdk.chat.completions.create(model="m", messages=ASK, seed=seed).choices[0].message.content

    assert said(42) == said(42)
    assert len({said(seed) for seed in range(8)}) > 1


def test_json_object_is_an_object(sdk):
    answer = sdk.chat.completions.create(model="m", messages=ASK, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_parse_gives_an_instance_of_the_model(sdk):
    class Place(BaseModel):
        city: str
        population: int

    answer = sdk.chat.completions.parse(model="m", messages=ASK, response_format=Place)
    assert isinstance(answer.choices[0].message.parsed, Place)


def test_a_reasoning_model_thinks_before_it_speaks(sdk):
    whole: Any = sdk.chat.completions.create(model=REASONER, messages=ASK).choices[0].message
    deltas: list[Any] = [
        choice.delta
        for chunk in sdk.chat.completions.create(model=REASONER, messages=ASK, stream=True)
        for choice in chunk.choices
    ]
    thoughts = [n for n, delta in enumerate(deltas) if getattr(delta, "reasoning_content", None)]
    words = [n for n, delta in enumerate(deltas) if delta.content]
    assert whole.reasoning_content and max(thoughts) < min(words)
    assert "".join(deltas[n].reasoning_content for n in thoughts) == whole.reasoning_content


@pytest.mark.parametrize(
    "fields",
    [
        {"model": REASONER, "extra_body": {"enable_thinking": False}},
        {"model": REASONER, "reasoning_effort": "none"},
        {"model": "openai/gpt-4o"},
    ],
    ids=["thinking-off", "no-effort", "no-reasoner"],
)
def test_without_reasoning_the_key_is_left_out(sdk, fields):
    whole = sdk.chat.completions.create(messages=ASK, **fields).choices[0].message
    stream = sdk.chat.completions.create(messages=ASK, stream=True, **fields)
    assert "reasoning_content" not in whole.model_dump() and whole.content
    assert all("reasoning_content" not in c.delta.model_dump() for chunk in stream for c in chunk.choices)


def test_models_list(sdk):
    models = {model.id: model for model in sdk.models.list()}
    assert REASONER in models and models[REASONER].object == "model" and models[REASONER].owned_by


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, openai.BadRequestError, "10015"),
        (401, openai.AuthenticationError, "10009"),
        (403, openai.PermissionDeniedError, "10010"),
        (404, openai.NotFoundError, "10005"),
        (409, openai.ConflictError, "10036"),
        (429, openai.RateLimitError, "10011"),
        (500, openai.InternalServerError, "10007"),
        (503, openai.InternalServerError, "10016"),
    ],
)
def test_errors_are_the_sdks_own_with_the_vendors_body(sdk, status, kind, code):
    with pytest.raises(kind) as raised:
        sdk.chat.completions.create(model="m", messages=ASK, extra_headers={"x-mock-fault": str(status)})
    body: Any = raised.value.response.json()
    assert raised.value.status_code == status and body["errors"][0]["code"] == code


def test_a_broken_request_is_unprocessable(sdk):
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        sdk.chat.completions.create(model="m", messages=[{"role": "wizard", "content": "hi"}])
    body: Any = raised.value.response.json()
    assert body["detail"][0]["loc"] == ["body", "messages", 0, "role"]


class Impatient(openai.OpenAI):
    """Retries as the SDK does, but notes the wait instead of waiting."""

    waits: list[float]

    def _calculate_retry_timeout(self, *args: Any, **options: Any) -> float:
        self.waits.append(super()._calculate_retry_timeout(*args, **options))
        return 0


def test_retries_end_in_one_good_answer_and_are_in_the_journal(client):
    limited = client.as_key(f"mock-fault-429-twice-{client.key}")
    with Impatient(api_key=limited.key, base_url=limited.v2 + "/ai/openai") as sdk:
        sdk.waits = []
        answer = sdk.chat.completions.create(model="m", messages=ASK)
    assert answer.choices[0].message.content
    assert [entry["status"] for entry in limited.journal()] == [200, 429, 429]
    assert sdk.waits == [1, 1], "the SDK waits as long as retry-after says"


def test_without_retries_there_is_one_exchange(client):
    limited = client.as_key(f"mock-fault-429-{client.key}")
    sdk = openai.OpenAI(api_key=limited.key, base_url=limited.v2 + "/ai", max_retries=0)
    with sdk, pytest.raises(openai.RateLimitError):
        sdk.chat.completions.create(model="m", messages=ASK)
    assert [entry["status"] for entry in limited.journal()] == [429]
