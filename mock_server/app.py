"""Wires one server: the World, the chain of layers around the API, /_mock beside it."""

import gc
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_server import __version__, catalogue
from mock_server.base.clock import Clock
from mock_server.base.ids import Ids
from mock_server.base.place import Place
from mock_server.base.settings import Settings, SettingsError
from mock_server.engine.answers import Layer, Ready
from mock_server.engine.exchange import Exchange
from mock_server.engine.gate import Gate
from mock_server.engine.journal import Journal
from mock_server.engine.operations import Operation, Operations
from mock_server.world import Call, World

if TYPE_CHECKING:
    from mock_server.admin.router import Doorkeeper

DOCUMENTS = frozenset({"/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"})
ADMIN_ROOMS = ("insights", "reports", "text_to_speech")  # domains with an admin router of their own, in admin.py
CORS: dict[str, Any] = {
    "allow_origins": ["*"],
    "allow_methods": ["*"],
    "allow_headers": ["*"],
    "expose_headers": ["x-request-id", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
                       "x-mock-fault", "idempotent-replayed"],
}  # fmt: skip


# Rooms whose fixed paths lie where another room has a parameter: FastAPI's own router takes the first that fits.
SPECIFIC_FIRST = ("insights",)


class Cors:
    """Starlette's CORS layer for requests that come from a web page; all others pass it by."""

    def __init__(self, app: Layer) -> None:
        self._app = app
        self._cors = CORSMiddleware(self._send, **CORS)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[Ready | None]:
        if b"origin" not in scope["mock.exchange"].headers:
            return self._app(scope, receive, send)
        return self._dressed(scope, receive, send)

    async def _dressed(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._cors(scope, receive, send)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._app(scope, receive, send)
        if answer is not None:
            await answer(scope, receive, send)


class App:
    """The ASGI application of one World: `/_mock` goes to the admin API, the documents to FastAPI, all else down the chain."""

    prompt = True  # nothing of it asks which task it is in before it has waited: what does is begun after a turn

    def __init__(self, world: World, *, lean: bool = True) -> None:
        self.world = world
        self.operations = Operations(catalogue.operations())
        self._rooms: dict[str, APIRouter] = {}
        self.api = FastAPI(title="Telnyx AI mock", version=__version__, lifespan=self._lifespan)
        self._chain = self._layers(lean)
        self._admin: Doorkeeper | None = None
        self._documented = False
        if not lean:
            self.enter_all_rooms()
        if world.settings.fixtures:
            from mock_server.fixtures_check import read_all

            read_all(world)
        if world.settings.fixtures or world.settings.faults:
            world.faults.files.load()
        if world.settings.snapshot is not None:
            self._load_snapshot(world.settings.snapshot)

    def _load_snapshot(self, path: Path) -> None:
        """Begin with the state of a snapshot. Raises SettingsError."""
        from mock_server.base.errors import ApiError
        from mock_server.engine.snapshots import reading

        self.enter_all_rooms()
        try:
            with path.open("rb") as source, self.world.blobs.stage() as stage:
                self.world.restore(reading.check(source, None, stage, self.world.settings.max_snapshot_bytes), stage)
        except ApiError as error:
            raise SettingsError(f"--snapshot {path}: {error.detail}") from None
        except OSError as error:
            raise SettingsError(f"--snapshot {path} cannot be read: {error.strerror}.") from None

    def stopping(self) -> None:
        """The server stops: who watches the journal is let go, so that nobody is waited for."""
        self.world.ring.end_watches()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self.api(scope, receive, send)
        path: str = scope["path"]
        if path.startswith("/_mock") and (len(path) == 6 or path[6] == "/"):
            return self._beside(self.admin(), scope, receive, send)
        if path in DOCUMENTS and scope["type"] == "http":
            self.enter_all_rooms()
            return self._beside(self.api, scope, receive, send)
        return self._chain(scope, receive, send)

    async def _beside(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no exchange."""
        await self.world.clock.turn()
        await app(scope, receive, self._stamped(send))

    def _stamped(self, send: Send) -> Send:
        """`send` that gives what is no exchange its x-request-id."""

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", self.world.name_admin_call().encode()))
            await send(message)

        return stamped

    def _layers(self, lean: bool) -> ASGIApp:
        """The way of one request, outermost first."""
        world, settings = self.world, self.world.settings
        layers: list[Any] = [
            partial(
                Journal, ring=world.ring, machine=world.clock.machine, nobody=world.accounts.nobody, ids=world.ids
            ),
            Cors,
            partial(
                Gate, operations=self.operations, accounts=world.accounts, scenarios=world.scenarios, limits=world.limits,
                faults=world.faults, hints=world.hints, replies=world.replies, recordings=world.recordings,
                enter=self.enter, max_json=settings.max_json_bytes, max_upload=settings.max_upload_bytes, lean=lean,
            ),
        ]  # fmt: skip
        app: ASGIApp = self.api
        for layer in reversed(layers):
            app = layer(app)
        return app

    def enter(self, exchange: Exchange, operation: Operation) -> Call:
        """Link the operation's room on its first use, and make the call."""
        assert operation.room is not None
        if operation.room not in self._rooms:
            self._open_room(operation.room)
        return Call(self.world, exchange)

    def _open_room(self, room: str) -> None:
        """Import a domain and link its routes. Rooms are imported on first use: importing all costs twice the start."""
        collecting = gc.isenabled()
        gc.disable()  # modules stay: searching them for garbage as they come takes a tenth of the time
        try:
            router: APIRouter = import_module(f"mock_server.domains.{room}.router").router
        finally:
            if collecting:
                gc.enable()
        self.world.create_tables()  # before the room counts as open: it may fail
        self._rooms[room] = router
        self.api.include_router(router, tags=[room])
        routes: dict[str, Any] = {getattr(r, "operation_id", None) or r.name: r for r in router.routes}  # type: ignore[attr-defined]
        for operation in self.operations.all.values():
            if operation.room == room:
                operation.handler = routes[operation.id].lean

    def enter_all_rooms(self) -> None:
        missing = {o.room for o in self.operations.all.values() if o.room} - set(self._rooms)
        for room in sorted(missing, key=lambda room: (room not in SPECIFIC_FIRST, room)):
            self._open_room(room)
        if not self._documented:
            from mock_server.documents import document

            self._documented = True
            document(self.api)

    def admin(self) -> "Doorkeeper":
        """The admin API, made on first use."""
        if self._admin is None:
            from mock_server.admin.router import create_admin

            parts = [self._admin_part(room) for room in ADMIN_ROOMS]
            self._admin = create_admin(self.world, self.operations, parts, self.enter_all_rooms)
        return self._admin

    def _admin_part(self, room: str) -> APIRouter:
        """What a domain adds to the admin API. Its room is opened when that is first called, as any other is."""

        async def open_room() -> None:
            if room not in self._rooms:
                self._open_room(room)

        part = APIRouter(dependencies=[Depends(open_room)])
        part.include_router(import_module(f"mock_server.domains.{room}.admin").router)
        return part

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        await self.world.close()


def create_app(
    settings: Settings | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    *,
    lean: bool = True,
    place: Place | None = None,
) -> App:
    """One server, or the worker of one at `place`.

    `lean=False` sends every request through FastAPI's own router, for tests that compare the two.
    """
    return App(World(settings or Settings(), clock, ids, place), lean=lean)
