"""README.md and docs/ are true: generated parts are current, links and anchors lead somewhere, every block of code runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mock_server import catalogue
from mock_server.cli import HOMES

pytestmark = pytest.mark.check  # each block is a process, most of them import an SDK

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
OF_THEIR_OWN_TEST = {"docs/pytest.md"}  # tests/test_pytest_plugin.py runs its blocks, each in a pytest of its own
BLOCKS = [
    (page, language, code)
    for page, text in TEXTS.items()
    if page not in OF_THEIR_OWN_TEST
    for language, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]
NODE_PACKAGES = ("telnyx@7.24.0", "openai@7.57.0", "vitest@4.1.12")
SHIPPED = {"faults": 0, "replies": 2}  # rules that a server has from the start
LOCAL = "http://localhost:4010"
SERVE = "telnyx-ai-mock serve"
# Blocks that are not run here, by their first line, with the reason.
NOT_RUN = {
    "make serve": "installs into the checkout; CI runs make itself, tests/test_serve.py the server",
    "docker compose up": "needs a Docker engine; tests/test_packaging.py builds and runs the image",
    "pip install .": "installs into this environment; tests/test_packaging.py does it in an empty one",
    "python3 -m venv .venv": "installs a minute long; tests/test_packaging.py does the same in an empty environment",
    "telnyx-ai-mock record --upstream https://api.telnyx.com/v2 --out recorded": "calls the service; tests/test_record.py does it",
    "telnyx-ai-mock serve --fixtures recorded": "wants what the recorder wrote; tests/test_record.py does it",
    "name: tests": "needs GitHub's runners; test_the_workflow_and_the_compose_file_fit_the_server reads it",
    "scrape_configs:": "needs a Prometheus; test_the_scrape_fits_the_server reads it",
    "services:": "needs a Docker engine; test_the_workflow_and_the_compose_file_fit_the_server reads it",
}


def first_line(code: str) -> str:
    return code.splitlines()[0]


def blocks(*languages: str) -> list[Any]:
    chosen = [(p, code) for p, language, code in BLOCKS if language in languages and first_line(code) not in NOT_RUN]
    return [pytest.param(code, id=f"{page} {first_line(code)[:50]}") for page, code in chosen]


def block(beginning: str) -> str:
    (found,) = [code for _, _, code in BLOCKS if code.startswith(beginning)]
    return found


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """An environment that has this checkout's `telnyx-ai-mock` on its path."""
    script = tmp_path / "bin" / "telnyx-ai-mock"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m mock_server "$@"\n')
    script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOCK_", "TELNYX_", "OPENAI_"))}
    return {**kept, "PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}


def run(command: list[str], code: str, url: str, **options: Any) -> str:
    """What a block prints, its host replaced by the server's."""
    env = {**(options.pop("env", None) or os.environ), "TELNYX_LOG": "", "NO_PROXY": "*", "MOCK_URL": url}
    done = subprocess.run(
        [*command, code.replace(LOCAL, url)], capture_output=True, text=True, timeout=60, env=env, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def statuses(http: Any, url: str) -> set[int]:
    return {exchange["status"] for exchange in http.get(f"{url}/_mock/requests?limit=1000").json()["data"]}


# What is generated


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if "<!-- generated: " in text])
def test_generated_parts_are_current(page):
    from docs.generate import generate

    assert generate(TEXTS[page]) == TEXTS[page], "run: python docs/generate.py"


def test_generated_pages_are_current():
    from docs.generate import WHOLE

    assert {name for name, make in WHOLE.items() if make() != TEXTS[f"docs/{name}"]} == set(), "run docs/generate.py"


def test_the_pages_count_every_operation_and_command():
    emulated = sum(o.room is not None and not o.raw for o in catalogue.operations())
    assert TEXTS["docs/coverage.md"].count("\n| `") == emulated
    assert all(f"| `{name}" in TEXTS["docs/command-line.md"] for name in HOMES)


# Every block of code


