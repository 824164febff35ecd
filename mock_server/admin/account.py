"""/_mock/account: what state an account is in, or every account that was not given one of its own."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from mock_server.base.states import State
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


class AccountChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: State


@router.get("/account")
async def get_account(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The account's id and state; without a key the state of all that were not given one."""
    if account is None:
        return {"data": {"id": None, "state": world.accounts.everyones}}
    return {"data": {"id": account.id, "state": account.state}}


@router.put("/account")
async def put_account(world: WorldDep, account: AccountDep, change: AccountChange) -> dict[str, Any]:
    """Put the account into a state; without a key all that were not given one of their own."""
    world.accounts.set_state(account, change.state)
    return await get_account(world, account)


@router.delete("/account")
async def restore_account(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Back to the state that the account, or the server, was started with."""
    world.accounts.restore_state(account)
    return await get_account(world, account)
