"""The journals of other workers, as bytes between processes of one server: read by admin calls that concern all accounts."""

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mock_server.base.clock import Clock
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.heads import OVER
from mock_server.engine.journal import Ring
from mock_server.engine.operations import Operation

ELSEWHERE = "mock.elsewhere"  # in the scope of a call: the Elsewhere that was fetched for it


@dataclass(slots=True)
class Elsewhere:
    """The exchanges of other workers, and how many there were no room for."""

    exchanges: list[Exchange] = field(default_factory=list)
    evicted: int = 0


def packed(ring: Ring) -> bytes:
    """A journal's exchanges; accounts and operations by their ids."""
    rows = []
    for exchange in ring.newest_first():
        account, operation = exchange.account, exchange.operation
        rows.append(
            {
                **{name: getattr(exchange, name) for name in Exchange.__slots__},
                "account": None if account is None else account.id,
                "operation": None if operation is None else operation.id,
                "params": dict(exchange.params),
                "head": None,
                "wire": None,
                "keyed": None,
            }
        )
    return pickle.dumps((ring.evicted, rows))


def unpacked(journals: Iterable[bytes], operations: Mapping[str, Operation], clock: Clock) -> Elsewhere:
    """What `packed` made, by a process of this very server."""
    found = Elsewhere()
    for data in journals:
        evicted, rows = pickle.loads(data)
        found.evicted += evicted
        for row in rows:
            exchange = Exchange.__new__(Exchange)
            for name, value in row.items():
                setattr(exchange, name, value)
            exchange.head = OVER
            exchange.account = None if row["account"] is None else Account(row["account"], clock.timeline(), "")
            exchange.operation = None if row["operation"] is None else operations[row["operation"]]
            found.exchanges.append(exchange)
    return found


def newest_first(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """By when they began, as the machine saw it: who asks one after the other finds that order.

    When one ended, its worker may note after the next has begun in another.
    """
    return sorted(exchanges, key=lambda exchange: exchange.started, reverse=True)