def test_every_block_is_run_or_excused():
    assert set(NOT_RUN) - {first_line(code) for _, _, code in BLOCKS} == set()
    assert {language for _, language, _ in BLOCKS} <= {"bash", "python", "js", "yaml", "json", "text"}


@pytest.mark.parametrize("code", [p for p in blocks("bash") if not p.values[0].startswith(SERVE)])
def test_shell_blocks(start, command, tmp_path, code):
    client = start()
    out = run(["bash", "-euc"], code, client.url, cwd=tmp_path, env=command)
    assert "Traceback" not in out and bool(out.strip()) == bool(
        re.search(r"^(curl|telnyx-ai-mock) ", code, re.MULTILINE)
    )
    assert statuses(client.http, client.url) <= {200, 422, 429, 503}
    assert ('"errors"' in out) <= ("x-mock-fault" in code), out


@pytest.mark.parametrize("code", [p for p in blocks("bash") if p.values[0].startswith(SERVE)])
def test_serving_blocks(command, tmp_path, code):
    words = [*shlex.split(code), "--port", "0"]
    with subprocess.Popen(words, cwd=tmp_path, env=command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and "ready at http" in server.stdout.readline()
        server.terminate()


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks(start, command, tmp_path, code):
    client = start()
    assert run([sys.executable, "-c"], code, client.url, cwd=tmp_path, env=command).strip()
    assert statuses(client.http, client.url) <= {101, 200, 429, 503}


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder with the two SDKs and vitest, kept in .cache."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("LOUD: node or npm is not on this machine; the Node examples were not run")
    folder = ROOT / ".cache" / "node" / "-".join(NODE_PACKAGES).replace("@", "")
    if not folder.is_dir():
        making = folder.with_name(f"making-{os.getpid()}")  # another worker may be at it, too
        making.mkdir(parents=True)
        (making / "package.json").write_text('{"type": "module", "private": true}')
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent", *NODE_PACKAGES]
        subprocess.run(install, cwd=making, check=True, timeout=240)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making)
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", [p for p in blocks("js") if '"vitest"' not in p.values[0]])
def test_node_blocks(start, node_modules, code):
    client = start()
    out = run(["node", "--input-type=module", "-e"], code, client.url, cwd=node_modules)
    assert "mock" in out


@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", [p for p in blocks("js") if '"vitest"' in p.values[0]])
def test_vitest_blocks(start, node_modules, tmp_path, code):
    (tmp_path / "mock.test.js").write_text(code)
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    (tmp_path / "node_modules").symlink_to(node_modules / "node_modules")
    out = run(["node", "node_modules/vitest/vitest.mjs", "run", "--root"], ".", start().url, cwd=tmp_path)
    assert "failed" not in out


# Files: each is put where its kind belongs, and a server must take it


@pytest.mark.parametrize("code", blocks("yaml"))
def test_files_are_taken(start, tmp_path, code):
    value = yaml.safe_load(code)
    kind = kind_of(value)
    file = tmp_path / ("plans.yaml" if kind == "plans" else f"{kind}/mine.yaml")
    file.parent.mkdir(exist_ok=True)
    file.write_text(code)

    client = start(fixtures=(tmp_path,))

    rules = value[kind] if isinstance(value, dict) and kind in value else value
    if kind == "scenarios":
        assert client.admin("POST", "/scenario", json={"name": "mine"}).status_code == 200
    elif kind == "plans":
        told = {kind["kind"]: kind["source"] for kind in client.admin("GET", "/plans").json()["data"]}
        assert {told[name] for name in value} == {"file"}
    elif kind in ("faults", "replies"):
        assert len(client.admin("GET", f"/{kind}").json()["data"]) - SHIPPED[kind] == len(rules)
    else:
        assert kind == "transcripts"  # a server that started has taken it


def kind_of(value: Any) -> str:
    """Which folder of a fixtures folder a file belongs into, by what stands in it."""
    if isinstance(value, dict):
        if "about" in value:
            return "scenarios"
        return next((kind for kind in ("faults", "replies", "transcripts") if kind in value), "plans")
    return "replies" if {"reply", "sequence"} & set(value[0]) else "faults"


