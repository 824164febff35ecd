"""What insights add to the admin API. The rows are imported when first used: a health check needs none of them."""

from typing import Any

from fastapi import APIRouter

from mock_server.base.errors import AuthenticationFailed
from mock_server.domains.insights import wire
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.post("/conversations/{conversation_id}/complete")
async def complete(
    world: WorldDep, account: AccountDep, conversation_id: str, body: wire.Completion | None = None
) -> dict[str, Any]:
    """End a conversation: one insight group runs over it, or every group of the account that has insights."""
    from mock_server.domains.insights import runs

    if account is None:
        raise AuthenticationFailed("A conversation is an account's: name the account with its Bearer key.")
    asked = body or wire.Completion()
    return {"data": runs.begin(world, account, conversation_id, asked.insight_group_id, asked.plan)}
