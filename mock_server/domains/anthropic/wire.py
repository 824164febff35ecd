"""Anthropic messages on the wire. Requests: the vendor's public OpenAPI document; answers: the types of anthropic's SDK."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints
from pydantic_core import from_json, to_json

from mock_server.engine.completion import Choice, Completion, pieces

Name = Annotated[str, StringConstraints(max_length=256)]
LARGEST = 2**63 - 1
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class ToolChoice(BaseModel, extra="allow"):
    type: str = "auto"
    name: str | None = None


class Thinking(BaseModel, extra="allow"):
    type: str = "enabled"


class MessagesRequest(BaseModel, allow_inf_nan=False):
    """`model`, `messages` and `max_tokens` are required; unknown fields are ignored."""

    model: Name
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1, le=LARGEST)]
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: dict[str, Any] | None = Field(
        None, description="As Anthropic's SDK sends it: `format` with a JSON schema that the text must fit."
    )
    api_key_ref: str | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    fallback_config: dict[str, Any] | None = None
    billing_group_id: UUID | None = None
    timeout: float | None = 300.0
    max_retries: int | None = None
    service_tier: Name | None = None
    region: Literal["USA", "EU", "AUS", "UAE"] | None = None
    mode: Literal["preferred", "strict"] | None = None

    def schema_wanted(self) -> dict[str, Any] | None:
        """The schema that the text must fit."""
        shape = (self.output_config or {}).get("format")
        if not isinstance(shape, dict) or shape.get("type") != "json_schema":
            return None
        return shape["schema"] if isinstance(shape.get("schema"), dict) else {"type": "object"}


# What the OpenAPI document says of answers; the answers themselves are rendered below.


class Block(BaseModel, extra="allow"):
    """Thoughts, a text, or the use of a tool."""

    type: Literal["thinking", "text", "tool_use"]


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = None


class Message(BaseModel):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Block]
    stop_reason: str
    stop_sequence: str | None
    usage: Usage


@dataclass(slots=True)
class Answer:
    """A completion, and the signature of its thoughts."""

    completion: Completion
    signature: str

    @property
    def choice(self) -> Choice:
        return self.completion.choices[0]

    def ending(self) -> dict[str, str | None]:
        """Why it ended."""
        choice = self.choice
        if choice.stopped_by is not None and choice.finish_reason == "stop":
            return {"stop_reason": "stop_sequence", "stop_sequence": choice.stopped_by}
        reason = choice.finish_reason
        return {
            "stop_reason": "refusal" if choice.refusal and reason == "stop" else STOP_REASONS.get(reason, reason),
            "stop_sequence": None,
        }


def message(answer: Answer) -> bytes:
    """The whole answer as one JSON object."""
    return to_json({**_head(answer), "content": _blocks(answer), **answer.ending(), "usage": _usage(answer)})


def _head(answer: Answer) -> dict[str, Any]:
    completion = answer.completion
    return {"id": completion.id, "type": "message", "role": "assistant", "model": completion.model}


def _usage(answer: Answer) -> dict[str, int]:
    completion = answer.completion
    usage = {"input_tokens": completion.prompt_tokens, "output_tokens": completion.spent()[0]}
    if completion.cached_tokens is not None:
        usage["cache_read_input_tokens"] = completion.cached_tokens
    return usage


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    choice = answer.choice
    blocks: list[dict[str, Any]] = []
    if choice.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(choice.reasoning), "signature": answer.signature})
    text = "".join(choice.tokens or choice.refusal)
    if text:
        blocks.append({"type": "text", "text": text})
    for id, name, arguments in choice.tool_calls:
        blocks.append({"type": "tool_use", "id": id, "name": name, "input": _input(arguments)})
    return blocks


def _input(arguments: str) -> Any:
    """Arguments as the object they are; a scripted text that is no JSON object stays a text, for who wants to see that."""
    try:
        return from_json(arguments)
    except ValueError:
        return arguments


# What a block begins as.
EMPTY: dict[str, dict[str, Any]] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


class Events:
    """The events of one answer; `paced` says of each whether it carries tokens. `size` is how many."""

    def __init__(self, answer: Answer, size: int = 1) -> None:
        self.sent: list[bytes] = []
        self.paced: list[bool] = []
        self._size = size
        self._arguments = iter([arguments for _, _, arguments in answer.choice.tool_calls])
        usage = {**_usage(answer), "output_tokens": 0}
        begun = {**_head(answer), "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        self._add("message_start", message=begun)
        for index, block in enumerate(_blocks(answer)):
            self._block(answer, index, block)
        self._add("message_delta", delta=answer.ending(), usage=_usage(answer))
        self._add("message_stop")

    def _add(self, kind: str, *, tokens: bool = False, **fields: Any) -> None:
        self.sent.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), to_json({"type": kind, **fields})))
        self.paced.append(tokens)

    def _block(self, answer: Answer, index: int, block: dict[str, Any]) -> None:
        choice, kind = answer.choice, block["type"]
        self._add("content_block_start", index=index, content_block={**block, **EMPTY[kind]})
        if kind == "thinking":
            self._deltas(index, "thinking_delta", "thinking", choice.reasoning)
            self._add(
                "content_block_delta", index=index, delta={"type": "signature_delta", "signature": answer.signature}
            )
        elif kind == "text":
            self._deltas(index, "text_delta", "text", choice.tokens or choice.refusal)
        else:
            self._deltas(index, "input_json_delta", "partial_json", Choice.argument_pieces(next(self._arguments)))
        self._add("content_block_stop", index=index)

    def _deltas(self, index: int, kind: str, name: str, tokens: Sequence[str]) -> None:
        for piece in pieces(tokens, self._size):
            self._add("content_block_delta", tokens=True, index=index, delta={"type": kind, name: piece})
