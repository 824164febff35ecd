"""/_mock/metrics, as Prometheus reads it. Its library is imported when it is first called, and nothing is registered in it."""

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from mock_server import __version__
from mock_server.engine.operations import Operation
from mock_server.engine.tally import BOUNDS, Row
from mock_server.world import World, WorldDep

if TYPE_CHECKING:
    from prometheus_client.core import Metric

router = APIRouter(prefix="/_mock")
NAME = "telnyx_mock_"
NO_OPERATION = "none"  # of requests to paths that are no operation


@router.get("/metrics", response_class=Response)
async def get_metrics(world: WorldDep, accept: Annotated[str | None, Header()] = None) -> Response:
    """Figures of the whole server for Prometheus: exchanges by operation and status, latencies, streams and sockets open,
    faults fired, requests that no reply of the user's fitted, tokens."""
    from prometheus_client.exposition import choose_encoder

    encode, kind = choose_encoder(accept or "")
    return Response(encode(Figures(world)), headers={"content-type": kind})


class Figures:
    """One server's figures as a collector of its own: two servers in one process do not meet in the library's registry."""

    def __init__(self, world: World) -> None:
        self._world, self._tally = world, world.tally

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import InfoMetricFamily
        from prometheus_client.process_collector import ProcessCollector

        about = {"version": __version__, "profile": self._world.settings.profile}
        yield InfoMetricFamily(NAME + "server", "The server that is asked.", about)
        yield self._exchanges()
        yield from self._latencies()
        yield from self._open()
        yield self._counted("faults", "Faults that fired, by what asked for them.", "source", self._faults())
        yield self._counted(
            "unmatched", "Requests that none of the user's own replies fitted.", None, self._unmatched()
        )
        yield self._counted("tokens", "Tokens that usage tells of.", "kind", self._tokens())
        yield from ProcessCollector(registry=None).collect()

    def _counted(self, name: str, help: str, by: str | None, rows: Iterator[tuple[list[str], float]]) -> "Metric":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(NAME + name, help, labels=["operation", *([by] if by else [])])
        for labels, value in rows:
            family.add_metric(labels, value)
        return family

    def _exchanges(self) -> "Metric":
        rows = (
            ([_name(operation), str(status or "none")], sum(row.counts))
            for operation, status, row in self._tally.exchanges()
        )
        return self._counted("exchanges", "HTTP exchanges and sockets that have ended, by status.", "status", rows)

    def _latencies(self) -> Iterator["Metric"]:
        """Of HTTP from request to the end of the answer, of sockets from handshake to close: figures of different kinds."""
        from prometheus_client.core import HistogramMetricFamily

        helps = {"http": ("exchange_seconds", "Time from a request to the end of its answer."),
                 "socket": ("socket_seconds", "Time that sockets were open.")}  # fmt: skip
        for kind, (name, help) in helps.items():
            family = HistogramMetricFamily(NAME + name, help, labels=["operation"])
            for operation, rows in self._by_operation(kind).items():
                counts = [sum(counts) for counts in zip(*(row.counts for row in rows), strict=True)]
                family.add_metric([_name(operation)], _cumulated(counts), sum(row.seconds for row in rows))
            yield family

    def _by_operation(self, kind: str) -> dict[Operation | None, list[Row]]:
        found: dict[Operation | None, list[Row]] = {}
        for operation, _, row in self._tally.exchanges():
            if (operation.kind if operation else "http") == kind:
                found.setdefault(operation, []).append(row)
        return found

    def _open(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        under_way = [exchange.kind for exchange in self._world.ring.open if exchange.status]
        yield GaugeMetricFamily(NAME + "streams_open", "Answers that go out in parts, now.", under_way.count("http"))
        yield GaugeMetricFamily(NAME + "sockets_open", "Sockets that are open, now.", under_way.count("socket"))

    def _faults(self) -> Iterator[tuple[list[str], float]]:
        for (operation, source), n in self._tally.faults.items():
            yield [_name(operation), source], n

    def _unmatched(self) -> Iterator[tuple[list[str], float]]:
        for operation, n in self._tally.unmatched.items():
            yield [_name(operation)], n

    def _tokens(self) -> Iterator[tuple[list[str], float]]:
        spent: dict[str, list[int]] = {}
        for operation, _, row in self._tally.exchanges():
            sums = spent.setdefault(_name(operation), [0, 0])
            sums[0] += row.prompt
            sums[1] += row.said
        for name, (prompt, said) in spent.items():
            if prompt or said:
                yield [name, "prompt"], prompt
                yield [name, "completion"], said


def _name(operation: Operation | None) -> str:
    return operation.id if operation else NO_OPERATION


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    """How many took at most so long, for each bound."""
    return list(zip((*map(str, BOUNDS), "+Inf"), accumulate(counts), strict=True))
