"""The World: everything one server is made of. And Call: what one request may use of it. No globals."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from starlette.responses import Response

from mock_server.base.clock import Clock
from mock_server.base.ids import Ids
from mock_server.base.jobs import Kind
from mock_server.base.place import Place
from mock_server.base.plan import Plan
from mock_server.base.settings import Settings, SettingsError
from mock_server.engine.accounts import Account, Accounts, bearer_key
from mock_server.engine.answers import Events, Stream
from mock_server.engine.blobs import Blobs
from mock_server.engine.egress import Egress
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.table import Faults
from mock_server.engine.hints import Hints
from mock_server.engine.idempotency import once
from mock_server.engine.journal import Ring
from mock_server.engine.limits import Limits
from mock_server.engine.log import Log
from mock_server.engine.outbox import Outbox
from mock_server.engine.pacing import Pacing
from mock_server.engine.plans import Plans, asked
from mock_server.engine.replies import TALK, Chosen, Replies, View
from mock_server.engine.replies.consulting import consult
from mock_server.engine.route import current_call
from mock_server.engine.scenarios.table import Scenarios
from mock_server.engine.snapshots.kept import Snapshots
from mock_server.engine.sockets import Pump, Session
from mock_server.engine.tally import Tally
from mock_server.engine.vectors import Vectors
from mock_server.engine.webhooks import Webhooks
from mock_server.engine.worker import Worker
from mock_server.snapshotted import Snapshotted

if TYPE_CHECKING:
    from mock_server.engine.recordings.table import Recordings
    from mock_server.engine.store import Store, Transaction


ROOM = 4  # times the largest snapshot: what all that are kept may take, packed


def shipped_fixtures() -> Path:
    """The fixtures of this project: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "fixtures"
    return inside if inside.is_dir() else package.parent / "fixtures"


def _recordings(settings: Settings, clock: Clock) -> "Recordings | None":
    """What was recorded, where any folder of fixtures has such files."""
    if not any((folder / "recordings").is_dir() for folder in settings.fixtures):
        return None
    from mock_server.engine.recordings.table import Recordings

    return Recordings(settings.fixtures, clock, settings.replay_pace)


