"""The outbox: what must happen by itself, by each account's clock, and nothing left when it ends."""

import asyncio
from typing import Any

from mock_server.base.clock import Clock
from mock_server.engine.accounts import Accounts
from mock_server.engine.outbox import AT_ONCE, Outbox


class Scene:
    """An outbox on a frozen clock, two accounts, and what was done."""

    def __init__(self) -> None:
        self.clock = Clock(start=1000.0)
        self.outbox = Outbox(self.clock)
        accounts = Accounts(self.clock)
        self.one, self.two = accounts.of_key(b"one"), accounts.of_key(b"two")
        self.done: list[str] = []

    def work(self, name: str) -> Any:
        async def do() -> None:
            self.done.append(name)

        return do


def test_work_is_done_when_its_accounts_clock_says_so_and_in_order() -> None:
    async def run() -> list[list[str]]:
        scene = Scene()
        for account, due, name in (
            (scene.one, 1020, "c"),
            (scene.one, 1000, "a"),
            (scene.one, 1010, "b"),
            (scene.two, 1010, "x"),
        ):
            scene.outbox.add(account, due, scene.work(name))
        seen = []
        for timeline, seconds in (
            (scene.one.timeline, 0),
            (scene.one.timeline, 10),
            (scene.two.timeline, 5),
            (scene.clock.server, 10),
        ):
            timeline.advance(seconds)
            await scene.outbox.settle()
            seen.append(list(scene.done))
        assert scene.outbox.waiting() == 0
        await scene.outbox.close()
        return seen

    assert asyncio.run(run()) == [["a"], ["a", "b"], ["a", "b"], ["a", "b", "c", "x"]]


def test_moving_a_clock_wakes_the_task_without_anyone_asking() -> None:
    async def run() -> None:
        scene, rang = Scene(), asyncio.Event()

        async def ring() -> None:
            rang.set()

        scene.outbox.add(scene.one, 1010, ring)
        await asyncio.sleep(0)
        scene.clock.server.advance(10)
        await asyncio.wait_for(rang.wait(), 20)
        await scene.outbox.close()

    asyncio.run(run())


def test_a_key_waits_once() -> None:
    async def run() -> list[str]:
        scene = Scene()
        scene.outbox.add(scene.one, 1010, scene.work("first"), "key")
        scene.outbox.add(scene.one, 1005, scene.work("again"), "key")
        scene.outbox.add(scene.two, 1010, scene.work("other account"), "key")
        scene.clock.server.advance(10)
        await scene.outbox.settle()
        scene.outbox.add(scene.one, 1010, scene.work("later"), "key")
        await scene.outbox.settle()
        await scene.outbox.close()
        return scene.done

    assert asyncio.run(run()) == ["first", "other account", "later"]


def test_one_accounts_crowd_or_mistake_stops_no_other(capsys: Any) -> None:
    async def run() -> list[str]:
        scene, release = Scene(), asyncio.Event()

        async def hang() -> None:
            await release.wait()

        async def fail() -> None:
            raise ZeroDivisionError

        for _ in range(3 * AT_ONCE):
            scene.outbox.add(scene.one, 1000, hang)
        scene.outbox.add(scene.two, 1000, fail)
        scene.outbox.add(scene.two, 1000, scene.work("x"))
        await scene.outbox.settle(scene.two.id)
        assert scene.outbox.waiting(scene.one.id) == 3 * AT_ONCE
        release.set()
        await scene.outbox.settle()
        await scene.outbox.close()
        return scene.done

    assert asyncio.run(run()) == ["x"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_closing_and_resetting_leave_nothing() -> None:
    async def run() -> None:
        scene = Scene()
        for account in (scene.one, scene.two):
            scene.outbox.add(account, 1000, asyncio.Event().wait)  # type: ignore[arg-type]
            scene.outbox.add(account, 2000, scene.work("never"))
        await asyncio.sleep(0)

        scene.outbox.reset(scene.one.id)
        assert [scene.outbox.waiting(a.id) for a in (scene.one, scene.two)] == [0, 2]
        await scene.outbox.close()

        assert asyncio.all_tasks() == {asyncio.current_task()}
        scene.clock.server.advance(5000)
        assert scene.done == []

    asyncio.run(run())
