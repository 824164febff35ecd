"""The Responses API's two routes: the OpenAI-compatible one, and its old twin. The same service behind both."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.responses import rendering, service, wire
from mock_server.engine.answers import Ready
from mock_server.engine.route import LeanRoute
from mock_server.world import Call, CallDep

router = APIRouter(route_class=LeanRoute)
# One event: before OpenAPI 3.2 the schema of a text/event-stream is each event's.
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": wire.Response,
        "description": "The response; with `stream` its typed events, numbered, up to `response.completed`.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}


@router.post("/v2/ai/openai/responses", operation_id="openai.create_response", responses=ANSWERS)
async def create_response(call: CallDep, body: wire.ResponsesRequest) -> Response:
    """Create a response, consistent with the OpenAI Responses API; `conversation` is a conversation of POST /ai/conversations."""
    return _answer(call, body)


@router.post("/v2/ai/responses", operation_id="ai.create_response", responses=ANSWERS, deprecated=True)
async def create_old_response(call: CallDep, body: wire.ResponsesRequest) -> Response:
    """The same at its old path."""
    return _answer(call, body)


def _answer(call: Call, body: wire.ResponsesRequest) -> Response:
    answer = service.create(call, body)
    if not body.stream:
        return Ready(rendering.whole(answer))
    own = answer.completion.pacing
    pacing = call.world.pacing if own is None else own.over(call.world.pacing)
    events = rendering.Events(answer, pacing.chunk)
    return call.stream(events.sent, pacing.waits_of(events.paced, call.draw))
