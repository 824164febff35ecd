"""The rules of the house that no reader could keep by eye: layers, time and chance, settings, reset, catalogue, public names."""

import ast
import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from inspect import getsource
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute, APIWebSocketRoute
from sqlmodel import SQLModel

import mock_server
from mock_server import Settings, catalogue, create_app
from mock_server.app import App
from mock_server.base.clock import Clock, Machine
from mock_server.base.limits import Limit
from mock_server.base.settings import options
from mock_server.engine.faults.rules import Rule
from mock_server.engine.replies import ReplyRule
from mock_server.engine.route import LeanRoute
from mock_server.engine.snapshots.file import write
from mock_server.engine.snapshots.reading import Given, check
from mock_server.world import World

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mock_server"
# Who may import whom. A layer is the part of the module's name after `mock_server`; its own layer it may always import.
MAY_IMPORT: Mapping[str, set[str]] = {
    "base": set(),
    "engine": {"base"},
    "snapshotted": {"base", "engine"},
    "world": {"base", "engine", "snapshotted"},
    "audio": set(),
    "domains": {"base", "engine", "world", "audio"},
    "admin": {"base", "engine", "world"},
    "catalogue": {"base", "engine"},
    "documents": {"base", "engine", "world", "catalogue"},
    "fixtures_check": {"base", "engine", "world", "domains"},
    "app": {"base", "engine", "world", "domains", "admin", "catalogue", "documents", "fixtures_check"},
    "framing": set(),
    "protocols": {"base", "engine", "framing"},
    "serve": {"base", "engine", "world", "app", "protocols"},
    "workers": {"base", "engine", "world", "app", "protocols", "serve"},
    "recorder": {"base", "engine", "catalogue"},
    "cli": {"base", "engine", "world", "app", "serve", "workers", "client", "fixtures_check", "recorder"},
    "__main__": {"cli"},
    "client": set(),
    "pytest_plugin": {"client", "serve", "base"},
    "": {"app", "base", "serve"},  # the package itself: its public names, on first use
}
# Between domains: from service to service, these only; and insights reads the rows of conversations where it counts
# them in SQL and hears of each new message.
ACROSS_DOMAINS = {
    ("chat.service", "embeddings.service"),
    ("responses.service", "chat.service"),
    ("responses.service", "conversations.service"),
    ("anthropic.service", "chat.service"),
    ("embeddings.service", "buckets.service"),
    ("models.service", "fine_tuning.service"),
    ("fine_tuning.service", "buckets.service"),
    ("summarize.service", "buckets.service"),
    ("summarize.service", "audio.service"),
}
ROWS_ACROSS_DOMAINS = {
    ("chat.saying", "models.service"),
    ("insights.runs", "conversations.tables"),
    ("insights.silence", "conversations.tables"),
    ("insights.aggregates", "conversations.tables"),
    ("insights.aggregates", "conversations.filters"),
    ("conversations.service", "insights.silence"),
    ("reports.service", "audio.tables"),
    ("embeddings.tasks", "buckets.service"),
    ("embeddings.tracking", "buckets.service"),
    ("embeddings.tracking", "audio.service"),
    ("audio.listening", "text_to_speech.service"),
    ("speech_to_text.hearer", "audio.service"),
    ("speech_to_text.hearer", "audio.transcripts"),
    ("speech_to_text.hearer", "text_to_speech.service"),
    ("speech_to_text.teller", "audio.transcripts"),
}
# What a domain leaves to the engine: authentication, faults, the journal.
NOT_FOR_DOMAINS = {"engine.gate", "engine.faults", "engine.journal"}
NOT_FOR_BASE = {"fastapi", "starlette", "pydantic", "sqlalchemy", "sqlmodel", "uvicorn", "httpx"}
# Fields of the World that never change after the start; every other one is reset.
CONSTANT = {"settings", "place", "quirks", "ids", "pacing", "egress", "worker", "snapshots", "recordings", "log"}
# Fields that a snapshot leaves out: the journal and what is counted of it, work that waits, and what is made again from rows or files.
NOT_IN_SNAPSHOTS = CONSTANT | {"ring", "tally", "hints", "webhooks", "outbox", "vectors", "cache"}


