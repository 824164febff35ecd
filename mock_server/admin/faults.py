"""/_mock/faults: the fault rules in force, of an account or of all; and the schema of rules."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mock_server.base.errors import BadRequest, NotFound
from mock_server.engine.faults.files import FaultFileError
from mock_server.engine.faults.rules import Rule
from mock_server.engine.faults.schema import schema
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/faults")
async def list_faults(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The fault rules in force, in the order they are tried; the files they came from, and what is wrong with these."""
    world.faults.look_at_files()
    rules = world.faults.visible_to(account.id if account else None)
    return {"data": rules, "meta": world.faults.files.describe()}


@router.post("/faults")
async def add_fault(world: WorldDep, account: AccountDep, rule: Rule) -> dict[str, Any]:
    """Put a fault rule in force, for the account or for everyone."""
    return {"data": world.faults.add(rule, account.id if account else None).describe()}


@router.delete("/faults")
async def clear_faults(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Take out the account's fault rules, or all that came by this API."""
    return {"deleted": world.faults.clear(account.id if account else None)}


@router.post("/faults/reload")
async def reload_faults(world: WorldDep) -> dict[str, Any]:
    """Read the files of fault rules now. A broken one leaves all rules as they were."""
    try:
        return {"loaded": world.faults.files.load()}
    except FaultFileError as error:
        raise BadRequest(f"The fault rules stay as they were: {error}") from None


@router.delete("/faults/{id}")
async def remove_fault(world: WorldDep, account: AccountDep, id: str) -> dict[str, Any]:
    """Take out one fault rule that came by this API."""
    if not world.faults.remove(id, account.id if account else None):
        raise NotFound("There is no fault rule with this id that came by the admin API.")
    return {"deleted": 1}


@router.get("/schemas/fault")
async def get_schema() -> JSONResponse:
    """The JSON schema of one fault rule, as files and the admin API take it; for editors."""
    return JSONResponse(schema(), media_type="application/schema+json")
