"""Conversations and their messages. Deletes and added messages answer 200 without a body."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from mock_server.domains.conversations import listing, service, wire
from mock_server.engine import paging
from mock_server.engine.answers import Ready, empty
from mock_server.engine.paging import Page
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
NO_BODY: dict[str, Any] = {"responses": {200: {"description": "Done; no body."}}, "response_class": Response}
FILTERS = {
    "id": "eq.123",
    "name": "like.Voice%",
    "created_at": "gte.2025-01-01",
    "last_message_at": "lte.2025-06-01",
    "metadata->assistant_id": "eq.assistant-123",
    "metadata->assistant_version_id": "eq.20250812T114318034399",
    "metadata->call_control_id": "eq.v3:123",
    "metadata->telnyx_agent_target": "eq.+13128675309",
    "metadata->telnyx_end_user_target": "eq.+13128675309",
    "metadata->telnyx_conversation_channel": "eq.phone_call",
    "or": "(created_at.gte.2025-04-01,last_message_at.gte.2025-04-01)",
    "and": "(created_at.gte.2025-04-01,metadata->assistant_id.eq.assistant-123)",
    "order": "created_at.desc",
}
DOCUMENTED = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "example": example}
        for name, example in FILTERS.items()
    ]
}


@router.get(
    "/v2/ai/conversations", operation_id="conversations.list", responses={200: {"model": wire.Conversations}},
    openapi_extra=DOCUMENTED,
)  # fmt: skip
async def list_conversations(
    call: CallDep,
    limit: Annotated[int, Query(ge=1, description="How many at most.")] = listing.DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, description="How many to pass over.")] = 0,
) -> Response:
    """Conversations by PostgREST-style filters, on any metadata key too; newest first unless `order` says otherwise."""
    rows, meta = listing.find(call, call.exchange.query, limit, offset)
    return Ready(wire.listed(map(wire.conversation, rows), meta))


@router.post("/v2/ai/conversations", operation_id="conversations.create", responses={200: {"model": wire.Conversation}})
async def create(call: CallDep, body: wire.CreateConversation | None = None) -> Response:
    """A new conversation; answered bare."""
    with call.transaction() as transaction:
        row = service.create(call, transaction, body or wire.CreateConversation())
    return Ready(wire.conversation(row))


@router.get(
    "/v2/ai/conversations/{conversation_id}", operation_id="conversations.retrieve",
    responses={200: {"model": wire.ConversationAnswer}},
)  # fmt: skip
async def retrieve(call: CallDep, conversation_id: str) -> Response:
    """One conversation."""
    return Ready(wire.wrapped(wire.conversation(service.get(call, conversation_id))))


@router.put(
    "/v2/ai/conversations/{conversation_id}", operation_id="conversations.update",
    responses={200: {"model": wire.ConversationAnswer}},
)  # fmt: skip
async def update(call: CallDep, conversation_id: str, body: wire.UpdateConversation | None = None) -> Response:
    """Replaces the metadata."""
    with call.transaction():
        row = service.update_metadata(call, conversation_id, body or wire.UpdateConversation())
    return Ready(wire.wrapped(wire.conversation(row)))


@router.delete("/v2/ai/conversations/{conversation_id}", operation_id="conversations.delete", **NO_BODY)
async def delete(call: CallDep, conversation_id: str) -> Response:
    """Deletes a conversation with its messages."""
    with call.transaction():
        service.remove(call, conversation_id)
    return empty()


@router.post("/v2/ai/conversations/{conversation_id}/message", operation_id="conversations.add_message", **NO_BODY)
async def add_message(call: CallDep, conversation_id: str, body: wire.AddMessage) -> Response:
    """Adds a message without having anyone answer it."""
    with call.transaction() as transaction:
        service.add_message(call, transaction, conversation_id, body)
    return empty()


@router.get(
    "/v2/ai/conversations/{conversation_id}/messages", operation_id="conversations.messages.list",
    responses={200: {"model": wire.Messages}},
)  # fmt: skip
async def list_messages(
    call: CallDep, conversation_id: str, number: paging.Number = 1, size: paging.SizeTo100 = paging.DEFAULT_SIZE
) -> Response:
    """The messages of a conversation, oldest first."""
    page = Page(number, size)
    rows, total = service.messages(call, conversation_id, page)
    return Ready(wire.listed(map(wire.message, rows), page.meta(total)))
