"""Messages of an Anthropic request: what they say, block by block."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from mock_server.base.errors import BadRequest, Invalid, Issue
from mock_server.domains.anthropic.wire import MessagesRequest
from mock_server.engine.completion import Offered, Prompt, without_nul

ROLES = ("user", "assistant", "system")
Place = tuple[str | int, ...]


def read(request: MessagesRequest, *, lenient: bool) -> Prompt:
    """The prompt that a request holds. Raises Invalid for what makes no sense or has a NUL, unless `lenient`."""
    prompt = Prompt()
    if request.system:
        where: Place = ("body", "system")
        text = request.system
        prompt.add(
            "system", without_nul(text, where, lenient) if isinstance(text, str) else _text(text, where, lenient)
        )
    for i, message in enumerate(request.messages):
        where = ("body", "messages", i)
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            if not lenient:
                raise Invalid(
                    [Issue((*where, "role"), "Input should be 'user', 'assistant' or 'system'", "literal_error")]
                )
            role = "user"
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list):
            if not lenient:
                raise Invalid(
                    [Issue((*where, "content"), "Input should be a valid string or a list of blocks", "string_type")]
                )
            content = []
        _read_blocks(role, content, prompt, (*where, "content"), lenient)
    return prompt


def _read_blocks(role: str, blocks: Sequence[Any], prompt: Prompt, where: Place, lenient: bool) -> None:
    """A message's text counts as a message of its own, before the uses and results of tools beside it."""
    text = _text(blocks, where, lenient)
    kinds = {block.get("type") for block in blocks if isinstance(block, dict)}
    if text or not kinds & {"tool_use", "tool_result"}:
        prompt.add(role, text)
    for j, block in enumerate(blocks):
        if not isinstance(block, dict):
            continue  # refused above
        if block.get("type") == "tool_use":
            id, name = (_string(block, key, (*where, j), lenient) for key in ("id", "name"))
            prompt.add_call(id, name, to_json(block.get("input"), inf_nan_mode="null").decode())
        elif block.get("type") == "tool_result":
            id = _string(block, "tool_use_id", (*where, j), lenient)
            content = block.get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
            prompt.add_result(id, _text(parts, (*where, j, "content"), lenient))


def _text(blocks: Sequence[Any], where: Place, lenient: bool) -> str:
    """The texts among blocks, a line each."""
    texts = []
    for j, block in enumerate(blocks):
        if not isinstance(block, dict):
            if lenient:
                continue
            raise Invalid([Issue((*where, j), "Input should be a valid dictionary", "dict_type")])
        if block.get("type") == "text":
            texts.append(_string(block, "text", (*where, j), lenient))
    return "\n".join(texts)


def _string(block: dict[str, Any], key: str, where: Place, lenient: bool) -> str:
    value = block.get(key)
    if isinstance(value, str):
        return without_nul(value, (*where, key), lenient)
    if lenient:
        return ""
    message, kind = ("Input should be a valid string", "string_type") if key in block else ("Field required", "missing")
    raise Invalid([Issue((*where, key), message, kind)])


def functions(request: MessagesRequest, *, lenient: bool) -> list[Offered]:
    """The client's tools; those that the server of a model would run itself are passed over. Raises Invalid."""
    found = []
    for i, tool in enumerate(request.tools or ()):
        if tool.get("type", "custom") != "custom":
            continue
        name, schema = tool.get("name"), tool.get("input_schema")
        if isinstance(name, str) and name and isinstance(schema, dict | None):
            found.append(Offered(name, schema))
        elif not lenient:
            key = "name" if not (isinstance(name, str) and name) else "input_schema"
            message = (
                ("Input should be a valid dictionary", "dict_type")
                if key == "input_schema"
                else ("Field required", "missing")
            )
            raise Invalid([Issue(("body", "tools", i, key), *message)])
    return found


def forced(request: MessagesRequest, offered: Sequence[Offered], *, lenient: bool) -> Offered | None:
    """The tool that must be used: the one tool_choice names, or the first when any must be. Raises BadRequest."""
    choice = request.tool_choice
    if choice is None or choice.type not in ("tool", "any"):
        return None
    if choice.type == "any":
        found = offered[0] if offered else None
    else:
        found = next((function for function in offered if function.name == choice.name), None)
    if found is None and not lenient and choice.type == "tool":
        raise BadRequest(f"tool_choice names the tool {str(choice.name)[:300]!r}, which is not among tools.")
    if found is None and not lenient and not request.tools:
        raise BadRequest("tool_choice is 'any', but there are no tools.")
    return found
