"""Reply rules by API: what they match on, what they say, in which order, how often. At the wire."""

import base64
import json
from typing import Any

import httpx
import openai
import pytest

HI = [{"role": "user", "content": "hi"}]
CHAT = "/ai/chat/completions"
LOOK: dict[str, Any] = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def add(client, reply=None, match=None, **fields):
    rule = {"match": match or {}, **({"reply": reply} if reply is not None else {}), **fields}
    answer = client.admin("POST", "/replies", json=rule)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["id"]


def message(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def said(client, text="hi", **fields) -> str:
    return message(client.chat(text, **fields))["content"]


def deltas(answer: httpx.Response) -> list[dict[str, Any]]:
    """The deltas of a stream, the usage chunk left out."""
    lines = [line[6:] for line in answer.text.split("\n\n") if line and line != "data: [DONE]"]
    return [chunk["choices"][0]["delta"] for chunk in map(json.loads, lines) if chunk["choices"]]


# What rules match on

TOOL_TALK = [
    *HI,
    {"role": "assistant", "tool_calls": [{"id": "call_7", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "call_7", "content": "It is raining."},
]  # fmt: skip
SCHEMA = {"type": "json_schema", "json_schema": {"name": "mood", "schema": {"type": "object"}}}
# The match, a body that fits, one that does not.
FIELDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"model": "openai/*"}, {"model": "openai/gpt-4o"}, {"model": "other"}),
    ({"user_text": "hi"}, {}, {"messages": [{"role": "user", "content": "Hi"}]}),
    ({"user_text": {"contains": "HI"}}, {}, {"messages": [{"role": "user", "content": "ho"}]}),
    ({"user_text": {"regex": "^h(i|o)$"}}, {}, {"messages": [{"role": "user", "content": "hey"}]}),
    ({"system_text": {"contains": "kind"}}, {"messages": [{"role": "system", "content": "Be kind."}, *HI]}, {}),
    ({"turn": 2}, {"messages": [*HI, {"role": "assistant", "content": "ho"}, *HI]}, {}),
    ({"turn": {"at_least": 2, "at_most": 3}}, {"messages": HI * 3}, {"messages": HI * 4}),
    ({"tool_result": True}, {"messages": TOOL_TALK}, {}),
    ({"tool_result": False}, {}, {"messages": TOOL_TALK}),
    ({"tool_result": {"id": "call_7"}}, {"messages": TOOL_TALK}, {}),
    ({"tool_result": {"name": "look_*"}}, {"messages": TOOL_TALK}, {}),
    ({"tool_result": {"content": {"contains": "rain"}}}, {"messages": TOOL_TALK}, {}),
    ({"tools": ["look_*"]}, {"tools": [LOOK]}, {}),
    ({"tools": False}, {}, {"tools": [LOOK]}),
    ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}, {}),
    ({"response_format": "mood"}, {"response_format": SCHEMA}, {}),
    ({"response_format": "text"}, {}, {"response_format": SCHEMA}),
]


@pytest.mark.parametrize(("match", "fits", "other"), FIELDS, ids=lambda value: str(value)[:40])
def test_a_rule_matches_on(client, match, fits, other):
    add(client, {"text": "scripted"}, match)
    body = {"messages": HI}

    assert message(client.post(CHAT, {**body, **fits}))["content"] == "scripted"
    assert message(client.post(CHAT, {**body, **other}))["content"] != "scripted"


def test_a_rule_matches_on_the_operation_by_name_pattern_or_domain(client):
    for operation in ("chat.create_completion", "chat.*"):
        add(client, {"text": operation}, {"operation": operation}, id="one")
        assert said(client) == operation
        assert message(client.post("/ai/openai/chat/completions", {"messages": HI}))["content"] != operation
    add(client, {"text": "domain"}, {"operation": "chat"}, id="one")
    assert said(client) == "domain"


def test_a_rule_matches_on_the_account_and_the_context_header(client):
    client.chat()
    account = client.journal()[0]["account"]
    add(client, {"text": "mine"}, {"account": account, "context": "test-*"})
    assert message(client.chat(headers={}, **{}))["content"] != "mine"
    answer = client.post(CHAT, {"messages": HI}, headers={"x-mock-context": "test-1"})
    assert message(answer)["content"] == "mine"
    assert client.journal(context="test-1")[0]["id"] == answer.headers["x-request-id"]


