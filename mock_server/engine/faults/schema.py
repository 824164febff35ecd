"""The JSON schema of a rule, for editors: the models', and what holds between fields, as far as a schema can say it.

What it cannot say: that a wait has its least first, that an expression or a short form can be read, that effects suit the match.
"""

from itertools import combinations
from typing import Any

from mock_server.engine.faults.effects import ENDINGS, FRAMING, HEADER_NAME, HTTP_ONLY, SOCKET_ONLY
from mock_server.engine.faults.rules import Rule

Schema = dict[str, Any]
ALONE = ("timeout", "hang", "disconnect")
OF_STATUS = ("code", "detail", "body", "retry_after")
AT_A_MOMENT = ("malformed", "error_event", "close", "error_frame", "half_open")
WAYS = ("status", "silent", "cut", "half_open", "close", "error_frame")  # to end: one of them, but for the pairs below
TOGETHER = {("status", "cut"), ("close", "error_frame")}
CLOSE_CODES = [(1000, 1003), (1007, 1014), (3000, 4999)]


def schema() -> Schema:
    """The schema of one rule, as files and the admin API take it."""
    document = Rule.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **tightened({**document, "title": "Rule"})}


def tightened(document: Schema) -> Schema:
    """A schema in which rules occur, with what holds between their fields."""
    models = {**document.get("$defs", {}), document.get("title"): document}
    for name, more in (("Rule", _rule()), ("Effect", _effect()), ("Condition", {"minProperties": 1})):
        models[name].update(more)
    _parts(models["Effect"]["properties"])
    return document


def _rule() -> Schema:
    return {"oneOf": [_given("effect"), _given("effects")]}


def _effect() -> Schema:
    ends = [pair for pair in combinations(ENDINGS, 2) if not set(pair) <= set(WAYS)]
    ends += [pair for pair in combinations(WAYS, 2) if pair not in TOGETHER]
    return {
        "minProperties": 1,
        "allOf": [
            *({"if": _given(name), "then": {"maxProperties": 1}} for name in ALONE),
            *({"not": {"allOf": [_given(one), _given(other)]}} for one, other in ends),
            {"not": {"allOf": [_any_of(HTTP_ONLY), _any_of(SOCKET_ONLY)]}},
            {"if": {"anyOf": [{"required": [name]} for name in OF_STATUS]}, "then": _given("status")},
            {"if": _given("reason"), "then": _given("close")},
            {"if": _given("at"), "then": _any_of(AT_A_MOMENT)},
            {
                "if": {"properties": {"status": {"type": "integer", "maximum": 399}}, "required": ["status"]},
                "then": {"required": ["body"]},
            },
        ],
    }


def _parts(properties: Schema) -> None:
    """What single parts of an effect may be, where the models let code of theirs decide."""
    codes = [{"type": "integer", "minimum": least, "maximum": most} for least, most in CLOSE_CODES]
    properties["close"] = {**_said(properties["close"]), "anyOf": [*codes, {"type": "null"}]}
    events = [{"const": True}, {"type": "object"}, {"type": "null"}]
    properties["error_event"] = {**_said(properties["error_event"]), "anyOf": events}
    frames = [{"type": kind} for kind in ("string", "integer", "object", "null")]
    properties["error_frame"] = {**_said(properties["error_frame"]), "anyOf": frames}
    headers = properties["headers"]["anyOf"][0]
    headers |= {
        "maxProperties": 50,
        "propertyNames": {"pattern": f"^{HEADER_NAME.pattern}$", "not": {"enum": sorted(FRAMING)}},
    }


def _said(part: Schema) -> Schema:
    """A part of a schema without its types."""
    return {key: value for key, value in part.items() if key in ("title", "description", "default")}


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _any_of(names: tuple[str, ...]) -> Schema:
    return {"anyOf": [_given(name) for name in names]}
