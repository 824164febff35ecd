"""`health`, `requests`, `state`, `reset`: what goes on in a running server, and an end to it."""

import asyncio
import json
import shlex
from typing import Annotated, Any

import typer

from mock_server.base.clock import Clock
from mock_server.cli import UNREACHABLE, commands, refuse
from mock_server.cli.calling import Server, calling
from mock_server.cli.tables import clean, facts, line, paint, table
from mock_server.client import Unreachable

LOOK_EVERY = 0.5  # seconds
MOST = 1000  # exchanges in one answer
COLUMNS = ("at", "status", "method", "path", "operation", "ms", "fault or reply")
WIDTHS = (12, 6, 6, 40, 32, 8, 14)  # of --follow, which cannot know what will come
health, requests, state, reset = commands(), commands(), commands(), commands()


@health.command()
@calling
def show_health(
    server: Server,
    *,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="Wait so long for a server to answer.")
    ] = 0.0,
) -> None:
    """Say whether a server answers, and which."""
    clock = Clock()
    while True:
        try:
            return server.show(server.admin.health(), facts)
        except Unreachable as error:
            if clock.uptime() >= wait:
                refuse(f"{error} Start one with: telnyx-ai-mock serve", UNREACHABLE)
        _pause(clock, 0.1)


def _pause(clock: Clock, seconds: float) -> None:
    asyncio.run(clock.sleep(clock.server, seconds))


@requests.command()
@calling
def list_requests(
    server: Server,
    *,
    id: Annotated[str | None, typer.Argument(help="The x-request-id of one exchange, to see all of it.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were refused or did not end well.")] = False,
    curl: Annotated[bool, typer.Option("--curl", help="As curl commands that send them again.")] = False,
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Name or pattern of the operation.")] = None,
    status: Annotated[int | None, typer.Option(metavar="CODE", help="Status of the answer.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=MOST, help="How many at most.")] = 20,
) -> None:
    """Show what clients sent and got, the newest last."""
    if id is not None:
        one = server.admin.request(id)
        return server.show(_curl(server, one), str) if curl else server.show(one, _whole)
    brief = not (curl or server.as_json)  # a table shows no bodies
    found = _found(server, failed, limit, operation=operation, status=status, brief=brief)
    if follow:
        return _follow(server, found, failed, curl, operation=operation, status=status, brief=brief)
    if curl:
        return server.show([_curl(server, e) for e in found], "\n".join)
    server.show(found, _listed)


def _listed(found: list[dict[str, Any]]) -> str:
    head, *rows = table(COLUMNS, map(_row, found), "No requests so far.").split("\n")
    return "\n".join([head, *(line for row, e in zip(rows, found, strict=True) for line in (row, *_warnings(e)))])


def _warnings(e: dict[str, Any]) -> list[str]:
    return [paint(f"  warning: {clean(warning)}", "yellow") for warning in e["warnings"]]


def _found(server: Server, failed: bool, limit: int, **filters: Any) -> list[dict[str, Any]]:
    """The newest exchanges, the oldest of them first."""
    given = {name: value for name, value in filters.items() if value is not None}
    found = server.admin.requests(limit=MOST if failed else limit, **given)
    return [e for e in found if not failed or _is_failed(e)][:limit][::-1]


def _is_failed(exchange: dict[str, Any]) -> bool:
    status: int = exchange["status"]
    return status >= 400 or status == 0 or exchange["ended"] != "complete"


def _follow(server: Server, found: list[dict[str, Any]], failed: bool, curl: bool, **filters: Any) -> None:
    clock, shown = Clock(), dict[tuple[str, str], None]()
    if not curl and not server.as_json:
        print(paint(line([name.upper() for name in COLUMNS], WIDTHS), "bold"))
    while True:
        new = {(exchange["id"], exchange["at"]): exchange for exchange in found}
        for name, exchange in new.items():
            if name not in shown:
                _print_one(server, exchange, curl)
        shown = dict.fromkeys([*shown, *new])
        for name in list(shown)[: -2 * MOST]:  # those of before are in no answer any more
            del shown[name]
        _pause(clock, LOOK_EVERY)
        found = _found(server, failed, MOST, **filters)


def _print_one(server: Server, exchange: dict[str, Any], curl: bool) -> None:
    if curl:
        text = _curl(server, exchange)
    elif server.as_json:
        text = json.dumps(exchange, ensure_ascii=False)
    else:
        text = "\n".join([_coloured(exchange, line(_row(exchange), WIDTHS)), *_warnings(exchange)])
    print(text, flush=True)


def _coloured(exchange: dict[str, Any], text: str) -> str:
    status = exchange["status"]
    return (
        paint(text, "red") if status >= 500 or not status else paint(text, "yellow") if _is_failed(exchange) else text
    )


def _row(e: dict[str, Any]) -> list[str]:
    chosen = e["fault"] or e["reply"] or "-"
    ended = "" if e["ended"] == "complete" else f" {e['ended']}"
    status = str(e["status"] or "none")
    path = clean(e["path"] + (f"?{e['query']}" if e["query"] else ""))
    return [e["at"][11:23], status, e["method"], path, e["operation"] or "-", f"{e['duration_ms']:.1f}", chosen + ended]


def _whole(e: dict[str, Any]) -> str:
    about = {name: e[name] for name in ("id", "at", "account", "operation", "status", "ended", "duration_ms", "fault",
             "reply", "near_misses", "warnings")}  # fmt: skip
    return "\n".join(
        [facts(about), "", f"{e['method']} {clean(_target(e))}", *_side(e["request"]), "", *_side(e["response"])]
    )


def _side(side: dict[str, Any]) -> list[str]:
    body = "\n".join(map(clean, side["body"].split("\n")))
    cut = [f"({side['size']} bytes in all)"] if side["truncated"] else []
    return [*(clean(f"{name}: {value}") for name, value in side["headers"]), "", body, *cut]


def _target(e: dict[str, Any]) -> str:
    return str(e["path"] + (f"?{e['query']}" if e["query"] else ""))


# What curl writes itself, and what the journal does not keep.
NOT_SENT = ("host", "content-length", "accept-encoding", "connection", "authorization", "transfer-encoding")


def _curl(server: Server, e: dict[str, Any]) -> str:
    """An exchange as a command to paste into a shell. The key was never kept: it is TELNYX_API_KEY there."""
    words = ["curl", "-sS", "-X", e["method"], shlex.quote(server.url + _target(e))]
    sent = e["request"]
    if any(name == "authorization" for name, _ in sent["headers"]):
        words += ["-H", '"Authorization: Bearer $TELNYX_API_KEY"']
    for name, value in sent["headers"]:
        if name not in NOT_SENT and value != "***":
            words += ["-H", shlex.quote(f"{name}: {value}")]
    if sent["body"]:
        words += ["--data-binary", shlex.quote(sent["body"])]
    return " ".join(words) + (f"  # the body was cut: it had {sent['size']} bytes" if sent["truncated"] else "")


@state.command()
@calling
def show_state(server: Server) -> None:
    """Count what the account, or the server, keeps: rows by kind, objects, rules."""
    server.show(server.admin.state(), _state)


def _state(kept: dict[str, Any]) -> str:
    return facts(
        {**kept, "account": kept["account"] or "the whole server", "rows": sum(kept["rows"].values()), **kept["rows"]}
    )


@reset.command()
@calling
def reset_all(server: Server) -> None:
    """Make the account, or the whole server, as new: rows, rules, counters, clock, journal."""
    server.show(server.admin.reset(), lambda done: f"Reset: {done['reset']}.")
