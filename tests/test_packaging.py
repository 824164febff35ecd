"""What a newcomer gets: the make targets, the wheel in an empty venv on every Python, the image, docker compose."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
import yaml

from mock_server import LocalServer, Settings, __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13")
TARGETS = ("serve", "install", "test", "lint", "format", "typecheck", "check", "proof", "bench", "clean", "help")
IMAGE_CHECK = ROOT.parent / "shared" / "tools" / "check-image.sh"
EXAMPLE = ROOT / "docs" / "examples" / "compose"
CHAT = {"messages": [{"role": "user", "content": "hi"}]}


def run(*words: str | Path, cwd: Path = ROOT, **extra: str) -> str:
    """Output of a command that must succeed, without this process's settings for the mock."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("MOCK_", "PYTHONPATH", "MAKE"))}
    done = subprocess.run(list(words), cwd=cwd, env={**given, **extra}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def skip_loudly(reason: str) -> NoReturn:
    """Skip, and say so in the summary of a quiet run too."""
    warnings.warn(f"not checked: {reason}", stacklevel=2)
    pytest.skip(reason)


# ------------------------------------------------------------------------------------------------- make


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_the_target(target):
    assert re.search(rf"^  make {target} +\S", run("make", "--no-print-directory", "help"), re.MULTILINE)
    assert run("make", "--dry-run", target).strip()


def test_each_kind_of_test_has_its_target():
    assert 'pytest -n auto -m "not check and not proof"' in run("make", "--dry-run", "test")
    assert 'pytest -n auto -m "not proof"' in run("make", "--dry-run", "check")
    assert "pytest -m proof" in run("make", "--dry-run", "proof")
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("exec make check")


def test_versions_agree():
    assert PROJECT["version"] == __version__
    assert run(sys.executable, "-m", "mock_server", "--version") == f"{__version__}\n"


# ------------------------------------------------------------------------------------------------- wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that `python -m build` makes by way of the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    assert len(list(out.glob("*.tar.gz"))) == 1
    return next(out.glob("*.whl"))


def python_of(version: str) -> str | None:
    """A Python of this version: on the path, or one of pyenv's that is not switched on."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    for candidate in map(str, filter(None, candidates)):
        # A pyenv shim is there for versions that are switched off, too; and Debian's may come without venv.
        asked = [candidate, "-c", "import ensurepip, sys; print(*sys.version_info[:2], sep='.')"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return candidate
    return None


@pytest.mark.check
@pytest.mark.timeout(300)
def test_the_wheel_holds_the_package_its_fixtures_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("/METADATA"))).decode())
    fixtures = {f"mock_server/{f.relative_to(ROOT).as_posix()}" for f in (ROOT / "fixtures").rglob("*") if f.is_file()}
    modules = {f.relative_to(ROOT).as_posix() for f in (ROOT / "mock_server").rglob("*.py")}

    assert fixtures | modules | {"mock_server/py.typed"} <= names
    assert {name.partition("/")[0] for name in names} == {"mock_server", f"telnyx_ai_mock-{__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name]
    assert f"telnyx_ai_mock-{__version__}.dist-info/licenses/LICENSE" in names
    assert (metadata["Name"], metadata["Requires-Python"]) == ("telnyx-ai-mock", ">=3.11")


@pytest.mark.check
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_serves_from_any_folder_on(version, wheel, tmp_path):
    python = python_of(version)
    if python is None:
        skip_loudly(f"there is no Python {version} with venv on this machine")
    run(python, "-m", "venv", tmp_path / "venv")
    binaries = tmp_path / "venv" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert run(binaries / "telnyx-ai-mock", "--version", cwd=elsewhere) == f"{__version__}\n"
    assert run(binaries / "python", "-m", "mock_server", "--version", cwd=elsewhere) == f"{__version__}\n"
    assert run(binaries / "python", "-m", "pip", "check", cwd=elsewhere)
    with subprocess.Popen(
        [binaries / "telnyx-ai-mock", "serve", "--port", "0"], cwd=elsewhere, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            answer = httpx.post(f"{url}/ai/chat/completions", headers={"authorization": "Bearer k"}, json=CHAT)
        finally:
            process.terminate()
    assert 'You said: "hi"' in answer.json()["choices"][0]["message"]["content"]
    assert process.returncode == 0
    assert list(elsewhere.iterdir()) == []


# ------------------------------------------------------------------------------------------------- image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, their continuation lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_keeps_its_promises():
    steps = instructions()
    last_stage = dict(steps[max(n for n, (name, _) in enumerate(steps) if name == "FROM") :])

    assert [value.endswith("-slim") for name, value in steps if name == "FROM"] == [False, True]
    assert last_stage["EXPOSE"] == "4010"
    assert not last_stage["USER"].startswith(("root", "0"))
    assert "MOCK_HOST=0.0.0.0" in last_stage["ENV"]
    assert yaml.safe_load(last_stage["ENTRYPOINT"]) + yaml.safe_load(last_stage["CMD"]) == ["telnyx-ai-mock", "serve"]
    assert "/_mock/health" in last_stage["HEALTHCHECK"]
    assert "curl" not in last_stage["HEALTHCHECK"]
    assert not [value for _, value in steps if "<<" in value]


def test_what_the_dockerfile_copies_is_there_and_not_ignored():
    ignored = set((ROOT / ".dockerignore").read_text().split())
    copied = {
        source
        for name, value in instructions()
        if name == "COPY" and not value.startswith("--from")
        for source in value.split()[:-1]
    }

    assert {"pyproject.toml", "mock_server", "fixtures"} <= copied
    assert all((ROOT / source).exists() for source in copied)
    assert not copied & ignored


@pytest.mark.check
@pytest.mark.timeout(560)  # 40 to 70 s where the base images have been made, 180 s where not
def test_the_image_builds_and_runs_hardened():
    if not IMAGE_CHECK.is_file():
        skip_loudly(f"{IMAGE_CHECK.name}, which builds the image without Docker, is not beside this project")
    if os.geteuid() != 0:
        skip_loudly("building the image without Docker needs root")

    report = run(IMAGE_CHECK, ROOT, VERIFY_PATH="/_mock/health", VERIFY_HARDENED="1", VERIFY_MAX_MB="260")

    assert "image ok" in report
    assert "health check: healthy" in report
    assert "exit status 0" in report


# ----------------------------------------------------------------------------------------------- compose


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_serves_on_4010_with_fixtures_and_a_volume(compose):
    mock = compose["services"]["mock"]

    assert mock["build"] == "."
    assert mock["ports"] == ["127.0.0.1:${PORT:-4010}:4010"]
    assert mock["command"] == ["serve", "--fixtures", "/fixtures"]
    assert mock["volumes"] == ["${FIXTURES:-./docs/examples/compose/fixtures}:/fixtures:ro", "data:/data"]
    assert "data" in compose["volumes"]
    assert "/_mock/health" in mock["healthcheck"]["test"][-1]
    assert (mock["read_only"], mock["tmpfs"], mock["cap_drop"]) == (True, "/tmp", ["ALL"])
    assert {name.removeprefix("MOCK_").lower() for name in mock["environment"]} <= set(Settings.__dataclass_fields__)


def test_compose_has_an_example_that_waits_for_healthy(compose):
    example = compose["services"]["example"]

    assert example["profiles"] == ["example"]
    assert example["depends_on"] == {
        "mock": {"condition": "service_healthy"},
        "receiver": {"condition": "service_started"},
    }
    assert compose["services"]["mock"]["environment"]["MOCK_EGRESS_ALLOW"] == "receiver" in compose["services"]
    assert example["environment"]["TELNYX_BASE_URL"] == "http://mock:4010/v2"
    assert example["volumes"] == ["./docs/examples/compose:/example:ro"]
    assert example["command"] == ["python", "/example/client.py"]


def test_the_example_client_is_content():
    receiver = subprocess.Popen(
        [sys.executable, EXAMPLE / "receiver.py"], stdout=subprocess.PIPE, text=True, env={**os.environ, "PORT": "0"}
    )
    try:
        port = receiver.stdout.readline().split()[-1]
        url = {"RECEIVER_URL": f"http://127.0.0.1:{port}/"}
        with LocalServer(Settings(port=0, fixtures=(EXAMPLE / "fixtures",))) as server:
            told = run(sys.executable, EXAMPLE / "client.py", TELNYX_BASE_URL=f"{server.url}/v2", **url)
        delivered = json.loads(receiver.stdout.readline())
    finally:
        receiver.kill()
        receiver.wait()

    assert told.startswith("example ok")
    assert delivered["event_type"] == "conversation.insights.completed"


def test_the_health_checks_are_content_only_with_a_server(compose):
    check = compose["services"]["mock"]["healthcheck"]["test"]
    image_check = yaml.safe_load(dict(instructions())["HEALTHCHECK"].partition("CMD ")[2])
    with LocalServer(Settings(port=0)) as server:
        port = server.url.rpartition(":")[2]
        for words in (check[1:], image_check):
            run(sys.executable, *(word.replace(":4010", f":{port}") for word in words[1:]), MOCK_PORT=port)

    with pytest.raises(AssertionError, match="refused"):
        run(sys.executable, *image_check[1:], MOCK_PORT=port)


@pytest.mark.check
def test_docker_compose_reads_the_file():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        skip_loudly("there is no docker compose on this machine")

    names = run(docker, "compose", "--profile", "example", "config", "--services").split()

    assert sorted(names) == ["example", "mock"]
