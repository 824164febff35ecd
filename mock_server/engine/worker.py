"""What would hold up the loop: work of more than a few milliseconds, one piece at a time, beside it.

Documents are read by a program of their own (loaders.py), which is ended when it takes too long: a thread would starve
the loop of the interpreter, and could not be ended.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from mock_server.engine.loaders import Mode, Unreadable, load_text

Result = TypeVar("Result")
LONGEST = 60.0  # seconds of the machine's time for one document
SMALL = 64 * 1024  # bytes of a document that is read at once, unless it is a PDF


class Worker:
    """One thread for what takes longer, and one program for documents; both begun when first needed."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "worker")
        self._loader: subprocess.Popen[bytes] | None = None
        self._turn: asyncio.Lock | None = None

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """`work(*arguments)` in the thread, after what was asked for before. It must not touch the store."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def text(self, name: str, data: bytes, mode: Mode = "text") -> list[str]:
        """The text of a document, as `loaders.load_text` gives it. Raises Unreadable, also for one that takes too long."""
        if len(data) <= SMALL and not (name.lower().endswith(".pdf") or data.startswith(b"%PDF-")):
            return load_text(name, data, mode)
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            work = asyncio.ensure_future(self.run(self._load, name, data, mode))
            try:
                done, _ = await asyncio.wait({work}, timeout=LONGEST)
            finally:
                if not work.done():
                    self._end_loader()  # whereupon the thread finds its pipe closed
            if not done:
                await asyncio.wait({work})
                work.exception()
                raise Unreadable(f"The document takes longer than {LONGEST:g} seconds to read.")
            return work.result()

    def _load(self, name: str, data: bytes, mode: Mode) -> list[str]:
        try:
            loader = self._begun()
        except OSError as error:
            raise Unreadable(f"The document cannot be read: {error.strerror}.") from None
        try:
            assert loader.stdin is not None and loader.stdout is not None
            loader.stdin.write(json.dumps({"name": name, "mode": mode, "size": len(data)}).encode() + b"\n")
            loader.stdin.write(data)
            loader.stdin.flush()
            answer = json.loads(loader.stdout.readline())
            parts = [loader.stdout.read(size) for size in answer.get("sizes", ())]
            if [len(part) for part in parts] != answer.get("sizes", []):
                raise EOFError
        except (OSError, ValueError, EOFError):
            loader.kill()
            loader.wait()
            raise Unreadable("The document is too large, or what reads it has ended.") from None
        if "error" in answer:
            raise Unreadable(answer["error"])
        return [part.decode() for part in parts]

    def _begun(self) -> "subprocess.Popen[bytes]":
        if self._loader is None or self._loader.poll() is not None:
            program = Path(__file__).with_name("loaders.py")
            # -P: the program's own folder is not where it imports from.
            self._loader = subprocess.Popen(
                [sys.executable, "-P", str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._loader

    def _end_loader(self) -> None:
        loader = self._loader
        if loader is not None:
            loader.kill()

    def close(self) -> None:
        self._end_loader()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._loader is not None:
            for pipe in (self._loader.stdin, self._loader.stdout):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:
                    pass  # it ended with bytes still on their way
            self._loader.wait()
