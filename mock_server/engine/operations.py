"""The table of operations: which (method, path) is which operation. Built from data; knows no domain."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from urllib.parse import unquote_to_bytes

from mock_server.base.errors import BadRequest, Dialect, MethodNotAllowed, NotFound
from mock_server.engine.answers import Layer

Kind = Literal["http", "socket"]


@dataclass(slots=True, eq=False)
class Operation:
    """One operation of the vendor's API. `room` is the domain that serves it; without one it is known but not emulated."""

    id: str
    method: str
    path: str
    dialect: Dialect = "std"
    room: str | None = None
    kind: Kind = "http"
    upload: bool = False  # takes a form: its own, larger limit, and FastAPI's own path
    idempotent: bool = False  # takes an Idempotency-Key
    raw: bool = False  # reads its body itself, bytes of any kind and number
    metered: bool = False  # counts towards limits of tokens
    signed: bool = False  # the key may come as the access key id of an AWS signature
    hinted: bool = False  # its requests are searched for mistakes that it is known for
    handler: Layer | None = field(default=None, repr=False)  # compiled; linked when the room is first entered
    names: tuple[str, ...] = field(init=False, repr=False)  # of its path parameters

    def __post_init__(self) -> None:
        self.names = tuple(s[1:-1].removesuffix(":path") for s in self.path.split("/") if s.startswith("{"))


@dataclass(slots=True)
class _Node:
    """One path segment of the table: fixed next segments, one parameter, one for all the rest, and what ends here."""

    fixed: dict[str, "_Node"] = field(default_factory=dict)
    parameter: tuple[str, "_Node"] | None = None
    rest: "_Node | None" = None
    folder: bool = False  # a slash at the end makes no difference: what takes all the rest lies below
    ends: dict[tuple[Kind, str], Operation] = field(default_factory=dict)


class Operations:
    """Finds the operation of a path in a dict for fixed paths, segment by segment for the rest."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all: dict[str, Operation] = {}
        self._exact: dict[tuple[Kind, str, str], Operation] = {}
        self._root = _Node()
        for operation in operations:
            assert operation.id not in self.all, f"two operations named {operation.id}"
            self.all[operation.id] = operation
            if "{" not in operation.path:
                self._exact[operation.kind, operation.method, operation.path] = operation
            node = self._root
            for segment in operation.path.split("/"):
                node.folder = node.folder or operation.path.endswith(":path}")
                if segment.endswith(":path}"):
                    node.rest = node.rest or _Node()
                    node = node.rest
                elif segment.startswith("{"):
                    node.parameter = node.parameter or (segment[1:-1], _Node())
                    node = node.parameter[1]
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.ends[operation.kind, operation.method] = operation

    def find(self, kind: Kind, method: str, path: str, raw_path: bytes) -> tuple[Operation, dict[str, str]]:
        """The operation and its decoded path parameters. Raises NotFound or MethodNotAllowed."""
        operation = self._exact.get((kind, method, path))
        if operation is not None:
            return operation, {}
        # The raw path, so that an encoded slash stays inside its segment.
        segments = raw_path.decode("latin-1").split("/")
        found = self._straight(segments) or self._walk(segments)
        if found is None:
            raise NotFound(self._hint(path))
        node, values = found
        operation = node.ends.get((kind, method))
        if operation is None:
            allowed = sorted({m for k, m in node.ends if k == "http"})
            raise MethodNotAllowed(headers={"allow": ", ".join(allowed or ["GET"])})
        return operation, {name: _decode(value) for name, value in zip(operation.names, values, strict=True)}

    def nearest(self, kind: Kind, method: str, path: str) -> tuple[Operation, str] | None:
        """The operation that a path would be below another base, and that base: what has most of the path's end, and of
        these the longest. None where none has any."""
        segments = path.rstrip("/").split("/")[1:]
        for i in range(len(segments)):
            found = self._walk(segments[i:], self._tails)
            operation = found[0].ends.get((kind, method)) if found else None
            if operation is not None:
                own = operation.path.split("/")
                return operation, "/".join(own[: len(own) - len(segments) + i])
        return None

    @cached_property
    def _tails(self) -> _Node:
        """Paths by their ends, from each fixed segment on that no parameter comes before. Made when first needed."""
        root = _Node()
        for operation in sorted(self.all.values(), key=lambda operation: len(operation.path)):
            own = operation.path.split("/")[1:]
            if own[-1].endswith(":path}"):
                continue
            for i, segment in enumerate(own):
                if segment.startswith("{"):
                    break
                node = root
                for part in own[i:]:
                    if part.startswith("{"):
                        node.parameter = node.parameter or (part[1:-1], _Node())
                        node = node.parameter[1]
                    else:
                        node = node.fixed.setdefault(part, _Node())
                node.ends[operation.kind, operation.method] = operation  # the longest is the last
        return root

    def dialect_at(self, path: str) -> Dialect:
        """In which dialect a path that is no operation is refused: that of its neighbours, where they have but one."""
        head = path.split("/", 2)[1:2]
        dialects = {operation.dialect for operation in self.all.values() if operation.path.split("/", 2)[1:2] == head}
        return dialects.pop() if len(dialects) == 1 else "std"

    def _straight(self, segments: list[str]) -> tuple[_Node, list[str]] | None:
        """What `_walk` finds where its first way leads to the end, as nearly always; None where it does not."""
        node, values = self._root, []
        for segment in segments:
            fixed = node.fixed.get(segment)
            if fixed is not None:
                node = fixed
            elif node.parameter and segment:
                node = node.parameter[1]
                values.append(segment)
            else:
                return None
        return (node, values) if node.ends else None

    def _walk(self, segments: list[str], root: _Node | None = None) -> tuple[_Node, list[str]] | None:
        """Fixed segments win over parameters, these over what takes all the rest; where one leads nowhere, the next is tried."""
        states: list[tuple[_Node, int, list[str]]] = [(root or self._root, 0, [])]
        while states:
            node, i, values = states.pop()
            if i == len(segments):
                if node.ends:
                    return node, values
                continue
            if node.folder and segments[i:] == [""]:
                states.append((node, len(segments), values))
            elif node.rest:
                states.append((node.rest, len(segments), [*values, "/".join(segments[i:])]))
            if node.parameter and segments[i]:
                states.append((node.parameter[1], i + 1, [*values, segments[i]]))
            fixed = node.fixed.get(segments[i])
            if fixed is not None:
                states.append((fixed, i + 1, values))
        return None

    def _hint(self, path: str) -> str | None:
        if path.startswith("/v2/") or path == "/v2":
            return None
        if self._walk(("/v2" + path).split("/")):
            return f"{NotFound.default_detail} The API lives under /v2: try /v2{path[:200]}."
        return f"{NotFound.default_detail} The API lives under /v2."


MALFORMED = re.compile("%(?![0-9A-Fa-f]{2})")


def _decode(value: str) -> str:
    if "%" in value:
        if MALFORMED.search(value):
            raise BadRequest("The path is not valid percent-encoding.")
        try:
            value = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise BadRequest("The path is not valid percent-encoded UTF-8.") from None
    if "\0" in value:
        raise BadRequest("The path contains a NUL byte.")
    return value
