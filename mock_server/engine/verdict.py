"""What an account's client did right and wrong: exchanges in, findings out. Pure.

The yardstick is the retry policy of the official SDKs: again after 408, 409, 429, 500 and above, after a connection that
closed and an answer that broke off; on a socket after a close that may be recovered from; never after another 4xx.

Attempts belong together when they ask the same: method, path, query and body (the SDKs send the same headers again, so
that headers say nothing, but for their count of retries). How long a client waited is the longer of two times: the
machine's, because a client sleeps by its own clock whatever the mock's says (which may be frozen); and the account's,
because a test may move that clock in the place of sleeping.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Any

from mock_server.engine.exchange import Exchange
from mock_server.engine.heads import Headers

MOST_ATTEMPTS = 10  # of one request; the SDKs make 3 unless told otherwise
AGAIN = frozenset({408, 409, 429})
UNDECIDED = frozenset({501})  # the SDKs retry it, and nobody need
RECOVERABLE = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})  # close codes after which the SDKs reconnect
FINAL = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
DROPPED = 1006
MOST_ALIKE = 32  # requests for the same, open at once, among which an attempt is looked for
TOGETHER = 120.0  # seconds after which the same request is taken for a new one
TOO_LONG = 60.0  # seconds of retry-after that nobody need wait for: the SDKs do not
TOLERANCE = 0.02  # seconds: timers and the way through the network
SHORTEST = 0.05  # seconds: what comes back sooner did not wait
LONG_ENOUGH = 5.0  # seconds: a wait that has come to this need not grow any more; the SDKs stop at 8
GROWTH = 1.1
BOUNDARY = re.compile(rb"boundary=\"?([^\";]+)")
COUNT = b"x-stainless-retry-count"

RULES = {
    "not-retried": "what may pass by itself was not tried again",
    "retried-in-vain": "what cannot pass was tried again",
    "retry-after-ignored": "tried again before the time that retry-after told",
    "no-backoff": "tried again at once, or after waits that do not grow",
    "no-bound": "tried again and again without an end",
    "socket-left-open": "a socket is still open",
    "socket-dropped": "the client left a socket without closing it",
}


class Outcome(Enum):
    GOOD = "good"
    AGAIN = "to be tried again"
    UNDECIDED = "up to the client"
    FINAL = "not to be tried again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the client did wrong, and the exchanges that show it, oldest first."""

    rule: str
    detail: str
    exchanges: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        return {"rule": self.rule, "detail": self.detail, "exchanges": list(self.exchanges)}


@dataclass(slots=True)
class Chain:
    """One request and the attempts at it, in order."""

    attempts: list[Exchange] = field(default_factory=list)

    @property
    def last(self) -> Exchange:
        return self.attempts[-1]

    def ids(self, start: int = 0, end: int | None = None) -> tuple[str, ...]:
        return tuple(attempt.id for attempt in self.attempts[start:end])

    def takes(self, exchange: Exchange) -> bool:
        """Whether an exchange is the next attempt at this request."""
        last = self.last
        if outcome(last) is Outcome.GOOD or not _same(last, exchange):
            return False
        if exchange.started < last.started + last.duration - TOLERANCE:
            return False  # beside it, not after it
        count, before = _header(exchange.request_headers, COUNT), _header(last.request_headers, COUNT)
        # A stream that broke off is asked for again by the SDK's user, for whom the SDK counts from 0.
        if count is not None and before is not None and last.status != 200:
            return count != b"0" and count != before
        return exchange.started - last.started - last.duration < max(TOGETHER, 2 * (retry_after(last) or 0.0))


def judge(exchanges: Iterable[Exchange], open_sockets: Iterable[Exchange] = ()) -> tuple[list[Finding], list[Chain]]:
    """Findings about one account's exchanges, and the requests with their attempts. Either in any order."""
    chains = gather(exchanges)
    findings = [finding for chain in chains for finding in _of_chain(chain)]
    for exchange in sorted(open_sockets, key=lambda e: e.started):
        findings.append(Finding("socket-left-open", f"The socket {exchange.path} is still open.", (exchange.id,)))
    return findings, chains


def gather(exchanges: Iterable[Exchange]) -> list[Chain]:
    """Attempts that belong together, by the order of their first."""
    chains: list[Chain] = []
    unfinished: dict[Any, list[Chain]] = {}
    for exchange in sorted(exchanges, key=lambda e: e.started):
        alike = unfinished.setdefault(_head(exchange), [])
        chain = next((chain for chain in alike if chain.takes(exchange)), None)
        if chain is None:
            chain = Chain()
            chains.append(chain)
            alike.append(chain)
            del alike[:-MOST_ALIKE]
        chain.attempts.append(exchange)
    return chains


def outcome(exchange: Exchange) -> Outcome:
    """What an attempt came to, and what that asks of the client."""
    if exchange.status == 101:
        return _of_socket(exchange)
    told = _header(exchange.response_headers, b"x-should-retry")
    if exchange.status >= 400 and told in (b"true", b"false"):
        return Outcome.AGAIN if told == b"true" else Outcome.FINAL
    if exchange.ended in ("client_left", "stopped"):
        return Outcome.UNDECIDED
    if exchange.ended in ("cut", "crashed"):
        return Outcome.AGAIN if exchange.kind == "http" else Outcome.UNDECIDED
    if exchange.status in AGAIN or exchange.status >= 500:
        # No SDK tries a handshake again by itself, unless it was connected before.
        return Outcome.UNDECIDED if exchange.status in UNDECIDED or exchange.kind == "socket" else Outcome.AGAIN
    return Outcome.FINAL if exchange.status >= 400 else Outcome.GOOD


def _of_socket(exchange: Exchange) -> Outcome:
    frames = exchange.frames
    assert frames is not None
    if exchange.ended in ("cut", "crashed"):
        return Outcome.AGAIN
    if exchange.ended == "stopped":
        return Outcome.UNDECIDED
    if frames.by != "server":
        return Outcome.GOOD
    return Outcome.AGAIN if frames.code in RECOVERABLE else Outcome.FINAL if frames.code in FINAL else Outcome.GOOD


def _of_chain(chain: Chain) -> Iterator[Finding]:
    attempts = chain.attempts
    asked = f"{attempts[0].method} {attempts[0].path}"
    for n, (before, after) in enumerate(pairwise(attempts), 1):
        pair, wait = chain.ids(n - 1, n + 1), waited(before, after)
        if outcome(before) is Outcome.FINAL:
            yield Finding("retried-in-vain", f"{asked} was asked again after {_told(before)}.", pair)
        elif (told := retry_after(before)) is not None and wait < told - TOLERANCE:
            detail = f"{asked} was asked again {wait:.3f} s after {_told(before)}, which told retry-after {told:g}."
            yield Finding("retry-after-ignored", detail, pair)
    yield from _of_waits(chain, asked)
    if len(attempts) > MOST_ATTEMPTS:
        yield Finding("no-bound", f"{asked} was asked {len(attempts)} times; {MOST_ATTEMPTS} are enough.", chain.ids())
    for attempt in attempts:
        frames = attempt.frames
        if frames is not None and frames.by == "client" and frames.code == DROPPED and attempt.ended != "cut":
            yield Finding("socket-dropped", f"The client left {attempt.path} without a close frame.", (attempt.id,))
    if len(attempts) == 1 and outcome(chain.last) is Outcome.AGAIN and (retry_after(chain.last) or 0.0) <= TOO_LONG:
        yield Finding("not-retried", f"{asked} was not asked again after {_told(chain.last)}.", chain.ids())


def _of_waits(chain: Chain, asked: str) -> Iterator[Finding]:
    """Back-off: between attempts that failed without telling how long to wait, each wait is longer than the one before."""
    for start, end in _runs(chain.attempts):
        pairs = list(zip(chain.attempts[start:end], chain.attempts[start + 1 : end + 1], strict=True))
        waits = [waited(before, after) for before, after in pairs]
        # What a keep-alive connection that had gone stale looks like: asking again at once is right, the first time.
        free = 1 if pairs[0][0].status == 0 else 0
        if any(wait < SHORTEST for wait in waits[free:]):
            detail = f"{asked} was asked again at once: {_listed(waits)}."
        elif any(b < a * GROWTH and b < LONG_ENOUGH for a, b in pairwise(waits[free:])):
            detail = f"{asked} was asked again after waits that do not grow: {_listed(waits)}."
        else:
            continue
        yield Finding("no-backoff", detail, chain.ids(start, end + 1))


def _runs(attempts: Sequence[Exchange]) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of attempts that had no answer but an error, and no retry-after."""
    start = 0
    for n, attempt in enumerate(attempts):
        backs_off = outcome(attempt) is not Outcome.FINAL and retry_after(attempt) is None
        answered = attempt.status in (
            101,
            200,
        )  # and broke off: what was connected may ask again as if for the first time
        if not backs_off or answered or n == len(attempts) - 1:
            if n > start:
                yield start, n
            start = n + 1


def waited(before: Exchange, after: Exchange) -> float:
    """Seconds between the end of one attempt and the start of the next, by the machine's clock or the account's."""
    return max(after.started - before.started, after.at - before.at) - before.duration


def retry_after(exchange: Exchange) -> float | None:
    """Seconds that an error told the client to wait; None without, and for a date."""
    if exchange.status < 400:
        return None
    for name, unit in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        try:
            seconds = float(_header(exchange.response_headers, name) or b"") * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds > 0:  # the SDKs back off by themselves where it is 0
            return seconds
    return None


def _head(exchange: Exchange) -> tuple[Any, ...]:
    length = _header(exchange.request_headers, b"content-length")
    return exchange.kind, exchange.method, exchange.path, exchange.query, length


def _same(one: Exchange, other: Exchange) -> bool:
    """Whether two exchanges with the same head asked the same, as far as their bodies were read and kept."""
    a, b = _body(one), _body(other)
    return a.startswith(b) or b.startswith(a)


def _body(exchange: Exchange) -> bytes:
    """The body as it was kept; a form without its boundary, which is a new one each time."""
    found = BOUNDARY.search(_header(exchange.request_headers, b"content-type") or b"")
    return exchange.request_body.replace(found[1], b"") if found else exchange.request_body


def _header(headers: Headers, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key.lower() == name), None)


def _told(exchange: Exchange) -> str:
    """How an attempt ended, in words."""
    if exchange.frames is not None:
        dropped = exchange.ended == "cut" or not exchange.frames.by
        return "the socket dropped" if dropped else f"the socket closed with {exchange.frames.code}"
    if exchange.ended == "cut":
        return "the connection closed" if exchange.status == 0 else "the answer broke off"
    return str(exchange.status) if exchange.status else "no answer"


def _listed(waits: Sequence[float]) -> str:
    return ", ".join(f"{wait:.3f} s" for wait in waits)
