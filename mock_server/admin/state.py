"""`/_mock/state`: what an account, or the whole server, keeps: in numbers, row by row, and its jobs."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from mock_server.base.clock import iso
from mock_server.base.errors import NotFound
from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")
MOST_ROWS = 200
Size = Annotated[int, Query(ge=1, le=MOST_ROWS)]


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


@router.get("/state/{table}")
async def list_rows(
    world: WorldDep,
    account: AccountDep,
    table: str,
    limit: Size = 50,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> dict[str, Any]:
    """Rows of one table, the newest first; bytes as their number, long texts cut."""
    if not world.stored:
        raise NotFound("There is no table with this name, or none yet.")
    from mock_server.engine.browse import page

    return {"data": page(world.store, table, account.id if account else None, limit, offset)}


@router.get("/jobs")
async def list_jobs(world: WorldDep, account: AccountDep, limit: Size = 50) -> dict[str, Any]:
    """The newest jobs of each kind, by table, each with its plan's steps and the status that these have come to.

    Work that takes its time, such as embedding, may be behind the plan.
    """
    if not world.stored:
        return {"data": {}}
    from mock_server.engine.browse import job, job_tables, page

    nows = {each.id: each.timeline.now() for each in world.accounts.known()}
    server = world.clock.server.now()
    found = {}
    for table in job_tables(world.store):
        rows = page(world.store, table, account.id if account else None, limit, 0)
        found[table] = [job(row, nows.get(row["account"], server)) for row in rows]
    return {"data": {table: rows for table, rows in found.items() if rows}}
