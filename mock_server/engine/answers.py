"""What an endpoint may answer: ready JSON bytes, an empty 200, or a paced stream of events."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_server.base.clock import Clock, Timeline
from mock_server.base.errors import ApiError, Dialect, render, render_xml

JSON = (b"content-type", b"application/json")
XML = (b"content-type", b"application/xml")
EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

LONGEST_SONG = 32 * 1024  # bytes of one that is remembered
REFRAIN = b"\0"  # in a song: where the refrain stands; no JSON has it
CHUNK = 16 * 1024  # bytes


class Ready(Response):
    """Bytes with their headers, built without Starlette's header bookkeeping: this is every request's path."""

    chunked = False
    song = refrain = b""  # see Events

    def __init__(self, body: bytes, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (JSON,)) -> None:
        self.body = body
        self.status_code = status
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a socket's handshake denied
            return await super().__call__(scope, receive, send)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


class Events(Ready):
    """Server-sent events that nobody paces: all there at once, but sent as what has no length beforehand.

    `song` are the events, REFRAIN standing for the `refrain` that they have in common. Where it is sung `again`, with
    another refrain, the journal keeps these two instead of what is sent.
    """

    chunked = True

    def __init__(self, song: bytes, refrain: bytes = b"", *, again: bool = False) -> None:
        self.body = song.replace(REFRAIN, refrain) if refrain else song
        if again:
            self.song, self.refrain = song, refrain
        self.status_code = 200
        self.raw_headers = list(EVENTS)
        self.background = None


# An ASGI application that may give an answer back instead of sending it: what is whole goes out in one piece.
Layer = Callable[[Scope, Receive, Send], Awaitable[Ready | None]]


def as_json(value: Any, status: int = 200) -> Ready:
    """A JSON answer of a model, or of plain data."""
    if isinstance(value, BaseModel):
        return Ready(value.__pydantic_serializer__.to_json(value, by_alias=True), status)
    return Ready(to_json(value), status)


def empty() -> Ready:
    """A 200 without a body or a content type, as the vendor answers deletes and assignments."""
    return Ready(b"", headers=())


def of_error(error: ApiError, dialect: Dialect) -> Ready:
    """The answer that tells a client of an error."""
    in_xml = dialect == "s3"
    body, kind = (render_xml(error), XML) if in_xml else (to_json(render(error, dialect)), JSON)
    answer = Ready(body, error.status, (kind,))
    for name, value in error.headers.items():
        answer.raw_headers.append((name.encode("latin-1"), value.encode("latin-1")))
    return answer


class Instead(Exception):
    """Raised where the answer is another than the one being made."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


class Chunks(Response):
    """Bytes that go out piece by piece. `size` is how many there are in all; without it they are sent chunked."""

    def __init__(
        self, chunks: Iterable[bytes], size: int | None, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self.status_code = status
        self.raw_headers = [*headers] if size is None else [*headers, (b"content-length", b"%d" % size)]
        self.background = None
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def pieces(body: bytes) -> Iterator[bytes]:
    """A body as the vendor streams audio."""
    return (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))


class Stream(Response):
    """Server-sent events that each wait their turn by the account's clock."""

    def __init__(self, events: Iterable[bytes], waits: Iterable[float], clock: Clock, timeline: Timeline) -> None:
        self.status_code = 200
        self.raw_headers = list(EVENTS)
        self.background = None
        self._events = events
        self._waits = waits  # seconds before each event
        self._clock = clock
        self._timeline = timeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if "mock.connection" in scope:
            scope["mock.connection"].flush()  # the head goes out now, whenever the first event comes
        left = asyncio.ensure_future(disconnected(receive))
        try:
            for event, wait in zip(self._events, self._waits, strict=True):
                if wait and not await self._clock.sleep(self._timeline, wait, until=left):
                    return
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            left.cancel()


async def disconnected(receive: Receive) -> None:
    """Returns once the client has left."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass
