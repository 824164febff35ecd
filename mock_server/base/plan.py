"""The life of a job as data: when it is in which status. Pure; nothing runs in the background.

A row keeps its plan and when it was made; its status is a function of its age and of how often it was read.
"""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps of (status, at): `at` counts seconds of age, or reads when `by_poll`. The first step is at 0."""

    steps: tuple[tuple[str, float], ...]
    by_poll: bool = False

    def status(self, age: float, polls: int) -> str:
        """The status at this age (seconds) and after this many reads."""
        reached = polls if self.by_poll else age
        current = self.steps[0][0]
        for status, at in self.steps:
            if at <= reached:
                current = status
        return current

    def ends_at(self) -> float:
        """The age in seconds at which the last step is reached; 0 by poll, where time plays no part."""
        return 0.0 if self.by_poll else self.steps[-1][1]

    def dump(self) -> str:
        """As `parse` reads it: `queued@0, running@2, succeeded@10`, with `poll:` before it when it goes by reads."""
        steps = ", ".join(f"{status}@{at:g}" for status, at in self.steps)
        return f"poll: {steps}" if self.by_poll else steps


def parse(text: str) -> Plan:
    """A plan from `queued@0, running@2, succeeded@10`. Raises ValueError with what is wrong."""
    head, colon, tail = text.partition(":")
    by_poll = bool(colon) and head.strip() == "poll"
    steps: list[tuple[str, float]] = []
    for step in (tail if by_poll else text).split(","):
        status, at_sign, at = step.strip().partition("@")
        if not status or not at_sign:
            raise ValueError(f"a plan's step is written status@seconds, not {step.strip()!r}")
        steps.append((status, float(at)))
    if steps[0][1] != 0 or any(a[1] > b[1] for a, b in pairwise(steps)):
        raise ValueError(f"a plan starts at 0 and never goes back: {text!r}")
    return Plan(tuple(steps), by_poll)
