"""/_mock/requests/stream: exchanges as they end, for who looks on. Costs nothing while nobody does."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from pydantic_core import to_json
from starlette.responses import StreamingResponse

from mock_server.base.errors import ServiceUnavailable
from mock_server.engine.journal import brief
from mock_server.engine.watching import Watch
from mock_server.world import AccountDep, World, WorldDep

router = APIRouter(prefix="/_mock")
MOST_WATCHES = 20
AT_ONCE = 200  # exchanges in one event
GATHERED = 0.1  # seconds in which what comes goes into one event
STILL_HERE = 15.0  # seconds between signs of life


@router.get("/requests/stream", response_class=StreamingResponse)
async def stream_requests(world: WorldDep, account: AccountDep) -> StreamingResponse:
    """Server-sent events, until the server stops. Without a key those of every account.

    `exchanges`: {data: what `GET /_mock/requests?brief=true` has, oldest first; missed: how many there was no room for};
    `emptied`: exchanges were forgotten, list them anew; `end`: the server stops.
    """
    if sum(isinstance(onlooker, Watch) for onlooker in world.ring.watches) >= MOST_WATCHES:
        raise ServiceUnavailable(f"{MOST_WATCHES} are looking on already, which is the limit.")
    watch = Watch(account.id if account else None)
    world.ring.watches.add(watch)  # from here on, so that who then asks for the list misses nothing
    return Watched(world, watch)


class Watched(StreamingResponse):
    """The stream of one watch, which ends with it."""

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(_events(world, watch), media_type="text/event-stream", headers={"cache-control": "no-store"})
        self._world, self._watch = world, watch

    async def __call__(self, *connection: Any) -> None:
        try:
            await super().__call__(*connection)
        finally:
            self._world.ring.watches.discard(self._watch)


async def _events(world: World, watch: Watch) -> AsyncIterator[bytes]:
    yield _event("open", {})
    while not watch.over:
        await world.clock.wait(watch.changed, STILL_HERE)
        if watch.emptied:
            watch.emptied = False
            yield _event("emptied", {})
        elif not watch.changed.is_set():
            yield b": still here\n\n"
        missed, watch.missed = watch.missed, 0
        while taken := watch.take(AT_ONCE):
            yield _event("exchanges", {"data": [brief(exchange) for exchange in taken], "missed": missed})
            missed = 0
            await world.clock.turn()
        if not watch.over:
            await world.clock.wait(watch.ended, GATHERED)
    yield _event("end", {})


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), to_json(data))
