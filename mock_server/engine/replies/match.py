"""What rules are matched on, and whether one fits: rules become tests once, when they are put in force."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_server.engine.accounts import Account
from mock_server.engine.patterns import finder, like
from mock_server.engine.replies.rules import Count, ReplyMatch, ToolResultMatch, Words

if TYPE_CHECKING:
    from mock_server.engine.replies.armed import Chosen
    from mock_server.engine.replies.table import Replies

TEXT = frozenset({"text", "json"})
VECTORS = frozenset({"embedding", "embeddings"})
HEARD = frozenset({"transcript", "text"})
AUDIO = frozenset({"audio"})
NO_METADATA: Mapping[str, str] = {}
TALK = frozenset({"text", "json", "tool_calls", "reasoning", "refusal"})


class ToolResult(NamedTuple):
    """A tool's answer: the id of its call, the function's name where it is known, and what it says."""

    id: str
    name: str
    content: str


class View:
    """What rules may match on, and what templates find.

    The operation's name and domain, the model, the last user text, the system's text; the rest as far as a request has it.
    `takes` are the kinds of replies that the domain can render: rules that say nothing of these are passed over.
    """

    __slots__ = (
        "_lowered", "account", "chosen", "context", "domain", "language", "metadata", "model", "operation", "request",
        "response_format", "schema_name", "source", "system_text", "takes", "tool_result", "tools", "turn", "used", "user_text",
    )  # fmt: skip

    def __init__(self, operation: str, domain: str, model: str, user_text: str, system_text: str = "") -> None:
        self.operation = operation
        self.domain = domain
        self.model = model
        self.user_text = user_text
        self.system_text = system_text
        self.account: Account | None = None
        self.takes = TALK
        self.turn = 0
        self.tool_result: ToolResult | None = None
        self.tools: Sequence[str] = ()
        self.response_format = ""
        self.schema_name = ""
        self.metadata: Mapping[str, str] = NO_METADATA
        self.language = ""
        self.context = ""
        self.request: Any = None
        self.chosen: Chosen | None = None
        self.used = 0  # how often the chosen rule has matched for the account, this time included
        self.source: Replies  # who chose: counts and draws for templates
        self._lowered: str | None = None

    def lowered(self) -> str:
        """The user's text in lower case, made once for all rules."""
        if self._lowered is None:
            self._lowered = self.user_text.lower()
        return self._lowered


Test = Callable[[View], bool]


def fits_operation(match: ReplyMatch, operation: str, domain: str) -> bool:
    return match.operation is None or match.operation == domain or like(match.operation, operation)


def tests_of(match: ReplyMatch) -> tuple[tuple[str, Test], ...]:
    """One test for each thing a rule asks for but the operation, by its name; the cheap ones first."""
    tests: list[tuple[str, Test]] = []
    for name in ("turn", "model", "language", "context"):
        if (wanted := getattr(match, name)) is not None:
            tests.append((name, _turn(wanted) if name == "turn" else _like(name, wanted)))
    if match.account is not None:
        id = match.account
        tests.append(("account", lambda view: view.account is not None and view.account.id == id))
    if match.response_format is not None:
        shape = match.response_format
        tests.append(("response_format", lambda view: shape in (view.response_format or "text", view.schema_name)))
    if match.tools is not None:
        tests.append(("tools", _tools(match.tools)))
    if match.user_text is not None:
        tests.append(("user_text", _user_text(match.user_text)))
    if match.system_text is not None:
        said = _words(match.system_text)
        tests.append(("system_text", lambda view: said(view.system_text)))
    if match.tool_result is not None:
        tests.append(("tool_result", _result(match.tool_result)))
    for key, words in (match.metadata or {}).items():
        tests.append((f"metadata.{key}", _metadata(key, words)))
    return tuple(tests)


def _words(wanted: Words) -> Callable[[str], bool]:
    if isinstance(wanted, str):
        return lambda text: text == wanted
    equals, part, regex = wanted.equals, wanted.contains, _regex(wanted.regex)
    lowered = None if part is None else part.lower()
    return lambda text: (
        (equals is None or equals == text)
        and (lowered is None or lowered in text.lower())
        and (regex is None or regex(text))
    )


def _regex(regex: str | None) -> Callable[[str], bool] | None:
    """Whether an expression is found in a text. It is made ready when first asked for, and kept with its rule."""
    if regex is None:
        return None
    ready: Callable[[str], bool] | None = None

    def test(text: str) -> bool:
        nonlocal ready
        if ready is None:
            ready = finder(regex)
        return ready(text)

    return test


def _like(name: str, pattern: str) -> Test:
    return lambda view: like(pattern, getattr(view, name))


def _turn(wanted: int | Count) -> Test:
    if isinstance(wanted, int):
        return lambda view: view.turn == wanted
    least, most = wanted.at_least, wanted.at_most
    return lambda view: view.turn >= least and (most is None or view.turn <= most)


def _tools(wanted: bool | list[str]) -> Test:
    if isinstance(wanted, bool):
        return lambda view: bool(view.tools) == wanted
    return lambda view: all(any(like(pattern, name) for name in view.tools) for pattern in wanted)


def _user_text(wanted: Words) -> Test:
    if isinstance(wanted, str):
        return lambda view: view.user_text == wanted
    equals, regex = wanted.equals, _regex(wanted.regex)
    part = None if wanted.contains is None else wanted.contains.lower()
    if equals is None and regex is None and part is not None:
        only = part
        return lambda view: only in view.lowered()
    return lambda view: (
        (equals is None or equals == view.user_text)
        and (part is None or part in view.lowered())
        and (regex is None or regex(view.user_text))
    )


def _result(wanted: bool | ToolResultMatch) -> Test:
    if isinstance(wanted, bool):
        return lambda view: (view.tool_result is not None) == wanted
    id, name, content = wanted.id, wanted.name, None if wanted.content is None else _words(wanted.content)

    def test(view: View) -> bool:
        result = view.tool_result
        return (
            result is not None
            and (id is None or like(id, result.id))
            and (name is None or like(name, result.name))
            and (content is None or content(result.content))
        )

    return test


def _metadata(key: str, wanted: Words) -> Test:
    words = _words(wanted)
    return lambda view: key in view.metadata and words(view.metadata[key])


def differences(match: ReplyMatch, tests: Sequence[tuple[str, Test]], view: View) -> list[str]:
    """What a view lacks for a rule, in words. Says what was wanted, not what was sent: that is in the journal, masked."""
    return [f"{name} {_asked(match, name)}" for name, test in tests if not test(view)]


def _asked(match: ReplyMatch, name: str) -> str:
    wanted = (match.metadata or {})[name[9:]] if name.startswith("metadata.") else getattr(match, name)
    if isinstance(wanted, bool):
        return "is missing" if wanted else "is there"
    if isinstance(wanted, str | int | list):
        return f"is not {_short(wanted)}"
    parts = [
        f"{_NEGATED.get(field, f'{field} is not')} {_short(value)}"
        for field, value in wanted.model_dump(exclude_unset=True).items()
    ]
    return " or ".join(parts)


_NEGATED = {
    "equals": "is not", "contains": "does not contain", "regex": "does not match", "at_least": "is less than",
    "at_most": "is more than",
}  # fmt: skip


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
