"""Checks a snapshot, line by line, before anything is changed: it may come from anyone."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from sqlmodel import SQLModel

from mock_server.engine.pieces import Stage
from mock_server.engine.snapshots.file import Header, States, Unreadable, header_of, read, unreadable
from mock_server.engine.snapshots.rows import Check, checker
from mock_server.engine.store import VERSION

PARTS = ("clock", "accounts", "limits", "plans", "faults", "replies", "scenarios")
MOST_STATES = 200_000  # lines with the state of a part: these are held in memory


@dataclass(frozen=True, slots=True)
class Given:
    """A snapshot that may be restored: as `account`, or None for the whole server. The bytes of objects are staged."""

    account: str | None
    header: Header
    states: States
    source: IO[bytes]
    most: int

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row and its table, read once more: there may be more of them than memory should hold."""
        self.source.seek(0)
        for line in read(self.source, self.most):
            if "table" in line:
                yield line["table"], _row(line["row"])
            elif "object" in line:
                return  # which come last


def has_unknown_tables(header: Header) -> bool:
    """Whether there are rows of a room that nobody has entered yet."""
    return not header.rows.keys() <= SQLModel.metadata.tables.keys()


def check(source: IO[bytes], asked: str | None, stage: Stage, most: int) -> Given:
    """A snapshot to be restored as the account `asked` for, or as what it was taken of.

    Raises Unreadable, TooLarge, OSError.
    """
    source.seek(0)
    lines = enumerate(read(source, most), 1)
    _, first = next(lines, (1, {}))
    header = header_of(first)
    if header.tables != VERSION:
        raise Unreadable(f"The snapshot's tables are of version {header.tables}, this server's of version {VERSION}.")
    if asked is not None and header.account is None:
        raise Unreadable("This is a snapshot of a whole server, not of an account: restore it without a key.")
    given = Given(asked or header.account, header, {part: [] for part in PARTS}, source, most)
    reader = _Reader(given, stage)
    for number, line in lines:
        with unreadable(f"line {number}: "):
            reader.take(line)
    return given


class _Reader:
    """Takes the lines after the header, in the order in which they are written: states, rows, objects."""

    def __init__(self, given: Given, stage: Stage) -> None:
        self._given, self._stage = given, stage
        self._row: Check = checker(given.account)
        self._states = 0
        self._place = 0

    def take(self, line: Mapping[str, Any]) -> None:
        kind = next((n for n, name in enumerate(("part", "table", "object")) if name in line), None)
        if kind is None or kind < self._place:
            raise ValueError("it is no state, row or object, or comes too late")
        self._place = kind
        (self._state, self._of_table, self._object)[kind](line)

    def _state(self, line: Mapping[str, Any]) -> None:
        states = self._given.states.get(line["part"])
        self._states += 1
        if states is None or not isinstance(line["state"], dict) or self._states > MOST_STATES:
            raise ValueError("it is no state of a part that there is, or one too many")
        states.append(line["state"])

    def _of_table(self, line: Mapping[str, Any]) -> None:
        self._row(line["table"], _row(line["row"]))

    def _object(self, line: Mapping[str, Any]) -> None:
        # Of an account's own snapshot whose bytes they are is known: it is not asked.
        account = self._given.account or line["account"]
        data = b64decode(line["data"], validate=True)
        self._stage.add(account, line["object"], data)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the database takes it. Raises ValueError, TypeError, KeyError."""
    return {
        name: b64decode(value["base64"], validate=True) if isinstance(value, dict) else value
        for name, value in row.items()
    }
