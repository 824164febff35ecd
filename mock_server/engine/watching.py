"""Who looks on: gets each exchange as the journal takes it in, as many as fit, and hears when the journal is emptied."""

import asyncio
from collections import deque
from typing import Protocol

from mock_server.engine.exchange import Exchange

MOST_KEPT = 1000  # exchanges that wait to be taken; the oldest give way


class Onlooker(Protocol):
    """What the journal tells of its exchanges: `see` each as it ends, `empty` when some were forgotten, `end` at the end."""

    def see(self, exchange: Exchange) -> None: ...

    def empty(self) -> None: ...

    def end(self) -> None: ...


class Watch:
    """One onlooker. `missed` counts what gave way since the last `take`; `emptied`: exchanges were forgotten."""

    def __init__(self, account: str | None) -> None:
        self._account = account
        self._new: deque[Exchange] = deque(maxlen=MOST_KEPT)
        self.changed, self.ended = asyncio.Event(), asyncio.Event()
        self.missed = 0
        self.emptied = False

    def see(self, exchange: Exchange) -> None:
        if self._account is not None and (exchange.account is None or exchange.account.id != self._account):
            return
        self.missed += len(self._new) == MOST_KEPT
        self._new.append(exchange)
        self.changed.set()

    def empty(self) -> None:
        """Exchanges of the journal were forgotten: what waits may be among them."""
        self._new.clear()
        self.missed = 0
        self.emptied = True
        self.changed.set()

    def end(self) -> None:
        self.ended.set()
        self.changed.set()

    @property
    def over(self) -> bool:
        return self.ended.is_set()

    def take(self, most: int) -> list[Exchange]:
        """The next that wait, oldest first."""
        taken = [self._new.popleft() for _ in range(min(most, len(self._new)))]
        if not self._new and not self.over:
            self.changed.clear()  # what comes from now on sets it again
        return taken
