"""Texts of replies with what comes from the request filled in: placeholders by themselves, anything more in the sandbox."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import to_jsonable_python

from mock_server.base.clock import iso
from mock_server.base.errors import BadRequest
from mock_server.engine.patterns import Text

if TYPE_CHECKING:
    from mock_server.engine.replies.match import View

PLACEHOLDER = re.compile(r"\{\{\s*(user_text|model|operation)\s*\}\}")
ECHO_CAP = 400  # characters of the request that a canned reply repeats
LONGEST = 1_000_000  # characters of a text
MOST_COUNTERS = 1000  # of an account
LONGEST_NAME = 200  # characters of a counter's name
# What a template finds; `context` beside them is the header x-mock-context.
DATA = (
    "operation", "model", "user_text", "system_text", "turn", "tool_result", "tools", "response_format", "metadata", "language",
    "context",
)  # fmt: skip
FUNCTIONS = ("counter", "random", "randint", "choice", "now", "range")
NAMES = frozenset({*DATA, *FUNCTIONS, "request", "captures", "used"})
MOST_TURNS = 1000  # of one range


def is_template(text: str) -> bool:
    return "{{" in text or "{%" in text


def check_template(value: Any) -> Any:
    """`value` itself: a text, or JSON with texts in it. Raises ValueError where one is a template that cannot be used."""
    if isinstance(value, str):
        if is_template(value) and _parts(value) is None:
            from mock_server.engine.replies.compiler import compiled

            if unknown := compiled(value).names - NAMES:
                known = ", ".join(sorted(NAMES))
                raise ValueError(f"the template names {', '.join(sorted(unknown))}, and there are only {known}")
    elif isinstance(value, dict):
        for item in value.values():
            check_template(item)
    elif isinstance(value, list):
        for item in value:
            check_template(item)
    return value


Template = Annotated[str, Field(max_length=LONGEST), AfterValidator(check_template)]


@lru_cache(maxsize=1024)
def _parts(template: str) -> list[str] | None:
    """Texts and names of placeholders in turn, beginning with a text; None where there is more to it."""
    parts = PLACEHOLDER.split(template)
    return None if any(is_template(text) or "{#" in text for text in parts[::2]) else parts


def fill(template: str, view: "View") -> str:
    """The text that a reply's template makes of the request. Raises BadRequest where it cannot."""
    if not is_template(template):
        return template
    parts = _parts(template)
    if parts is None:
        made: str = _made(template, view, "render")
        return made
    filled = list(parts)
    for n in range(1, len(parts), 2):
        filled[n] = getattr(view, parts[n])[:ECHO_CAP]
    return "".join(filled)


def fill_all(value: Any, view: "View") -> Any:
    """JSON with every text in it filled in; a text that is one expression becomes the expression's value."""
    if isinstance(value, str):
        if not is_template(value):
            return value
        return fill(value, view) if _parts(value) is not None else _made(value, view, "evaluate")
    if isinstance(value, dict):
        return {name: fill_all(item, view) for name, item in value.items()}
    if isinstance(value, list):
        return [fill_all(item, view) for item in value]
    return value


def _made(template: str, view: "View", how: str) -> Any:
    from mock_server.engine.replies.compiler import compiled

    try:
        ready = compiled(template)
        return getattr(ready, how)(variables(view, ready.names))
    except Exception as error:  # whatever a template stumbles over is told, and is nobody else's trouble
        name = view.chosen.id if view.chosen is not None else ""
        told = (str(error)[:300] or type(error).__name__).rstrip(".")
        raise BadRequest(f"The template of the reply {name!r} cannot be filled in: {told}.") from None


def variables(view: "View", wanted: frozenset[str]) -> dict[str, Any]:
    """What a template may name, as far as it does: plain data, and functions that count and draw for the account."""
    from mock_server.engine.replies.sandbox import Function

    found: dict[str, Any] = {}
    for name in wanted & frozenset(DATA):
        value = getattr(view, name)
        found[name] = value[:ECHO_CAP] if name == "user_text" else value
    if view.tool_result is not None and "tool_result" in wanted:
        found["tool_result"] = view.tool_result._asdict()
    if "request" in wanted:
        request = view.request
        dump = getattr(request, "model_dump", None)
        found["request"] = dump(mode="json", by_alias=True, exclude_unset=True) if dump else to_jsonable_python(request)
    if "captures" in wanted:
        found["captures"] = _captures(view)
    if "used" in wanted:
        found["used"] = view.used
    functions = _functions(view)
    return found | {name: Function(functions[name]) for name in wanted & functions.keys()}


def _captures(view: "View") -> Mapping[int | str, str | None]:
    """What the groups of the rule's regular expressions hold: the user's text first."""
    from mock_server.engine.replies.captures import captures

    held: dict[int | str, str | None] = {}
    rule = view.chosen.rule if view.chosen is not None else None
    if rule is None:
        return held
    match, result = rule.match, view.tool_result
    wanted = match.tool_result if result is not None and not isinstance(match.tool_result, bool | None) else None
    sources = [(match.user_text, view.user_text), (match.system_text, view.system_text)]
    if wanted is not None and result is not None:
        sources.append((wanted.content, result.content))
    for text, said in reversed(sources):
        if isinstance(text, Text) and text.regex is not None:
            held |= captures(text.regex, said)
    return held


def _functions(view: "View") -> dict[str, Any]:
    def counter(name: str = "", step: int = 1) -> int:
        counters = view.source.counters_of(view.account)
        if len(str(name)) > LONGEST_NAME or (name not in counters and len(counters) >= MOST_COUNTERS):
            raise ValueError(
                f"an account has at most {MOST_COUNTERS} counters, with names of {LONGEST_NAME} characters"
            )
        counters[str(name)] = counters.get(str(name), 0) + int(step)
        return counters[str(name)]

    def random() -> float:
        return view.source.draw(view.account)

    def randint(low: int, high: int) -> int:
        if high < low:
            raise ValueError("randint(low, high) takes the smaller number first")
        return int(low) + int(view.source.draw(view.account) * (int(high) - int(low) + 1))

    def choice(values: Any) -> Any:
        return values[int(view.source.draw(view.account) * len(values))]

    def now() -> str:
        return iso(view.account.timeline.now()) if view.account is not None else ""

    def numbers(*bounds: int) -> list[int]:
        turns = range(*(int(bound) for bound in bounds))
        if len(turns) > MOST_TURNS:
            raise ValueError(f"a range has at most {MOST_TURNS} numbers")
        return list(turns)

    return {"counter": counter, "random": random, "randint": randint, "choice": choice, "now": now, "range": numbers}
