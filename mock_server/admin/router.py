"""The admin API under /_mock: health, clock, reset, and the parts with files of their own. Open by default, closed to web pages."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from mock_server import __version__
from mock_server.admin import (
    account,
    accounts,
    console,
    faults,
    journal,
    limits,
    metrics,
    plans,
    replies,
    scenario,
    snapshots,
    state,
    verdict,
    watching,
)
from mock_server.admin.wire import Told
from mock_server.base.clock import iso
from mock_server.base.errors import ApiError, BadRequest, render
from mock_server.engine.clocks import ClockChange
from mock_server.engine.operations import Operations
from mock_server.world import AccountDep, World, WorldDep

TOKEN_HEADER = "x-mock-admin-token"  # noqa: S105


router = APIRouter(prefix="/_mock")
# What has a file of its own.
PARTS = tuple(
    part.router
    for part in (
        console,
        watching,
        journal,
        replies,
        limits,
        metrics,
        account,
        accounts,
        plans,
        faults,
        scenario,
        verdict,
        snapshots,
        state,
    )
)


@router.get("/health")
async def health(world: WorldDep) -> dict[str, Any]:
    """Version, profile, seed, how many workers serve, and seconds since the start."""
    settings = world.settings
    return {"status": "ok", "version": __version__, "profile": settings.profile, "seed": settings.seed,
            "workers": settings.workers, "uptime": round(world.clock.uptime(), 3)}  # fmt: skip


@router.post("/reset")
async def reset(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """As new: rows, rules, counters, clock and journal of the account, or of the whole server."""
    world.reset(account)
    return {"reset": account.id if account else "server"}


@router.get("/clock")
async def get_clock(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """What time it is for the account, or for the server, and how fast it runs (0 is frozen)."""
    timeline = account.timeline if account else world.clock.server
    return {"now": iso(timeline.now()), "speed": timeline.rate, "account": account.id if account else None}


@router.post("/clock")
async def move_clock(world: WorldDep, account: AccountDep, change: ClockChange) -> dict[str, Any]:
    """Freeze, set, advance or speed up the time of the account, or of the server."""
    timeline = account.timeline if account else world.clock.server
    try:
        change.apply(timeline)
    except ValueError as error:
        raise BadRequest(f"The clock cannot go there: {error}.") from None
    return await get_clock(world, account)


@router.get("/webhooks")
async def list_webhooks(world: WorldDep, account: AccountDep, wait: bool = False) -> dict[str, Any]:
    """Every attempt to deliver a webhook, newest first. `wait` answers once nothing is due or under way any more."""
    id = account.id if account else None
    if wait:
        await world.outbox.settle(id)
    attempts = [attempt.describe() for attempt in world.webhooks.newest_first(id)]
    return {"data": attempts, "meta": {"evicted": world.webhooks.evicted, "waiting": world.outbox.waiting(id)}}


@router.delete("/webhooks")
async def clear_webhooks(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Forget the attempts of the account, or all; what waits to be sent still goes out."""
    return {"deleted": world.webhooks.clear(account.id if account else None)}


@router.get("/webhooks/public-key")
async def get_public_key(world: WorldDep) -> dict[str, Any]:
    """The key that webhooks are signed with, as TELNYX_PUBLIC_KEY takes it. It comes from the seed."""
    return {"public_key": world.webhooks.public_key()}


@router.get("/quirks")
async def list_quirks(world: WorldDep) -> dict[str, Any]:
    """The quirk table and what is on."""
    from mock_server.base.quirks import TABLE

    rows = [{"name": q.name, "on": world.quirks[q.name], "what": q.what, "source": q.source} for q in TABLE]
    return {"profile": world.settings.profile, "data": rows}


@router.get("/operations")
async def list_operations(request: Request) -> dict[str, Any]:
    """Every operation of the vendor that is known here, and whether it is emulated."""
    operations: Operations = request.app.state.operations
    rows = [{"id": o.id, "method": o.method, "path": o.path, "kind": o.kind, "emulated": o.room is not None}
            for o in operations.all.values()]  # fmt: skip
    return {"data": rows}


class Doorkeeper:
    """ASGI layer around the admin API: no web page may drive it, and a token is asked for when one is set."""

    def __init__(self, app: FastAPI, world: World) -> None:
        self._app, self._world = app, world
        self.document = app.openapi
        self._hosts = frozenset(host.lower() for host in world.settings.admin_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope["path"], scope["headers"]) if scope["type"] == "http" else None
        if refusal is not None:
            await JSONResponse(_told(refusal[0], refusal[1]), refusal[0])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, path: str, sent: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        headers = dict(sent)
        if sum(name in (b"host", b"origin") for name, _ in sent) != (b"host" in headers) + (b"origin" in headers):
            return 403, "More than one Host or Origin."
        host = headers.get(b"host", b"").decode("latin-1").lower()
        origin = headers.get(b"origin")
        if not self._is_ours(host):
            return 403, f"Host {host[:200]!r} may not drive the admin API; allow it with --admin-host."
        if headers.get(b"sec-fetch-site") == b"cross-site":
            return 403, "A web page of another site may not drive the admin API."
        if origin is not None and origin.decode("latin-1").lower() not in (f"http://{host}", f"https://{host}"):
            return 403, "A web page of another origin may not drive the admin API."
        token = self._world.settings.admin_token
        # Health stays open: a container's health check knows no token. A report's address is a token of its own. The
        # console's page holds nothing, and asks for the token.
        if (
            token is not None
            and path != "/_mock/health"
            and not path.startswith("/_mock/reports/")
            and path not in console.PATHS
            and not _same(headers.get(TOKEN_HEADER.encode(), b""), token.encode())
        ):
            return 401, f"This server asks for its admin token in the header {TOKEN_HEADER}."
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header can only be meant for us: an address, a name without a dot, or one that was named.

        A page that rebinds its own domain name to 127.0.0.1 still sends that name.
        """
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]")
        if not host or name in self._hosts or "." not in name or name.endswith((".localhost", ".internal", ".local")):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _same(given: bytes, wanted: bytes) -> bool:
    from hmac import compare_digest

    return compare_digest(given, wanted)


def _told(status: int, detail: str) -> dict[str, Any]:
    return {"errors": [{"code": str(status), "title": Told[status], "detail": detail}]}


def create_admin(
    world: World, operations: Operations, rooms: Sequence[APIRouter], open_rooms: Callable[[], None]
) -> Doorkeeper:
    """The admin API of one World, with what domains add to it. `open_rooms` makes the tables of every room known."""
    app = FastAPI(
        title="Telnyx AI mock: admin",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/_mock/openapi.json",
    )
    app.state.world = world
    app.state.operations = operations
    app.state.open_rooms = open_rooms
    for part in (router, *PARTS, *rooms):
        app.include_router(part)

    @app.exception_handler(ApiError)
    async def told(_: Request, error: ApiError) -> JSONResponse:
        return JSONResponse(render(error, "std"), error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        issues = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
        malformed = any(e["type"] == "json_invalid" for e in issues)
        return JSONResponse({"detail": issues}, 400 if malformed else 422)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def unknown(_: Request, error: HTTPException) -> JSONResponse:
        detail = "The admin API has no such path." if error.status_code == 404 else "The method is not allowed."
        return JSONResponse(_told(error.status_code, detail), error.status_code)

    return Doorkeeper(app, world)
