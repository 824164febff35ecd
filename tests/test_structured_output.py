"""Structured output at the wire: what comes out fits what was asked for, in every dialect, and what cannot be is refused."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import anthropic
import jsonschema
import openai
import pytest
import yaml
from pydantic import BaseModel, Field

CORPUS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "schemas.yaml").read_text(encoding="utf-8"))
OBJECTS = {
    name: schema for name, schema in CORPUS.items() if isinstance(schema, dict) and schema.get("type") == "object"
}
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
IMPOSSIBLE = {"type": "integer", "minimum": 5, "maximum": 4}
TOLD = "The JSON schema cannot be satisfied: nothing was found that fits it."


class Line(BaseModel):
    sku: str = Field(pattern=r"^[A-Z]{2}-\d{3}$")
    quantity: int = Field(ge=1, le=9)


class Order(BaseModel):
    id: int
    state: Literal["open", "paid"]
    lines: list[Line] = Field(min_length=2)
    parent: "Order | None"


class Lookup(BaseModel):
    """Find an order."""

    number: int = Field(gt=1000)
    fields: list[Literal["state", "lines"]] = Field(min_length=1)


@pytest.fixture
def sdk(client):
    with openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
def claude(client):
    with anthropic.Anthropic(auth_token=client.key, base_url=client.v2 + "/ai/anthropic", max_retries=0) as sdk:
        yield sdk


def assert_fits(text: str, schema: Any) -> None:
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(json.loads(text))


def said(answer) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def wants(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}


def test_every_schema_of_the_corpus_by_response_format_and_guided_json(client):
    for name, schema in CORPUS.items():
        if isinstance(schema, dict) and schema:
            assert_fits(said(client.chat(response_format=wants(schema))), schema), name
            assert_fits(said(client.chat(guided_json=schema, seed=7)), schema), name


def test_every_object_schema_of_the_corpus_as_a_tools_arguments(client):
    assert len(OBJECTS) > 70
    for name, schema in OBJECTS.items():
        tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
        message = client.chat(tools=[tool], tool_choice="required").json()["choices"][0]["message"]
        assert_fits(message["tool_calls"][0]["function"]["arguments"], schema), name


def test_the_same_seed_says_the_same_and_another_something_else(client):
    schema = {"type": "object", "properties": {"score": {"type": "integer", "maximum": 10**6, "minimum": 0}}}

    first, again, other = (said(client.chat(guided_json=schema, seed=seed)) for seed in (1, 1, 2))

    assert first == again != other


def test_choices_differ_where_the_schema_lets_them(client):
    answer = client.chat(guided_json={"type": "integer", "minimum": 0, "maximum": 10**9}, n=4).json()

    assert len({choice["message"]["content"] for choice in answer["choices"]}) == 4


@pytest.mark.timeout(20)
def test_many_choices_of_a_schema_that_takes_its_time_come_soon(client):
    branches = [
        {"type": "object", "properties": {"k": {"const": n}, "v": {"not": {"minimum": -n}}}} for n in range(100)
    ]
    schema = {"type": "array", "minItems": 40, "items": {"oneOf": branches}}

    answer = client.chat(guided_json=schema, n=128)

    assert answer.status_code in (200, 400)


def test_parse_of_chat_and_of_the_responses_api(sdk):
    by_chat = sdk.chat.completions.parse(model="m", messages=[{"role": "user", "content": "hi"}], response_format=Order)
    by_responses = sdk.responses.parse(model="m", input="hi", text_format=Order)

    assert isinstance(by_chat.choices[0].message.parsed, Order)
    assert by_responses.output_parsed == by_chat.choices[0].message.parsed


def test_parse_of_tool_arguments(sdk):
    chat_tool, tool = openai.pydantic_function_tool(Lookup), openai.pydantic_function_tool(Lookup)["function"]
    by_chat = sdk.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "hi"}], tools=[chat_tool], tool_choice="required"
    )
    by_responses = sdk.responses.parse(
        model="m", input="hi", tools=[{"type": "function", **tool}], tool_choice={"type": "function", "name": "Lookup"}
    )

    assert isinstance(by_chat.choices[0].message.tool_calls[0].function.parsed_arguments, Lookup)
    assert isinstance(by_responses.output[0].parsed_arguments, dict | Lookup)


def test_parse_of_streams(sdk):
    with sdk.chat.completions.stream(
        model="m", messages=[{"role": "user", "content": "hi"}], response_format=Order
    ) as chat:
        by_chat = chat.get_final_completion().choices[0].message.parsed
    with sdk.responses.stream(model="m", input="hi", text_format=Order) as responses:
        by_responses = responses.get_final_response().output_parsed

    assert isinstance(by_chat, Order) and by_chat == by_responses


def test_parse_of_anthropics_sdk(claude):
    class Place(BaseModel):
        city: str
        population: int

    ask: Any = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}

    assert isinstance(claude.messages.parse(**ask, output_format=Place).parsed_output, Place)


def test_a_guided_choice_is_one_of_them(client):
    choices = [client.chat(guided_choice=["yes", "no", "maybe"], seed=seed) for seed in range(12)]

    assert {said(answer) for answer in choices} == {"yes", "no", "maybe"}


@pytest.mark.parametrize(
    "regex", [r"\d{3}-\d{4}", r"(red|green)+", r"^[A-Z][a-z]{2,8}$", r"(?=.*\d)[a-z\d]{6}", r"\w+@\w+\.com", ""]
)
def test_a_guided_regex_matches_from_end_to_end(client, regex):
    for seed in (None, 1, 2, 3):
        assert re.fullmatch(regex, said(client.chat(guided_regex=regex, seed=seed)))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "regex", ["[", "(a+)+" * 20 + r"\1{999}$", "(((a{999}){999}){999}){999}", "a(?=b)c", "a{100000}", "(" * 5000]
)
def test_a_guided_regex_that_cannot_be_or_would_take_forever_is_refused(client, regex):
    answer = client.chat(guided_regex=regex)
    (error,) = answer.json()["errors"]

    assert (answer.status_code, error["code"], error["source"]) == (400, "10015", {"pointer": "/guided_regex"})
    assert error["detail"].startswith("guided_regex cannot be satisfied: ")


def refused(client, path: str, **body: Any) -> str:
    answer = client.post(path, body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "10015")
    return error["detail"]


def test_a_schema_that_nothing_fits_is_refused_everywhere(client):
    messages = [{"role": "user", "content": "hi"}]
    tool = {"name": "f", "parameters": IMPOSSIBLE}
    chat, responses, claude = "/ai/openai/chat/completions", "/ai/openai/responses", "/ai/anthropic/v1/messages"
    shape = {"type": "json_schema", "name": "it", "schema": IMPOSSIBLE}

    assert refused(client, chat, messages=messages, response_format=wants(IMPOSSIBLE)) == TOLD
    assert refused(client, chat, messages=messages, guided_json=IMPOSSIBLE) == TOLD
    function = {"type": "function", "function": tool}
    assert refused(client, chat, messages=messages, tools=[function], tool_choice="required") == TOLD
    assert refused(client, responses, input="hi", text={"format": shape}) == TOLD
    assert refused(client, responses, input="hi", tools=[{"type": "function", **tool}], tool_choice="required") == TOLD
    claudes = [{"name": "f", "input_schema": IMPOSSIBLE}]
    ask = {"model": "m", "max_tokens": 9, "messages": messages}
    assert refused(client, claude, **ask, tools=claudes, tool_choice={"type": "any"}) == TOLD


def test_what_is_wrong_with_a_schema_is_said(client):
    schema = {"type": "object", "properties": {"a": {"type": "strin"}}}

    assert "#/properties/a/type is not one of string, integer" in refused(
        client, "/ai/chat/completions", messages=[{"role": "user", "content": "hi"}], guided_json=schema
    )


@pytest.mark.timeout(20)
def test_a_large_enum_is_refused_soon(client):
    detail = refused(
        client, "/ai/chat/completions", messages=[{"role": "user", "content": "hi"}],
        guided_json={"enum": [f"value {n}" for n in range(150_000)]},
    )  # fmt: skip

    assert "too large" in detail


def test_a_text_of_the_users_own_is_said_as_it_stands(client):
    rule = {"match": {"user_text": "break it"}, "reply": {"text": '{"id": "no number"'}}
    assert client.admin("POST", "/replies", json=rule).status_code in (200, 201)

    assert said(client.chat("break it", response_format=wants({"type": "object"}))) == '{"id": "no number"'
