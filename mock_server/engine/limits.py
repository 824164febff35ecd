"""Rate limits by token buckets: an account's own, or the server's; full at first, filled by the account's clock.

A bucket that counts requests is asked before one is answered. One that counts tokens lets a request in while anything
is left, and takes what it came to afterwards: it may be in debt then, and refuses until that is paid.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.types import Message, Send

from mock_server.base.clock import EARLIEST, LATEST
from mock_server.base.errors import TooManyRequests
from mock_server.base.limits import Limit, parse_all
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.patterns import like

SLACK = 1e-6  # of a request: clocks run in fractions
ANSWERS = frozenset({"http.response.start", "websocket.http.response.start", "websocket.accept"})


class Bucket:
    """What is left of one limit for one account."""

    __slots__ = ("_at", "_level", "limit")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit, self._level, self._at = limit, float(limit.most), now

    def level(self, now: float) -> float:
        """What is left at `now`. A clock that was set back takes nothing away."""
        rate = self.limit.most / self.limit.seconds
        self._level = min(self.limit.most, self._level + max(0.0, now - self._at) * rate)
        self._at = now
        return self._level

    def dump(self) -> list[Any]:
        return [str(self.limit), self._level, self._at]

    @classmethod
    def restore(cls, state: Sequence[Any]) -> "Bucket":
        """Raises ValueError."""
        (limit,), level, at = parse_all([state[0]]), *map(float, state[1:])
        if not (math.isfinite(level) and EARLIEST <= at <= LATEST):
            raise ValueError("what is left of a limit is a number")
        bucket = cls(limit, at)
        bucket._level = min(float(limit.most), level)
        return bucket

    def take(self, n: int) -> None:
        self._level -= n

    def wait(self, now: float) -> int:
        """Seconds until a request passes; 0 when it does now."""
        wanted = SLACK if self.limit.tokens else 1.0
        lacking = wanted - self.level(now)
        return max(1, math.ceil(self._seconds(lacking) - SLACK)) if lacking > SLACK else 0

    def headers(self, now: float) -> dict[str, str]:
        """The documented three: the limit, what is left, and seconds until all of it is there again."""
        level = self.level(now)
        reset = math.ceil(self._seconds(self.limit.most - level) - SLACK)
        left = max(0, math.floor(level + SLACK))
        return {
            "x-ratelimit-limit": str(self.limit.most),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(reset),
        }

    def _seconds(self, amount: float) -> float:
        return amount * self.limit.seconds / self.limit.most


class Limits:
    """The limits in force. `on` is whether there are any at all; while it is False nobody need ask."""

    def __init__(self, started_with: Sequence[Limit]) -> None:
        self._started_with = tuple(started_with)
        self.reset()

    def reset(self) -> None:
        """Back to what the server was started with, every bucket full."""
        self._everyones = self._started_with
        self._own: dict[str, tuple[Limit, ...]] = {}
        self._buckets: dict[str, list[Bucket]] = {}
        self._note()

    def clear(self, account: str | None) -> None:
        """Take back an account's own limits, or what all have by API; full buckets."""
        if account is None:
            self._everyones = self._started_with
            self._buckets.clear()
        else:
            self._own.pop(account, None)
            self._buckets.pop(account, None)
        self._note()

    def put(self, limits: Sequence[Limit], account: str | None) -> None:
        """Put limits in force in the place of what was there: an account's own, or those of all that have none."""
        if account is None:
            self._everyones = tuple(limits)
            self._buckets = {id: buckets for id, buckets in self._buckets.items() if id in self._own}
        else:
            self._own[account] = tuple(limits)
            self._buckets.pop(account, None)
        self._note()

    def _note(self) -> None:
        self.on = bool(self._everyones) or any(self._own.values())

    def of(self, account: str | None) -> tuple[Limit, ...]:
        """The limits an account has, or all that have none of their own."""
        return self._everyones if account is None else self._own.get(account, self._everyones)

    def is_own(self, account: str) -> bool:
        """Whether an account has limits of its own, even none at all."""
        return account in self._own

    def dump(self, account: str | None = None) -> list[dict[str, Any]]:
        """The limits of an account and what is left of them, without its name; or everyone's, and of all accounts."""
        states: list[dict[str, Any]] = (
            [{"everyones": [str(limit) for limit in self._everyones]}] if account is None else []
        )
        for owner in sorted(self._own.keys() | self._buckets.keys()):
            if account in (None, owner):
                own = [str(limit) for limit in self._own[owner]] if owner in self._own else None
                buckets = [bucket.dump() for bucket in self._buckets.get(owner, ())]
                states.append({"own": own, "buckets": buckets, **({} if account else {"account": owner})})
        return states

    def restore(self, states: list[dict[str, Any]], account: str | None = None) -> Callable[[], None]:
        """What puts `states` in place of an account's limits, or of all. Raises ValueError, KeyError."""
        everyones = next((tuple(parse_all(s["everyones"])) for s in states if "everyones" in s), ())
        own: dict[str, tuple[Limit, ...]] = {}
        left: dict[str, list[Bucket]] = {}
        for state in states:
            if "everyones" not in state:
                owner = state["account"] if account is None else account
                if state["own"] is not None:
                    own[owner] = tuple(parse_all(state["own"]))
                left[owner] = [Bucket.restore(bucket) for bucket in state["buckets"]]

        def put() -> None:
            if account is None:
                self._everyones, self._own, self._buckets = everyones, own, {}
            else:
                self._own.pop(account, None)
                self._buckets.pop(account, None)
                self._own.update(own)
            for owner, buckets in left.items():  # of limits that are not in force here none are left over
                if [bucket.limit for bucket in buckets] == list(self.of(owner)):
                    self._buckets[owner] = buckets
            self._note()

        return put

    def admit(self, exchange: Exchange, send: Send) -> Send:
        """Count a request. Raises TooManyRequests, or gives a `send` that tells the headers with the answer."""
        account = exchange.account
        assert account is not None
        now = account.timeline.now()
        buckets = self._concerned(account, exchange, now)
        if not buckets:
            return send
        refusing = max(buckets, key=lambda bucket: bucket.wait(now))
        if (wait := refusing.wait(now)) > 0:
            exchange.fault = f"limit:{refusing.limit}"
            error = TooManyRequests(retry_after=wait)
            error.headers = {**error.headers, **refusing.headers(now), "x-mock-fault": exchange.fault}
            raise error
        for bucket in buckets:
            if not bucket.limit.tokens:
                bucket.take(1)
        return partial(_tell, send, account, buckets)

    def telling(self, exchange: Exchange, send: Send) -> Send:
        """A `send` that tells the headers with an answer that was not counted, since something else refused it first."""
        account = exchange.account
        assert account is not None
        buckets = self._concerned(account, exchange, account.timeline.now())
        return partial(_tell, send, account, buckets) if buckets else send

    def spend(self, exchange: Exchange, tokens: int) -> None:
        """Take what a chat came to from the buckets that count tokens."""
        assert exchange.account is not None
        now = exchange.account.timeline.now()
        for bucket in self._concerned(exchange.account, exchange, now):
            if bucket.limit.tokens:
                bucket.level(now)
                bucket.take(tokens)

    def describe(self, account: Account) -> list[dict[str, Any]]:
        """An account's limits and what is left of each."""
        now = account.timeline.now()
        return [
            {"limit": str(bucket.limit), "remaining": int(headers["x-ratelimit-remaining"]),
             "reset": int(headers["x-ratelimit-reset"])}
            for bucket in self._all(account, now)
            for headers in (bucket.headers(now),)
        ]  # fmt: skip

    def _all(self, account: Account, now: float) -> list[Bucket]:
        buckets = self._buckets.get(account.id)
        if buckets is None:
            buckets = self._buckets[account.id] = [Bucket(limit, now) for limit in self.of(account.id)]
        return buckets

    def _concerned(self, account: Account, exchange: Exchange, now: float) -> list[Bucket]:
        operation = exchange.operation
        if operation is None:  # of an unknown path: what is for all operations
            return [b for b in self._all(account, now) if not b.limit.tokens and b.limit.operation is None]
        return [
            bucket
            for bucket in self._all(account, now)
            if (operation.metered if bucket.limit.tokens else _names(bucket.limit, operation.id))
        ]


def _names(limit: Limit, operation: str) -> bool:
    return limit.operation is None or like(limit.operation, operation)


async def _tell(send: Send, account: Account, buckets: Sequence[Bucket], message: Message) -> None:
    """Add the headers of the bucket that has the least left, in proportion, to an answer that has none."""
    if message["type"] in ANSWERS:
        headers = message.setdefault("headers", [])
        if not any(name == b"x-ratelimit-limit" for name, _ in headers):
            now = account.timeline.now()
            nearest = min(buckets, key=lambda bucket: bucket.level(now) / bucket.limit.most)
            told = nearest.headers(now).items()
            message["headers"] = [*headers, *((name.encode(), value.encode()) for name, value in told)]
    await send(message)
