"""Embedding of buckets: tasks, embedded buckets, similarity search. The delete answers 200 without a body."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.base.errors import NotFound
from mock_server.domains.embeddings import service, wire
from mock_server.engine import paging
from mock_server.engine.answers import as_json, empty
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
EMBEDDINGS = "/v2/ai/embeddings"
NO_BODY: dict[int | str, dict[str, Any]] = {200: {"description": "Done; no body."}}


@router.get(
    EMBEDDINGS + "/buckets", operation_id="embeddings.buckets.list", responses={200: {"model": wire.BucketsAnswer}}
)
async def list_buckets(call: CallDep) -> Response:
    """The buckets that are embedded, by name."""
    return as_json({"data": {"buckets": service.names(call.world, call.account)}})


@router.get(
    EMBEDDINGS + "/buckets/{bucket_name}", operation_id="embeddings.buckets.retrieve",
    responses={200: {"model": wire.FilesAnswer}},
)  # fmt: skip
async def retrieve_bucket(call: CallDep, bucket_name: str) -> Response:
    """The files of an embedded bucket and how each fared."""
    return as_json({"data": await service.files(call, bucket_name)})


@router.delete(EMBEDDINGS + "/buckets/{bucket_name}", operation_id="embeddings.buckets.delete", responses=NO_BODY)
async def delete_bucket(call: CallDep, bucket_name: str) -> Response:
    """Forgets the embeddings of a bucket; its objects stay."""
    await service.remove(call, bucket_name)
    return empty()


@router.post(
    EMBEDDINGS + "/similarity-search", operation_id="embeddings.similarity_search",
    responses={200: {"model": wire.SearchAnswer}},
)  # fmt: skip
async def similarity_search(call: CallDep, body: wire.SearchRequest) -> Response:
    """The chunks of an embedded bucket that are nearest to a text, the nearest first."""
    try:
        found = await service.search(call.world, call.account, body.bucket_name, body.query, body.num_of_docs)
    except NotFound:
        if not call.quirk("unknown_ids_synthesised"):
            raise
        found = service.stand_in(body.bucket_name)
    return as_json({"data": found})


@router.post(EMBEDDINGS + "/url", operation_id="embeddings.url", responses={200: {"model": wire.CreatedTaskAnswer}})
async def embed_url(call: CallDep, body: wire.EmbedUrlRequest) -> Response:
    """Loads a web site into a bucket and embeds it, beside the request."""
    return as_json({"data": service.create_from_url(call, body)})


@router.get(
    EMBEDDINGS, operation_id="embeddings.list", responses={200: {"model": wire.TasksAnswer}},
    openapi_extra={"parameters": [wire.STATUS]},
)  # fmt: skip
async def list_tasks(call: CallDep) -> Response:
    """The tasks of some statuses, the newest first; of those under way when none is named."""
    found, page = await service.listed(call), paging.asked(call.exchange.query)
    if page is None:
        return as_json({"data": found[: service.MOST_TASKS]})
    return as_json({"data": found[page.offset : page.offset + page.size], "meta": page.meta(len(found))})


@router.post(EMBEDDINGS, operation_id="embeddings.create", responses={200: {"model": wire.CreatedTaskAnswer}})
async def create_task(call: CallDep, body: wire.EmbedRequest) -> Response:
    """Embeds the objects of a bucket, beside the request."""
    return as_json({"data": service.create(call, body)})


@router.get(EMBEDDINGS + "/{task_id}", operation_id="embeddings.retrieve", responses={200: {"model": wire.TaskAnswer}})
async def retrieve_task(call: CallDep, task_id: str) -> Response:
    """How an embedding task stands."""
    return as_json({"data": await service.retrieve(call, task_id)})
