"""Accounts: every API key is its own, with its own time, counters and nothing in common with the others."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from mock_server.base.clock import Clock, Timeline
from mock_server.base.errors import AuthenticationFailed, NotFound
from mock_server.base.ids import Ids, account_id
from mock_server.base.place import Place
from mock_server.base.states import STATES, State
from mock_server.engine.pieces import OWNER

MAX_KEY_BYTES = 4096
MOST_COUNTED = 2**31


class Account:
    """One API key's corner of the world. Knows the hash of the key, never the key."""

    __slots__ = ("counters", "evicted", "fault_key", "id", "mark", "prefixes", "state", "timeline")

    def __init__(self, id: str, timeline: Timeline, fault_key: str, state: State = "active", mark: str = "") -> None:
        self.id = id
        self.mark = mark  # in its serial names: tells accounts of the same id in two workers apart
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
            prefix = self.prefixes[kind] = ids.hex(self.id, kind, f"prefix{self.mark}")[:24]
        n = self.counters[kind] = self.counters.get(kind, 0) + 1
        return f"{prefix}{n:08x}"

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

    def dump(self) -> dict[str, Any]:
        return {"counters": dict(self.counters), "clock": self.timeline.dump()}

    def restore(self, state: Mapping[str, Any]) -> Callable[[], None]:
        """What gives it the counters and the clock of a state. Raises ValueError."""
        run, counters = self.timeline.restore(state["clock"]), state["counters"]
        if not all(isinstance(n, int) and 0 <= n < MOST_COUNTED for n in counters.values()):
            raise ValueError("a counter is a whole number")

        def put() -> None:
            self.counters.clear()
            self.counters.update(counters)
            run()

        return put


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

    def __init__(
        self,
        clock: Clock,
        accepted: Collection[str] = (),
        states: Mapping[str, State] | None = None,
        place: Place | None = None,
    ) -> None:
        self._clock = clock
        self._started_with = {account_id(key.encode()): state for key, state in (states or {}).items()}
        self._accepted = frozenset(account_id(key.encode()) for key in accepted)
        if self._accepted:
            self._accepted |= self._started_with.keys()
        self.everyones: State = "active"
        self._own = dict(self._started_with)
        self._known: dict[str, Account] = {}
        self._restored: dict[str, Account] = {}  # whose key has not been seen yet: known by a snapshot
        # Whom exchanges without a valid key are counted under. Every worker has one of its own.
        self.nobody = Account("", clock.timeline(), "", mark="" if place is None or place.first else f" {place.number}")

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
            account = self._restored.pop(id, None) or self._made(id)
            account.fault_key = fault_key
            self._known[id] = account
        return account

    def of_id(self, id: str) -> Account:
        """The account with this id, if its key has been seen. Raises NotFound."""
        account = self._known.get(id) or self._restored.get(id)
        if account is None:
            raise NotFound("No exchange has come from this account.")
        return account

    def known(self) -> list[Account]:
        """The accounts whose keys have been seen, the first seen first."""
        return [*self._restored.values(), *self._known.values()]

    def _made(self, id: str) -> Account:
        return Account(id, self._clock.timeline(), "", self._state_of(id))

    def _all(self) -> Iterator[Account]:
        yield self.nobody
        yield from self._known.values()
        yield from self._restored.values()

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
        for known in (account,) if account else self._all():
            known.state = self._state_of(known.id)

    def restore_state(self, account: Account | None) -> None:
        """Take back what `set_state` did: to the state that the account, or the server, was started with."""
        if account is None:
            self.everyones = "active"
        elif account.id in self._started_with:
            self._own[account.id] = self._started_with[account.id]
        else:
            self._own.pop(account.id, None)
        for known in (account,) if account else self._all():
            known.state = self._state_of(known.id)

    def reset(self) -> None:
        """Every account as new."""
        self.everyones, self._own = "active", dict(self._started_with)
        for account in self._all():
            account.reset()
        self._known.clear()
        self._restored.clear()

    def dump(self, account: str | None = None) -> list[dict[str, Any]]:
        """Counters, clock and state of an account, or of all that have any, with their ids."""
        every = sorted(self._all(), key=lambda each: each.id)
        if account is not None:
            return [{**each.dump(), "state": self._own.get(account)} for each in every if each.id == account]
        states = [{"id": each.id, **each.dump(), "state": self._own.get(each.id)} for each in every]
        return [{"everyones": self.everyones}, *(s for s in states if s["counters"] or s["clock"] or s["state"])]

    def restore(self, states: list[dict[str, Any]], account: str | None = None) -> Callable[[], None]:
        """What gives an account, or every one, the counters, clocks and states of `states`. Raises ValueError, KeyError."""
        everyones: State = next((state["everyones"] for state in states if "everyones" in state), "active")
        wanted = [(s["id"] if account is None else account, s) for s in states if "everyones" not in s]
        for id, state in wanted:
            self._made(id).restore(state)
            if id and OWNER.fullmatch(id) is None:
                raise ValueError(f"{id[:60]!r} is no account")
        if not {everyones, *(state["state"] or "active" for _, state in wanted)} <= set(STATES):
            raise ValueError(f"an account's state is one of {', '.join(STATES)}")

        def put() -> None:
            own = {id: state["state"] for id, state in wanted if state["state"]}
            if account is None:
                self.everyones, self._own = everyones, own
            else:
                self._own.pop(account, None)
                self._own.update(own)
            for each in self._all():
                if account in (None, each.id):
                    each.reset()
            for id, state in wanted:
                self._by_id(id).restore(state)()
            for each in self._all():
                each.state = self._state_of(each.id)

        return put

    def _by_id(self, id: str) -> Account:
        if not id:
            return self.nobody
        found = self._known.get(id) or self._restored.get(id)
        if found is None:
            found = self._restored[id] = self._made(id)
        return found
