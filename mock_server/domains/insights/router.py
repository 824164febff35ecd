"""Insight templates, their groups, and what they found. Deletes and assignments answer 200 without a body."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from mock_server.domains.insights import aggregates, groups, runs, templates, wire
from mock_server.engine import paging
from mock_server.engine.answers import as_json, empty
from mock_server.engine.paging import Page
from mock_server.engine.route import LeanRoute
from mock_server.world import Call, CallDep

router = APIRouter(route_class=LeanRoute)
INSIGHTS = "/v2/ai/conversations/insights"
GROUPS = "/v2/ai/conversations/insight-groups"
NO_BODY: dict[int | str, dict[str, Any]] = {200: {"description": "Done; no body."}}
InsightId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]
GroupId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]


@router.get(INSIGHTS, operation_id="conversations.insights.list", responses={200: {"model": wire.InsightsAnswer}})
async def list_insights(
    call: CallDep, number: paging.Number = 1, size: paging.SizeTo99 = paging.DEFAULT_SIZE
) -> Response:
    """The insight templates, in the order of creation."""
    page = Page(number, size)
    rows, total = templates.page(call, page)
    return as_json({"data": [wire.insight(row) for row in rows], "meta": page.meta(total)})


@router.post(INSIGHTS, operation_id="conversations.insights.create", responses={200: {"model": wire.InsightAnswer}})
async def create_insight(call: CallDep, body: wire.InsightRequest) -> Response:
    """A new insight template."""
    with call.transaction() as transaction:
        row = templates.create(call, transaction, body)
    return as_json({"data": wire.insight(row)})


@router.get(
    INSIGHTS + "/{insight_id}", operation_id="conversations.insights.retrieve",
    responses={200: {"model": wire.InsightAnswer}},
)  # fmt: skip
async def retrieve_insight(call: CallDep, insight_id: InsightId) -> Response:
    """One insight template."""
    return as_json({"data": wire.insight(templates.get(call, insight_id))})


@router.put(
    INSIGHTS + "/{insight_id}", operation_id="conversations.insights.update",
    responses={200: {"model": wire.InsightAnswer}},
)  # fmt: skip
async def update_insight(call: CallDep, insight_id: InsightId, body: wire.InsightChanges | None = None) -> Response:
    """Changes what the body names; without a body nothing."""
    with call.transaction():
        row = templates.change(call, insight_id, body or wire.InsightChanges())
    return as_json({"data": wire.insight(row)})


@router.delete(INSIGHTS + "/{insight_id}", operation_id="conversations.insights.delete", responses=NO_BODY)
async def delete_insight(call: CallDep, insight_id: InsightId) -> Response:
    """Deletes an insight template, out of its groups too; results stay."""
    with call.transaction():
        templates.remove(call, insight_id)
    return empty()


@router.get(GROUPS, operation_id="conversations.insight_groups.list", responses={200: {"model": wire.GroupsAnswer}})
async def list_groups(
    call: CallDep, number: paging.Number = 1, size: paging.SizeTo99 = paging.DEFAULT_SIZE
) -> Response:
    """The insight groups with their templates, in the order of creation."""
    page = Page(number, size)
    rows, total = groups.page(call, page)
    return as_json({"data": [_group(call, row) for row in rows], "meta": page.meta(total)})


@router.post(GROUPS, operation_id="conversations.insight_groups.create", responses={200: {"model": wire.GroupAnswer}})
async def create_group(call: CallDep, body: wire.GroupRequest) -> Response:
    """A new insight group."""
    with call.transaction() as transaction:
        row = groups.create(call, transaction, body)
    return as_json({"data": wire.group(row, ())})


@router.get(
    GROUPS + "/{group_id}", operation_id="conversations.insight_groups.retrieve",
    responses={200: {"model": wire.GroupAnswer}},
)  # fmt: skip
async def retrieve_group(call: CallDep, group_id: GroupId) -> Response:
    """One insight group with its templates."""
    return as_json({"data": _group(call, groups.get(call, group_id))})


@router.put(
    GROUPS + "/{group_id}", operation_id="conversations.insight_groups.update",
    responses={200: {"model": wire.GroupAnswer}},
)  # fmt: skip
async def update_group(call: CallDep, group_id: GroupId, body: wire.GroupChanges | None = None) -> Response:
    """Changes what the body names; without a body nothing."""
    with call.transaction():
        row = groups.change(call, group_id, body or wire.GroupChanges())
    return as_json({"data": _group(call, row)})


@router.delete(GROUPS + "/{group_id}", operation_id="conversations.insight_groups.delete", responses=NO_BODY)
async def delete_group(call: CallDep, group_id: GroupId) -> Response:
    """Deletes an insight group; its templates and results stay."""
    with call.transaction():
        groups.remove(call, group_id)
    return empty()


@router.post(
    GROUPS + "/{group_id}/insights/{insight_id}/assign", operation_id="conversations.insight_groups.insights.assign",
    responses=NO_BODY,
)  # fmt: skip
async def assign(call: CallDep, group_id: GroupId, insight_id: InsightId) -> Response:
    """Puts an insight template into a group."""
    with call.transaction() as transaction:
        groups.assign(call, transaction, group_id, insight_id)
    return empty()


@router.delete(
    GROUPS + "/{group_id}/insights/{insight_id}/unassign",
    operation_id="conversations.insight_groups.insights.unassign", responses=NO_BODY,
)  # fmt: skip
async def unassign(call: CallDep, group_id: GroupId, insight_id: InsightId) -> Response:
    """Takes an insight template out of a group."""
    with call.transaction():
        groups.unassign(call, group_id, insight_id)
    return empty()


@router.get(
    "/v2/ai/conversations/{conversation_id}/conversations-insights",
    operation_id="conversations.retrieve_conversations_insights",
    responses={200: {"model": wire.ConversationInsightsAnswer}},
)
async def retrieve_conversations_insights(call: CallDep, conversation_id: str) -> Response:
    """What insights found in a conversation, the newest run first."""
    return as_json(runs.page(call.world, call.account, conversation_id, paging.asked(call.exchange.query)))


@router.get(
    "/v2/ai/conversations/conversation-insights/aggregates",
    operation_id="conversations.conversation_insights.retrieve_aggregates",
    responses={200: {"model": wire.AggregatesAnswer}},
    openapi_extra={"parameters": aggregates.DOCUMENTED},
)
async def retrieve_aggregates(call: CallDep) -> Response:
    """Counts results by their fields and by metadata of their conversations."""
    return as_json({"data": aggregates.count(call, call.exchange.query)})


def _group(call: Call, row: wire.GroupRow) -> dict[str, Any]:
    return wire.group(row, groups.members(call, row[0]))
