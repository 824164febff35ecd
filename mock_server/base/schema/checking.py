"""Whether a value fits a schema, by Draft 2020-12, formats included."""

from collections.abc import Callable, Sequence
from typing import Any

from mock_server.base.schema import formats
from mock_server.base.schema.document import Document

Rule = Callable[[Document, Any, Any, dict[str, Any]], bool]


def fits(document: Document, value: Any, schema: Any) -> bool:
    """Whether `value` fits `schema`, which is the document's or has parts of it inside. Raises SchemaError."""
    if isinstance(schema, bool):
        return schema
    document.spend(1 + (len(value) // 16 if isinstance(value, dict | list) else 0))
    for word, asked in schema.items():
        rule = RULES.get(word)
        if rule is None:
            continue
        if isinstance(asked, dict | list) and word != "enum":
            document.spend(len(asked) // 16)
        if not rule(document, value, asked, schema):
            return False
    return True


def key(document: Document, value: Any) -> Any:
    """Something hashable, equal for values that JSON schema takes for equal: 1 is 1.0, and not true."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        document.spend(len(value) // 4)
        return ("list", tuple([key(document, item) for item in value]))
    if isinstance(value, dict):
        document.spend(len(value) // 4)
        return ("dict", frozenset((name, key(document, inner)) for name, inner in value.items()))
    return value


def weight(value: Any) -> int:
    """Steps that it takes to say a value that a schema brings along."""
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    if isinstance(value, dict):
        return 1 + sum(len(name) // 32 + weight(inner) for name, inner in value.items())
    return 1 + len(value) // 32 if isinstance(value, str) else 1


def is_a(kind: str, value: Any) -> bool:
    if kind in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return kind == "number" or isinstance(value, int) or value.is_integer()
    return isinstance(value, PYTHONS[kind])


PYTHONS: dict[str, Any] = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def _type(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    return any(is_a(kind, value) for kind in (asked if isinstance(asked, list) else [asked]))


def _enum(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    keys = document.keys.get(id(asked))
    if keys is None:
        document.spend(len(asked) // 4)
        keys = document.keys[id(asked)] = {key(document, option) for option in asked}
    return key(document, value) in keys


def _multiple(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not is_a("number", value):
        return True
    try:
        # As most validators do: 0.3 is no multiple of 0.1.
        return bool((value % asked if isinstance(asked, int) else value / asked % 1) == 0)
    except OverflowError:
        return False


def _of(kind: str, holds: Callable[[Any, Any], bool]) -> Rule:
    """A rule that only values of a kind must keep."""
    return lambda document, value, asked, schema: not is_a(kind, value) or holds(value, asked)


def _unique(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not asked or not isinstance(value, list):
        return True
    document.spend(len(value) // 4)
    return len({key(document, item) for item in value}) == len(value)


def _contains(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, list):
        return True
    count = sum(fits(document, item, asked) for item in value)
    return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", len(value)))


def _prefix_items(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    return not isinstance(value, list) or all(
        fits(document, item, inner) for item, inner in zip(value, asked, strict=False)
    )


def _items(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, list):
        return True
    return all(fits(document, item, asked) for item in value[len(schema.get("prefixItems", ())) :])


def _properties(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(fits(document, value[name], inner) for name, inner in asked.items() if name in value)


def _pattern_properties(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(
        fits(document, item, inner)
        for p, inner in asked.items()
        for name, item in value.items()
        if document.found(p, name)
    )


def _additional(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(fits(document, item, asked) for name, item in value.items() if not document.declares(schema, name))


def _property_names(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    return not isinstance(value, dict) or all(fits(document, name, asked) for name in value)


def _dependent_required(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(other in value for name, others in asked.items() if name in value for other in others)


def _dependent_schemas(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    return all(fits(document, value, inner) for name, inner in asked.items() if name in value)


def _if(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    return fits(document, value, schema.get("then" if fits(document, value, asked) else "else", True))


def _one_of(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    return sum(fits(document, value, branch) for branch in asked) == 1


def _unevaluated_properties(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, dict):
        return True
    seen = _evaluated(document, value, schema, "unevaluatedProperties")
    return all(fits(document, item, asked) for name, item in value.items() if name not in seen)


def _unevaluated_items(document: Document, value: Any, asked: Any, schema: Any) -> bool:
    if not isinstance(value, list):
        return True
    seen = _evaluated(document, value, schema, "unevaluatedItems")
    return all(fits(document, item, asked) for n, item in enumerate(value) if n not in seen)


def _evaluated(document: Document, value: Any, schema: Any, but: str = "") -> set[Any]:
    """The names, or the numbers, of what a schema speaks of in a value that fits it; `but` is a keyword to leave out."""
    if not isinstance(schema, dict):
        return set()
    document.spend()
    seen: set[Any] = set()
    if isinstance(value, dict):
        for name in value:
            own = document.declares(schema, name)
            if own or "additionalProperties" in schema or ("unevaluatedProperties" in schema and not but):
                seen.add(name)
    else:
        seen |= set(range(len(schema.get("prefixItems", ()))))
        if "items" in schema or ("unevaluatedItems" in schema and not but):
            seen |= set(range(len(value)))
        if "contains" in schema:
            seen |= {n for n, item in enumerate(value) if fits(document, item, schema["contains"])}
    for inner in _in_force(document, value, schema):
        seen |= _evaluated(document, value, inner)
    return seen


def _in_force(document: Document, value: Any, schema: dict[str, Any]) -> Sequence[Any]:
    """The schemas inside a schema that speak of the same value, and that it fits."""
    inner = [document.target(schema, word) for word in ("$ref", "$dynamicRef") if word in schema]
    inner += schema.get("allOf", ())
    inner += [b for word in ("anyOf", "oneOf") for b in schema.get(word, ()) if fits(document, value, b)]
    if isinstance(value, dict):
        inner += [inner for name, inner in schema.get("dependentSchemas", {}).items() if name in value]
    if "if" in schema:
        holds = fits(document, value, schema["if"])
        inner += [schema["if"], schema.get("then", True)] if holds else [schema.get("else", True)]
    return inner


RULES: dict[str, Rule] = {
    "type": _type,
    "enum": _enum,
    "const": lambda document, value, asked, schema: key(document, value) == key(document, asked),
    "multipleOf": _multiple,
    "minimum": _of("number", lambda value, asked: bool(value >= asked)),
    "maximum": _of("number", lambda value, asked: bool(value <= asked)),
    "exclusiveMinimum": _of("number", lambda value, asked: bool(value > asked)),
    "exclusiveMaximum": _of("number", lambda value, asked: bool(value < asked)),
    "minLength": _of("string", lambda value, asked: len(value) >= asked),
    "maxLength": _of("string", lambda value, asked: len(value) <= asked),
    "pattern": lambda document, value, asked, schema: not isinstance(value, str) or document.found(asked, value),
    "format": _of("string", lambda value, asked: formats.has(asked, value)),
    "minItems": _of("array", lambda value, asked: len(value) >= asked),
    "maxItems": _of("array", lambda value, asked: len(value) <= asked),
    "uniqueItems": _unique,
    "contains": _contains,
    "prefixItems": _prefix_items,
    "items": _items,
    "unevaluatedItems": _unevaluated_items,
    "minProperties": _of("object", lambda value, asked: len(value) >= asked),
    "maxProperties": _of("object", lambda value, asked: len(value) <= asked),
    "required": _of("object", lambda value, asked: all(name in value for name in asked)),
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
    "unevaluatedProperties": _unevaluated_properties,
    "allOf": lambda document, value, asked, schema: all(fits(document, value, inner) for inner in asked),
    "anyOf": lambda document, value, asked, schema: any(fits(document, value, inner) for inner in asked),
    "oneOf": _one_of,
    "not": lambda document, value, asked, schema: not fits(document, value, asked),
    "if": _if,
    "$ref": lambda document, value, asked, schema: fits(document, value, document.target(schema, "$ref")),
    "$dynamicRef": lambda document, value, asked, schema: fits(document, value, document.target(schema, "$dynamicRef")),
}
