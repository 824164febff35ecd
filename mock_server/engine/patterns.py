"""How rules say which text they mean: shell-style patterns, regular expressions that cannot hang, and conditions of both."""

import fnmatch
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LONGEST_REGEX = 500  # characters
MOST_STATES = 1000  # of a regular expression with its counted repetitions written out
SEARCHED = 16 * 1024  # characters of a text that a regular expression looks at
REPETITION = re.compile(r"\{\s*(\d+)\s*(?:,\s*(\d*)\s*)?\}")
BRACED_ESCAPES = "pPxuUb"  # \p{L}, \x{41}, \b{start}: their braces repeat nothing


@lru_cache(maxsize=4096)
def _shell(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def like(pattern: str, text: str) -> bool:
    """Whether `text` fits a shell-style pattern, case and all."""
    return _shell(pattern).match(text) is not None


def check_regex(regex: str) -> str:
    """`regex` itself. Raises ValueError where it is none, or where one search could take longer than a moment.

    The syntax is that of Rust's regex crate, which pydantic brings along: searching takes time in proportion to the text
    and to the expression's states, so that both are bounded here. It has no look-around and no back-references.
    """
    if len(regex) > LONGEST_REGEX:
        raise ValueError(f"a regular expression has at most {LONGEST_REGEX} characters, not {len(regex)}")
    if (size := states(regex)) > MOST_STATES:
        raise ValueError(
            f"the regular expression repeats too much: written out it has some {size} states, {MOST_STATES} are the most"
        )
    _compiled(regex)
    return regex


@lru_cache(maxsize=1024)
def _compiled(regex: str) -> Callable[[Any], bool]:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        return SchemaValidator(core_schema.str_schema(pattern=regex, regex_engine="rust-regex")).isinstance_python
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2] if "error: " in str(error) else "it is too large"
        raise ValueError(f"the regular expression cannot be read: {reason.strip().rstrip('.')}") from None


def finder(regex: str) -> Callable[[str], bool]:
    """What tells whether a checked regular expression is found in a text's first 16,384 characters."""
    fits = _compiled(regex)
    return lambda text: fits(text[:SEARCHED])


def found(regex: str, text: str) -> bool:
    """Whether a checked regular expression is found in the text's first 16,384 characters."""
    return _compiled(regex)(text[:SEARCHED])


def states(regex: str) -> int:
    """About how many states an expression has: its atoms, counted repetitions multiplied."""
    sums, last = [0], 0  # of each open group; the last atom's
    i = 0
    while i < len(regex):
        char = regex[i]
        i += 1
        if char == "(":
            sums.append(0)
            last = 0
        elif char == ")" and len(sums) > 1:
            last = sums.pop() + 1
            sums[-1] += last
        elif char == "{" and (counted := REPETITION.match(regex, i - 1)):
            times = max(int(counted[1]), int(counted[2] or 0), 1)
            sums[-1] += last * (times - 1)
            last *= times
            i = counted.end()
        elif char not in "*+?|":
            i = _after_atom(regex, i - 1)
            last = 1
            sums[-1] += 1
    return sum(sums)


def _after_atom(regex: str, i: int) -> int:
    """The index after the character, escape or class that begins at `i`."""
    if regex[i] == "\\":
        escape = regex[i + 1 : i + 2]
        close = regex.find("}", i) if escape and escape in BRACED_ESCAPES and regex[i + 2 : i + 3] == "{" else -1
        return close + 1 if close > 0 else i + 2
    if regex[i] != "[":
        return i + 1
    depth = 0
    while i < len(regex):
        if regex[i] == "\\":
            i += 1
        elif regex[i] == "[":
            depth += 1
            i += regex[i + 1 : i + 2] == "^"
            i += regex[i + 1 : i + 2] == "]"  # a bracket right at the start of a class stands for itself
        elif regex[i] == "]":
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1
    return i


Regex = Annotated[str, AfterValidator(check_regex)]


class Text(BaseModel):
    """How a text must be: all that is given must hold. Case counts in `equals`, and in `regex` unless it begins with (?i)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    equals: str | None = Field(None, description="The whole text.", max_length=10_000)
    contains: str | None = Field(None, description="A part of the text, in any case.", max_length=10_000)
    regex: Regex | None = Field(
        None, description="A regular expression (Rust's syntax) found in the text's first 16,384 characters."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Text":
        if not self.model_fields_set:
            raise ValueError("give at least one of equals, contains and regex")
        return self

    def fits(self, text: str) -> bool:
        if self.equals is not None and text != self.equals:
            return False
        if self.contains is not None and self.contains.lower() not in text.lower():
            return False
        return self.regex is None or found(self.regex, text)
