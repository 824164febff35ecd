"""The events that tell a receiver of a finished run: as documented, or as captured from the live service."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from mock_server.engine.accounts import Account
from mock_server.world import World

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What one template found."""

    insight: str
    name: str
    instructions: str
    webhook: str
    result: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has come to its end."""

    id: str
    conversation: str
    group: str
    group_name: str
    group_webhook: str
    status: str  # "completed" | "failed"
    metadata: str  # the conversation's, JSON
    found: Sequence[Found]


def events_of(world: World, account: Account, run: Run) -> Iterator[tuple[str, Event]]:
    """(URL, event) for the group's webhook, with all results, and for each template's own, with its result."""
    captured = world.quirks["insight_webhook_captured"]
    if run.status != "completed" and not captured:
        return  # the documentation has an event for completed insights only
    if run.group_webhook:
        yield run.group_webhook, (_captured if captured else _documented)(world, account, run, None)
    for one in run.found:
        if one.webhook:
            yield one.webhook, (_captured if captured else _documented)(world, account, run, one)


def _documented(world: World, account: Account, run: Run, only: Found | None) -> Event:
    return {
        "event_type": "conversation.insights.completed",
        "conversation_id": run.conversation,
        "insight_group_id": run.group,
        "insight_group_name": run.group_name,
        "insights": [
            {"insight_id": one.insight, "insight_name": one.name, "result": _parsed(one.result)}
            for one in ([only] if only else run.found)
        ],
    }


def _captured(world: World, account: Account, run: Run, only: Found | None) -> Event:
    """As captured on 2026-07-29 from a group's webhook; for a template's own the group's fields and its own change places."""
    return {
        "record_type": "event",
        "event_type": "conversation_insight_result",
        "payload": {
            "conversation_id": run.conversation,
            "insight_group_id": None if only else run.group,
            "insight_id": only.insight if only else None,
            "insights_instructions": only.instructions if only else None,
            "metadata": from_json(run.metadata),
            "request_id": world.ids.uuid(account.id, "insight_request", run.id),
            "results": [{"insight_id": one.insight, "result": one.result} for one in ([only] if only else run.found)],
            "status": run.status,
            "user_id": world.ids.uuid(account.id, "user", 1),
        },
    }


def _parsed(result: str) -> Any:
    """A result that is JSON as its value, any other as the text it is."""
    try:
        return from_json(result)
    except ValueError:
        return result
