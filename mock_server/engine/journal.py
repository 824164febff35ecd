"""The outermost layer: opens the Exchange, tees both directions, and writes it once, however it ends. Keys are masked."""

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from mock_server.base.clock import Machine, iso
from mock_server.base.errors import UnexpectedError
from mock_server.base.ids import Ids
from mock_server.engine.accounts import MAX_KEY_BYTES, Account
from mock_server.engine.answers import Layer, Ready, of_error
from mock_server.engine.exchange import BODY_CAP, Exchange
from mock_server.engine.frames import SocketTee
from mock_server.engine.heads import Head, Headers
from mock_server.engine.masks import blank_names, mask
from mock_server.engine.tally import Tally
from mock_server.engine.watching import Onlooker

ENTRIES = 1000
TOTAL_BYTES = 32 * 1024 * 1024
TEED = BODY_CAP + MAX_KEY_BYTES  # kept until the masks are on, so that no key is cut in two at the cap


class Ring:
    """The last exchanges, capped in number and in bytes; the oldest leave first."""

    def __init__(self, tally: Tally | None = None, *, entries: int = ENTRIES, total_bytes: int = TOTAL_BYTES) -> None:
        self.entries, self.total_bytes = entries, total_bytes
        self._ring: deque[tuple[Exchange, int]] = deque()
        self.bytes = 0
        self.evicted = 0
        self._count = (tally or Tally()).count
        self.open: set[Exchange] = (
            set()
        )  # sockets, and answers in parts, that have not ended: they come into the ring then
        self.watches: set[Onlooker] = set()

    def add(self, exchange: Exchange) -> None:
        self._count(exchange)
        newest, weight = exchange, exchange.weight()
        self._ring.append((exchange, weight))
        self.bytes += weight
        while len(self._ring) > self.entries or self.bytes > self.total_bytes:
            exchange, weight = self._ring.popleft()
            self.bytes -= weight
            self.evicted += 1
            if exchange.account is not None:
                exchange.account.evicted += 1
        if self.watches:
            for watch in self.watches:
                watch.see(newest)

    def of(self, account: str) -> list[Exchange]:
        """One account's exchanges that have ended, oldest first."""
        return [e for e, _ in self._ring if e.account is not None and e.account.id == account]

    def newest_first(self) -> Iterator[Exchange]:
        return (exchange for exchange, _ in reversed(self._ring))

    def clear(self, account: str | None = None) -> int:
        """Forget one account's exchanges, or all; how many went."""
        kept = [(e, w) for e, w in self._ring if account is not None and (e.account is None or e.account.id != account)]
        gone = len(self._ring) - len(kept)
        self._ring = deque(kept)
        self.bytes = sum(weight for _, weight in kept)
        for watch in self.watches:
            watch.empty()
        return gone

    def end_watches(self) -> None:
        """The server stops: who looks on is told so, and gets nothing more."""
        for watch in self.watches:
            watch.end()

    def reset(self) -> None:
        self.clear()
        self.evicted = 0


class Journal:
    """ASGI layer. `nobody` stands in where there is no account."""

    def __init__(self, app: Layer, *, ring: Ring, machine: Machine, nobody: Account, ids: Ids) -> None:
        self._app, self._ring, self._machine, self._nobody, self._ids = app, ring, machine, nobody, ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = scope["type"] == "websocket"
        head = scope.get("mock.head") or _head(scope)
        exchange = Exchange("socket" if socket else "http", head, self._machine.monotonic())
        scope["mock.exchange"] = exchange
        connection = scope.get("mock.connection")
        if not socket and connection is not None and (body := connection.whole(scope)) is not None:
            exchange.body, exchange.request_body, exchange.request_size = body, body[:TEED], len(body)
        tee: SocketTee | _Tee
        if socket:
            tee = SocketTee(exchange, receive, send, self.stamp, self._ring.open)
            tee.watch(scope)
        else:
            tee = _Tee(exchange, receive, send, self)
        try:
            answer = await self._app(scope, tee.receive, tee.send)
            if answer is not None:
                await tee.deliver(scope, answer)
            exchange.ended = exchange.ended or ("client_left" if tee.left and not tee.finished else "complete")
        except asyncio.CancelledError:
            exchange.ended = "stopped"
            if not tee.started and connection is not None:
                connection.hang_up()  # uvicorn would answer with a 500 of its own
            raise
        except Exception as error:
            exchange.ended = "crashed"
            print(f"{exchange.method} {exchange.path!r} crashed:", file=sys.stderr)
            traceback.print_exception(error, file=sys.stderr)
            if tee.started:
                raise
            await tee.deliver(scope, of_error(UnexpectedError(), "std"))
        finally:
            exchange.call = exchange.receive = None
            if not tee.kept:
                self.keep(exchange)

    def begin(self, exchange: Exchange) -> None:
        """An answer in parts goes out: its exchange can be seen as an open one."""
        self._ring.open.add(exchange)

    def keep(self, exchange: Exchange) -> None:
        """It is over: from now on whoever asks finds it."""
        exchange.duration = self._machine.monotonic() - exchange.started
        exchange.at = exchange.at or self._nobody.timeline.now()
        self.stamp(exchange)
        mask(exchange)
        self._ring.open.discard(exchange)
        self._ring.add(exchange)

    def stamp(self, exchange: Exchange) -> str:
        """The exchange's id, which is also its x-request-id: counted per account, so that runs repeat."""
        if not exchange.id:
            exchange.id = (exchange.account or self._nobody).serial(self._ids, "request")
        return exchange.id


