"""A pattern as a program that backtracks, remembers where it has failed, and counts its steps."""

import re
from collections.abc import Callable, Sequence
from typing import Any

MOST_STATES = 10_000  # of a pattern with its repetitions written out
Test = Callable[[str], bool]


class RegexError(ValueError):
    """A pattern that cannot be read, or one that asks too much."""


def _in_category(name: str, char: str) -> bool:
    kind = name.rpartition("_")[2]
    held = char.isdecimal() if kind == "DIGIT" else char.isspace() if kind == "SPACE" else char.isalnum() or char == "_"
    return held != ("NOT_" in name)


def _member(items: Sequence[Any], flags: int) -> Test:
    """Whether a character is in a set, as `re` parses sets."""

    def has(char: str) -> bool:
        for name, value in items:
            kind = str(name)
            if kind == "LITERAL" and char == chr(value):
                return True
            if kind == "RANGE" and value[0] <= ord(char) <= value[1]:
                return True
            if kind == "CATEGORY" and _in_category(str(value), char):
                return True
        return False

    negated = bool(items) and str(items[0][0]) == "NEGATE"
    if flags & re.IGNORECASE:
        return lambda char: any(map(has, {char, *char.lower()[:1], *char.upper()[:1]})) != negated
    return lambda char: has(char) != negated


