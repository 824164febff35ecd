"""AdminClient and AsyncAdminClient: every call against a real server, and the same from both."""

import ast
import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mock_server import client as module
from mock_server.client import AdminClient, AdminError, AsyncAdminClient, Unreachable

ROOT = Path(__file__).parent.parent
NEW_YEAR = "2026-01-01T00:00:00Z"
RULE = {"id": "r", "effect": {"status": 503}, "times": 1, "match": {"operation": "chat.*"}}
# In this order, on one account; each with what is looked at of its result.
CALLS: list[tuple[Callable[[Any], Any], Callable[[Any], Any], Any]] = [
    (lambda c: c.health(), lambda r: (r["status"], r["profile"]), ("ok", "spec")),
    (lambda c: c.clock.get(), lambda r: r["now"], "2026-01-01T00:00:00.000Z"),
    (lambda c: c.clock.freeze("2026-02-02T00:00:00Z"), lambda r: r["speed"], 0),
    (lambda c: c.clock.advance(60), lambda r: r["now"], "2026-02-02T00:01:00.000Z"),
    (lambda c: c.clock.set(NEW_YEAR), lambda r: r["now"], "2026-01-01T00:00:00.000Z"),
    (lambda c: c.clock.speed(0), lambda r: r["speed"], 0),
    (lambda c: c.faults.add("429;times=2", id="a/b", operation="chat.*"), lambda r: r, AdminError),
    (lambda c: c.faults.add("503", times=1, id="r", operation="chat.*"), lambda r: r["match"], {"operation": "chat.*"}),
    (lambda c: c.faults.list(), len, 1),
    (lambda c: c.faults.put({**RULE, "id": "s"}), lambda r: r["id"], "s"),
    (lambda c: c.snapshots.take("one"), lambda r: r["name"], "one"),
    (lambda c: c.faults.remove("r"), lambda r: r, {"deleted": 1}),
    (lambda c: c.faults.remove("r"), lambda r: r, AdminError),
    (lambda c: c.faults.clear(), lambda r: r, {"deleted": 1}),
    (lambda c: c.snapshots.list(), len, 1),
    (lambda c: c.snapshots.restore("one"), lambda r: r["name"], "one"),
    (lambda c: c.faults.list(), len, 2),
    (lambda c: c.snapshots.download("one"), lambda r: r[:2], b"\x1f\x8b"),
    (lambda c: c.snapshots.upload("two", b"none"), lambda r: r, AdminError),
    (lambda c: c.snapshots.remove("one"), lambda r: r, {"deleted": 1}),
    (lambda c: c.replies.list(), lambda r: "id" in r[0], True),
    (lambda c: c.requests(status=418), lambda r: r, []),
    (lambda c: c.request("none"), lambda r: r, AdminError),
    (lambda c: c.forget_requests(), lambda r: r, {"deleted": 0}),
    (lambda c: c.webhooks(wait=True), lambda r: r, []),
    (lambda c: c.operations(), lambda r: len(r) > 50, True),
    (lambda c: c.quirks(), lambda r: "name" in r[0], True),
    (lambda c: c.metrics(), lambda r: "telnyx_mock_server_info" in r, True),
    (lambda c: c.reset(), lambda r: r["reset"][:5], "acct_"),
    (lambda c: c.clock.run(), lambda r: r["account"][:5], "acct_"),
]


def test_every_call(start):
    url = start(clock=NEW_YEAR).v2
    with AdminClient(url, api_key="my-key") as admin:
        for n, (call, look, wanted) in enumerate(CALLS):
            if wanted is AdminError:
                with pytest.raises(AdminError):
                    call(admin)
            else:
                assert look(call(admin)) == wanted, f"call {n}"


def test_every_call_awaited(start):
    url = start(clock=NEW_YEAR).url

    async def run() -> None:
        async with AsyncAdminClient(url, api_key="my-key") as admin:
            for n, (call, look, wanted) in enumerate(CALLS):
                if wanted is AdminError:
                    with pytest.raises(AdminError):
                        await call(admin)
                else:
                    assert look(await call(admin)) == wanted, f"call {n}"

    asyncio.run(run())


def test_a_refusal_says_what_is_wrong(client):
    admin = AdminClient(client.url, api_key=client.key)
    with pytest.raises(AdminError, match=r"^404: There is no fault rule with this id") as refused:
        admin.faults.remove("none")
    assert refused.value.status == 404 and refused.value.body["errors"]
    with pytest.raises(AdminError, match=r"422: advance: Input should be a valid number") as refused:
        admin.clock.advance("soon")
    with pytest.raises(AdminError, match=r"422: give at least one of set, advance, freeze and speed"):
        admin.clock._move()


def test_a_key_is_for_its_account_and_none_for_the_server(start):
    client = start()
    mine, all = AdminClient(client.url, api_key="mine"), AdminClient(client.url)
    mine.faults.add("503")
    assert [len(admin.faults.list()) for admin in (mine, all, AdminClient(client.url, "theirs"))] == [1, 1, 0]
    assert all.reset() == {"reset": "server"}


def test_the_token_goes_along(start):
    client = start(admin_token="open-sesame")
    with pytest.raises(AdminError, match="asks for its admin token"):
        AdminClient(client.url).requests()
    assert AdminClient(client.url, token="open-sesame").requests() == []


def test_where_nobody_answers_that_is_told(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match=r"No server answers at http://127\.0\.0\.1:1: "):
        AdminClient("http://127.0.0.1:1/v2").health()


@pytest.mark.parametrize("url", ["", "localhost:4010", "ftp://localhost", "http://", "http://a b:x"])
def test_what_is_no_address_is_told(url):
    with pytest.raises(ValueError, match="is no address"):
        AdminClient(url)


def test_both_take_the_same_arguments():
    sync, awaited = (inspect.signature(kind) for kind in (AdminClient, AsyncAdminClient))
    assert sync.parameters == awaited.parameters
    public = [{name for name in vars(kind) if name[0] != "_"} for kind in (AdminClient, AsyncAdminClient)]
    assert public == [{"close"}, {"close"}], "a call that is not in the one list of them"


def test_it_imports_nothing_of_ours():
    tree = ast.parse(Path(module.__file__).read_text())
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name.startswith("mock_server") for name in named)
    code = "import sys, mock_server.client; print([m for m in sys.modules if m.startswith('mock_server.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['mock_server.client']"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, ""), ([], ""), ("oops", ""), ({}, ""), ({"errors": [{"title": "Not found"}, {"detail": "Gone."}]}, "Not found Gone."),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body", "a", 0], "msg": "Value error, no"}, {"loc": ["body"], "msg": "worse"}]}, "a.0: no; worse"),
    ],
    ids=str,
)  # fmt: skip
def test_the_sentence_of_an_error_whoever_worded_it(body, sentence):
    assert module._detail(body) == sentence