class _Tee:
    """Copies what goes over the wire into the exchange, within the caps."""

    __slots__ = ("_journal", "_receive", "_send", "exchange", "finished", "kept", "left", "started")

    def __init__(self, exchange: Exchange, receive: Receive, send: Send, journal: Journal) -> None:
        self.exchange, self._receive, self._send, self._journal = exchange, receive, send, journal
        self.started = self.finished = self.left = self.kept = False

    async def receive(self) -> Message:
        exchange = self.exchange
        if exchange.body is not None:
            body, exchange.body = exchange.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await self._receive()
        kind = message["type"]
        if kind == "http.request":
            body = message.get("body", b"")
            exchange.request_size += len(body)
            if not exchange.request_body:
                exchange.request_body = bytes(body[:TEED])
            elif len(exchange.request_body) < TEED:
                exchange.request_body += bytes(body[: TEED - len(exchange.request_body)])
        elif kind == "http.disconnect":
            self.left = True
        return message

    async def deliver(self, scope: Scope, answer: Ready) -> None:
        """Send an answer that is whole, in one go where the protocol can."""
        exchange, body, headers = self.exchange, answer.body, answer.raw_headers
        if exchange.more_headers:
            headers = _dressed(headers, exchange.more_headers)
        headers.append((b"x-request-id", self._journal.stamp(exchange).encode()))
        exchange.status, exchange.response_headers = answer.status_code, headers
        exchange.response_size = len(body)
        if answer.refrain:
            exchange.response_body, exchange.refrain = answer.song, answer.refrain
        else:
            exchange.response_body = bytes(body[:TEED])
        self.started = self.finished = True
        connection = scope.get("mock.connection")
        if connection is None or not connection.respond(scope, answer.status_code, headers, body, answer.chunked):
            await self._send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})

    async def send(self, message: Message) -> None:
        exchange = self.exchange
        kind = message["type"]
        if kind == "http.response.body":
            body = message.get("body", b"")
            exchange.response_size += len(body)
            if len(exchange.response_body) < TEED:
                exchange.response_body += body[: TEED - len(exchange.response_body)]
            self.finished = not message.get("more_body", False)
        elif kind == "http.response.start":
            self.started = True
            self._journal.begin(exchange)
            exchange.status = message["status"]
            if exchange.more_headers:
                message["headers"] = _dressed(message["headers"], exchange.more_headers)
            exchange.response_headers = message["headers"]
            message["headers"].append((b"x-request-id", self._journal.stamp(exchange).encode()))
        await self._send(message)
        if self.finished and not self.kept:  # what the handler still puts away, as an upload's file, nobody waits for
            self.kept = True
            exchange.ended = exchange.ended or "complete"
            self._journal.keep(exchange)


def _head(scope: Scope) -> Head:
    """That of a socket, or of a request from a server that is not ours."""
    path: str = scope["path"]
    return Head(
        scope.get("method", "GET"),
        path,
        scope.get("raw_path") or path.encode(),
        scope["query_string"],
        scope["headers"],
    )


def _dressed(headers: Headers, more: Headers) -> Headers:
    """Headers with others in the place of those that have their names."""
    names = {name for name, _ in more}
    return [*((name, value) for name, value in headers if name.lower() not in names), *more]


def brief(exchange: Exchange) -> dict[str, Any]:
    """An exchange as a line of a list."""
    account, operation = exchange.account, exchange.operation
    return {
        "id": exchange.id,
        "at": iso(exchange.at),
        "kind": exchange.kind,
        "account": account.id if account and account.id else None,
        "operation": operation.id if operation else None,
        "method": exchange.method,
        "path": exchange.path,
        "query": blank_names(exchange.query).decode("latin-1") if exchange.query else "",
        "status": exchange.status,
        "ended": exchange.ended,
        "duration_ms": round(exchange.duration * 1000, 3),
        "fault": exchange.fault or None,
        "reply": exchange.reply or None,
        "near_misses": list(exchange.near_misses),
        "warnings": list(exchange.warnings),
    }


def describe(exchange: Exchange) -> dict[str, Any]:
    """An exchange with all that is kept of it, as `GET /_mock/requests` shows it."""
    return {
        **brief(exchange),
        "request": _describe_side(exchange.request_headers, exchange.request_body, exchange.request_size),
        "response": _describe_side(exchange.response_headers, exchange.answer(), exchange.response_size),
        **({"frames": exchange.frames.describe(blank_names)} if exchange.frames else {}),
        **({"spoken": list(exchange.spoken)} if exchange.spoken else {}),
    }


def _describe_side(headers: Headers, body: bytes, size: int) -> dict[str, Any]:
    return {
        "headers": [[k.decode("latin-1"), v.decode("latin-1")] for k, v in headers],
        "body": blank_names(body).decode("utf-8", "replace"),
        "size": size,
        "truncated": size > len(body),
    }
