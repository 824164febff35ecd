"""Replies over the admin API: the rules in force with their uses, rules added and taken out, the schema of a reply file."""

from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter

from mock_server.base.errors import NotFound
from mock_server.engine.replies import ReplyRule
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/replies")
async def list_replies(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The reply rules in the order they are tried, how often each was used, and what is wrong with the files."""
    id = account.id if account else None
    rules = world.replies.listed(id)
    problems = [
        {"file": str(problem.file), "line": problem.line, "message": problem.message}
        for problem in world.replies.problems
    ]
    return {"data": rules, "problems": problems}


@router.post("/replies")
async def add_reply(world: WorldDep, account: AccountDep, rule: ReplyRule) -> dict[str, Any]:
    """Put a reply rule in force, for the account or for everyone; one with the same id takes the old one's place."""
    return {"data": world.replies.add(rule, account.id if account else None).describe()}


@router.delete("/replies")
async def clear_replies(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Take out the rules that were added for the account, or all that were added."""
    return {"deleted": world.replies.clear(account.id if account else None)}


@router.delete("/replies/{id}")
async def remove_reply(world: WorldDep, account: AccountDep, id: str) -> dict[str, Any]:
    """Take out one rule that was added."""
    if not world.replies.remove(id, account.id if account else None):
        raise NotFound("No reply rule with this id was added.")
    return {"deleted": 1}


@router.get("/schemas/reply")
async def get_reply_schema() -> dict[str, Any]:
    """The JSON schema of a reply file, for editors: a list of rules, or a mapping with the list under `replies`."""
    schema = TypeAdapter(list[ReplyRule]).json_schema()
    definitions = schema.pop("$defs")
    keyed = {
        "type": "object",
        "properties": {"replies": schema},
        "required": ["replies"],
        "additionalProperties": False,
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A reply file of the Telnyx AI mock",
            "anyOf": [schema, keyed], "$defs": definitions}  # fmt: skip
