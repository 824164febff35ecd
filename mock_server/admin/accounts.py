"""/_mock/accounts: which accounts there are, so that one can be picked without its key."""

from typing import Any

from fastapi import APIRouter

from mock_server.base.clock import iso
from mock_server.world import WorldDep

router = APIRouter(prefix="/_mock")
MOST = 500


@router.get("/accounts")
async def list_accounts(world: WorldDep) -> dict[str, Any]:
    """The accounts whose keys were seen, the newest first: state, clock, scenario, and exchanges in the journal.

    A call to the admin API acts on one of them with its id in the header `x-mock-account`.
    """
    counts: dict[str, int] = {}
    for exchange in world.ring.newest_first():
        if exchange.account is not None:
            counts[exchange.account.id] = counts.get(exchange.account.id, 0) + 1
    known = world.accounts.known()
    rows = [
        {
            "id": account.id,
            "state": account.state,
            "now": iso(account.timeline.now()),
            "speed": account.timeline.rate,
            "scenario": world.scenarios.on(account),
            "exchanges": counts.get(account.id, 0),
        }
        for account in known[-MOST:][::-1]
    ]
    return {"data": rows, "meta": {"total": len(known)}}
