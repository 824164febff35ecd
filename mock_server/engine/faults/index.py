"""One account's rules sorted by operation and by what they ask for exactly, so that many cost hardly more than few."""

from collections.abc import Iterable, Iterator
from operator import itemgetter

from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.matching import Body, Head, concerns
from mock_server.engine.faults.rules import Condition
from mock_server.engine.faults.schedule import Armed, Fired
from mock_server.engine.operations import Operation
from mock_server.engine.patterns import like

Handle = tuple[str, str, str]  # what is asked, of which name, and the value that it must have
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
        if not drawer:
            return None
        head = Head(exchange)
        for armed in drawer.candidates(head, None):
            if head.fits(armed.rule.match) and (fired := armed.fire(exchange.account, ids)):
                return fired
        return None

    def waits(self, exchange: Exchange) -> bool:
        assert exchange.operation is not None
        return bool(self._drawers(exchange.operation)[1])

    def by_body(self, exchange: Exchange, body: Body, ids: Ids) -> Fired | None:
        assert exchange.operation is not None and exchange.account is not None
        head = Head(exchange)
        for armed in self._drawers(exchange.operation)[1].candidates(head, body):
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

    __slots__ = ("_exact", "_headers", "_kinds", "_others")

    def __init__(self, rules: Iterable[Placed], by: str) -> None:
        """`by`: what they may lie under besides headers: `path` before the body is read, `model` after."""
        self._others: list[Placed] = []
        self._exact: dict[Handle, list[Placed]] = {}
        for placed in rules:
            handle = _handle(placed[1], by)
            if handle is None:
                self._others.append(placed)
            else:
                self._exact.setdefault(handle, []).append(placed)
        self._kinds = {kind for kind, _, _ in self._exact}
        self._headers = sorted({name for kind, name, _ in self._exact if kind == "header"})

    def __bool__(self) -> bool:
        return bool(self._others or self._exact)

    def candidates(self, head: Head, body: Body | None) -> Iterator[Armed]:
        """Those that may be meant, in their order."""
        if not self._exact:
            return (armed for _, armed in self._others)
        found = list(self._others)
        for handle in self._handles(head, body):
            found += self._exact.get(handle, ())
        found.sort(key=itemgetter(0))
        return (armed for _, armed in found)

    def _handles(self, head: Head, body: Body | None) -> Iterator[Handle]:
        if "path" in self._kinds:
            yield "path", "", head.exchange.path
        for name in self._headers:
            if (value := head.header(name)) is not None:
                yield "header", name, value
        if "model" in self._kinds and body is not None and isinstance(model := body.first("model"), str):
            yield "model", "", model


def _handle(armed: Armed, by: str) -> Handle | None:
    """The one exact value that a rule asks for, the most telling first."""
    match = armed.rule.match
    for name, condition in (match.header or {}).items():
        if (value := _exactly(condition)) is not None:
            return "header", name, value
    if by == "path" and match.path is not None and _plain(match.path):
        return "path", "", match.path
    if by == "model" and match.model is not None and _plain(match.model):
        return "model", "", match.model
    return None


def _plain(pattern: str) -> bool:
    return not any(char in pattern for char in "*?[")


def _exactly(condition: Condition) -> str | None:
    return condition.equals if isinstance(condition.equals, str) else None
