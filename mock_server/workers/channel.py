"""The ways between workers: a connection goes to another one, with the bytes that were read from it."""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

HEAD = struct.Struct("!cI")  # kind of the connection, and how many bytes of it come along
Kind = Literal[b"c", b"s"]
CLIENT: Kind = b"c"
SIBLING: Kind = b"s"  # the first worker's own, for an admin call
READ = 256 * 1024
FDS = 64  # at most, in one read
Adopt = Callable[[Kind, int, bytes], None]
Ends = dict[int, dict[int, socket.socket]]  # by worker, then by the worker at the other end


def mesh(workers: int) -> Ends:
    """A pair of connected sockets for every two workers."""
    ends: Ends = {number: {} for number in range(workers)}
    for one in range(workers):
        for other in range(one):
            ends[one][other], ends[other][one] = socket.socketpair()
    return ends


class Channel:
    """One worker's ways to the others. A connection takes its bytes and its descriptor along, and leaves nothing behind."""

    def __init__(self, ends: Mapping[int, socket.socket]) -> None:
        self._ends = ends
        self._unsent: dict[int, deque[tuple[int | None, bytes]]] = {number: deque() for number in ends}

    def open(self, adopt: Adopt) -> None:
        """From now on what comes is given to `adopt`, on the running loop."""
        self._loop = asyncio.get_running_loop()
        for end in self._ends.values():
            end.setblocking(False)
            self._loop.add_reader(end, _Incoming(end, self._loop, adopt).read)

    def send(self, to: int, kind: Kind, fd: int, data: bytes) -> None:
        """Give a connection to another worker; `fd` is closed here once it has gone."""
        self._unsent[to].append((fd, HEAD.pack(kind, len(data)) + data))
        if len(self._unsent[to]) == 1:
            self._flush(to)

    def _flush(self, to: int) -> None:
        end, unsent = self._ends[to], self._unsent[to]
        while unsent:
            fd, data = unsent[0]
            try:
                sent = end.send(data) if fd is None else socket.send_fds(end, [data], [fd])
            except BlockingIOError:
                self._loop.add_writer(end, self._flush, to)
                return
            except OSError:
                sent = len(data)  # that worker has gone, and with it the server will
            if fd is not None:
                os.close(fd)
            if sent < len(data):
                unsent[0] = (None, data[sent:])
            else:
                unsent.popleft()
        self._loop.remove_writer(end)


class _Incoming:
    """What comes from one worker: descriptors and bytes, in the same order."""

    def __init__(self, end: socket.socket, loop: asyncio.AbstractEventLoop, adopt: Adopt) -> None:
        self._end, self._loop, self._adopt = end, loop, adopt
        self._fds: deque[int] = deque()
        self._data = bytearray()

    def read(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._end, READ, FDS)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        self._fds.extend(fds)
        self._data += data
        if not data:
            self._loop.remove_reader(self._end)
        while len(self._data) >= HEAD.size:
            kind, size = HEAD.unpack_from(self._data)
            if len(self._data) < HEAD.size + size:
                break
            whole = bytes(self._data[HEAD.size : HEAD.size + size])
            del self._data[: HEAD.size + size]
            self._adopt(kind, self._fds.popleft(), whole)
