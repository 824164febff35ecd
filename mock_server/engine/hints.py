"""Where a client seems misconfigured: the classic mistakes, noted with the exchange and told once to each account."""

from typing import TYPE_CHECKING

from mock_server.base.hints import IN_REQUESTS, TABLE
from mock_server.engine.exchange import Exchange
from mock_server.engine.log import Log
from mock_server.engine.masks import hidden
from mock_server.engine.operations import Operations

if TYPE_CHECKING:
    from mock_server.base.hints import Hint

MOST_TOLD = 10_000  # accounts and hints that are remembered
MOST_NOTED = 10  # of one exchange
LONGEST = 60  # characters of what a client sent that are repeated


class Hints:
    """One server's. `give` costs a few microseconds: it is called where a mistake was found, or where one is likely."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._told: set[tuple[str, str]] = set()  # by account

    def reset(self, account: str | None = None) -> None:
        """Tell one account, or all, anew."""
        self._told = {key for key in self._told if account is not None and key[0] != account}

    def give(self, exchange: Exchange, name: str, /, **values: str) -> None:
        """Note a hint of the table, `values` in the place of its fields."""
        secret = exchange.head.secret
        says = TABLE[name].says.format(**{field: hidden(value, secret)[:LONGEST] for field, value in values.items()})
        if says in exchange.warnings or len(exchange.warnings) >= MOST_NOTED:
            return
        exchange.warnings = (*exchange.warnings, says)
        key = exchange.account.id if exchange.account else "", says
        if key not in self._told:
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            self._told.add(key)
            if self._log.on:
                self._log.hint(exchange.method, hidden(exchange.path, secret), says)

    def look(self, exchange: Exchange) -> None:
        """Whether a request has a mistake that its operation is known for: in its query, or in as much of its body as is kept."""
        assert exchange.operation is not None
        for hint in IN_REQUESTS[exchange.operation.id]:
            self._match(exchange, hint)

    def _match(self, exchange: Exchange, hint: "Hint") -> None:
        text = exchange.query if hint.where == "query" else exchange.request_body
        assert hint.pattern is not None
        if (found := hint.pattern.search(text)) is not None:
            self.give(exchange, hint.name, **{k: v.decode("utf-8", "replace") for k, v in found.groupdict().items()})

    def of_refusal(self, exchange: Exchange, operations: Operations) -> None:
        """Why a request was refused: it found no operation, or no account, or has a mistake that its operation is known for."""
        if exchange.operation is None:
            nearest = operations.nearest(exchange.kind, exchange.method, exchange.path)  # type: ignore[arg-type]
            if nearest is not None:
                operation, base = nearest
                self.give(
                    exchange, "wrong_prefix", method=operation.method, path=operation.path,
                    base=f"end in {base}" if base else "have no path",
                )  # fmt: skip
        elif exchange.account is None:
            self._no_key(exchange)
        elif exchange.operation.hinted:
            self.look(exchange)

    def _no_key(self, exchange: Exchange) -> None:
        headers = exchange.headers
        authorization = headers.get(b"authorization")
        if authorization and authorization[:7].lower() != b"bearer ":
            self.give(exchange, "key_elsewhere", where="an Authorization header without the word Bearer")
        elif authorization is None:
            for name in (b"x-api-key", b"api-key", b"sec-websocket-protocol"):
                if name in headers:
                    return self.give(exchange, "key_elsewhere", where=f"the header {name.decode()}")
            names = {pair.partition(b"=")[0].lower() for pair in exchange.query.split(b"&")}
            if names & {b"api_key", b"apikey", b"token", b"access_token", b"key", b"authorization"}:
                self.give(exchange, "key_elsewhere", where="the query")
