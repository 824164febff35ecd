"""What would hold up the loop: work of more than a few milliseconds, beside it.

In a thread what leaves the interpreter to others while it works (audio, hashing, files). In a program of ours what does
not: documents, sentences, vectors. A program can also be ended, which what takes too long is. There are PLACES of each,
and accounts take turns at them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from mock_server.engine.loaders import Mode, Unreadable, is_quick, load_text
from mock_server.engine.program import Program
from mock_server.engine.turns import Turns

Result = TypeVar("Result")
LONGEST = 60.0
PLACES = 2


class Worker:
    """Threads and programs for what takes longer; each begun when first needed.

    `longest`: seconds of the machine's time that one piece of work in a program may take.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self.longest = longest
        self._threads = ThreadPoolExecutor(PLACES, "worker")
        self._in_threads, self._in_programs = Turns(PLACES), Turns(PLACES)
        self._programs = [Program() for _ in range(PLACES)]
        self._idle = list(self._programs)

    async def run(self, work: Callable[..., Result], *arguments: Any, of: str = "") -> Result:
        """`work(*arguments)` in a thread, in the turn of the account `of`. It must not touch the store.

        Raises ServiceUnavailable.
        """
        await self._in_threads.take(of)
        loop = asyncio.get_running_loop()

        def done(_: "Future[Result]") -> None:
            try:
                loop.call_soon_threadsafe(self._in_threads.give, of)
            except RuntimeError:
                pass  # the loop has ended meanwhile

        future = self._threads.submit(work, *arguments)
        future.add_done_callback(done)  # not before: who asked may have left
        return await asyncio.wrap_future(future)

    async def call(self, function: Callable[..., Result], *arguments: Any, of: str = "") -> Result:
        """`function(*arguments)` in a program: a function of a module of ours that is quick to import.

        Raises Unreadable, also for what takes too long or too much memory, and ServiceUnavailable.
        """
        await self._in_programs.take(of)
        program = self._idle.pop(0)
        work = program.ask(function, arguments)

        def done(_: "asyncio.Future[Result]") -> None:
            if not work.cancelled():
                work.exception()  # who asked may have left, so that nobody else looks at it
            self._idle.insert(0, program)
            self._in_programs.give(of)

        work.add_done_callback(done)
        try:
            finished, _ = await asyncio.wait({work}, timeout=self.longest)
        finally:
            if not work.done():
                program.end()  # whereupon the thread finds its pipe closed
        if not finished:
            await asyncio.wait({work})
            raise Unreadable(f"The document takes longer than {self.longest:g} seconds to read.")
        result: Result = work.result()
        return result

    async def text(self, name: str, data: bytes, mode: Mode = "text", of: str = "") -> list[str]:
        """The text of a document, as `loaders.load_text` gives it. Raises Unreadable and ServiceUnavailable."""
        if is_quick(name, data):
            return load_text(name, data, mode)
        return await self.call(load_text, name, data, mode, of=of)

    def close(self) -> None:
        for program in self._programs:
            program.end()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for program in self._programs:
            program.close()
