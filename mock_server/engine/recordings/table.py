"""The recordings in force, and the playing back of one: the same status, headers and bytes, in the same pieces."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from mock_server.base.clock import Clock, Timeline
from mock_server.engine.answers import disconnected
from mock_server.engine.exchange import Exchange
from mock_server.engine.recordings.form import FOLDER, Answered, Recording, body_of, query_of, read
from mock_server.engine.recordings.matching import difference

NEAREST = 3


class Kept(NamedTuple):
    id: str
    recording: Recording


class Recordings:
    """What the files say, in the order of their names. `pace`: times as fast as recorded; None plays all at once."""

    def __init__(self, folders: Sequence[Path], clock: Clock, pace: float | None) -> None:
        self._folders, self._clock, self._pace = folders, clock, pace
        self._kept: list[Kept] = []

    def load(self) -> None:
        """Read every file. Raises FixtureError."""
        files = [path for folder in self._folders for path in sorted((folder / FOLDER).glob("*.json"))]
        self._kept = [Kept(path.stem, read(path)) for path in files]

    async def find(self, exchange: Exchange, receive: Receive, most: int) -> tuple[Receive, Response | None]:
        """What a request is answered with, None where it is none that was recorded; and its body, to be read again."""
        method = exchange.method
        near = [kept for kept in self._kept if kept.recording.request.method == method]
        if not near or int(exchange.headers.get(b"content-length", b"0")) > most:
            return receive, None
        body, again = await _read(receive, most)
        if body is None:
            return again, None
        json, sha256 = body_of(body, exchange.headers.get(b"content-type", b"").decode("latin-1"))
        query = query_of(exchange.query)
        found, others = [], []
        for kept in near:
            place = difference(kept.recording.request, method, exchange.path, query, json, sha256)
            if place is None:
                found.append(kept)
            elif place != "path":
                others.append(f"{kept.id}: {place} differs from what was recorded")
        if not found:
            exchange.near_misses = [*exchange.near_misses, *others[:NEAREST]]
            return again, None
        return again, self._play(exchange, found)

    def _play(self, exchange: Exchange, found: Sequence[Kept]) -> Response:
        """The recordings of one request are played in turn, the last again and again; for each account from the first on."""
        account = exchange.account
        assert account is not None
        turn = account.next(f"recording {found[0].id}")
        id, recording = found[min(turn, len(found)) - 1]
        exchange.reply = id
        return Played(recording.response, exchange, self._clock, account.timeline, self._pace)


class Played(Response):
    """A recorded answer on its way out."""

    def __init__(
        self, answer: Answered, exchange: Exchange, clock: Clock, timeline: Timeline, pace: float | None
    ) -> None:
        self.status_code = answer.status
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if "content-length" in headers and answer.ended == "complete" and exchange.method != "HEAD":
            headers["content-length"] = str(
                sum(len(chunk.data()) for chunk in answer.chunks)
            )  # who mends need not count
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self.background = None
        self._answer, self._exchange, self._clock, self._timeline, self._pace = answer, exchange, clock, timeline, pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(disconnected(receive))
        try:
            await self._send(scope, send, left)
        finally:
            left.cancel()

    async def _send(self, scope: Scope, send: Send, left: "asyncio.Future[None]") -> None:
        chunks = self._answer.chunks
        if chunks and not await self._wait(chunks[0].after, left):
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for n, chunk in enumerate(chunks):
            if n and not await self._wait(chunk.after, left):
                return
            await send({"type": "http.response.body", "body": chunk.data(), "more_body": True})
        if self._answer.ended == "cut":
            self._exchange.ended = "cut"
            scope["mock.connection"].hang_up()
        else:
            await send({"type": "http.response.body", "body": b""})

    async def _wait(self, seconds: float, left: "asyncio.Future[None]") -> bool:
        """False when the client has left meanwhile."""
        if self._pace is None or not seconds:
            return True
        return await self._clock.sleep(self._timeline, seconds / self._pace, until=left)


async def _read(receive: Receive, most: int) -> tuple[bytes | None, Receive]:
    """The whole body, None for one of more than `most` bytes or that does not come; and a `receive` that gives it again."""
    messages: list[Message] = []
    size = 0
    more = True
    while more and size <= most:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    waiting = iter(messages)

    async def again() -> Message:
        return next(waiting, None) or await receive()

    whole = size <= most and all(message["type"] == "http.request" for message in messages)
    return b"".join(message.get("body", b"") for message in messages) if whole else None, again
