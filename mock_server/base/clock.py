"""The only place that reads time or waits. Accounts have timelines of their own on top of the server's."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# What the calendar can show, in seconds since the epoch: 0001-01-01 to 9999-12-31, a day short at both ends.
EARLIEST = -62135510400.0
LATEST = 253402214400.0
FASTEST = 1e6  # times the parent's speed


SAME = 1e-5  # seconds: instants nearer to each other than sums of times since the epoch, of some dozen, are exact


class Timeline:
    """A time that runs along a parent's: shifted, faster, slower or frozen. Seconds since the epoch.

    One that was never moved follows its parent exactly.
    """

    __slots__ = ("_anchor", "_changed", "_moved", "_parent", "_parent_anchor", "_parent_now", "speed")

    def __init__(self, parent: "Callable[[], float] | Timeline") -> None:
        self._parent = parent if isinstance(parent, Timeline) else None
        self._parent_now: Callable[[], float] = parent.now if isinstance(parent, Timeline) else parent
        self._changed: list[asyncio.Event] = []
        self.reset()

    def reset(self) -> None:
        """Follow the parent again."""
        self._moved = False
        self._anchor = self._parent_anchor = 0.0
        self.speed = 1.0
        self._wake()

    def now(self) -> float:
        now = self._parent_now()
        if not self._moved:
            return now
        return min(max(self._anchor + (now - self._parent_anchor) * self.speed, EARLIEST), LATEST)

    def set(self, instant: float | None = None, speed: float | None = None) -> None:
        """Move to `instant` (default: stay) and run at `speed` times the parent's (0 freezes)."""
        here = self.now()
        self._parent_anchor = self._parent_now()
        self._anchor = here if instant is None else instant
        if speed is not None:
            self.speed = speed
        self._moved = True
        self._wake()

    def advance(self, seconds: float) -> None:
        self.set(self.now() + seconds)

    def dump(self) -> dict[str, float] | None:
        """How this time runs along its parent's; None follows it. Not what time it is: a time that runs is not wound back."""
        if not self._moved:
            return None
        return {"at": self._anchor, "of": self._parent_anchor, "speed": self.speed}

    def restore(self, state: Mapping[str, Any] | None) -> Callable[[], None]:
        """What makes it run as dumped. Raises ValueError."""
        if state is None:
            return self.reset
        at, of = _number(state, "at", EARLIEST, LATEST), _number(state, "of", EARLIEST, LATEST)
        speed = _number(state, "speed", 0, FASTEST)

        def run() -> None:
            self._anchor, self._parent_anchor, self.speed, self._moved = at, of, speed, True
            self._wake()

        return run

    @property
    def rate(self) -> float:
        """Seconds of this time per second of the machine's."""
        return self.speed * (self._parent.rate if self._parent else 1.0)

    def _wake(self) -> None:
        for event in self._changed:
            event.set()

    def watch(self, event: asyncio.Event) -> None:
        """Set `event` whenever this time or a parent's is moved, until `unwatch`."""
        self._changed.append(event)
        if self._parent:
            self._parent.watch(event)

    def unwatch(self, event: asyncio.Event) -> None:
        self._changed.remove(event)
        if self._parent:
            self._parent.unwatch(event)


@dataclass(frozen=True)
class Machine:
    """The machine's clocks: wall time for timestamps, a monotonic counter for durations, both in seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter


class Clock:
    """The server's time, from the machine's or from a frozen start; `timeline()` makes an account's."""

    def __init__(self, start: float | None = None, machine: Machine | None = None) -> None:
        self.machine = machine or Machine()
        self.started = self.machine.monotonic()
        self._start = start
        self.server = Timeline(self.machine.wall)
        self.reset()

    def reset(self) -> None:
        """Back to the time the server started with: the machine's, or the frozen start."""
        self.server.reset()
        if self._start is not None:
            self.server.set(self._start, speed=0)

    def dump(self) -> list[dict[str, float]]:
        """How the server's time runs, if it was ever moved."""
        state = self.server.dump()
        return [] if state is None else [state]

    def restore(self, states: list[dict[str, Any]]) -> Callable[[], None]:
        """What makes the server's time run as dumped. Raises ValueError."""
        return self.server.restore(states[0] if states else None)

    def timeline(self) -> Timeline:
        return Timeline(self.server)

    def uptime(self) -> float:
        """Seconds of the machine's time since the clock was made; moving the clock does not change it."""
        return self.machine.monotonic() - self.started

    async def sleep(self, timeline: Timeline, seconds: float, until: "asyncio.Future[None] | None" = None) -> bool:
        """Wait until `timeline` has advanced by `seconds`; True then, False if `until` was done before.

        A frozen time waits for as long as it takes: the caller passes `until` (the client has left), and the server's
        stop cancels the task.
        """
        target = timeline.now() + seconds
        moved = asyncio.Event()
        timeline.watch(moved)
        try:
            while (left := target - timeline.now()) > SAME:
                if until is not None and until.done():
                    return False
                moved.clear()
                rate = timeline.rate
                await _first(moved.wait(), until, left / rate if rate > 0 else None)
            return until is None or not until.done()
        finally:
            timeline.unwatch(moved)

    @staticmethod
    async def turn() -> None:
        """Let everything else that is ready run first: for work in many short pieces, or that wants a task of its own."""
        await asyncio.sleep(0)

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        """Until `changed` is set, or so many seconds of the machine's time have passed; None waits for `changed` alone."""
        await _first(changed.wait(), None, seconds)


def _number(state: Mapping[str, Any], name: str, least: float, most: float) -> float:
    value = state.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} of a clock is a number from {least:g} to {most:g}")
    return float(value)


async def _first(event: Awaitable[bool], until: "asyncio.Future[None] | None", timeout: float | None) -> None:
    waiting: set[asyncio.Future[object]] = {asyncio.ensure_future(event)}
    mine = set(waiting)
    if until is not None:
        waiting.add(until)  # type: ignore[arg-type]
    try:
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in mine:
            future.cancel()


def parse_instant(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 instant; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso(seconds: float) -> str:
    """An instant as the API writes it: `2025-04-15T13:07:28.764Z`."""
    return iso_ms(round(seconds * 1e6) // 1000)


def iso_ms(milliseconds: int) -> str:
    """The same of whole milliseconds since the epoch."""
    second, rest = divmod(milliseconds, 1000)
    return f"{_second(second)}.{rest:03d}Z"


@lru_cache(1024)  # rows made together show the same second, and a row shows several times
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
