"""A value that fits a JSON schema: objects, arrays, scalars, enums, bounds, local references, unions. Deterministic.

Made for schemas as people write them for models. `pattern`, `not`, `if` and remote references are not honoured. Whatever
a client sends as a schema, a value comes out, and soon: depth and size are bounded.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1M",
    "email": "user@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
DEEPEST = 20
FULL = 5  # down to this depth all that is optional is there; below it nothing is, so that recursive schemas end
MOST = 2000  # values in one instance; a text counts once more for every 100 characters
LONGEST = 10_000  # characters of a text
Draw = Callable[[str], float]
Words = Callable[[str], str]


def instance(schema: Any, draw: Draw | None = None, words: Words | None = None) -> Any:
    """A value for `schema`. Where the schema leaves a choice, the first is taken, and texts repeat their property's name.

    With `draw` choices follow its number in [0, 1) for a place such as "/score"; `words` gives the text for a name.
    """
    return _Maker(schema, draw, words or (lambda name: name or "value")).make(schema, "", "", 0, 0)


class _Maker:
    """One instance in the making. A place is the path of property names; `index` tells items of an array apart."""

    def __init__(self, root: Any, draw: Draw | None, words: Words) -> None:
        self._root, self._draw, self._words = root, draw, words
        self._left = MOST

    def make(self, schema: Any, place: str, name: str, index: int, depth: int) -> Any:
        self._left -= 1
        schema = self._resolved(schema, place, index, depth)
        if not schema or depth > DEEPEST:
            return self._text({}, name, index)
        if "const" in schema:
            return schema["const"]
        if "default" in schema and self._draw is None:
            return schema["default"]
        options = _list(schema.get("enum"))
        if options:
            return options[self._pick(place, len(options), index)]
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, place, depth)
        if kind == "array":
            return self._array(schema, place, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, place, index, kind == "integer")
        if kind == "boolean":
            return self._pick(place, 2, index) == 0
        return None if kind == "null" else self._text(schema, name, index)

    def _resolved(self, schema: Any, place: str, index: int, depth: int) -> dict[str, Any]:
        """The schema with references followed, `allOf` merged and a branch of a union chosen."""
        for _ in range(DEEPEST):
            if not isinstance(schema, dict):
                return {}
            if isinstance(schema.get("$ref"), str):
                rest = {k: v for k, v in schema.items() if k != "$ref"}
                schema = _merged(self._at(schema["$ref"]), rest)
                continue
            for word in ("allOf", "anyOf", "oneOf"):
                branches = [b for b in _list(schema.get(word)) if isinstance(b, dict)]
                if branches:
                    rest = {k: v for k, v in schema.items() if k != word}
                    if word != "allOf":
                        branches = [b for b in branches if (b.get("type") == "null") == (depth > FULL)] or branches
                        branches = [branches[self._pick(f"{place}/{word}", len(branches), index)]]
                    for branch in branches:
                        while isinstance(branch.get("$ref"), str) and depth < DEEPEST:
                            branch, depth = self._at(branch["$ref"]), depth + 1
                        rest = _merged(branch, rest)
                    schema = rest
                    break
            else:
                return schema
        return {}

    def _at(self, reference: str) -> dict[str, Any]:
        """The schema that a local reference such as `#/$defs/Score` names; an empty one when there is none."""
        found = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) else None
        return found if isinstance(found, dict) and reference.startswith("#") else {}

    def _pick(self, place: str, n: int, index: int) -> int:
        first = 0 if self._draw is None else int(self._draw(place) * n)
        return (first + index) % n

    def _object(self, schema: dict[str, Any], place: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = dict.fromkeys(n for n in _list(schema.get("required")) if isinstance(n, str))
        names = [n for n in properties if n in required or depth <= FULL]
        names += [n for n in required if n not in properties]
        extra = schema.get("additionalProperties")
        least = _count(schema.get("minProperties"), 0)
        if extra is not False:
            names += [f"property_{n}" for n in range(1, least - len(names) + 1)]
        made: dict[str, Any] = {}
        for name in names:
            if self._left <= 0:
                break
            made[name] = self.make(properties.get(name, extra), f"{place}/{name}", name, 0, depth + 1)
        return made

    def _array(self, schema: dict[str, Any], place: str, name: str, depth: int) -> list[Any]:
        first = _list(schema.get("prefixItems"))
        most = _count(schema.get("maxItems"), MOST)
        count = min(max(_count(schema.get("minItems"), depth <= FULL), len(first)), most)
        if schema.get("items") is False:
            count = min(count, len(first))
        made: list[Any] = []
        for n in range(count):
            if self._left <= 0:
                break
            item = first[n] if n < len(first) else schema.get("items")
            made.append(self.make(item, f"{place}/items", name, n, depth + 1))
        return made

    def _text(self, schema: dict[str, Any], name: str, index: int) -> str:
        form = schema.get("format")
        text = FORMATS.get(form) if isinstance(form, str) else None
        if text is None:
            text = self._words(name) + (f" {index + 1}" if index else "")
        shortest = min(_count(schema.get("minLength"), 0), LONGEST)
        text = text + "x" * (shortest - len(text))
        text = text[: _count(schema.get("maxLength"), LONGEST)]
        self._left -= len(text) // 100
        return text

    def _number(self, schema: dict[str, Any], place: str, index: int, whole: bool) -> float | int:
        least, most = _bounds(schema, whole)
        step = _finite(schema.get("multipleOf"))
        if step is None or step <= 0:
            step = 1 if whole else 0
        low = least if least is not None else min(1, most) if most is not None else 1
        high = most if most is not None else max(low, 10 if low <= 1 else low + 9)
        if step == 0:
            value = low + index if self._draw is None else low + (high - low) * self._draw(place)
            return _plain(min(max(round(value, 2), low), high))
        first, last = math.ceil(low / step), math.floor(high / step)
        value = (first + self._pick(place, max(int(min(last - first + 1, 10**6)), 1), index)) * step
        return int(value) if whole else _plain(value)


def _bounds(schema: dict[str, Any], whole: bool) -> tuple[float | None, float | None]:
    """The least and the largest number, both of which fit."""
    low, high = _finite(schema.get("minimum")), _finite(schema.get("maximum"))
    above, below = _finite(schema.get("exclusiveMinimum")), _finite(schema.get("exclusiveMaximum"))
    margin = 1.0 if whole else 0.5
    if above is not None and below is not None and not whole:
        margin = min(margin, (below - above) / 4)
    lows = [
        x for x in (low, None if above is None else math.floor(above) + 1 if whole else above + margin) if x is not None
    ]
    highs = [
        x for x in (high, None if below is None else math.ceil(below) - 1 if whole else below - margin) if x is not None
    ]
    return max(lows, default=None), min(highs, default=None)


def _finite(value: Any) -> float | int | None:
    """A number that arithmetic can bear, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -1e15 <= value <= 1e15 and (value == 0 or abs(value) > 1e-12) else None


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _count(value: Any, default: int) -> int:
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else default


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both schemas' demands in one: properties and required together, `other` first for the rest."""
    merged = {**one, **other}
    for word in ("properties", "$defs"):
        if isinstance(one.get(word), dict) and isinstance(other.get(word), dict):
            merged[word] = {**one[word], **other[word]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = [*one["required"], *other["required"]]
    return merged
