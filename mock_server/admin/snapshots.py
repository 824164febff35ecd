"""The admin API's snapshots: take one, restore it, download and upload it. With a key those of an account, else the server's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from mock_server.base.errors import TooLarge
from mock_server.engine.accounts import Account
from mock_server.engine.pieces import CHUNK, Stage
from mock_server.engine.snapshots.kept import SERVER
from mock_server.world import AccountDep, World, WorldDep

if TYPE_CHECKING:
    from mock_server.engine.snapshots.reading import Given

FILE_TYPE = "application/gzip"
router = APIRouter(prefix="/_mock/snapshots")


@router.get("")
async def list_snapshots(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """The account's snapshots, or everyone's, by name."""
    return {"data": [_described(world, *key) for key in world.snapshots.all(account.id if account else None)]}


@router.put("/{name}")
async def take_snapshot(request: Request, world: WorldDep, account: AccountDep, name: str) -> dict[str, Any]:
    """Take a snapshot under this name, or keep the one in the body, as it was downloaded from a server."""
    from mock_server.engine.snapshots import file
    from mock_server.engine.snapshots.shares import STATES, joined

    id, most = account.id if account else None, world.settings.max_snapshot_bytes
    with world.snapshots.writing(id, name) as out:
        sent = await _uploaded(request, out, most)
        if sent or request.headers.get("content-type") == FILE_TYPE:
            with world.blobs.stage() as stage:
                await _checked(request, world, account, out, stage)
        else:
            with world.dump(account) as dump:
                if STATES in request.scope:
                    dump = replace(dump, states=joined([dump.states, *request.scope[STATES]]))
                await world.worker.run(file.write, dump, out, most)
    return {"data": _described(world, id or SERVER, name)}


@router.post("/{name}")
async def restore_snapshot(request: Request, world: WorldDep, account: AccountDep, name: str) -> dict[str, Any]:
    """Put the account's state, or the server's, back to what it was: rows, objects, rules, replies, clock and counters."""
    id = account.id if account else None
    with world.snapshots.open(id, name) as source, world.blobs.stage() as stage:
        given = await _checked(request, world, account, source, stage)
        world.restore(given, stage)
    return {"restored": given.account or SERVER, "data": _described(world, id or SERVER, name)}


@router.get("/{name}")
async def download_snapshot(world: WorldDep, account: AccountDep, name: str) -> StreamingResponse:
    """The snapshot as a file: gzip of JSON lines."""
    source = world.snapshots.open(account.id if account else None, name)

    async def chunks() -> AsyncIterator[bytes]:
        with source:
            while data := source.read(CHUNK):
                yield data

    headers = {"content-disposition": f'attachment; filename="{name}.jsonl.gz"'}
    return StreamingResponse(chunks(), media_type=FILE_TYPE, headers=headers)


@router.delete("/{name}")
async def remove_snapshot(world: WorldDep, account: AccountDep, name: str) -> dict[str, Any]:
    """Forget a snapshot."""
    world.snapshots.remove(account.id if account else None, name)
    return {"deleted": 1}


async def _uploaded(request: Request, out: IO[bytes], most: int) -> int:
    """Write the body to `out`; how many bytes it has. Raises TooLarge."""
    size = 0
    async for data in request.stream():
        size += len(data)
        if size > most:
            raise TooLarge(f"The snapshot has more than {most} bytes, which is the limit (--max-snapshot-bytes).")
        out.write(data)
    return size


async def _checked(request: Request, world: World, account: Account | None, source: IO[bytes], stage: Stage) -> "Given":
    """The snapshot in `source`, ready to be restored. Raises Unreadable, TooLarge."""
    from mock_server.engine.snapshots import file, reading

    if reading.has_unknown_tables(file.read_header(source)):
        request.app.state.open_rooms()
    id, most = account.id if account else None, world.settings.max_snapshot_bytes
    return await world.worker.run(reading.check, source, id, stage, most)


def _described(world: World, owner: str, name: str) -> dict[str, Any]:
    from mock_server.engine.snapshots import file

    account = None if owner == SERVER else owner
    with world.snapshots.open(account, name) as source:
        header = file.read_header(source)
    return {"name": name, "account": account, "of": header.account, "at": header.at, "version": header.version,
            "seed": header.seed, "rows": sum(header.rows.values()), "objects": header.objects,
            "size": world.snapshots.size((owner, name))}  # fmt: skip
