"""One account's rules sorted by operation and by what they ask for exactly, so that many cost hardly more than few."""

from operator import itemgetter
from typing import Any

from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.matching import Body, Head, concerns
from mock_server.engine.faults.rules import Match
from mock_server.engine.faults.schedule import Armed, Fired
from mock_server.engine.operations import Operation
from mock_server.engine.patterns import like

Placed = tuple[int, Armed]  # with its place in the order of rules


class Shelf:
    """The rules that concern one account, in the order they are tried."""

    __slots__ = ("_by_operation", "_rules")

    def __init__(self, rules: list[Armed]) -> None:
        self._rules = rules
        self._by_operation: dict[str, tuple[_Drawer, _Drawer]] = {}

    def _drawers(self, operation: Operation) -> "tuple[_Drawer, _Drawer]":
        """Of an operation's rules those that the head decides, and those that the body does."""
        found = self._by_operation.get(operation.id)
        if found is None:
            here = [(n, a) for n, a in enumerate(self._rules) if concerns(a.rule, operation)]
            waits = [operation.kind != "socket" and a.rule.match.needs_body for _, a in here]
            found = self._by_operation[operation.id] = (
                _Drawer([placed for placed, late in zip(here, waits, strict=True) if not late], "path"),
                _Drawer([placed for placed, late in zip(here, waits, strict=True) if late], "model"),
            )
        return found

    def by_head(self, exchange: Exchange, ids: Ids) -> Fired | None:
        assert exchange.operation is not None and exchange.account is not None
        drawer = self._drawers(exchange.operation)[0]
        if drawer.is_empty:
            return None
        head = Head(exchange)
        for armed in drawer.candidates(head, exchange.path):
            if head.fits(armed.rule.match) and (fired := armed.fire(exchange.account, ids)):
                return fired
        return None

    def waits(self, exchange: Exchange) -> bool:
        assert exchange.operation is not None
        return not self._drawers(exchange.operation)[1].is_empty

    def by_body(self, exchange: Exchange, parsed: Any, raw: bytes, ids: Ids) -> Fired | None:
        assert exchange.operation is not None and exchange.account is not None
        drawer, head, body = self._drawers(exchange.operation)[1], Head(exchange), Body(parsed, raw)
        model = body.first("model") if drawer.has_names else None
        for armed in drawer.candidates(head, model if isinstance(model, str) else None):
            match = armed.rule.match
            if head.fits(match) and body.fits(match) and (fired := armed.fire(exchange.account, ids)):
                return fired
        return None

    def by_webhook(self, account: Account, event: str, url: str, ids: Ids) -> Fired | None:
        for armed in self._rules:
            match = armed.rule.match
            if match.kind != "webhook":
                continue
            wanted = ((match.account, account.id), (match.event, event), (match.url, url))
            if all(pattern is None or like(pattern, text) for pattern, text in wanted):
                if fired := armed.fire(account, ids):
                    return fired
        return None


class _Drawer:
    """Rules of one operation. Those that ask for an exact value lie under it, and are not looked at without it."""

    __slots__ = ("_headers", "_named", "_others", "_unasked", "has_names", "is_empty")

    def __init__(self, rules: list[Placed], by: str) -> None:
        """`by`: what they may lie under besides headers, `path` before the body is read and `model` after: their names."""
        self._others: list[Placed] = []
        self._named: dict[str, list[Placed]] = {}
        self._headers: dict[str, dict[str, list[Placed]]] = {}
        for placed in rules:
            match = placed[1].rule.match
            name: str | None = getattr(match, by)
            if (exact := _exact_header(match)) is not None:
                self._headers.setdefault(exact[0], {}).setdefault(exact[1], []).append(placed)
            elif name is not None and _plain(name):
                self._named.setdefault(name, []).append(placed)
            else:
                self._others.append(placed)
        self._unasked = [armed for _, armed in self._others]
        self.is_empty, self.has_names = not rules, bool(self._named)

    def candidates(self, head: Head, name: str | None) -> list[Armed]:
        """Those that may be meant, in their order."""
        found = [*self._named.get(name, ())] if name is not None and self._named else []
        for header, values in self._headers.items():
            if (value := head.header(header)) is not None:
                found += values.get(value, ())
        if not found:
            return self._unasked
        return [armed for _, armed in sorted([*self._others, *found], key=itemgetter(0))]


def _exact_header(match: Match) -> tuple[str, str] | None:
    """The first header that must have one value, and that value."""
    for name, condition in (match.header or {}).items():
        if isinstance(condition.equals, str):
            return name, condition.equals
    return None


def _plain(pattern: str) -> bool:
    return not any(char in pattern for char in "*?[")
