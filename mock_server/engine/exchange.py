"""The note that the chain passes along about one exchange: who, what, what was decided, what went over the wire."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from starlette.types import Receive

from mock_server.engine.accounts import Account
from mock_server.engine.answers import REFRAIN
from mock_server.engine.heads import NO_PARAMS, Head, Headers
from mock_server.engine.idempotency import Keyed
from mock_server.engine.operations import Operation

if TYPE_CHECKING:
    from mock_server.engine.frames import Frames

BODY_CAP = 16 * 1024  # bytes kept of each body
Ended = Literal["", "complete", "client_left", "cut", "stopped", "crashed"]
NO_HEADERS: Headers = []


class Exchange:
    """One HTTP exchange or socket. Written by the chain, read by the admin API once it is in the journal."""

    # Slots: written and read for every request, at a fifth of what attributes cost that a class has defaults for.
    __slots__ = (
        "account", "at", "body", "call", "duration", "ended", "fault", "frames", "head", "header_bytes", "headers", "id", "keyed",
        "kind", "method", "more_headers", "near_misses", "operation", "params", "path", "query", "receive", "refrain", "reply",
        "request_body", "request_headers", "request_size", "response_body", "response_headers", "response_size",
        "spoken", "started", "status", "tokens", "warnings", "wire", "wrapped",
    )  # fmt: skip

    def __init__(self, kind: str, head: Head, started: float) -> None:
        self.kind = kind  # "http" | "socket"
        self.head = head  # while it runs, as `headers`: the journal keeps neither
        self.method = head.method
        self.path = head.path
        self.query = head.query
        self.request_headers = head.headers  # other exchanges may have them, too
        self.headers = head.named
        self.started = started  # monotonic seconds
        self.id = ""
        self.account: Account | None = None
        self.operation: Operation | None = None
        self.params: Mapping[str, str] = NO_PARAMS
        self.call: Any = None  # what the domains may use; made by the world, which the engine does not know
        self.body: bytes | None = None  # of the request, where it came whole with its head, until it is read
        self.wrapped = False  # whether something wants to see the body as it is read
        self.receive: Receive | None = None  # for operations that read their body themselves
        self.wire: Any = None  # a fault's, between it and the connection, while it runs
        self.keyed: Keyed | None = None  # its Idempotency-Key
        self.at = 0.0  # seconds since the epoch, by the account's clock
        self.duration = 0.0  # seconds
        self.request_body = b""  # as much as the journal keeps
        self.request_size = 0
        self.header_bytes = 0  # of both directions, as the journal keeps them
        self.fault = ""  # what fired: "header", "key" or a rule's id
        self.reply = ""  # id of the reply that was chosen
        self.near_misses: Sequence[str] = ()  # which of the user's replies came nearest, and what it lacked for each
        self.tokens: tuple[int, int] | None = None  # what usage tells of the prompt, and of what was said to it
        self.spoken: Sequence[str] = ()  # ids of what was said aloud in it, the first of them
        self.more_headers: Headers = NO_HEADERS  # of the response, as the reply wants them
        self.warnings: Sequence[str] = ()
        self.status = 0
        self.response_headers: Headers = NO_HEADERS
        self.response_body = b""  # as it is kept; `answer` gives it as it was sent
        self.refrain = b""  # of the events in it, where other exchanges have the same but for that
        self.response_size = 0
        self.frames: Frames | None = None  # of a socket that was accepted
        self.ended: Ended = ""

    def answer(self) -> bytes:
        """As much of the response's body as the journal shows."""
        return self.response_body.replace(REFRAIN, self.refrain)[:BODY_CAP] if self.refrain else self.response_body

    def weight(self) -> int:
        """Bytes this exchange holds in the journal, roughly."""
        return (
            2048
            + self.header_bytes
            + len(self.path)
            + len(self.query)
            + len(self.request_body)
            + len(self.response_body)
            + (self.frames.kept if self.frames else 0)
        )
