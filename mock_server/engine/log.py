"""The log on stderr: a line for each exchange as the journal takes it in, and hints. Written a few times a second, never waited for."""

import asyncio
import json
import os
import select
import sys
from collections.abc import Callable
from io import TextIOBase
from typing import TextIO

from mock_server.base.clock import iso
from mock_server.base.settings import LogFormat
from mock_server.engine.exchange import Exchange
from mock_server.engine.journal import brief
from mock_server.engine.masks import blank_names

GATHERED = 0.05  # seconds in which what comes is written together
AGAIN = 0.25  # seconds after which it is tried again where nobody reads
PIECE = 4096  # bytes that a pipe which can be written to takes without waiting
MOST_UNWRITTEN = 1024 * 1024  # bytes that wait to be read; more are dropped
LONGEST_PATH = 1000  # characters
GREEN, YELLOW, RED, CYAN, DIM = 32, 33, 31, 36, 2


class Log:
    """One server's. It looks on as others do, so that an exchange costs nothing more while it is off.

    `auto` is off: the command line makes it `text`.
    """

    def __init__(self, format: LogFormat, out: TextIO | None = None) -> None:
        out = out or sys.stderr
        self._as_json = format == "json"
        self._out = Output(out) if format in ("text", "json") else None
        self.on = self._out is not None and not self._out.is_nowhere
        self._colours = self.on and not self._as_json and coloured(out)
        self._waiting: list[Exchange | Callable[[], str]] = []
        self._unwritten = bytearray()
        self._dropped = 0
        self._second, self._written = -1, ""  # the last second that was written, and how
        self._timer: asyncio.TimerHandle | None = None

    def see(self, exchange: Exchange) -> None:
        self._waiting.append(exchange)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHERED, self.flush)

    def hint(self, method: str, path: str, says: str) -> None:
        """Say what seems to be wrong with a client, while its exchange still goes on. The path is one without the key."""
        self._waiting.append(lambda: self._hint(method, path, says))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHERED, self.flush)

    def empty(self) -> None:
        """What was said stays said."""

    def end(self) -> None:
        """The server stops; exchanges that it ends are still to come."""
        self._write()

    def close(self) -> None:
        """Write the last of it."""
        self._write()
        if self._timer is not None:
            self._timer.cancel()

    def flush(self) -> None:
        """Write what waits, as far as it is read: where nobody reads, it is tried again."""
        self._timer = None
        self._write()
        if self._unwritten:
            self._timer = asyncio.get_running_loop().call_later(AGAIN, self.flush)

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if len(self._unwritten) < MOST_UNWRITTEN:
                self._add(self._line(one) if isinstance(one, Exchange) else one())
            else:
                self._dropped += 1
        if self._out is not None and self._unwritten:
            del self._unwritten[: self._out.write(self._unwritten)]
        if self._dropped and not self._unwritten:
            told, self._dropped = f"{self._dropped} lines are missing here: nobody read them in time.", 0
            self._add(json.dumps({"message": told}) if self._as_json else told)

    def _add(self, line: str) -> None:
        self._unwritten += f"{line}\n".encode("utf-8", "backslashreplace")

    def _line(self, exchange: Exchange) -> str:
        return json.dumps(brief(exchange)) if self._as_json else self._readable(exchange)

    def _readable(self, exchange: Exchange) -> str:
        """`12:00:00.123 200 POST   /v2/ai/chat/completions 1.2 ms  reply=default`. It is every request's, so it is short."""
        second, thousandths = divmod(int(exchange.at * 1000), 1000)
        if second != self._second:
            self._second, self._written = second, iso(second)[11:19]
        status, tenths = exchange.status or "---", int(exchange.duration * 10_000)
        path = exchange.path if not exchange.query and len(exchange.path) < LONGEST_PATH else _target(exchange)
        method = exchange.method if exchange.kind == "http" else "WS"
        told = "%-6s %s %d.%d ms" % (method, path, tenths // 10, tenths % 10)  # noqa: UP031
        if exchange.reply:
            told += "  reply=" + exchange.reply
        if exchange.fault or exchange.frames or exchange.ended != "complete":
            told += _ending(exchange)
        told = escaped(told)
        if not self._colours:
            return "%s.%03d %s %s" % (self._written, thousandths, status, told)  # noqa: UP031
        colour = GREEN if 100 <= exchange.status < 400 else YELLOW if 400 <= exchange.status < 500 else RED
        when = f"\033[{DIM}m{self._written}.{thousandths:03d}\033[0m"
        return f"{when} \033[{colour}m{status}\033[0m {told}"

    def _hint(self, method: str, path: str, says: str) -> str:
        if self._as_json:
            return json.dumps({"hint": says, "method": method, "path": path[:LONGEST_PATH]})
        told = escaped(f"{method} {path[:LONGEST_PATH]}: {says}")
        return f"\033[{CYAN}mhint\033[0m  {told}" if self._colours else f"hint  {told}"


def _target(exchange: Exchange) -> str:
    path = exchange.path
    if exchange.query:
        path = f"{path}?{blank_names(exchange.query).decode('latin-1')}"
    return path if len(path) <= LONGEST_PATH else f"{path[:LONGEST_PATH]}..."


def _ending(exchange: Exchange) -> str:
    """What was special: a socket's frames and end, a fault, a client that left."""
    told = ""
    if frames := exchange.frames:
        told = f"  {frames.received.count} frames in, {frames.sent.count} out"
        if frames.by:
            told += f"  closed by the {frames.by}: {frames.code} {frames.reason}".rstrip()
    if exchange.fault:
        told += f"  fault={exchange.fault}"
    return told if exchange.ended == "complete" else f"{told}  {exchange.ended}"


def escaped(text: str) -> str:
    """Text in one line, without what would move a terminal's cursor: clients choose paths and names of rules."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def coloured(out: TextIO) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Output:
    """Where lines go. A pipe that nobody reads would hold the server up, so it is asked first whether it takes more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._ask: select.poll | None = None
        try:
            self._file = stream.fileno()
        except (OSError, ValueError, AttributeError):  # not of the system: a test's
            self._file = -1
        self.is_nowhere = self._file >= 0 and _is_null(self._file)
        if self._file >= 0 and hasattr(select, "poll"):
            self._ask = select.poll()
            self._ask.register(self._file, select.POLLOUT)

    def write(self, data: bytes | bytearray) -> int:
        """How many bytes were taken. What cannot be written any more is."""
        if self._file < 0:
            try:
                self._stream.write(data.decode("utf-8", "replace"))
            except (OSError, ValueError):
                pass
            return len(data)
        written = 0
        try:
            while written < len(data) and (self._ask is None or self._ask.poll(0)):
                written += os.write(self._file, data[written : written + PIECE])
        except BlockingIOError:
            return written
        except OSError:  # whoever read has gone
            return len(data)
        return written


def _is_null(file: int) -> bool:
    """Whether a file is /dev/null, for which nothing need be written."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(os.devnull))  # noqa: PTH116
    except OSError:
        return False


class JsonLines(TextIOBase):
    """A stderr whose lines become JSON as well: what else is said there, such as the trace of a crash."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line:
                self._out.write(json.dumps({"message": line}) + "\n")
        return len(text)

    def flush(self) -> None:
        self._out.flush()

    def fileno(self) -> int:
        return self._out.fileno()

    def isatty(self) -> bool:
        return False
