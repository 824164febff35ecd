"""Reply files: an agent scripted in one, reloading, what is wrong with them, why a reply did not match, strict."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml
from jsonschema import Draft202012Validator

from mock_server import Settings, create_app
from mock_server.base.clock import Clock, Machine
from mock_server.engine.replies.rules import LONGEST_AUDIO
from mock_server.engine.yamls import MOST_BYTES
from mock_server.fixtures_check import check
from tests.test_replies import DIALECTS, HI, LOOK, add, said

AGENT = """
# An agent that looks three things up and then answers.
- id: plan
  match: {operation: openai.chat.*, user_text: {regex: 'trip to (?P<city>\\w+)'}, tools: [get_weather, find_*], tool_result: false}
  reply:
    reasoning: First the weather and the hotels.
    tool_calls:
      - {name: get_weather, arguments: {city: '{{ captures.city }}', days: '{{ 1 + 2 }}'}}
      - {name: find_hotels, arguments: {city: '{{ captures.city }}'}}
- id: hotels
  match: {tool_result: {name: find_hotels}}
  reply:
    tool_calls: [{name: find_trains, id: call_trains, arguments: {near: '{{ tool_result.content }}'}}]
- id: trains
  match: {tool_result: {id: call_trains}}
  sequence:
    - tool_calls: [{name: find_trains, id: call_trains, arguments: {later: true}}]
    - text: 'Take {{ tool_result.content }}, after {{ request.messages|selectattr("role", "eq", "tool")|list|length }} look-ups.'
      finish_reason: stop
