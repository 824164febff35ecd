"""Reads list filters as PostgREST writes them: `name=not.eq.x`, `or=(a.gt.1,and(b.is.null,c.in.(x,"y,z")))`, `order=a.desc`.

Text in, data out (conditions.py); which columns there are and what SQL they become is the domain's. Grammar: PostgREST 12,
"Horizontal filtering" and "Ordering". Left out: full-text, array, range and regular-expression operators, `isdistinct`,
quantifiers such as `like(any)`, and embedded resources.
"""

import re
from typing import Literal, NoReturn
from urllib.parse import unquote_to_bytes

from mock_server.engine.conditions import PLUS, Condition, Group, Path, Term, Where

COMPARISONS = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike"})
IS_VALUES = frozenset({"null", "not_null", "true", "false", "unknown"})
DEEPEST = 20  # groups inside groups
MOST_CONDITIONS = 100  # of one request
MOST_ELEMENTS = 1000  # of one in.(...)
LONGEST = 20_000  # characters of one filter
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ARROW = re.compile(r"->>?")


def pair(raw: bytes) -> tuple[str, str]:
    """The name and value of one `name=value` of a query string, decoded. In values PLUS stands for a bare "+".

    Raises InvalidFilter.
    """
    name, _, value = raw.partition(b"=")
    return _decoded(name, "").replace(PLUS, " "), _decoded(value, name.decode("latin-1"))


def _decoded(raw: bytes, name: str) -> str:
    try:
        return PLUS.join(unquote_to_bytes(piece).decode() for piece in raw.split(b"+"))
    except UnicodeDecodeError:
        Where(name, raw.decode("latin-1"), 0).fail("not valid percent-encoded UTF-8")


def path_of(name: str) -> Path:
    """The path that a query's name spells: `metadata->>"a.b"`. Raises InvalidFilter."""
    reader = _Reader(name, name)
    return reader.path(stops="")


def condition(name: str, path: Path, text: str) -> Condition:
    """The condition of `name=text`. Raises InvalidFilter."""
    reader = _Reader(name, text)
    return reader.condition(path, whole=True)


def group(name: str, text: str) -> Group:
    """The group of `or=(...)`, `and=(...)`, `not.or=(...)` or `not.and=(...)`. Raises InvalidFilter."""
    reader = _Reader(name, text)
    joined_by: Literal["and", "or"] = "or" if name.endswith("or") else "and"
    found = reader.group(joined_by, name.startswith("not."), 1)
    if not reader.ended:
        reader.fail("nothing may follow the closing parenthesis")
    return found


def order(text: str) -> list[Term]:
    """The terms of `order=a.desc.nullslast,b`. Raises InvalidFilter."""
    reader = _Reader("order", text.replace(PLUS, " "))
    terms = [reader.term()]
    while reader.eat(","):
        terms.append(reader.term())
    if not reader.ended:
        reader.fail("expected a comma or the end")
    if len(terms) > MOST_CONDITIONS:
        reader.fail(f"more than {MOST_CONDITIONS} keys")
    return terms


