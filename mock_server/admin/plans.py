"""/_mock/plans: how jobs that are made from now on will go, by kind; of an account, or of all."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator

from mock_server.engine.plans import check
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


def _checked(value: dict[str, str | None]) -> dict[str, str | None]:
    check(value)
    return value


PlansChange = Annotated[dict[str, str | None], AfterValidator(_checked)]


@router.get("/plans")
async def list_plans(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Every kind of job with its plan, where that comes from, and its statuses."""
    return {"data": world.plans.describe(account.id if account else None)}


@router.put("/plans")
async def put_plans(world: WorldDep, account: AccountDep, change: PlansChange) -> dict[str, Any]:
    """Put plans in force by kind, such as `{"fine_tuning": "failed"}`; null takes one back, what is not named stays."""
    world.plans.put(change, account.id if account else None)
    return await list_plans(world, account)


@router.delete("/plans")
async def delete_plans(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Take back what came by this API: of the account, or what is for all."""
    world.plans.clear(account.id if account else None)
    return await list_plans(world, account)
