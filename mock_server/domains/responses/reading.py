"""Input items of the Responses API: what they say, and the messages that a conversation keeps of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from mock_server.base.errors import BadRequest, Invalid, Issue
from mock_server.domains.responses.wire import ResponsesRequest
from mock_server.engine.completion import Offered, Prompt, without_nul

ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
Place = tuple[str | int, ...]


@dataclass(slots=True)
class Message:
    """What a conversation keeps of an item."""

    role: str
    text: str
    more: dict[str, Any] = field(default_factory=dict)  # tool_calls, tool_call_id, metadata


def read(request: ResponsesRequest, prompt: Prompt, *, lenient: bool) -> list[Message]:
    """Add the instructions and input of a request to a prompt, and give what a conversation keeps of them.

    Raises Invalid for an item that makes no sense or a text with a NUL, unless `lenient`.
    """
    messages: list[Message] = []
    if request.instructions and request.instructions not in prompt.system_texts:  # a conversation may have them already
        text = without_nul(request.instructions, ("body", "instructions"), lenient)
        prompt.add("system", text)
        messages.append(Message("system", text))
    items, place = request.input, ("body", "input")
    if isinstance(items, str):
        text = without_nul(items, place, lenient)
        prompt.add("user", text)
        return [*messages, Message("user", text)]
    for i, item in enumerate(items if isinstance(items, list) else [] if items is None else [items]):
        where = (*place, i) if isinstance(items, list) else place
        if isinstance(item, dict):
            messages += _read_item(item, prompt, where, lenient)
        elif not lenient:
            raise Invalid([Issue(where, "Input should be a valid dictionary", "dict_type")])
    return messages


def _read_item(item: dict[str, Any], prompt: Prompt, where: Place, lenient: bool) -> Iterator[Message]:
    kind = item.get("type", "message" if "role" in item else None)
    if kind == "message":
        role = ROLES.get(item["role"]) if isinstance(item.get("role"), str) else None
        if role is None and not lenient:
            wanted = "Input should be 'user', 'assistant', 'system' or 'developer'"
            raise Invalid([Issue((*where, "role"), wanted, "literal_error")])
        text = _text(item.get("content"), (*where, "content"), lenient)
        prompt.add(role or "user", text)
        yield Message(role or "user", text)
    elif kind == "function_call":
        id, name, arguments = (_string(item, key, where, lenient) for key in ("call_id", "name", "arguments"))
        if not prompt.has_call(id):  # a client may repeat what the conversation has
            yield Message("assistant", "", {"tool_calls": [tool_call(id, name, arguments)]})
        prompt.add_call(id, name, arguments)
    elif kind == "function_call_output":
        id = _string(item, "call_id", where, lenient)
        output = item.get("output")
        text = _text(output, (*where, "output"), lenient)
        prompt.add_result(id, text)
        yield Message("tool", text, {"tool_call_id": id})
    elif not isinstance(kind, str) and not lenient:
        raise Invalid([Issue((*where, "type"), "Field required", "missing")])


def tool_call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _string(item: dict[str, Any], key: str, where: Place, lenient: bool) -> str:
    value = item.get(key)
    if isinstance(value, str):
        return without_nul(value, (*where, key), lenient)
    if lenient:
        return ""
    missing = key not in item
    message, kind = ("Field required", "missing") if missing else ("Input should be a valid string", "string_type")
    raise Invalid([Issue((*where, key), message, kind)])


def _text(content: Any, where: Place, lenient: bool) -> str:
    """The text of a content: a string, or parts of which those with a text count."""
    if isinstance(content, list) and (lenient or all(isinstance(part, dict) for part in content)):
        parts = (part.get("text", part.get("refusal")) for part in content if isinstance(part, dict))
        content = "\n".join(part for part in parts if isinstance(part, str))
    if isinstance(content, str):
        return without_nul(content, where, lenient)
    if content is None or lenient:
        return ""
    raise Invalid([Issue(where, "Input should be a valid string or a list of parts", "string_type")])


def functions(request: ResponsesRequest, *, lenient: bool) -> list[Offered]:
    """The functions among the tools; tools of other kinds are passed over. Raises Invalid."""
    found = []
    for i, tool in enumerate(request.tools or ()):
        if tool.get("type") != "function":
            continue
        if isinstance(tool.get("function"), dict):  # as chat spells it
            tool = tool["function"]
        parameters = tool.get("parameters")
        if isinstance(tool.get("name"), str) and isinstance(parameters, dict | None):
            found.append(Offered(tool["name"], parameters))
        elif not lenient:
            name = "parameters" if isinstance(tool.get("name"), str) else "name"
            kind = (
                ("Input should be a valid dictionary", "dict_type")
                if name == "parameters"
                else ("Field required", "missing")
            )
            raise Invalid([Issue(("body", "tools", i, name), *kind)])
    return found


def forced(request: ResponsesRequest, offered: Sequence[Offered], *, lenient: bool) -> Offered | None:
    """The function that must be called: the one tool_choice names, or the first that it allows. Raises BadRequest."""
    choice = request.tool_choice
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        names = {tool.get("name") for tool in choice.get("tools") or () if isinstance(tool, dict)}
        offered = [function for function in offered if function.name in names]
        choice = choice.get("mode")
    if isinstance(choice, dict) and choice.get("type") == "function":
        name = choice.get("name")
        if name is None and isinstance(choice.get("function"), dict):  # as chat spells it
            name = choice["function"].get("name")
        found = next((function for function in offered if function.name == name), None)
        if found is None and not lenient:
            raise BadRequest(f"tool_choice names the function {json.dumps(name)[:300]}, which is not among tools.")
        return found
    if choice != "required":
        return None
    if not offered and not request.tools and not lenient:
        raise BadRequest("tool_choice is 'required', but tools names no function.")
    return offered[0] if offered else None


def dumped(value: Any) -> bytes:
    """JSON of a value that may hold numbers JSON does not have."""
    return to_json(value, inf_nan_mode="null")
