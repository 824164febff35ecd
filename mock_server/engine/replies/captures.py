"""What the groups of a regular expression hold, found in bounded time. Whether it matches at all is engine/patterns.py's.

pydantic's engine says yes or no only, and Python's own may hang. So Python's parser reads the expression, and a backtracking
matcher that never visits a state twice at the same place runs it, as RE2 does for short texts: states times characters are
the most steps there can be, and fewer are allowed.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from mock_server.engine.patterns import SEARCHED

MOST_STEPS = 50_000
MOST_STATES = 4000
NAMED = re.compile(r"(?<!\\)\(\?<(?=[A-Za-z_])")  # Rust's other spelling of a named group
CATEGORIES: Mapping[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda char: char.isalnum() or char == "_",
}
Fits = Callable[[str], bool]
Captures = dict[int | str, str | None]


def captures(regex: str, text: str) -> Captures:
    """What each group holds, by number (0 is all that matched) and by name; None where a group took no part.

    Empty where the expression is not found, is not in Python's syntax as well, or would take too long.
    """
    program = _program(regex)
    if program is None:
        return {}
    found = _run(program.steps, text[:SEARCHED])
    if found is None:
        return {}
    held: Captures = {
        n: text[found[2 * n] : found[2 * n + 1]] if 2 * n + 1 in found else None for n in range(program.groups)
    }
    return held | {name: held[n] for name, n in program.names.items()}


class _Program:
    """Steps: (kind, argument, argument). `char` takes one character, `split` tries its first way, then its second."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Any, Any]] = []
        self.groups = 1
        self.names: Mapping[str, int] = {}

    def add(self, kind: str, first: Any = None, second: Any = None) -> int:
        if len(self.steps) >= MOST_STATES:
            raise ValueError("too many states")
        self.steps.append((kind, first, second))
        return len(self.steps) - 1

    def sequence(self, parsed: Any, flags: int) -> None:
        for op, value in parsed:
            getattr(self, f"_{str(op).lower()}", self._unknown)(value, flags)

    def _unknown(self, value: Any, flags: int) -> None:
        raise ValueError("not a regular language, or not known here")

    def _literal(self, value: int, flags: int) -> None:
        self.add("char", _in([("LITERAL", value)], flags))

    def _not_literal(self, value: int, flags: int) -> None:
        self.add("char", _in([("NEGATE", None), ("LITERAL", value)], flags))

    def _any(self, value: None, flags: int) -> None:
        self.add("char", (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n"))

    def _in(self, value: Any, flags: int) -> None:
        self.add("char", _in([(str(op), what) for op, what in value], flags))

    def _at(self, value: Any, flags: int) -> None:
        self.add("at", str(value).removeprefix("AT_"), flags)

    def _subpattern(self, value: Any, flags: int) -> None:
        group, added, removed, inner = value
        flags = (flags | added) & ~removed
        if group is None:
            return self.sequence(inner, flags)
        self.add("save", 2 * group)
        self.sequence(inner, flags)
        self.add("save", 2 * group + 1)

    def _branch(self, value: Any, flags: int) -> None:
        ends = []
        for way in value[1][:-1]:
            split = self.add("split")
            self.sequence(way, flags)
            ends.append(self.add("jump"))
            self.steps[split] = ("split", split + 1, len(self.steps))
        self.sequence(value[1][-1], flags)
        for end in ends:
            self.steps[end] = ("jump", len(self.steps), None)

    def _max_repeat(self, value: Any, flags: int) -> None:
        self._repeat(value, flags, greedy=True)

    def _min_repeat(self, value: Any, flags: int) -> None:
        self._repeat(value, flags, greedy=False)

    def _repeat(self, value: Any, flags: int, *, greedy: bool) -> None:
        least, most, inner = value
        for _ in range(least):
            self.sequence(inner, flags)
        splits = []
        endless = str(most) == "MAXREPEAT"
        for _ in range(1 if endless else most - least):
            splits.append(self.add("split"))
            self.sequence(inner, flags)
        if endless:
            self.add("jump", splits[0])
        after = len(self.steps)
        for split in splits:
            self.steps[split] = ("split", split + 1, after) if greedy else ("split", after, split + 1)


@lru_cache(maxsize=1024)
def _program(regex: str) -> _Program | None:
    try:
        parsed = import_module("re._parser").parse(NAMED.sub("(?P<", regex).replace(r"\z", r"\Z"))
        program = _Program()
        program.groups, program.names = parsed.state.groups, dict(parsed.state.groupdict)
        program.add("save", 0)
        program.sequence(parsed, parsed.state.flags)
        program.add("save", 1)
        program.add("match")
    except (re.error, ValueError, RecursionError, OverflowError):
        return None
    return program


def _in(items: list[tuple[str, Any]], flags: int) -> Fits:
    """Whether a character is one of a class."""
    negated = items[0][0] == "NEGATE"
    tests = [_item(op, value) for op, value in items if op != "NEGATE"]

    def fits(char: str) -> bool:
        chars = {char, char.lower(), char.upper()} if flags & re.IGNORECASE else (char,)
        return any(test(c) for test in tests for c in chars if len(c) == 1) != negated

    return fits


def _item(op: str, value: Any) -> Fits:
    if op == "LITERAL":
        wanted = chr(value)
        return lambda char: char == wanted
    if op == "RANGE":
        low, high = value
        return lambda char: low <= ord(char) <= high
    name = str(value).removeprefix("CATEGORY_")
    known = CATEGORIES[name.removeprefix("NOT_")]
    return (lambda char: not known(char)) if name.startswith("NOT_") else known


def _run(steps: list[tuple[str, Any, Any]], text: str) -> dict[int, int] | None:
    """The positions saved by the first match; None for none, or none within the steps allowed."""
    visited: set[tuple[int, int]] = set()
    for start in range(len(text) + 1):
        ways: list[tuple[int, int, Any]] = [(0, start, None)]
        while ways:
            at, place, saved = ways.pop()
            while (at, place) not in visited:
                visited.add((at, place))
                if len(visited) > MOST_STEPS:
                    return None
                kind, first, second = steps[at]
                at += 1
                if kind == "char":
                    if place >= len(text) or not first(text[place]):
                        break
                    place += 1
                elif kind == "split":
                    ways.append((second, place, saved))
                    at = first
                elif kind == "jump":
                    at = first
                elif kind == "save":
                    saved = (first, place, saved)
                elif kind == "at":
                    if not _holds(first, second, text, place):
                        break
                else:
                    return _positions(saved)
    return None


def _positions(saved: Any) -> dict[int, int]:
    positions: dict[int, int] = {}
    while saved is not None:
        slot, place, saved = saved
        positions.setdefault(slot, place)  # the newest is met first
    return positions


def _holds(name: str, flags: int, text: str, place: int) -> bool:
    """Whether an anchor holds at a place."""
    if name in ("BOUNDARY", "NON_BOUNDARY"):
        word = CATEGORIES["WORD"]
        inside = (place > 0 and word(text[place - 1])) != (place < len(text) and word(text[place]))
        return inside == (name == "BOUNDARY")
    if name in ("BEGINNING", "BEGINNING_STRING"):
        return place == 0 or (name == "BEGINNING" and bool(flags & re.MULTILINE) and text[place - 1] == "\n")
    # Without (?m) Rust's $ is the very end, where Python's also stands before a last line feed.
    return place == len(text) or (name == "END" and bool(flags & re.MULTILINE) and text[place] == "\n")
