"""A rule in force, made ready: its tests, its replies, what goes wrong with them."""

import re
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_server.base.errors import BadRequest
from mock_server.base.ids import Ids
from mock_server.engine.exchange import Exchange
from mock_server.engine.replies.match import tests_of
from mock_server.engine.replies.rules import Reply, ReplyRule

if TYPE_CHECKING:
    from mock_server.engine.faults import schedule as faults


class Chosen(NamedTuple):
    """The reply that was chosen, and the rule it is of."""

    id: str
    reply: Reply
    rule: ReplyRule
    shipped: bool = False
    folder: Path | None = None
    fault: "faults.Armed | None" = None

    def misfire(self, exchange: Exchange, ids: Ids) -> "faults.Fired | None":
        """What goes wrong this time, None for nothing. Raises BadRequest where it cannot happen to the operation."""
        from mock_server.engine.faults.matching import unsuited

        assert self.fault is not None and exchange.account is not None and exchange.operation is not None
        for effect in self.fault.rule.sequence:
            if effect is not None and (reason := unsuited(effect, exchange.operation)):
                raise BadRequest(f"The fault of the reply {self.id!r} cannot happen here: {reason}.")
        fired = self.fault.fire(exchange.account, ids)
        if fired is not None:
            exchange.fault = fired.id
        return fired

    def audio(self) -> bytes:
        """The bytes of its audio. Raises BadRequest where the file has gone meanwhile."""
        audio = self.reply.audio
        assert audio is not None
        if audio.base64 is not None:
            return b64decode(audio.base64)
        try:
            return audio.path(self.folder or Path()).read_bytes()
        except (OSError, ValueError):
            raise BadRequest(f"The audio of the reply {self.id!r} cannot be read: {audio.file}.") from None


class Armed:
    """A rule in force, made ready: whose it is, where it stands, its tests, its replies."""

    __slots__ = ("account", "file", "key", "kinds", "line", "only", "rule", "shipped", "steps", "tests")

    def __init__(
        self, rule: ReplyRule, key: str, account: str | None, file: Path | None = None, line: int | None = None,
        shipped: bool = False,
    ) -> None:  # fmt: skip
        self.rule, self.key, self.account, self.file, self.line, self.shipped = rule, key, account, file, line, shipped
        self.tests = tests_of(rule.match)
        folder = file.parent if file else None
        id = rule.id or ""
        self.steps = [Chosen(id, reply, rule, shipped, folder, _fault(id, reply.fault)) for reply in rule.steps()]
        endless = rule.times is None and rule.then in ("stay", "repeat")
        self.only = self.steps[0] if len(self.steps) == 1 and endless else None  # what it says every time
        self.kinds = frozenset(kind for step in self.steps for kind in step.reply.kinds())

    @property
    def faulty(self) -> bool:
        return any(step.fault is not None for step in self.steps)

    def step(self, used: int) -> Chosen | None:
        """The reply after so many uses; None where the rule does not match any more. Raises BadRequest at a script's end."""
        rule, steps = self.rule, self.steps
        if rule.times is not None and used >= rule.times:
            return None
        if used < len(steps) or rule.then == "stay":
            return steps[min(used, len(steps) - 1)]
        if rule.then == "repeat":
            return steps[used % len(steps)]
        if rule.then == "pass":
            return None
        raise BadRequest(f"The sequence of the reply {rule.id!r} has come to its end after {len(steps)} requests.")

    def describe(self) -> dict[str, Any]:
        shown = self.rule.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {"id": self.rule.id, **shown, "account": self.account, "file": str(self.file) if self.file else None,
                "line": self.line}  # fmt: skip


def _fault(id: str, short: str | None) -> "faults.Armed | None":
    if short is None:
        return None
    from mock_server.engine.faults import schedule as faults
    from mock_server.engine.faults.rules import read_rule
    from mock_server.engine.faults.short import parse_short

    named = f"reply-{re.sub('[^A-Za-z0-9._-]', '-', id)}"[:100]
    return faults.Armed(read_rule({**parse_short(short), "id": named}), None, "reply")
