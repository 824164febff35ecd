"""docs/faults.md is true: its rules are taken, its commands run, and it leaves no part of the language out."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.rules import SCHEDULE, Condition, Match, Rule, read_rule
from mock_server.engine.faults.short import parse_short

PAGE = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LINES = re.findall(r"^\| `([^`]*)` \|", PAGE[PAGE.index("## In one line") :], re.MULTILINE)


def test_every_block_is_run_or_a_message():
    assert [language for language, _ in BLOCKS].count("") == 1 and {language for language, _ in BLOCKS} == {
        "",
        "bash",
        "yaml",
    }


@pytest.mark.parametrize("text", [code for language, code in BLOCKS if language == "yaml"])
def test_the_rules_are_taken(start, tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    value = yaml.safe_load(text)
    entries = value["faults"] if isinstance(value, dict) else value

    one = start(faults=(tmp_path / "mine.yaml",))

    assert len(one.admin("GET", "/faults").json()["data"]) == len(entries)
    assert one.admin("GET", "/requests").status_code == 200


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "bash"])
def test_the_commands_run(start, code):
    one = start()
    command = ["bash", "-euc", code.replace("http://localhost:4010", one.url)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    answered = {exchange["status"] for exchange in one.http.get(one.url + "/_mock/requests").json()["data"]}
    assert done.returncode == 0 and answered <= {200, 503} and "Traceback" not in done.stderr


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
