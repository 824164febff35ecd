"""Fine-tuning jobs. A read of a job by plan of reads is a write, so every operation opens a transaction."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.base.jobs import FINE_TUNING
from mock_server.domains.fine_tuning import service, wire
from mock_server.engine import paging
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
JOBS = "/v2/ai/fine_tuning/jobs"


@router.get(JOBS, operation_id="fine_tuning.jobs.list", responses={200: {"model": wire.Jobs}})
async def list_jobs(call: CallDep) -> Response:
    """Every job, newest first."""
    page = paging.asked(call.exchange.query)
    with call.transaction():
        data, total = service.page(call, page)
    answer: dict[str, Any] = {"data": data}
    return as_json(answer if page is None else {**answer, "meta": page.meta(total)})


@router.post(JOBS, operation_id="fine_tuning.jobs.create", responses={200: {"model": wire.Job}})
async def create_job(call: CallDep, body: wire.CreateJob) -> Response:
    """A new job; its id is the name of the model that comes of it."""
    plan = call.plan(FINE_TUNING)
    tokens = await service.tokens_of(call, body.training_file)
    with call.transaction() as transaction:
        job = service.create(call, transaction, body, tokens, plan)
    return as_json(job)


@router.get(JOBS + "/{job_id}", operation_id="fine_tuning.jobs.retrieve", responses={200: {"model": wire.Job}})
async def retrieve_job(call: CallDep, job_id: str) -> Response:
    """One job."""
    with call.transaction():
        job = service.get(call, job_id)
    return as_json(job)


@router.post(JOBS + "/{job_id}/cancel", operation_id="fine_tuning.jobs.cancel", responses={200: {"model": wire.Job}})
async def cancel_job(call: CallDep, job_id: str) -> Response:
    """Cancels a job; one that has ended stays as it is."""
    with call.transaction():
        job = service.cancel(call, job_id)
    return as_json(job)
