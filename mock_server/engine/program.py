"""A program of ours beside the server, which does one thing after another that would hold the interpreter, and can be ended.

What goes to and fro is a line of sizes and a pickle with the bytes it speaks of behind it, by the program's own pipes.
"""

import asyncio
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from mock_server.engine.loaders import Unreadable

MEMORY = 2 * 1024**3  # bytes that the program may take
ROOT = str(Path(__file__).parents[2])
# -P and a path of our own: the folder it is started in is not where it imports from.
COMMAND = (
    "-P",
    "-c",
    f"import sys; sys.path.insert(0, {ROOT!r}); from mock_server.engine.program import serve; serve()",
)


class Program:
    """One such program, begun when first asked, and anew after it was ended."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "program")  # which waits for it, and for nothing else
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False  # the answer that is waited for

    def ask(self, function: Callable[..., Any], arguments: Sequence[Any]) -> "asyncio.Future[Any]":
        """What `function(*arguments)` gives there; fails with Unreadable, also when the program has ended.

        One at a time: the next when the future is done.
        """
        self._unwanted = False
        return asyncio.get_running_loop().run_in_executor(self._thread, self._ask, function, arguments)

    def _ask(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        try:
            process = self._begun()
        except OSError as error:
            raise Unreadable(f"The document cannot be read: {error.strerror}.") from None
        assert process.stdin is not None and process.stdout is not None
        try:
            if self._unwanted:  # since before there was a process to end
                raise EOFError
            large = [pickle.PickleBuffer(value) if isinstance(value, bytes) else value for value in arguments]
            _write(process.stdin, (function, large))
            reason, result = _read(process.stdout)
        except (OSError, ValueError, EOFError, pickle.PickleError):
            process.kill()
            process.wait()
            raise Unreadable("The document is too large, or what reads it has ended.") from None
        if reason:
            raise Unreadable(reason)
        return result

    def _begun(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def end(self) -> None:
        """End it, whatever it does: who waits for an answer is told so."""
        self._unwanted = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.end()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:
                    pass  # it ended with bytes still on their way
            self._process.wait()


def serve() -> None:
    """Be the program: answer (why not, result) to each (function, arguments) until the pipe is closed."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, OSError, ValueError):
        pass  # Windows and macOS have no such limit
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints is no answer
    while True:
        try:
            function, arguments = _read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "", function(*arguments)
        except Unreadable as error:
            answer = str(error), None
        except (MemoryError, RecursionError):
            answer = "The document is too large when unpacked.", None
        del arguments
        _write(answers, answer)
        del answer


def _write(pipe: IO[bytes], value: Any) -> None:
    buffers: list[pickle.PickleBuffer] = []
    whole = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(whole), *(buffer.raw() for buffer in buffers)]
    pipe.write(json.dumps([len(part) for part in parts]).encode() + b"\n")
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _read(pipe: IO[bytes]) -> Any:
    """Raises EOFError."""
    sizes = json.loads(pipe.readline() or b"[]")
    parts = [pipe.read(size) for size in sizes]
    if not sizes or [len(part) for part in parts] != sizes:
        raise EOFError
    return pickle.loads(parts[0], buffers=parts[1:])  # from a program of ours
