"""What the journal keeps of a socket: how many frames went each way, the first and the last of them, and its end."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from mock_server.engine.accounts import MAX_KEY_BYTES
from mock_server.engine.exchange import Exchange

FRAME_CAP = 4 * 1024  # bytes kept of a frame
TEED = FRAME_CAP + MAX_KEY_BYTES  # kept until the masks are on, so that no key is cut in two at the cap
ARRIVED = "mock.arrived"  # in the scope: gives a message that has arrived already, or None
Arrived = Callable[[], Message | None]
NO_CODE, DROPPED, GOING_AWAY = 1005, 1006, 1012


class Way:
    """The frames of one direction. `first` and `last` as they were sent: str for text frames, bytes for binary ones."""

    __slots__ = ("bytes", "count", "first", "last")

    def __init__(self) -> None:
        self.count = self.bytes = 0
        self.first: str | bytes | None = None
        self.last: str | bytes | None = None

    def add(self, frame: str | bytes) -> None:
        """Text counts one byte a character: the journal is no meter, and encoding each frame once more would cost."""
        size = len(frame)
        self.bytes += size
        self.last = frame if size <= TEED else frame[:TEED]
        if not self.count:
            self.first = self.last
        self.count += 1

    def keep(self, forms: Sequence[bytes], mask: bytes) -> int:
        """Take a key in all its `forms` out, and cut to the cap; the bytes that are kept."""
        self.first, self.last = (_masked(frame, forms, mask) for frame in (self.first, self.last))
        return sum(len(frame) for frame in (self.first, self.last) if frame is not None)

    def describe(self, blank: Callable[[bytes], bytes]) -> dict[str, Any]:
        return {
            "count": self.count,
            "size": self.bytes,
            "first": _shown(self.first, blank),
            "last": _shown(self.last, blank),
        }


def _masked(frame: str | bytes | None, forms: Sequence[bytes], mask: bytes) -> str | bytes | None:
    if frame is None:
        return None
    if forms:
        raw = frame.encode("utf-8", "surrogatepass") if isinstance(frame, str) else frame
        for form in forms:
            raw = raw.replace(form, mask)
        frame = raw.decode("utf-8", "replace") if isinstance(frame, str) else raw
    return frame[:FRAME_CAP]


def _shown(frame: str | bytes | None, blank: Callable[[bytes], bytes]) -> dict[str, str] | None:
    if frame is None:
        return None
    if isinstance(frame, bytes):
        return {"base64": base64.b64encode(frame).decode()}
    return {"text": blank(frame.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")}


class Frames:
    """Both directions of an accepted socket and its end: `code`, `reason`, and who closed it ("" while it is open)."""

    __slots__ = ("by", "code", "kept", "reason", "received", "sent")

    def __init__(self) -> None:
        self.received, self.sent = Way(), Way()
        self.kept = 0  # bytes, once the journal has it
        self.code, self.reason, self.by = 0, "", ""

    def close(self, code: int, reason: str, by: str) -> None:
        """Note the end; the first that tells of it is right."""
        if not self.by:
            self.code, self.reason, self.by = code, reason, by

    def keep(self, forms: Sequence[bytes], mask: bytes) -> None:
        self.kept = self.received.keep(forms, mask) + self.sent.keep(forms, mask)

    def describe(self, blank: Callable[[bytes], bytes]) -> dict[str, Any]:
        return {
            "received": self.received.describe(blank),
            "sent": self.sent.describe(blank),
            "close": {"code": self.code, "reason": self.reason, "by": self.by} if self.by else None,
        }


class SocketTee:
    """Copies what goes over a socket into its exchange, within the caps."""

    __slots__ = (
        "_arrived",
        "_receive",
        "_received",
        "_send",
        "_sent",
        "_stamp",
        "exchange",
        "finished",
        "frames",
        "kept",
        "left",
        "started",
    )

    def __init__(
        self, exchange: Exchange, receive: Receive, send: Send, stamp: Callable[[Exchange], str], open: set[Exchange]
    ) -> None:
        open.add(exchange)
        self.exchange, self._receive, self._send, self._stamp = exchange, receive, send, stamp
        self.started = self.finished = self.left = self.kept = False  # a socket is kept when it is closed
        self.frames = Frames()
        self._received, self._sent = self.frames.received.add, self.frames.sent.add
        self._arrived: Arrived | None = None

    def watch(self, scope: Scope) -> None:
        """What has arrived already is seen here, too."""
        if ARRIVED in scope:
            self._arrived, scope[ARRIVED] = scope[ARRIVED], self.arrived

    def arrived(self) -> Message | None:
        assert self._arrived is not None
        message = self._arrived()
        return None if message is None else self._noted(message)

    async def receive(self) -> Message:
        return self._noted(await self._receive())

    def _noted(self, message: Message) -> Message:
        kind = message["type"]
        if kind == "websocket.receive":
            text = message.get("text")
            self._received(message["bytes"] if text is None else text)
        elif kind == "websocket.disconnect":
            self._ended(message)
        return message

    async def deliver(self, scope: Scope, answer: Response) -> None:
        """Send an answer that is whole: a handshake denied."""
        await answer(scope, self.receive, self.send)

    def _ended(self, message: Message) -> None:
        """uvicorn gives no reason where there was no close frame of the client's, which may have left without one."""
        code = message.get("code", NO_CODE)
        if "reason" in message:
            by = "server" if message.get("mock.by") == "server" else "client"
            self.frames.close(code, message["reason"] or "", by)
            self.finished = self.started
        elif code == GOING_AWAY:
            self.frames.close(code, "", "server")
            self.exchange.ended = self.exchange.ended or "stopped"
        else:
            self.frames.close(DROPPED, "", "client")
        self.left = True

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            text = message.get("text")
            self._sent(message["bytes"] if text is None else text)
        elif kind == "websocket.close":
            self.frames.close(message.get("code", 1000), message.get("reason") or "", "server")
            self.finished = True
        elif kind == "websocket.accept":
            self.started = True
            self.exchange.status = 101
            self.exchange.frames = self.frames
            message.setdefault("headers", []).append((b"x-request-id", self._stamp(self.exchange).encode()))
        else:
            self._denied(message)
        await self._send(message)

    def _denied(self, message: Message) -> None:
        """A handshake that is answered in HTTP."""
        exchange = self.exchange
        if message["type"] == "websocket.http.response.start":
            self.started = True
            exchange.status = message["status"]
            exchange.response_headers = message["headers"]
            message["headers"].append((b"x-request-id", self._stamp(exchange).encode()))
        elif message["type"] == "websocket.http.response.body":
            body = message.get("body", b"")
            exchange.response_size += len(body)
            exchange.response_body = (exchange.response_body + body)[:TEED]
            self.finished = not message.get("more_body", False)
