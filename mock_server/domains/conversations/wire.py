"""Conversations and messages on the wire: request models, row -> bytes. A message is written with `content`, read with `text`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints
from pydantic_core import to_json

from mock_server.base.clock import iso_ms
from mock_server.engine.paging import Meta

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]  # a database keeps no NUL


def _spelled(metadata: Any) -> Any:
    """The one documented flag among the strings may come as a boolean."""
    if isinstance(metadata, dict) and isinstance(metadata.get("ai_disabled"), bool):
        return {**metadata, "ai_disabled": "true" if metadata["ai_disabled"] else "false"}
    return metadata


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


NO_OTHERS = Field(json_schema_extra={"additionalProperties": False})  # keys are checked too, which a schema must say so
Metadata = Annotated[dict[Text, Text], NO_OTHERS, BeforeValidator(_spelled)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Scalar = Text | int | bool


class CreateConversation(BaseModel):
    name: Text | None = None
    metadata: Metadata | None = None


class UpdateConversation(BaseModel):
    """`metadata` replaces what was there; left out, nothing changes."""

    metadata: Metadata | None = None


class AddMessage(BaseModel):
    role: Text
    content: Text | None = ""
    name: Text | None = None
    tool_choice: Text | dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: Text | None = None
    sent_at: Moment | None = None
    metadata: Annotated[dict[Text, Scalar | list[Scalar]], NO_OTHERS] | None = None


class Conversation(BaseModel):
    id: str
    name: str | None
    created_at: datetime
    last_message_at: datetime
    metadata: dict[str, str]


class ConversationAnswer(BaseModel):
    data: Conversation


class Conversations(BaseModel):
    """`meta` is there when the request asked for a page."""

    data: list[Conversation]
    meta: Meta | None = None


class CalledFunction(BaseModel):
    name: str
    arguments: str


class ToolCall(BaseModel):
    id: str
    type: str
    function: CalledFunction


class Message(BaseModel):
    role: str
    text: str
    tool_calls: list[ToolCall] | None = None
    created_at: datetime
    sent_at: datetime
    metadata: dict[str, Any] | None = None


class Messages(BaseModel):
    data: list[Message]
    meta: Meta


def conversation(row: Sequence[Any]) -> bytes:
    """Of (id, name, created_at, last_message_at, metadata)."""
    id, name, created_at, last_message_at, metadata = row
    return b'{"id":%s,"name":%s,"created_at":"%s","last_message_at":"%s","metadata":%s}' % (
        to_json(id),
        b"null" if name is None else to_json(name),
        iso_ms(created_at).encode(),
        iso_ms(last_message_at).encode(),
        metadata.encode(),
    )


def message(row: Sequence[Any]) -> bytes:
    """Of (role, text, tool_calls, created_at, sent_at, metadata)."""
    role, text, tool_calls, created_at, sent_at, metadata = row
    return b'{"role":%s,"text":%s,%s"created_at":"%s","sent_at":"%s"%s}' % (
        to_json(role),
        to_json(text),
        b"" if tool_calls is None else b'"tool_calls":%s,' % tool_calls.encode(),
        iso_ms(created_at).encode(),
        iso_ms(sent_at).encode(),
        b"" if metadata is None else b',"metadata":%s' % metadata.encode(),
    )


def wrapped(item: bytes) -> bytes:
    return b'{"data":%s}' % item


def listed(items: Iterable[bytes], meta: dict[str, int] | None) -> bytes:
    """`{"data": [...]}`, with `meta` where the list is paged."""
    data = b",".join(items)
    return b'{"data":[%s]}' % data if meta is None else b'{"data":[%s],"meta":%s}' % (data, to_json(meta))


def called(tool_calls: Sequence[dict[str, Any]], make_id: Any) -> list[dict[str, Any]]:
    """Tool calls as they are read: whatever was written, with every documented field. `make_id` names one that has no id."""
    calls = []
    for call in tool_calls:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = function.get("arguments", "{}")
        calls.append({
            "id": call["id"] if isinstance(call.get("id"), str) else make_id(),
            "type": "function",
            "function": {
                "name": str(function.get("name", "")),
                "arguments": arguments if isinstance(arguments, str) else to_json(arguments).decode(),
            },
        })  # fmt: skip
    return calls