def test_the_reply_file_works(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text(block("- id: weather"))

    client = start(fixtures=(tmp_path,))
    choice = client.chat("What is the weather in Chicago?").json()["choices"][0]
    call = choice["message"]["tool_calls"][0]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "windy"}
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [call]}, result]
    told, refused = (client.post("/ai/openai/chat/completions", {"messages": talk}) for _ in range(2))

    assert choice["finish_reason"] == "tool_calls"
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Chicago"}'}
    assert told.json()["choices"][0]["message"]["content"] == "It is windy."
    assert refused.status_code == 503 and refused.headers["retry-after"] == "1"


def test_the_transcript_file_works(start, tmp_path):
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "mine.yaml").write_text(block("transcripts:"))

    client = start(fixtures=(tmp_path,))
    answer = client.post("/ai/audio/transcriptions", files={"file": ("greeting-1.wav", b"any bytes")})

    assert answer.json() == {"text": "Hello, I would like to speak to somebody about my order."}


@pytest.mark.parametrize("code", blocks("json"))
def test_the_recording_is_played(start, tmp_path, code):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "weather.json").write_text(json.dumps(json.loads(code)))
    client = start(fixtures=(tmp_path,))
    assert client.chat("What is the weather in Chicago?").json()["choices"][0]["message"]["content"] == "Sunny."


def test_the_workflow_and_the_compose_file_fit_the_server():
    from mock_server.base.settings import options

    job = yaml.safe_load(block("name: tests"))["jobs"]["test"]
    compose = yaml.safe_load(block("services:"))["services"]
    known = {f"MOCK_{name.upper()}" for name, *_ in options()}

    assert set(job["services"]["telnyx"]["env"]) | set(compose["telnyx"]["environment"]) <= known
    assert job["services"]["telnyx"]["ports"] == ["4010:4010"]
    assert job["env"]["TELNYX_BASE_URL"] == f"{LOCAL}/v2" and job["env"]["OPENAI_BASE_URL"] == f"{LOCAL}/v2/ai/openai"
    assert compose["app"]["environment"]["TELNYX_BASE_URL"] == "http://telnyx:4010/v2"
    assert compose["telnyx"]["environment"]["MOCK_EGRESS_ALLOW"] in compose


def test_the_scrape_fits_the_server(client):
    (scrape,) = yaml.safe_load(block("scrape_configs:"))["scrape_configs"]
    named = set(re.findall(r"`(telnyx_mock_\w+)`", TEXTS["docs/logs.md"]))
    client.chat()

    answer = client.http.get(client.url + scrape["metrics_path"])

    told = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE telnyx_mock_")}
    assert scrape["static_configs"][0]["targets"] == [LOCAL.removeprefix("http://")]
    assert answer.status_code == 200 and told == named


# Links


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links, as GitHub makes it."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = [title.lower() for title in re.findall(r"^#+ (.+)$", bare, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def links() -> Iterator[tuple[str, str, str]]:
    """(page, file, anchor) of every link that does not leave the repository."""
    for page, text in TEXTS.items():
        bare = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)\s]+)\)", bare):
            if not re.match(r"[a-z]+:", target):
                file, _, anchor = target.partition("#")
                yield page, file, anchor


def test_links_lead_somewhere():
    lost = []
    for page, file, anchor in links():
        target = (ROOT / page).parent / file if file else ROOT / page
        name = os.path.relpath(target, ROOT)
        if not target.exists() or (anchor and anchor not in anchors(TEXTS[name])):
            lost.append((page, f"{file}#{anchor}"))
    assert lost == []


def test_the_index_names_every_page():
    named = {file for page, file, _ in links() if page == "docs/index.md"}
    assert {page.name for page in DOCS.glob("*.md")} - named == {"index.md"}


def test_the_readme_leads_to_every_choice():
    limitations = TEXTS["README.md"].partition("\n## Limitations\n")[2].partition("\n## ")[0]
    assert "(docs/limitations.md)" in limitations and "(docs/index.md)" in TEXTS["README.md"]
