"""`faults`, `replies`, `scenario`, `plans`, `limits`, `account`: what a running server is told to do."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from mock_server.cli import commands, refuse
from mock_server.cli.calling import Server, calling, read_json
from mock_server.cli.tables import cell, facts, table

faults = commands("See and change what fails.")
replies = commands("See and change what the models say.")
scenario = commands("See which scenario is on, switch one on or off.")
plans = commands("See and set how jobs will go that are made from now on.")
limits = commands("See and set rate limits.")
account = commands("See and set the state of the account: active, revoked, and the like.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the rule.")]
Pattern = Annotated[str | None, typer.Option(metavar="PATTERN", help="Which; patterns are shell-style.")]
Rule = Annotated[
    str | None,
    typer.Option("--rule", metavar="JSON", help="The whole rule as JSON; @FILE reads it, - reads standard input."),
]
RuleId = Annotated[
    str | None, typer.Option("--id", metavar="ID", help="Id of the rule; one of the same id is replaced.")
]


def _fault_table(rules: list[dict[str, Any]]) -> str:
    rows = ([r["id"], r.get("account") or "everyone", r.get("used", 0), r.get("times") or "always", r.get("match"), r["effect"]]
            for r in rules)  # fmt: skip
    return table(("id", "for", "used", "times", "match", "effect"), rows, "No fault rules.")


def _reply_table(rules: list[dict[str, Any]]) -> str:
    rows = ([r["id"], r.get("account") or "everyone", r.get("used", 0), r.get("match"), _says(r)] for r in rules)
    return table(("id", "for", "used", "match", "says"), rows, "No replies.")


def _says(rule: dict[str, Any]) -> str:
    said = rule.get("reply") or rule.get("sequence")
    shown = cell(said)
    return shown if len(shown) <= 100 else f"{shown[:97]}..."


@faults.command("list")
@calling
def list_faults(server: Server) -> None:
    """List the fault rules in force, in the order they are tried."""
    server.show(server.admin.faults.list(), _fault_table)


@faults.command("add")
@calling
def add_fault(
    server: Server,
    *,
    effect: Annotated[
        str | None,
        typer.Argument(metavar="[EFFECT]", help='As in the header x-mock-fault: "429;retry-after=2", timeout=5.'),
    ] = None,
    times: Annotated[int | None, typer.Option(metavar="N", help="How often it fires; without it always.")] = None,
    operation: Pattern = None,
    path: Pattern = None,
    method: Pattern = None,
    model: Pattern = None,
    id: RuleId = None,
    rule: Rule = None,
) -> None:
    """Let requests fail: `faults add "503;times=2" --operation "chat.*"`."""
    if rule is not None and effect is None:
        added = server.admin.faults.put(read_json(rule))
    elif effect is None or rule is not None:
        refuse("give either an effect or --rule.")
    else:
        match = {"operation": operation, "path": path, "method": method, "model": model}
        added = server.admin.faults.add(effect, times=times, id=id, **{k: v for k, v in match.items() if v is not None})
    server.show(added, lambda one: _fault_table([one]))


@replies.command("list")
@calling
def list_replies(server: Server) -> None:
    """List the replies in force, in the order they are tried."""
    server.show(server.admin.replies.list(), _reply_table)


@replies.command("add")
@calling
def add_reply(
    server: Server,
    *,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What is said.")] = None,
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where the last user text contains this.")
    ] = None,
    operation: Pattern = None,
    model: Pattern = None,
    id: RuleId = None,
    rule: Rule = None,
) -> None:
    """Let a model say something: `replies add "Sunny." --contains weather`."""
    if rule is not None and text is None:
        added = server.admin.replies.put(read_json(rule))
    elif text is None or rule is not None:
        refuse("give either a text or --rule.")
    else:
        match = {"operation": operation, "model": model, "user_text": contains and {"contains": contains}}
        added = server.admin.replies.add(text, id=id, **{k: v for k, v in match.items() if v is not None})
    server.show(added, lambda one: _reply_table([one]))


def _removing(group: typer.Typer, name: str, of: Callable[[Server], Any]) -> None:
    """The commands `remove` and `clear` of a group of rules."""

    @calling
    def remove(server: Server, *, id: Id) -> None:
        server.show(of(server).remove(id), lambda _: f"Removed: {id}.")

    @calling
    def clear(server: Server) -> None:
        server.show(of(server).clear(), lambda gone: f"Removed: {gone['deleted']}.")

    group.command("remove", help=f"Take out one {name}.")(remove)
    group.command("clear", help=f"Take out every {name} that was added for the account, or all.")(clear)


_removing(faults, "fault rule", lambda server: server.admin.faults)
_removing(replies, "reply", lambda server: server.admin.replies)


@scenario.command("show")
@calling
def show_scenario(server: Server) -> None:
    """Say which scenario is on, and which there are."""
    server.show(server.admin.scenario.get(), lambda told: facts(told["data"]) + "\n\n" + _scenarios(told["scenarios"]))


def _scenarios(found: list[dict[str, Any]]) -> str:
    return table(("name", "what"), ([s["name"], s.get("error") or s["about"]] for s in found), "No scenarios.")


@scenario.command("on")
@calling
def switch_on(
    server: Server, *, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the scenario.")]
) -> None:
    """Switch a scenario on, in the place of one that is."""
    server.show(server.admin.scenario.on(name), lambda told: f"On: {told['name']}.")


@scenario.command("off")
@calling
def switch_off(server: Server) -> None:
    """Switch off the scenario that is on."""
    server.show(server.admin.scenario.off(), lambda told: f"Off: {told['switched_off'] or 'none was on'}.")


def _settable(
    group: typer.Typer, of: Callable[[Server], Any], human: Callable[[Any], str], how: str, value: Any
) -> None:
    """The commands `show`, `set` and `clear` of what is read, set, and set back."""

    @calling
    def show(server: Server) -> None:
        server.show(of(server).get(), human)

    @calling
    def change(server: Server, *, to: Annotated[list[str], typer.Argument(metavar="VALUE...", help=how)]) -> None:
        server.show(of(server).set(value(to)), human)

    @calling
    def clear(server: Server) -> None:
        server.show(of(server).clear(), human)

    group.command("show", help="Show what is in force.")(show)
    group.command("set", help=f"Put in force: {how}")(change)
    group.command("clear", help="Go back to how the server was started.")(clear)


def _plans(given: list[str]) -> dict[str, str | None]:
    pairs = [text.partition("=") for text in given]
    if not all(kind and equals for kind, equals, _ in pairs):
        refuse("a plan is written KIND=PLAN, such as fine_tuning=failed; KIND= takes it back.")
    return {kind: plan or None for kind, _, plan in pairs}


def _rows(found: Any) -> str:
    rows = found if isinstance(found, list) else [found]
    return table(list(rows[0]), (list(row.values()) for row in rows)) if rows else "None."


_settable(
    plans, lambda server: server.admin.plans, _rows, 'plans by kind of job, such as "fine_tuning=failed".', _plans
)
_settable(limits, lambda server: server.admin.limits, _rows, 'limits, such as "60/minute" "tokens=1000/hour".', list)
_settable(
    account,
    lambda server: server.admin.account,
    _rows,
    "active, revoked, forbidden, without-funds or read-only.",
    lambda given: given[0],
)
