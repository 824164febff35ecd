"""The replies in force: added by API, then the user's files, then the shipped one. First match wins; uses count per account."""

import re
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_server.base.errors import BadRequest
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.replies.files import FixtureError, read_rules, reply_files, signature
from mock_server.engine.replies.match import GRAM, View, differences, fits_operation, keys_of, tests_of
from mock_server.engine.replies.rules import Reply, ReplyRule

if TYPE_CHECKING:
    from mock_server.engine.faults import schedule as faults

MOST_RULES = 10_000  # added by API, of one account
INDEXED = 24  # from so many rules on, they are found by what they ask for
LONG = 20_000  # characters from which a text is not cut into pieces
LOOK_EVERY = 0.5  # seconds between looks at the user's files
COMPARED = 200  # rules that are looked at for near misses
NEAREST = 3


class Chosen(NamedTuple):
    """The reply that was chosen, and the rule it is of."""

    id: str
    reply: Reply
    rule: ReplyRule
    shipped: bool = False
    folder: Path | None = None
    fault: "faults.Armed | None" = None

    def misfire(self, exchange: Exchange, ids: Ids) -> "faults.Fired | None":
        """What goes wrong this time, None for nothing. Raises BadRequest where it cannot happen to the operation."""
        from mock_server.engine.faults.matching import unsuited

        assert self.fault is not None and exchange.account is not None and exchange.operation is not None
        for effect in self.fault.rule.sequence:
            if effect is not None and (reason := unsuited(effect, exchange.operation)):
                raise BadRequest(f"The fault of the reply {self.id!r} cannot happen here: {reason}.")
        fired = self.fault.fire(exchange.account, ids)
        if fired is not None:
            exchange.fault = fired.id
        return fired

    def audio(self) -> bytes:
        """The bytes of its audio. Raises BadRequest where the file has gone meanwhile."""
        audio = self.reply.audio
        assert audio is not None
        if audio.base64 is not None:
            return b64decode(audio.base64)
        try:
            return audio.path(self.folder or Path()).read_bytes()
        except (OSError, ValueError):
            raise BadRequest(f"The audio of the reply {self.id!r} cannot be read: {audio.file}.") from None


class Armed:
    """A rule in force, made ready: whose it is, where it stands, its tests, its replies."""

    __slots__ = ("account", "file", "key", "kinds", "line", "rule", "shipped", "steps", "tests")

    def __init__(
        self, rule: ReplyRule, key: str, account: str | None, file: Path | None = None, line: int | None = None,
        shipped: bool = False,
    ) -> None:  # fmt: skip
        self.rule, self.key, self.account, self.file, self.line, self.shipped = rule, key, account, file, line, shipped
        self.tests = tests_of(rule.match)
        folder = file.parent if file else None
        id = rule.id or ""
        self.steps = [Chosen(id, reply, rule, shipped, folder, _fault(id, reply.fault)) for reply in rule.steps()]
        self.kinds = frozenset(kind for step in self.steps for kind in step.reply.kinds())

    @property
    def faulty(self) -> bool:
        return any(step.fault is not None for step in self.steps)

    def step(self, used: int) -> Chosen | None:
        """The reply after so many uses; None where the rule does not match any more. Raises BadRequest at a script's end."""
        rule, steps = self.rule, self.steps
        if rule.times is not None and used >= rule.times:
            return None
        if used < len(steps) or rule.then == "stay":
            return steps[min(used, len(steps) - 1)]
        if rule.then == "repeat":
            return steps[used % len(steps)]
        if rule.then == "pass":
            return None
        raise BadRequest(f"The sequence of the reply {rule.id!r} has come to its end after {len(steps)} requests.")

    def describe(self) -> dict[str, Any]:
        shown = self.rule.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {"id": self.rule.id, **shown, "account": self.account, "file": str(self.file) if self.file else None,
                "line": self.line}  # fmt: skip


def _fault(id: str, short: str | None) -> "faults.Armed | None":
    if short is None:
        return None
    from mock_server.engine.faults import schedule as faults
    from mock_server.engine.faults.rules import read_rule
    from mock_server.engine.faults.short import parse_short

    named = f"reply-{re.sub('[^A-Za-z0-9._-]', '-', id)}"[:100]
    return faults.Armed(read_rule({**parse_short(short), "id": named}), None, "reply")


