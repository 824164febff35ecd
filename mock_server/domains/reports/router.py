"""Legacy reports of speech to text: batches, and usage at once."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from mock_server.domains.reports import service, wire
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
BATCH = "/v2/legacy/reporting/batch_detail_records/speech_to_text"
NAME = "legacy.reporting.batch_detail_records.speech_to_text"
ReportId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]
Instant = Annotated[str | None, Query(json_schema_extra={"format": "date-time"})]


@router.get(BATCH, operation_id=f"{NAME}.list", responses={200: {"model": wire.ReportsAnswer}})
async def list_reports(call: CallDep) -> Response:
    """Every batch report of the account, newest first."""
    with call.transaction():
        return as_json({"data": service.listed(call)})


@router.post(BATCH, operation_id=f"{NAME}.create", responses={200: {"model": wire.ReportAnswer}})
async def create_report(call: CallDep, body: wire.ReportRequest) -> Response:
    """Ask for a batch report over at most a month."""
    with call.transaction() as transaction:
        report = service.create(call, transaction, body)
    return as_json({"data": report})


@router.get(BATCH + "/{id}", operation_id=f"{NAME}.retrieve", responses={200: {"model": wire.ReportAnswer}})
async def retrieve_report(call: CallDep, id: ReportId) -> Response:
    """One batch report; once it is COMPLETE its CSV lies at `download_link`."""
    with call.transaction():
        return as_json({"data": service.get(call, id)})


@router.delete(BATCH + "/{id}", operation_id=f"{NAME}.delete", responses={200: {"model": wire.ReportAnswer}})
async def delete_report(call: CallDep, id: ReportId) -> Response:
    """Delete a batch report; its link leads nowhere afterwards."""
    with call.transaction():
        return as_json({"data": service.remove(call, id)})


@router.get(
    "/v2/legacy/reporting/usage_reports/speech_to_text",
    operation_id="legacy.reporting.usage_reports.retrieve_speech_to_text",
    responses={200: {"model": wire.UsageAnswer}},
)
async def retrieve_usage(call: CallDep, start_date: Instant = None, end_date: Instant = None) -> Response:
    """What the account has transcribed between two instants, both included."""
    return as_json({"data": service.usage(call, start_date, end_date)})