def one_character(name: str, value: Any, flags: int) -> Test | None:
    """The test of a node that stands for one character, None for all other nodes."""
    if name == "LITERAL":
        return _member([("LITERAL", value)], flags)
    if name == "NOT_LITERAL":
        return _member([("NEGATE", None), ("LITERAL", value)], flags)
    if name == "IN":
        return _member(value, flags)
    if name == "ANY":
        return (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n")
    return None


class Program:
    """A pattern as instructions for a machine that backtracks, and remembers where it has failed."""

    def __init__(self, tree: Any, flags: int) -> None:
        self._code: list[tuple[Any, ...]] = []
        self._tests: dict[tuple[Any, ...], Test | None] = {}  # of nodes, which repetitions emit again and again
        self._forgetful = False  # with back-references, what failed once may succeed with another capture
        self._emit_all(tree, flags)
        self._code.append(("match",))

    def _emit_all(self, tree: Any, flags: int) -> None:
        for name, value in tree:
            self._emit(str(name), value, flags)
            if len(self._code) > MOST_STATES:
                raise RegexError("the pattern repeats too much")

    def _emit(self, name: str, value: Any, flags: int) -> None:
        code = self._code
        node = (name, value if isinstance(value, int) else id(value), flags)
        if node not in self._tests:
            self._tests[node] = one_character(name, value, flags)
        test = self._tests[node]
        if test is not None:
            code.append(("char", test))
        elif name == "AT":
            code.append(("at", str(value), flags))
        elif name == "BRANCH":
            self._branches(value[1], flags)
        elif name == "SUBPATTERN":
            group, added, removed, tree = value
            code.append(("save", group, True))
            self._emit_all(tree, (flags | added) & ~removed)
            code.append(("save", group, False))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            self._repeat(value, flags, name == "MIN_REPEAT")
        elif name in ("ASSERT", "ASSERT_NOT"):
            direction, tree = value
            behind = tree.getwidth()[0] if direction < 0 else 0
            code.append(("look", self._inner(tree, flags), behind, name == "ASSERT"))
        elif name == "ATOMIC_GROUP":
            code.append(("atomic", self._inner(value, flags)))
        elif name == "POSSESSIVE_REPEAT":
            inner = Program([], flags)
            inner._code.clear()
            inner._repeat(value, flags, False)
            inner._code.append(("match",))
            code.append(("atomic", inner))
        elif name == "GROUPREF":
            self._forgetful = True
            code.append(("back", value, flags))
        elif name == "FAILURE":
            code.append(("char", lambda char: False))
        else:
            raise RegexError(f"the pattern's {name.lower()} is not known here")

    def _inner(self, tree: Any, flags: int) -> "Program":
        inner = Program(tree, flags)
        self._forgetful = self._forgetful or inner._forgetful
        return inner

    def _branches(self, trees: Sequence[Any], flags: int) -> None:
        jumps = []
        for n, tree in enumerate(trees):
            if n < len(trees) - 1:
                split = len(self._code)
                self._code.append(())
                self._emit_all(tree, flags)
                jumps.append(len(self._code))
                self._code.append(())
                self._code[split] = ("split", split + 1, len(self._code))
            else:
                self._emit_all(tree, flags)
        for jump in jumps:
            self._code[jump] = ("split", len(self._code), len(self._code))

    def _repeat(self, repeat: Any, flags: int, lazy: bool) -> None:
        least, most, tree = repeat
        endless = str(most) == "MAXREPEAT"
        for _ in range(least if tree.getwidth()[1] else min(least, 1)):
            self._emit_all(tree, flags)
        splits = []
        for _ in range(1 if endless else most - least):
            splits.append(len(self._code))
            self._code.append(())
            self._emit_all(tree, flags)
        if endless:
            self._code.append(("split", splits[0], splits[0]))
        end = len(self._code)
        for split in splits:
            self._code[split] = ("split", end, split + 1) if lazy else ("split", split + 1, end)

    def search(self, text: str, starts: Sequence[int], left: list[int], *, whole: bool) -> bool:
        """Whether a match begins at one of `starts`. `left` is the number of steps it may take, and is counted down."""
        failed: set[tuple[int, int]] = set()
        return any(self._run(text, start, whole, failed, left) is not None for start in starts)

    def _run(
        self, text: str, start: int, whole: bool, failed: set[tuple[int, int]], left: list[int], groups: Any = None
    ) -> int | None:
        """Where a match that begins at `start` ends; None for no match. Raises RegexError when no steps are left."""
        stack: list[tuple[int, int, dict[Any, tuple[int, int]]]] = [(0, start, groups or {})]
        code, size = self._code, len(text)
        while stack:
            pc, at, groups = stack.pop()
            while True:
                left[0] -= 1
                if left[0] < 0:
                    raise RegexError("the pattern takes too long to match")
                if not self._forgetful:
                    if (pc, at) in failed:
                        break
                    failed.add((pc, at))
                step = code[pc]
                kind = step[0]
                if kind == "char":
                    if at >= size or not step[1](text[at]):
                        break
                    at += 1
                elif kind == "split":
                    if step[1] != step[2]:
                        stack.append((step[2], at, groups))
                    pc = step[1]
                    continue
                elif kind == "save":
                    if self._forgetful:
                        begun = at if step[2] else groups[step[1]][0]
                        groups = {**groups, step[1]: (begun, at)}
                elif kind == "match":
                    if not whole or at == size:
                        return at
                    break
                elif kind == "at":
                    if not _holds(step[1], text, at, step[2]):
                        break
                else:
                    end = _after(step, text, at, groups, left)
                    if end is None:
                        break
                    at = end
                pc += 1
        return None


def _after(step: tuple[Any, ...], text: str, at: int, groups: Any, left: list[int]) -> int | None:
    """Where the text goes on after a look around, an atomic group or a back-reference; None where that fails."""
    if step[0] == "look":
        begin = at - step[2]
        seen = begin >= 0 and step[1]._run(text, begin, False, set(), left, groups) is not None
        return at if seen == step[3] else None
    if step[0] == "atomic":
        end: int | None = step[1]._run(text, at, False, set(), left, groups)
        return end
    begun, end = groups.get(step[1], (0, -1))
    said = text[begun:end]
    left[0] -= len(said) // 16
    return at + len(said) if end >= begun and _same(said, text[at : at + len(said)], step[2]) else None


def _same(one: str, other: str, flags: int) -> bool:
    return one.lower() == other.lower() if flags & re.IGNORECASE else one == other


def _holds(name: str, text: str, at: int, flags: int) -> bool:
    """Whether an anchor holds at a place in a text."""
    if "BOUNDARY" in name:
        inside = [0 <= i < len(text) and (text[i].isalnum() or text[i] == "_") for i in (at - 1, at)]
        return (inside[0] != inside[1]) != ("NON" in name)
    if "BEGINNING" in name:
        return at == 0 or bool(flags & re.MULTILINE and name == "AT_BEGINNING" and text[at - 1] == "\n")
    if at == len(text):
        return True
    return name == "AT_END" and text[at] == "\n" and (at == len(text) - 1 or bool(flags & re.MULTILINE))
