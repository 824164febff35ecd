"""The note that the chain passes along about one exchange: who, what, what was decided, what went over the wire."""

from typing import Any, Literal

from mock_server.engine.accounts import Account
from mock_server.engine.idempotency import Keyed
from mock_server.engine.operations import Operation

BODY_CAP = 16 * 1024  # bytes kept of each body
Ended = Literal["", "complete", "client_left", "cut", "stopped", "crashed"]
Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One HTTP exchange or socket. Written by the chain, read by the admin API once it is in the journal."""

    __slots__ = (
        "account", "at", "call", "duration", "ended", "fault", "id", "keyed", "kind", "method", "near_misses", "operation", "params",
        "path", "query", "reply", "request_body", "request_headers", "request_size", "response_body", "response_headers",
        "response_size", "secret", "started", "status", "warnings",
    )  # fmt: skip

    def __init__(
        self, kind: str, method: str, path: str, query: bytes, headers: Headers, at: float, started: float
    ) -> None:
        self.kind = kind  # "http" | "socket"
        self.method = method
        self.path = path
        self.query = query
        self.request_headers = headers
        self.request_body = b""  # as much as the journal keeps
        self.request_size = 0
        self.at = at  # seconds since the epoch, by the account's clock
        self.started = started  # monotonic seconds
        self.duration = 0.0
        self.id = ""
        self.secret = (
            b""  # the API key while the exchange runs, to mask it; wiped before the journal keeps the exchange
        )
        self.account: Account | None = None
        self.operation: Operation | None = None
        self.params: dict[str, str] = {}
        self.call: Any = None  # what the domains may use; made by the world, which the engine does not know
        self.keyed: Keyed | None = None  # its Idempotency-Key
        self.fault = ""  # what fired: "header", "key" or a rule's id
        self.reply = ""  # id of the reply that was chosen
        self.near_misses: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()
        self.status = 0
        self.response_headers: Headers = []
        self.response_body = b""
        self.response_size = 0
        self.ended: Ended = ""

    def weight(self) -> int:
        """Bytes this exchange holds in the journal, roughly."""
        headers = sum(len(k) + len(v) for k, v in (*self.request_headers, *self.response_headers))
        return 1024 + headers + len(self.path) + len(self.query) + len(self.request_body) + len(self.response_body)
