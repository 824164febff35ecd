"""A rule in force: whose it is, where it came from, and whether it fires this time. Counts are each account's own."""

from dataclasses import dataclass, field
from typing import Any

from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.rules import Rule


@dataclass(slots=True)
class Count:
    """How many exchanges of an account met a rule, and how often it fired."""

    met: int = 0
    fired: int = 0


@dataclass(frozen=True, slots=True)
class Fired:
    """What fires for one exchange: the effect, under which name it is shown, and what its draws hang on."""

    effect: Effect
    id: str
    n: int  # which of the account's exchanges that met the rule

    def draw(self, ids: Ids, account: Account, wait: tuple[float, float] | None, part: str) -> float:
        """Seconds of a wait; between its least and its most by the seed, the account, the rule and the count."""
        if wait is None:
            return 0.0
        least, most = wait
        if least == most:
            return least
        return least + (most - least) * ids.draw(account.id, f"fault {self.id} {part}", self.n)


@dataclass(slots=True, eq=False)
class Armed:
    """A rule in force. `account` None: every account's. `source`: api, a file and line, or what else put it there."""

    rule: Rule
    account: str | None
    source: str = "api"
    counts: dict[str, Count] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.rule.id or ""

    def fire(self, account: Account, ids: Ids) -> Fired | None:
        """Count an exchange that matches; what fires, None when it goes well."""
        rule = self.rule
        if rule.between is not None:
            start, end = rule.between.bounds
            if not start <= account.timeline.now() < end:
                return None
        count = self.counts.get(account.id)
        if count is None:
            count = self.counts[account.id] = Count()
        if rule.most is not None and count.fired >= rule.most:
            return None
        count.met += 1
        turn = count.met - (rule.after or 0)
        if turn < 1 or (rule.every is not None and turn % rule.every):
            return None
        if rule.probability is not None and ids.draw(account.id, f"fault {self.id}", count.met) >= rule.probability:
            return None
        sequence = rule.sequence
        effect = sequence[count.fired % len(sequence)]
        count.fired += 1
        return None if effect is None else Fired(effect, self.id, count.met)

    def used(self, account: str | None) -> int:
        """How often it fired for an account, or for all."""
        if account is not None:
            return self.counts[account].fired if account in self.counts else 0
        return sum(count.fired for count in self.counts.values())

    def describe(self, account: str | None = None) -> dict[str, Any]:
        """As `GET /_mock/faults` shows it."""
        return {**self.rule.describe(), "account": self.account, "source": self.source, "used": self.used(account)}