class _Bucket:
    """The rules of a table that one operation can meet. Many are found by what they ask for, few are tried one by one."""

    def __init__(self, rules: list[Armed]) -> None:
        self.rules = rules
        self._exact: dict[tuple[str, str], list[int]] = {}
        self._grams: dict[str, list[int]] = {}
        self._rest: list[int] = []
        self._names: list[str] = []
        if len(rules) >= INDEXED:
            self._index()

    def _index(self) -> None:
        for n, armed in enumerate(self.rules):
            key = keys_of(armed.rule.match)
            if key is None:
                self._rest.append(n)
            elif key[0] == "contains":
                pieces = {key[1][i : i + GRAM] for i in range(len(key[1]) - GRAM + 1)}
                rarest = min(sorted(pieces), key=lambda gram: len(self._grams.get(gram, ())))
                self._grams.setdefault(rarest, []).append(n)
            else:
                self._exact.setdefault(key, []).append(n)
        self._names = sorted({name for name, _ in self._exact})

    def candidates(self, view: View) -> Iterable[Armed]:
        """The rules that may fit, in order."""
        if len(self.rules) < INDEXED:
            return self.rules
        found: set[int] = set()
        for name in self._names:
            found.update(self._exact.get((name, getattr(view, name)), ()))
        if self._grams:
            text = view.lowered()
            if len(text) > LONG:
                pieces: Iterable[str] = [gram for gram in self._grams if gram in text]
            else:
                pieces = self._grams.keys() & {text[i : i + GRAM] for i in range(len(text) - GRAM + 1)}
            for gram in pieces:
                found.update(self._grams[gram])
        places = sorted([*self._rest, *found]) if found else self._rest
        return [self.rules[n] for n in places]


class _Table:
    """Rules in their order, split by operation when one is first asked for."""

    def __init__(self, rules: Iterable[Armed] = ()) -> None:
        self.rules: dict[str, Armed] = {armed.key: armed for armed in rules}
        self._buckets: dict[tuple[str, frozenset[str]], _Bucket] = {}

    def put(self, armed: Armed) -> None:
        self.rules.pop(armed.key, None)
        self.rules[armed.key] = armed
        self._buckets.clear()

    def pop(self, key: str) -> Armed | None:
        self._buckets.clear()
        return self.rules.pop(key, None)

    def candidates(self, view: View) -> Iterable[Armed]:
        bucket = self._buckets.get((view.operation, view.takes))
        if bucket is None:
            fitting = [
                armed for armed in self.rules.values()
                if (not armed.kinds or armed.kinds & view.takes)
                and fits_operation(armed.rule.match, view.operation, view.domain)
            ]  # fmt: skip
            bucket = self._buckets[view.operation, view.takes] = _Bucket(fitting)
        return bucket.candidates(view)