class _Reader:
    """Goes through one filter from left to right."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.at = name, text, 0
        self._conditions = 0
        if len(text) > LONGEST:
            self.fail(f"longer than {LONGEST} characters")
        nul = text.find("\0")
        if nul >= 0:
            self.at = nul
            self.fail("a NUL byte")

    @property
    def ended(self) -> bool:
        return self.at >= len(self.text)

    def where(self) -> Where:
        return Where(self.name, self.text, self.at)

    def fail(self, what: str) -> NoReturn:
        self.where().fail(what)

    def eat(self, text: str) -> bool:
        if self.text.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def spaces(self) -> None:
        while not self.ended and self.text[self.at] in f" {PLUS}":
            self.at += 1

    def path(self, stops: str) -> Path:
        """A column and the keys below it; a key that is not quoted ends before any of `stops`."""
        found = IDENTIFIER.match(self.text, self.at)
        if found is None:
            self.fail("expected a column")
        self.at = found.end()
        keys: list[str] = []
        while arrow := ARROW.match(self.text, self.at):
            self.at = arrow.end()
            key = self.quoted(stops)
            if key is None:
                start = self.at
                while not self.ended and self.text[self.at] not in stops and not ARROW.match(self.text, self.at):
                    self.at += 1
                key = self.text[start : self.at]
            if not key:
                self.fail("expected a key")
            keys.append(key.replace(PLUS, " "))
        if not stops and not self.ended:
            self.fail("expected the end of the name")
        return Path(found[0], tuple(keys))

    def quoted(self, stops: str) -> str | None:
        """A text in double quotes that one of `stops`, an arrow or the end follows; None, and nothing read, otherwise."""
        if self.ended or self.text[self.at] != '"':
            return None
        at, text = self.at + 1, []
        while at < len(self.text) and self.text[at] != '"':
            at += self.text[at] == "\\"
            text.append(self.text[at : at + 1])
            at += 1
        after = self.text[at + 1 : at + 2]
        if at >= len(self.text) or not (not after or after in stops or ARROW.match(self.text, at + 1)):
            return None
        self.at = at + 1
        return "".join(text)

    def condition(self, path: Path, *, whole: bool) -> Condition:
        """`not.eq.value`: the value is the rest of the text (`whole`), or ends with the element of a group."""
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            self.fail(f"more than {MOST_CONDITIONS} conditions")
        negated = self.eat("not.")
        where = self.where()
        end = self.text.find(".", self.at)
        operator = self.text[self.at : end] if end >= 0 else self.text[self.at :]
        if operator not in COMPARISONS and operator not in ("in", "is"):
            self.fail(f"expected an operator (eq, neq, gt, gte, lt, lte, like, ilike, in, is), not {operator[:20]!r},")
        if end < 0:
            self.at = len(self.text)
            self.fail("expected a dot and a value")
        self.at = end + 1
        if operator == "in":
            values = self.elements(whole)
        elif operator == "is":
            values = (self.is_value(whole),)
        else:
            values = (self.rest() if whole else self.element(),)
        return Condition(path, operator, values, negated, where)  # type: ignore[arg-type]

    def rest(self) -> str:
        start, self.at = self.at, len(self.text)
        return self.text[start:]

    def element(self) -> str:
        """One value inside parentheses: quoted, or up to the next comma or closing parenthesis."""
        quoted = self.quoted(",)")
        if quoted is not None:
            return quoted
        start = self.at
        while not self.ended and self.text[self.at] not in ",)":
            self.at += 1
        return self.text[start : self.at]

    def elements(self, whole: bool) -> tuple[str, ...]:
        """`(a,"b,c")`. Empty parentheses hold nothing."""
        if not self.eat("("):
            self.fail("expected ( after in.")
        found = [self.element()]
        while self.eat(","):
            found.append(self.element())
        if not self.eat(")"):
            self.fail("expected , or )")
        if whole and not self.ended:
            self.fail("nothing may follow the closing parenthesis")
        if len(found) > MOST_ELEMENTS:
            self.fail(f"more than {MOST_ELEMENTS} values")
        return () if found == [""] else tuple(found)

    def is_value(self, whole: bool) -> str:
        start = self.at
        value = (self.rest() if whole else self.element()).lower()
        if value not in IS_VALUES:
            self.at = start
            self.fail("expected null, not_null, true, false or unknown")
        return value

    def group(self, joined_by: Literal["and", "or"], negated: bool, depth: int) -> Group:
        """`(part,part,...)`."""
        if depth > DEEPEST:
            self.fail(f"more than {DEEPEST} groups inside one another")
        self.spaces()
        if not self.eat("("):
            self.fail("expected (")
        parts = [self.part(depth)]
        while self.eat(","):
            parts.append(self.part(depth))
        if not self.eat(")"):
            self.fail("expected , or )")
        self.spaces()
        return Group(joined_by, tuple(parts), negated)

    def part(self, depth: int) -> "Condition | Group":
        """A group of its own, `not.and(...)`, or a condition, `column.not.eq.value`."""
        self.spaces()
        for prefix, joined_by, negated in PREFIXES:
            if self.eat(prefix):
                self.at -= 1
                return self.group(joined_by, negated, depth + 1)
        path = self.path(stops=".,)")
        if not self.eat("."):
            self.fail("expected a dot and an operator")
        return self.condition(path, whole=False)

    def term(self) -> Term:
        """`column.desc.nullslast`."""
        self.spaces()
        where = self.where()
        path = self.path(stops=".,")
        descending, nulls_first = False, None
        if self.eat(".desc"):
            descending = True
        else:
            self.eat(".asc")
        if self.eat(".nullsfirst"):
            nulls_first = True
        elif self.eat(".nullslast"):
            nulls_first = False
        if self.eat("."):
            self.at -= 1
            self.fail("expected .asc, .desc, .nullsfirst or .nullslast")
        self.spaces()
        return Term(path, descending, nulls_first, where)


PREFIXES: tuple[tuple[str, Literal["and", "or"], bool], ...] = (
    ("and(", "and", False), ("or(", "or", False), ("not.and(", "and", True), ("not.or(", "or", True),
)  # fmt: skip
