"""Records another server: passes requests on to it with the caller's key, and writes what came back as recordings.

The key goes to the upstream and nowhere else. Server-sent events pass as they come, each piece with the time it took.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.types import Message, Receive, Scope, Send

from mock_server import catalogue
from mock_server.base.clock import Machine
from mock_server.base.errors import ApiError, BadRequest, NotEmulated, NotFound, ServiceUnavailable, TooLarge
from mock_server.engine.accounts import bearer_key
from mock_server.engine.answers import as_json, disconnected, of_error
from mock_server.engine.operations import Operations
from mock_server.engine.recordings.form import (
    FOLDER,
    NOT_KEPT,
    Answered,
    Asked,
    Chunk,
    Recording,
    body_of,
    query_of,
    write,
)
from mock_server.engine.recordings.redaction import Redaction

PREFIX = "/v2"
MOST_BODY = 100 * 1024 * 1024
MOST_ANSWER = 256 * 1024 * 1024
# Headers of one connection, and what httpx writes itself.
NOT_PASSED = frozenset({b"host", b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"expect",
                        b"accept-encoding", b"content-length", b"proxy-connection"})  # fmt: skip


class Recorder:
    """The ASGI application: `upstream` is a base URL as an SDK is given it; `/v2` here stands for it."""

    def __init__(self, upstream: str, out: Path, patterns: Sequence[re.Pattern[str]] = ()) -> None:
        self._upstream = upstream.rstrip("/")
        self._folder = out / FOLDER
        self._patterns = patterns
        self._operations = Operations(catalogue.operations())
        self._machine = Machine()
        self._http: httpx.AsyncClient | None = None
        self._number = 0
        self.saved = 0

    def prepare(self) -> None:
        """Make the folder; names go on behind those that are there. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.name[:4]) for path in self._folder.glob("[0-9][0-9][0-9][0-9]-*.json")]
        self._number = max(numbers, default=0)

    def stopping(self) -> None:
        """The server stops: nothing here watches anything."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._client():
                await _lifespan(receive, send)
            return
        if scope["type"] == "http" and scope["path"] == "/_mock/health":
            return await as_json({"status": "ok", "recording": self._upstream, "saved": self.saved})(
                scope, receive, send
            )
        try:
            if scope["type"] != "http":
                raise NotEmulated("The recorder passes HTTP on, not WebSockets.")
            await _Exchange(self, scope, receive, send).run()
        except ApiError as error:
            await of_error(error, "std")(scope, receive, send)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=httpx.Timeout(30, read=600), follow_redirects=False) as self._http:
            yield

    def target(self, path: str, query: bytes) -> str:
        """Where a request goes. Raises NotFound for a path outside of the prefix."""
        if path != PREFIX and not path.startswith(PREFIX + "/"):
            raise NotFound(f"The recorder stands for {self._upstream} at {PREFIX}: try {PREFIX}{path[:200]}.")
        return self._upstream + path[len(PREFIX) :] + (f"?{query.decode('latin-1')}" if query else "")

    def http(self) -> httpx.AsyncClient:
        assert self._http is not None, "the server calls lifespan first"
        return self._http

    def now(self) -> float:
        return self._machine.monotonic()

    def redaction(self, keys: Sequence[bytes]) -> Redaction:
        return Redaction(keys, self._patterns)

    def save(self, recording: Recording) -> None:
        """Write a recording under the next name; trouble is told, and spoils no exchange."""
        self._number += 1
        request, response = recording.request, recording.response
        name = f"{self._number:04d}-{self._slug(request)}"
        try:
            write(self._folder / f"{name}.json", recording)
        except OSError as error:
            return print(f"{name} cannot be written: {error.strerror}", file=sys.stderr)
        self.saved += 1
        ended = "" if response.ended == "complete" else ", cut off by the upstream"
        print(
            f"{name}  {request.method} {request.path}  {response.status}, {len(response.chunks)} pieces{ended}",
            flush=True,
        )

    def _slug(self, request: Asked) -> str:
        try:
            operation, _ = self._operations.find("http", request.method, request.path, request.path.encode())
        except ApiError:
            return re.sub(r"[^A-Za-z0-9]+", "-", request.path).strip("-")[:60]
        return operation.id


class _Exchange:
    """One request on its way to the upstream, and its answer on the way back."""

    def __init__(self, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
        self._recorder, self._scope, self._receive, self._send = recorder, scope, receive, send
        self._chunks: list[Chunk] = []
        self._size = 0
        self._headers: dict[str, str] = {}

    async def run(self) -> None:
        raw_path: bytes = self._scope.get("raw_path") or self._scope["path"].encode()
        path = raw_path.decode("latin-1")
        url = self._recorder.target(path, self._scope["query_string"])
        body = await self._body()
        sent = [(n, v) for n, v in self._scope["headers"] if n not in NOT_PASSED]
        # Plain bytes, so that a recording can be read and mended.
        headers = [*sent, (b"accept-encoding", b"identity")]
        request = self._recorder.http().build_request(self._scope["method"], url, headers=headers, content=body)
        began = self._recorder.now()
        try:
            response = await self._recorder.http().send(request, stream=True)
        except httpx.HTTPError as error:
            raise ServiceUnavailable(
                f"{urlsplit(url).netloc} gave no answer: {type(error).__name__} {error}".rstrip()
            ) from None
        try:
            ended = await self._pass_on(response, began)
        finally:
            await response.aclose()
        if ended == "left":
            return print(f"{request.method} {path}: the client left, nothing is saved", file=sys.stderr)
        self._save(path, body, response.status_code, ended)
        if ended == "cut":
            self._scope["mock.connection"].hang_up()

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The client left.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > MOST_BODY:
                raise TooLarge(f"The body has more than {MOST_BODY} bytes, which is the limit of the recorder.")
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _pass_on(self, response: httpx.Response, began: float) -> Any:
        """The answer, piece by piece as it comes: `complete`, `cut` by the upstream, or the client has `left`."""
        self._headers = {n.lower(): v for n, v in response.headers.items() if n.lower() not in NOT_KEPT}
        kept = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in self._headers.items()]
        await self._send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        left = asyncio.ensure_future(disconnected(self._receive))
        pieces = response.aiter_raw()
        try:
            while True:
                coming = asyncio.ensure_future(anext(pieces, None))
                await asyncio.wait({coming, left}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
                    return "left"
                try:
                    piece = coming.result()
                except httpx.HTTPError:
                    return "cut"
                if piece is None:
                    break
                began = await self._keep(piece, began)
        finally:
            left.cancel()
        await self._send({"type": "http.response.body", "body": b""})
        return "complete"

    async def _keep(self, piece: bytes, before: float) -> float:
        now = self._recorder.now()
        self._size += len(piece)
        if self._size <= MOST_ANSWER:
            self._chunks.append(Chunk.of(piece, round(now - before, 6)))
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        return now

    def _save(self, path: str, body: bytes, status: int, ended: Any) -> None:
        if self._size > MOST_ANSWER:
            return print(f"{path}: the answer has more than {MOST_ANSWER} bytes, nothing is saved", file=sys.stderr)
        given = dict(self._scope["headers"])
        keys = (bearer_key(given.get(b"authorization")) or b"", given.get(b"x-api-key", b""))
        redaction = self._recorder.redaction(keys)
        json, sha256 = body_of(body, given.get(b"content-type", b"").decode("latin-1"))
        asked = Asked(
            method=self._scope["method"], path=redaction.text(path), query=redaction.pairs(query_of(self._scope["query_string"])),
            json=redaction.json(json), sha256=sha256,
        )  # fmt: skip
        answered = Answered(
            status=status, headers=redaction.pairs(self._headers), chunks=redaction.chunks(self._chunks), ended=ended
        )
        self._recorder.save(Recording(request=asked, response=answered))


async def _lifespan(receive: Receive, send: Callable[[Message], Any]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
