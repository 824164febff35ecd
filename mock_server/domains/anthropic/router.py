"""The one route of Anthropic's clients. Errors are the vendor's, not Anthropic's: its document declares no others."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.anthropic import service, wire
from mock_server.engine.answers import Ready
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
# One event: before OpenAPI 3.2 the schema of a text/event-stream is each event's.
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": wire.Message,
        "description": "The message; with `stream` its events, from `message_start` to `message_stop`.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}


@router.post("/v2/ai/anthropic/v1/messages", operation_id="anthropic.v1.messages", responses=ANSWERS)
async def create_message(call: CallDep, body: wire.MessagesRequest) -> Response:
    """Chat with a language model, consistent with Anthropic's Messages API, at the base URL `/v2/ai/anthropic`."""
    answer = service.create(call, body)
    if not body.stream:
        return Ready(wire.message(answer))
    own = answer.completion.pacing
    pacing = call.world.pacing if own is None else own.over(call.world.pacing)
    events = wire.Events(answer, pacing.chunk)
    return call.stream(events.sent, pacing.waits_of(events.paced, call.draw))
