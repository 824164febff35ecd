"""One JSON schema as it was sent: checked, its references found, and the effort that goes into it bounded."""

import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from mock_server.base.regex import Regex, RegexError, compiled

KINDS = ("string", "integer", "number", "boolean", "object", "array", "null")
ONE = frozenset({
    "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems",
    "unevaluatedProperties",
})  # fmt: skip
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
COUNTS = frozenset({
    "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "minProperties",
})  # fmt: skip
BOUNDS = frozenset({"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"})
TEXTS = frozenset({"$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "format", "pattern"})
LARGEST = 20_000  # values in a schema, of whatever kind
MOST_CHARACTERS = 500_000  # of all its texts
DEEPEST = 64
EFFORT = 30_000  # steps of looking for a value, of some microseconds each
PATTERN_EFFORT = 200_000  # steps of matching patterns


class SchemaError(ValueError):
    """Why there is no value for a schema, as a sentence goes on after "The JSON schema cannot be satisfied: "."""


class TooHard(SchemaError):
    """The search was given up."""

    def __init__(self) -> None:
        super().__init__("no value was found within the effort that this server makes")


class Document:
    """A schema, read. Raises SchemaError for one that makes no sense or is too large."""

    def __init__(self, root: Any) -> None:
        _measure(root)
        self.root = root
        self._left = EFFORT
        self._patterns: dict[str, Regex] = {}
        self.pattern_steps = [PATTERN_EFFORT]
        self.keys: dict[int, set[Any]] = {}  # of the values of an enum, by the id of the enum
        self._bases: dict[int, str] = {}  # id of a schema -> URI that its references start from
        self._named: dict[str, Any] = {"": root}
        self._anchors: dict[tuple[str, str], Any] = {}
        self._walk(root, "", "#")

    def spend(self, steps: int = 1) -> None:
        """Count steps. Raises TooHard when there were too many."""
        self._left -= steps
        if self._left < 0:
            raise TooHard

    def pattern(self, pattern: str) -> Regex:
        """A pattern, ready. Raises SchemaError."""
        if pattern not in self._patterns:
            self.spend(50 + len(pattern))
            try:
                self._patterns[pattern] = compiled(pattern)
            except RegexError as error:
                raise SchemaError(str(error)) from None
        return self._patterns[pattern]

    def found(self, pattern: str, text: str) -> bool:
        """Whether a pattern is found in a text. Raises SchemaError."""
        regex = self.pattern(pattern)
        self.spend()
        try:
            return regex.found(text, self.pattern_steps)
        except RegexError as error:
            raise SchemaError(str(error)) from None

    def declares(self, schema: dict[str, Any], name: str) -> bool:
        """Whether a schema's own properties or patterns speak of a name."""
        if name in schema.get("properties", ()):
            return True
        return any(self.found(pattern, name) for pattern in schema.get("patternProperties", ()))

    def target(self, schema: dict[str, Any], word: str) -> Any:
        """The schema that `schema`'s `$ref` or `$dynamicRef` names."""
        reference = schema[word]
        base, fragment = urldefrag(urljoin(self._bases.get(id(schema), ""), reference))
        found = self._named.get(base) if base in self._named else self._named.get(base + "#")
        if base not in self._named and found is None:
            raise SchemaError(f"{word} {reference[:200]!r} points outside of it")
        if fragment and not fragment.startswith("/"):
            if (base, fragment) not in self._anchors:
                raise SchemaError(f"{word} {reference[:200]!r} points to nothing")
            return self._anchors[base, fragment]
        for step in fragment.split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            elif isinstance(found, dict) and step in found:
                found = found[step]
            else:
                raise SchemaError(f"{word} {reference[:200]!r} points to nothing")
        if isinstance(found, dict) and id(found) not in self._bases:
            self._walk(found, base, reference)  # a place that is no schema's by its name
        elif not isinstance(found, dict | bool):
            raise SchemaError(f"{word} {reference[:200]!r} points to what is no schema")
        return found

    def _walk(self, schema: Any, base: str, place: str) -> None:
        """Check a schema and all inside it, and note what references may name."""
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise SchemaError(f"{place} is not a schema, which is an object or a boolean")
        for word in TEXTS:
            if word in schema and not isinstance(schema[word], str):
                raise SchemaError(f"{place}/{word} is not a string")
        if "$id" in schema:
            base = urldefrag(urljoin(base, schema["$id"]))[0]
            self._named[base] = schema
        self._bases[id(schema)] = base
        for word in ("$anchor", "$dynamicAnchor"):
            if word in schema:
                self._anchors[base, schema[word]] = schema
        for word, value in schema.items():
            check_word(word, value, place)
        for name, inner in inside(schema):
            self._walk(inner, base, f"{place}/{name}")


def inside(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every schema right inside a schema, with its place there."""
    for word, value in schema.items():
        if word in ONE:
            yield word, value
        elif word in LISTS:
            yield from ((f"{word}/{n}", inner) for n, inner in enumerate(value))
        elif word in MAPS:
            yield from ((f"{word}/{name}", inner) for name, inner in value.items())


def check_word(word: str, value: Any, place: str) -> None:
    """Raise SchemaError where a keyword's value is not of the kind that it must be."""
    wanted = None
    if word in LISTS and (not isinstance(value, list) or not value):
        wanted = "a list of schemas"
    elif word in MAPS and not isinstance(value, dict):
        wanted = "an object of schemas"
    elif word in COUNTS and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value % 1):
        wanted = "a whole number, 0 or more"
    elif word in BOUNDS and (isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e308):
        wanted = "a number"
    elif word == "multipleOf" and value <= 0:
        wanted = "a number above 0"
    elif word == "enum" and (not isinstance(value, list) or not value):
        wanted = "a list of values"
    elif word == "uniqueItems" and not isinstance(value, bool):
        wanted = "true or false"
    elif word == "required" and not _are_names(value):
        wanted = "a list of names"
    elif word == "dependentRequired" and not (isinstance(value, dict) and all(map(_are_names, value.values()))):
        wanted = "an object of lists of names"
    elif word == "type":
        kinds = value if isinstance(value, list) else [value]
        if not kinds or not all(isinstance(kind, str) and kind in KINDS for kind in kinds):
            wanted = f"one of {', '.join(KINDS)}, or a list of them"
    if wanted:
        raise SchemaError(f"{place}/{word} is not {wanted}")


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _measure(root: Any) -> None:
    """Raise SchemaError for a schema that is too large or too deep."""
    left, characters = LARGEST, MOST_CHARACTERS
    stack: list[tuple[Any, int]] = [(root, 0)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, dict):
            characters -= sum(map(len, value))
            inner: Any = value.values()
        elif isinstance(value, list):
            inner = value
        else:
            if isinstance(value, str):
                characters -= len(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise SchemaError("it holds a number that JSON does not have")
            inner = ()
        left -= len(inner)
        if left < 0 or characters < 0:
            raise SchemaError(f"it is too large: {LARGEST} values and {MOST_CHARACTERS} characters are the most")
        if depth > DEEPEST * 2:
            raise SchemaError("it is nested too deeply")
        stack += [(v, depth + 1) for v in inner]
