"""Which exchanges of the journal are meant, whether there are as many as expected, and what is different where there are not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mock_server.engine.exchange import Exchange
from mock_server.engine.masks import blank_names
from mock_server.engine.patterns import Text, like

MOST_FIELDS = 50
MOST_IN_ORDER = 100
CLOSEST = 3
DEEPEST = 20
MISSING = object()
# What is compared with a pattern, and where an exchange has it.
PATTERNS = ("operation", "method", "path", "reply", "fault", "context", "kind")
Wanted = Text | str | bool | int | float | None | list[Any] | dict[str, Any]


class Seen(BaseModel):
    """Which exchanges are meant; what is left out matches all. Texts by themselves are the whole text, or a shell-style pattern."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: str | None = Field(None, description="Pattern of the operation's name.", max_length=200)
    method: str | None = Field(None, description="GET, POST, ...", max_length=16)
    path: str | None = Field(None, description="Pattern of the path.", max_length=500)
    kind: Literal["http", "socket"] | None = None
    status: int | None = Field(None, ge=100, le=599)
    reply: str | None = Field(None, description="Pattern of the id of the reply that answered.", max_length=200)
    fault: str | None = Field(None, description="Pattern of the fault that fired.", max_length=200)
    context: str | None = Field(None, description="Pattern of the header x-mock-context.", max_length=200)
    text: str | Text | None = Field(
        None, description="Of the whole request body; a string is contained in it, in any case."
    )
    headers: dict[str, str | Text] | None = Field(None, description="Of the request.", max_length=MOST_FIELDS)
    body: dict[str, Wanted] | None = Field(
        None, description="Fields of a JSON body by path: messages.-1.content, messages.*.role.", max_length=MOST_FIELDS
    )


class Count(BaseModel):
    """How many are expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exactly: int | None = Field(None, ge=0)
    at_least: int | None = Field(None, ge=0)
    at_most: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> "Count":
        if not self.model_fields_set or (self.exactly is not None and len(self.model_fields_set) > 1):
            raise ValueError("give exactly, or at_least and at_most")
        return self

    def bounds(self) -> tuple[int, int | None]:
        if self.exactly is not None:
            return self.exactly, self.exactly
        return self.at_least or 0, self.at_most

    def said(self) -> str:
        if self.exactly is not None:
            return f"exactly {self.exactly}"
        parts = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{words} {n}" for words, n in parts if n is not None)


class Expectation(BaseModel):
    """What is expected of the journal: so many exchanges that match, or some that came in an order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Seen | list[Seen] = Field(default_factory=Seen)
    count: Count | Literal["in_order"] = Field(default_factory=lambda: Count(at_least=1))

    @model_validator(mode="after")
    def _fit_together(self) -> "Expectation":
        if isinstance(self.match, list) != (self.count == "in_order"):
            raise ValueError("a list of matches goes with the count in_order, and one match with any other")
        if isinstance(self.match, list) and not 1 <= len(self.match) <= MOST_IN_ORDER:
            raise ValueError(f"give 1 to {MOST_IN_ORDER} matches")
        return self


@dataclass(slots=True)
class Verdict:
    """`holds` is None where exchanges that would decide it were evicted, or their bodies cut."""

    holds: bool | None
    found: int
    told: str
    closest: list[dict[str, Any]] = field(default_factory=list)


class Entry:
    """An exchange as matches look at it: its body is read once, and only when one asks."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._text: str | None = None
        self._body: Any = None

    def text(self) -> str:
        if self._text is None:
            self._text = blank_names(self.exchange.request_body).decode("utf-8", "replace")
        return self._text

    def body(self) -> Any:
        if self._body is None:
            try:
                self._body = json.loads(self.text())
            except (ValueError, RecursionError):
                self._body = MISSING
        return self._body

    @property
    def cut(self) -> bool:
        return self.exchange.request_size > len(self.exchange.request_body)

    def value(self, name: str) -> str:
        exchange = self.exchange
        if name == "operation":
            return exchange.operation.id if exchange.operation else ""
        if name == "context":
            return self.header("x-mock-context") or ""
        return str(getattr(exchange, name))

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode("latin-1", "replace")
        return next((v.decode("latin-1") for n, v in self.exchange.request_headers if n == wanted), None)


def differences(match: Seen, entry: Entry) -> tuple[list[str], bool]:
    """What an exchange lacks, in words, and whether its cut body keeps some of it from being known."""
    lacks = [
        f"{name} is {entry.value(name)!r}, not {wanted!r}"
        for name in PATTERNS
        if (wanted := getattr(match, name)) is not None and not _is(wanted, entry.value(name))
    ]
    if match.status is not None and entry.exchange.status != match.status:
        lacks.append(f"status is {entry.exchange.status}, not {match.status}")
    for name, wanted in (match.headers or {}).items():
        value = entry.header(name)
        if value is None or not _is(wanted, value):
            lacks.append(f"header {name} is {'missing' if value is None else _short(value)}, not {_asked(wanted)}")
    unknown = False
    if match.text is not None:
        text = Text(contains=match.text) if isinstance(match.text, str) else match.text
        if not text.fits(entry.text()):
            unknown = entry.cut
            lacks.append(f"the body does not fit {_asked(text)}")
    for path, wanted in (match.body or {}).items():
        values = list(_at(entry.body(), path.split("."))) if entry.body() is not MISSING else []
        if not any(_is(wanted, value) for value in values):
            unknown = unknown or (entry.cut and entry.body() is MISSING)
            shown = " and ".join(_short(value) for value in values[:CLOSEST]) or "missing"
            lacks.append(f"body.{path} is {shown}, not {_asked(wanted)}")
    return lacks, unknown


def _is(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Text):
        return isinstance(value, str) and wanted.fits(value)
    if isinstance(wanted, str) and isinstance(value, str):
        return wanted == value or like(wanted, value)
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values at a path; `*` stands for every item or field."""
    if len(path) > DEEPEST:
        return
    if not path:
        yield value
        return
    name, rest = path[0], path[1:]
    if name == "*" and isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _at(item, rest)
    elif isinstance(value, Mapping) and name in value:
        yield from _at(value[name], rest)
    elif isinstance(value, list) and name.removeprefix("-").isdecimal() and len(name) < 9:
        place = int(name)
        if -len(value) <= place < len(value):
            yield from _at(value[place], rest)


