"""What a list filter asks for, as data: paths, conditions, groups of them, terms of an order, each with its place in the query."""

from dataclasses import dataclass
from typing import Literal, NoReturn

from mock_server.base.errors import InvalidFilter

# Stands in decoded text for a "+" that was not percent-encoded: a space by the rules of forms, a plus to whom forgot to
# encode it. A lone surrogate, which no decoded text can hold.
PLUS = "\udc2b"

Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is"]


@dataclass(frozen=True, slots=True)
class Path:
    """A column, or a key inside a JSON column: `metadata->assistant_id` is ("metadata", ("assistant_id",))."""

    column: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `values` is what stands after the operator, one text but for `in`; may hold PLUS."""

    path: Path
    operator: Operator
    values: tuple[str, ...]
    negated: bool
    where: "Where"


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by `and` or `or`."""

    joined_by: Literal["and", "or"]
    parts: tuple["Condition | Group", ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Term:
    """One key of an order. `nulls_first` is None where it was not said: last when ascending, first when descending."""

    path: Path
    descending: bool
    nulls_first: bool | None
    where: "Where"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a query, for telling what is wrong with it."""

    name: str
    text: str
    position: int

    def fail(self, what: str) -> NoReturn:
        shown = self.text.replace(PLUS, "+")
        shown = shown if len(shown) <= 80 else shown[:80] + "..."
        query = shown if self.text == self.name else f"{self.name[:80]}={shown}"  # the name itself may be what is wrong
        raise InvalidFilter(f"{query}: {what} at character {self.position + 1}.", source={"parameter": self.name[:200]})
