"""Texts that a regular expression matches, and matching that cannot hang. Python's syntax, and what schemas add to it.

A search visits every pair of state and position once, so that it ends; only back-references keep it from remembering,
and then the steps are counted. `re` itself is asked to parse, never to search.
"""

import importlib
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from mock_server.base.regex.matching import Program, RegexError
from mock_server.base.regex.writing import LONGEST_TEXT, Writer

__all__ = ["LONGEST_TEXT", "Regex", "RegexError", "compiled"]

LONGEST_PATTERN = 4000  # characters
MOST_STEPS = 100_000  # of one search, or of all the searches that texts are made by
TRIES = 200  # texts that are made at most in the search for those that match
# `\p{...}`, which Python does not know, as far as Latin letters go.
PROPERTIES = {
    "L": "A-Za-zÀ-ÖØ-öø-ÿ", "Letter": "A-Za-zÀ-ÖØ-öø-ÿ", "Alphabetic": "A-Za-zÀ-ÖØ-öø-ÿ", "Lu": "A-ZÀ-ÖØ-Þ",
    "Ll": "a-zß-öø-ÿ", "N": "0-9", "Nd": "0-9", "P": r"!-/:-@\[-`{-~", "Z": " ", "Zs": " ",
}  # fmt: skip
ECMA = re.compile(r"\\p\{(?:\w+=)?(\w+)\}|\\k<(\w+)>|\\u\{([0-9A-Fa-f]{1,6})\}|\\.|\(\?<(?=\w)|\[|\]", re.DOTALL)


@lru_cache(maxsize=256)
def compiled(pattern: str) -> "Regex":
    """The pattern, ready. Raises RegexError."""
    if len(pattern) > LONGEST_PATTERN:
        raise RegexError(f"the pattern has {len(pattern)} characters, {LONGEST_PATTERN} are the most")
    try:
        return Regex(pattern)
    except RecursionError:
        raise RegexError("the pattern is nested too deeply") from None
    except (re.error, OverflowError, ValueError) as error:
        if isinstance(error, RegexError):
            raise
        raise RegexError(f"the pattern {pattern[:80]!r} cannot be read: {error}") from None


class Regex:
    """One pattern: whether it is found in a text, and texts in which it is found."""

    def __init__(self, pattern: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._tree: Any = importlib.import_module("re._parser").parse(_in_pythons_words(pattern))
        self._flags: int = self._tree.state.flags
        self._program = Program(self._tree, self._flags)
        self._likely: dict[Any, list[str]] = {}

    def found(self, text: str, steps: list[int] | None = None) -> bool:
        """Whether the pattern matches somewhere in `text`.

        Takes as many steps as the first of `steps` says, and counts them down there. Raises RegexError when it needs more.
        """
        return self._program.search(text, range(len(text) + 1), steps or [MOST_STEPS], whole=False)

    def texts(
        self, least: int = 0, most: int = LONGEST_TEXT, steps: list[int] | None = None, *, whole: bool = False
    ) -> Iterator[str]:
        """Some texts of `least` to `most` characters in which the pattern is found (or that it matches whole).

        The shortest comes first. Raises RegexError when `steps` run out, as `found` does.
        """
        shortest = self._tree.getwidth()[0]
        if max(shortest, least) > min(most, LONGEST_TEXT):
            return
        seen: set[str] = set()
        need, left = max(least - shortest, 0), steps or [MOST_STEPS]
        for turn in range(TRIES):
            writer = Writer(self._flags, turn, need, self._likely)
            text = writer.write(self._tree)
            left[0] -= writer.effort()
            if left[0] < 0:
                raise RegexError("the pattern takes too long to write texts for")
            if len(text) < least:
                need += least - len(text)
                text = text if whole else self._padded(text, least)
            if least <= len(text) <= most and text not in seen:
                seen.add(text)
                if self._program.search(text, range(1 if whole else len(text) + 1), left, whole=whole):
                    yield text

    def _padded(self, text: str, least: int) -> str:
        ends = [name for name, at in self._tree.data if str(name) == "AT" and "END" in str(at)]
        pad = "x" * (least - len(text) - 1)
        return f"{pad} {text}" if ends else f"{text} {pad}"


def _in_pythons_words(pattern: str) -> str:
    """What ECMA 262 spells otherwise, in Python's spelling."""
    inside = False

    def spelled(found: re.Match[str]) -> str:
        nonlocal inside
        text = found[0]
        if found[1]:
            if found[1] not in PROPERTIES:
                raise RegexError(f"the pattern's {text} is not known here")
            return PROPERTIES[found[1]] if inside else f"[{PROPERTIES[found[1]]}]"
        if found[2]:
            return f"(?P={found[2]})"
        if found[3]:
            return f"\\U{int(found[3], 16):08x}"
        if text == "(?<":
            return text if inside else "(?P<"
        inside = text == "[" or (inside and text != "]")
        return text

    return ECMA.sub(spelled, pattern)
