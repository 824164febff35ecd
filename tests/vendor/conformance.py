"""Runs the vendor SDK's own tests, published with every test skipped, against this server in profile `stub`.

    python -m tests.vendor.conformance [--version 4.189.0] [--write]

A test runs when the operation it calls has a room in mock_server/catalogue.py, so a new room needs no edit here.
Downloads, environments and staged tests live in .cache/vendor. Exit code 1 on any outcome that EXPECTED does not foresee.
"""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from mock_server import LocalServer, Settings, catalogue

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "vendor"
COUNTS = ROOT / "docs" / "conformance.json"
# The SDK in use and the one nearest to the brief, each with the test tools of its own lock file.
VERSIONS: Mapping[str, tuple[str, ...]] = {
    "4.189.0": ("pytest==9.0.2", "pytest-asyncio==1.3.0", "respx==0.22.0", "dirty-equals==0.11"),
    "4.80.0": ("pytest==8.4.2", "pytest-asyncio==1.2.0", "respx==0.22.0", "dirty-equals==0.11"),
}
SKIP_REASON = "Mock server tests are disabled"
SECONDS = 800  # for one version's tests
SHOWN = 3  # names of tests that failed alike
# SDK methods whose name is not the catalogue's: a generator's way out of a clash.
ALIASES = {
    "conversations.insight_groups.insight_groups": "conversations.insight_groups.create",
    "conversations.insight_groups.retrieve_insight_groups": "conversations.insight_groups.list",
    "conversations.insight_groups.insights.delete_unassign": "conversations.insight_groups.insights.unassign",
}
STREAMED = "sends stream=True and expects one JSON object"
# (SDK version, operation, test function) patterns of tests that cannot pass, and why. A refusal (4xx, 5xx) is never foreseen.
EXPECTED: tuple[tuple[str, str, str, str], ...] = (
    ("*", "chat.create_completion", "test_method_create_completion_with_all_params", STREAMED),
    ("*", "openai.chat.create_completion", "test_method_create_completion_with_all_params", STREAMED),
    ("*", "anthropic.v1.messages", "test_method_messages_with_all_params", STREAMED),
)


@dataclass(frozen=True, slots=True)
class Selected:
    """A test function of the SDK and the operation it calls; `skip_lines` are those of its skip mark, from 1."""

    place: str  # dotted module and class, as pytest's JUnit report has it
    function: str
    operation: str
    skip_lines: range


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of a test ended. `message` is empty when it passed; `foreseen` is the reason EXPECTED gives, else empty."""

    test: str
    operation: str
    message: str
    foreseen: str

    @property
    def kind(self) -> str:
        """`passed`, `failed`, `foreseen`, or `passed unforeseen` when EXPECTED is out of date."""
        if self.foreseen and not self.message:
            return "passed unforeseen"
        if self.foreseen and "Error code: " not in self.message:  # so the SDK words a refusal
            return "foreseen"
        return "failed" if self.message else "passed"


@dataclass(slots=True)
class Report:
    version: str
    emulated: frozenset[str]
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self, kind: str, operation: str | None = None) -> int:
        return sum(o.kind == kind and operation in (None, o.operation) for o in self.outcomes)

    def unexpected(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.kind not in ("passed", "foreseen")]

    def grouped(self) -> dict[tuple[str, str, str], list[str]]:
        """The names of unexpected outcomes that are the same: by operation, kind and the message's beginning."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for o in self.unexpected():
            groups.setdefault((o.operation, o.kind, " ".join(o.message.split())[:400]), []).append(o.test)
        return groups

    def covered(self) -> frozenset[str]:
        return frozenset(o.operation for o in self.outcomes)

    def counts(self) -> dict[str, list[int]]:
        """How many tests of each operation passed, and how many were foreseen not to."""
        return {o: [self.count("passed", o), self.count("foreseen", o)] for o in sorted(self.covered())}

    def table(self) -> str:
        rows = [f"telnyx {self.version:<47} passed  failed  foreseen"]
        for operation in sorted(self.covered()):
            failed = self.count("failed", operation) + self.count("passed unforeseen", operation)
            counts = f"{self.count('passed', operation):>6}  {failed:>6}  {self.count('foreseen', operation):>8}"
            rows.append(f"  {operation:<52} {counts}")
        rows += [f"  {operation:<52} no test in this version" for operation in sorted(self.emulated - self.covered())]
        foreseen = Counter((o.operation, o.foreseen) for o in self.outcomes if o.kind == "foreseen")
        rows += [f"  foreseen: {operation}: {n} of its tests: {why}" for (operation, why), n in foreseen.items()]
        for (operation, kind, message), tests in self.grouped().items():
            rows.append(f"  {kind.upper()}: {operation}, {len(tests)} tests: {message}")
            rows += [f"    {test}" for test in tests[:SHOWN]]
        total = f"{self.count('passed')} passed, {len(self.unexpected())} failed, {self.count('foreseen')} foreseen"
        return "\n".join([*rows, f"  {total}"])


def emulated() -> frozenset[str]:
    """The names of all operations that have a room, but for storage, which is not the SDK's."""
    return frozenset(
        operation.id for operation in catalogue.operations() if operation.room is not None and not operation.raw
    )


def run(version: str, operations: frozenset[str] | None = None) -> Report:
    """Run the tests of one SDK version that call `operations` (default: all emulated ones) against a server of their own."""
    report = Report(version, emulated() if operations is None else operations)
    archive = download(version)
    stage = CACHE / f"run-{version}"
    selected = stage_tests(unpack(archive), stage, report.emulated)
    python = environment(version, archive)
    with LocalServer(Settings(port=0, profile="stub")) as server:
        results = run_pytest(python, stage, server.url + "/v2")
    report.outcomes = [judge(version, test, name, message) for test, name, message in match(selected, results)]
    return report


