"""The OpenAI-compatible embeddings, at the base URL `/v2/ai/openai`."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.domains.openai_embeddings import service, wire
from mock_server.engine.answers import Ready, as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)


@router.post(
    "/v2/ai/openai/embeddings", operation_id="openai.embeddings.create_embeddings",
    responses={200: {"model": wire.Embeddings}},
)  # fmt: skip
async def create_embeddings(call: CallDep, body: wire.EmbeddingsRequest) -> Response:
    """A vector for each input, consistent with the OpenAI Embeddings API."""
    return Ready(await service.create(call, body))


@router.get(
    "/v2/ai/openai/embeddings/models", operation_id="openai.embeddings.list_embedding_models",
    responses={200: {"model": wire.EmbeddingModels}},
)  # fmt: skip
async def list_embedding_models(call: CallDep) -> Response:
    """The models that make embeddings."""
    return as_json({"object": "list", "data": service.listed(call.world)})
