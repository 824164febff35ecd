"""docs/faults.md leaves no part of the language out, and its lines can be read. (tests/test_readme.py runs its blocks.)"""

import re
from pathlib import Path

import pytest

from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.rules import SCHEDULE, Condition, Match, Rule, read_rule
from mock_server.engine.faults.short import parse_short

PAGE = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| `([^`]*)` \|", PAGE[PAGE.index("## In one line") :], re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_the_lines_can_be_read(line):
    assert read_rule(parse_short(line)).sequence


def test_the_lines_are_there():
    assert len(LINES) >= 9


@pytest.mark.parametrize("model", [Match, Effect, Condition])
def test_no_field_is_left_out(model):
    assert [name for name in model.model_fields if f"`{name}`" not in PAGE] == []


def test_no_part_of_a_schedule_is_left_out():
    rest = set(Rule.model_fields) - {"id", "match", "effect", "effects"}
    assert rest == {*SCHEDULE, "between"} and all(f"`{name}`" in PAGE for name in rest)
