"""The state of parts among workers: each has that of its own accounts, the first what is no account's; all have everyone's rules."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

from mock_server.base.place import Place
from mock_server.engine.snapshots.file import States

STATES = "mock.states"  # in the scope of a call: the states of the other workers
COUNTS = "counts"  # of a fault rule, by account


def _whose(part: str, state: dict[str, Any]) -> str | None:
    """The account that a state is of; None for what is everyone's."""
    whose: str | None = state.get("id" if part == "accounts" else "account")
    return whose


def _is_everyones(part: str, state: dict[str, Any]) -> bool:
    """Whether every worker has this state, to apply it to its own accounts."""
    return _whose(part, state) is None


def share(states: States, place: Place) -> States:
    """What one worker restores of a whole server's state."""
    mine: States = {}
    for part, every in states.items():
        mine[part] = []
        for state in every:
            if _is_everyones(part, state):
                counts = {id: n for id, n in state.get(COUNTS, {}).items() if place.keeps(id)}
                mine[part].append({**state, COUNTS: counts} if COUNTS in state else state)
            elif place.keeps(_whose(part, state)):
                mine[part].append(state)
    return mine


def joined(shares: Iterable[States]) -> States:
    """The whole server's state from that of each worker, the first first."""
    first, *others = shares
    whole: States = {part: [dict(state) for state in states] for part, states in first.items()}
    for part, states in whole.items():
        everyones = {_known_by(state): state for state in states if _is_everyones(part, state)}
        for other in others:
            for state in other[part]:
                if not _is_everyones(part, state):
                    if _whose(part, state):  # what is nobody's is the first worker's
                        states.append(state)
                elif COUNTS in state:
                    counted = everyones.setdefault(_known_by(state), {**state, COUNTS: {}})
                    counted[COUNTS] = {**counted[COUNTS], **state[COUNTS]}
        states += [state for state in everyones.values() if not any(state is known for known in states)]
    return whole


def _known_by(state: dict[str, Any]) -> bytes:
    return to_json({name: value for name, value in state.items() if name != COUNTS})
