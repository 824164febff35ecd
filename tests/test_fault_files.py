"""Fault rules of files: read at start, read again when they change, complained about by line."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mock_server import Settings, create_app
from mock_server.engine.faults.files import FaultFileError

GOOD = """
faults:
  - id: flaky
    match: {operation: ai.*}
    effects: [503, 503]
  - match: {user_text: {contains: boom}}
    effect: 500;retry-after=3
"""


def write(folder: Path, text: str, name: str = "faults/mine.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def reload(client) -> Any:
    return client.admin("POST", "/faults/reload")


def listed(client) -> list[tuple[str, str]]:
    return [(rule["id"], rule["source"]) for rule in client.admin("GET", "/faults").json()["data"]]


def statuses(client, times: int) -> list[int]:
    return [client.get("/ai/models").status_code for _ in range(times)]


def test_rules_of_a_fixture_folder_are_in_force_for_every_account(start, tmp_path):
    path = write(tmp_path, GOOD)
    one = start(fixtures=(tmp_path,))
    other = one.as_key("another")
    assert listed(one) == [("flaky", f"{path}:3"), ("mine-2", f"{path}:6")]
    assert statuses(one, 3) + statuses(other, 3) == [503, 503, 200] * 2
    boom = one.chat("a BOOM")
    assert (boom.status_code, boom.headers["x-mock-fault"], boom.headers["retry-after"]) == (500, "mine-2", "3")


def test_a_file_by_itself_comes_before_folders_and_after_the_api(start, tmp_path):
    write(tmp_path, "- {id: folder, effect: 500}")
    one = start(
        fixtures=(tmp_path,), faults=(write(tmp_path, '[{"id": "file", "effect": 503, "times": 1}]', "own.json"),)
    )
    one.admin("POST", "/faults", json={"id": "api", "effect": 409, "times": 1}).raise_for_status()
    assert [id for id, _ in listed(one)] == ["api", "file", "folder"]
    assert statuses(one, 3) == [409, 503, 500]


def test_a_reset_starts_their_counts_anew_and_leaves_them_in_force(start, tmp_path):
    write(tmp_path, GOOD)
    one = start(fixtures=(tmp_path,))
    found = statuses(one, 3)
    one.admin("POST", "/reset")
    found += statuses(one, 1)
    one.http.post(one.url + "/_mock/reset")
    assert found + statuses(one, 3) == [503, 503, 200, 503, 503, 503, 200]


def test_a_rule_of_a_file_cannot_be_taken_out_by_api(start, tmp_path):
    write(tmp_path, GOOD)
    one = start(fixtures=(tmp_path,))
    assert one.admin("DELETE", "/faults/flaky").status_code == 404
    assert one.admin("DELETE", "/faults").json() == {"deleted": 0} and statuses(one, 1) == [503]


def test_files_are_read_again_and_what_stays_keeps_its_count(start, tmp_path):
    write(tmp_path, GOOD)
    one = start(fixtures=(tmp_path,))
    assert statuses(one, 1) == [503]
    write(tmp_path, GOOD + "  - {id: last, effect: 409, match: {method: GET}}\n")
    assert reload(one).json() == {"loaded": 3} and statuses(one, 2) == [503, 409]
    write(tmp_path, GOOD.replace("[503, 503]", "[504]"))
    assert reload(one).json() == {"loaded": 2} and statuses(one, 2) == [504, 200]


def test_a_broken_file_keeps_the_rules_and_says_so(start, tmp_path, capfd):
    path = write(tmp_path, GOOD)
    one = start(fixtures=(tmp_path,))
    write(tmp_path, GOOD.replace("503, 503", "503, 5O3"))
    refused = reload(one)
    (problem,) = one.admin("GET", "/faults").json()["meta"]["problems"]
    assert refused.status_code == 400 and problem in refused.text
    assert problem.startswith(f"{path}:5: effects.1: '5O3' is none of") and statuses(one, 1) == [503]
    write(tmp_path, "")
    assert reload(one).json() == {"loaded": 0} and listed(one) == [] and statuses(one, 1) == [200]
    assert one.admin("GET", "/faults").json()["meta"]["problems"] == []


def test_changes_are_noticed_without_being_asked(tmp_path, capsys):
    seconds = [0.0]
    from mock_server.base.clock import Clock, Machine

    path = write(tmp_path, GOOD)
    clock = Clock(machine=Machine(monotonic=lambda: seconds[0]))
    faults = create_app(Settings(fixtures=(tmp_path,)), clock).world.faults
    path.write_text("- {effect: 500, id: other}")
    faults.look_at_files()
    soon = [armed.id for armed in faults.rules]
    seconds[0] += 1.1
    faults.look_at_files()
    later = [armed.id for armed in faults.rules]
    before = faults.rules
    seconds[0] += 1.1
    faults.look_at_files()
    assert faults.rules is before, "a file that is as it was is not read again"
    path.write_text("- {effect: }")
    seconds[0] += 1.1
    faults.look_at_files()
    faults.look_at_files()
    assert (soon, later) == (["flaky", "mine-2"], ["other"]) and [a.id for a in faults.rules] == ["other"]
    assert capsys.readouterr().err.count(f"The fault rules stay as they were: {path}:1") == 1
    path.unlink()
    seconds[0] += 1.1
    faults.look_at_files()
    assert faults.rules == []


BROKEN = {
    "faults:\n  - effect: 500\n  - effect: {stattus: 3}\n": [":3: effect.stattus: Extra inputs"],
    "faults:\n  - effect: 500\n    match:\n      user_text:\n        regex: '('\n": [
        ":5: match.user_text.regex: the regular"
    ],
    "faults:\n  - [": [":3: this is no YAML"],
    "faults: 3": [":1: expected a list"],
    "3": [":1: expected a list"],
    "fault:\n  - effect: 500": [":1: a file of fault rules has `faults`"],
    "- {id: a, effect: 500}\n- {id: a, effect: 500}": [":2: there are two rules named a"],
    "- 3": [":1: Input should be"],
    "- {effect: 1}\n- {times: 1}\n": [":1: effect.status", ":2: give either effect or effects"],
    "- effect: 500\n  between:\n    from: noon\n": [":3: between.from: 'noon' is no ISO 8601"],
    "- !!python/object:os.system {}": ["no YAML"],
    "- effect: \x00": ["no YAML"],
    "[" * 3000: ["no YAML"],
    "- effect: 500\n  match: {method: GET}\n  match: {stream: true}\n": [":3: 'match' is here twice"],
    "- effect: 500\n  times: '2'\n": [":2: times: it is a number, not '2'"],
    "- effect: {hang: 1}\n": [":1: effect.hang: it is true or left out"],
    "faults: &a\n  - *a\n": ["its aliases stand for more than"],
}


@pytest.mark.parametrize(("text", "problems"), BROKEN.items(), ids=[repr(text[:40]) for text in BROKEN])
def test_a_broken_file_is_refused_at_start_with_file_and_line(tmp_path, text, problems):
    path = write(tmp_path, text)
    with pytest.raises(FaultFileError) as refused:
        create_app(Settings(fixtures=(tmp_path,)))
    lines = str(refused.value).splitlines()
    assert len(lines) == len(problems)
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(str(path)) and problem in line


def test_the_command_line_refuses_a_broken_file_in_plain_words(tmp_path):
    path = write(tmp_path, "- effect: oops", "own.yaml")
    command = [sys.executable, "-m", "mock_server", "serve", "--port", "0", "--faults", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"{path}:1: 'oops' is none of" in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a file"):
        Settings(faults=(tmp_path / "none.yaml",))


def test_dates_that_yaml_reads_by_itself_are_instants(start, tmp_path):
    write(tmp_path, "- {effect: 500, between: {from: 2026-01-01T00:00:00Z, until: 2026-02-01}}")
    one = start(fixtures=(tmp_path,))
    one.admin("POST", "/clock", json={"set": "2026-01-15T00:00:00Z", "freeze": True})
    inside = statuses(one, 1)
    one.admin("POST", "/clock", json={"set": "2026-02-01T00:00:00Z"})
    assert inside + statuses(one, 1) == [500, 200]
