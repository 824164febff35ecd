"""Idempotency-Key: a request that is sent again with the same key is answered again, and done once.

A key belongs to an account, method and path. While its first request is being answered the key is in flight: that lives in
memory, as the request does. What was answered is a row, written in the transaction of the effect.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import Message, Receive

from mock_server.base.errors import BadRequest, Conflict, Unprocessable
from mock_server.engine.answers import Ready

if TYPE_CHECKING:
    from mock_server.engine.store import Store

HEADER = b"idempotency-key"
SOURCE = {"pointer": "/header/Idempotency-Key"}
PATTERN = re.compile(rb"[A-Za-z0-9_-]{1,255}")
LARGEST_BODY = 256 * 1024
KEPT_FOR = 24 * 3600.0  # seconds, by the account's clock

Scope = tuple[str, str, str, str]  # account, method, path, key


class Keyed:
    """One request with a key: whose, and a fingerprint of its body as far as it has been read."""

    __slots__ = ("_digest", "open", "scope")

    def __init__(self, scope: Scope, query: bytes) -> None:
        self.scope = scope
        self.open = False  # whether its transaction is open
        self._digest = sha256(query + b"\n")

    def reading(self, receive: Receive) -> Receive:
        async def read() -> Message:
            message = await receive()
            self._digest.update(message.get("body", b""))
            return message

        return read

    @property
    def fingerprint(self) -> str:
        return self._digest.hexdigest()


class InFlight:
    """The keys whose request is being answered right now."""

    def __init__(self) -> None:
        self._scopes: set[Scope] = set()

    def claim(
        self, account: str, method: str, path: str, query: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> Keyed:
        """The key of a request that has one, taken until `release`.

        Raises BadRequest for one that is malformed or sent twice, Conflict while another request holds it.
        """
        keys = [value for name, value in headers if name == HEADER]
        if len(keys) > 1 or PATTERN.fullmatch(keys[0]) is None:
            raise BadRequest(
                "The Idempotency-Key is sent once and has 1 to 255 letters, digits, hyphens and underscores.",
                source=SOURCE,
            )
        scope = (account, method, path, keys[0].decode())
        if scope in self._scopes:
            raise Conflict(source=SOURCE)
        self._scopes.add(scope)
        return Keyed(scope, query)

    def release(self, keyed: Keyed) -> None:
        self._scopes.discard(keyed.scope)


async def once(store: "Store", keyed: Keyed, now: float, run: Callable[[], Awaitable[Response]]) -> Response:
    """The answer that was given under this key before, or that of `run`, kept with its effect if it is a success.

    `run` opens its transaction by `Call.transaction`, as the last thing it does: it stays open until the answer is in it.
    Raises Unprocessable when the key came with another request before.
    """
    from mock_server.engine.records import find, keep

    record = find(store, keyed, now - KEPT_FOR)
    if record is not None:
        fingerprint, status, content_type, body = record
        if fingerprint != keyed.fingerprint:
            raise Unprocessable("This Idempotency-Key was used for a request with another body.", source=SOURCE)
        headers = [(b"content-type", content_type.encode())] if content_type else []
        return Ready(body, status, [*headers, (b"idempotent-replayed", b"true")])
    try:
        answer = await run()
        if isinstance(answer, Ready) and answer.status_code < 300:
            content_type = dict(answer.raw_headers).get(b"content-type", b"").decode()
            with store.transaction(keyed):
                keep(store, keyed, now, content_type, answer)
        if keyed.open:
            store.commit()
    except BaseException:
        if keyed.open:
            store.rollback()
        raise
    finally:
        keyed.open = False
    return answer
