"""Fixture files: read, checked, and told about with file and line where they cannot be used."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mock_server.engine.replies.rules import ReplyRule
from mock_server.engine.yamls import Marked, YamlError, read

# What pydantic calls the branches of a union, which a file does not have.
BRANCH = re.compile(r"(?:int|str|bool|float|constrained-\w+|(?:function-|list\[|dict\[|nullable).*|[A-Z]\w+)")
SUFFIXES = (".yaml", ".yml", ".json")


class FixtureError(ValueError):
    """A fixture file that cannot be used: one sentence with the file's name, and the line where it is known."""

    def __init__(self, message: str, file: Path | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(place + message)
        self.message, self.file, self.line = message, file, line


def read_marked(path: Path) -> Marked:
    """A YAML (or JSON) file's value, which remembers its lines. Raises FixtureError with file and line."""
    try:
        return read(path)
    except YamlError as error:
        line, told = re.fullmatch(r"(?::(\d+))?: (.*)", str(error).removeprefix(str(path)), re.DOTALL).groups()  # type: ignore[union-attr]
        raise FixtureError(told.rstrip("."), path, int(line) if line else None) from None


def read_yaml(path: Path) -> Any:
    """A YAML (or JSON) file's value. Raises FixtureError with file and line."""
    return read_marked(path).value


def line_of(path: Path, place: Sequence[str | int]) -> int | None:
    """The line on which what lies at a place of a file's value begins, or the nearest above it that there is."""
    try:
        return read(path).line(place)
    except YamlError:
        return None


def invalid(path: Path, error: ValidationError, *place: str | int, name: str = "") -> FixtureError:
    """What is wrong with the value at a place of a file; `name` says what the value is."""
    errors = [
        ([key for key in told["loc"] if not BRANCH.fullmatch(str(key))], str(told["msg"]))
        for told in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    where, words = max(errors, key=lambda pair: len(pair[0]))  # of a union's branches the one that fits furthest
    told = ": ".join(filter(None, (name, ".".join(map(str, where)), words.removeprefix("Value error, "))))
    return FixtureError(told, path, line_of(path, [*place, *where]))


def reply_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every reply file, in the order in which they are tried."""
    for folder in folders:
        yield from (path for path in sorted((folder / "replies").glob("*")) if path.suffix in SUFFIXES)


def read_rules(path: Path, problems: list[FixtureError] | None = None) -> list[tuple[ReplyRule, int]]:
    """The rules of one file, a list or a mapping with the list under `replies`, each with its line.

    Raises FixtureError for the first problem, or notes them all in `problems`.
    """
    marked = read_marked(path)
    value = marked.value
    place: list[str | int] = []
    if isinstance(value, Mapping):
        if unknown := [str(name) for name in value if name != "replies"]:
            raise FixtureError(f"there is only `replies` at the top, not {unknown[0][:80]!r}", path, 1)
        place, value = ["replies"], value.get("replies")
    if value is None:
        return []
    if not isinstance(value, list):
        raise FixtureError("expected a list of replies", path, 1)
    rules = []
    for n, entry in enumerate(value):
        try:
            rule = ReplyRule.model_validate(entry, context={"folder": path.parent})
        except ValidationError as error:
            problem = invalid(path, error, *place, n, name=f"reply {n + 1}")
            if problems is None:
                raise problem from None
            problems.append(problem)
        else:
            rules.append((rule, marked.line([*place, n])))
    return rules


def signature(paths: Iterable[Path]) -> tuple[Any, ...]:
    """What tells whether any of the files has changed."""
    seen: list[Any] = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        seen.append((str(path), about.st_mtime_ns, about.st_size, about.st_ino))
    return tuple(seen)
