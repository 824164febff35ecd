"""Transports that write less often than they are told to: system calls cost more than short answers and frames."""

import asyncio
from typing import Any

TOGETHER = 32  # answers that wait for the end of the turn at most
GATHERED = 64 * 1024  # bytes that are not held back any longer


class OneWrite:
    """A transport that holds an answer's head back until its body comes, or until a paced stream asks to flush it.

    uvicorn writes the two apart, a system call each: a third of the time of a short answer.
    """

    __slots__ = ("_closed", "_held", "_transport", "is_closing", "whole")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = self.whole = transport
        self.is_closing = transport.is_closing
        self._held = b""
        self._closed = False

    def write(self, data: bytes) -> None:
        if self._held:
            head, self._held = self._held, b""
            self._transport.writelines((head, data))
        elif self._closed:
            return  # an answer of uvicorn's own to a connection that was hung up
        elif data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":  # 100 Continue is waited for
            self._held = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        if self._held:
            head, self._held = self._held, b""
            if not self.is_closing():
                self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._closed = True
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return len(self._held) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Outgoing:
    """Whole answers of one turn of the loop, sent one after the other at its end.

    Sent as they are made, each would wake a client that sleeps, which takes as long as making one; so the first wakes it for all.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[OneWrite] = []

    def add(self, transport: OneWrite) -> None:
        waiting = self._waiting
        if not waiting:
            self._loop.call_soon(self.send)
        waiting.append(transport)
        if len(waiting) == TOGETHER:
            self.send()

    def send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport in waiting:
            transport.flush()


class Gathering:
    """A transport that writes what comes in one turn of the loop in one go: a system call a frame costs more than the frame."""

    __slots__ = ("_loop", "_size", "_transport", "_waiting", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self.is_closing = transport.is_closing
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > GATHERED:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            data, self._waiting, self._size = b"".join(self._waiting), [], 0
            if not self._transport.is_closing():  # uvloop raises where asyncio drops what nobody reads any more
                self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self.flush()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
