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
from mock_server.engine.faults.table import Faults
from mock_server.engine.outbox import Outbox

if TYPE_CHECKING:
    from nacl.signing import SigningKey

    from mock_server.engine.faults.schedule import Fired

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
    fault: str | None = None  # the rule that had a hand in it

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
            "fault": self.fault,
            "next_attempt_at": None if self.next_at is None else iso(self.next_at),
            "request": {
                "headers": self.headers,
                "body": delivery.body[:BODY_CAP].decode("utf-8", "replace"),
                "size": len(delivery.body),
            },
        }


class Webhooks:
    """Sends the World's events and remembers how that went."""

    def __init__(self, outbox: Outbox, egress: Egress, clock: Clock, ids: Ids, faults: Faults) -> None:
        self._outbox, self._egress, self._clock, self._ids = outbox, egress, clock, ids
        self._faults = faults
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
        fired = self._faults.of_webhook(delivery.account, delivery.event_type, delivery.url)
        delay = 0.0 if fired is None else fired.draw(self._ids, delivery.account, fired.effect.delay, "delay")
        if delay > 0:
            due = delivery.account.timeline.now() + delay
            self._outbox.add(delivery.account, due, partial(self._send, delivery, number, fired))
        else:
            await self._send(delivery, number, fired)

    async def _send(self, delivery: Delivery, number: int, fired: "Fired | None") -> None:
        account = delivery.account
        headers, at = self._headers(delivery.body), account.timeline.now()
        status, error, refused = None, None, False
        try:
            status, error = await self._post(delivery, headers, fired)
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
        fault = None if fired is None else fired.id
        self._keep(Attempt(delivery, number, at, headers, outcome, status, error, next_at, fault))

    async def _post(
        self, delivery: Delivery, headers: Mapping[str, str], fired: "Fired | None"
    ) -> tuple[int | None, str | None]:
        """The receiver's status, or what went wrong; under a fault what that makes of it. Raises EgressFailed.

        A status or a broken connection never reaches the receiver; an answer that comes too late does, as does a copy.
        """
        effect = None if fired is None else fired.effect
        if effect is not None and effect.disconnect:
            return None, "the connection was closed by a fault"
        if effect is not None and effect.status is not None:
            return effect.status, None
        status = (await self._egress.post(delivery.url, delivery.body, headers, timeout=TIMEOUT)).status
        if effect is not None and effect.duplicate:
            status = (await self._egress.post(delivery.url, delivery.body, headers, timeout=TIMEOUT)).status
        if effect is not None and effect.timeout is not None:
            return None, "the answer came too late, by a fault"
        return status, None

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
