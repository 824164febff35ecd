"""Counts of what insights found, grouped by fields of the results and by metadata of their conversations.

A value is compared as JSON: 4 and "4" are two groups. A result that lacks a field counts under null.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, and_, case, func, select

from mock_server.base.errors import InvalidFilter
from mock_server.domains.conversations import filters
from mock_server.domains.conversations.tables import CONVERSATION
from mock_server.domains.insights import templates
from mock_server.domains.insights.tables import RESULT
from mock_server.engine import filters as syntax
from mock_server.engine.conditions import PLUS, Condition, Path
from mock_server.engine.store import mine
from mock_server.world import Call

TALK, FOUND = CONVERSATION.c, RESULT.c
MOST_FIELDS = 20
METADATA = "metadata."
# `metadata.assistant_id` is documented, `metadata[assistant_id]` is what the official SDK sends.
METADATA_FILTER = re.compile(r"metadata(?:\.(.+)|\[(.+)\])", re.DOTALL)
DOCUMENTED = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": text, **style}
    for name, schema, text, style in (
        ("group_by", {"type": "array", "items": {"type": "string"}}, "Fields to group by; `metadata.` before a key of "
         "the conversation's metadata.", {"style": "form", "explode": False}),
        ("show", {"type": "array", "items": {"type": "string"}}, "Fields to show; what is not grouped by is then.",
         {"style": "form", "explode": False}),
        ("insight_id", {"type": "string", "format": "uuid"}, "Count one insight only.", {}),
        ("created_at", {"type": "string"}, "`gte.2025-01-01`; twice for a window.", {}),
        ("metadata.assistant_id", {"type": "string"}, "`eq.assistant-123`; any other key likewise.", {}),
    )
]  # fmt: skip


def count(call: Call, query: bytes) -> list[dict[str, Any]]:
    """The rows that a query asks for, in the order of their values. Raises InvalidFilter, Invalid."""
    names, clauses = _read(call, query)
    values: list[ColumnElement[Any]] = [_field(name).label(f"field_{n}") for n, name in enumerate(names)]
    joined = RESULT.join(CONVERSATION, and_(TALK.account == FOUND.account, TALK.id == FOUND.conversation))
    counted = mine(select(*values, func.count()).select_from(joined), RESULT, call.account.id)
    counted = counted.where(FOUND.completed_at <= call.milliseconds() + 1, *clauses).group_by(*values)
    rows = [(*map(_value, row[:-1]), row[-1]) for row in call.world.store.query(counted)]
    rows.sort(key=lambda row: [_rank(value) for value in row[:-1]])
    return [dict(zip((*names, "record_count"), row, strict=True)) for row in rows]


def _value(text: str | None) -> Any:
    return None if text is None else from_json(text)


def _read(call: Call, query: bytes) -> tuple[Sequence[str], list[ColumnElement[bool]]]:
    """The fields to group by, and the conditions."""
    names: dict[str, None] = {}
    clauses: list[ColumnElement[bool]] = []
    for raw in query.split(b"&") if query else ():
        try:
            name, text = syntax.pair(raw)
            if name in ("group_by", "show", "group_by[]", "show[]"):
                names.update((field.strip(), None) for field in text.replace(PLUS, " ").split(",") if field.strip())
                if len(names) > MOST_FIELDS:
                    raise InvalidFilter(f"More than {MOST_FIELDS} fields.", source={"parameter": name})
            else:
                clauses += _condition(call, name, text)
        except InvalidFilter:
            if not call.quirk("malformed_filters_ignored"):
                raise
    if len(clauses) > syntax.MOST_CONDITIONS:
        raise InvalidFilter(f"More than {syntax.MOST_CONDITIONS} conditions.")
    return list(names)[:MOST_FIELDS], clauses


def _condition(call: Call, name: str, text: str) -> list[ColumnElement[bool]]:
    """The condition that a parameter makes; none for a parameter that is not a filter. Raises InvalidFilter, Invalid."""
    if name == "insight_id":
        return [FOUND.insight == templates.uuid(call, name, text.replace(PLUS, "+"), place="query")]
    if name == "created_at":
        condition = syntax.condition(name, Path(name), text)
        if condition.negated or condition.operator not in filters.COMPARE:
            condition.where.fail(f"expected one of {', '.join(filters.COMPARE)}")
        instant = filters.instant(condition.values[0], condition.where)
        return [filters.COMPARE[condition.operator](FOUND.created_at, instant)]
    found = METADATA_FILTER.fullmatch(name)
    if found is None:
        return []
    # The conversations' own filters: the same operators, the same index.
    wanted: Condition = syntax.condition(name, Path("metadata", (found[1] or found[2],)), text)
    return [filters.compile(wanted, call.account.id)]


def _field(name: str) -> ColumnElement[Any]:
    """The JSON text of a field's value, null where there is none."""
    column = TALK.metadata if name.startswith(METADATA) else FOUND.fields
    # Keys go to json_each as values: a JSON path would have to quote them.
    pair = func.json_each(column).table_valued("key", "value", "type")
    as_it_is = pair.c.type.in_(("object", "array"))
    written = case(
        (pair.c.type.in_(("true", "false", "null")), pair.c.type),
        (as_it_is, pair.c.value),
        else_=func.json_quote(pair.c.value),
    )
    key = name.removeprefix(METADATA) if name.startswith(METADATA) else name
    return select(written).where(pair.c.key == key).correlate(RESULT, CONVERSATION).scalar_subquery()


def _rank(value: Any) -> tuple[int, Any]:
    """Orders values of any kind: null, then booleans, numbers, texts, and what holds others."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    return (3, value) if isinstance(value, str) else (4, str(value))
