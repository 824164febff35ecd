"""The two chat routes: the vendor's old path, and the OpenAI-compatible one that replaced it. The same service behind both."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.chat import service, wire
from mock_server.engine.answers import Ready
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
# One event: before OpenAPI 3.2 the schema of a text/event-stream is each event's.
EVENT = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": wire.ChatCompletion,
        "description": "The completion; with `stream` its chunks as server-sent events, ended by `data: [DONE]`.",
        "content": {"text/event-stream": {"schema": EVENT}},
    }
}


@router.post("/v2/ai/chat/completions", operation_id="chat.create_completion", responses=ANSWERS)
@router.post("/v2/ai/openai/chat/completions", operation_id="openai.chat.create_completion", responses=ANSWERS)
async def create_completion(call: CallDep, body: wire.ChatRequest) -> Response:
    """Chat with a language model, consistent with the OpenAI Chat Completions API."""
    consulted = await service.consult(call, body) if body.tools and body.retrievals() else None
    completion = service.complete(call, body, consulted)
    if not body.stream:
        return Ready(wire.completion(completion))
    include_usage = body.stream_options is not None and body.stream_options.include_usage
    pacing = call.world.pacing if completion.pacing is None else completion.pacing.over(call.world.pacing)
    if not pacing.paced:
        return wire.all_events(completion, include_usage, pacing.chunk)
    events = wire.events(completion, include_usage, pacing.chunk)
    return call.stream(events, pacing.waits(len(events), call.draw))
