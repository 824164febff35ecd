"""Which admin calls without a key concern every worker, and how their answers become one. A new call is named here, or below."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mock_server.base.place import Place

# change: done on the first worker, then on all others, then answered.   merge: asked of all, the answers joined.
# journal, states: fetched from the others, then answered by the first.   stream: those of all, as they come.
# figures: those of all, added up.
How = Literal["change", "merge", "journal", "states", "stream", "figures"]
Body = dict[str, Any]
MOST_ACCOUNTS = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """How many rules every worker has alike, counted before a call."""

    faults: int
    replies: int


Join = Callable[[Sequence[Body], Place, Rules], Body]


def _first(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    return bodies[0]


def _deleted(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    return {"deleted": sum(body["deleted"] for body in bodies)}


def _deleted_faults(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    return {"deleted": sum(body["deleted"] for body in bodies) - (len(bodies) - 1) * rules.faults}


def _deleted_replies(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    return {"deleted": sum(body["deleted"] for body in bodies) - (len(bodies) - 1) * rules.replies}


def _rules(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    """Everyone's rules are the same everywhere, and used by all; an account's are where the account is."""
    used: dict[tuple[Any, ...], int] = {}
    theirs = []
    for number, body in enumerate(bodies):
        for rule in body["data"]:
            if rule["account"] is None:
                used[_named(rule)] = used.get(_named(rule), 0) + rule["used"]
            elif number:
                theirs.append(rule)
    mine = [r if r["account"] is not None else {**r, "used": used[_named(r)]} for r in bodies[0]["data"]]
    return {**bodies[0], "data": [*theirs, *mine]}


def _named(rule: Body) -> tuple[Any, ...]:
    return rule["id"], rule.get("source")


def _accounts(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    rows = [row for number, body in enumerate(bodies) for row in body["data"] if place.owner(row["id"]) == number]
    return {"data": rows[:MOST_ACCOUNTS], "meta": {"total": sum(body["meta"]["total"] for body in bodies)}}


def _jobs(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    """All see the same rows; what time it is for an account, its own worker knows."""
    told = [{row["id"]: row for rows in body["data"].values() for row in rows} for body in bodies]
    data = {
        table: [told[place.owner(row["account"])].get(row["id"], row) for row in rows]
        for table, rows in bodies[0]["data"].items()
    }
    return {"data": data}


def _webhooks(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    attempts = sorted((a for body in bodies for a in body["data"]), key=lambda attempt: attempt["at"], reverse=True)
    meta = {name: sum(body["meta"][name] for body in bodies) for name in bodies[0]["meta"]}
    return {"data": attempts, "meta": meta}


def _state(bodies: Sequence[Body], place: Place, rules: Rules) -> Body:
    """Rows, objects and snapshots are shared."""
    others = len(bodies) - 1
    data = dict(bodies[0]["data"])
    data["faults"] = sum(body["data"]["faults"] for body in bodies) - others * rules.faults
    data["replies"] = sum(body["data"]["replies"] for body in bodies) - others * rules.replies
    return {"data": data}


NOT_ADDED = (b"telnyx_mock_server_info", b"process_start_time_seconds")  # the first worker's stand for all


def added(bodies: Sequence[bytes]) -> bytes:
    """Figures as Prometheus reads them, by family, each series added up."""
    families: dict[bytes, tuple[list[bytes], dict[bytes, float]]] = {}
    ends = b""
    for body in bodies:
        family = b""
        for line in body.splitlines():
            if line == b"# EOF":
                ends = line + b"\n"
            elif line.startswith(b"#"):
                if line.startswith(b"# HELP"):
                    family = line
                about, _ = families.setdefault(family, ([], {}))
                if line not in about:
                    about.append(line)
            elif line:
                series, _, value = line.rpartition(b" ")
                known = families.setdefault(family, ([], {}))[1]
                if series not in known or not series.startswith(NOT_ADDED):
                    known[series] = known.get(series, 0.0) + float(value)
    lines = [
        line
        for about, known in families.values()
        for line in (*about, *(b"%s %s" % (series, repr(value).encode()) for series, value in known.items()))
    ]
    return b"\n".join(lines) + b"\n" + ends


@dataclass(frozen=True, slots=True)
class Spread:
    """One admin call that concerns all workers. `anywhere`: it is done if any worker did it."""

    how: How
    join: Join = _first
    anywhere: bool = False
    named: bool = False  # it makes something that the first worker gives its id


TABLE: dict[tuple[str, str], Spread] = {
    ("POST", "/_mock/reset"): Spread("change"),
    ("POST", "/_mock/clock"): Spread("change"),
    ("PUT", "/_mock/account"): Spread("change"),
    ("DELETE", "/_mock/account"): Spread("change"),
    ("POST", "/_mock/faults"): Spread("change", named=True),
    ("DELETE", "/_mock/faults"): Spread("change", _deleted_faults),
    ("POST", "/_mock/faults/reload"): Spread("change"),
    ("DELETE", "/_mock/faults/{id}"): Spread("change", anywhere=True),
    ("PUT", "/_mock/limits"): Spread("change"),
    ("DELETE", "/_mock/limits"): Spread("change"),
    ("PUT", "/_mock/plans"): Spread("change"),
    ("DELETE", "/_mock/plans"): Spread("change"),
    ("POST", "/_mock/replies"): Spread("change", named=True),
    ("DELETE", "/_mock/replies"): Spread("change", _deleted_replies),
    ("DELETE", "/_mock/replies/{id}"): Spread("change", anywhere=True),
    ("DELETE", "/_mock/requests"): Spread("change", _deleted),
    ("POST", "/_mock/scenario"): Spread("change"),
    ("DELETE", "/_mock/scenario"): Spread("change"),
    ("POST", "/_mock/snapshots/{name}"): Spread("change"),
    ("DELETE", "/_mock/webhooks"): Spread("change", _deleted),
    ("GET", "/_mock/accounts"): Spread("merge", _accounts),
    ("GET", "/_mock/faults"): Spread("merge", _rules),
    ("GET", "/_mock/jobs"): Spread("merge", _jobs),
    ("GET", "/_mock/replies"): Spread("merge", _rules),
    ("GET", "/_mock/state"): Spread("merge", _state),
    ("GET", "/_mock/webhooks"): Spread("merge", _webhooks),
    ("GET", "/_mock/requests"): Spread("journal"),
    ("GET", "/_mock/requests/{id}"): Spread("journal"),
    ("POST", "/_mock/verify"): Spread("journal"),
    ("PUT", "/_mock/snapshots/{name}"): Spread("states"),
    ("GET", "/_mock/requests/stream"): Spread("stream"),
    ("GET", "/_mock/metrics"): Spread("figures"),
}
# What the first worker answers alone: it is the same on all, comes from the database and the files that all share, or is
# refused without a key.
ALONE = frozenset(
    {
        ("GET", "/_mock/account"),
        ("GET", "/_mock/clock"),
        ("GET", "/_mock/health"),
        ("GET", "/_mock/limits"),
        ("GET", "/_mock/operations"),
        ("GET", "/_mock/plans"),
        ("GET", "/_mock/quirks"),
        ("GET", "/_mock/reports/{name}"),
        ("GET", "/_mock/scenario"),
        ("GET", "/_mock/schemas/fault"),
        ("GET", "/_mock/schemas/reply"),
        ("GET", "/_mock/schemas/scenario"),
        ("GET", "/_mock/snapshots"),
        ("GET", "/_mock/snapshots/{name}"),
        ("DELETE", "/_mock/snapshots/{name}"),
        ("GET", "/_mock/state/{table}"),
        ("GET", "/_mock/syntheses/{id}"),
        ("GET", "/_mock/verdict"),
        ("GET", "/_mock/webhooks/public-key"),
        ("POST", "/_mock/conversations/{conversation_id}/complete"),
    }
)


# Calls that concern the whole server, whoever's key comes with them.
EVERYONES = frozenset({"/_mock/accounts", "/_mock/faults/reload", "/_mock/metrics"})


def _patterns() -> Iterator[tuple[str, re.Pattern[str], Spread]]:
    for (method, path), spread in sorted(TABLE.items(), key=lambda entry: "{" in entry[0][1]):
        yield method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), spread


PATTERNS = tuple(_patterns())


def spread_of(method: str, path: str) -> Spread | None:
    """How a call spreads; None where the first worker answers alone."""
    if (method, path) in ALONE:
        return None
    return next((spread for verb, pattern, spread in PATTERNS if verb == method and pattern.fullmatch(path)), None)
