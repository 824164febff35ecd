"""A rate limit as data: how many requests, or tokens, in which time, of which operations. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
WRITTEN = re.compile(r"(?:([!-<>-~]{1,200})=)?([1-9][0-9]{0,11})/(second|minute|hour|day)")
TOKENS = "tokens"
MOST_LIMITS = 50  # in force at once


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` requests within `seconds`; of the operations that `operation` (a pattern) names, None: of all.

    With `tokens` it counts the tokens of chats, prompt and completion together, and the other operations pass it by.
    """

    most: int
    seconds: float
    operation: str | None = None
    tokens: bool = False

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in UNITS.items() if seconds == self.seconds)
        what = f"{TOKENS}=" if self.tokens else "" if self.operation is None else f"{self.operation}="
        return f"{what}{self.most}/{unit}"


def parse(text: str) -> Limit:
    """`20/second`, `openai.chat.*=5/minute` or `tokens=10000/minute`. Raises ValueError with what is wrong."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"a limit is written as 20/second, openai.chat.*=5/minute or tokens=10000/minute, not {text[:100]!r}"
        )
    what, most, unit = found.groups()
    if what == TOKENS:
        return Limit(int(most), UNITS[unit], tokens=True)
    return Limit(int(most), UNITS[unit], what)


def parse_all(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Several limits, each once. Raises ValueError."""
    limits = tuple(dict.fromkeys(map(parse, texts)))
    if len(limits) > MOST_LIMITS:
        raise ValueError(f"at most {MOST_LIMITS} limits are in force at once, not {len(limits)}")
    return limits
