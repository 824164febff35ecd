"""The gate: operation, account, rate limit, faults that headers decide, body; then the operation's handler. For sockets, too."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_server.base.clock import Clock
from mock_server.base.errors import ApiError, Dialect, NotEmulated, TooLarge
from mock_server.base.states import refusal
from mock_server.engine.accounts import Accounts
from mock_server.engine.answers import Instead, Ready, of_error
from mock_server.engine.exchange import BODY_CAP, Exchange
from mock_server.engine.faults.table import HEADER, Faults
from mock_server.engine.frames import ARRIVED
from mock_server.engine.hints import Hints
from mock_server.engine.idempotency import HEADER as KEY_HEADER
from mock_server.engine.idempotency import LARGEST_BODY, InFlight
from mock_server.engine.limits import Limits
from mock_server.engine.operations import Operation, Operations
from mock_server.engine.replies import Replies
from mock_server.engine.scenarios.table import HEADER as SCENARIO
from mock_server.engine.scenarios.table import Scenarios

if TYPE_CHECKING:
    from mock_server.engine.recordings.table import Recordings


class Gate:
    """ASGI layer inside the journal. Every refusal that needs no body is made here, in the operation's dialect.

    `enter` links an operation's room on first use and makes what its domain may use of the world.
    With `lean` off, requests go through `app` (FastAPI's own router) instead of the operation's compiled handler.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        operations: Operations,
        accounts: Accounts,
        scenarios: Scenarios,
        limits: Limits,
        faults: Faults,
        hints: Hints,
        replies: Replies,
        recordings: "Recordings | None",
        enter: Callable[[Exchange, Operation], Any],
        max_json: int,
        max_upload: int,
        lean: bool = True,
    ) -> None:
        self._app, self._operations, self._accounts, self._faults = app, operations, accounts, faults
        self._scenarios, self._limits, self._replies, self._hints = scenarios, limits, replies, hints
        self._enter, self._lean = enter, lean
        self._max_json, self._max_upload, self._recordings = max_json, max_upload, recordings
        self._in_flight = InFlight()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Ready | None:
        """Gives back an answer that is whole; any other it has sent."""
        exchange: Exchange = scope["mock.exchange"]
        arriving, leaving = receive, send  # as they are before limits and faults come between
        dialect: Dialect = "std"
        try:
            head, headers = exchange.head, exchange.headers
            operation = head.operation or self._find(exchange)
            exchange.operation, exchange.params, dialect = operation, head.params, operation.dialect
            exchange.account = self._accounts.of_key(head.secret if operation.signed else head.key)
            exchange.at = exchange.account.timeline.now()
            if SCENARIO in headers:
                self._scenarios.by_header(exchange.account, headers[SCENARIO])
            if exchange.account.state != "active":
                _check_state(exchange)
            if self._limits.on:
                send = self._limits.admit(exchange, send)
            if operation.idempotent and KEY_HEADER in headers:  # before faults: a request that is delayed holds its key
                exchange.keyed = self._in_flight.claim(
                    exchange.account.id, exchange.method, exchange.path, exchange.query, exchange.request_headers
                )
            if self._replies.watched:
                self._replies.watch()
            faulty = self._replies.faulty
            if faulty or self._faults.on or HEADER in headers or exchange.account.fault_key:
                wire = exchange.wire = self._faults.arm(exchange, scope, receive, send, faulty)
                if wire is not None:
                    receive, send = wire.receive, wire.send
                    scope.pop(ARRIVED, None)  # everything passes the fault
                    if (instead := wire.instead()) is not None:
                        await _take_in(exchange, arriving)
                        await instead(scope, receive, send)
                        return None
            if self._recordings is not None and operation.kind == "http":
                receive, played = await self._recordings.find(exchange, receive, self._max_json)
                if played is not None:
                    await played(scope, receive, send)
                    if exchange.wire is not None:
                        await exchange.wire.linger()
                    return None
            if operation.room is None:
                raise NotEmulated(
                    f"{operation.method} {operation.path} ({operation.id}) is the vendor's, but not emulated here."
                )
            limit = self._max_upload if operation.upload else self._max_json
            if exchange.keyed is not None:
                limit = min(limit, LARGEST_BODY)
                receive = exchange.keyed.reading(receive)
            length = headers.get(b"content-length")
            if operation.raw:
                exchange.receive = receive
            elif exchange.body is not None:
                _check_size(len(exchange.body), limit)
            elif length is None and operation.kind == "http":
                receive = _bounded(receive, limit)
            elif length is not None:
                _check_size(int(length), limit)
            exchange.wrapped = receive is not arriving
            exchange.call = self._enter(exchange, operation)
            scope["path_params"] = head.params
            answer = None
            if self._lean and operation.handler is not None:
                answer = await operation.handler(scope, receive, send)
            else:
                await Clock.turn()  # FastAPI asks which task it is in
                await self._app(scope, receive, send)
            if exchange.wire is not None and exchange.wire.fired is None:  # no fault came of it after all
                send = exchange.wire.beneath
            if operation.hinted:
                self._hints.look(exchange)
            if send is leaving:
                return answer
            if answer is not None:
                await answer(scope, receive, send)
            if exchange.wire is not None:
                await exchange.wire.linger()
        except Instead as instead:
            await instead.answer(scope, receive, send)
        except ApiError as error:
            if exchange.operation is None:
                self._attribute(exchange)
                dialect = self._operations.dialect_at(exchange.path)
            self._hints.of_refusal(exchange, self._operations)
            if exchange.account is not None and not exchange.request_size:
                await _take_in(exchange, arriving)
            answer = of_error(error, dialect)
            if self._limits.on and send is leaving and exchange.account is not None and error.status != 401:
                send = self._limits.telling(exchange, send)
            if send is leaving:
                return answer
            await answer(scope, receive, send)
        except ClientDisconnect:
            exchange.ended = "client_left"
        finally:
            if exchange.wire is not None:
                exchange.wire.end()
                exchange.wire = None
            if exchange.keyed is not None:
                self._in_flight.release(exchange.keyed)
        return None

    def _find(self, exchange: Exchange) -> Operation:
        """The operation that a head names, from now on known with it. Raises NotFound, MethodNotAllowed and BadRequest."""
        head = exchange.head
        head.operation, head.params = self._operations.find(exchange.kind, head.method, head.path, head.raw_path)  # type: ignore[arg-type]
        return head.operation

    def _attribute(self, exchange: Exchange) -> None:
        """An exchange with no operation belongs to its key's account all the same, where the key is good."""
        try:
            exchange.account = self._accounts.of_key(exchange.head.secret)
            exchange.at = exchange.account.timeline.now()
        except ApiError:
            pass


async def _take_in(exchange: Exchange, receive: Receive) -> None:
    """Read a short body that was refused unread, so that the journal has it. One that is waited for is left alone."""
    headers = exchange.headers
    length = headers.get(b"content-length", b"0")
    if exchange.kind == "http" and 0 < int(length) <= BODY_CAP and b"expect" not in headers:
        while (await receive()).get("more_body", False):
            pass


def _check_state(exchange: Exchange) -> None:
    """Raises what the account is told in the state it is in."""
    assert exchange.account is not None
    error = refusal(exchange.account.state, exchange.method)
    if error is not None:
        exchange.fault = error.headers["x-mock-fault"]
        raise error


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"The body has {size} bytes; the limit is {limit}.")


def _bounded(receive: Receive, limit: int) -> Receive:
    """`receive` that refuses a body over `limit` bytes as it comes, for requests that do not announce their length."""
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise TooLarge(f"The body has more than {limit} bytes, which is the limit.")
        return message

    return bounded
