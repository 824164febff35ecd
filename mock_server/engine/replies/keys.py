"""What a rule can be found by, and what a request is looked up by: a thing that all requests which it fits have."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mock_server.engine.patterns import Text
from mock_server.engine.replies.literals import fold, is_plain, of_pattern, of_regex
from mock_server.engine.replies.match import View
from mock_server.engine.replies.rules import ReplyMatch, Words


class Key(NamedTuple):
    """What is looked at, and texts of which one must be there: as the whole of it, or folded as a part of it."""

    name: str
    texts: tuple[str, ...]
    whole: bool


def keys_of(match: ReplyMatch) -> list[Key]:
    """What a rule asks for and tells it from others; what many rules ask for alike only where there is nothing else."""
    return [*_telling(match)] or [*_common(match)]


def _telling(match: ReplyMatch) -> Iterator[Key]:
    result = match.tool_result if not isinstance(match.tool_result, bool) else None
    texts = [("user_text", match.user_text), ("system_text", match.system_text)]
    if result is not None:
        texts.append(("tool_result.content", result.content))
    texts += [(f"metadata.{name}", words) for name, words in (match.metadata or {}).items()]
    for name, words in texts:
        yield from _of_words(name, words)
    patterns = [("context", match.context)]
    if result is not None:
        patterns += [("tool_result.id", result.id), ("tool_result.name", result.name)]
    for name, pattern in patterns:
        yield from _of_pattern(name, pattern)
    if match.account is not None:
        yield Key("account", (match.account,), True)


def _common(match: ReplyMatch) -> Iterator[Key]:
    for pattern in match.tools if isinstance(match.tools, list) else ():
        if is_plain(pattern):
            yield Key("tools", (pattern,), True)
    yield from _of_pattern("model", match.model)
    yield from _of_pattern("language", match.language)
    if match.response_format is not None:
        yield Key("response_format", (match.response_format,), True)
    if isinstance(match.turn, int):
        yield Key("turn", (str(int(match.turn)),), True)


def _of_words(name: str, words: Words | None) -> Iterator[Key]:
    if isinstance(words, str):
        yield Key(name, (words,), True)
    if not isinstance(words, Text):
        return
    if words.equals is not None:
        yield Key(name, (words.equals,), True)
    if words.contains:
        yield Key(name, (fold(words.contains),), False)
    if words.regex is not None:
        for ways in of_regex(words.regex):
            yield Key(name, ways, False)


def _of_pattern(name: str, pattern: str | None) -> Iterator[Key]:
    if pattern is None:
        return
    if is_plain(pattern):
        yield Key(name, (pattern,), True)
    elif part := of_pattern(pattern):
        yield Key(name, (part,), False)


def values_of(view: View, name: str) -> Iterable[str]:
    """What a request has of what a key looks at: as a rule one text."""
    if name in ("user_text", "system_text", "context", "model", "language"):
        return (getattr(view, name),)
    if name.startswith("tool_result."):
        return (getattr(view.tool_result, name[12:]),) if view.tool_result is not None else ()
    if name.startswith("metadata."):
        value = view.metadata.get(name[9:])
        return (value,) if value is not None else ()
    if name == "tools":
        return view.tools
    if name == "response_format":
        return (view.response_format or "text", view.schema_name)
    if name == "turn":
        return (str(view.turn),)
    assert name == "account"
    return (view.account.id,) if view.account is not None else ()
