"""Values for JSON schemas: they fit, they vary as asked, and no schema makes a crash or a hang of it."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.base.ids import Ids
from mock_server.base.schema import instance

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 30},
        "born": {"type": "string", "format": "date"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
        "partner": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]},
    },
    "required": ["name", "children", "partner"],
    "additionalProperties": False,
}
SCHEMAS: list[Any] = [
    {"$ref": "#/$defs/Person", "$defs": {"Person": PERSON}},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "integer"}, "minItems": 8, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
    {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    {"type": "integer", "minimum": 1, "maximum": 5},
    {"type": "integer", "multipleOf": 7, "minimum": 10},
    {"type": "integer", "maximum": -3},
    {"type": "integer", "exclusiveMinimum": 3.5, "exclusiveMaximum": 5},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "minimum": 0.123, "maximum": 0.124},
    {"type": "number", "multipleOf": 0.25, "minimum": 3},
    {"type": ["null", "boolean"]},
    {"const": {"a": [1]}},
    {"enum": [None, 4, "x"]},
    {"type": "string", "maxLength": 3},
    {"type": "object", "required": ["a", "b"]},
    {"type": "object", "minProperties": 3},
    {"oneOf": [{"type": "null"}, {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}]},
    {
        "allOf": [
            {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {}}, "required": ["b"]},
        ]
    },
    {},
    True,
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: json.dumps(s)[:60])
def test_a_value_fits_its_schema(schema: Any) -> None:
    ids = Ids()

    jsonschema.validate(instance(schema), schema)
    for n in range(20):
        value = instance(schema, lambda place, n=n: ids.draw("", str(n), place), lambda name, n=n: f"{name} {n}")
        jsonschema.validate(value, schema)


def test_without_a_draw_it_is_the_first_of_everything() -> None:
    schema = {
        "properties": {"a": {"enum": [3, 2]}, "b": {"type": "string"}, "c": {"type": "integer"}, "d": {"default": 9}}
    }

    assert instance(schema) == {"a": 3, "b": "b", "c": 1, "d": 9}


@pytest.mark.parametrize("items", [{"type": "string", "minLength": 10_000}, {"type": "object", "minProperties": 50}])
def test_a_schema_that_would_fill_the_memory_gives_a_small_value(items: Any) -> None:
    for _ in range(19):
        items = {"type": "array", "minItems": 50, "items": items}

    assert len(json.dumps(instance(items))) < 1_000_000


WORDS = [
    "type", "properties", "items", "enum", "const", "anyOf", "allOf",
    "oneOf", "$ref", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "minLength", "maxLength", "required", "format", "default",
    "prefixItems", "additionalProperties", "minProperties",
]  # fmt: skip
LIKELY = st.sampled_from(
    ["object", "array", "string", "integer", "number", "boolean", "#", "#/properties", 1, 0.1, -5, 1e308]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner | LIKELY, max_size=6),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_whatever_the_schema_a_value_comes_out(schema: Any) -> None:
    for draw in (None, lambda place: 0.999):
        json.dumps(instance(schema, draw))
