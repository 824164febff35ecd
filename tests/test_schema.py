"""Values for JSON schemas: they fit, they vary as asked, and no schema makes a crash or a hang of it.

The corpus, tests/data/schemas.yaml, was written before what it tests.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.base.ids import Ids
from mock_server.base.schema import SchemaError, instance
from mock_server.base.schema.checking import fits
from mock_server.base.schema.document import Document
from mock_server.base.schema.scalars import numbers

CORPUS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "schemas.yaml").read_text(encoding="utf-8"))
# Every format that the tests know to check is checked: see the extra `test`.
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER


def assert_fits(value: Any, schema: Any) -> None:
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(json.loads(json.dumps(value)))


def test_the_corpus_is_large_and_of_schemas() -> None:
    assert len(CORPUS) > 250 and len(FORMATS.checkers) >= 19
    for schema in CORPUS.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", CORPUS)
def test_a_value_fits_its_schema(name: str) -> None:
    schema, ids = CORPUS[name], Ids()

    assert_fits(instance(schema), schema)
    for n in range(8):
        value = instance(schema, lambda place, n=n: ids.draw("", str(n), place), lambda name, n=n: f"{name} {n}")
        assert_fits(value, schema)


def test_a_value_is_the_same_every_time() -> None:
    for schema in CORPUS.values():
        assert instance(schema) == instance(json.loads(json.dumps(schema)))


def inside(n: int, inner: Any, around: Any) -> Any:
    for _ in range(n):
        inner = around(inner)
    return inner


IMPOSSIBLE: dict[str, Any] = {
    "false": False,
    "bounds": {"type": "integer", "minimum": 5, "maximum": 4},
    "no integer between": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
    "two types": {"allOf": [{"type": "string"}, {"type": "integer"}]},
    "enum of another type": {"enum": ["a"], "type": "integer"},
    "lengths": {"type": "string", "minLength": 3, "maxLength": 2},
    "pattern and length": {"type": "string", "pattern": "^[a-z]{5}$", "maxLength": 4},
    "required and forbidden": {"required": ["a"], "properties": {"a": False}, "type": "object"},
    "required and closed": {"type": "object", "required": ["a"], "additionalProperties": False},
    "few and many": {"type": "object", "required": ["a", "b"], "maxProperties": 1},
    "three booleans": {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
    "contains no item": {"type": "array", "items": {"type": "string"}, "contains": {"type": "integer"}},
    "itself": {"$ref": "#"},
    "itself without end": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "one of the same": {"oneOf": [{"type": "integer"}, {"type": "integer"}]},
    "not anything": {"not": {}},
    "of no type": {"not": {"type": ["string", "integer", "number", "boolean", "object", "array", "null"]}},
    "no length at all": {"not": {"minLength": 0}},
    "one number twice": {
        "type": "array",
        "items": {"type": "number", "minimum": 1, "maximum": 1},
        "minItems": 2,
        "uniqueItems": True,
    },
    "one text twice": {
        "type": "array",
        "items": {"type": "string", "maxLength": 0},
        "minItems": 2,
        "uniqueItems": True,
    },
    "a date of any length": {"type": "string", "format": "date", "minLength": 11},
    "more names than there are": {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "minProperties": 3},
    "closed and not empty": {"type": "object", "additionalProperties": False, "minProperties": 1},
}
SENSELESS: dict[str, tuple[Any, str]] = {
    "type": ({"properties": {"a": {"type": "strin"}}}, "#/properties/a/type is not one of"),
    "required": ({"required": "a"}, "#/required is not a list of names"),
    "properties": ({"properties": []}, "#/properties is not an object of schemas"),
    "minimum": ({"minimum": "3"}, "#/minimum is not a number"),
    "no number": ({"const": float("inf")}, "it holds a number that JSON does not have"),
    "no step": ({"multipleOf": 0}, "#/multipleOf is not a number above 0"),
    "length": ({"minLength": -1}, "#/minLength is not a whole number"),
    "empty union": ({"anyOf": []}, "#/anyOf is not a list of schemas"),
    "empty enum": ({"enum": []}, "#/enum is not a list of values"),
    "no schema": ({"items": 3}, "#/items is not a schema"),
    "pattern": ({"type": "string", "pattern": "["}, "cannot be read"),
    "reference to nothing": ({"$ref": "#/$defs/a"}, "points to nothing"),
    "reference elsewhere": ({"$ref": "https://example.com/a.json"}, "points outside of it"),
    "anchor of nothing": ({"$ref": "#a"}, "$ref '#a' points to nothing"),
    "what is referred to": (
        {"$ref": "#/components/a", "components": {"a": {"type": "strin"}}},
        "#/components/a/type is not one of",
    ),
    "unique": ({"uniqueItems": "yes"}, "#/uniqueItems is not true or false"),
    "names that need names": ({"dependentRequired": {"a": "b"}}, "#/dependentRequired is not an object of lists"),
    "reference to a number": ({"minimum": 3, "$ref": "#/minimum"}, "points to what is no schema"),
}
# Schemas that would take hours, or all memory, of one who tried.
HOSTILE: dict[str, Any] = {
    "branches": {
        "type": "object",
        "allOf": [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(30)],
        "maxProperties": 3,
    },
    "conditions": {
        "type": "object",
        "allOf": [
            {"if": {"properties": {f"a{n}": {"const": 1}}}, "then": {"required": [f"b{n}"]}, "else": False} for n in range(60)
        ],
        "maxProperties": 1,
    },
    "arithmetic": {
        "type": "integer", "minimum": 1, "maximum": 100,
        "allOf": [{"anyOf": [{"multipleOf": n}, {"multipleOf": n + 1}]} for n in range(2, 40)],
    },
    "fan without end": {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "object", "properties": {c: {"$ref": "#/$defs/n"} for c in "abcd"}, "required": [*"abcd"]}},
    },
    "large enum": {"enum": [f"value {n}" for n in range(1_000_000)]},
    "doubled": inside(60, {"type": "string"}, lambda inner: {"allOf": [inner, inner]}),
    "deep": inside(400, {"type": "string"}, lambda inner: {"items": inner}),
    "deep and required": inside(60, {}, lambda inner: {"type": "object", "properties": {"a": inner}, "required": ["a"]}),
    "many items": {"type": "array", "minItems": 10**9},
    "many of many": inside(19, {"type": "string", "minLength": 10_000}, lambda i: {"type": "array", "minItems": 50, "items": i}),
    "many properties": {"type": "object", "minProperties": 10**9},
    "long texts": {"type": "array", "minItems": 1000, "items": {"type": "string", "minLength": 20_000}},
    "a long value many times": {"type": "array", "minItems": 1000, "items": {"const": "x" * 400_000}},
    "a long default many times": {"type": "array", "minItems": 1000, "items": {"type": "string", "default": "x" * 400_000}},
    "a large value many times": {"type": "array", "minItems": 1000, "items": {"const": [[n] for n in range(9000)]}},
    "a long name many times": {"type": "array", "minItems": 1000, "items": {"type": "object", "required": ["x" * 400_000]}},
    "many that it contains": {"type": "array", "contains": {}, "minContains": 10**9},
    "many that require many": {
        "type": "object", "required": ["0"], "dependentRequired": {str(n): [str(n + 1)] for n in range(6000)}, "maxProperties": 3,
    },
    "long text": {"type": "string", "minLength": 10**9},
    "pattern that backtracks": {"type": "string", "pattern": r"^(\w+\s?)*\1{50}$", "minLength": 3000},
    "many patterns": {
        "type": "object",
        "patternProperties": {f"^(a+)+{n}$": {} for n in range(2000)},
        "properties": {f"{'a' * 50}{n}": {} for n in range(2000)},
    },
    "small steps": {"type": "number", "multipleOf": 5e-324, "minimum": 1e300, "not": {"minimum": 0}},
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_schema_that_nothing_fits_is_told(name: str) -> None:
    with pytest.raises(SchemaError, match="nothing was found that fits it"):
        instance(IMPOSSIBLE[name])


@pytest.mark.parametrize(("schema", "words"), SENSELESS.values(), ids=SENSELESS)
def test_what_is_wrong_with_a_schema_is_said(schema: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(words)):
        instance(schema)


@pytest.mark.check
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_is_given_up_soon(name: str) -> None:
    with pytest.raises(SchemaError):
        instance(HOSTILE[name])


def test_without_a_draw_it_is_the_first_of_everything() -> None:
    schema = {
        "properties": {"a": {"enum": [3, 2]}, "b": {"type": "string"}, "c": {"type": "integer"}, "d": {"default": 9}}
    }

    assert instance(schema) == {"a": 3, "b": "b", "c": 1, "d": 9}


# Keywords, each of which speaks of values of one type and says nothing of others.
SPEAKING: list[dict[str, Any]] = [
    {"multipleOf": 2}, {"multipleOf": 0.5}, {"minimum": 3}, {"exclusiveMaximum": 3}, {"minLength": 2}, {"maxLength": 1},
    {"pattern": "^a"}, {"uniqueItems": True}, {"uniqueItems": False}, {"contains": {"type": "integer"}},
    {"contains": {"type": "integer"}, "minContains": 2}, {"contains": {"type": "integer"}, "maxContains": 1},
    {"prefixItems": [{"type": "string"}]}, {"items": {"type": "integer"}}, {"minItems": 2}, {"maxProperties": 1},
    {"required": ["a"]}, {"properties": {"a": {"type": "integer"}}}, {"patternProperties": {"^a": {"type": "integer"}}},
    {"additionalProperties": False}, {"propertyNames": {"maxLength": 1}}, {"dependentRequired": {"a": ["b"]}},
    {"dependentSchemas": {"a": {"required": ["b"]}}}, {"unevaluatedProperties": False}, {"unevaluatedItems": False},
    {"unevaluatedItems": False, "allOf": [True, {"prefixItems": [True]}]},
    {"unevaluatedItems": False, "contains": {"type": "string"}},
    {"unevaluatedItems": False, "anyOf": [{"unevaluatedItems": {"type": "integer"}}, {"items": {"type": "string"}}]},
    {"unevaluatedItems": False, "dependentSchemas": {"a": {"items": True}}},
    {"unevaluatedProperties": False, "dependentSchemas": {"a": {"properties": {"a": True}}}},
    {"unevaluatedProperties": False, "if": {"properties": {"a": {"const": 1}}}, "else": {"additionalProperties": True}},
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, 1, 2.0, 3.25, -4, 1e300, "", "a", "ab", [], [1], ["a"], [1, 1.0], [1, True], ["a", 1, 2], {}, {"a": 1},
    {"a": "x"}, {"b": 2}, {"a": 1, "b": None}, {"ab": 1},
]  # fmt: skip


@pytest.mark.parametrize("schema", SPEAKING, ids=json.dumps)
def test_whether_a_value_fits_is_what_the_standard_says(schema: Any) -> None:
    standard = jsonschema.Draft202012Validator(schema)

    for value in VALUES:
        assert fits(Document(schema), value, schema) == standard.is_valid(value), value


@pytest.mark.parametrize("draw", [None, 0.5, 0.999])
def test_a_bound_is_among_the_numbers_unless_it_is_excluded(draw: float | None) -> None:
    def between(**bounds: float) -> list[float]:
        return list(numbers([bounds], False, draw, 0))

    closed, opened = between(minimum=0, maximum=100), between(exclusiveMinimum=0, exclusiveMaximum=100)

    assert {0, 100} <= set(closed) and min(closed) >= 0 and max(closed) <= 100
    assert min(opened) > 0 and max(opened) < 100
    unbounded = between(minimum=7)
    assert min(unbounded) >= 7 and len(set(unbounded)) > 2000, "there is no end to them soon"
    assert len(set(between(minimum=7, maximum=7))) == 1


def test_of_a_long_range_the_last_number_is_tried_too() -> None:
    taken = [{"const": n} for n in range(2001, 4001)]  # those which come first where 2000 items are there already
    schema = {
        "type": "array", "prefixItems": taken, "items": {"type": "integer", "minimum": 1, "maximum": 5000},
        "minItems": 2001, "uniqueItems": True,
    }  # fmt: skip

    assert instance(schema)[-1] == 5000


WORDS = [
    "type", "properties", "items", "enum", "const", "anyOf", "allOf",
    "oneOf", "$ref", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "minLength", "maxLength", "required", "format", "default",
    "prefixItems", "additionalProperties", "minProperties", "not", "if", "then", "else", "contains", "uniqueItems", "pattern",
    "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems",
    "maxProperties", "minContains", "maxContains", "$defs", "$id", "$anchor",
]  # fmt: skip
LIKELY = st.sampled_from(
    ["object", "array", "string", "integer", "number", "boolean", "#", "#/properties", 1, 0.1, -5, 1e308]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner | LIKELY, max_size=6),
    max_leaves=25,
)


@pytest.mark.check
@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_whatever_the_schema_a_value_or_a_reason_comes_out(schema: Any) -> None:
    for draw in (None, lambda place: 0.999):
        try:
            value = instance(schema, draw)
        except SchemaError:
            continue
        json.dumps(value)
