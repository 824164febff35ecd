"""The pump: what a session gives goes out in order, time reaches it, and every way of ending closes it once. No network."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mock_server.base.clock import Clock
from mock_server.base.errors import ServiceUnavailable
from mock_server.engine.sockets import Close, Out, Pump, Send, Work

NOW = 1_000_000.0


class Echo:
    """Answers by `answers`, notes all that it is told."""

    def __init__(self, **answers: Callable[..., Iterable[Out]]) -> None:
        self.answers, self.told = answers, list[Any]()
        self.at: float | None = None

    def say(self, name: str, *values: Any) -> Iterable[Out]:
        self.told.append((name, *values))
        return self.answers.get(name, lambda *_: [])(*values)

    def opened(self, now: float) -> Iterable[Out]:
        return self.say("opened", now)

    def feed(self, message: str | bytes, now: float) -> Iterable[Out]:
        return self.say("feed", message)

    def due(self) -> float | None:
        return self.at

    def tick(self, now: float) -> Iterable[Out]:
        self.at = None
        return self.say("tick", now)

    def done(self, result: Any, now: float) -> Iterable[Out]:
        return self.say("done", result)

    def closed(self, now: float) -> Iterable[Out]:
        return self.say("closed")


class Wire:
    """An ASGI connection in memory. A client that left makes `send` fail, as uvicorn's does."""

    def __init__(self, *frames: str | bytes, leaves: bool = True) -> None:
        self.sent: list[Any] = []
        self.left = False
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.queue.put_nowait({"type": "websocket.connect"})
        for frame in frames:
            self.frame(frame)
        if leaves:
            self.leave()

    def frame(self, frame: str | bytes) -> None:
        self.queue.put_nowait({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    def leave(self) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1005})

    async def receive(self) -> dict[str, Any]:
        return await self.queue.get()

    async def send(self, message: Any) -> None:
        if self.left:
            raise OSError
        kind = message["type"].removeprefix("websocket.")
        self.sent.append(
            message.get("text") or message.get("bytes") or (kind, *([message["code"]] if "code" in message else []))
        )
        if kind == "close":
            self.leave()


def pumped(session: Echo, wire: Wire, meanwhile: Callable[[Clock], Any] | None = None) -> list[Any]:
    """What goes over the wire until the pump ends; `meanwhile(clock)` is awaited beside it. Its time stands still."""

    async def run() -> None:
        clock = Clock(start=NOW)
        pump = Pump(session, clock, clock.timeline())
        both = asyncio.gather(pump(wire.receive, wire.send), *([meanwhile(clock)] if meanwhile else []))
        await asyncio.wait_for(both, 5)

    asyncio.run(run())
    return wire.sent


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_frames_of_both_kinds_are_fed_and_answered_in_order():
    session = Echo(opened=lambda _: [Send("hello")], feed=lambda m: [Send(m), Send(b"and")])

    assert pumped(session, Wire("a", b"b")) == [("accept",), "hello", "a", b"and", b"b", b"and"]
    assert session.told == [("opened", NOW), ("feed", "a"), ("feed", b"b"), ("closed",)]


def test_what_a_work_gives_goes_before_what_is_left():
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    session = Echo(
        feed=lambda _: [Work(later, 1), Send("last"), Work(str, 5)], done=lambda result: [Send(f"<{result}>")]
    )

    assert pumped(session, Wire("a")) == [("accept",), "<2>", "last", "<5>"]


def test_an_api_error_of_a_work_is_its_result_and_works_are_done_after_the_end():
    def fails() -> None:
        raise ServiceUnavailable

    session = Echo(closed=lambda: [Send("nobody hears"), Work(fails)])

    assert pumped(session, Wire()) == [("accept",)]
    assert [type(value) for _, value in session.told[2:]] == [ServiceUnavailable]


def test_a_close_ends_it_and_nothing_comes_after():
    session = Echo(feed=lambda _: [Close(4000, "why"), Send("late")])

    assert pumped(session, Wire("a", "b")) == [("accept",), ("close", 4000)]
    assert session.told[-2:] == [("feed", "a"), ("closed",)]


def test_time_reaches_the_session_when_it_is_moved():
    session = Echo(tick=lambda now: [Send("tick"), Close()])
    wire = Wire(leaves=False)

    session.at = NOW + 20

    async def move(clock: Clock) -> None:
        for _ in range(2):
            await settled()
            assert wire.sent == [("accept",)]
            clock.server.advance(10)

    assert pumped(session, wire, move) == [("accept",), "tick", ("close", 1000)]
    assert session.told[1:] == [("tick", NOW + 20), ("closed",)]


def test_a_frame_can_make_the_session_due_earlier():
    session = Echo(tick=lambda now: [Close()])
    session.at = NOW + 1000
    wire = Wire(leaves=False)

    async def move(clock: Clock) -> None:
        await settled()
        session.at = NOW + 5
        wire.frame("a")
        await settled()
        clock.server.advance(6)

    assert pumped(session, wire, move)[-1] == ("close", 1000)


def test_frames_of_a_client_that_left_are_still_fed():
    wire = Wire("a", "b")
    session = Echo(feed=lambda m: [Send(m)], opened=lambda _: setattr(wire, "left", True) or [])

    assert pumped(session, wire) == [("accept",)]
    assert session.told[1:] == [("feed", "a"), ("feed", "b"), ("closed",)]


@pytest.mark.parametrize("where", ["feed", "tick"])
def test_a_broken_session_closes_with_1011_and_is_raised(where):
    session = Echo(**{where: lambda _: 1 / 0})
    session.at = NOW if where == "tick" else None
    wire = Wire(*["a"] if where == "feed" else [], leaves=False)

    with pytest.raises(ZeroDivisionError):
        pumped(session, wire)
    assert wire.sent == [("accept",), ("close", 1011)]
    assert session.told[-1] == ("closed",)


def test_a_frozen_clock_does_not_hold_up_the_end():
    session = Echo()
    session.at = NOW + 1

    assert pumped(session, Wire("a")) == [("accept",)]
