"""What must happen by itself: one task that starts each piece of work when the account's clock says so.

Nothing else in the server runs without a request. The task is made on first use, and ends with a reset or the server.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush

from mock_server.base.clock import SAME, Clock
from mock_server.engine.accounts import Account

Work = Callable[[], Awaitable[None]]
AT_ONCE = 16  # pieces of one account's work that run side by side; more wait, and hold up no other account
LONGEST = 86400.0  # seconds of sleep at a time


@dataclass(slots=True)
class _Queue:
    """One account's work that is not due yet: (due, order, key, work), the next first."""

    account: Account
    waiting: list[tuple[float, int, str, Work]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    def due(self) -> bool:
        return bool(self.waiting) and self.waiting[0][0] <= self.account.timeline.now() + SAME


class Outbox:
    """The work of every account that waits for its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._order = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, account: Account, due: float, work: Work, key: str = "") -> None:
        """Do `work` when the account's clock reaches `due`. With a key: unless work of that key waits already."""
        queue = self._queues.get(account.id)
        if queue is None:
            queue = self._queues[account.id] = _Queue(account)
            account.timeline.watch(self._changed)
        if key:
            if key in queue.keys:
                return
            queue.keys.add(key)
        self._order += 1
        heappush(queue.waiting, (due, self._order, key, work))
        self._changed.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="outbox")

    def waiting(self, account: str | None = None) -> int:
        """How many pieces of work wait for their time, or run."""
        return sum(len(queue.waiting) + len(queue.running) for queue in self._of(account))

    async def settle(self, account: str | None = None) -> None:
        """Returns once nothing is due or running, for the account or anyone."""
        while True:
            self._start_due()
            running = [task for queue in self._of(account) for task in queue.running]
            if not running:
                return
            await asyncio.wait(running)

    def reset(self, account: str | None = None) -> None:
        """Drop the work of an account, or all of it and the task."""
        for queue in list(self._of(account)):
            for task in queue.running:
                task.cancel()
            self._drop(queue)
        if account is None and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Drop everything, and wait until it has ended."""
        ending = [task for queue in self._queues.values() for task in queue.running]
        ending += [self._task] if self._task is not None else []
        self.reset()
        await asyncio.gather(*ending, return_exceptions=True)

    def _of(self, account: str | None) -> Iterable[_Queue]:
        if account is None:
            return self._queues.values()
        return [self._queues[account]] if account in self._queues else []

    def _drop(self, queue: _Queue) -> None:
        del self._queues[queue.account.id]
        queue.account.timeline.unwatch(self._changed)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await self._clock.wait(self._changed, self._start_due())

    def _start_due(self) -> float | None:
        """Start what is due; the machine's seconds until more will be, None when only a change can bring that."""
        soonest: float | None = None
        for queue in list(self._queues.values()):
            while queue.due() and len(queue.running) < AT_ONCE:
                _, _, key, work = heappop(queue.waiting)
                queue.keys.discard(key)
                task = asyncio.ensure_future(_safely(work))
                queue.running.add(task)
                task.add_done_callback(partial(self._done, queue))
            if not queue.waiting and not queue.running:
                self._drop(queue)
            elif queue.waiting and len(queue.running) < AT_ONCE:
                timeline = queue.account.timeline
                if timeline.rate > 0:
                    left = min((queue.waiting[0][0] - timeline.now()) / timeline.rate, LONGEST)
                    soonest = left if soonest is None else min(soonest, left)
        return soonest

    def _done(self, queue: _Queue, task: asyncio.Task[None]) -> None:
        queue.running.discard(task)
        self._changed.set()


async def _safely(work: Work) -> None:
    try:
        await work()
    except Exception:
        traceback.print_exc()  # our own mistake: told, and no reason to stop the rest
