"""What a value must be so as not to fit a schema, said as schemas that it must fit."""

from collections.abc import Iterator
from typing import Any

from mock_server.base.schema.document import KINDS, Document

Alternative = tuple[Any, ...]  # schemas that a value must all fit
ANY_OTHER: Alternative = (True,)  # whatever it takes; the value is checked afterwards
BELOW_AND_ABOVE = {
    "minimum": "exclusiveMaximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMinimum": "maximum",
    "exclusiveMaximum": "minimum",
}
SIZES = {
    "minLength": ("string", "maxLength", -1), "maxLength": ("string", "minLength", 1),
    "minItems": ("array", "maxItems", -1), "maxItems": ("array", "minItems", 1),
    "minProperties": ("object", "maxProperties", -1), "maxProperties": ("object", "minProperties", 1),
}  # fmt: skip


def negations(document: Document, schema: Any) -> list[Alternative]:
    """Ways not to fit `schema`; none for one that everything fits. All lead to values that are checked afterwards."""
    if isinstance(schema, bool):
        return [] if schema else [ANY_OTHER]
    document.spend()
    ways: list[Alternative] = []
    unsaid = False
    for word in schema:
        found = list(_of_word(document, word, schema))
        ways += found
        unsaid = unsaid or (not found and word in UNSAID)
    return [*ways, ANY_OTHER] if unsaid else ways


UNSAID = frozenset({
    "additionalProperties", "const", "dependentRequired", "dependentSchemas", "enum", "format", "multipleOf", "pattern",
    "patternProperties", "prefixItems", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "oneOf", "if",
    "$dynamicRef",
})  # fmt: skip


def _of_word(document: Document, word: str, schema: dict[str, Any]) -> Iterator[Alternative]:
    asked = schema[word]
    if word == "type":
        kinds = set(asked if isinstance(asked, list) else [asked])
        others = [kind for kind in KINDS if kind not in kinds and not (kind == "integer" and "number" in kinds)]
        if others:
            yield ({"type": others},)
    elif word in BELOW_AND_ABOVE:
        yield ({"type": "number", BELOW_AND_ABOVE[word]: asked},)
    elif word in SIZES:
        kind, opposite, step = SIZES[word]
        if asked + step >= 0:
            yield ({"type": kind, opposite: asked + step},)
    elif word == "required":
        yield from (({"type": "object", "properties": {name: False}},) for name in asked)
    elif word == "properties":
        for name, inner in asked.items():
            yield ({"type": "object", "required": [name], "properties": {name: {"not": inner}}},)
    elif word == "items":
        if "prefixItems" not in schema:
            yield ({"type": "array", "contains": {"not": asked}},)
    elif word == "contains":
        if schema.get("minContains", 1) > 0:
            yield ({"type": "array", "items": {"not": asked}},)
        if "maxContains" in schema:
            yield ({"type": "array", "contains": asked, "minContains": schema["maxContains"] + 1},)
    elif word == "allOf":
        yield from (({"not": inner},) for inner in asked)
    elif word == "anyOf":
        yield tuple({"not": inner} for inner in asked)
    elif word == "not":
        yield (asked,)
    elif word == "$ref":
        yield ({"not": document.target(schema, "$ref")},)