class World(Snapshotted):
    """One server's settings, time, names, state, rules and journal. Two in one process never meet."""

    def __init__(
        self, settings: Settings, clock: Clock | None = None, ids: Ids | None = None, place: Place | None = None
    ) -> None:
        self.settings = settings
        self.place = place
        self.quirks: Mapping[str, bool] = settings.quirks()
        self.clock = clock or Clock(settings.start())
        self.ids = ids or Ids(settings.seed)
        self.accounts = Accounts(self.clock, settings.api_key, settings.states(), place)
        self.limits = Limits(settings.limits())
        self.faults = Faults(
            self.ids, self.clock, settings.fixtures, settings.faults, typed_frames=self.quirks["frames_typed"]
        )
        self.replies = Replies(settings.fixtures, shipped_fixtures(), self.ids, self.clock.machine.monotonic)
        self.plans = Plans(settings.fixtures)
        self.scenarios = Scenarios(
            [*settings.fixtures, shipped_fixtures()], settings.scenario, accounts=self.accounts, clock=self.clock,
            faults=self.faults, limits=self.limits, plans=self.plans, replies=self.replies,
        )  # fmt: skip
        self.recordings = _recordings(settings, self.clock)
        self.tally = Tally()
        self.ring = Ring(self.tally)
        self.log = Log(settings.log_format)
        if self.log.on:
            self.ring.watches.add(self.log)
        self.hints = Hints(self.log)
        self.pacing = Pacing(settings.time_to_first_token, settings.tokens_per_second)
        self.egress = Egress(settings.egress_allow)
        self.outbox = Outbox(self.clock)
        self.webhooks = Webhooks(self.outbox, self.egress, self.clock, self.ids, self.faults)
        self.worker = Worker()
        self.vectors = Vectors()
        self.blobs = Blobs(settings.objects(), kept=settings.db is not None)
        self.snapshots = Snapshots(settings.objects(), ROOM * settings.max_snapshot_bytes)
        # What a domain reads once from fixtures or makes again at will, under a name of its own.
        self.cache: dict[str, Any] = {}
        if settings.db is not None:
            _ = self.store
        if settings.data is not None:
            try:
                settings.data.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError(f"--data {settings.data} cannot be made: {error.strerror}.") from None

    @cached_property
    def store(self) -> "Store":
        """The database, opened when first needed: SQLAlchemy is half of what the server would import at start."""
        import mock_server.engine.records  # noqa: F401  its table is every store's
        from mock_server.engine.store import LOCKED_MS, SHARED_MS, Store, StoreError

        try:
            return Store(self.settings.db, LOCKED_MS if self.place is None else SHARED_MS)
        except StoreError as error:
            raise SettingsError(str(error)) from None

    @property
    def stored(self) -> bool:
        """Whether the database was opened; while it was not, there are no rows."""
        return "store" in self.__dict__

    def create_tables(self) -> None:
        """Make the tables of the rooms entered by now; a store that is opened later makes them itself."""
        if self.stored:
            self.store.create_tables()

    def reset(self, account: Account | None = None) -> None:
        """As new: one account, or everything."""
        self.outbox.reset(account.id if account else None)
        self.vectors.reset(account.id if account else None)
        if account is not None:
            account.reset()
            self.accounts.restore_state(account)
            self.limits.clear(account.id)
            self.plans.clear(account.id)
            self.faults.reset(account.id)
            self.replies.reset(account.id)
            self.ring.clear(account.id)
            self.hints.reset(account.id)
            self.webhooks.clear(account.id)
            self.scenarios.reset(account.id)
        else:
            self.clock.reset()
            self.accounts.reset()
            self.limits.reset()
            self.plans.reset()
            self.faults.reset()
            self.replies.reset()
            self.ring.reset()
            self.tally.reset()
            self.hints.reset()
            self.webhooks.reset()
            self.cache.clear()
            self.scenarios.reset()  # last: the one from the start is on again
        if not self.keeps_rows_of(account.id if account else None):
            return
        if self.stored:
            self.store.reset(account.id if account else None)
        self.blobs.reset(account.id if account else None)

    def keeps_rows_of(self, account: str | None) -> bool:
        """Whether it is this process that changes an account's rows and bytes, or everyone's."""
        return self.place is None or self.place.keeps(account)

    def clear_journal(self, account: Account | None) -> int:
        """Forget one account's exchanges, or all, and that there ever were more; how many went."""
        if account is None:
            self.ring.evicted = 0
        self.accounts.forget_evictions(account)
        return self.ring.clear(account.id if account else None)

    async def close(self) -> None:
        await self.outbox.close()
        await self.egress.close()
        self.worker.close()
        self.log.close()
        self.blobs.close()
        if self.stored:
            self.store.close()

    def name_admin_call(self) -> str:
        nobody = self.accounts.nobody
        return self.ids.uuid("", f"admin{nobody.mark}", nobody.next("admin"))

    def fixture(self, name: str) -> Path:
        """A fixture file: the user's, in the order of --fixtures, before the shipped one."""
        for folder in self.settings.fixtures:
            if (folder / name).is_file():
                return folder / name
        return shipped_fixtures() / name


CONTEXT = b"x-mock-context"


