"""The note that the chain passes along about one exchange: who, what, what was decided, what went over the wire."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from starlette.types import Receive

from mock_server.engine.accounts import Account
from mock_server.engine.idempotency import Keyed
from mock_server.engine.operations import Operation

if TYPE_CHECKING:
    from mock_server.engine.frames import Frames

BODY_CAP = 16 * 1024  # bytes kept of each body
Ended = Literal["", "complete", "client_left", "cut", "stopped", "crashed"]
Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One HTTP exchange or socket. Written by the chain, read by the admin API once it is in the journal."""

    # Defaults live on the class: an exchange is made for every request, and most of these are never written.
    id = ""
    account: Account | None = None
    operation: Operation | None = None
    params: Mapping[str, str] = MappingProxyType({})
    call: Any = None  # what the domains may use; made by the world, which the engine does not know
    body: bytes | None = None  # of the request, where it came whole with its head, until it is read
    wrapped = False  # whether something wants to see the body as it is read
    receive: Receive | None = None  # for operations that read their body themselves
    wire: Any = None  # a fault's, between it and the connection, while it runs
    keyed: Keyed | None = None  # its Idempotency-Key
    secret = b""  # the API key while the exchange runs, to mask it; wiped before the journal keeps the exchange
    at = 0.0  # seconds since the epoch, by the account's clock
    duration = 0.0  # seconds
    request_body = b""  # as much as the journal keeps
    request_size = 0
    header_bytes = 0  # of both directions, as the journal keeps them
    fault = ""  # what fired: "header", "key" or a rule's id
    reply = ""  # id of the reply that was chosen
    near_misses: Sequence[str] = ()  # which of the user's replies came nearest, and what it lacked for each
    tokens: tuple[int, int] | None = None  # what usage tells of the prompt, and of what was said to it
    spoken: Sequence[str] = ()  # ids of what was said aloud in it, the first of them
    more_headers: Headers = []  # of the response, as the reply wants them
    warnings: Sequence[str] = ()
    status = 0
    response_headers: Headers = []
    response_body = b""
    response_size = 0
    frames: "Frames | None" = None  # of a socket that was accepted
    ended: Ended = ""

    def __init__(self, kind: str, method: str, path: str, query: bytes, headers: Headers, started: float) -> None:
        self.kind = kind  # "http" | "socket"
        self.method = method
        self.path = path
        self.query = query
        self.request_headers = headers
        self.headers = dict(headers)  # the last of each name; the journal does not keep it
        self.started = started  # monotonic seconds

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
