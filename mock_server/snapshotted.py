"""What the World is made of that is state: all of it dumped at one instant, and put back in one step."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from mock_server.base.clock import Clock, iso
from mock_server.base.place import Place
from mock_server.base.settings import Settings
from mock_server.engine.accounts import Account, Accounts
from mock_server.engine.blobs import Blobs
from mock_server.engine.faults.table import Faults
from mock_server.engine.limits import Limits
from mock_server.engine.outbox import Outbox
from mock_server.engine.plans import Plans
from mock_server.engine.replies import Replies
from mock_server.engine.scenarios.table import Scenarios
from mock_server.engine.vectors import Vectors

if TYPE_CHECKING:
    from mock_server.engine.pieces import Stage
    from mock_server.engine.snapshots.file import Dump
    from mock_server.engine.snapshots.reading import Given
    from mock_server.engine.store import Store


class Snapshotted:
    """The parts that a snapshot is of; a part's `restore` checks, and gives what then puts it into place."""

    settings: Settings
    place: Place | None
    clock: Clock
    accounts: Accounts
    limits: Limits
    plans: Plans
    faults: Faults
    replies: Replies
    scenarios: Scenarios
    outbox: Outbox
    vectors: Vectors
    blobs: Blobs

    if TYPE_CHECKING:

        @property
        def stored(self) -> bool: ...
        @cached_property
        def store(self) -> Store: ...
        def create_tables(self) -> None: ...
        def keeps_rows_of(self, account: str | None) -> bool: ...

    @contextmanager
    def dump(self, account: Account | None = None) -> "Iterator[Dump]":
        """All state of an account, or of the server, at this instant. The journal is none, nor is what waits in the outbox.

        Raises TooLarge.
        """
        from mock_server.engine.faults import snapshot as faults
        from mock_server.engine.replies import snapshot as replies
        from mock_server.engine.snapshots import rows
        from mock_server.engine.snapshots.file import Dump

        id = account.id if account else None
        states = {
            "clock": self.clock.dump() if account is None else [],
            "accounts": self.accounts.dump(id),
            "limits": self.limits.dump(id),
            "plans": self.plans.dump(id),
            "faults": faults.dump(self.faults, id),
            "replies": replies.dump(self.replies, id),
            "scenarios": self.scenarios.dump(id),
        }
        found = rows.dump(self.store, id, self.settings.max_snapshot_bytes) if self.stored else {}
        now = (account.timeline if account else self.clock.server).now()
        with self.blobs.dump(id) as objects:
            yield Dump.of(id, iso(now), self.settings.seed, states, found, objects)

    def restore(self, given: "Given", stage: "Stage") -> None:
        """Put what a snapshot holds in place of an account's state, or of the server's: all of it, or on an error nothing.

        Raises Unreadable, ServiceUnavailable.
        """
        from mock_server.engine.faults import snapshot as faults
        from mock_server.engine.replies import snapshot as replies
        from mock_server.engine.snapshots import rows
        from mock_server.engine.snapshots.file import unreadable

        id, states = given.account, given.states
        if self.place is not None and id is None:
            from mock_server.engine.snapshots.shares import share

            states = share(states, self.place)
        elif self.place is not None and not self.place.keeps(id):
            return  # an account's own snapshot is restored where it lives
        with unreadable():
            put_into_place = [
                *([self.clock.restore(states["clock"])] if id is None else []),
                self.accounts.restore(states["accounts"], id),
                self.limits.restore(states["limits"], id),
                self.plans.restore(states["plans"], id),
                faults.restore(self.faults, states["faults"], id),
                replies.restore(self.replies, states["replies"], id),
                self.scenarios.restore(states["scenarios"], id),
            ]
        if self.keeps_rows_of(id):
            with self.blobs.replace(stage, id):
                if self.stored or given.header.rows:
                    self.create_tables()
                    rows.load(self.store, given.rows(), id)
        self.outbox.reset(id)
        self.vectors.reset(id)
        for put in put_into_place:
            put()
