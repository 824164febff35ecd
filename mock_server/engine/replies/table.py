"""The replies in force: added by API, then the user's files, then the shipped one. First match wins; uses count per account."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mock_server.base.errors import BadRequest
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.replies.armed import Armed, Chosen
from mock_server.engine.replies.files import FixtureError, read_rules, reply_files, signature
from mock_server.engine.replies.index import Table
from mock_server.engine.replies.match import View
from mock_server.engine.replies.near import nearest
from mock_server.engine.replies.rules import ReplyRule

MOST_RULES = 10_000  # added by API, of one account
LOOK_EVERY = 0.5  # seconds between looks at the user's files


class Replies:
    """Every reply in force. Files are read when first asked for, and again when they change."""

    def __init__(self, folders: Sequence[Path], shipped: Path, ids: Ids, monotonic: Callable[[], float]) -> None:
        self._folders, self._shipped, self.ids, self._monotonic = folders, shipped, ids, monotonic
        self.watched = bool(folders)
        self._start()

    def _start(self) -> None:
        self.used: dict[str, dict[str, int]] = {}  # by account and rule
        self.counters: dict[str, dict[str, int]] = {}  # of templates, by account and name
        self._api: dict[str | None, Table] = {}
        self._files = Table()
        self._loaded = False
        self._seen: tuple[Any, ...] = ()
        self._next_look = 0.0
        self._made = 0
        self._told = ""
        self.problems: list[FixtureError] = []
        self.faulty = False  # whether a reply may go wrong
        self.own = self.watched  # whether there may be rules beside the shipped ones

    def choose(self, view: View) -> Chosen | None:
        """The first reply that fits, None for the domain's default. Raises BadRequest where a sequence has come to its end."""
        if not self._loaded:
            self.look()
        view.chosen, view.used = None, 0  # of the time before, where a request is the same again
        account = view.account.id if view.account is not None else ""
        if self._api:
            for owner in (account, None):
                if (table := self._api.get(owner)) and (chosen := self._first(table, view, account)):
                    return chosen
        return self._first(self._files, view, account)

    def _first(self, table: Table, view: View, account: str) -> Chosen | None:
        for armed in table.candidates(view):
            for _, test in armed.tests:
                if not test(view):
                    break
            else:
                used = self.used.get(account)
                if used is None:
                    used = self.used[account] = {}
                n = used.get(armed.key, 0)
                chosen = armed.only or armed.step(n)
                if chosen is not None:
                    used[armed.key] = view.used = n + 1
                    view.chosen, view.source = chosen, self
                    return chosen
        return None

    def draw(self, account: Account | None) -> float:
        """A number in [0, 1), the account's next."""
        n = account.next("template draw") if account is not None else 0
        return self.ids.draw(account.id if account is not None else "", "template draw", n)

    def counters_of(self, account: Account | None) -> dict[str, int]:
        return self.counters.setdefault(account.id if account is not None else "", {})

    # By API

    def add(self, rule: ReplyRule, account: str | None) -> Armed:
        """Put a rule in force; one with the same id and account is replaced. Raises BadRequest when there are too many."""
        table = self._api.setdefault(account, Table())
        if rule.id is None:
            rule = rule.model_copy(update={"id": self._new_id(table, account)})
        armed = Armed(rule, key_of(account, rule.id or ""), account)
        if armed.key not in table.rules and len(table.rules) >= MOST_RULES:
            raise BadRequest(f"There are {MOST_RULES} replies already, which is the most.")
        table.put(armed)
        self._forget(armed.key)
        self.faulty, self.own = self.faulty or armed.faulty, True
        return armed

    def _new_id(self, table: Table, account: str | None) -> str:
        while True:
            self._made += 1
            if key_of(account, id := f"reply-{self._made}") not in table.rules:
                return id

    def remove(self, id: str, account: str | None) -> bool:
        """Take a rule out that was added; whether there was one. Without an account, whosever it is."""
        owners = list(self._api) if account is None else [account]
        gone = [armed for owner in owners if (armed := self._take(owner, id))]
        return bool(gone)

    def drop(self, id: str, account: str | None) -> bool:
        """Take out the rule that this very account has, or with None the one that everyone has; whether there was one."""
        return self._take(account, id) is not None

    def _take(self, owner: str | None, id: str) -> Armed | None:
        table = self._api.get(owner)
        armed = table.pop(key_of(owner, id)) if table else None
        if armed:
            self._forget(armed.key)
            self._note()
        return armed

    def clear(self, account: str | None) -> int:
        """Take out the rules that were added for one account, or all; how many there were."""
        owners = list(self._api) if account is None else [account]
        gone = [armed for owner in owners if owner in self._api for armed in self._api.pop(owner).rules.values()]
        for armed in gone:
            self._forget(armed.key)
        self._note()
        return len(gone)

    def _note(self) -> None:
        tables = [*self._api.values(), self._files]
        self.own = self.watched or any(table.rules for table in self._api.values())
        self.faulty = any(armed.faulty for table in tables for armed in table.rules.values())

    def _forget(self, key: str) -> None:
        for used in self.used.values():
            used.pop(key, None)

    def reset(self, account: str | None = None) -> None:
        """As new: one account's rules and counts, or everything; files are read again when next asked for."""
        if account is None:
            return self._start()
        self.clear(account)
        self.used.pop(account, None)
        self.counters.pop(account, None)
        self._unfire(account)

    def _unfire(self, account: str | None) -> None:
        """The faults of replies have never fired for an account, or for any."""
        for armed in self._all(None) if self.faulty else ():
            for step in armed.steps:
                if step.fault is None:
                    continue
                if account is None:
                    step.fault.counts.clear()
                else:
                    step.fault.counts.pop(account, None)

    def added(self, account: str | None) -> list[Armed]:
        """The rules that were added for one account, or all, in the order they are tried."""
        owners = [o for o in self._api if account in (None, o)]
        return [armed for owner in owners for armed in self._api[owner].rules.values()]

    def every(self) -> Iterator[Armed]:
        """All rules in force, whosever they are, those of files too."""
        if not self._loaded:
            self.look()
        return self._all(None)

    def forget(self, account: str | None) -> None:
        """Take out the rules that were added for one account, or all, and every count; what was read from files stays."""
        self.clear(account)
        self._unfire(account)
        for counts in (self.used, self.counters):
            for owner in [owner for owner in counts if account in (None, owner)]:
                del counts[owner]
        if account is None:
            self._made = 0

    # Files

    def load(self) -> None:
        """Read every file now. Raises FixtureError."""
        self.look()
        if self.problems:
            raise self.problems[0]

    def watch(self) -> None:
        """Look at the user's files, if that is due."""
        if self._monotonic() >= self._next_look:
            self.look()

    def look(self) -> None:
        """Read the files again where they have changed. A broken one keeps the rules it had, and the problem is told."""
        self._next_look = self._monotonic() + LOOK_EVERY
        paths = list(reply_files((*self._folders, self._shipped)))
        seen = signature(paths)
        if self._loaded and seen == self._seen:
            return
        self._seen, self.problems, first = seen, [], not self._loaded
        before: dict[Path | None, list[Armed]] = {}
        for armed in self._files.rules.values():
            before.setdefault(armed.file, []).append(armed)
        self._files = Table([armed for path in paths for armed in self._read(path, before.get(path, []), first)])
        self._loaded = True
        self._note()

    def _read(self, path: Path, before: list[Armed], first: bool) -> Iterator[Armed]:
        try:
            rules = read_rules(path)
        except FixtureError as error:
            self.problems.append(error)
            if not first:
                print(f"{error}; its replies of before stay in force", file=sys.stderr)
            yield from before
            return
        known = {armed.key: armed for armed in before}
        keys: set[str] = set()
        for n, (rule, line) in enumerate(rules, 1):
            if rule.id is None:
                rule = rule.model_copy(update={"id": f"{path.stem}-{n}"})
            key = f"{path} {rule.id}"
            key = f"{key} {n}" if key in keys else key
            keys.add(key)
            if key in known and known[key].rule == rule:
                known[key].line = line  # it stays as it was, and keeps how often its faults have fired
                yield known[key]
                continue
            if key in known:
                self._forget(key)
            yield Armed(rule, key, None, path, line, path.parent.parent == self._shipped)

    # What is told

    def listed(self, account: str | None) -> list[dict[str, Any]]:
        """The rules in the order they are tried, with their uses: those an account can meet, or all."""
        self.look()
        return [{**armed.describe(), "used": self._uses(armed, account)} for armed in self._all(account)]

    def _all(self, account: str | None) -> Iterator[Armed]:
        owners = [owner for owner in self._api if owner is not None] if account is None else [account]
        for owner in [*owners, None]:
            if owner in self._api:
                yield from self._api[owner].rules.values()
        yield from self._files.rules.values()

    def _uses(self, armed: Armed, account: str | None) -> int:
        accounts = self.used.values() if account is None else [self.used.get(account, {})]
        return sum(used.get(armed.key, 0) for used in accounts)

    def near_misses(self, view: View) -> list[str]:
        """Which of the user's replies came nearest to a request that none of them fits, and what it lacks for each."""
        tables = [
            self._api[owner]
            for owner in (view.account.id if view.account is not None else "", None)
            if owner in self._api
        ]
        return nearest([*tables, self._files], view)

    def tell(self, line: str) -> None:
        """Say something on stderr, but not the same thing again and again."""
        if line != self._told:
            self._told = line
            print(line, file=sys.stderr)


def key_of(account: str | None, id: str) -> str:
    return f"api {account or ''} {id}"
