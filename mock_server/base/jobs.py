"""The kinds of jobs there are: their statuses, how they end, and how they go unless told otherwise. Pure."""

import math
from dataclasses import dataclass

from mock_server.base.plan import Plan, parse

LONGEST = 1e9  # seconds, or reads
AT_ONCE, STUCK = "immediate", "stuck"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job. `before` are the statuses it goes through, `ends` those it may end in, the first of them the good one.

    `not_final` are ends that another end may still follow.
    """

    name: str
    before: tuple[str, ...]
    ends: tuple[str, ...]
    not_final: tuple[str, ...] = ()

    @property
    def statuses(self) -> tuple[str, ...]:
        return self.before + self.ends

    def at_once(self, end: str) -> Plan:
        """Through all that comes before to `end`, with the next read."""
        return Plan((*((status, 0.0) for status in self.before), (end, 0.0)))

    @property
    def usual(self) -> Plan:
        """How such a job goes unless something is asked for: well, and at once."""
        return self.at_once(self.ends[0])

    def spoilt(self, ending: str) -> Plan:
        """How it goes when it ends `failed` or `partial`, or is `stuck`. A kind that has no half success fails."""
        if ending == "partial":
            return self.at_once(next((end for end in self.ends if "partial" in end), self.ends[1]))
        return self.read(STUCK if ending == "stuck" else self.ends[1])

    def read(self, text: str) -> Plan:
        """A plan of such a job. Raises ValueError with what is wrong.

        `immediate`, or an end by itself (`failed`): at once. `stuck`: never. `queued@0, running@2, failed@10`: in seconds.
        `poll: queued@0, running@1, failed@3`: in reads.
        """
        word = text.strip()
        if word == AT_ONCE:
            return self.usual
        if word in self.ends:
            return self.at_once(word)
        if word == STUCK:
            return Plan((*((status, 0.0) for status in self.before), (self.ends[0], LONGEST)))
        if "@" not in text:
            words = ", ".join((AT_ONCE, *self.ends, STUCK))
            steps = ", ".join(f"{status}@{n}" for n, status in enumerate((self.before[0], self.ends[0])))
            raise ValueError(f"a plan is one of {words}, or steps such as {steps}; not {text[:60]!r}")
        plan = parse(text)
        *before, (last, at) = plan.steps
        if (
            {status for status, _ in plan.steps} - set(self.statuses)
            or last not in self.ends
            or any(status in self.ends and status not in self.not_final for status, _ in before)
        ):
            raise ValueError(f"statuses are {', '.join(self.statuses)}, and the last is one of {', '.join(self.ends)}")
        if not all(math.isfinite(second) for _, second in plan.steps) or at > LONGEST:
            raise ValueError("it takes too long")
        return plan


EMBEDDING = Kind("embedding", ("queued", "processing"), ("success", "failure", "partial_success"))
FINE_TUNING = Kind("fine_tuning", ("queued", "running"), ("succeeded", "failed", "cancelled"))
INSIGHTS = Kind("insights", ("pending", "in_progress"), ("completed", "failed"))
REPORTS = Kind("reports", ("PENDING",), ("COMPLETE", "FAILED", "EXPIRED"), not_final=("COMPLETE",))
KINDS = {kind.name: kind for kind in (EMBEDDING, FINE_TUNING, INSIGHTS, REPORTS)}
