"""YAML (or JSON) files that remember on which line each of their values stands, for messages that say where."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

MOST_BYTES = 16 * 1024 * 1024
SURROGATE = re.compile(rb"\\u[dD][89abABcdefCDEF][0-9a-fA-F]{2}")
MOST_VALUES = 2_000_000  # with what an alias stands for counted each time that it is used


class YamlError(ValueError):
    """A file that cannot be read: one sentence with its name and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A file's value. `line` says where a part of it stands."""

    path: Path
    value: Any
    _node: Any

    def line(self, place: Sequence[str | int] = ()) -> int:
        """The line, from 1, of the value at a place such as ("faults", 0, "effect"); the nearest that there is."""
        node = self._node
        line = 1 if node is None else node.start_mark.line + 1
        for part in place:
            marked, node = _child(node, part)
            if marked is None:
                break
            line = marked.start_mark.line + 1
        return int(line)

    def at(self, place: Sequence[str | int] = ()) -> str:
        """`faults.yaml:12`, with the file's name as it was given."""
        return f"{self.path}:{self.line(place)}"


def read(path: Path) -> Marked:
    """Read one file. Raises YamlError."""
    import yaml

    kind = "JSON" if path.suffix == ".json" else "YAML"
    try:
        if path.stat().st_size > MOST_BYTES:
            raise YamlError(f"{path}: the file is larger than {MOST_BYTES} bytes.")
        data = path.read_bytes()
        value = json.loads(data, parse_constant=_refuse) if kind == "JSON" else None
        # YAML has no surrogate pairs, which JSON writes an emoji with: for the lines any character will do.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(
            SURROGATE.sub(rb"\\u002e", data) if kind == "JSON" else data
        )
        try:
            node = loader.get_single_node()
            if b"*" in data and node is not None and _values(node, {}) > MOST_VALUES:
                raise YamlError(f"{path}: its aliases stand for more than {MOST_VALUES} values, or for themselves.")
            _check_keys(path, node)
            if kind == "YAML" and node is not None:
                value = loader.construct_document(node)
            return Marked(path, value, node)
        finally:
            loader.dispose()
    except OSError as error:
        raise YamlError(f"{path}: it cannot be read: {error.strerror}.") from None
    except json.JSONDecodeError as error:
        raise YamlError(f"{path}:{error.lineno}: this is no JSON: {error.msg}.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise YamlError(f"{path}{line}: this is no {kind}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"{path}: this is no {kind}: {' '.join(str(error).split())[:200]}.") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _check_keys(path: Path, root: Any) -> None:
    """Raises YamlError where a mapping has a key twice: YAML would let the last one win without a word."""
    left, seen = [root], set[int]()
    while left:
        node = left.pop()
        if node is None or node.id == "scalar" or id(node) in seen:  # an alias may lead back to where it came from
            continue
        seen.add(id(node))
        if node.id == "sequence":
            left += node.value
            continue
        keys = set()
        for key, value in node.value:
            if key.id == "scalar" and key.value in keys and key.value != "<<":
                raise YamlError(f"{path}:{key.start_mark.line + 1}: {key.value[:40]!r} is here twice.")
            keys.add(key.value if key.id == "scalar" else None)
            left.append(value)


def _values(node: Any, sizes: dict[int, float]) -> float:
    """How many values a node has once every alias is written out: without end where it is within itself."""
    size = sizes.get(id(node))
    if size is None:
        sizes[id(node)] = math.inf  # what it is for its own parts, while they are counted
        parts = () if node.id == "scalar" else node.value if node.id == "sequence" else chain.from_iterable(node.value)
        size = sizes[id(node)] = 1 + sum(_values(part, sizes) for part in parts)
    return size


def _child(node: Any, part: str | int) -> tuple[Any, Any]:
    """What marks the line of a mapping's value (its key) or a list's item, and its node; None where there is none."""
    if node is not None and node.id == "sequence" and isinstance(part, int):
        item = node.value[part] if -len(node.value) <= part < len(node.value) else None
        return item, item
    if node is not None and node.id == "mapping":
        return next(((key, value) for key, value in node.value if key.value == str(part)), (None, None))
    return None, None
