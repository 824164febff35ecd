"""The vendor's own SDK: chat, models, messages, its typed errors and its retries."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import telnyx

ASK: Any = [{"role": "user", "content": "Hello from the vendor's SDK"}]


@pytest.fixture(scope="module")
def shared() -> Iterator[telnyx.Telnyx]:
    """One pool of connections for all tests: making one takes longer than most of them."""
    with telnyx.Telnyx(api_key="unused", base_url="http://unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def sdk(shared, client) -> telnyx.Telnyx:
    return shared.with_options(api_key=client.key, base_url=client.v2)


class Impatient(telnyx.Telnyx):
    """Retries as the SDK does, but notes the wait instead of waiting."""

    waits: list[float]

    def _calculate_retry_timeout(self, *args: Any, **options: Any) -> float:
        self.waits.append(super()._calculate_retry_timeout(*args, **options))
        return 0


def impatient(client: Any) -> Impatient:
    sdk = Impatient(api_key=client.key, base_url=client.v2)
    sdk.waits = []
    return sdk


def test_chat(sdk):
    answer: Any = sdk.ai.openai.chat.create_completion(messages=ASK, model="zai-org/GLM-5.2", max_tokens=5)
    assert (answer["object"], answer["model"]) == ("chat.completion", "zai-org/GLM-5.2")
    assert answer["choices"][0]["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 5


def test_chat_takes_every_argument_of_the_sdk(sdk):
    answer: Any = sdk.ai.openai.chat.create_completion(
        messages=ASK, api_key_ref="my-secret", best_of=2, early_stopping=True, enable_thinking=False,
        frequency_penalty=0.5, length_penalty=1.5, logprobs=True, max_tokens=None, min_p=0.1, mode="preferred",
        model="moonshotai/Kimi-K2.6", n=2, presence_penalty=0.5, reasoning_effort="high", region="USA",
        response_format={"type": "json_object"}, seed=7, service_tier="flex", stop=["never said"], stream=False,
        temperature=0.7, tool_choice="auto", top_logprobs=3, top_p=0.9, use_beam_search=True,
        tools=[{"type": "retrieval", "retrieval": {"bucket_ids": ["b"], "max_num_results": 3}}],
    )  # fmt: skip
    assert len(answer["choices"]) == 2 and answer["service_tier"] == "flex"
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), dict)


def test_a_stream_is_the_raw_text_because_this_sdk_does_not_decode_it(sdk):
    text: Any = sdk.ai.openai.chat.create_completion(messages=ASK, stream=True)
    assert isinstance(text, str) and text.startswith("data: {") and text.endswith("data: [DONE]\n\n")


def test_async_chat(client):
    async def ask() -> Any:
        async with telnyx.AsyncTelnyx(api_key=client.key, base_url=client.v2) as sdk:
            return await sdk.ai.openai.chat.create_completion(messages=ASK)

    assert "Hello from the vendor's SDK" in asyncio.run(ask())["choices"][0]["message"]["content"]


def test_list_models(sdk):
    models = {model.id: model for model in sdk.ai.openai.list_models().data}
    model = models["moonshotai/Kimi-K2.6"]
    assert isinstance(model.created, datetime) and model.created.tzinfo is not None
    assert model.organization == "moonshotai" and model.tier in ("small", "medium", "large", "unlisted")
    assert model.languages == ["en"] and model.parameters == 1_000_000_000_000 and model.is_vision_supported


def test_messages_send(sdk):
    sent = sdk.messages.send(to="+13125550001", from_="+13125550002", text="Hello").data
    assert sent and sent.id and sent.text == "Hello" and sent.to and sent.to[0].phone_number == "+13125550001"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, telnyx.BadRequestError),
        (401, telnyx.AuthenticationError),
        (403, telnyx.PermissionDeniedError),
        (404, telnyx.NotFoundError),
        (409, telnyx.ConflictError),
        (422, telnyx.UnprocessableEntityError),
        (429, telnyx.RateLimitError),
        (500, telnyx.InternalServerError),
        (503, telnyx.InternalServerError),
    ],
)
def test_typed_errors(sdk, client, status, kind):
    with pytest.raises(kind) as raised:
        sdk.ai.openai.list_models(extra_headers={"x-mock-fault": str(status)})
    assert raised.value.status_code == status
    assert [entry["status"] for entry in client.journal()] == [status]


def test_a_key_that_is_not_accepted(start):
    sdk = telnyx.Telnyx(api_key="wrong", base_url=start(api_key=("the-right-one",)).v2)
    with sdk, pytest.raises(telnyx.AuthenticationError) as raised:
        sdk.ai.openai.chat.create_completion(messages=ASK)
    body: Any = raised.value.body
    assert body["errors"][0]["code"] == "10009"


def test_a_broken_body_is_unprocessable(sdk):
    nonsense: Any = "not a list"
    with pytest.raises(telnyx.UnprocessableEntityError) as raised:
        sdk.ai.openai.chat.create_completion(messages=ASK, extra_body={"messages": nonsense})
    body: Any = raised.value.body
    assert body["detail"][0]["loc"] == ["body", "messages"]


@pytest.mark.parametrize(("times", "statuses"), [("once", [200, 429]), ("twice", [200, 429, 429])])
def test_retries_are_counted_in_the_journal(client, times, statuses):
    limited = client.as_key(f"mock-fault-429-{times}-{client.key}")
    with impatient(limited) as sdk:
        assert sdk.ai.openai.chat.create_completion(messages=ASK)
    assert [entry["status"] for entry in limited.journal()] == statuses
    assert sdk.waits == [1] * (len(statuses) - 1), "the SDK waits as long as retry-after says"


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_an_error_that_stays_is_met_three_times(client, status):
    failing = client.as_key(f"mock-fault-{status}-{client.key}")
    with impatient(failing) as sdk, pytest.raises(telnyx.APIStatusError) as raised:
        sdk.ai.openai.list_models()
    assert raised.value.status_code == status
    assert [entry["status"] for entry in failing.journal()] == [status] * 3


def test_max_retries_zero_gives_up_at_once(client):
    limited = client.as_key(f"mock-fault-429-{client.key}")
    sdk = telnyx.Telnyx(api_key=limited.key, base_url=limited.v2, max_retries=0)
    with sdk, pytest.raises(telnyx.RateLimitError):
        sdk.ai.openai.list_models()
    assert len(limited.journal()) == 1


def test_a_connection_closed_without_an_answer_is_a_connection_error(sdk, client):
    with pytest.raises(telnyx.APIConnectionError):
        sdk.ai.openai.list_models(extra_headers={"x-mock-fault": "timeout=0"})
    assert [(entry["status"], entry["ended"]) for entry in client.journal()] == [(0, "cut")]
