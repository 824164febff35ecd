"""What a text must hold for a regular expression or a shell-style pattern to fit it. Never too much: where in doubt, nothing."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from mock_server.engine.replies.captures import NAMED

MOST_WAYS = 16  # of an alternation
LONG = 8  # characters from which longer texts tell no more
# What Rust's syntax, which decides, and Python's, which is read here, mean alike.
ALIKE = re.compile(
    r"(?:\\[dDwWsSbBAnrtfv.\\+*?()\[\]{}|^$/#&~@!%\",:;='-]"
    r"|\[\^?\]?(?:\\.|[^\[\]\\&~-]|-(?!-))*\]"
    r"|\(\?(?:[ims]+[:)]|:|P?<[A-Za-z_]\w*>)|\((?!\?)|\{\d+(?:,\d*)?\}|[^\\\[({])*"
)
Ways = tuple[str, ...]  # texts of which one must be there


def fold(text: str) -> str:
    """Lower case, and one s for both that (?i)s matches."""
    lowered = text.lower()
    return lowered if lowered.isascii() else lowered.replace("\N{LATIN SMALL LETTER LONG S}", "s")


@lru_cache(maxsize=64)  # rules are read one after the other: this spares reading an expression twice, no more
def of_regex(regex: str) -> tuple[Ways, ...]:
    """Each holds texts of which one is in `fold(text)` wherever the expression is found in a text."""
    if not ALIKE.fullmatch(regex):
        return ()
    try:
        found = _needed(import_module("re._parser").parse(NAMED.sub("(?P<", regex)))
    except (re.error, ValueError, RecursionError, OverflowError):
        return ()
    long = min(LONG, max(map(_shortest, found), default=0))
    return tuple(ways for ways in found if _shortest(ways) >= long)  # short ones tell little


def of_pattern(pattern: str) -> str:
    """The longest text that is in `fold(text)` wherever the shell-style pattern fits."""
    return fold(max(re.split(r"[*?]", pattern.partition("[")[0]), key=len))


def is_plain(pattern: str) -> bool:
    """Whether a shell-style pattern fits nothing but itself."""
    return not any(sign in pattern for sign in "*?[")


def _needed(parsed: Sequence[Any]) -> list[Ways]:
    found: list[Ways] = []
    run = ""
    for op, value in _flat(parsed):
        if op == "AT":
            continue  # an anchor takes no place
        if (char := _char(op, value)) is not None:
            run += char
            continue
        found, run = [*found, (run,)] if run else found, ""
        if op in ("MAX_REPEAT", "MIN_REPEAT") and value[0] > 0:
            found += _needed(value[2])
        elif op == "BRANCH":
            best = [max(_needed(way), key=_shortest, default=()) for way in value[1]]
            ways = tuple(text for texts in best for text in texts)
            if all(best) and len(ways) <= MOST_WAYS:
                found.append(ways)
    return [*found, (run,)] if run else found


def _flat(parsed: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The items of an expression by name, those of groups in their place."""
    for op, value in parsed:
        if str(op) == "SUBPATTERN":
            yield from _flat(value[3])
        else:
            yield str(op), value


def _char(op: str, value: Any) -> str | None:
    """The one character that an item stands for, whatever its case; None where there are others, or its case is no simple thing."""
    if op == "LITERAL":
        chars = {chr(value).lower()}
    elif op == "IN" and all(str(kind) == "LITERAL" for kind, _ in value):
        chars = {chr(code).lower() for _, code in value}
    else:
        return None
    char = chars.pop()
    return char if not chars and (char.isascii() or char == char.upper()) else None


def _shortest(ways: Ways) -> int:
    return min(map(len, ways), default=0)
