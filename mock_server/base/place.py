"""Which worker of how many this process is, and whose accounts are its own. One that serves alone has no Place."""

import re
from dataclasses import dataclass

ACCOUNT = re.compile(r"acct_[0-9a-f]{24}")
MOST_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Place:
    """An account lives in one worker, so nothing in memory is shared. What is no account's lives in the first."""

    number: int = 0
    of: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0

    def owner(self, account: str | None) -> int:
        """The number of the worker that an account lives in."""
        if account is None or ACCOUNT.fullmatch(account) is None:
            return 0
        return int(account[5:], 16) % self.of

    def keeps(self, account: str | None) -> bool:
        return self.owner(account) == self.number