def modules() -> dict[str, Path]:
    """Every module of ours by its name without `mock_server.`; the package itself is the empty name."""
    files = {".".join(file.relative_to(PACKAGE).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    return {name.removesuffix("__init__").rstrip("."): file for name, file in files.items()}


def imports(tree: ast.AST) -> Iterator[str]:
    """The full name of all that is imported, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def edges() -> Iterator[tuple[str, str]]:
    """(importer, imported) of all modules of ours, `if TYPE_CHECKING` and functions included."""
    ours = modules()
    for name, file in ours.items():
        for target in imports(ast.parse(file.read_text())):
            if target.startswith("mock_server."):
                target = target.removeprefix("mock_server.")
                yield name, target if target in ours else target.rpartition(".")[0]


def layer(module: str) -> str:
    return module.partition(".")[0]


def test_layers_import_only_what_is_below_them() -> None:
    assert {layer(name) for name in modules()} <= set(MAY_IMPORT), "a new layer: say what it may import"
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in edges()
        if imported and layer(importer) != layer(imported) and layer(imported) not in MAY_IMPORT[layer(importer)]
    ]
    assert wrong == []


def test_domains_meet_only_from_service_to_service() -> None:
    across = {
        (importer.removeprefix("domains."), imported.removeprefix("domains."))
        for importer, imported in edges()
        if layer(importer) == layer(imported) == "domains" and importer.split(".")[1] != imported.split(".")[1]
    }
    assert across == ACROSS_DOMAINS | ROWS_ACROSS_DOMAINS
    assert all(name.endswith(".service") for pair in ACROSS_DOMAINS for name in pair)


def test_domains_leave_authentication_faults_and_journal_alone() -> None:
    rooms = tuple(f"{name}." for name in NOT_FOR_DOMAINS)
    assert [e for e in edges() if layer(e[0]) == "domains" and f"{e[1]}.".startswith(rooms)] == []


def test_base_is_pure() -> None:
    found = {
        (name, target.partition(".")[0])
        for name, file in modules().items()
        if layer(name) == "base"
        for target in imports(ast.parse(file.read_text()))
    }
    assert {(name, target) for name, target in found if target in NOT_FOR_BASE} == set()


def test_importing_the_package_imports_nothing_else_of_ours() -> None:
    code = "import sys, mock_server; print([m for m in sys.modules if m.startswith('mock_server.') or m == 'fastapi'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.strip() == "[]"


def test_public_names_are_these() -> None:
    assert mock_server.__all__ == ["LocalServer", "Settings", "__version__", "create_app"]
    assert all(getattr(mock_server, name) is not None for name in mock_server.__all__)
    with pytest.raises(AttributeError):
        _ = mock_server.no_such_name


@pytest.mark.parametrize(
    "code",
    [
        "import time\n\ntime.time()\n",
        "from time import monotonic\n\nmonotonic()\n",
        "import random\n\nrandom.random()\n",
        "import secrets\n\nsecrets.token_hex()\n",
        "import threading\n\nthreading.Thread()\n",
        "from threading import Thread\n\nThread()\n",
        "import uuid\n\nuuid.uuid4()\n",
        "from uuid import uuid4\n\nuuid4()\n",
        "from datetime import datetime\n\ndatetime.now()\n",
        "import datetime\n\ndatetime.datetime.now(datetime.UTC)\n",
        "import datetime\n\ndatetime.date.today()\n",
        "import asyncio\n\nasyncio.sleep(1)\n",
        "from asyncio import sleep\n\nsleep(1)\n",
        "import os\n\nos.urandom(8)\n",
        "from starlette.middleware.base import BaseHTTPMiddleware\n\nBaseHTTPMiddleware(None)\n",
        "from . import wire\n\nwire.x()\n",
    ],
    ids=lambda code: code.splitlines()[0] + " " + code.splitlines()[2],
)
def test_time_chance_and_threads_are_banned(code: str) -> None:
    found = ruff("--stdin-filename", "mock_server/domains/chat/service.py", "-", code=code)

    assert "TID25" in found


def test_bans_are_lifted_at_these_places_only() -> None:
    found = ruff("--select", "TID251", "--ignore-noqa", "mock_server")

    assert {line.partition(":")[0] for line in found.splitlines() if "TID251" in line} == {"mock_server/serve.py"}


def ruff(*arguments: str, code: str = "") -> str:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise", *arguments]
    return subprocess.run(command, input=code, capture_output=True, text=True, cwd=ROOT).stdout


def test_every_setting_is_documented() -> None:
    section = (ROOT / "docs" / "configuration.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(--[a-z-]+).*?`.*? \| `(MOCK_[A-Z_]+)` \|", section, re.MULTILINE))

    assert documented == {(f"--{name.replace('_', '-')}", f"MOCK_{name.upper()}") for name, *_ in options()}


def rooms() -> dict[str, Any]:
    """The router of every domain, by the domain's name."""
    found = sorted(file.parent.name for file in (PACKAGE / "domains").glob("*/router.py"))
    return {room: import_module(f"mock_server.domains.{room}.router").router for room in found}


def test_catalogue_and_rooms_agree() -> None:
    rows = {(o.room, o.kind, o.method, o.path, o.id) for o in catalogue.operations() if o.room is not None}
    routes = []
    for room, router in rooms().items():
        for route in router.routes:
            if isinstance(route, APIWebSocketRoute):
                routes.append((room, "socket", "GET", route.path, route.name))
            else:
                assert isinstance(route, LeanRoute), f"{room}: {route} is not a LeanRoute"
                assert isinstance(route, APIRoute) and route.methods is not None
                routes += [(room, "http", method, route.path, route.operation_id) for method in route.methods]

    assert len(routes) == len(set(routes))
    assert set(routes) == rows


@pytest.fixture
def still_app() -> Iterator[Callable[[], App]]:
    """Makes apps whose clocks stand still, so that two of them can be compared."""
    with ExitStack() as stack:

        def make() -> App:
            app = create_app(Settings(), Clock(machine=Machine(wall=lambda: 1e9, monotonic=lambda: 0.0)))
            stack.callback(lambda world=app.world: asyncio.run(world.close()))
            return app

        yield make


def test_every_field_of_the_world_is_constant_or_reset(still_app: Callable[[], App]) -> None:
    world = still_app().world
    _ = world.store

    assert set(vars(world)) - CONSTANT <= walked(World.reset), "a field of the World that World.reset() does not walk"


def test_every_field_of_the_world_is_dumped_and_restored_or_no_state(still_app: Callable[[], App]) -> None:
    world = still_app().world
    _ = world.store

    fields = set(vars(world)) - NOT_IN_SNAPSHOTS
    assert fields <= walked(World.dump), "a field of the World that World.dump() does not walk"
    assert fields <= walked(World.restore), "a field of the World that World.restore() does not walk"


def walked(method: Callable[..., Any]) -> set[str]:
    """The attributes that a method names."""
    return {node.attr for node in ast.walk(ast.parse(dedent(getsource(method)))) if isinstance(node, ast.Attribute)}


def test_a_reset_world_is_as_new(still_app: Callable[[], App]) -> None:
    app = still_app()
    fresh = state(still_app().world)

    use(app, "first-key")
    used = state(app.world)
    app.world.reset()

    assert {name for name in fresh if used[name] == fresh[name]} == CONSTANT, "use() leaves no trace in these fields"
    assert state(app.world) == fresh


def test_a_reset_account_is_as_new_and_others_keep_theirs(still_app: Callable[[], App]) -> None:
    app, alone = still_app(), still_app()
    use(alone, "other-key")

    use(app, "first-key")
    use(app, "other-key")
    account = app.world.accounts.of_key(b"first-key")
    app.world.reset(account)

    assert account.counters == {}
    assert account.timeline.now() == app.world.clock.server.now()
    assert account.state == "active" and app.world.scenarios.on(account) is None
    for name in ("faults", "limits", "plans", "replies", "ring", "store"):
        assert account.id not in str(state(app.world)[name])
    assert state(app.world)["store"] == state(alone.world)["store"]
    assert len(list(app.world.ring.newest_first())) == len(list(alone.world.ring.newest_first()))


def test_a_dumped_world_loads_into_another_as_it_was(still_app: Callable[[], App]) -> None:
    app, other = still_app(), still_app()
    before = dumped(app.world)
    use(app, "first-key")
    use(other, "other-key")

    packed = dumped(app.world)
    given = read_back(other, packed)

    assert dumped(other.world) == packed
    assert {name for name, states in given.states.items() if not states} == set(), (
        "use() leaves no trace in these parts"
    )
    assert packed != before and given.header.rows and given.header.objects == 1


def dumped(world: World) -> bytes:
    packed = BytesIO()
    with world.dump() as dump:
        write(dump, packed, 10**6)
    return packed.getvalue()


def read_back(app: App, packed: bytes) -> Given:
    app.enter_all_rooms()
    with app.world.blobs.stage() as stage:
        given = check(BytesIO(packed), None, stage, 10**6)
        app.world.restore(given, stage)
    return given


def use(app: App, key: str) -> None:
    """Leave a trace in every field of the world: requests, rules, counters, rows, times, and whatever else there is."""

    async def requests() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"authorization": f"Bearer {key}"}
            body = {"messages": [{"role": "user", "content": "hi"}]}
            for path in ("/v2/ai/chat/completions", "/v2/ai/openai/chat/completions"):
                assert (await http.post(path, json=body, headers=headers)).status_code == 200
            assert (await http.get("/v2/ai/models", headers=headers)).status_code == 200
            assert (await http.get("/ai/models", headers=headers)).status_code == 404  # a hint

    asyncio.run(requests())
    world = app.world
    account = world.accounts.of_key(key.encode())
    account.timeline.advance(60)
    world.clock.server.advance(60)
    world.faults.add(Rule.model_validate({"effect": "429"}), account.id)
    world.replies.add(ReplyRule.model_validate({"reply": {"text": "Said."}}), account.id)
    world.plans.put({"fine_tuning": "failed"}, account.id)
    world.scenarios.switch_on("fine-tuning-fails", account)
    world.limits.put([Limit(5, 60.0)], account.id)
    world.accounts.set_state(account, "read-only")
    world.vectors.entry(account.id, "bucket")
    with world.blobs.writer(account.id) as writer:
        world.blobs.keep(account.id, writer)
    with world.store.transaction() as transaction:
        world.store.number(transaction, account.id, "thing")


def state(world: World) -> dict[str, str]:
    """What each field of a world holds, in comparable form. An unopened store holds no rows, as an empty one."""
    fields = {name: _shown(value, set()) for name, value in vars(world).items() if name != "store"}
    world.create_tables()  # another world may have entered rooms since this one's store was opened
    with world.store.transaction() as transaction:
        tables = SQLModel.metadata.sorted_tables
        rows = {table.name: transaction.execute(table.select()).all() for table in tables}
    return {**fields, "store": str({name: sorted(map(str, found)) for name, found in rows.items() if found})}


def _shown(value: Any, above: set[int]) -> str:
    """`value` with all it holds; objects by their fields, functions and what cannot be looked into by their type."""
    if id(value) in above:
        return "above"
    above = above | {id(value)}
    if isinstance(value, Mapping):
        return str({str(k): _shown(v, above) for k, v in value.items()})
    if isinstance(value, (set, frozenset)):
        return str(sorted(_shown(v, above) for v in value))
    if not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        return str([_shown(v, above) for v in value])
    if not type(value).__module__.startswith("mock_server"):
        return str(value) if isinstance(value, (str, bytes, int, float, Path, type(None))) else type(value).__name__
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    fields = {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})
    return f"{type(value).__name__}{ {name: _shown(v, above) for name, v in fields.items()} }"
