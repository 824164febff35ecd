"""POST /ai/chat/completions and its twin under /ai/openai, at the wire."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

PATHS = ["/ai/chat/completions", "/ai/openai/chat/completions"]
HI = [{"role": "user", "content": "hi"}]
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
RETRIEVAL = {"type": "retrieval", "retrieval": {"bucket_ids": ["b1"], "max_num_results": 3}}


def said(answer: httpx.Response) -> str:
    return answer.json()["choices"][0]["message"]["content"]


def events(answer: httpx.Response) -> list[str]:
    """The data of each server-sent event; fails where the body is anything but `data: ...` and blank lines."""
    *parts, rest = answer.text.split("\n\n")
    assert rest == "" and all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [part.removeprefix("data: ") for part in parts]


@pytest.mark.parametrize("path", PATHS)
def test_only_messages_is_required(client, path):
    answer = client.post(path, {"messages": HI})
    body = answer.json()
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert body["object"] == "chat.completion" and isinstance(body["created"], int)
    assert body["model"] == "meta-llama/Meta-Llama-3.1-8B-Instruct"
    assert body["choices"][0]["message"]["role"] == "assistant" and body["choices"][0]["logprobs"] is None


def test_both_paths_say_the_same(client):
    assert said(client.post(PATHS[0], {"messages": HI})) == said(client.post(PATHS[1], {"messages": HI}))


def test_the_reply_says_what_it_echoes_and_that_it_is_canned(client):
    text = said(client.chat("The quick brown fox", model="some/model"))
    assert "The quick brown fox" in text and "some/model" in text and "canned" in text


def test_the_last_user_message_is_echoed(client):
    turns = [("system", "Be kind."), ("user", "first"), ("assistant", "ok"), ("user", "second"), ("assistant", "and?")]
    messages = [{"role": role, "content": content} for role, content in turns]
    text = said(client.post(PATHS[0], {"messages": messages}))
    assert "second" in text and "first" not in text


# A request that comes again is not thought over again. Nobody may see that.


@pytest.mark.parametrize("more", [{}, {"n": 3}, {"max_tokens": 2}, {"logprobs": True}, {"stop": "canned"}])
def test_a_request_that_comes_again_is_answered_the_same_but_for_its_id(client, more):
    first, second, third = [client.chat(**more).json() for _ in range(3)]
    assert len({first.pop("id"), second.pop("id"), third.pop("id")}) == 3
    assert first == second == third and first["usage"]["completion_tokens"] > 0


def test_a_reply_counts_at_once_for_a_request_that_came_before(client):
    before = said(client.chat())
    client.http.post(client.url + "/_mock/replies", json={"reply": {"text": "mine", "finish_reason": "length"}})
    assert said(client.chat()) == said(client.chat()) == "mine"
    client.http.delete(client.url + "/_mock/replies")
    after = client.chat().json()["choices"][0]
    assert after["message"]["content"] == before and after["finish_reason"] == "stop"


def test_a_call_that_must_be_has_another_id_each_time(client):
    wanted = {"tools": [TOOL], "tool_choice": "required"}
    answers = [client.chat(**wanted).json()["choices"][0]["message"] for _ in range(3)]
    assert len({answer["tool_calls"][0]["id"] for answer in answers}) == 3


def test_ids_differ_from_answer_to_answer(client):
    assert client.chat().json()["id"] != client.chat().json()["id"]


@pytest.mark.parametrize(
    "text", ["héllo ✓ 你好 🎉", 'quotes " and \\ and \n lines', "{{user_text}} {{model}}", "\x01\x7f"]
)
def test_any_text_comes_back_whole_streamed_or_not(client, text):
    plain = said(client.chat(text))
    chunks = [json.loads(data) for data in events(client.chat(text, stream=True))[:-1]]
    assert text in plain
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == plain


# Content in every form


@pytest.mark.parametrize("image", ["https://example.com/a.png", {"url": "https://example.com/a.png", "detail": "low"}])
def test_content_as_parts_with_an_image_in_either_spelling(client, image):
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": image}]
    answer = client.post(PATHS[0], {"messages": [{"role": "user", "content": parts}]})
    assert answer.status_code == 200 and "What is this?" in said(answer)


def test_tool_messages_and_null_content_beside_tool_calls(client):
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    absent = {"role": "assistant", "tool_calls": [call]}
    null = {**absent, "content": None}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "seen"}
    for assistant in (absent, null):
        answer = client.post(PATHS[0], {"messages": [*HI, assistant, result], "tools": [TOOL]})
        assert answer.status_code == 200 and answer.json()["choices"][0]["finish_reason"] == "stop"


def test_unknown_fields_are_ignored_everywhere_the_schema_is_open(client):
    body = {
        "messages": [{"role": "user", "content": "hi", "cache_control": {"type": "ephemeral"}}],
        "tools": [{**TOOL, "function": {**TOOL["function"], "strict": True}, "x": 1}],
        "user": "me", "parallel_tool_calls": True, "metadata": {"a": "b"}, "logit_bias": {"1": 2}, "no_such_field": [None],
    }  # fmt: skip
    assert client.post(PATHS[0], body).status_code == 200


FIELDS = {
    "api_key_ref": "secret-name", "best_of": 2, "early_stopping": True, "enable_thinking": False, "frequency_penalty": 0.5,
    "guided_choice": ["yes", "no"], "guided_json": {"type": "object"}, "guided_regex": "[a-z]+", "length_penalty": 1.2,
    "logprobs": True, "max_tokens": 5, "max_completion_tokens": 5, "min_p": 0.1, "mode": "preferred", "model": "any/model",
    "n": 2.0, "presence_penalty": 0, "reasoning_effort": "xhigh", "region": "AUS", "seed": -1, "service_tier": "priority",
    "response_format": {"type": "text"}, "stop": ["a", "b", "c", "d"], "stream": False, "temperature": 0,
    "tool_choice": "none", "tools": [TOOL, RETRIEVAL], "top_logprobs": 20, "top_p": 1, "use_beam_search": True,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), FIELDS.items(), ids=FIELDS)
def test_every_documented_field_is_accepted(client, name, value):
    assert client.chat(**{name: value}).status_code == 200


WRONG = [
    ({"messages": 5}, ["messages"]),
    ({"messages": [5]}, ["messages", 0]),
    ({"messages": [{"content": "hi"}]}, ["messages", 0, "role"]),
    ({"messages": [{"role": "developer", "content": "hi"}]}, ["messages", 0, "role"]),
    ({"messages": [{"role": "user"}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": None}]}, ["messages", 0, "content"]),
    ({"model": 5}, ["model"]),
    ({"stream": "perhaps"}, ["stream"]),
    ({"temperature": "warm"}, ["temperature"]),
    ({"max_tokens": 1.5}, ["max_tokens"]),
    ({"max_tokens": 0}, ["max_tokens"]),
    ({"n": 0}, ["n"]),
    ({"n": 1.5}, ["n"]),
    ({"min_p": 1.1}, ["min_p"]),
    ({"top_logprobs": 21}, ["top_logprobs"]),
    ({"logprobs": "all"}, ["logprobs"]),
    ({"best_of": "two"}, ["best_of"]),
    ({"seed": 1.5}, ["seed"]),
    ({"guided_json": []}, ["guided_json"]),
    ({"guided_choice": "yes"}, ["guided_choice"]),
    ({"response_format": {}}, ["response_format", "type"]),
    ({"response_format": {"type": "xml"}}, ["response_format", "type"]),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, ["response_format", "json_schema", "name"]),
    ({"reasoning_effort": "extreme"}, ["reasoning_effort"]),
    ({"region": "MARS"}, ["region"]),
    ({"mode": "strictest"}, ["mode"]),
    ({"tools": {}}, ["tools"]),
    ({"tools": [{"type": "browser"}]}, ["tools", 0]),
]


@pytest.mark.parametrize(("fields", "loc"), WRONG, ids=[json.dumps(fields) for fields, _ in WRONG])
def test_what_breaks_the_schema_is_told_with_its_place(client, fields, loc):
    answer = client.post(PATHS[0], {"messages": HI, **fields})
    body = answer.json()
    assert answer.status_code == 422 and list(body) == ["detail"]
    assert [set(item) for item in body["detail"]] == [{"loc", "msg", "type"}]
    assert body["detail"][0]["loc"] == ["body", *loc]


UNIONS = [
    ({"messages": [{"role": "user", "content": 5}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, ["messages", 0, "content"]),
    ({"messages": [{"role": "user", "content": [{"type": "text", "txt": "a"}]}]}, ["messages", 0, "content"]),
    ({"tool_choice": "sometimes"}, ["tool_choice"]),
    ({"tools": [{"type": "function", "function": {}}]}, ["tools", 0, "function"]),
    ({"tools": [{"type": "retrieval", "retrieval": {}}]}, ["tools", 0, "retrieval"]),
    ({"stop": ["a", "b", "c", "d", "e"]}, ["stop"]),
]


@pytest.mark.parametrize(("fields", "loc"), UNIONS, ids=[json.dumps(fields) for fields, _ in UNIONS])
def test_what_breaks_an_alternative_is_told_below_its_field(client, fields, loc):
    answer = client.post(PATHS[0], {"messages": HI, **fields})
    assert answer.status_code == 422
    assert all(item["loc"][: len(loc) + 1] == ["body", *loc] for item in answer.json()["detail"])


def test_a_missing_field_is_worded_as_pydantic_does(client):
    answer = client.post(PATHS[0], {"model": "m"})
    missing = {"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}
    assert answer.status_code == 422 and answer.json() == {"detail": [missing]}


def test_two_faults_are_both_told(client):
    detail = client.post(PATHS[0], {"messages": HI, "n": 0, "seed": "x"}).json()["detail"]
    assert sorted(item["loc"][-1] for item in detail) == ["n", "seed"]


# Usage


def test_prompt_tokens_grow_with_everything_that_is_sent(client):
    def prompt(**fields: Any) -> int:
        return client.post(PATHS[0], {"messages": HI, **fields}).json()["usage"]["prompt_tokens"]

    longer = [{"role": "user", "content": "hi " * 50}]
    more = [*HI, {"role": "assistant", "content": "hello"}, *HI]
    described = {"type": "function", "function": {"name": "look", "description": "Looks around. " * 20}}
    assert 0 < prompt() < prompt(messages=more) < prompt(messages=longer)
    assert prompt() < prompt(tools=[TOOL]) < prompt(tools=[described])


@pytest.mark.parametrize(
    "fields",
    [{}, {"n": 3}, {"max_tokens": 7}, {"tools": [TOOL], "tool_choice": "required"}, {"model": "moonshotai/Kimi-K2.6"}],
    ids=["plain", "n", "capped", "tools", "reasoning"],
)
def test_usage_is_the_same_streamed_or_not(client, fields):
    whole = client.chat(**fields).json()["usage"]
    *_, last, done = events(client.chat(stream=True, stream_options={"include_usage": True}, **fields))
    assert done == "[DONE]" and json.loads(last)["choices"] == [] and json.loads(last)["usage"] == whole
    assert whole["total_tokens"] == whole["prompt_tokens"] + whole["completion_tokens"]


def test_the_cap_holds_for_every_choice_and_for_thoughts(client):
    three = client.chat(n=3, max_tokens=5).json()
    thinking = client.chat(model="moonshotai/Kimi-K2.6", max_tokens=5).json()
    assert three["usage"]["completion_tokens"] == 15
    assert {choice["finish_reason"] for choice in three["choices"]} == {"length"}
    assert thinking["usage"]["completion_tokens"] == 5 and thinking["choices"][0]["finish_reason"] == "length"


def test_a_cap_that_is_not_reached_changes_nothing(client):
    free = client.chat().json()
    capped = client.chat(max_tokens=free["usage"]["completion_tokens"]).json()
    assert capped["choices"] == free["choices"] and capped["usage"] == free["usage"]


# Streams


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_is_server_sent_events_and_nothing_else(client, path):
    answer = client.post(path, {"messages": HI, "stream": True})
    *chunks, done = events(answer)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks]
    assert all(len(chunk["choices"]) == 1 and "usage" not in chunk for chunk in parsed)
    assert parsed[-1]["choices"][0]["delta"] == {} and parsed[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_broken_request_for_a_stream_is_a_plain_error(client):
    answer = client.post(PATHS[0], {"messages": [], "stream": 7})
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/json"


# Profiles


def test_spec_takes_any_model_and_a_cap_beside_tools(client):
    assert client.chat(model="no/such-model").json()["model"] == "no/such-model"
    assert client.chat(max_tokens=5, tools=[TOOL]).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_live_refuses_an_unknown_model(start, path):
    live = start(profile="live")
    answer = live.post(path, {"messages": HI, "model": "no/such-model"})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400 and error["code"] == "10015" and "no/such-model" in error["detail"]
    assert live.chat(model="zai-org/GLM-5.2").status_code == 200


def test_live_refuses_a_cap_beside_function_tools_on_hosted_models(start):
    live = start(profile="live")
    for cap in ({"max_tokens": 5}, {"max_completion_tokens": 5}):
        refused = live.chat(model="moonshotai/Kimi-K2.6", tools=[TOOL], **cap)
        assert refused.status_code == 400 and refused.json()["errors"][0]["code"] == "10015"
        assert live.chat(model="openai/gpt-4o", tools=[TOOL], **cap).status_code == 200
        assert live.chat(model="moonshotai/Kimi-K2.6", **cap).status_code == 200
    assert live.chat(model="moonshotai/Kimi-K2.6", tools=[TOOL]).status_code == 200


def test_one_quirk_is_switched_alone(start):
    mixed = start(profile="live", quirk=("unknown_model_refused=off",))
    assert mixed.chat(model="no/such-model").status_code == 200
    assert mixed.chat(model="moonshotai/Kimi-K2.6", tools=[TOOL], max_tokens=5).status_code == 400


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": [{}]}, {"messages": [{"role": "user"}]}, {"tools": [{}]}]
)
def test_stub_completes_what_is_missing(start, body):
    assert start(profile="stub").post(PATHS[0], body).status_code == 200


@pytest.mark.parametrize("content", ["a\0b", [{"type": "text", "text": "a\0"}, {"type": "text", "text": "b"}]])
def test_a_text_with_a_nul_is_refused_and_in_stub_heard_without_it(client, start, content):
    asked = {"messages": [{"role": "user", "content": content}]}
    tool = {"messages": [*asked["messages"], {"role": "tool", "tool_call_id": "x", "content": content}]}
    lenient = start(profile="stub")

    for body in (asked, tool):
        assert client.post(PATHS[0], body).status_code == 422
        said = lenient.post(PATHS[0], body)
        assert said.status_code == 200 and "\0" not in said.json()["choices"][0]["message"]["content"]


def test_stub_answers_without_a_body(start):
    assert start(profile="stub").request("POST", PATHS[0]).json()["object"] == "chat.completion"


def test_a_name_that_every_chunk_repeats_cannot_blow_the_answer_up(client):
    for field in ("model", "service_tier"):
        answer = client.chat(stream=True, n=20, **{field: "m" * 20_000})
        assert answer.status_code in (200, 422) and len(answer.content) < 5_000_000


# What a client may send as a schema for arguments never breaks the server.

ODD_SCHEMAS: list[dict[str, Any]] = [
    {"type": "integer", "minimum": "abc"},
    {"type": "integer", "maximum": []},
    {"type": "integer", "multipleOf": 1e-320},
    {"type": "number", "exclusiveMinimum": True, "minimum": 3},
    {"type": "string", "format": ["email"], "minLength": -1, "maxLength": 0},
    {"type": {"not": "a type"}},
    {"type": []},
    {"enum": {"a": 1}},
    {"enum": "abc"},
    {"anyOf": {"a": 1}},
    {"type": "object", "properties": [], "required": [{}, 1, None]},
    {"type": "array", "minItems": 10**9, "items": [1, 2]},
    {"$ref": "#/nowhere"},
]


@pytest.mark.parametrize("schema", ODD_SCHEMAS, ids=[json.dumps(schema) for schema in ODD_SCHEMAS])
def test_a_schema_that_makes_no_sense_is_no_crash(client, schema):
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}},
    }
    called = client.chat(tools=[tool], tool_choice="required")
    shaped = client.chat(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})
    assert {called.status_code, shaped.status_code} <= {200, 400, 422}


@pytest.mark.parametrize("logprobs", [False, True])
@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_a_stream_in_one_piece_has_the_bytes_of_its_events(logprobs: bool, include_usage: bool, size: int) -> None:
    from mock_server.domains.chat import wire
    from mock_server.engine.completion import Choice, Completion, tokenize

    said, called, refused = Choice(0), Choice(1), Choice(2)
    said.reasoning, said.tokens = tokenize('Let "me" think'), tokenize("Zwölf\n\\ Boxkämpfer \u2028 jagen {}")
    called.tool_calls = [("call_1", "look_up", '{"city": "Köln"}'), ("call_2", "stop", "{}")]
    refused.refusal = tokenize("I would rather not.")
    answer = Completion("chatcmpl-1", 1760000000, 'a "model"', 12, [said, called, refused])
    answer.logprobs, answer.top_logprobs, answer.service_tier = logprobs, 2, "default"

    events = wire.events(answer, include_usage, size)

    for _ in range(2):
        assert wire.all_events(answer, include_usage, size).body == b"".join(events)
        answer.id, events = "chatcmpl-2", [event.replace(b"chatcmpl-1", b"chatcmpl-2") for event in events]
    other = wire.all_events(answer, not include_usage, size).body
    assert other == b"".join(wire.events(answer, not include_usage, size))
    assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
    deltas = [json.loads(event[6:]) for event in events[:-1]]
    content = "".join(c["delta"].get("content") or "" for d in deltas for c in d["choices"] if c["index"] == 0)
    assert content == "Zwölf\n\\ Boxkämpfer \u2028 jagen {}"
    assert ("usage" in deltas[0]) == include_usage and events[-1] == b"data: [DONE]\n\n"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_stream_has_no_length_beforehand_and_the_connection_goes_on(client, version):
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    head = f"POST /v2/ai/chat/completions HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n"
    head += f"connection: keep-alive\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as wire:
        for _ in range(2 if version == "1.1" else 1):
            wire.sendall(head.encode() + body)
            answer = b""
            while not answer.endswith(b"\r\n0\r\n\r\n"):
                answer += (part := wire.recv(65536))
                assert part, answer
            start, _, events = answer.partition(b"\r\n\r\n")
            assert start.startswith(b"HTTP/1.1 200") and b"text/event-stream" in start
            assert b"transfer-encoding: chunked" in start and b"content-length" not in start
            size, _, events = events.partition(b"\r\n")
            assert events[int(size, 16) :] == b"\r\n0\r\n\r\n"
            assert events[: int(size, 16)].endswith(b"data: [DONE]\n\n")


def test_a_call_that_must_be_is_as_the_script_has_it_where_that_calls_the_same(client):
    other = {**TOOL, "function": {**TOOL["function"], "name": "listen"}}
    call = {"name": "look", "arguments": {"at": "{{ user_text }}"}}
    client.admin("POST", "/replies", json={"reply": {"tool_calls": [call]}}).raise_for_status()

    def called(name: str) -> Any:
        choice = {"type": "function", "function": {"name": name}}
        message = client.chat("the sky", tools=[TOOL, other], tool_choice=choice).json()["choices"][0]["message"]
        (made,) = message["tool_calls"]
        return made["function"]["name"], json.loads(made["function"]["arguments"])

    assert called("look") == ("look", {"at": "the sky"})
    assert called("listen") == ("listen", {})


def test_tokens_that_a_reply_tells_say_nothing_of_a_cache_that_it_does_not_name(client):
    for usage, expected in (({"prompt_tokens": 7}, None), ({"cached_tokens": 2}, {"cached_tokens": 2})):
        rule = {"id": "told", "reply": {"text": "x", "usage": usage}}
        client.admin("POST", "/replies", json=rule).raise_for_status()
        assert client.chat().json()["usage"].get("prompt_tokens_details") == expected


def test_stub_takes_a_tool_choice_that_names_no_tool(start):
    choice = {"type": "function", "function": {"name": "nobody"}}
    refused = start().chat(tools=[TOOL], tool_choice=choice)
    taken = start(profile="stub").chat(tools=[TOOL], tool_choice=choice)

    assert refused.status_code == 400 and "nobody" in refused.text
    assert taken.json()["choices"][0]["message"]["content"]
