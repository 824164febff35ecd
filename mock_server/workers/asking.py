"""The first worker asks the others: HTTP over a socket of their own, whose other end goes the way of all connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools
from starlette.types import Message, Scope, Send

from mock_server.base.errors import ServiceUnavailable
from mock_server.base.place import Place
from mock_server.workers.channel import SIBLING, Channel

Headers = list[tuple[bytes, bytes]]
READ = 256 * 1024
CLOCK = b"x-mock-server-clock"  # between workers: how the server's time runs after a change
NOT_PASSED_ON = frozenset({b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade", CLOCK})
ONCE = (b"event: end\n", b":")  # begins of events that the first worker's own stream has


@dataclass(slots=True)
class Answer:
    """One whole answer."""

    status: int = 500
    headers: Headers = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def of(cls, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> "Answer":
        kept = [(name, value) for name, value in headers if name != b"content-length"]
        kept = kept or [(b"content-type", b"application/json")]
        return cls(status, [*kept, (b"content-length", str(len(body)).encode())], body)

    async def take(self, message: Message) -> None:
        """As the `send` of an application that answers."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", []))
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class _Response:
    """What httptools tells of a response as it comes."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        self.complete = False
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class Stream:
    """Server-sent events of another worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._response = _Response()

    async def begin(self) -> None:
        """Returns once it is open: from then on it misses nothing."""
        await self._next()

    async def events(self) -> AsyncIterator[bytes]:
        """Each event whole, without those that every stream has."""
        while event := await self._next():
            if not event.startswith(ONCE):
                yield event

    async def _next(self) -> bytes:
        """The next event, empty at the end."""
        body = self._response.body
        while (end := body.find(b"\n\n")) < 0:
            data = await self._reader.read(READ)
            if not data:
                return b""
            self._response.parser.feed_data(data)
        event = bytes(body[: end + 2])
        del body[: end + 2]
        return event

    def close(self) -> None:
        self._writer.close()


class Siblings:
    """The other workers, by number."""

    def __init__(self, place: Place, channel: Channel) -> None:
        self.place, self._channel = place, channel

    async def ask_all(self, scope: Scope, body: bytes, *more: tuple[bytes, bytes]) -> list[Answer]:
        """The same request to every other worker. Raises ServiceUnavailable."""
        asked = _written(scope["method"], _target(scope), [*_passed_on(scope), *more], body)
        return await asyncio.gather(*(self._ask(number, asked) for number in range(1, self.place.of)))

    async def fetch_all(self, path: str) -> list[bytes]:
        """What every other worker has there. Raises ServiceUnavailable."""
        asked = _written("GET", path.encode(), [], b"")
        return [a.body for a in await asyncio.gather(*(self._ask(n, asked) for n in range(1, self.place.of)))]

    async def streams(self, scope: Scope) -> list[Stream]:
        """The same stream of every other worker, open."""
        asked = _written(scope["method"], _target(scope), _passed_on(scope), b"")
        found = [Stream(*await self._connected(number, asked)) for number in range(1, self.place.of)]
        for stream in found:
            await stream.begin()
        return found

    async def _ask(self, number: int, asked: bytes) -> Answer:
        reader, writer = await self._connected(number, asked)
        response = _Response()
        try:
            while not response.complete and (data := await reader.read(READ)):
                response.parser.feed_data(data)
        except (OSError, httptools.HttpParserError):
            response.complete = False
        finally:
            writer.close()
        if not response.complete:
            raise ServiceUnavailable("A worker did not answer.")
        return Answer(response.parser.get_status_code(), response.headers, bytes(response.body))

    async def _connected(self, number: int, asked: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        self._channel.send(number, SIBLING, theirs.detach(), b"")
        reader, writer = await asyncio.open_connection(sock=mine)
        writer.write(asked)
        return reader, writer


def _passed_on(scope: Scope) -> Headers:
    return [(name, value) for name, value in scope["headers"] if name not in NOT_PASSED_ON]


def _target(scope: Any) -> bytes:
    query = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path


def _written(method: str, target: bytes, headers: Headers, body: bytes) -> bytes:
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    lines += [b"content-length: " + str(len(body)).encode(), b"connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
