"""Closed-loop WebSocket load (RFC 6455): a sentence in, frames until the final one out, again and again. And the client."""

import asyncio
import sys
import time
from collections.abc import Callable

from load import Load, Tally, run_clients
from servers import Server
from wire import HEADERS, SPEECH_HELLO, SPEECH_TURN, Request

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "YmVuY2htYXJrIHNvY2tldA==",
    "Sec-WebSocket-Version": "13",
}
MASK = b"mask"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def socket_load(server: Server, request: Request, connections: int, seconds: int) -> Load:
    """Frames/s; p50 of a turn, from the sentence to the final frame."""
    return load_of(take_turns(Speaker, server, request, connections, seconds))


def load_of(tally: Tally) -> Load:
    return Load(tally.chunks / tally.seconds, tally.p50_ms(tally.whole), tally.chunks, tally.failed)


def take_turns(
    client: Callable[..., "Turns"],
    server: Server,
    request: Request,
    connections: int,
    seconds: int,
    most: int = sys.maxsize,
) -> Tally:
    """Clients that take one turn after another, for some seconds or until as many are taken."""
    raw = handshake(server, request)

    async def one(tally: Tally, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while tally.goes_on(deadline):
            _, connection = await loop.create_connection(
                lambda: client(raw, deadline, tally, loop.create_future()), server.host, server.port
            )
            await connection.done
            # A server may close after an answer: that is a new connection. Closing without one is a failure.
            if not connection.turns:
                return

    return run_clients(server, Tally(most), one, connections, seconds)


def handshake(server: Server, request: Request) -> bytes:
    headers = {"Host": f"{server.host}:{server.port}", "Authorization": HEADERS["Authorization"], **HANDSHAKE}
    lines = [f"GET {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame of less than 64 KiB."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
    return bytes([0x80 | opcode]) + length + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


HELLO, TURN = masked(TEXT, SPEECH_HELLO.encode()), masked(TEXT, SPEECH_TURN.encode())


class Client(asyncio.Protocol):
    """A socket: its handshake, and the frames that come."""

    def __init__(self, handshake: bytes) -> None:
        self.handshake = handshake
        self.buffer = bytearray()
        self.open = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        transport.write(self.handshake)

    def opened(self) -> None:
        """The handshake is done."""

    def told(self, start: int, end: int) -> None:
        """A frame of data has come: that part of the buffer."""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.open:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self.buffer.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            del self.buffer[: head + 4]
            self.open = True
            self.opened()
        self.read_frames()

    def read_frames(self) -> None:
        """Walk over the whole frames in the buffer without copying them."""
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 2:
            start, size = at + 2, buffer[at + 1] & 0x7F
            if size > 125:
                start += 2 if size == 126 else 8
                size = int.from_bytes(buffer[at + 2 : start])
            if len(buffer) < start + size:
                break
            self.frame(buffer[at] & 0x0F, start, start + size)
            at = start + size
        del buffer[:at]

    def frame(self, opcode: int, start: int, end: int) -> None:
        if opcode == PING:
            self.transport.write(masked(PONG, bytes(self.buffer[start:end])))
        elif opcode == CLOSE:
            self.transport.close()
        elif opcode <= BINARY:
            self.told(start, end)


class Turns(Client):
    """Takes one turn after another; `chunks` of the tally are frames, `answers` are turns."""

    def __init__(self, handshake: bytes, deadline: float, tally: Tally, done: asyncio.Future[None]) -> None:
        super().__init__(handshake)
        self.deadline, self.tally, self.done = deadline, tally, done
        self.turns = 0

    def turn(self) -> bytes:
        """What is sent in a turn."""
        raise NotImplementedError

    def opened(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.turn())

    def finish(self) -> None:
        now = time.perf_counter()
        self.turns += 1
        self.tally.answers += 1
        self.tally.whole.append(now - self.began)
        if self.tally.goes_on(self.deadline):
            self.begin()
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.write(masked(CLOSE, b""))
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.tally.failed += not self.turns
            self.done.set_result(None)


class Speaker(Turns):
    """Has one sentence after another spoken on one socket; counts the frames that come."""

    def opened(self) -> None:
        self.transport.write(HELLO)
        super().opened()

    def turn(self) -> bytes:
        return TURN

    def told(self, start: int, end: int) -> None:
        self.tally.chunks += 1
        flag = self.buffer.find(b'"isFinal":', start, end)
        if flag >= 0 and self.buffer[flag + 10 : flag + 15].lstrip().startswith(b"true"):
            self.finish()