"""


def write(folder: Path, text: str, name: str = "mine.yaml", kind: str = "replies") -> Path:
    path = folder / kind / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


TOOLS: list[Any] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("get_weather", "find_hotels", "find_trains")
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_agent_of_three_tool_rounds(start, tmp_path, stream):
    write(tmp_path, AGENT)
    client = start(fixtures=(tmp_path,))
    answers = {"get_weather": "sun", "find_hotels": "Hotel Bee", "find_trains": "the 9:15"}
    messages: list[Any] = [{"role": "user", "content": "Plan a trip to Rome."}]
    rounds = []
    with openai.OpenAI(base_url=client.v2 + "/ai/openai", api_key=client.key) as sdk:
        for _ in range(6):
            if stream:
                with sdk.chat.completions.stream(model="m", messages=messages, tools=TOOLS) as events:
                    said = events.get_final_completion().choices[0].message
            else:
                said = sdk.chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message
            if not said.tool_calls:
                break
            messages.append(said.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
            rounds.append([(call.function.name, json.loads(call.function.arguments)) for call in said.tool_calls])
            messages += [
                {"role": "tool", "tool_call_id": call.id, "content": answers[call.function.name]}
                for call in said.tool_calls
            ]
    assert rounds == [
        [("get_weather", {"city": "Rome", "days": 3}), ("find_hotels", {"city": "Rome"})],
        [("find_trains", {"near": "Hotel Bee"})],
        [("find_trains", {"later": True})],
    ]
    assert said.content == "Take the 9:15, after 4 look-ups."


def test_files_of_users_come_before_the_shipped_one_and_rules_by_api_before_both(start, tmp_path):
    write(tmp_path, "replies:\n  - reply: {text: from a file}\n")
    client = start(fixtures=(tmp_path,))
    assert said(client) == "from a file"
    add(client, {"text": "by API"})
    assert said(client) == "by API"
    rows = client.admin("GET", "/replies").json()["data"]
    assert [(row["id"], row["line"]) for row in rows[:2]] == [("reply-1", None), ("mine-1", 2)]


def test_audio_of_a_file_lies_beside_it(start, tmp_path):
    write(tmp_path, "- {match: {operation: text_to_speech}, reply: {audio: sounds/a.wav}}\n")
    (tmp_path / "replies" / "sounds").mkdir()
    (tmp_path / "replies" / "sounds" / "a.wav").write_bytes(b"RIFF mine")
    client = start(fixtures=(tmp_path,))
    answer = client.post("/text-to-speech/speech", {"text": "hi", "provider": "telnyx"})
    assert answer.content == b"RIFF mine" and answer.headers["content-type"] == "audio/wav"
    (tmp_path / "replies" / "sounds" / "a.wav").unlink()
    assert client.post("/text-to-speech/speech", {"text": "hi", "provider": "telnyx"}).status_code == 400


@pytest.mark.parametrize("audio", ["../../secret.wav", "/etc/passwd", "missing.wav"])
def test_audio_of_a_file_never_lies_elsewhere(tmp_path, audio):
    (tmp_path / "secret.wav").write_bytes(b"x")
    write(tmp_path / "", f"- {{reply: {{audio: {audio}}}}}\n")
    assert [problem.line for problem in check(tmp_path)] == [1]


def test_audio_of_a_file_has_a_bound(tmp_path):
    write(tmp_path, "- {reply: {audio: much.wav}}\n")
    with (tmp_path / "replies" / "much.wav").open("wb") as file:
        file.truncate(LONGEST_AUDIO + 1)
    (problem,) = check(tmp_path)
    assert (problem.line, f"the file has more than {LONGEST_AUDIO} bytes" in problem.message) == (1, True)
    with (tmp_path / "replies" / "much.wav").open("wb") as file:
        file.truncate(LONGEST_AUDIO)
    assert check(tmp_path) == []


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    path = write(tmp_path, "")
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    (problem,) = check(tmp_path)
    assert f"{path}: the file is larger than {MOST_BYTES} bytes" in str(problem)


@pytest.mark.parametrize("text", ["", "replies:\n", "replies: []\n", "# nothing yet\n"])
def test_a_file_may_be_empty_as_yet(start, tmp_path, text):
    write(tmp_path, text)
    assert check(tmp_path) == []
    assert "You said" in said(start(fixtures=(tmp_path,)))


# Reloading


def test_a_changed_file_is_read_again_and_a_broken_one_keeps_its_rules(start, tmp_path, capfd):
    path = write(tmp_path, "- {id: a, reply: {text: one}}\n")
    client = start(fixtures=(tmp_path,))
    assert said(client) == "one"

    path.write_text("- {id: a, reply: {text: changed}}\n")
    assert client.admin("GET", "/replies").json()["problems"] == []
    assert said(client) == "changed"

    path.write_text("# broken\n- {id: a, reply: {txt: broken}}\n")
    told = client.admin("GET", "/replies").json()
    assert told["problems"] == [
        {"file": str(path), "line": 2, "message": "reply 1: reply.txt: Extra inputs are not permitted"}
    ]
    assert said(client) == "changed"
    assert f"{path}:2: reply 1: reply.txt" in capfd.readouterr().err

    path.unlink()
    write(tmp_path, "- {id: b, reply: {text: mended}}\n", "other.yaml")
    assert client.admin("GET", "/replies").json()["problems"] == []
    assert said(client) == "mended"


def test_files_are_looked_at_twice_a_second_at_most(tmp_path):
    path = write(tmp_path, "- {reply: {text: one}}\n")
    elapsed = [0.0]
    app = create_app(Settings(fixtures=(tmp_path,)), Clock(machine=Machine(monotonic=lambda: elapsed[0])))

    async def chats() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/v2") as http:
            shown = []
            for seconds in (0.0, 0.1, 0.6):
                elapsed[0] = seconds
                answer = await http.post(
                    "/ai/chat/completions", json={"messages": HI}, headers={"authorization": "Bearer k"}
                )
                shown.append(answer.json()["choices"][0]["message"]["content"])
                path.write_text("- {reply: {text: changed}}\n")
        await app.world.close()
        return shown

    assert asyncio.run(chats()) == ["one", "one", "changed"]


def test_a_fault_that_a_file_brings_later_fires_at_once(start, tmp_path):
    path = write(tmp_path, "- {reply: {text: one}}\n")
    client = start(fixtures=(tmp_path,))
    path.write_text("- {reply: {text: one, fault: '3'}}\n")
    assert "'3' is none of" in client.admin("GET", "/replies").json()["problems"][0]["message"]
    path.write_text("- {reply: {text: one two three four, fault: cut=2 chunks}}\n")
    assert client.admin("GET", "/replies").json()["problems"] == []
    with pytest.raises(httpx.RemoteProtocolError):
        client.chat(stream=True)


def test_a_change_elsewhere_leaves_a_rule_where_it_was(start, tmp_path):
    write(tmp_path, "- {match: {user_text: hi}, reply: {text: fine, fault: 503;times=2}}\n")
    other = write(tmp_path, "[]\n", "other.yaml")
    client = start(fixtures=(tmp_path,))
    first = client.chat().status_code
    other.write_text("- {match: {user_text: ho}, reply: {text: new}}\n")
    assert client.admin("GET", "/replies").json()["problems"] == []
    assert said(client, "ho") == "new"
    assert [first, *(client.chat().status_code for _ in range(2))] == [503, 503, 200]


def test_reset_reads_the_files_anew(start, tmp_path):
    path = write(tmp_path, "- {id: a, sequence: [{text: one}, {text: two}]}\n")
    client = start(fixtures=(tmp_path,))
    assert [said(client), said(client)] == ["one", "two"]
    client.admin("POST", "/reset")
    assert said(client) == "one"
    path.write_text("- broken: [\n")
    client.http.post(client.url + "/_mock/reset")
    assert "You said" in said(client)  # as after a start, when nothing was read before
    assert client.admin("GET", "/replies").json()["problems"][0]["line"] == 2


# What is wrong with files


def test_every_problem_is_told_with_file_and_line(tmp_path):
    bad = """\
