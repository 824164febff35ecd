"""Whose turn it is at what there is little of: an account takes one place at a time, and those that wait are served in turn."""

import asyncio
from collections import deque

from mock_server.base.errors import ServiceUnavailable

MOST_WAITING = 1000  # of one account


class Turns:
    """Some places. What one account does slowly holds up that account, and others only where more come than there are places."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._busy: set[str] = set()  # accounts that have a place
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}  # the account that waits for longest first

    async def take(self, account: str) -> None:
        """Wait for a place, which `give` gives back. Raises ServiceUnavailable when too much of the account waits already."""
        if self._free and account not in self._busy:  # nobody who waits could have taken it
            self._free -= 1
            self._busy.add(account)
            return
        line = self._lines.setdefault(account, deque())
        if len(line) >= MOST_WAITING:
            raise ServiceUnavailable
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self.give(account)
            raise

    def give(self, account: str) -> None:
        self._free += 1
        self._busy.discard(account)
        for waiting in list(self._lines):
            if not self._free:
                return
            if waiting not in self._busy:
                self._let_in(waiting)

    def _let_in(self, account: str) -> None:
        line = self._lines.pop(account)
        while line:
            turn = line.popleft()
            if not turn.done():
                self._free -= 1
                self._busy.add(account)
                turn.set_result(None)
                break
        if line:
            self._lines[account] = line  # behind all others


class Shares:
    """So many a turn of the loop: what takes a moment each is done some at a time, with everything else in between."""

    def __init__(self, each: int) -> None:
        self._each = self._left = each
        self._line: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def take(self) -> None:
        """At once, or in one of the next turns."""
        self._turn_later()
        if self._left:
            self._left -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        await turn

    def _turn_later(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning, self._left = False, self._each
        while self._line and self._left:
            turn = self._line.popleft()
            if not turn.done():
                self._left -= 1
                turn.set_result(None)
        if self._line:
            self._turn_later()
