"""README.md is true: its generated parts are current, its links lead somewhere, and its code runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mock_server import catalogue

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
NODE_SDKS = ("telnyx@7.24.0", "openai@7.57.0")
LOCAL = "http://localhost:4010"
# Blocks that are not run here, by their first line, with the reason.
NOT_RUN = {
    "make serve": "installs into the checkout; CI runs make itself, tests/test_serve.py the server",
    "docker compose up": "needs a Docker engine; tests/test_packaging.py builds and runs the image",
    "pip install .": "installs into this environment; tests/test_packaging.py does it in an empty one",
    "- id: weather": "a fixture file: test_the_reply_file_works runs it",
}


def blocks(*languages: str) -> list[object]:
    chosen = [code for language, code in BLOCKS if language in languages and code.splitlines()[0] not in NOT_RUN]
    return [pytest.param(code, id=code.splitlines()[0][:60]) for code in chosen]


def run(command: list[str], code: str, url: str, **options: object) -> str:
    env = {**os.environ, "TELNYX_LOG": "", "NO_PROXY": "*"}
    done = subprocess.run(
        [*command, code.replace(LOCAL, url)], capture_output=True, text=True, timeout=60, env=env, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def statuses(http, url: str) -> set[int]:
    return {exchange["status"] for exchange in http.get(f"{url}/_mock/requests?limit=1000").json()["data"]}


def test_generated_parts_are_current():
    from docs.generate import generate

    assert generate(README) == README, "run: python docs/generate.py"


def test_the_coverage_page_is_current_and_counts_every_emulated_operation():
    from docs.coverage import coverage

    page = (ROOT / "docs" / "coverage.md").read_text()

    assert coverage() == page, "run: python docs/generate.py"
    assert page.count("\n| `") == sum(o.room is not None and not o.raw for o in catalogue.operations())


def test_every_block_is_run_or_excused():
    assert set(NOT_RUN) <= {code.splitlines()[0] for _, code in BLOCKS}
    assert {language for language, _ in BLOCKS} <= {"bash", "python", "js", "yaml"}


@pytest.mark.parametrize("code", blocks("bash"))
def test_shell_blocks(start, code):
    client = start()
    out = run(["bash", "-euc"], code, client.url)
    assert statuses(client.http, client.url) <= {200, 422, 429, 503}
    assert "curl" not in code or '"' in out


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks(start, code):
    client = start()
    out = run([sys.executable, "-c"], code, client.url)
    assert "mock" in out
    assert 200 in statuses(client.http, client.url)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """A folder with the two SDKs, kept in .cache."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("LOUD: node or npm is not on this machine; the README's Node examples were not run")
    folder = ROOT / ".cache" / "node" / "-".join(NODE_SDKS).replace("@", "")
    if not folder.is_dir():
        making = folder.with_name(f"making-{os.getpid()}")  # another worker may be at it, too
        making.mkdir(parents=True)
        (making / "package.json").write_text('{"type": "module", "private": true}')
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent", *NODE_SDKS]
        subprocess.run(install, cwd=making, check=True, timeout=240)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making)
    return folder


@pytest.mark.check
@pytest.mark.timeout(300)
@pytest.mark.parametrize("code", blocks("js"))
def test_node_blocks(start, node_modules, code):
    client = start()
    out = run(["node", "--input-type=module", "-e"], code, client.url, cwd=node_modules)
    assert "mock" in out


def test_the_reply_file_works(start, tmp_path):
    (fixture,) = [code for language, code in BLOCKS if language == "yaml" and "reply:" in code]
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text(fixture)

    client = start(fixtures=(tmp_path,))
    choice = client.chat("What is the weather like?").json()["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Chicago"}'}


def test_the_transcript_file_works(start, tmp_path):
    (fixture,) = [code for language, code in BLOCKS if language == "yaml" and "transcripts:" in code]
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "mine.yaml").write_text(fixture)

    client = start(fixtures=(tmp_path,))
    answer = client.post("/ai/audio/transcriptions", files={"file": ("greeting-1.wav", b"any bytes")})

    assert answer.json() == {"text": "Hello, I would like to speak to somebody about my order."}


def test_the_fault_file_works(start, tmp_path):
    (fixture,) = [code for language, code in BLOCKS if language == "yaml" and code.startswith("faults:")]
    (tmp_path / "mine.yaml").write_text(fixture)

    client = start(faults=(tmp_path / "mine.yaml",))
    answers = [client.chat(text) for text in ("a refund", "hello", "my refund?", "a refund")]

    assert [answer.status_code for answer in answers] == [429, 200, 503, 200]
    assert answers[0].headers["x-mock-fault"] == "flaky-chat"


def test_links_lead_somewhere():
    targets = [t for t in re.findall(r"\]\(([^)#]+)", README) if not t.startswith("http")]
    assert [t for t in targets if not (ROOT / t).exists()] == []
