"""The state of replies in a snapshot: rules added by API, how often rules have matched and their faults fired, counters of
templates. Not files.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mock_server.engine.pieces import OWNER
from mock_server.engine.replies.rules import ReplyRule
from mock_server.engine.replies.table import MOST_RULES, Replies, key_of

if TYPE_CHECKING:
    from mock_server.engine.faults.schedule import Armed as Fault

States = list[dict[str, Any]]
OWN = "own "  # begins the key of an account's own rule in a snapshot of that account


def dump(replies: Replies, account: str | None = None) -> States:
    """What an account has, without its name, or all of it."""
    states: States = []
    for armed in replies.added(account):
        rule = armed.rule.model_dump(mode="json", by_alias=True, exclude_unset=True) | {"id": armed.rule.id}
        states.append({"rule": rule, "account": armed.account})
    for name, counts in (("used", replies.used), ("counters", replies.counters)):
        for owner, numbers in sorted(counts.items()):
            if numbers and account in (None, owner):
                shown = dict(numbers) if account is None else _renamed(numbers, key_of(account, ""), OWN)
                states.append({name: shown, "account": owner})
    for owner, fired in sorted(_fired(replies, account).items()):
        shown = fired if account is None else _renamed(fired, key_of(account, ""), OWN)
        states.append({"fired": shown, "account": owner})
    if account is not None:
        for state in states:
            del state["account"]
    return states


def _fired(replies: Replies, account: str | None) -> dict[str, dict[str, list[int]]]:
    """How often the faults of replies were met and have fired, by account, then rule and step."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, fault in _faults(replies).items():
        for owner, count in fault.counts.items():
            if account in (None, owner):
                found.setdefault(owner, {})[name] = [count.met, count.fired]
    return found


def _faults(replies: Replies) -> "dict[str, Fault]":
    steps = ((armed.key, n, step) for armed in replies.every() for n, step in enumerate(armed.steps))
    return {f"{key} {n}": step.fault for key, n, step in steps if step.fault is not None}


def restore(replies: Replies, states: States, account: str | None = None) -> Callable[[], None]:
    """What puts `states` in place of what an account has, or of all. Raises ValueError, KeyError."""
    rules: list[tuple[ReplyRule, str | None]] = []
    counts: list[tuple[dict[str, dict[str, int]], str, dict[str, int]]] = []
    fired: list[tuple[str, dict[str, tuple[int, int]]]] = []
    for state in states:
        owner = state["account"] if account is None else account
        if owner and OWNER.fullmatch(owner) is None:
            raise ValueError(f"{owner[:60]!r} is no account")
        if "rule" in state:
            rules.append((ReplyRule.model_validate(state["rule"]), owner))
        elif "fired" in state:
            pairs = {name: (met, times) for name, (met, times) in state["fired"].items()}
            _check(n for pair in pairs.values() for n in pair)
            fired.append((owner, _renamed(pairs, OWN, key_of(account, "")) if account else pairs))
        else:
            name = "used" if "used" in state else "counters"
            numbers = state[name]
            _check(numbers.values())
            renamed = _renamed(numbers, OWN, key_of(account, "")) if account else numbers
            counts.append((replies.used if name == "used" else replies.counters, owner, renamed))

    if any(n > MOST_RULES for n in Counter(owner for _, owner in rules).values()):
        raise ValueError(f"an account has at most {MOST_RULES} replies")

    def put() -> None:
        replies.forget(account)
        for rule, owner in rules:
            replies.add(rule, owner)
        for table, owner, numbers in counts:
            table[owner] = dict(numbers)
        if fired:
            _refire(replies, fired)

    return put


def _refire(replies: Replies, fired: list[tuple[str, dict[str, tuple[int, int]]]]) -> None:
    from mock_server.engine.faults.schedule import Count

    faults = _faults(replies)
    for owner, pairs in fired:
        for name, (met, times) in pairs.items():
            if name in faults:
                faults[name].counts[owner] = Count(met, times)


def _check(numbers: Iterable[Any]) -> None:
    if not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError("how often a rule has matched, or its fault fired, is a whole number")


def _renamed(numbers: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    """Keys of rules, where they begin with the name of their account."""
    return {after + key.removeprefix(before) if key.startswith(before) else key: n for key, n in numbers.items()}