- id: fine
  reply: {text: hi}
- match: {turn: x}
  reply: {text: hi}
- reply:
    text: '{{ nope }}'
- match:
    user_text:
      contians: a
  reply: {text: a}
- {reply: {fault: '42'}}
"""
    write(tmp_path, bad, "bad.yaml")
    write(tmp_path, '{"replies": [{"reply": {}}]}', "empty.json")
    write(tmp_path, "a: [\n", "no.yaml")
    write(tmp_path, "other: []\n", "other.yml")
    write(tmp_path, "text", "text.yaml")
    write(tmp_path, "- {effect: 999}\n", "f.yaml", "faults")
    (tmp_path / "plans.yaml").write_text("fine_tuning: never\n")
    (tmp_path / "models.yaml").write_text("- {id: a}\n- {created: 5}\n")
    (tmp_path / "voices.yaml").write_text("telnyx: 5\n")
    write(tmp_path, "\ntranscripts: [{text: a}]\n", "t.yaml", "transcripts")
    (tmp_path / "embedding_models.yaml").write_text("- id: a\n  created: never\n")

    told = {(str(problem.file.relative_to(tmp_path)), problem.line): problem.message for problem in check(tmp_path)}

    expected = {
        ("replies/bad.yaml", 3): "reply 2: match.turn: ", ("replies/bad.yaml", 6): "the template names nope",
        ("replies/bad.yaml", 9): "reply 4: match.user_text.contians: ", ("replies/bad.yaml", 11): "reply 5: reply.fault: ",
        ("replies/empty.json", 1): "reply 1: reply: a reply needs one of text, json, ", ("replies/no.yaml", 2): "this is no YAML",
        ("replies/other.yml", 1): "there is only `replies` at the top", ("replies/text.yaml", 1): "expected a list",
        ("faults/f.yaml", 1): "effect.status", ("plans.yaml", 1): "fine_tuning: ", ("models.yaml", 2): "model 2: ",
        ("voices.yaml", 1): "telnyx: ", ("transcripts/t.yaml", 2): "transcripts.0: ",
        ("embedding_models.yaml", 2): "model 1: created: ",
    }  # fmt: skip
    assert {place for place in expected if expected[place] not in told.get(place, "")} == set(), told
    assert len(told) == len(expected)
    (tmp_path / "embedding_models.yaml").write_text("models: []\n")
    assert "expected a list of models" in {problem.message for problem in check(tmp_path)}


def test_a_json_file_is_read_as_json_and_what_is_wrong_is_told_with_its_line(start, tmp_path):
    rule = {
        "id": "smile",
        "match": {"user_text": "\N{GRINNING FACE}"},
        "reply": {"text": "\N{GRINNING FACE} \\ud83d a/b"},
    }
    good = write(tmp_path, json.dumps([rule], indent="\t"), "good.json")
    assert "\\ud83d\\ude00" in good.read_text() and check(tmp_path) == []
    client = start(fixtures=(tmp_path,))
    assert said(client, "\N{GRINNING FACE}") == "\N{GRINNING FACE} \\ud83d a/b"
    assert client.admin("GET", "/replies").json()["data"][0]["line"] == 2

    good.write_text(json.dumps([{**rule, "reply": {"text": "\N{GRINNING FACE}", "txt": "x"}}], indent=1))
    write(tmp_path, '[\n {"id": "a",\n  "reply": {"text": "a",}}]', "comma.json")
    write(tmp_path, '[\n {"reply": {"json": NaN}}]', "nan.json")
    told = {(problem.file.name, problem.line): problem.message for problem in check(tmp_path)}
    assert told == {
        ("good.json", 9): "reply 1: reply.txt: Extra inputs are not permitted",
        ("comma.json", 3): "this is no JSON: Expecting property name enclosed in double quotes",
        ("nan.json", None): "this is no JSON: NaN is no number of JSON",
    }


def test_the_shipped_fixtures_and_a_good_folder_have_no_problems(tmp_path):
    write(tmp_path, AGENT)
    assert check(tmp_path) == [] and check(Path(__file__).parent.parent / "fixtures") == []


def test_the_schema_of_a_reply_file(client):
    schema = client.http.get(client.url + "/_mock/schemas/reply").json()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    shipped = (Path(__file__).parent.parent / "fixtures/replies/default.yaml").read_text()
    for text in (AGENT, shipped, "replies: [{reply: {text: hi}}]"):
        assert validator.is_valid(yaml.safe_load(text))
    assert not validator.is_valid([{"reply": {"text": 5}}]) and not validator.is_valid([{"matches": {}}])


# Why a reply did not match

RULES: list[tuple[str, dict[str, Any]]] = [
    ("weather", {"user_text": {"contains": "weather"}, "model": "openai/*"}),
    ("tool", {"tool_result": {"name": "look_up"}, "turn": 3, "tools": True, "system_text": "Be kind."}),
    ("elsewhere", {"operation": "openai.*", "user_text": "hi"}),
    ("far", {"turn": 9, "model": "x", "user_text": "y", "context": "z", "response_format": "mood"}),
    ("vectors", {"operation": "embeddings"}),
]


def test_near_misses_say_what_each_reply_lacked(client):
    for id, match in RULES:
        add(client, {"text": id}, match, id=id)
    answer = client.chat("hi", model="openai/gpt-4o")
    exchange = client.admin("GET", f"/requests/{answer.headers['x-request-id']}").json()["data"]
    assert exchange["reply"] == "default"
    assert exchange["near_misses"] == [
        "weather: user_text does not contain 'weather'",
        "elsewhere: operation is not 'openai.*'",
        "tool: turn is not 3, tools is missing, system_text is not 'Be kind.', tool_result name is not 'look_up'",
    ]
    assert client.chat("the weather", model="openai/gpt-4o").status_code == 200
    assert client.journal()[0]["near_misses"] == []


def test_a_short_key_is_no_secret_and_a_longer_one_is_blanked_in_near_misses(start):
    one = start()
    for key, shown in (("weather", "weather"), ("the weather", "***")):
        client = one.as_key(key)
        add(client, {"text": "x"}, {"user_text": f"{key}!"}, id="a")
        client.chat("hi")
        assert client.journal()[0]["near_misses"] == [f"a: user_text is not '{shown}!'"]


def test_a_reply_that_is_used_up_is_a_near_miss(client):
    add(client, {"text": "once"}, id="once", times=1)
    client.chat()
    client.chat()
    assert client.journal()[0]["near_misses"] == ["once: it has matched as often as it may"]


def test_near_misses_are_one_line_on_stderr_and_hold_no_key(start, capfd):
    client = start("a-key-that-is-secret")
    add(client, {"text": "x"}, {"model": "a-key-that-is-secret", "user_text": "y"}, id="mine")
    client.chat("a-key-that-is-secret")
    client.chat("a-key-that-is-secret")
    told = capfd.readouterr().err
    assert told.count("no reply of yours fits") == 1
    assert "chat.create_completion: no reply of yours fits, 'default' answers. Nearest: mine: " in told
    assert "model is not '***'" in told and "a-key-that-is-secret" not in told
    assert "a-key-that-is-secret" not in json.dumps(client.journal()[0]["near_misses"])


def test_without_rules_there_are_no_near_misses(client, capfd):
    client.chat()
    assert client.journal()[0]["near_misses"] == [] and "no reply of yours" not in capfd.readouterr().err


@pytest.mark.parametrize("path", ["/ai/chat/completions", "/ai/openai/chat/completions"])
def test_strict_refuses_a_chat_that_no_reply_fits_and_shows_the_three_nearest(start, path):
    client = start(strict=True)
    refused = client.post(path, {"messages": HI})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["detail"] == "No reply of yours fits this request, and the server is strict."
    for n in range(5):
        add(client, {"text": "x"}, {"user_text": f"number {n}"}, id=f"r{n}")
    add(client, {"text": "x"}, {"user_text": "far", "model": "off", "turn": 5}, id="far")
    detail = client.post(path, {"messages": HI, "tools": [LOOK], "stream": True}).json()["errors"][0]["detail"]
    assert [f"r{n}: user_text is not 'number {n}'" in detail for n in range(5)] == [True, True, True, False, False]
    assert client.chat("number 4").status_code == 200
    assert client.get("/ai/models").status_code == 200
    answer = client.post("/ai/openai/embeddings", {"input": "a", "model": "m"})
    assert answer.status_code == 200  # only chats have to be scripted


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("path", "body"), [dialect[:2] for dialect in DIALECTS], ids=lambda value: str(value)[:30])
def test_strict_in_every_dialect(start, path, body, stream):
    client = start(strict=True)
    add(client, {"text": "scripted"}, {"user_text": "something else"}, id="other")
    refused = client.post(path, {**body, "stream": stream})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["detail"].endswith("Nearest: other: user_text is not 'something else'.")
    add(client, {"text": "scripted"}, {"user_text": "hi"}, id="mine")
    assert client.post(path, {**body, "stream": stream}).status_code == 200
