"""/_mock/limits: the rate limits of an account, or of all that have none of their own."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mock_server.base.limits import MOST_LIMITS, parse_all
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


class LimitsChange(BaseModel):
    """The limits that take the place of those in force; an empty list is no limit at all."""

    model_config = ConfigDict(extra="forbid")

    limits: Annotated[list[str], Field(max_length=MOST_LIMITS)]

    @field_validator("limits")
    @classmethod
    def _can_be_read(cls, value: list[str]) -> list[str]:
        parse_all(value)
        return value


@router.get("/limits")
async def get_limits(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The account's limits, and what is left of each; without a key the limits of all that have none of their own."""
    if account is None:
        return {"data": [{"limit": str(limit)} for limit in world.limits.of(None)], "account": None}
    return {"data": world.limits.describe(account), "account": account.id, "own": world.limits.is_own(account.id)}


@router.put("/limits")
async def put_limits(world: WorldDep, account: AccountDep, change: LimitsChange) -> dict[str, Any]:
    """Put limits in force in the place of those that were, nothing used up yet."""
    world.limits.put(parse_all(change.limits), account.id if account else None)
    return await get_limits(world, account)


@router.delete("/limits")
async def delete_limits(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Back to the limits that the server was started with, for an account to those of all."""
    world.limits.clear(account.id if account else None)
    return await get_limits(world, account)
