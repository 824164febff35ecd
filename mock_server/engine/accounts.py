"""Accounts: every API key is its own, with its own time, counters and nothing in common with the others."""

import re
from collections.abc import Collection, Mapping
from urllib.parse import unquote_to_bytes

from mock_server.base.clock import Clock, Timeline
from mock_server.base.errors import AuthenticationFailed
from mock_server.base.ids import Ids, account_id
from mock_server.base.states import State

MAX_KEY_BYTES = 4096


class Account:
    """One API key's corner of the world. Knows the hash of the key, never the key."""

    __slots__ = ("counters", "evicted", "fault_key", "id", "prefixes", "state", "timeline")

    def __init__(self, id: str, timeline: Timeline, fault_key: str, state: State = "active") -> None:
        self.id = id
        self.timeline = timeline
        self.state = state
        self.evicted = 0  # exchanges of this account that the journal had no room for, since its last reset
        self.fault_key = fault_key  # the magic part of a key such as mock-fault-429-twice-mytest, else empty
        self.counters: dict[str, int] = {}
        self.prefixes: dict[str, str] = {}  # of serial names, by kind

    def serial(self, ids: Ids, kind: str) -> str:
        """32 hexadecimal digits for the next thing of a kind: a hash of the kind, then a count. One hash serves all."""
        prefix = self.prefixes.get(kind)
        if prefix is None:
            prefix = self.prefixes[kind] = ids.hex(self.id, kind, "prefix")[:24]
        return f"{prefix}{self.next(kind):08x}"

    def next(self, kind: str) -> int:
        """1, 2, 3 ... for each kind of thing counted."""
        n = self.counters.get(kind, 0) + 1
        self.counters[kind] = n
        return n

    def reset(self) -> None:
        self.counters.clear()
        self.prefixes.clear()
        self.timeline.reset()
        self.evicted = 0


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

    def __init__(self, clock: Clock, accepted: Collection[str] = (), states: Mapping[str, State] | None = None) -> None:
        self._clock = clock
        self._started_with = {account_id(key.encode()): state for key, state in (states or {}).items()}
        self._accepted = frozenset(account_id(key.encode()) for key in accepted)
        if self._accepted:
            self._accepted |= self._started_with.keys()
        self.everyones: State = "active"
        self._own = dict(self._started_with)
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
            account = self._known[id] = Account(id, self._clock.timeline(), fault_key, self._state_of(id))
        return account

    def forget_evictions(self, account: Account | None) -> None:
        """The journal begins anew for one account, or for all."""
        for known in (account,) if account else self._known.values():
            known.evicted = 0

    def _state_of(self, id: str) -> State:
        return self._own.get(id, self.everyones)

    def set_state(self, account: Account | None, state: State) -> None:
        """Put an account into a state, or all that were not given one of their own."""
        if account is None:
            self.everyones = state
        else:
            self._own[account.id] = state
        for known in (account,) if account else self._known.values():
            known.state = self._state_of(known.id)

    def restore_state(self, account: Account | None) -> None:
        """Take back what `set_state` did: to the state that the account, or the server, was started with."""
        if account is None:
            self.everyones = "active"
        elif account.id in self._started_with:
            self._own[account.id] = self._started_with[account.id]
        else:
            self._own.pop(account.id, None)
        for known in (account,) if account else self._known.values():
            known.state = self._state_of(known.id)

    def reset(self) -> None:
        """Every account as new."""
        self.everyones, self._own = "active", dict(self._started_with)
        for account in (self.nobody, *self._known.values()):
            account.reset()
        self._known.clear()
