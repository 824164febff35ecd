"""/_mock/verdict: whether an account's client did since its last reset what a good client does."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from mock_server.base.errors import AuthenticationFailed
from mock_server.engine.verdict import RULES, judge
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/verdict", response_model=None)
async def get_verdict(world: WorldDep, account: AccountDep) -> dict[str, Any] | JSONResponse:
    """Findings with the exchanges that show them. 409 when the journal had no room for all of the account's exchanges."""
    if account is None:
        raise AuthenticationFailed("A verdict is on an account's client: name the account with its Bearer key.")
    if account.evicted:
        detail = (
            f"The journal had no room for {account.evicted} of this account's exchanges since its last reset: reset the "
            "account before what is to be judged, and ask sooner."
        )
        error = {"code": "409", "title": "Exchanges are missing", "detail": detail}
        return JSONResponse({"errors": [error]}, 409)
    exchanges = world.ring.of(account.id)
    still = [e for e in world.ring.open if e.account is not None and e.account.id == account.id and e.status == 101]
    findings, chains = judge(exchanges, still)
    data = {
        "verdict": "findings" if findings else "ok",
        "account": account.id,
        "exchanges": len(exchanges),
        "requests": len(chains),
        "retries": len(exchanges) - len(chains),
        "findings": [finding.describe() for finding in findings],
    }
    return {"data": data, "meta": {"rules": RULES}}
