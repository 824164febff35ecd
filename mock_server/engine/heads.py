"""A request's head, and what follows from it: thought out once where the same bytes come again, as most clients send them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from mock_server.engine.accounts import bearer_key, signed_key
from mock_server.engine.operations import Operation

Headers = list[tuple[bytes, bytes]]
NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Masked(NamedTuple):
    """What the journal keeps of a head."""

    forms: tuple[bytes, ...]  # in which its key may be written
    headers: Headers  # without it
    size: int  # of these, in bytes


class Head:
    """Nothing here depends on anything but the head's own bytes, so that one serves every request that has them."""

    __slots__ = (
        "headers", "key", "length", "masked", "method", "named", "operation", "params", "path", "query", "raw_path", "secret",
    )  # fmt: skip

    def __init__(self, method: str, path: str, raw_path: bytes, query: bytes, headers: Headers) -> None:
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.headers = headers
        self.named = dict(headers)  # the last of each name
        authorization = self.named.get(b"authorization")
        self.key = bearer_key(authorization)
        self.secret = self.key or signed_key(authorization, query)  # what is masked
        self.operation: Operation | None = None  # with its parameters, once it has been looked for
        self.params: Mapping[str, str] = NO_PARAMS
        self.masked: Masked | None = None  # once one of its exchanges has ended
        self.length = 0  # bytes of the body that comes after it


# That of an exchange that is over: the journal keeps no key.
OVER = Head("", "", b"", b"", [])
