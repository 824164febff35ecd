"""Why no rule fits a request: the rules that came nearest, and what the request lacks for each."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mock_server.engine.replies.armed import Armed
from mock_server.engine.replies.index import Table
from mock_server.engine.replies.match import View, differences, fits_operation

COMPARED = 50  # rules that are looked at: a request that nothing fits must not wait for thousands
NEAREST = 3


def nearest(tables: Sequence[Table], view: View) -> list[str]:
    """The three that lack the least, the nearest first, in words."""
    close: list[tuple[int, int, int, Armed]] = []
    for n, (armed, meant) in enumerate(_compared(tables, view)):
        lacks = sum(not test(view) for _, test in armed.tests)
        if not meant:
            if lacks or not armed.tests:
                continue  # meant for something else
            lacks = 1
        close.append((lacks, lacks - len(armed.tests), n, armed))
    return [f"{armed.rule.id}: {', '.join(_lacks(armed, view))}" for *_, armed in sorted(close)[:NEAREST]]


def _compared(tables: Sequence[Table], view: View) -> Iterator[tuple[Armed, bool]]:
    """Rules, and whether each is meant for the operation: those that are, then others that could answer it; of each some, if
    there are many.
    """
    buckets = [table.bucket(view) for table in tables]
    yield from islice(
        ((armed, True) for bucket in buckets for armed in bucket.near(view, COMPARED) if not armed.shipped), COMPARED
    )
    yield from (
        (armed, False) for table in tables for armed in _elsewhere(islice(table.rules.values(), COMPARED), view)
    )


def _elsewhere(rules: Iterable[Armed], view: View) -> Iterator[Armed]:
    for armed in rules:
        if armed.shipped or (armed.kinds and not armed.kinds & view.takes):
            continue
        if not fits_operation(armed.rule.match, view.operation, view.domain):
            yield armed


def _lacks(armed: Armed, view: View) -> list[str]:
    match = armed.rule.match
    if not fits_operation(match, view.operation, view.domain):
        return [f"operation is not {match.operation!r}"]
    return differences(match, armed.tests, view) or ["it has matched as often as it may"]
