"""One script of three tool rounds, run by three clients that loop until the model calls no more tools."""

import json
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.test_record import record

__all__ = ["record"]  # a fixture

SCRIPT = """
- id: find
  match: {user_text: {contains: refund}, tool_result: false}
  reply: {tool_calls: [{name: find_order, arguments: {email: "kim@example.com"}}]}
- id: check
  match: {tool_result: {name: find_order, content: {contains: A-17}}}
  reply:
    tool_calls:
      - {name: get_payment, arguments: {order: A-17}}
      - {name: get_policy, arguments: {country: NL}}
- id: refund
  match: {tool_result: {name: get_policy}}
  reply: {text: Refunding., tool_calls: [{name: refund, arguments: {order: A-17, cents: 1250}}]}
- id: done
  match: {tool_result: {name: refund, content: {regex: '"ok": *true'}}}
  reply: {text: "Done: 12.50 is on its way."}
"""
TOOLS = {
    "find_order": lambda email: {"order": "A-17"} if email == "kim@example.com" else None,
    "get_payment": lambda order: {"cents": 1250},
    "get_policy": lambda country: {"days": 14},
    "refund": lambda order, cents: {"ok": (order, cents) == ("A-17", 1250)},
}
PARAMETERS: Any = {"type": "object", "additionalProperties": True}
ASK = "I want a refund"
LONGEST = 8


def use(name: str, arguments: dict[str, Any]) -> str:
    return json.dumps(TOOLS[name](**arguments))


def by_chat(url: str, key: str) -> tuple[str, list[str]]:
    tools: Any = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in TOOLS]
    messages: list[Any] = [{"role": "user", "content": ASK}]
    used: list[str] = []
    with openai.OpenAI(api_key=key, base_url=f"{url}/v2/ai/openai", max_retries=0) as sdk:
        for _ in range(LONGEST):
            message = sdk.chat.completions.create(model="m", messages=messages, tools=tools).choices[0].message
            if not message.tool_calls:
                return message.content or "", used
            messages.append(message)
            for call in message.tool_calls:
                used.append(call.function.name)
                content = use(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    raise AssertionError("no end")


def by_responses(url: str, key: str) -> tuple[str, list[str]]:
    tools: Any = [{"type": "function", "name": name, "parameters": PARAMETERS} for name in TOOLS]
    items: list[Any] = [{"role": "user", "content": ASK}]
    used: list[str] = []
    with openai.OpenAI(api_key=key, base_url=f"{url}/v2/ai/openai", max_retries=0) as sdk:
        for _ in range(LONGEST):
            with sdk.responses.stream(model="m", input=items, tools=tools) as stream:
                answer = stream.get_final_response()
            calls = [item for item in answer.output if item.type == "function_call"]
            if not calls:
                return answer.output_text, used
            items += answer.output
            for call in calls:
                used.append(call.name)
                output = use(call.name, json.loads(call.arguments))
                items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    raise AssertionError("no end")


def by_anthropic(url: str, key: str) -> tuple[str, list[str]]:
    tools: Any = [{"name": name, "input_schema": PARAMETERS} for name in TOOLS]
    messages: list[Any] = [{"role": "user", "content": ASK}]
    used: list[str] = []
    with anthropic.Anthropic(auth_token=key, base_url=f"{url}/v2/ai/anthropic", max_retries=0) as sdk:
        for _ in range(LONGEST):
            with sdk.messages.stream(model="m", max_tokens=1000, messages=messages, tools=tools) as stream:
                answer = stream.get_final_message()
            if answer.stop_reason != "tool_use":
                return answer.content[0].text, used  # type: ignore[union-attr]
            messages.append({"role": "assistant", "content": answer.content})
            results = []
            for block in answer.content:
                if block.type == "tool_use":
                    used.append(block.name)
                    results.append(
                        {"type": "tool_result", "tool_use_id": block.id, "content": use(block.name, block.input)}
                    )
            messages.append({"role": "user", "content": results})
    raise AssertionError("no end")


@pytest.mark.parametrize("loop", [by_chat, by_responses, by_anthropic])
def test_an_agent_loop_of_three_tool_rounds(start, tmp_path: Path, loop):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "refund.yaml").write_text(SCRIPT)
    client = start(fixtures=(tmp_path,), strict=True)

    said, used = loop(client.url, client.key)

    assert said == "Done: 12.50 is on its way."
    assert used == ["find_order", "get_payment", "get_policy", "refund"]
    assert [entry["reply"] for entry in client.journal()] == ["done", "refund", "check", "find"]


@pytest.mark.check
@pytest.mark.parametrize("loop", [by_chat, by_responses, by_anthropic])
def test_an_agent_loop_is_recorded_and_then_played_without_its_script(start, record, tmp_path: Path, loop):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "refund.yaml").write_text(SCRIPT)
    upstream = start(fixtures=(tmp_path,), strict=True, seed=7)
    recorder = record(upstream.v2)
    live = loop(recorder.url, upstream.key)
    recorder.stop()

    player = start(fixtures=(recorder.out,), strict=True, seed=8)
    played = loop(player.url, player.key)

    assert played == live == ("Done: 12.50 is on its way.", ["find_order", "get_payment", "get_policy", "refund"])
    assert [entry["reply"][:4] for entry in player.journal()] == ["0004", "0003", "0002", "0001"]
    assert upstream.key not in "".join(path.read_text() for path in recorder.out.rglob("*.json"))
