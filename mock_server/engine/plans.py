"""How a new job will go: as its request asks by header, else as the account or all were told by API, else as files say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mock_server.base.errors import BadRequest
from mock_server.base.jobs import KINDS, Kind
from mock_server.base.plan import Plan
from mock_server.engine.exchange import Exchange
from mock_server.engine.replies import FixtureError
from mock_server.engine.replies.files import read_marked

HEADER = b"x-mock-plan"
FILE = "plans.yaml"
# Instants are kept in whole milliseconds and clocks run in fractions of them: a moment counts as reached this much early.
ROUNDING = 0.001


def asked(exchange: Exchange, kind: Kind) -> Plan | None:
    """What the request's header x-mock-plan asks for, None without it. Raises BadRequest."""
    text = exchange.headers.get(HEADER)
    if text is None:
        return None
    try:
        return kind.read(text.decode("latin-1"))
    except ValueError as error:
        raise BadRequest(f"The header x-mock-plan cannot be read: {error}.") from None


def check(plans: Mapping[str, str | None]) -> None:
    """Raises ValueError for a kind that there is not, or a plan that it cannot have. None takes a plan back."""
    for name, text in plans.items():
        if name not in KINDS:
            raise ValueError(f"kinds of jobs are {', '.join(KINDS)}, not {name[:100]!r}")
        if text is not None:
            try:
                KINDS[name].read(text)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


@dataclass(slots=True)
class Plans:
    """The plans in force, as texts by kind: of accounts, of all, and of files, which are read when first asked."""

    folders: Sequence[Path]
    _by_account: dict[str | None, dict[str, str]] = field(default_factory=dict)  # None: of all
    _by_file: dict[str, str] | None = None

    def reset(self) -> None:
        """Forget what came by API, and read the files again when next asked."""
        self._by_account.clear()
        self._by_file = None

    def clear(self, account: str | None) -> None:
        """Forget what came by API for an account, or for all."""
        self._by_account.pop(account, None)

    def put(self, plans: Mapping[str, str | None], account: str | None) -> None:
        """Put plans in force for an account or for all; None takes one back. What is not named stays. Raises ValueError."""
        check(plans)
        mine = {**self._by_account.get(account, {}), **plans}
        self._by_account[account] = {name: text for name, text in mine.items() if text is not None}

    def dump(self, account: str | None = None) -> list[dict[str, Any]]:
        """What came by API for an account, without its name, or for all and each."""
        if account is not None:
            return [{"plans": self._by_account[account]}] if self._by_account.get(account) else []
        return [{"account": owner, "plans": plans} for owner, plans in self._by_account.items() if plans]

    def restore(self, states: list[dict[str, Any]], account: str | None = None) -> Callable[[], None]:
        """What puts `states` in place of what came by API for an account, or for all. Raises ValueError, KeyError."""
        loaded = {state["account"] if account is None else account: dict(state["plans"]) for state in states}
        for plans in loaded.values():
            check(plans)

        def put() -> None:
            if account is None:
                self._by_account.clear()
            self._by_account.pop(account, None)
            self._by_account.update(loaded)

        return put

    def of(self, account: str, kind: Kind) -> Plan:
        """How a job of this kind goes for an account. Raises FixtureError."""
        text, _ = self.find(account, kind)
        return kind.usual if text is None else kind.read(text)

    def find(self, account: str | None, kind: Kind) -> tuple[str | None, str]:
        """The plan as it was written, None for the usual one, and where it comes from: account, server, file or default."""
        own, everyones = self._by_account.get(account, {}), self._by_account.get(None, {})
        if account is not None and kind.name in own:
            return own[kind.name], "account"
        if kind.name in everyones:
            return everyones[kind.name], "server"
        if self._by_file is None:
            self.load()
            assert self._by_file is not None
        text = self._by_file.get(kind.name)
        return text, "default" if text is None else "file"

    def load(self) -> None:
        """Read the files now; the first folder's word counts. Raises FixtureError."""
        found: dict[str, str] = {}
        for folder in reversed(self.folders):
            if (folder / FILE).is_file():
                found.update(_read(folder / FILE))
        self._by_file = found

    def describe(self, account: str | None) -> list[dict[str, Any]]:
        """Every kind of job: how it goes, where that comes from, and what else it could do."""
        rows = []
        for kind in KINDS.values():
            text, source = self.find(account, kind)
            plan = kind.usual if text is None else kind.read(text)
            rows.append({"kind": kind.name, "plan": plan.dump(), "source": source,
                         "statuses": list(kind.statuses), "ends": list(kind.ends)})  # fmt: skip
        return rows


def _read(path: Path) -> dict[str, str]:
    """The plans of one file: a mapping of kinds to plans. Raises FixtureError."""
    marked = read_marked(path)
    value = marked.value
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for pair in value.items() for v in pair):
        raise FixtureError("expected kinds of jobs with their plans, such as fine_tuning: failed", path, 1)
    for name, text in value.items():
        try:
            check({name: text})
        except ValueError as error:
            raise FixtureError(str(error), path, marked.line([name])) from None
    return value