class Replies:
    """Every reply in force. Files are read when first asked for, and again when they change."""

    def __init__(self, folders: Sequence[Path], shipped: Path, ids: Ids, monotonic: Callable[[], float]) -> None:
        self._folders, self._shipped, self._ids, self._monotonic = folders, shipped, ids, monotonic
        self.watched = bool(folders)
        self._start()

    def _start(self) -> None:
        self.used: dict[str, dict[str, int]] = {}  # by account and rule
        self.counters: dict[str, dict[str, int]] = {}  # of templates, by account and name
        self._api: dict[str | None, _Table] = {}
        self._files = _Table()
        self._loaded = False
        self._seen: tuple[Any, ...] = ()
        self._next_look = 0.0
        self._made = 0
        self._told = ""
        self.problems: list[FixtureError] = []
        self.faulty = False  # whether a reply may go wrong

    def choose(self, view: View) -> Chosen | None:
        """The first reply that fits, None for the domain's default. Raises BadRequest where a sequence has come to its end."""
        if not self._loaded:
            self.look()
        account = view.account.id if view.account is not None else ""
        if self._api:
            for owner in (account, None):
                if (table := self._api.get(owner)) and (chosen := self._first(table, view, account)):
                    return chosen
        return self._first(self._files, view, account)

    def _first(self, table: _Table, view: View, account: str) -> Chosen | None:
        for armed in table.candidates(view):
            for _, test in armed.tests:
                if not test(view):
                    break
            else:
                used = self.used.get(account)
                if used is None:
                    used = self.used[account] = {}
                n = used.get(armed.key, 0)
                chosen = armed.step(n)
                if chosen is not None:
                    used[armed.key] = view.used = n + 1
                    view.chosen, view.source = chosen, self
                    return chosen
        return None

    def draw(self, account: Account | None) -> float:
        """A number in [0, 1), the account's next."""
        n = account.next("template draw") if account is not None else 0
        return self._ids.draw(account.id if account is not None else "", "template draw", n)

    def counters_of(self, account: Account | None) -> dict[str, int]:
        return self.counters.setdefault(account.id if account is not None else "", {})

    # By API

    def add(self, rule: ReplyRule, account: str | None) -> Armed:
        """Put a rule in force; one with the same id and account is replaced. Raises BadRequest when there are too many."""
        table = self._api.setdefault(account, _Table())
        if rule.id is None:
            rule = rule.model_copy(update={"id": self._new_id(table)})
        armed = Armed(rule, key_of(account, rule.id or ""), account)
        if armed.key not in table.rules and len(table.rules) >= MOST_RULES:
            raise BadRequest(f"There are {MOST_RULES} replies already, which is the most.")
        table.put(armed)
        self._forget(armed.key)
        self.faulty = self.faulty or armed.faulty
        return armed

    def _new_id(self, table: _Table) -> str:
        taken = {armed.rule.id for armed in table.rules.values()}
        while True:
            self._made += 1
            if (id := f"reply-{self._made}") not in taken:
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
        for armed in self._all(None):
            for step in armed.steps:
                if step.fault is not None:
                    step.fault.counts.pop(account, None)

    def added(self, account: str | None) -> list[Armed]:
        """The rules that were added for one account, or all, in the order they are tried."""
        owners = [o for o in self._api if account in (None, o)]
        return [armed for owner in owners for armed in self._api[owner].rules.values()]

    def forget(self, account: str | None) -> None:
        """Take out the rules that were added for one account, or all, and every count; what was read from files stays."""
        self.clear(account)
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
        self._files = _Table([armed for path in paths for armed in self._read(path, first)])
        self._loaded = True
        self._note()

    def _read(self, path: Path, first: bool) -> Iterator[Armed]:
        before = [armed for armed in self._files.rules.values() if armed.file == path]
        try:
            rules = read_rules(path)
        except FixtureError as error:
            self.problems.append(error)
            if not first:
                print(f"{error}; its {len(before)} replies from before stay in force", file=sys.stderr)
            yield from before
            return
        known = {armed.key: armed.rule for armed in before}
        keys: set[str] = set()
        for n, (rule, line) in enumerate(rules, 1):
            if rule.id is None:
                rule = rule.model_copy(update={"id": f"{path.stem}-{n}"})
            key = f"{path} {rule.id}"
            key = f"{key} {n}" if key in keys else key
            keys.add(key)
            if key in known and known[key] != rule:
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
        account = view.account.id if view.account is not None else None
        close: list[tuple[float, int, str]] = []
        for armed in self._all(account if account is not None else ""):
            if armed.shipped or len(close) >= COMPARED:
                break
            match = armed.rule.match
            if armed.kinds and not armed.kinds & view.takes:
                continue
            lacks = differences(match, armed.tests, view)
            if not fits_operation(match, view.operation, view.domain):
                if lacks or not armed.tests:
                    continue  # meant for something else
                lacks = [f"operation is not {match.operation!r}"]
            if not lacks:
                lacks = ["it has matched as often as it may"]
            close.append((len(lacks) / (len(armed.tests) or 1), len(close), f"{armed.rule.id}: {', '.join(lacks)}"))
        return [told for _, _, told in sorted(close)[:NEAREST]]

    def has_own(self) -> bool:
        """Whether there are rules beside the shipped ones."""
        return bool(self._folders or self._api)

    def tell(self, line: str) -> None:
        """Say something on stderr, but not the same thing again and again."""
        if line != self._told:
            self._told = line
            print(line, file=sys.stderr)


def key_of(account: str | None, id: str) -> str:
    return f"api {account or ''} {id}"