def _asked(wanted: Any) -> str:
    if isinstance(wanted, Text):
        return " and ".join(f"{name} {_short(value)}" for name, value in wanted.model_dump(exclude_unset=True).items())
    return _short(wanted)


def _short(value: Any) -> str:
    shown = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."


def verify(expectation: Expectation, exchanges: Sequence[Exchange], evicted: int) -> Verdict:
    """Whether what is expected holds. `exchanges` in the order in which they came, `evicted` how many more there were."""
    entries = [Entry(exchange) for exchange in exchanges]
    if isinstance(expectation.match, list):
        return _in_order(expectation.match, entries, evicted)
    assert isinstance(expectation.count, Count)
    looked = [(entry, *differences(expectation.match, entry)) for entry in entries]
    found = sum(not lacks for _, lacks, _ in looked)
    unknown = sum(bool(lacks) and cut for _, lacks, cut in looked)
    least, most = expectation.count.bounds()
    told = f"Expected {expectation.count.said()} that match, found {found}."
    if most is not None and found > most:
        return Verdict(False, found, told, [_shown(entry, []) for entry, lacks, _ in looked if not lacks][:CLOSEST])
    if found >= least and (most is None or not (evicted or unknown)):
        return Verdict(True, found, told)
    close = _closest(looked)
    if evicted or unknown:
        return Verdict(None, found, f"{told} {_undecided(evicted, unknown)}", close)
    return Verdict(False, found, f"{told}{_near(close)}", close)


def _in_order(matches: Sequence[Seen], entries: Sequence[Entry], evicted: int) -> Verdict:
    place = unknown = 0
    for n, match in enumerate(matches):
        looked = []
        for entry in entries[place:]:
            place += 1
            lacks, cut = differences(match, entry)
            if not lacks:
                break
            looked.append((entry, lacks, cut))
        else:
            unknown = sum(cut for _, _, cut in looked)
            told = f"Expected {len(matches)} in order, found {n}: nothing matches number {n + 1} after them."
            close = _closest(looked)
            if evicted or unknown:
                return Verdict(None, n, f"{told} {_undecided(evicted, unknown)}", close)
            return Verdict(False, n, f"{told}{_near(close)}", close)
    return Verdict(True, len(matches), f"Expected {len(matches)} in order, found them.")


def _undecided(evicted: int, unknown: int) -> str:
    reasons = [f"{evicted} exchanges were evicted from the journal"] if evicted else []
    reasons += [f"the journal keeps only the beginning of {unknown} bodies"] if unknown else []
    return f"It cannot be told: {' and '.join(reasons)}."


def _closest(looked: Sequence[tuple[Entry, list[str], bool]]) -> list[dict[str, Any]]:
    """Of those that do not match the ones that lack least, the newest first."""
    missed = [(entry, lacks) for entry, lacks, _ in reversed(looked) if lacks]
    return [_shown(entry, lacks) for entry, lacks in sorted(missed, key=lambda pair: len(pair[1]))[:CLOSEST]]


def _shown(entry: Entry, lacks: list[str]) -> dict[str, Any]:
    exchange = entry.exchange
    return {"id": exchange.id, "operation": entry.value("operation") or None, "method": exchange.method,
            "path": exchange.path, "status": exchange.status, "reply": exchange.reply or None, "differs": lacks}  # fmt: skip


def _near(closest: Sequence[Mapping[str, Any]]) -> str:
    if not closest:
        return " The journal has no other."
    first = closest[0]
    return f" Closest: {first['method']} {first['path']} ({first['id']}): {'; '.join(first['differs'])}."
