"""/_mock/scenario: the scenario that is on for an account, or for everyone; and which there are."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from mock_server.base.errors import BadRequest
from mock_server.engine.replies import FixtureError
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


class ScenarioChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]


@router.get("/scenario")
async def get_scenario(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The scenario that is on for the account (or for everyone), what is on for everyone, and all there are."""
    scenarios = world.scenarios
    data = {"name": scenarios.on(account), "account": account.id if account else None, "everyone": scenarios.on(None)}
    return {"data": data, "scenarios": scenarios.describe()}


@router.post("/scenario")
async def switch_on_scenario(world: WorldDep, account: AccountDep, change: ScenarioChange) -> dict[str, Any]:
    """Switch a scenario on, in the place of one that is. For the account, or for everyone."""
    try:
        world.scenarios.switch_on(change.name, account)
    except FixtureError as error:
        raise BadRequest(str(error)) from None
    return {"data": {"name": change.name, "account": account.id if account else None}}


@router.delete("/scenario")
async def switch_off_scenario(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Switch off what is on for the account, or for everyone."""
    return {"data": {"switched_off": world.scenarios.switch_off(account)}}


@router.get("/schemas/scenario")
async def get_schema() -> dict[str, Any]:
    """JSON schema of a scenario's file."""
    from mock_server.engine.faults.schema import tightened
    from mock_server.engine.scenarios.files import Scenario

    return tightened(Scenario.model_json_schema())
