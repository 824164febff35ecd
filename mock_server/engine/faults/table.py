"""The rules in force, and which of them fires for an exchange.

Precedence: request header, then magic key, then rules of the API in the order they were added, then those of files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from mock_server.base.clock import Clock
from mock_server.base.errors import BadRequest
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.files import FaultFiles

if TYPE_CHECKING:  # models are built when the first fault is asked for, not at start
    from mock_server.engine.faults.index import Shelf
    from mock_server.engine.faults.rules import Rule
    from mock_server.engine.faults.schedule import Armed, Fired
    from mock_server.engine.faults.wire import Wire

HEADER = b"x-mock-fault"
MOST_ASKED = 10_000  # headers whose counts are kept
MOST_RULES = 20_000
MOST_SHELVES = 2000  # accounts whose rules are kept sorted by operation


class Faults:
    """One table for the server; rules of an account concern that account only. Nothing here is another account's to see."""

    def __init__(
        self,
        ids: Ids,
        clock: Clock,
        folders: Sequence[Path] = (),
        files: Sequence[Path] = (),
        *,
        typed_frames: bool = False,
    ) -> None:
        self._ids, self._clock, self._typed = ids, clock, typed_frames
        self.rules: list[Armed] = []  # of the API, then of files: the order in which they are tried
        self._from_files: list[Armed] = []
        self._made: dict[str | None, int] = {}  # names made up, by owner: other accounts' rules never shift them
        self.asked: dict[tuple[str, str], Armed] = {}  # what headers and keys asked for, by account and text
        self._shelves: dict[str, Shelf] = {}  # rules by account, then by operation
        self.files = FaultFiles(folders, files, clock, self._replace_files)
        self.on = self._watching = bool(folders or files)  # whether anybody need ask

    # Changes

    def add(self, rule: "Rule", account: str | None, source: str = "api") -> "Armed":
        """Put a rule in force; one with the same id and account is replaced. Raises BadRequest when there are too many."""
        from mock_server.engine.faults.schedule import Armed

        if len(self.rules) >= MOST_RULES:
            raise BadRequest(f"There are {MOST_RULES} fault rules, which is the most.")
        if rule.id is None:
            rule = rule.model_copy(update={"id": self._new_id(account)})
        armed = Armed(rule, account, source)
        kept = [a for a in self._of_api() if (a.id, a.account) != (rule.id, account)]
        self._arrange([*kept, armed])
        return armed

    def _of_api(self) -> list["Armed"]:
        return self.rules[: len(self.rules) - len(self._from_files)]

    def _arrange(self, of_api: "list[Armed]") -> None:
        self.rules = [*of_api, *self._from_files]
        self.on = self._watching or bool(self.rules)
        self._shelves.clear()

    def _new_id(self, account: str | None) -> str:
        taken = {armed.id for armed in self.rules if armed.account == account}
        while True:
            n = self._made[account] = self._made.get(account, 0) + 1
            if (id := f"fault-{n}") not in taken:
                return id

    def remove(self, id: str | None, account: str | None) -> bool:
        """Take a rule out; whether there was one. Without an account, whosever it is."""
        return self._keep(lambda a: not (a.id == id and (account is None or a.account == account))) > 0

    def drop(self, source: str, account: str | None) -> int:
        """Take out what one source, such as a scenario, put in force for an account, or for everyone; how many went."""
        return self._keep(lambda a: not (a.source == source and a.account == account))

    def clear(self, account: str | None) -> int:
        """Take out one account's rules, or all but those of files; how many went."""
        if account is None:
            self._made.clear()
        self._made.pop(account, None)
        return self._keep(lambda a: account is not None and a.account != account)

    def _keep(self, wanted: Any) -> int:
        before = self._of_api()
        kept = [armed for armed in before if wanted(armed)]
        if len(kept) < len(before):
            self._arrange(kept)
        return len(before) - len(kept)

    def _replace_files(self, rules: "list[Armed]") -> None:
        """The rules of files are these now; those that stay as they were keep their counts."""
        of_api = self._of_api()
        old = {(armed.source.rpartition(":")[0], armed.id): armed for armed in self._from_files}
        self._from_files = rules
        for armed in self._from_files:
            before = old.get((armed.source.rpartition(":")[0], armed.id))
            if before is not None and before.rule == armed.rule:
                armed.counts = before.counts
        self._arrange(of_api)

    def look_at_files(self) -> None:
        """Take what files say now, where there are any."""
        if self._watching:
            self.files.refresh()

    def reset(self, account: str | None = None) -> None:
        """As new for one account, or for all: no rules of the API, and every count at the start."""
        self.clear(account)
        for armed in self.rules:
            if account is None:
                armed.counts.clear()
            else:
                armed.counts.pop(account, None)
        self.asked = {key: a for key, a in self.asked.items() if account is not None and key[0] != account}

    def put_back(self, rules: "Sequence[Armed]", asked: "dict[tuple[str, str], Armed]") -> None:
        """Put rules in force, with their counts, behind those that are; and what headers and keys had asked for."""
        self._arrange([*self._of_api(), *rules])
        self.asked.update(asked)

    def added(self, account: str | None) -> "list[Armed]":
        """The rules of an account, or all but those of files."""
        return [armed for armed in self._of_api() if account in (None, armed.account)]

    def file_sources(self) -> set[str]:
        """Where the rules of files come from."""
        return {armed.source for armed in self._from_files}

    def visible_to(self, account: str | None) -> list[dict[str, Any]]:
        """The rules that concern an account, or all, as the admin API shows them."""
        return [a.describe(account) for a in self.rules if account is None or a.account in (None, account)]

    # Exchanges

    def arm(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send, expected: bool = False
    ) -> "Wire | None":
        """What stands between an exchange and its connection from now on, None where no rule can fire.

        `expected`: something else may let a fault fire later on.
        Raises BadRequest for a header or a key that cannot be read.
        """
        self.look_at_files()
        assert exchange.account is not None
        shelf = self._shelf(exchange.account) if self.rules else None
        fired = self._by_head(exchange, exchange.account, shelf)
        if fired is None and not expected and (shelf is None or not shelf.waits(exchange)):
            return None
        if exchange.kind == "socket":
            from mock_server.engine.faults.sockets import SocketWire

            return SocketWire(exchange, scope, receive, send, fired, self._clock, self._ids, typed=self._typed)
        from mock_server.engine.faults.wire import Wire

        return Wire(exchange, scope, receive, send, fired, self._clock, self._ids)

    def _by_head(self, exchange: Exchange, account: Account, shelf: "Shelf | None") -> "Fired | None":
        """What fires by header, key, or a rule that needs no body."""
        fired = None
        if (header := exchange.headers.get(HEADER)) is not None:
            fired = self._by_text(exchange, account, "header", header.decode("latin-1"))
        if fired is None and account.fault_key:
            fired = self._by_text(exchange, account, "key", account.fault_key)
        if fired is None and shelf is not None:
            fired = shelf.by_head(exchange, self._ids)
        if fired is not None:
            exchange.fault = fired.id
        return fired

    def after_parse(self, exchange: Exchange, body: Any, raw: bytes = b"") -> "Fired | None":
        """What fires by a rule that asks for the body: as it was parsed, and the JSON it was parsed from."""
        assert exchange.account is not None
        fired = self._shelf(exchange.account).by_body(exchange, body, raw, self._ids)
        if fired is not None:
            exchange.fault = fired.id
        return fired

    def of_webhook(self, account: Account, event: str, url: str) -> "Fired | None":
        """What happens to a webhook of this server's own on its way out."""
        return self._shelf(account).by_webhook(account, event, url, self._ids) if self.rules else None

    def _shelf(self, account: Account) -> "Shelf":
        shelf = self._shelves.get(account.id)
        if shelf is None:
            from mock_server.engine.faults.index import Shelf

            if len(self._shelves) >= MOST_SHELVES:
                self._shelves.clear()
            shelf = self._shelves[account.id] = Shelf([a for a in self.rules if a.account in (None, account.id)])
        return shelf

    def _by_text(self, exchange: Exchange, account: Account, id: str, text: str) -> "Fired | None":
        """What a header or a magic key asks for, which is a rule with counts of its own."""
        asked = self.asked.get((account.id, text))
        if asked is None:
            asked = read_asked(id, text)
            if len(self.asked) >= MOST_ASKED:
                del self.asked[next(iter(self.asked))]
            self.asked[account.id, text] = asked
        from mock_server.engine.faults.matching import unsuited

        assert exchange.operation is not None
        for effect in asked.rule.sequence:
            if effect is not None and (reason := unsuited(effect, exchange.operation)):
                if id == "key":
                    return None
                raise BadRequest(f"The header x-mock-fault cannot be obeyed here: {reason}.")
        return asked.fire(account, self._ids)


def read_asked(id: str, text: str) -> "Armed":
    from mock_server.engine.faults.rules import read_rule
    from mock_server.engine.faults.schedule import Armed
    from mock_server.engine.faults.short import parse_key, parse_short

    if id == "key":
        fields = parse_key(text)
        if fields is None:
            raise BadRequest(
                "A key that begins with mock-fault- goes on with a status from 400 to 599, hang, disconnect, malformed or "
                "cut, as in mock-fault-429-twice."
            )
        return Armed(read_rule({**fields, "id": id}), None, id)
    try:
        return Armed(read_rule({**parse_short(text), "id": id}), None, id)
    except ValueError as error:
        raise BadRequest(f"The header x-mock-fault cannot be read: {error}.") from None
