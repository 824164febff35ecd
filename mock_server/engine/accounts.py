"""Accounts: every API key is its own, with its own time, counters and nothing in common with the others."""

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from mock_server.base.clock import Clock, Timeline
from mock_server.base.errors import AuthenticationFailed
from mock_server.base.ids import account_id

MAX_KEY_BYTES = 4096


class Account:
    """One API key's corner of the world. Knows the hash of the key, never the key."""

    __slots__ = ("counters", "fault_key", "id", "timeline")

    def __init__(self, id: str, timeline: Timeline, fault_key: str) -> None:
        self.id = id
        self.timeline = timeline
        self.fault_key = fault_key  # the magic part of a key such as mock-fault-429-twice-mytest, else empty
        self.counters: dict[str, int] = {}

    def next(self, kind: str) -> int:
        """1, 2, 3 ... for each kind of thing counted."""
        n = self.counters.get(kind, 0) + 1
        self.counters[kind] = n
        return n

    def reset(self) -> None:
        self.counters.clear()
        self.timeline.reset()


def bearer_key(authorization: bytes | None) -> bytes:
    """The key of `Authorization: Bearer <key>`, empty where there is none."""
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return b""
    return authorization[7:].strip()


def signed_key(authorization: bytes | None, query: bytes) -> bytes:
    """The access key id of an AWS signature, in the header or the query of a presigned URL; empty where there is none.

    `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`, or `AWS <key>:<signature>`.
    """
    if authorization is not None:
        if found := re.match(rb"AWS4-HMAC-SHA256\b.*?\bCredential=([^,]*)", authorization, re.IGNORECASE | re.DOTALL):
            return found[1].strip().rsplit(b"/", 4)[0]
        return authorization[4:].rpartition(b":")[0].strip() if authorization[:4].upper() == b"AWS " else b""
    if found := re.search(rb"(?:^|&)X-Amz-Credential=([^&]*)", query, re.IGNORECASE):
        return unquote_to_bytes(found[1].replace(b"+", b" ")).rsplit(b"/", 4)[0]
    if found := re.search(rb"(?:^|&)AWSAccessKeyId=([^&]*)", query):
        return unquote_to_bytes(found[1].replace(b"+", b" "))
    return b""


class Accounts:
    """Finds the account of a request by its Authorization header."""

    def __init__(self, clock: Clock, accepted: Collection[str] = ()) -> None:
        self._clock = clock
        self._accepted = frozenset(account_id(key.encode()) for key in accepted)
        self._known: dict[str, Account] = {}
        self.nobody = Account("", clock.timeline(), "")  # whom exchanges without a valid key are counted under

    def of_key(self, key: bytes) -> Account:
        """The account of a key. Raises AuthenticationFailed."""
        if not key or len(key) > MAX_KEY_BYTES:
            raise AuthenticationFailed
        id = account_id(key)
        account = self._known.get(id)
        if account is None:
            if self._accepted and id not in self._accepted:
                raise AuthenticationFailed
            fault_key = key.decode("latin-1") if key.startswith(b"mock-fault-") else ""
            account = self._known[id] = Account(id, self._clock.timeline(), fault_key)
        return account

    def reset(self) -> None:
        """Every account as new."""
        for account in (self.nobody, *self._known.values()):
            account.reset()
        self._known.clear()
