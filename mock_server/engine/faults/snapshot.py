"""The state of faults in a snapshot: rules added by API or a scenario, and how often each has fired. Not files."""

from collections.abc import Callable, Mapping
from typing import Any

from mock_server.engine.faults.rules import read_rule
from mock_server.engine.faults.schedule import Armed, Count
from mock_server.engine.faults.table import MOST_ASKED, MOST_RULES, Faults, read_asked
from mock_server.engine.pieces import OWNER

States = list[dict[str, Any]]
OWN = ""  # stands for the account in a snapshot of its own


def dump(faults: Faults, account: str | None = None) -> States:
    """What an account has, without its name, or all of it: rules, counts of others' rules, counts of headers and keys."""
    states: States = []
    for armed in faults.rules:
        counts = _counts(armed, account)
        if armed.source in faults.file_sources():
            if counts:
                states.append({"of": armed.source, "id": armed.id, "counts": counts})
        elif account is None or armed.account == account:
            rule = armed.rule.model_dump(mode="json", by_alias=True, exclude_unset=True) | {"id": armed.id}
            states.append({"rule": rule, "account": armed.account, "source": armed.source, "counts": counts})
        elif counts and armed.account is None:
            states.append({"of": armed.source, "id": armed.id, "counts": counts})
    for (owner, text), asked in faults.asked.items():
        if account in (None, owner):
            states.append({"asked": asked.id, "text": text, "account": owner, "counts": _counts(asked, account)})
    if account is not None:
        for state in states:
            state.pop("account", None)
    return states


def _counts(armed: Armed, account: str | None) -> dict[str, list[int]]:
    found = {id: [count.met, count.fired] for id, count in armed.counts.items()}
    return found if account is None else {OWN: found[account]} if account in found else {}


def restore(faults: Faults, states: States, account: str | None = None) -> Callable[[], None]:
    """What puts `states` in place of what an account has, or of all. Raises ValueError, KeyError, BadRequest."""
    rules: list[Armed] = []
    asked: dict[tuple[str, str], Armed] = {}
    others: list[tuple[tuple[str, str], dict[str, Count]]] = []
    for state in states:
        counts = _read_counts(state["counts"], account)
        owner = _owner(state.get("account") if account is None else account)
        if "rule" in state:
            rule = read_rule(state["rule"])
            if rule.id is None:
                raise ValueError("a fault rule without a name")
            rules.append(Armed(rule, owner, str(state["source"]), counts))
        elif "asked" in state:
            armed = read_asked(state["asked"], state["text"])
            armed.counts = counts
            asked[owner or "", state["text"]] = armed
        else:
            others.append(((state["of"], state["id"]), counts))
    if len(rules) > MOST_RULES or len(asked) > MOST_ASKED:
        raise ValueError(f"there are at most {MOST_RULES} fault rules")

    def put() -> None:
        faults.reset(account)
        faults.put_back(rules, asked)
        known = {(armed.source, armed.id): armed for armed in faults.rules if armed.account is None}
        for key, counts in others:
            if key in known:
                known[key].counts.update(counts)

    return put


def _owner(account: str | None) -> str | None:
    if account and OWNER.fullmatch(account) is None:
        raise ValueError(f"{account[:60]!r} is no account")
    return account


def _read_counts(counts: Mapping[str, Any], account: str | None) -> dict[str, Count]:
    """Counts by account; in an account's own snapshot they are all its own."""
    if not all(isinstance(n, int) and n >= 0 for pair in counts.values() for n in pair):
        raise ValueError("how often a fault rule has fired is a whole number")
    return {_owner(id if account is None else account) or "": Count(met, fired) for id, (met, fired) in counts.items()}
