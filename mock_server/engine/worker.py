"""The one bounded worker: work that would hold up the loop for more than a few milliseconds runs here, a piece at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mock_server.base.errors import ServiceUnavailable

Result = TypeVar("Result")
MOST_WAITING = 1000


class Worker:
    """One thread, made on first use. `run` refuses what would wait behind MOST_WAITING others."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, from the worker's thread; it must not touch the store. Raises ServiceUnavailable when overrun."""
        if self._waiting >= MOST_WAITING:
            raise ServiceUnavailable
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="worker")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Drop what waits; what runs comes to its end unheard."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
