"""What `/_mock/metrics` is made of: plain numbers, counted as exchanges end. How they are written is the admin API's."""

from bisect import bisect_right
from collections.abc import Iterator

from mock_server.engine.exchange import Exchange
from mock_server.engine.operations import Operation

# Seconds: upper bounds of the latencies that are counted apart.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# How a fault came about, as Exchange.fault begins; any other is the name of a rule.
SOURCES = frozenset({"header", "key", "limit", "state"})
GATHERED = 1000  # latencies that wait to be sorted into their places, which is cheaper by the many


class Row:
    """Exchanges of a kind. How long they took: `counts` up to each bound and beyond all, `seconds` in all. Their tokens."""

    __slots__ = ("counts", "prompt", "said", "seconds", "waiting")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.waiting: list[float] = []
        self.prompt = self.said = 0

    def fold(self) -> "Row":
        """Itself, with what waited in its place."""
        waiting, at = self.waiting, 0
        waiting.sort()
        for i, bound in enumerate(BOUNDS):
            until = bisect_right(waiting, bound, at)
            self.counts[i] += until - at
            at = until
        self.counts[-1] += len(waiting) - at
        self.seconds += sum(waiting)
        waiting.clear()
        return self


class Tally:
    """Counts since the start, or the server's last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._exchanges: dict[tuple[Operation | None, int], Row] = {}  # by operation and status
        self.faults: dict[tuple[Operation | None, str], int] = {}
        self.unmatched: dict[Operation | None, int] = {}

    def count(self, exchange: Exchange) -> None:
        """An exchange has ended. One look-up: every request pays for it."""
        row = self._exchanges.get((exchange.operation, exchange.status))
        if row is None:
            row = self._exchanges[exchange.operation, exchange.status] = Row()
        row.waiting.append(exchange.duration)
        if len(row.waiting) >= GATHERED:
            row.fold()
        if exchange.tokens is not None:
            row.prompt += exchange.tokens[0]
            row.said += exchange.tokens[1]
        if exchange.fault:
            self._count_fault(exchange)

    def exchanges(self) -> Iterator[tuple[Operation | None, int, Row]]:
        """By operation and status; no status is 0."""
        for (operation, status), row in self._exchanges.items():
            yield operation, status, row.fold()

    def _count_fault(self, exchange: Exchange) -> None:
        source = exchange.fault.partition(":")[0]
        key = exchange.operation, source if source in SOURCES else "rule"
        self.faults[key] = self.faults.get(key, 0) + 1

    def miss(self, exchange: Exchange) -> None:
        """None of the user's replies fitted a request."""
        self.unmatched[exchange.operation] = self.unmatched.get(exchange.operation, 0) + 1
