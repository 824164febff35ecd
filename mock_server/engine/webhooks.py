"""Webhooks: signed events posted to the URLs that clients left, tried again with growing pauses, every attempt listed."""

from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from mock_server.base.clock import Clock, iso
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.egress import Egress, EgressFailed, EgressRefused
from mock_server.engine.exchange import BODY_CAP
from mock_server.engine.outbox import Outbox

if TYPE_CHECKING:
    from nacl.signing import SigningKey

TIMEOUT = 2.0  # seconds of the machine's time, as the vendor documents
# Seconds by the account's clock between an attempt that failed and the next; the vendor documents neither these nor how
# many there are.
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
ATTEMPTS = 1000  # kept for GET /_mock/webhooks
Outcome = Literal["delivered", "retrying", "given_up", "refused"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one URL."""

    id: str
    account: Account
    url: str
    event_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver: what was sent when, and what came of it."""

    delivery: Delivery
    number: int  # from 1
    at: float  # seconds since the epoch, by the account's clock
    headers: Mapping[str, str]
    outcome: Outcome
    status: int | None = None
    error: str | None = None
    next_at: float | None = None

    def describe(self) -> dict[str, Any]:
        """The attempt as `GET /_mock/webhooks` shows it."""
        delivery = self.delivery
        return {
            "id": delivery.id,
            "account": delivery.account.id,
            "event_type": delivery.event_type,
            "url": delivery.url,
            "attempt": self.number,
            "at": iso(self.at),
            "outcome": self.outcome,
            "status": self.status,
            "error": self.error,
            "next_attempt_at": None if self.next_at is None else iso(self.next_at),
            "request": {
                "headers": self.headers,
                "body": delivery.body[:BODY_CAP].decode("utf-8", "replace"),
                "size": len(delivery.body),
            },
        }


class Webhooks:
    """Sends the World's events and remembers how that went."""

    def __init__(self, outbox: Outbox, egress: Egress, clock: Clock, ids: Ids) -> None:
        self._outbox, self._egress, self._clock, self._ids = outbox, egress, clock, ids
        self._attempts: deque[Attempt] = deque(maxlen=ATTEMPTS)
        self.evicted = 0  # attempts that were forgotten because there were more than are kept

    @cached_property
    def _key(self) -> "SigningKey":
        """The key pair of this server: the seed's, so that a test can be given its public half beforehand."""
        from nacl.signing import SigningKey

        return SigningKey(bytes.fromhex(self._ids.hex("", "webhook key", 1) + self._ids.hex("", "webhook key", 2)))

    def public_key(self) -> str:
        """The 32 bytes in base64, as the vendor's portal shows it and TELNYX_PUBLIC_KEY takes it."""
        return b64encode(bytes(self._key.verify_key)).decode()

    def post(self, account: Account, url: str, event: Mapping[str, Any]) -> None:
        """Send an event, now and again as often as it takes. The text that is sent and signed is written here, once."""
        id = self._ids.uuid(account.id, "webhook", account.next("webhook"))
        delivery = Delivery(id, account, url, str(event["event_type"]), to_json(event))
        self._outbox.add(account, account.timeline.now(), partial(self._attempt, delivery, 1))

    async def _attempt(self, delivery: Delivery, number: int) -> None:
        account = delivery.account
        headers, at = self._headers(delivery.body), account.timeline.now()
        status, error, refused = None, None, False
        try:
            status = (await self._egress.post(delivery.url, delivery.body, headers, timeout=TIMEOUT)).status
        except EgressRefused as refusal:
            error, refused = str(refusal), True
        except EgressFailed as failure:
            error = str(failure)
        next_at = None
        if status is not None and 200 <= status < 300:
            outcome: Outcome = "delivered"
        elif refused or number > len(PAUSES):
            outcome = "refused" if refused else "given_up"
        else:
            outcome, next_at = "retrying", account.timeline.now() + PAUSES[number - 1]
            self._outbox.add(account, next_at, partial(self._attempt, delivery, number + 1))
        self._keep(Attempt(delivery, number, at, headers, outcome, status, error, next_at))

    def _keep(self, attempt: Attempt) -> None:
        if len(self._attempts) == ATTEMPTS:
            self.evicted += 1
        self._attempts.append(attempt)

    def _headers(self, body: bytes) -> dict[str, str]:
        """Signed at the machine's wall time, whatever the account's clock says: receivers compare it with their own."""
        timestamp = str(int(self._clock.machine.wall()))
        signature = self._key.sign(timestamp.encode() + b"|" + body).signature
        return {
            "content-type": "application/json",
            "user-agent": "telnyx-webhooks",
            "telnyx-timestamp": timestamp,
            "telnyx-signature-ed25519": b64encode(signature).decode(),
        }

    def newest_first(self, account: str | None) -> list[Attempt]:
        return [a for a in reversed(self._attempts) if account is None or a.delivery.account.id == account]

    def clear(self, account: str | None = None) -> int:
        """Forget the attempts of an account, or all; how many went."""
        kept = [a for a in self._attempts if account is not None and a.delivery.account.id != account]
        gone = len(self._attempts) - len(kept)
        self._attempts = deque(kept, maxlen=ATTEMPTS)
        return gone

    def reset(self) -> None:
        self.clear()
        self.evicted = 0
