"""The pages of the command line, snapshots and recordings are true: generated parts are current, blocks run, links lead on."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mock_server.cli import HOMES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = ("command-line.md", "snapshots.md", "record.md")
LOCAL = "http://localhost:4010"
# Blocks that are not run here, by their first line, with the reason.
NOT_RUN = {
    "telnyx-ai-mock record --upstream https://api.telnyx.com/v2 --out recorded": "calls the real service; tests/test_record.py",
    "telnyx-ai-mock serve --fixtures recorded": "serves until it is stopped; tests/test_record.py",
}


def blocks(*languages: str) -> list[object]:
    found = [
        (page, code)
        for page in PAGES
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
        if language in languages and code.splitlines()[0] not in NOT_RUN
    ]
    return [pytest.param(code, id=f"{page} {code.splitlines()[0][:40]}") for page, code in found]


def run(command: list[str], code: str, url: str, folder: Path) -> str:
    """Output of a block, with this checkout's `telnyx-ai-mock` on the path."""
    script = folder / "telnyx-ai-mock"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m mock_server "$@"\n')
    script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOCK_")}
    env = {**kept, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "MOCK_URL": url}
    done = subprocess.run(
        [*command, code.replace(LOCAL, url)], capture_output=True, text=True, timeout=60, env=env, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", blocks("bash"))
def test_shell_blocks(start, tmp_path, code):
    client = start()
    out = run(["bash", "-euc"], code, client.url, tmp_path)
    assert out and '"errors"' not in out
    assert {e["status"] for e in client.http.get(client.url + "/_mock/requests").json()["data"]} <= {200}


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks(start, tmp_path, code):
    assert "the mock is as it was" in run([sys.executable, "-c"], code, start().url, tmp_path)


@pytest.mark.parametrize("code", blocks("json"))
def test_the_recording_on_the_page_is_played(start, tmp_path, code):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "weather.json").write_text(json.dumps(json.loads(code)))
    client = start(fixtures=(tmp_path,))
    assert client.chat("What is the weather in Chicago?").json()["choices"][0]["message"]["content"] == "Sunny."


def test_the_table_of_commands_is_current():
    sys.path.insert(0, str(DOCS))
    from generate import commands, generate

    page = (DOCS / "command-line.md").read_text()
    assert generate(page, [("commands", commands)]) == page, "run: python docs/generate.py"
    assert all(f"| `{name}" in page for name in HOMES)


def test_links_lead_somewhere():
    targets = [
        (page, t) for page in PAGES for t in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text()) if "://" not in t
    ]
    assert [t for _, t in targets if not (DOCS / t).exists()] == []
