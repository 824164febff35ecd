"""Summaries of objects in buckets."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.summarize import service, wire
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)


@router.post("/v2/ai/summarize", operation_id="ai.summarize", responses={200: {"model": wire.SummaryAnswer}})
async def summarize(call: CallDep, body: wire.SummarizeRequest) -> Response:
    """A summary of an object: sentences of its own, or what a reply file says."""
    return as_json({"data": {"summary": await service.summarize(call, body)}})
