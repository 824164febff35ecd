"""Jinja for templates of replies, held within bounds: what it may do, how long, how much. Imported where a template needs it.

A template is the work of whoever writes the replies; texts of clients are only ever its data. Even so it gets plain data and a
few functions, no statements but if, for and set, a short list of filters, and a budget that everything it does is charged to:
an iteration with the size of its body, a value with its size. So the worst template ends in a moment, on every machine alike.
"""

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS

BUDGET = 50_000  # of one rendering
CHARACTERS = 64  # that count as much as one value
LARGEST = 2**256
MOST_PLACES = 15  # of a rounded number
BUDGET_NAME = "_budget"
KEPT_FILTERS = frozenset(
    {
        "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "join", "last", "length",
        "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort",
        "string", "sum", "title", "trim", "truncate", "unique", "upper", "wordcount",
    }
)  # fmt: skip
KEPT_TESTS = frozenset(
    {
        "boolean", "defined", "divisibleby", "eq", "even", "false", "float", "ge", "gt", "integer", "iterable", "le", "lt",
        "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined",
    }
)  # fmt: skip
METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            "capitalize", "count", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip", "partition", "removeprefix",
            "removesuffix", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
        }
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
}  # fmt: skip
BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow,
}  # fmt: skip


class TooMuch(ValueError):
    """What a template wants beyond its bounds."""


class Budget:
    """What is left of a rendering's allowance."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = BUDGET

    def spend(self, cost: int) -> None:
        self.left -= max(cost, 0)  # a template may name any filter, and give it any number
        if self.left < 0:
            raise TooMuch("it takes more work than a template may")

    def weigh(self, value: Any) -> Any:
        """Charge a value's size, all that it holds included; the value."""
        rest = [value]
        while rest:
            one = rest.pop()
            if isinstance(one, str):
                self.spend(1 + len(one) // CHARACTERS)
                continue
            self.spend(1)
            if isinstance(one, dict):
                self.spend(len(one))
                rest += one.values()
            elif isinstance(one, list | tuple):
                self.spend(len(one))
                rest += one
        return value


class Function:
    """Something a template may call. It is charged the size of what it gives."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def give(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(*args, **kwargs)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(BINARY)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        budget: Budget = context[BUDGET_NAME]
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return BINARY[operator](left, right)  # raises what is missing
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and operator != "+":
            raise TooMuch(f"{operator} is for numbers")
        if numbers and any(isinstance(side, int) and abs(side) > LARGEST for side in (left, right)):
            raise TooMuch("its numbers are too large")
        if operator == "**" and abs(right) > 256:
            raise TooMuch("its powers are too high")
        budget.weigh([left, right])
        return BINARY[operator](left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        budget: Budget = __context[BUDGET_NAME]
        kwargs = {name: value for name, value in kwargs.items() if not name.startswith("_")}  # Jinja's own, in loops
        if isinstance(__obj, Undefined):
            return __obj()  # raises what is missing
        if isinstance(__obj, Function):
            budget.weigh([*args, *kwargs.values()])
            return budget.weigh(__obj.give(*args, **kwargs))
        owner = getattr(__obj, "__self__", None)
        if getattr(__obj, "__name__", "") not in METHODS.get(type(owner), frozenset()):
            raise TooMuch("it calls something that a template may not call")
        budget.weigh([owner, *args, *kwargs.values()])
        made = __obj(*args, **kwargs)
        return budget.weigh(list(made) if not isinstance(made, str) and isinstance(made, Iterable) else made)


def _charged(run: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's, charged for what it is given and for what it makes."""
    kind = getattr(run, "jinja_pass_arg", None)

    @pass_context
    @wraps(run)
    def filtered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget: Budget = context[BUDGET_NAME]
        budget.weigh([value, *args, *kwargs.values()])
        first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        before = () if kind is None else (first[str(kind.name)],)
        made = run(*before, value, *args, **kwargs)
        return budget.weigh(list(made) if isinstance(made, Iterator) else made)

    filtered.jinja_async_variant = False  # type: ignore[attr-defined]
    return filtered


@pass_context
def _looped(context: Context, value: Iterable[Any], weight: int) -> Iterator[Any]:
    budget: Budget = context[BUDGET_NAME]
    for item in value:
        budget.spend(weight)
        yield item


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    budget: Budget = context[BUDGET_NAME]
    return budget.weigh(value)


@pass_context
def _concatenated(context: Context, values: list[Any]) -> str:
    budget: Budget = context[BUDGET_NAME]
    return "".join(str(budget.weigh(value)) for value in values)


@pass_context
def _tojson(context: Context, value: Any) -> str:
    budget: Budget = context[BUDGET_NAME]
    return json.dumps(budget.weigh(value), ensure_ascii=False, allow_nan=False)


@pass_context
def _replace(context: Context, value: str, old: str, new: str) -> str:
    budget: Budget = context[BUDGET_NAME]
    text, old, new = str(budget.weigh(value)), str(old), str(new)
    budget.spend(text.count(old) * (1 + len(new) // CHARACTERS))
    return text.replace(old, new)


@pass_context
def _join(context: Context, value: Iterable[Any], between: str = "") -> str:
    budget: Budget = context[BUDGET_NAME]
    texts = [str(item) for item in budget.weigh(list(value))]
    budget.spend(len(texts) * (1 + len(str(between)) // CHARACTERS))
    return str(between).join(texts)


def _round(value: float, places: int = 0) -> float:
    if abs(places) > MOST_PLACES:
        raise TooMuch(f"it rounds to more than {MOST_PLACES} places")
    return round(float(value), places)


@pass_context
def _shown(context: Context, value: Any) -> Any:
    """What is written out: lists and mappings as JSON, nothing for none."""
    if value is None:
        return ""
    return _tojson(context, value) if isinstance(value, list | dict | tuple) else value


@lru_cache(maxsize=1)
def environment() -> _Environment:
    made = _Environment(
        undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0, finalize=_shown, keep_trailing_newline=True
    )  # fmt: skip
    made.globals = {}
    made.tests = {name: TESTS[name] for name in KEPT_TESTS}
    made.filters = {name: _charged(FILTERS[name]) for name in KEPT_FILTERS}
    made.filters |= {
        "looped": _looped, "weighed": _weighed, "concatenated": _concatenated, "tojson": _tojson, "replace": _replace,
        "join": _join, "round": _charged(_round),
    }  # fmt: skip
    return made
