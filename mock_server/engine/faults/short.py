"""Faults in one line, as the header x-mock-fault and magic keys have them: `429;retry-after=2;times=2`."""

import re
from typing import Any

# What goes with a value in the short form, and how the value is read.
NUMBERS = frozenset({"retry_after", "timeout", "silent", "drip", "probability"})
COUNTS = frozenset({"times", "after", "every", "close"})
FLAGS = frozenset({"hang", "disconnect", "malformed", "no_done", "error_event", "duplicate", "half_open"})
WAITS = frozenset({"delay", "chunk_delay"})
TEXTS = frozenset({"code", "detail", "cut", "at", "reason", "error_frame", "job", "content_type"})
SCHEDULE = frozenset({"times", "after", "every", "probability"})
LONGEST = 2000  # characters
MOST_STEPS = 100

MAGIC_KEY = re.compile(r"mock-fault-(\d{3}|hang|disconnect|malformed|cut)(?:-(once|twice|thrice))?(?:-.*)?", re.DOTALL)
TIMES = {None: None, "once": 1, "twice": 2, "thrice": 3}


def parse_short(text: str) -> dict[str, Any]:
    """The fields of a rule that a line says: an effect or several (between commas), and the schedule. Raises ValueError."""
    if len(text) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    schedule: dict[str, Any] = {}
    steps: list[Any] = []
    for part in text.split(","):
        effect, said = parse_effect(part)
        schedule.update(said)
        steps.append(effect)
    if len(steps) > MOST_STEPS:
        raise ValueError(f"{MOST_STEPS} effects are the most")
    return (
        {"effect": steps[0], **schedule} if len(steps) == 1 and steps[0] != "fine" else {"effects": steps, **schedule}
    )


def parse_effect(text: str) -> tuple[Any, dict[str, Any]]:
    """One effect (or `fine`), and what it says of the schedule. Raises ValueError with what is wrong."""
    effect: dict[str, Any] = {}
    schedule: dict[str, Any] = {}
    if text.strip().lower() == "fine":
        return "fine", {}
    for part in text.split(";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        name = name.lower()
        field = name.replace("-", "_")
        if not equals and name.isascii() and name.isdigit() and len(name) == 3:
            effect["status"] = int(name)
        elif not equals and field in FLAGS:
            effect[field] = True
        elif not equals or field not in NUMBERS | COUNTS | WAITS | TEXTS:
            raise ValueError(
                f"{part.strip()[:60]!r} is none of a status, {', '.join(sorted(FLAGS)).replace('_', '-')}, or a name with "
                f"its value: {', '.join(sorted(NUMBERS | COUNTS | WAITS | TEXTS)).replace('_', '-')}"
            )
        elif field == "content_type":
            effect["headers"] = {"content-type": value}
        else:
            (schedule if field in SCHEDULE else effect)[field] = _value(name, field, value)
    return effect, schedule


def _value(name: str, field: str, value: str) -> Any:
    if field in TEXTS:
        return value
    try:
        if field in COUNTS:
            return int(value)
        if field in WAITS:
            least, dash, most = value.partition("-")
            return [float(least), float(most)] if dash else float(value)
        return float(value)
    except ValueError:
        what = (
            "a whole number"
            if field in COUNTS
            else "a number of seconds"
            if field not in ("drip", "probability")
            else "a number"
        )
        raise ValueError(f"{name} is {what}, not {value[:40]!r}") from None


def parse_key(key: str) -> dict[str, Any] | None:
    """The fields of the rule that a magic key says, such as mock-fault-429-twice-mytest; None for one that cannot be read."""
    found = MAGIC_KEY.fullmatch(key)
    if found is None or (found[1].isdigit() and not 400 <= int(found[1]) <= 599):
        return None
    what = found[1]
    effect = {"status": int(what)} if what.isdigit() else {"cut": "headers"} if what == "cut" else {what: True}
    return {"effect": effect, "times": TIMES[found[2]]}
