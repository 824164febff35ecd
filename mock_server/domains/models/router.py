"""The two lists of models."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.models import service, wire
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)


@router.get("/v2/ai/models", operation_id="ai.retrieve_models", responses={200: {"model": wire.OldModels}})
async def retrieve_models(call: CallDep) -> Response:
    """The models that are available; `created` in Unix seconds, as older documentation has it."""
    models = service.listed(call)
    return as_json(
        {"object": "list", "data": models if call.quirk("models_created_iso") else service.with_unix_created(models)}
    )


@router.get("/v2/ai/openai/models", operation_id="openai.list_models", responses={200: {"model": wire.Models}})
async def list_models(call: CallDep) -> Response:
    """The models that are available; `created` as an ISO 8601 string, as the public spec has it."""
    return as_json({"object": "list", "data": service.listed(call)})
