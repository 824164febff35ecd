"""Whether an exchange is what a rule is for: first what its operation says, then its head, then its body."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel
from pydantic_core import from_json

from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.rules import Condition, Match, Rule
from mock_server.engine.operations import Operation
from mock_server.engine.patterns import like

REGISTERED = frozenset(status.value for status in HTTPStatus)
TEXT_FIELDS = ("input", "prompt", "text", "query", "content")  # where a body that has no messages says something


def concerns(rule: Rule, operation: Operation) -> bool:
    """Whether a rule can ever be for an operation: its kind, method and names, and the effects that suit its kind."""
    match = rule.match
    if match.kind not in (None, operation.kind):
        return False
    if operation.kind == "socket" and any((match.body, match.user_text, match.stream is not None)):
        return False
    if match.method is not None and match.method.upper() != operation.method:
        return False
    if match.operation is not None and not like(match.operation, operation.id):
        return False
    if match.domain is not None and not like(match.domain, operation.room or ""):
        return False
    if match.path is not None and "{" not in operation.path and not like(match.path, operation.path):
        return False
    return all(effect is None or unsuited(effect, operation) is None for effect in rule.sequence)


def unsuited(effect: Effect, operation: Operation) -> str | None:
    """Why an effect cannot happen to an operation, None when it can."""
    kind = effect.wire_kind
    if kind not in (None, operation.kind):
        return "it is for sockets" if kind == "socket" else "it is for HTTP"
    if operation.kind == "socket" and effect.status is not None and effect.status not in REGISTERED:
        return f"a handshake cannot be answered with {effect.status}, which is no registered status"
    return None


class Head:
    """What is known of an exchange before its body: read when first asked, since few rules ask."""

    __slots__ = ("_query", "exchange")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._query: dict[str, str] | None = None

    def query(self, name: str) -> str | None:
        if self._query is None:
            text = self.exchange.query.decode("latin-1")
            self._query = dict(reversed(parse_qsl(text, keep_blank_values=True, max_num_fields=None)))
        return self._query.get(name)

    def header(self, name: str) -> str | None:
        value = self.exchange.headers.get(name.encode("latin-1", "replace"))
        return None if value is None else value.decode("latin-1")

    def fits(self, match: Match) -> bool:
        """Whether all holds that the head decides."""
        exchange = self.exchange
        assert exchange.account is not None and exchange.operation is not None
        if match.path is not None and not like(match.path, exchange.path):
            return False
        if match.account is not None and not like(match.account, exchange.account.id):
            return False
        if match.model is not None and exchange.kind == "socket":
            if not like(match.model, self.query("model") or ""):
                return False
        return _all(match.header, self.header) and _all(match.query, self.query)


def _all(conditions: dict[str, Condition] | None, read: Any) -> bool:
    if conditions is None:
        return True
    return all((value := read(name)) is not None and wanted.fits(value) for name, wanted in conditions.items())


class Body:
    """A body as it was parsed, defaults filled in; what the operation does not know is looked up in the JSON itself."""

    __slots__ = ("_json", "_parsed", "_raw", "_said")

    def __init__(self, parsed: Any, raw: bytes) -> None:
        self._parsed, self._raw, self._json = parsed, raw, None
        self._said: tuple[str | None] | None = None

    def user_text(self) -> str | None:
        if self._said is None:
            self._said = (last_user_text(self._parsed),)
        return self._said[0]

    def values(self, path: list[str]) -> list[Any]:
        found = list(values_at(self._parsed, path))
        if found or not self._raw:
            return found
        if self._json is None:
            try:
                self._json = from_json(self._raw)
            except ValueError:
                self._raw = b""
        return list(values_at(self._json, path))

    def first(self, name: str) -> Any:
        if isinstance(self._parsed, BaseModel):  # as most are: without a walk
            found, value = _field(self._parsed, name)
            if found:
                return value
        return next(iter(self.values([name])), None)

    def fits(self, match: Match) -> bool:
        """Whether all holds that the body decides."""
        if match.model is not None and not (isinstance(model := self.first("model"), str) and like(match.model, model)):
            return False
        if match.stream is not None and not (
            has_field(self._parsed, "stream") and bool(self.first("stream")) == match.stream
        ):
            return False
        if match.user_text is not None:
            text = self.user_text()
            if text is None or not match.user_text.fits(text):
                return False
        fields = (match.body or {}).items()
        return all(any(wanted.fits(value) for value in self.values(path.split("."))) for path, wanted in fields)


def has_field(body: Any, name: str) -> bool:
    """Whether an operation's body knows a field, given or not."""
    return isinstance(body, BaseModel) and name in type(body).model_fields


def values_at(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a dotted path of a body: names of fields, indexes of lists, `*` for any item."""
    if not path:
        yield value
        return
    name, rest = path[0], path[1:]
    if isinstance(value, (list, tuple)):
        if name == "*":
            for item in value:
                yield from values_at(item, rest)
        elif name.lstrip("-").isascii() and name.lstrip("-").isdigit() and len(name) < 10:
            if -len(value) <= int(name) < len(value):
                yield from values_at(value[int(name)], rest)
    elif isinstance(value, dict):
        if name in value:
            yield from values_at(value[name], rest)
    elif isinstance(value, BaseModel):
        found, inner = _field(value, name)
        if found:
            yield from values_at(inner, rest)


def _field(model: BaseModel, name: str) -> tuple[bool, Any]:
    """A field by the name that it has on the wire; one that was left out and has no value is not there."""
    attribute = _attributes(type(model)).get(name)
    if attribute is not None:
        value = getattr(model, attribute)
        return value is not None or attribute in model.model_fields_set, value
    extra = model.model_extra or {}
    return name in extra, extra.get(name)


@lru_cache(maxsize=1024)
def _attributes(kind: type[BaseModel]) -> dict[str, str]:
    """A model's attributes by the names that they have on the wire."""
    found: dict[str, str] = {}
    for attribute, info in kind.model_fields.items():
        for name in (info.alias, info.validation_alias, attribute if info.alias is None else None):
            if isinstance(name, str):
                found.setdefault(name, attribute)
    return found


def last_user_text(body: Any) -> str | None:
    """What the user said last: of messages the last one of the user; of other bodies their text."""
    if (turns := _turns(body)) is not None:
        for turn in reversed(turns):
            if next(values_at(turn, ["role"]), None) == "user":
                return _text(next(values_at(turn, ["content"]), None))
        return None
    for name in TEXT_FIELDS:
        if (text := _text(next(values_at(body, [name]), None))) is not None:
            return text
    return None


def _turns(body: Any) -> Sequence[Any] | None:
    """A body's messages, or its `input` where that is a list of them, as responses may have it; None without."""
    messages = next(values_at(body, ["messages"]), None)
    if isinstance(messages, (list, tuple)):
        return messages
    items = next(values_at(body, ["input"]), None)
    if isinstance(items, (list, tuple)) and any(next(values_at(item, ["role"]), None) for item in items):
        return items
    return None


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        parts = [part if isinstance(part, str) else next(values_at(part, ["text"]), None) for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if texts else None
    return None
