"""Fault rules of files: `faults/*.yaml` in every --fixtures folder, and --faults. Read at start and again when they change.

A file that is broken afterwards leaves the rules of the last good reading in force, and says so.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_server.base.clock import Clock
from mock_server.engine.replies import FixtureError
from mock_server.engine.yamls import Marked, YamlError, read

if TYPE_CHECKING:
    from mock_server.engine.faults.schedule import Armed

LOOK_AGAIN = 1.0  # seconds of the machine's time between two looks at the files
SUFFIXES = (".yaml", ".yml", ".json")
Signature = tuple[tuple[str, int, int], ...]


class FaultFileError(FixtureError):
    """Files of fault rules that cannot be used: a line for each thing that is wrong, with file and line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class FaultFiles:
    """The files, and whether they changed. `put` takes what they say."""

    def __init__(
        self, folders: Sequence[Path], files: Sequence[Path], clock: Clock, put: Callable[[list["Armed"]], None]
    ) -> None:
        self._folders, self._files, self._put = folders, files, put
        self._machine = clock.machine
        self._seen: Signature | None = None
        self._looked = 0.0
        self.problems: list[str] = []  # of the last reading; the rules in force are older while there are any

    def paths(self) -> list[Path]:
        """The files in the order in which their rules are tried: those named by themselves first."""
        found = list(self._files)
        for folder in self._folders:
            found += [path for path in sorted((folder / "faults").glob("*")) if path.suffix in SUFFIXES]
        return found

    def load(self) -> int:
        """Read every file now; how many rules they have. Raises FaultFileError, and the rules stay as they were."""
        self._looked, self._seen = self._machine.monotonic(), self._signature()
        rules: list[Armed] = []
        self.problems = []
        for path in self.paths():
            rules += self._read(path)
        if self.problems:
            raise FaultFileError(self.problems)
        self._put(rules)
        return len(rules)

    def refresh(self) -> None:
        """Read the files again if they changed; they are looked at once a second at most."""
        now = self._machine.monotonic()
        if now - self._looked < LOOK_AGAIN:
            return
        self._looked = now
        if self._signature() == self._seen:
            return
        try:
            self.load()
        except FaultFileError as error:
            for problem in error.problems:
                print(f"The fault rules stay as they were: {problem}", file=sys.stderr, flush=True)

    def describe(self) -> dict[str, Any]:
        return {"files": [str(path) for path in self.paths()], "problems": self.problems}

    def _signature(self) -> Signature:
        found = []
        for path in self.paths():
            try:
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((str(path), -1, -1))
        return tuple(found)

    def _read(self, path: Path) -> "Iterator[Armed]":
        """The rules of one file; what is wrong goes to `problems`."""
        from pydantic import ValidationError

        from mock_server.engine.faults.rules import Rule, complaint
        from mock_server.engine.faults.schedule import Armed

        try:
            marked = read(path)
            entries, place = _entries(marked)
        except YamlError as error:
            self.problems.append(str(error))
            return
        names: set[str] = set()
        for n, entry in enumerate(entries):
            here: list[str | int] = [*place, n]
            try:
                rule = Rule.model_validate(entry)
            except ValidationError as error:
                self.problems += [f"{marked.at([*here, *e['loc']])}: {complaint(e)}" for e in error.errors()]
                continue
            if rule.id is None:
                rule = rule.model_copy(update={"id": f"{as_id(path.stem)}-{n + 1}"})
            if rule.id in names:
                self.problems.append(f"{marked.at(here)}: there are two rules named {rule.id} in this file")
            names.add(rule.id or "")
            yield Armed(rule, None, marked.at(here))


def _entries(marked: Marked) -> tuple[list[Any], list[str]]:
    """The rules of a file, a list or a mapping with the list under `faults`, and where the list stands."""
    value, place = marked.value, list[str]()
    if isinstance(value, dict):
        if wrong := [key for key in value if key != "faults"]:
            raise YamlError(
                f"{marked.at([str(wrong[0])])}: a file of fault rules has `faults`, and no {str(wrong[0])[:40]!r}"
            )
        value, place = value.get("faults"), ["faults"]
    if value is None:
        return [], place
    if not isinstance(value, list):
        raise YamlError(f"{marked.at(place)}: expected a list of fault rules")
    return value, place


def as_id(name: str) -> str:
    """A file's name as a rule's id, which goes into a header, may have it."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in name)[:80]
