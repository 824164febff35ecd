"""`/_mock/state`: what an account, or the whole server, keeps, in numbers."""

from typing import Any

from fastapi import APIRouter

from mock_server.base.clock import iso
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/state")
async def get_state(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Rows by table, objects and their bytes, rules, snapshots, and what time it is."""
    id = account.id if account else None
    rows: dict[str, int] = {}
    if world.stored:
        from mock_server.engine.snapshots.rows import count

        rows = count(world.store, id)
    objects, size = world.blobs.count(id)
    timeline = account.timeline if account else world.clock.server
    data = {
        "account": id,
        "now": iso(timeline.now()),
        "faults": len(world.faults.added(id)),
        "replies": len(world.replies.added(id)),
        "snapshots": len(world.snapshots.all(id)),
        "objects": objects,
        "bytes": size,
        "rows": rows,
    }
    return {"data": data}