def download(version: str) -> Path:
    """The SDK's source archive, from the package index that pip is configured for."""
    archive = CACHE / f"telnyx-{version}.tar.gz"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
        subprocess.run([*pip, "--no-binary", ":all:", "-d", str(CACHE), f"telnyx=={version}"], check=True)
    return archive


def unpack(archive: Path) -> Path:
    folder = archive.with_name(archive.name.removesuffix(".tar.gz"))
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder.parent, filter="data")
    return folder


def environment(version: str, archive: Path) -> Path:
    """The Python of a virtual environment with this SDK version and the tools its tests need, made once."""
    folder = CACHE / f"venv-{version}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = [f"telnyx[aiohttp] @ {archive.as_uri()}", *VERSIONS[version]]
    made = folder / "made-of.json"
    if not made.exists() or json.loads(made.read_text()) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        subprocess.run([*pip, *wanted], check=True)
        made.write_text(json.dumps(wanted))
    return python


def stage_tests(source: Path, stage: Path, operations: frozenset[str]) -> list[Selected]:
    """Copy what the selected tests need to `stage`, their skip marks taken off; every other test stays skipped."""
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(
        source / "tests", stage / "tests", ignore=lambda _, names: [n for n in names if n.startswith("test_")]
    )
    shutil.copy(source / "pyproject.toml", stage)
    selected: list[Selected] = []
    for file in sorted((source / "tests" / "api_resources").rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        place = file.relative_to(source)
        found = list(select(text, ".".join(place.with_suffix("").parts), operations))
        if found:
            (stage / place).parent.mkdir(parents=True, exist_ok=True)
            (stage / place).write_text(without_lines(text, (test.skip_lines for test in found)), encoding="utf-8")
            selected += found
    return selected


def select(text: str, module: str, operations: frozenset[str]) -> Iterator[Selected]:
    """The skipped tests of one file that call one of `operations`."""
    for group in ast.parse(text).body:
        if not isinstance(group, ast.ClassDef):
            continue
        for test in group.body:
            if not isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            marks = [mark for mark in test.decorator_list if SKIP_REASON in ast.unparse(mark)]
            called = {operation_of(node) for node in ast.walk(test) if isinstance(node, ast.Call)} & operations
            if marks and called:
                lines = range(marks[0].lineno, (marks[0].end_lineno or marks[0].lineno) + 1)
                yield Selected(f"{module}.{group.name}", test.name, min(called), lines)


def operation_of(call: ast.Call) -> str:
    """The catalogue's name of what `client.ai.openai.with_raw_response.list_models()` calls; empty for any other call."""
    names: list[str] = []
    node = call.func
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in ("client", "async_client"):
        return ""
    names = [name for name in names if name not in ("with_raw_response", "with_streaming_response")]
    if len(names) > 2 and names[0] == "ai":
        names = names[1:]
    name = ".".join(names)
    return ALIASES.get(name, name)


def without_lines(text: str, ranges: Iterable[range]) -> str:
    gone = {line for lines in ranges for line in lines}
    return "".join(line for n, line in enumerate(text.splitlines(keepends=True), 1) if n not in gone)


def run_pytest(python: Path, stage: Path, url: str) -> Path:
    """Run the staged tests against the server at `url`; the JUnit report."""
    results = stage / "results.xml"
    command = [str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", f"--junitxml={results}"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TELNYX_", "PYTEST_"))}
    environ |= {"TEST_API_BASE_URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONPATH": ""}
    done = subprocess.run(
        [*command, "tests"], cwd=stage, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode not in (0, 1):  # 1: some failed, which the report tells
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return results


def match(selected: Iterable[Selected], results: Path) -> Iterator[tuple[Selected, str, str]]:
    """Every run of every selected test: the test, its name with parameters, and the failure's message or nothing."""
    runs: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in ElementTree.parse(results).iter("testcase"):
        runs.setdefault((case.get("classname", ""), case.get("name", "").partition("[")[0]), []).append(case)
    for test in selected:
        cases = runs.get((test.place, test.function), [])
        if not cases:
            yield test, test.function, "did not run"
        for case in cases:
            bad = [node for kind in ("failure", "error", "skipped") for node in case.findall(kind)]
            yield test, case.get("name", ""), "; ".join(node.get("message") or node.tag for node in bad)


def judge(version: str, test: Selected, name: str, message: str) -> Outcome:
    foreseen = [
        why
        for versions, operation, function, why in EXPECTED
        if fnmatchcase(version, versions)
        and fnmatchcase(test.operation, operation)
        and fnmatchcase(test.function, function)
    ]
    return Outcome(f"{test.place}.{name}", test.operation, message, foreseen[0] if foreseen else "")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="conformance", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="append", choices=list(VERSIONS), help="this SDK version only")
    parser.add_argument("--write", action="store_true", help="keep the counts for docs/coverage.md")
    options = parser.parse_args(arguments)
    reports = [run(version) for version in options.version or list(VERSIONS)]
    print("\n\n".join(report.table() for report in reports))
    if options.write:
        kept = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
        kept.update({report.version: report.counts() for report in reports})
        COUNTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return int(any(report.unexpected() or not report.outcomes for report in reports))


if __name__ == "__main__":
    sys.exit(main())
