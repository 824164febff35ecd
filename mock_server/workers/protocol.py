"""uvicorn's protocol in a worker: a request for an account of another worker takes its connection there."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from mock_server.base.ids import account_id
from mock_server.base.place import Place
from mock_server.engine.accounts import MAX_KEY_BYTES, bearer_key, signed_key
from mock_server.engine.heads import Head
from mock_server.protocols import HttpProtocol
from mock_server.workers.channel import CLIENT, Channel
from mock_server.workers.spread import EVERYONES

ADMIN = b"/_mock"


@dataclass(slots=True)
class Switchboard:
    """What a worker's connections share: where it stands, and the ways to the others."""

    place: Place
    channel: Channel

    def worker_of(self, headers: list[tuple[bytes, bytes]], url: bytes) -> int:
        """The number of the worker that serves a request: the one its account lives in, by the key that the gate will see."""
        if url.startswith(ADMIN) and url.partition(b"?")[0].decode("latin-1") in EVERYONES:
            return 0
        authorization = named = None
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"x-mock-account":
                named = value
        if authorization is None:
            if named is not None and url.startswith(ADMIN):
                return self.place.owner(named.decode("latin-1"))
            if b"?" not in url:
                return 0
        key = bearer_key(authorization) or signed_key(authorization, url.partition(b"?")[2])
        return self.place.owner(account_id(key)) if 0 < len(key) <= MAX_KEY_BYTES else 0


class Adopted(HttpProtocol):
    """A connection that may have come from another worker, with bytes that were read there."""

    def __init__(self, *arguments: Any, given: bytes = b"", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._given = given

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._given:  # before anything that comes now
            given, self._given = self._given, b""
            self.data_received(given)


class SiblingProtocol(Adopted):
    """A connection of the first worker itself: what is asked over it concerns this worker alone.

    Each ends with its one request: so no head of theirs is ever known to the protocol below.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["mock.sibling"] = True  # type: ignore[typeddict-unknown-key]


class WorkerProtocol(Adopted):
    """Decides at the end of each request's head, as it was parsed; the bytes of the request are kept until then.

    A connection changes hands only where that loses nothing: all before the request is answered and sent. One that was
    sent ahead of answers, for an account of another worker, is not answered: the connection closes after those before it.
    """

    def __init__(self, *arguments: Any, switchboard: Switchboard, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._switchboard = switchboard
        self._begun: bytearray | None = None  # the bytes of a request whose head is not complete
        self._goes_to: int | None = None
        self._over = False  # nothing more is read

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._begun is not None:
            self._begun += data
        elif self.between and self._is_idle():
            self._begun = bytearray(data)
        super().data_received(data)
        if self._goes_to is not None:
            self._hand_over(self._goes_to)
        else:
            self._close_if_over()

    def _close_if_over(self) -> None:
        if self._over and self._is_answered():
            self.transport.close()

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_idle(self) -> bool:
        return self._is_answered() and not self.transport.get_write_buffer_size()

    # What the parser finds

    def on_message_begin(self) -> None:
        if self._goes_to is None and not self._over:
            super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._goes_to is not None or self._over:
            return
        worker = self._switchboard.worker_of(self.headers, self.url)
        if worker == self._switchboard.place.number:
            self._begun = None
            super().on_headers_complete()
        elif self._begun is not None:
            self._goes_to = worker
        else:
            self._over = True
            self.flow.pause_reading()

    def begin_known(self, head: Head, body: bytes) -> None:
        self._begun = None  # it was for this worker when its head was parsed
        super().begin_known(head, body)

    def on_body(self, body: bytes) -> None:
        if self._goes_to is None and not self._over:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._goes_to is None and not self._over:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        if self._goes_to is None and not self._over:
            super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._close_if_over()

    def send_400_response(self, msg: str) -> None:
        if self._goes_to is None:  # else it is told where it goes
            super().send_400_response(msg)

    def _hand_over(self, worker: int) -> None:
        transport: asyncio.Transport = self.transport.whole  # type: ignore[attr-defined]
        transport.pause_reading()
        fd = os.dup(transport.get_extra_info("socket").fileno())
        assert self._begun is not None
        self._over = True
        self._switchboard.channel.send(worker, CLIENT, fd, bytes(self._begun))
        self._begun = None
        transport.abort()  # closes our descriptor; the connection lives on through the other
