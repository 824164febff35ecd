"""Work beside the loop: accounts take turns, what takes too long is ended, and one account's slowness is its own."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import Client
from test_embeddings import embed, put, search, task

from mock_server.base.errors import ServiceUnavailable
from mock_server.engine import turns
from mock_server.engine.loaders import Unreadable
from mock_server.engine.turns import Shares, Turns
from mock_server.engine.worker import Worker


def ordered(places: int, *accounts: str) -> list[str]:
    """Whose turn came when, where each asks once, in this order, and gives its place back a moment later."""
    came: list[str] = []

    async def go(line: Turns, account: str) -> None:
        await line.take(account)
        came.append(account)
        await asyncio.sleep(0)
        line.give(account)

    async def run() -> None:
        line = Turns(places)
        await asyncio.gather(*(go(line, account) for account in accounts))

    asyncio.run(run())
    return came


def test_an_account_that_asks_often_lets_others_go_between() -> None:
    assert ordered(1, "a", "a", "a", "a", "b", "c", "b") == ["a", "a", "b", "c", "a", "b", "a"]


def test_an_account_has_one_place_however_many_there_are() -> None:
    assert ordered(2, "a", "a", "a", "b") == ["a", "b", "a", "a"]


def test_who_leaves_the_line_is_passed_over_and_who_leaves_at_its_turn_gives_it_back() -> None:
    async def run() -> None:
        line = Turns(1)
        await line.take("a")
        left, next_, last = (asyncio.ensure_future(line.take(account)) for account in ("b", "b", "c"))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.sleep(0)
        line.give("a")
        next_.cancel()  # its turn has just come
        await asyncio.wait_for(last, 5)

    asyncio.run(run())


def test_shares_are_so_many_a_turn_of_the_loop_and_who_leaves_takes_none() -> None:
    async def run() -> list[int]:
        shares, done = Shares(2), []

        async def take(name: int) -> None:
            await shares.take()
            done.append(name)

        tasks = [asyncio.ensure_future(take(n)) for n in range(7)]
        counts = []
        await asyncio.sleep(0)
        tasks[2].cancel()
        while len(done) < 6:
            counts.append(len(done))
            await asyncio.sleep(0)
        assert done == [0, 1, 3, 4, 5, 6]
        return counts

    counts = asyncio.run(run())
    assert max(b - a for a, b in zip([0, *counts], [*counts, 6], strict=True)) == 2


def test_a_line_has_an_end_and_each_account_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_WAITING", 2)

    async def run() -> None:
        line = Turns(1)
        await line.take("a")
        waiting = [asyncio.ensure_future(line.take("a")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await line.take("a")
        other = asyncio.ensure_future(line.take("b"))
        await asyncio.sleep(0)
        assert not other.done()
        for waits in (*waiting, other):
            waits.cancel()

    asyncio.run(run())


def with_worker(use: Callable[[Worker], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        worker = Worker()
        try:
            return await use(worker)
        finally:
            worker.close()

    return asyncio.run(run())


def test_a_program_that_dies_is_told_and_begun_anew() -> None:
    async def use(worker: Worker) -> list[str]:
        with pytest.raises(Unreadable, match="has ended"):
            await worker.call(signal.raise_signal, signal.SIGKILL)
        return await worker.text("a.txt", b"long " * 5000)

    assert with_worker(use) == [("long " * 5000).strip()]


def test_who_leaves_ends_its_program_and_the_next_has_a_new_one() -> None:
    async def use(worker: Worker) -> list[str]:
        asked = [asyncio.ensure_future(worker.call(time.sleep, 30, of=account)) for account in ("a", "b")]
        await asyncio.sleep(0)
        for one in asked:
            one.cancel()
        return await asyncio.wait_for(worker.text("a.txt", b"long " * 5000, of="a"), 20)

    assert len(with_worker(use)) == 1


def test_a_document_of_one_account_does_not_hold_up_those_of_another(start: Any) -> None:
    slow: Client = start()
    other = slow.as_key("another-key-of-its-own")
    put(slow, "mine", **{f"{n}__txt": f"Line about bees, owls and trains number {n}. " * 60_000 for n in range(8)})
    put(other, "mine", notes__txt="Otters eat clams. " * 1000)

    behind = embed(slow, "mine")
    found = task(other, embed(other, "mine"))

    assert found["status"] == "success"
    assert search(other, "mine", "what do otters eat")
    assert task(slow, behind)["status"] == "processing"
