"""A client's WebSocket frames cut out of what comes, and the messages that wait for the application."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform that websockets has no compiled code for
    from websockets.utils import apply_mask

Message = dict[str, Any]
Data = str | bytes  # of a text or a binary message
TEXT, BINARY = 0x81, 0x82  # the first byte of a frame that is a whole message
MASKED = 0x80  # of the second byte; the rest is the length, or where that follows:
IN_TWO, IN_EIGHT = 126, 127  # bytes


class Inbox:
    """Messages in order, as asyncio.Queue has them at several times the cost. One reader at a time.

    A message's data waits alone: what ASGI puts around it is made when it is taken, a quarter of its memory less until then.
    """

    __slots__ = ("_loop", "_waiter", "messages")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.messages: deque[Message | Data] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, messages: Sequence[Message | Data]) -> None:
        self.messages += messages
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def put_nowait(self, message: Any) -> None:
        """uvicorn's word for it."""
        self.put((message,))

    def empty(self) -> bool:
        return not self.messages

    def arrived(self) -> Message | None:
        return _whole(self.messages.popleft()) if self.messages else None

    async def get(self) -> Message:
        while not self.messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return _whole(self.messages.popleft())


def _whole(message: Message | Data) -> Message:
    kind = type(message)
    if kind is bytes:
        return {"type": "websocket.receive", "bytes": message}
    return {"type": "websocket.receive", "text": message} if kind is str else message  # type: ignore[return-value]


class Frames:
    """Cuts what comes into frames. Those that are whole messages are read here: `websockets` takes several times as long.

    While `plain` says so these go to `take`, all together that came together. Else, as every other frame once it has come
    whole, and at once what is longer than `longest` bytes or no client's, they go to `odd` as they came.
    """

    __slots__ = ("_longest", "_missing", "_odd", "_plain", "_rest", "_take")

    def __init__(
        self,
        longest: int,
        plain: Callable[[], bool],
        take: Callable[[list[Data]], None],
        odd: Callable[[bytes], None],
    ) -> None:
        self._longest, self._plain, self._take, self._odd = longest, plain, take, odd
        self._rest = bytearray()  # of a frame that has not come whole
        self._missing = 0  # bytes of it, or of its head

    def feed(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at = self._cut(data)
        if at < len(data):
            self._rest += data[at:]

    def _cut(self, data: bytes) -> int:
        """Give out the whole frames; where the first one begins that is not."""
        messages: list[Data] = []
        plain, longest = self._plain(), self._longest
        at, size = 0, len(data)
        while True:
            end = at + 2
            if end > size:
                break
            length = data[at + 1] - MASKED
            if length >= IN_TWO:
                start, end = end, end + (2 if length == IN_TWO else 8)
                if end > size:
                    break
                length = (
                    data[start] << 8 | data[start + 1] if length == IN_TWO else int.from_bytes(data[start:end], "big")
                )
            if not 0 <= length <= longest:
                self._give(messages, data[at:])
                return size
            start = end + 4
            key, end = end, start + length
            if end > size:
                break
            kind = data[at]
            message: Data | None = None
            if plain and kind == BINARY:
                message = apply_mask(data[start:end], data[key:start])
            elif plain and kind == TEXT:
                message = _text(apply_mask(data[start:end], data[key:start]))
            if message is not None:
                messages.append(message)
            else:
                self._give(messages, data[at:end])
                messages, plain = [], self._plain()
            at = end
        self._missing = end - size
        if messages:
            self._take(messages)
        return at

    def _give(self, messages: list[Data], frame: bytes) -> None:
        if messages:
            self._take(messages)
        self._odd(frame)


def _text(data: bytes) -> str | None:
    """None for what `websockets` is to refuse."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
