"""The state of replies in a snapshot: rules added by API, how often rules have matched, counters of templates. Not files."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from mock_server.engine.pieces import OWNER
from mock_server.engine.replies.rules import ReplyRule
from mock_server.engine.replies.table import MOST_RULES, Replies, key_of

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
    if account is not None:
        for state in states:
            del state["account"]
    return states


def restore(replies: Replies, states: States, account: str | None = None) -> Callable[[], None]:
    """What puts `states` in place of what an account has, or of all. Raises ValueError, KeyError."""
    rules: list[tuple[ReplyRule, str | None]] = []
    counts: list[tuple[dict[str, dict[str, int]], str, dict[str, int]]] = []
    for state in states:
        owner = state["account"] if account is None else account
        if owner and OWNER.fullmatch(owner) is None:
            raise ValueError(f"{owner[:60]!r} is no account")
        if "rule" in state:
            rules.append((ReplyRule.model_validate(state["rule"]), owner))
        else:
            name = "used" if "used" in state else "counters"
            numbers = state[name]
            if not all(isinstance(n, int) and n >= 0 for n in numbers.values()):
                raise ValueError(f"{name} are whole numbers")
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

    return put


def _renamed(numbers: dict[str, int], before: str, after: str) -> dict[str, int]:
    """Keys of rules, where they begin with the name of their account."""
    return {after + key.removeprefix(before) if key.startswith(before) else key: n for key, n in numbers.items()}