class Call:
    """What the code that serves one request may use."""

    __slots__ = ("account", "exchange", "world")

    def __init__(self, world: World, exchange: Exchange) -> None:
        assert exchange.account is not None
        self.world = world
        self.exchange = exchange
        self.account = exchange.account

    def now(self) -> float:
        """Seconds since the epoch, by the account's clock."""
        return self.account.timeline.now()

    def milliseconds(self) -> int:
        """Milliseconds since the epoch, by the account's clock: as `iso` writes the time."""
        return round(self.now() * 1e6) // 1000

    def quirk(self, name: str) -> bool:
        return self.world.quirks[name]

    def hint(self, name: str, /, **values: str) -> None:
        """Note a mistake of the client's, by its name in base/hints.py, and what its sentence has in braces."""
        self.world.hints.give(self.exchange, name, **values)

    def hex(self, kind: str) -> str:
        """32 hexadecimal digits for the next thing of a kind."""
        return self.account.serial(self.world.ids, kind)

    def uuid(self, kind: str) -> str:
        """A UUID for the next thing of a kind that is not kept in the store."""
        return self.world.ids.uuid(self.account.id, kind, self.account.next(kind))

    def choose(
        self,
        model: str,
        user_text: str,
        system_text: str = "",
        *,
        domain: str | None = None,
        takes: frozenset[str] = TALK,
        required: bool = False,
        request: Any = None,
        turn: int = 0,
        metadata: Mapping[str, str] | None = None,
        language: str = "",
    ) -> tuple[Chosen | None, View]:
        """The reply that the rules choose, noted in the journal, and the view it was chosen by.

        `domain` is what rules call it, the room's name unless given; `takes` are the kinds of replies that it can render.
        With `required`, and where the server is strict, a request that no reply of the user's fits is refused. Raises
        BadRequest, the error that the reply is to be, and Instead for its silence.
        """
        operation = self.exchange.operation
        assert operation is not None
        view = View(operation.id, domain or operation.room or "", model, user_text, system_text)
        view.takes, view.request, view.turn, view.language = takes, request, turn, language
        if metadata:
            view.metadata = metadata
        return self.consult(view, required=required), view

    def consult(self, view: View, domain: str = "", *, required: bool = False) -> Chosen | None:
        """As `choose`, by a view that is there; with a `domain` it gets that, and the request's operation."""
        exchange = self.exchange
        if domain:
            assert exchange.operation is not None
            view.operation, view.domain = exchange.operation.id, domain
        view.account = self.account
        context = exchange.headers.get(CONTEXT)
        view.context = "" if context is None else context.decode("latin-1")
        world = self.world
        return consult(world.replies, exchange, view, world.tally, strict=required and world.settings.strict)

    def scripted(self, model: str, user_text: str, **about: Any) -> tuple[Chosen, View] | None:
        """As `choose`, for what needs no reply to answer: None, and no time spent, where the user has none for it."""
        if not self.world.replies.own:
            return None
        chosen, view = self.choose(model, user_text, **about)
        if chosen is None:
            self.exchange.reply = ""
            return None
        return chosen, view

    def draw(self) -> float:
        """A number in [0, 1), the account's next."""
        return self.world.ids.draw(self.account.id, "draw", self.account.next("draw"))

    def stream(self, events: Iterable[bytes], waits: Iterable[float] | None) -> Response:
        """Server-sent events, paced by the account's clock where there are waits (seconds before each)."""
        if waits is None:
            return Events(b"".join(events))
        return Stream(events, waits, self.world.clock, self.account.timeline)

    def plan(self, kind: Kind) -> Plan:
        """How a job that this request makes will go. Raises BadRequest for a header that cannot be read."""
        plan = asked(self.exchange, kind)
        if plan is None and self.exchange.wire is not None and (ending := self.exchange.wire.job) is not None:
            plan = kind.spoilt(ending)
        return plan or self.world.plans.of(self.account.id, kind)

    def spend(self, tokens: int) -> None:
        """Count what a chat came to towards the account's limits of tokens."""
        self.world.limits.spend(self.exchange, tokens)

    def pump(self, session: Session) -> Pump:
        """What carries a socket's session, by the account's clock."""
        return Pump(session, self.world.clock, self.account.timeline)

    def url(self, path: str) -> str:
        """The address of a path on this server, as the client reached it."""
        headers = self.exchange.headers
        scheme = "https" if headers.get(b"x-forwarded-proto", b"").lower() == b"https" else "http"
        return f"{scheme}://{headers.get(b'host', b'localhost').decode('latin-1')}{path}"

    def transaction(self) -> "Transaction":
        """The store's transaction for this request: all or nothing, and no `await` inside.

        Under an Idempotency-Key it is the last thing an endpoint does: it ends with the answer's record in it.
        """
        return self.world.store.transaction(self.exchange.keyed)

    def once(self, run: Callable[[], Awaitable[Response]]) -> Awaitable[Response]:
        """Run under the request's Idempotency-Key."""
        assert self.exchange.keyed is not None
        return once(self.world.store, self.exchange.keyed, self.now(), run)

    @property
    def plain(self) -> bool:
        """Whether nothing happens between parsing and the service."""
        return self.exchange.keyed is None and (self.exchange.wire is None or not self.world.faults.rules)

    def after_parse(self, values: dict[str, Any]) -> Response | None:
        """What happens between parsing and the service: the faults that the body decides. May raise their error.

        `values` are what the endpoint is called with: its `body`, or the fields of a form.
        """
        wire = self.exchange.wire
        if wire is None or wire.fired is not None:
            return None
        assert self.exchange.operation is not None
        body = values if self.exchange.operation.upload else values.get("body")
        wire.fired = self.world.faults.after_parse(self.exchange, body, wire.raw())
        answer: Response | None = wire.instead()
        return answer


CallDep = Annotated[Call, Depends(current_call)]


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


def _account(request: Request) -> Account | None:
    """The account to act on, by its Bearer key or by its id in `x-mock-account`; None acts on the whole server.

    Raises AuthenticationFailed, and NotFound for an id whose key was not seen.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _world(request).accounts.of_key(bearer_key(authorization.encode("latin-1")))
    id = request.headers.get("x-mock-account")
    return None if id is None else _world(request).accounts.of_id(id)


# What an endpoint under /_mock may use, in admin/ and in the admin routers of domains.
WorldDep = Annotated[World, Depends(_world)]
AccountDep = Annotated[Account | None, Depends(_account)]