def test_all_that_a_match_asks_for_must_hold(client):
    add(client, {"text": "both"}, {"user_text": {"contains": "a", "regex": "b$"}, "model": "m"})
    assert [said(client, text, model=model) == "both" for text, model in (("ab", "m"), ("ba", "m"), ("ab", "x"))] == [
        True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "match",
    [
        {"user_text": {"regex": "("}}, {"user_text": {}}, {"turn": -1, "x": 1}, {"turn": {"at_least": -1}}, {"tools": "x"},
        {"tool_result": {"nme": "x"}}, {"nope": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_match_that_cannot_be_is_refused(client, match):
    answer = client.admin("POST", "/replies", json={"match": match, "reply": {"text": "x"}})
    assert answer.status_code == 422 and answer.json()["detail"][0]["loc"][:2] == ["body", "match"]


# What replies say


def test_text_and_one_text_for_each_choice(client):
    add(client, {"text": ["one", "two"]})
    answer = client.chat(n=3).json()
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["one", "two", "one (variation 2)"]


def test_several_tool_calls_with_ids_and_a_text_beside_them(client):
    calls = [{"name": "a", "arguments": {"x": 1}, "id": "call_mine"}, {"name": "b", "arguments": "{not json"}]
    add(client, {"text": "Looking.", "tool_calls": calls})
    answer = client.chat(tools=[LOOK])
    assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
    found = message(answer)
    assert found["content"] == "Looking."
    assert [(c["function"]["name"], c["function"]["arguments"]) for c in found["tool_calls"]] == [
        ("a", '{"x": 1}'), ("b", "{not json"),
    ]  # fmt: skip
    assert found["tool_calls"][0]["id"] == "call_mine"
    streamed = deltas(client.chat(tools=[LOOK], stream=True))
    assert "".join(delta.get("content") or "" for delta in streamed) == "Looking."
    pieces = [call for delta in streamed for call in delta.get("tool_calls", [])]
    assert "".join(call["function"].get("arguments", "") for call in pieces if call["index"] == 1) == "{not json"


def test_reasoning_comes_before_the_text(client):
    add(client, {"reasoning": "I think so.", "text": "Yes."})
    assert message(client.chat())["reasoning_content"] == "I think so."
    keys = [next(iter(delta)) for delta in deltas(client.chat(stream=True)) if delta and "role" not in delta]
    assert keys == sorted(keys, reverse=True) and set(keys) == {"reasoning_content", "content"}
    assert "reasoning_content" not in message(client.chat(enable_thinking=False))


def test_a_refusal_is_read_by_the_openai_sdk(client):
    add(client, {"refusal": "I will not do that."})
    found = message(client.chat())
    assert found["refusal"] == "I will not do that." and found["content"] is None
    with openai.OpenAI(base_url=client.v2 + "/ai/openai", api_key=client.key) as sdk:
        streamed = list(sdk.chat.completions.create(model="m", messages=HI, stream=True))
    assert "".join(c.choices[0].delta.refusal or "" for c in streamed if c.choices) == "I will not do that."


@pytest.mark.parametrize("value", [{"a": [1, None]}, [], "text", None, 1.5])
def test_json(client, value):
    add(client, {"json": value})
    assert json.loads(said(client)) == value


def test_embeddings_one_for_all_inputs_or_one_for_each(client):
    path, model = "/ai/openai/embeddings", {"model": "thenlper/gte-large"}
    add(client, {"embedding": [1.0, 0.5]}, {"user_text": "same"})
    add(client, {"embeddings": [[1.0], [2.0]]}, {"user_text": {"contains": "each"}})
    one = client.post(path, {"input": "same", **model}).json()
    assert one["data"][0]["embedding"] == [1.0, 0.5]
    each = client.post(path, {"input": ["each", "b", "c"], **model}).json()["data"]
    assert [item["embedding"] for item in each] == [[1.0], [2.0], [2.0]]
    assert len(client.post(path, {"input": "other", **model}).json()["data"][0]["embedding"]) == 1024
    encoded = client.post(path, {"input": "same", "encoding_format": "base64", **model}).json()["data"][0]["embedding"]
    assert len(base64.b64decode(encoded)) == 8


def test_a_transcript_with_words(client):
    words = [{"word": "Hello,", "start": 0, "end": 0.5}, {"word": "Ann.", "start": 0.5, "end": 1, "speaker": 1}]
    add(client, {"transcript": {"words": words}}, {"operation": "audio", "user_text": "call*.wav"})
    add(client, {"transcript": {"words": words}}, {"operation": "audio", "user_text": {"regex": "^call.*wav$"}})
    form = {"model": "deepgram/nova-3", "response_format": "verbose_json"}
    answer = client.request(
        "POST", "/ai/audio/transcriptions", data=form, files={"file": ("call1.wav", b"RIFFxxxx")}
    ).json()
    assert answer["text"] == "Hello, Ann." and answer["duration"] == 1
    assert [(w["word"], w["start"], w["end"]) for w in answer["words"]] == [("hello", 0, 0.5), ("ann", 0.5, 1)]
    assert answer["words"][1]["speaker"] == 1


def test_a_transcript_for_a_language(client):
    add(client, {"transcript": "Guten Tag, {{ model }}."}, {"language": "de*"})
    form = {"model": "deepgram/nova-2", "language": "de-AT"}
    answer = client.request("POST", "/ai/audio/transcriptions", data=form, files={"file": ("a.wav", b"RIFFxxxx")})
    assert answer.json() == {"text": "Guten Tag, deepgram/nova-2."}


def test_audio_as_it_is(client):
    sound = base64.b64encode(b"my own sound").decode()
    add(client, {"audio": {"base64": sound, "content_type": "audio/wav"}}, {"user_text": {"contains": "welcome"}})
    heard = client.post("/text-to-speech/speech", {"text": "Welcome!", "provider": "telnyx"})
    assert heard.content == b"my own sound" and heard.headers["content-type"] == "audio/wav"
    told = client.post(
        "/text-to-speech/speech", {"text": "Welcome!", "provider": "telnyx", "output_type": "base64_output"}
    )
    assert told.json()["base64_audio"] == sound
    sdk = client.post("/audio/speech", {"input": "Welcome!", "model": "m", "voice": "astra"})
    assert sdk.content == b"my own sound"
    other = client.post("/text-to-speech/speech", {"text": "Bye!", "provider": "telnyx"})
    assert other.content != b"my own sound"


@pytest.mark.parametrize("audio", ["/etc/passwd", "../../pyproject.toml", {"file": "x.mp3"}, {"base64": "%%"}, {}])
def test_audio_by_api_is_base64_and_never_a_file(client, audio):
    assert client.admin("POST", "/replies", json={"reply": {"audio": audio}}).status_code == 422


def test_summaries_and_insights(client):
    add(client, {"text": "In short: bees."}, {"operation": "summarize", "system_text": {"contains": "short"}})
    body = {"bucket": "my-bucket", "filename": "notes.txt"}
    assert (
        client.post("/ai/summarize", {**body, "system_prompt": "Be short."}).json()["data"]["summary"]
        == "In short: bees."
    )
    assert client.post("/ai/summarize", body).json()["data"]["summary"] != "In short: bees."

    add(client, {"json": {"mood": "{{ metadata.city }}"}}, {"operation": "insights", "metadata": {"city": "Bonn"}})
    insight = client.post("/ai/conversations/insights", {"name": "Mood", "instructions": "?"}).json()["data"]["id"]
    group = client.post("/ai/conversations/insight-groups", {"name": "g"}).json()["data"]["id"]
    client.post(f"/ai/conversations/insight-groups/{group}/insights/{insight}/assign")
    results = []
    for city in ("Bonn", "Rome"):
        id = client.post("/ai/conversations", {"metadata": {"city": city}}).json()["id"]
        client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": "hi"})
        client.admin("POST", f"/conversations/{id}/complete")
        run = client.get(f"/ai/conversations/{id}/conversations-insights").json()["data"][0]
        results.append(run["conversation_insights"][0]["result"])
    assert results[0] == '{"mood":"Bonn"}' and "Bonn" not in results[1]


def test_a_reply_that_an_operation_cannot_give_is_passed_over(client):
    add(client, {"embedding": [1.0]}, {"user_text": "hi"})
    assert "You said" in said(client)
    assert client.journal()[0]["reply"] == "default"


def test_id_usage_finish_reason_and_headers_are_overridden(client):
    usage = {"prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 99, "reasoning_tokens": 3, "cached_tokens": 2}
    headers = {"X-Trace": "abc", "content-type": "application/json; charset=latin1"}
    add(client, {"text": "x", "id": "chat-{{ counter('id') }}", "finish_reason": "content_filter", "usage": usage,
                 "headers": headers})  # fmt: skip
    answer = client.chat()
    body = answer.json()
    assert body["id"] == "chat-1" and body["choices"][0]["finish_reason"] == "content_filter"
    assert body["usage"] == {
        "prompt_tokens": 7, "completion_tokens": 8, "total_tokens": 99, "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    assert answer.headers["x-trace"] == "abc" and answer.headers.get_list("content-type") == [headers["content-type"]]
    assert "x-request-id" in answer.headers


TOLD = {"prompt_tokens": 7, "completion_tokens": 9, "reasoning_tokens": 3, "cached_tokens": 2}
# Path, the body beside the text, and what says its end and its tokens.
DIALECTS: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    ("/ai/chat/completions", {"messages": HI}, '"finish_reason":"length"', ('"prompt_tokens":7', '"completion_tokens":9')),
    ("/ai/openai/chat/completions", {"messages": HI}, '"finish_reason":"length"', ('"prompt_tokens":7', '"cached_tokens":2')),
    ("/ai/openai/responses", {"input": "hi"}, '"reason":"max_output_tokens"', ('"input_tokens":7', '"reasoning_tokens":3')),
    ("/ai/anthropic/v1/messages", {"messages": HI, "model": "m", "max_tokens": 99}, '"stop_reason":"max_tokens"',
     ('"input_tokens":7', '"output_tokens":9', '"cache_read_input_tokens":2')),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("path", "body", "end", "tokens"), DIALECTS, ids=lambda value: value if str(value)[:1] == "/" else ""
)
def test_overrides_in_every_dialect(client, path, body, end, tokens, stream):
    add(
        client,
        {"text": "x y", "id": "mine-{{ used }}", "usage": TOLD, "finish_reason": "length", "headers": {"x-trace": "a"}},
    )
    options = {"stream_options": {"include_usage": True}} if "chat" in path and stream else {}
    answer = client.post(path, {**body, "stream": stream, **options})
    assert answer.status_code == 200 and answer.headers["x-trace"] == "a"
    assert '"id":"mine-1"' in answer.text and end in answer.text
    assert all(told in answer.text for told in tokens)


def test_overrides_of_what_is_no_talk(client):
    sound = {"base64": base64.b64encode(b"sound").decode()}
    add(client, {"text": "said", "embedding": [1], "transcript": "heard", "audio": sound, "headers": {"x-trace": "a"},
                 "usage": {"prompt_tokens": 7, "total_tokens": 9}})  # fmt: skip
    embedded = client.post("/ai/openai/embeddings", {"input": "a", "model": "thenlper/gte-large"})
    answers = [
        embedded,
        client.post("/ai/summarize", {"bucket": "my-bucket", "filename": "notes.txt"}),
        client.post("/text-to-speech/speech", {"text": "W", "provider": "telnyx"}),
        client.post("/ai/audio/transcriptions", files={"file": ("a.wav", b"RIFFxxxx")}),
    ]
    assert [(answer.status_code, answer.headers["x-trace"]) for answer in answers] == [(200, "a")] * 4
    assert embedded.json()["usage"] == {"prompt_tokens": 7, "total_tokens": 9}


@pytest.mark.parametrize("headers", [{"a b": "x"}, {"x": "a\r\nb: c"}, {"Content-Length": "1"}, {"x": "é"}], ids=str)
def test_a_header_that_cannot_be_sent_is_refused(client, headers):
    assert client.admin("POST", "/replies", json={"reply": {"text": "x", "headers": headers}}).status_code == 422


def test_pacing_by_the_accounts_clock(start):
    client = start()
    add(client, {"text": "one two three four", "pacing": {"first_token": 5, "tokens_per_second": 1, "chunk_size": 2}})
    client.admin("POST", "/clock", json={"set": "2026-01-01T00:00:00Z", "speed": 1e4})
    streamed = deltas(client.chat(stream=True))
    assert [delta["content"] for delta in streamed if delta.get("content")] == ["one two", " three four"]
    now = client.admin("GET", "/clock").json()["now"]
    assert now >= "2026-01-01T00:00:09"


def test_jitter_is_the_same_in_every_run(start):
    from mock_server.engine.pacing import Pacing

    draws = iter([0.0, 0.5, 1.0, 0.5])
    waits = Pacing(1.0, 2.0, 0.5, 1).waits(5, lambda: next(draws))
    assert waits == [0.5, 0.5, 0.75, 0.0, 0.0]


@pytest.mark.parametrize(("fault", "status"), [("429;retry-after=7", 429), ("503", 503), ("500;code=10007", 500)])
def test_a_reply_may_be_an_error(client, fault, status):
    id = add(client, {"fault": fault}, {"user_text": "break"})
    answer = client.chat("break")
    assert answer.status_code == status and "errors" in answer.json()
    assert client.journal()[0]["fault"] == f"reply-{id}" and client.chat("other").status_code == 200


def test_a_fault_a_number_of_times_and_then_the_reply(client):
    add(client, {"fault": "503;times=2", "text": "recovered"})
    assert [client.chat().status_code for _ in range(3)] == [503, 503, 200]
    assert said(client) == "recovered"
    client.admin("POST", "/reset")
    assert client.chat().status_code == 200


def test_a_fault_of_a_reply_that_cannot_happen_to_the_operation_is_told(client):
    id = add(client, {"fault": "close=1011", "transcript": "Hello."})
    answer = client.request("POST", "/ai/audio/transcriptions", files={"file": ("a.wav", b"RIFFxxxx")})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert error["detail"] == f"The fault of the reply {id!r} cannot happen here: it is for sockets."


def test_a_stream_of_a_reply_is_cut(client):
    add(client, {"fault": "cut=3 chunks", "text": "one two three four five"})
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat(stream=True)
    assert client.journal()[0]["ended"] == "cut"


def test_a_reply_may_be_silence_in_a_form_as_well(start):
    client = start()
    client.admin("POST", "/clock", json={"speed": 1e4})
    add(client, {"fault": "timeout=5"})
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat()
    with pytest.raises(httpx.RemoteProtocolError):
        client.request("POST", "/ai/audio/transcriptions", files={"file": ("a.wav", b"RIFFxxxx")})


# In which order, and how often


def test_a_sequence_goes_on_as_it_is_told(client):
    steps = [{"text": "one"}, {"text": "two"}]
    for then, expected in (("stay", "one two two two"), ("repeat", "one two one two")):
        add(client, sequence=steps, then=then, id="steps")
        assert " ".join(said(client) for _ in range(4)) == expected
    add(client, sequence=steps, then="pass", id="steps")
    assert [said(client)[:3] for _ in range(3)] == ["one", "two", "You"]
    add(client, sequence=steps, then="fail", id="steps")
    assert [client.chat().status_code for _ in range(3)] == [200, 200, 400]
    assert "come to its end after 2" in client.chat().json()["errors"][0]["detail"]


@pytest.mark.parametrize(("then", "statuses"), [("fail", [200, 400]), ("pass", [200, 200]), ("repeat", [200, 200])])
def test_a_sequence_of_one_comes_to_its_end_too(client, then, statuses):
    add(client, sequence=[{"text": "only"}], then=then)
    answers = [client.chat(), client.chat()]
    assert [answer.status_code for answer in answers] == statuses
    assert message(answers[0])["content"] == "only"
    assert ("only" in answers[1].text) == (then == "repeat")


def test_times(client):
    add(client, {"text": "twice"}, times=2)
    assert [said(client) == "twice" for _ in range(3)] == [True, True, False]


def test_first_match_wins_in_the_order_they_were_added(client):
    add(client, {"text": "first"}, id="a")
    add(client, {"text": "second"}, id="b")
    assert said(client) == "first"
    add(client, {"text": "changed"}, id="a")
    assert said(client) == "second"  # what takes another's place comes last


def test_an_accounts_rules_come_before_everyones_and_are_its_own(start):
    client = start()
    other = client.as_key("another-key-entirely")
    client.http.post(client.url + "/_mock/replies", json={"reply": {"text": "everyone's"}})
    add(client, {"text": "mine"})
    assert (said(client), said(other)) == ("mine", "everyone's")
    assert client.admin("DELETE", "/replies").json() == {"deleted": 1}
    assert said(client) == "everyone's"
    assert client.http.delete(client.url + "/_mock/replies").json() == {"deleted": 1}
    assert "You said" in said(client)


def test_uses_count_per_account(client):
    other = client.as_key(client.key + "-other")
    id = add(client, sequence=[{"text": "one"}, {"text": "two"}], id="steps")
    add(other, sequence=[{"text": "one"}, {"text": "two"}], id="steps")
    assert [said(client), said(other), said(client)] == ["one", "one", "two"]
    rows = {row["id"]: row for row in client.admin("GET", "/replies").json()["data"]}
    assert (rows[id]["used"], rows["default"]["used"]) == (2, 0)
    assert rows[id]["account"].startswith("acct_") and rows["default"]["file"].endswith("default.yaml")


def test_a_rule_is_taken_out_by_its_id(client):
    id = add(client, {"text": "x"})
    assert client.admin("DELETE", f"/replies/{id}").json() == {"deleted": 1}
    assert client.admin("DELETE", f"/replies/{id}").status_code == 404
    assert client.admin("DELETE", "/replies/default").status_code == 404


def test_reset_takes_an_accounts_rules_and_counts(client):
    add(client, {"text": "x {{ counter('n') }}"})
    assert said(client) == "x 1"
    client.admin("POST", "/reset")
    assert "You said" in said(client)
    add(client, {"text": "x {{ counter('n') }}"})
    assert said(client) == "x 1"


@pytest.mark.parametrize(
    "rule",
    [
        {}, {"reply": {}}, {"reply": {"text": []}}, {"reply": {"text": "a"}, "sequence": [{"text": "b"}]}, {"sequence": []},
        {"reply": {"text": "a"}, "then": "repeat"}, {"reply": {"text": "a"}, "times": 0}, {"reply": {"fault": "nope"}},
        {"reply": {"text": "a"}, "id": "a/b"}, {"reply": {"txt": "a"}},
        {"reply": {"text": "a", "json": 1}}, {"reply": {"transcript": {}}},
        {"reply": {"text": "a", "pacing": {"jitter": 2}}}, [], "text",
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(client, rule):
    assert client.admin("POST", "/replies", json=rule).status_code == 422


def test_thousands_of_rules_are_found_without_trying_each():
    from pathlib import Path

    from mock_server.base.ids import Ids
    from mock_server.engine.replies import Replies, ReplyRule, View

    replies = Replies([], Path("fixtures"), Ids(), lambda: 0.0)
    for n in range(5000):
        match = [{"user_text": f"exact {n}"}, {"user_text": {"contains": f"part {n:04}"}}, {"system_text": {"contains": f"sys {n:04}"}},
                 {"context": f"test-{n}"}, {"operation": "embeddings"}][n % 5]  # fmt: skip
        replies.add(ReplyRule.model_validate({"match": match, "reply": {"text": str(n)}}), None)
    table = replies._api[None]
    for text, system, found in (
        ("exact 2500", "", "2500"),
        ("Has part 2501.", "", "2501"),
        ("x", "A sys 2502 prompt", "2502"),
    ):
        view = View("chat.create_completion", "chat", "m", text, system)
        assert len(list(table.candidates(view))) < 60
        chosen = replies.choose(view)
        assert chosen is not None and chosen.reply.text == found


def test_the_most_rules_of_an_account(client, monkeypatch):
    monkeypatch.setattr("mock_server.engine.replies.table.MOST_RULES", 2)
    for id in ("a", "b", "b"):
        add(client, {"text": "x"}, id=id)
    assert client.admin("POST", "/replies", json={"reply": {"text": "x"}}).status_code == 400
