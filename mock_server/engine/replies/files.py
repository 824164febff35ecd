"""Fixture files: read, checked, and told about with file and line where they cannot be used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mock_server.engine.replies.rules import ReplyRule

SUFFIXES = (".yaml", ".yml", ".json")


class FixtureError(ValueError):
    """A fixture file that cannot be used: one sentence with the file's name, and the line where it is known."""

    def __init__(self, message: str, file: Path | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(place + message)
        self.message, self.file, self.line = message, file, line


def read_yaml(path: Path) -> Any:
    """A YAML (or JSON) file's value. Raises FixtureError with file and line."""
    import yaml

    try:
        return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise FixtureError(f"it cannot be read: {error.strerror}", path) from None
    except RecursionError:
        raise FixtureError("it is nested too deeply", path) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or " ".join(str(error).split())
        raise FixtureError(f"it cannot be read: {told}", path, mark.line + 1 if mark else None) from None


def line_of(path: Path, place: Sequence[str | int]) -> int | None:
    """The line on which what lies at a place of a file's value begins, or the nearest above it that there is."""
    import yaml

    try:
        node = yaml.compose(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return None
    if node is None:
        return None
    line = node.start_mark.line
    for key in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            # A place names branches of unions, too, which the file does not have: these are passed over.
            for name, value in node.value:
                if name.value == str(key):
                    node, line = value, name.start_mark.line
                    break
    return int(line) + 1


def invalid(path: Path, error: ValidationError, *place: str | int, name: str = "") -> FixtureError:
    """What is wrong with the value at a place of a file; `name` says what the value is."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(key) for key in first["loc"])
    told = ": ".join(filter(None, (name, where, str(first["msg"]).removeprefix("Value error, "))))
    return FixtureError(told, path, line_of(path, [*place, *first["loc"]]))


def reply_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Every reply file, in the order in which they are tried."""
    for folder in folders:
        yield from (path for path in sorted((folder / "replies").glob("*")) if path.suffix in SUFFIXES)


def read_rules(path: Path, problems: list[FixtureError] | None = None) -> list[tuple[ReplyRule, int | None]]:
    """The rules of one file, a list or a mapping with the list under `replies`, each with its line.

    Raises FixtureError for the first problem, or notes them all in `problems`.
    """
    value = read_yaml(path)
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
            rules.append((rule, n))
    lines = _lines(path, place) if rules else []
    return [(rule, lines[n] if n < len(lines) else None) for rule, n in rules]


def _lines(path: Path, place: Sequence[str | int]) -> list[int]:
    """The line of each entry of the list at a place."""
    import yaml

    node = yaml.compose(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if place and isinstance(node, yaml.MappingNode):
        node = next((value for name, value in node.value if name.value == place[0]), None)
    return [item.start_mark.line + 1 for item in node.value] if isinstance(node, yaml.SequenceNode) else []


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
