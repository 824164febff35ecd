"""The schema at /_mock/schemas/fault takes what the server takes, and refuses what it refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from mock_server.engine.faults.rules import Rule
from mock_server.engine.faults.schema import schema

ROOT = Path(__file__).parent.parent
VALIDATOR = Draft202012Validator(schema())


def taken(fields: Any) -> bool:
    """Whether the server takes a rule."""
    try:
        Rule.model_validate(fields)
    except ValueError:
        return False
    return True


# What is shipped and documented


def written() -> list[tuple[str, Any]]:
    """Every rule of the shipped scenarios, of the pages' YAML blocks and of the bodies that they send by curl."""
    found = [(path.name, yaml.safe_load(path.read_text())) for path in (ROOT / "fixtures").rglob("*.yaml")]
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = path.read_text(encoding="utf-8")
        found += [(path.name, yaml.safe_load(block)) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
        posted = re.findall(r"_mock/faults [^`]*?-d '(\{.*?\})'", text, re.DOTALL)
        found += [(path.name, json.loads(body)) for body in posted]
    rules = []
    for name, value in found:
        entries = value.get("faults", [value]) if isinstance(value, dict) else value
        rules += [
            (name, entry) for entry in entries or () if isinstance(entry, dict) and entry.keys() & {"effect", "effects"}
        ]
    return rules


def as_json(value: Any) -> Any:
    """What an editor sees of a YAML file: instants as texts."""
    return json.loads(json.dumps(value, default=lambda instant: instant.isoformat()))


def test_every_rule_that_is_shipped_or_documented_fits(client):
    served = Draft202012Validator(client.admin("GET", "/schemas/fault").json())
    Draft202012Validator.check_schema(served.schema)
    rules = written()
    for name, rule in rules:
        assert not list(served.iter_errors(as_json(rule))), f"{name}: {rule}"
        assert taken(rule), f"{name}: {rule}"
    sources = {name for name, _ in rules}
    assert {"brownout.yaml", "stream-cut.yaml", "faults.md", "scenarios.md"} <= sources and len(rules) >= 20


def test_every_shipped_scenario_fits_the_schema_of_scenarios(client):
    document = client.admin("GET", "/schemas/scenario").json()
    Draft202012Validator.check_schema(document)
    files = list((ROOT / "fixtures" / "scenarios").glob("*.yaml"))
    for path in files:
        Draft202012Validator(document).validate(yaml.safe_load(path.read_text()))
    assert len(files) >= 10
    broken = {"about": "x", "faults": [{"effect": {"close": 1006}}]}
    assert not Draft202012Validator(document).is_valid(broken)


# What is taken is shown as it may be written

TAKEN: list[dict[str, Any]] = [
    {"effect": "429;retry-after=2;times=2"},
    {"effect": 429},
    {"effect": {"delay": [1, 3], "cut": "100 bytes", "headers": {"a": 1, "b": None}}},
    {"effect": {"cut": "1000000 bytes"}},
    {"effect": {"cut": "1.5 Seconds"}},
    {"effects": [429, "fine", None, {"status": 500}]},
    {"match": {"body": {"a.b": 1, "c": {"regex": "x"}}, "user_text": "hi", "header": {"a": "b"}}, "effect": 500},
    {"match": {"body": {"a": None, "b": {"equals": None}}}, "effect": 500},
    {"effect": 500, "between": {"from": "2026-01-01T00:00:00Z"}, "probability": 0.5},
    {"effect": {"close": 1011, "reason": "x", "at": "3 frames"}, "match": {"kind": "socket"}},
    {"effect": {"error_frame": {"a": [1]}, "close": 4999, "at": "2 received"}},
    {"effect": {"status": 200, "body": None}},
    {"effect": {"status": 403, "code": 20015, "cut": "headers"}},
]


@pytest.mark.parametrize("fields", TAKEN, ids=json.dumps)
def test_what_is_taken_is_shown_and_put_back_as_it_may_be_written(client, fields):
    shown = client.admin("POST", "/faults", json=fields).json()["data"]
    client.admin("PUT", "/snapshots/mine").raise_for_status()
    client.admin("POST", "/reset")
    client.admin("POST", "/snapshots/mine").raise_for_status()
    assert [row for row in client.admin("GET", "/faults").json()["data"] if row["account"]] == [shown]
    for key in ("account", "source", "used"):
        del shown[key]
    for value in (fields, shown):
        VALIDATOR.validate(value)
    assert Rule.model_validate(shown).describe() == shown


# What is refused

REFUSED: list[Any] = [
    {},
    {"effect": {}},
    {"effect": {"stattus": 1}},
    {"effect": True},
    {"effect": 500, "effects": [500]},
    {"match": {"x": 1}, "effect": 500},
    {"match": {"stream": "true"}, "effect": 500},
    {"match": {"body": {"a": {}}}, "effect": 500},
    {"effect": 500, "times": True},
    {"effect": 500, "times": "2"},
    {"effect": 500, "probability": "0.5"},
    {"effect": 500, "between": {"from": "noon"}},
    {"effect": {"status": "500"}},
    {"effect": {"status": 200}},
    {"effect": {"detail": "x"}},
    {"effect": {"status": 403, "code": 2001}},
    {"effect": {"hang": 1}},
    {"effect": {"hang": False}},
    {"effect": {"timeout": 1, "delay": 1}},
    {"effect": {"half_open": True, "status": 500}},
    {"effect": {"close": 1011, "cut": "1 frame"}},
    {"effect": {"close": 1011, "drip": 10}},
    {"effect": {"close": 1006}},
    {"effect": {"close": 2000}},
    {"effect": {"reason": "x"}},
    {"effect": {"at": "1 chunk"}},
    {"effect": {"cut": "3 apples"}},
    {"effect": {"cut": "0.5 chunks"}},
    {"effect": {"error_event": False}},
    {"effect": {"error_frame": True}},
    {"effect": {"headers": {"a b": "c"}}},
    {"effect": {"headers": {"content-length": "1"}}},
]


@pytest.mark.parametrize("fields", REFUSED, ids=json.dumps)
def test_both_refuse(fields):
    assert not VALIDATOR.is_valid(fields)
    assert not taken(fields)


# Whatever is thrown at them

VALUES: Any = some.sampled_from(
    [True, False, 0, 1, 2, 0.5, 429, 500.0, 1011, 1006, 3000, 20015, -1, "1", "x", "", "503", "503, fine", "fine",
     "3 chunks", "2 frames", "headers", "1.5 seconds", "0.5 bytes", [1, 3], [], {}, {"a": 1}, {"a": "b"}, "2026-01-01"]
)  # fmt: skip
EFFECTS: Any = VALUES | some.dictionaries(
    some.sampled_from(list(schema()["$defs"]["Effect"]["properties"])), VALUES, max_size=3
)
CONDITIONS: Any = VALUES | some.dictionaries(some.sampled_from(["equals", "contains", "regex"]), VALUES, max_size=2)
MATCHES: Any = VALUES | some.fixed_dictionaries(
    {},
    optional={
        "kind": some.sampled_from(["http", "socket", "webhook", "x"]),
        "model": VALUES,
        "stream": VALUES,
        "user_text": CONDITIONS,
        "body": some.dictionaries(some.sampled_from(["a", "b.0"]), CONDITIONS, max_size=2),
        "event": VALUES,
    },
)
RULES: Any = some.fixed_dictionaries(
    {},
    optional={
        "id": VALUES,
        "match": MATCHES,
        "times": VALUES,
        "every": VALUES,
        "probability": VALUES,
        "between": some.dictionaries(some.sampled_from(["from", "until"]), VALUES, max_size=2),
        "effect": EFFECTS,
        "effects": some.lists(EFFECTS, max_size=3),
    },
)


@pytest.mark.check
@given(RULES)
@settings(max_examples=600, deadline=None, derandomize=True)
def test_what_the_server_takes_the_schema_takes(fields):
    assert VALIDATOR.is_valid(fields) or not taken(fields)


# Short forms, expressions and what lies between match and effects are beyond a schema.
BEYOND = re.compile("none of a status|regular|kind of exchange|webhook|no body|least of it first")


@pytest.mark.check
@given(RULES)
@settings(max_examples=600, deadline=None, derandomize=True)
def test_what_the_server_refuses_the_schema_refuses_as_far_as_it_can(fields):
    if not VALIDATOR.is_valid(fields):
        return
    try:
        Rule.model_validate(fields)
    except ValueError as error:
        assert BEYOND.search(str(error)), str(error)
