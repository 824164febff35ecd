"""Insights on the wire: request bodies, answers for the OpenAPI document, and rows as they are told."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from mock_server.base.clock import iso_ms
from mock_server.engine.paging import Meta


class InsightRequest(BaseModel):
    instructions: str
    name: str
    webhook: str = ""
    json_schema: str | dict[str, Any] | None = None


class InsightChanges(BaseModel):
    """What is left out stays. `json_schema: null` takes the schema away."""

    instructions: str = ""
    name: str = ""
    webhook: str = ""
    json_schema: str | dict[str, Any] | None = None


class GroupRequest(BaseModel):
    name: str
    description: str | None = None
    webhook: str = ""


class GroupChanges(BaseModel):
    """What is left out stays."""

    name: str = ""
    description: str | None = None
    webhook: str = ""


class InsightTemplate(BaseModel):
    id: str
    instructions: str
    created_at: str
    insight_type: Literal["custom", "default"] = "custom"
    name: str = ""
    webhook: str = ""
    json_schema: str | dict[str, Any] | None = None


class InsightTemplateGroup(BaseModel):
    id: str
    name: str
    created_at: str
    description: str | None = None
    insights: list[InsightTemplate]
    webhook: str = ""


class InsightAnswer(BaseModel):
    data: InsightTemplate


class InsightsAnswer(BaseModel):
    data: list[InsightTemplate]
    meta: Meta


class GroupAnswer(BaseModel):
    data: InsightTemplateGroup


class GroupsAnswer(BaseModel):
    data: list[InsightTemplateGroup]
    meta: Meta


class Found(BaseModel):
    insight_id: str
    result: str


class ConversationInsight(BaseModel):
    id: str
    status: Literal["pending", "in_progress", "completed", "failed"]
    created_at: str
    insight_group_id: str | None = None  # with the quirk `insights_name_their_group` only
    conversation_insights: list[Found]


class ConversationInsightsAnswer(BaseModel):
    data: list[ConversationInsight]
    meta: Meta


class Aggregate(BaseModel):
    """Beside the count, each field that was grouped by, under the name it was asked for."""

    model_config = ConfigDict(extra="allow")

    record_count: int


class AggregatesAnswer(BaseModel):
    data: list[Aggregate]


class Completion(BaseModel):
    """The body of POST /_mock/conversations/{id}/complete; it may be left out."""

    model_config = ConfigDict(extra="forbid")

    insight_group_id: str | None = Field(
        None, description="The group to run; every group of the account when left out."
    )
    plan: str | None = Field(
        None,
        description="The statuses of the run by age in seconds, such as `pending@0, in_progress@2, completed@10`; with "
        "`poll:` before it, by how often it was read; `failed`: at once. As /_mock/plans says when left out.",
    )


# Rows as the statements of templates.py, groups.py and runs.py select them.
InsightRow = tuple[str, str, str, str, str | None, int]  # id, name, instructions, webhook, json_schema, created_at
GroupRow = tuple[str, str, str | None, str, int]  # id, name, description, webhook, created_at


def insight(row: InsightRow) -> dict[str, Any]:
    """A template as the API tells it. One without a schema has no `json_schema`."""
    id, name, instructions, webhook, json_schema, created_at = row
    told = {
        "id": id,
        "name": name,
        "instructions": instructions,
        "insight_type": "custom",
        "webhook": webhook,
        "created_at": iso_ms(created_at),
    }
    if json_schema is not None:
        told["json_schema"] = from_json(json_schema)
    return told


def group(row: GroupRow, insights: Sequence[InsightRow]) -> dict[str, Any]:
    """A group as the API tells it, with the templates in it."""
    id, name, description, webhook, created_at = row
    return {
        "id": id,
        "name": name,
        "description": description or "",
        "webhook": webhook,
        "created_at": iso_ms(created_at),
        "insights": [insight(one) for one in insights],
    }
