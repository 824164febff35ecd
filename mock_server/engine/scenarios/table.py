"""Which scenario is on, and for whom: one at a time for an account, and one for everyone."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_server.base.clock import Clock
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.limits import parse_all
from mock_server.engine.accounts import Account, Accounts
from mock_server.engine.faults.files import as_id
from mock_server.engine.faults.table import Faults
from mock_server.engine.limits import Limits
from mock_server.engine.plans import Plans
from mock_server.engine.replies import FixtureError, Replies

if TYPE_CHECKING:  # models are built when the first scenario is asked for, not at start
    from mock_server.engine.scenarios.files import Scenario

HEADER = b"x-mock-scenario"
ASKED = "scenario "  # what an account counts under, with the name that it asked for last by header


class Scenarios:
    """Reads scenarios and puts them in force. `begins_with` is on for everyone from the start, and after each reset."""

    def __init__(
        self,
        folders: Sequence[Path],
        begins_with: str | None,
        *,
        accounts: Accounts,
        clock: Clock,
        faults: Faults,
        limits: Limits,
        plans: Plans,
        replies: Replies,
    ) -> None:
        self._folders, self._begins_with = folders, begins_with
        self._accounts, self._clock, self._faults, self._limits, self._plans = accounts, clock, faults, limits, plans
        self._replies = replies
        self._on: dict[str | None, tuple[str, Scenario]] = {}  # by account; None: for everyone
        self._begin()

    def _begin(self) -> None:
        if self._begins_with is not None:
            try:
                self.switch_on(self._begins_with, None)
            except NotFound as error:
                raise FixtureError(f"--scenario: {error.detail}") from None

    def reset(self, account: str | None = None) -> None:
        """Forget what is on for an account, or begin again. What it had put in force, the reset of each part takes back."""
        if account is not None:
            self._on.pop(account, None)
        else:
            self._on.clear()
            self._begin()

    def check(self) -> None:
        """Read every scenario of the users' folders. Raises FixtureError."""
        if any((folder / "scenarios").is_dir() for folder in self._folders[:-1]):
            from mock_server.engine.scenarios import files

            for _, path in files.files(self._folders[:-1]):
                files.read(path)

    def names(self) -> list[str]:
        from mock_server.engine.scenarios import files

        return sorted({name for name, _ in files.files(self._folders)})

    def find(self, name: str) -> "Scenario":
        """A scenario by its name. Raises NotFound and FixtureError."""
        from mock_server.engine.scenarios import files

        path = next((path for known, path in files.files(self._folders) if known == name), None)
        if path is None:
            raise NotFound(f"There is no scenario named {name[:100]!r}; there are {', '.join(self.names())}.")
        return files.read(path)

    def by_header(self, account: Account, value: bytes) -> None:
        """Switch on what a request asks for, when its account asks for it the first time. Raises BadRequest.

        SDKs send the same headers with every request: the second must not begin the scenario anew. Another name does.
        """
        name = value.decode("latin-1").strip()
        asked = ASKED + name
        if asked in account.counters:
            return
        try:
            self.switch_on(name, account)
        except (NotFound, FixtureError) as error:
            raise BadRequest(f"The header x-mock-scenario cannot be obeyed: {error}") from None
        for before in [kind for kind in account.counters if kind.startswith(ASKED)]:
            del account.counters[before]
        account.next(asked)

    def switch_on(self, name: str, account: Account | None) -> None:
        """Put a scenario in force for an account or for everyone, in the place of one that is on. Raises NotFound, FixtureError."""
        scenario = self.find(name)
        self.switch_off(account)
        owner = account.id if account else None
        self._on[owner] = (name, scenario)
        for n, rule in enumerate(scenario.faults, 1):
            named = rule if rule.id is not None else rule.model_copy(update={"id": f"{as_id(name)}.{n}"})
            self._faults.add(named, owner, _source(name))
        for n, reply in enumerate(scenario.replies, 1):
            self._replies.add(reply.model_copy(update={"id": reply.id or f"{name}.{n}"}), owner)
        if scenario.limits is not None:
            self._limits.put(parse_all(scenario.limits), owner)
        if scenario.state is not None:
            self._accounts.set_state(account, scenario.state)
        self._plans.put(scenario.plans, owner)
        if scenario.clock is not None:
            try:
                scenario.clock.apply(account.timeline if account else self._clock.server)
            except ValueError as error:
                self.switch_off(account)
                raise BadRequest(f"The clock cannot go where the scenario wants it: {error}.") from None

    def switch_off(self, account: Account | None) -> str | None:
        """Take back what the scenario put in force that is on; its name. Limits, state and clock go back to those of the start."""
        owner = account.id if account else None
        if owner not in self._on:
            return None
        name, scenario = self._on.pop(owner)
        self._faults.drop(_source(name), owner)
        for n, reply in enumerate(scenario.replies, 1):
            self._replies.drop(reply.id or f"{name}.{n}", owner)
        if scenario.limits is not None:
            self._limits.clear(owner)
        if scenario.state is not None:
            self._accounts.restore_state(account)
        self._plans.put(dict.fromkeys(scenario.plans), owner)
        if scenario.clock is not None:
            (account.timeline if account else self._clock).reset()
        return name

    def dump(self, account: str | None = None) -> list[dict[str, Any]]:
        """Which is on for an account, or for each and everyone. What it put in force is the state of other parts."""
        if account is not None:
            return [{"name": self._on[account][0]}] if account in self._on else []
        return [{"account": owner, "name": name} for owner, (name, _) in self._on.items()]

    def restore(self, states: list[dict[str, Any]], account: str | None = None) -> Callable[[], None]:
        """What notes that these are on, for an account or for all. Raises ValueError, KeyError."""
        try:
            loaded = {s["account"] if account is None else account: (s["name"], self.find(s["name"])) for s in states}
        except NotFound as error:
            raise ValueError(error.detail) from None

        def put() -> None:
            if account is None:
                self._on.clear()
            self._on.pop(account, None)
            self._on.update(loaded)

        return put

    def on(self, account: Account | None) -> str | None:
        """The name of the scenario that is on for an account, or for everyone."""
        found = self._on.get(account.id if account else None)
        return None if found is None else found[0]

    def describe(self) -> list[dict[str, Any]]:
        """Every scenario there is. One that cannot be read says so."""
        rows: list[dict[str, Any]] = []
        for name in self.names():
            try:
                rows.append({"name": name, "about": self.find(name).about})
            except FixtureError as error:
                rows.append({"name": name, "about": None, "error": str(error)})
        return rows


def _source(name: str) -> str:
    return f"scenario {name}"
