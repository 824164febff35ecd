"""The form of a snapshot: JSON lines in one gzip. A header; the state of each part; each row; the bytes of objects.

    {"snapshot": 1, "version": "0.1.0", "tables": 1, "account": "acct_...", "at": "...", "seed": 0,
     "rows": {"conversation": 1}, "objects": 1}
    {"part": "faults", "state": {...}}
    {"table": "conversation", "row": {...}}          bytes in a row are {"base64": "..."}
    {"object": "1", "account": "acct_...", "data": "..."}   in base64; what does not fit a line goes on in the next

`account` is null for a whole server. In an account's own snapshot nothing else names an account, so that it can be restored
as another, and cannot touch a third. A snapshot may come from anyone: reading one is bounded, and makes no path of it.
"""

import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from mock_server import __version__
from mock_server.base.errors import BadRequest, TooLarge
from mock_server.engine.pieces import Piece
from mock_server.engine.store import VERSION

LINE = 32 * 1024 * 1024  # bytes of the longest line
CHUNK = 192 * 1024  # bytes of an object in a line; three become four letters of base64
Rows = Mapping[str, list[dict[str, Any]]]  # by table
States = dict[str, list[dict[str, Any]]]  # by part of the World


class Unreadable(BadRequest):
    """A snapshot that cannot be restored: one sentence for a person."""


@contextmanager
def unreadable(where: str = "") -> Iterator[None]:
    """What stumbles over the shape of a snapshot says so."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "value"
        raise Unreadable(f"The snapshot cannot be read: {where}{place}: {first['msg']}.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise Unreadable(f"The snapshot cannot be read: {where}{said}.") from None


class Header(BaseModel):
    """What is in a snapshot. `tables` is the version of the tables, `at` the time by the clock of what was dumped."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    snapshot: Literal[1] = 1
    version: Annotated[str, Field(max_length=40)]
    tables: int
    account: Annotated[str, Field(pattern=r"^acct_[0-9a-f]{24}$")] | None
    at: Annotated[str, Field(max_length=40)]
    seed: int
    rows: Annotated[dict[str, int], Field(max_length=1000)]  # how many, by table
    objects: int


@dataclass(frozen=True, slots=True)
class Dump:
    """All state at one instant, ready to be written."""

    header: Header
    states: States = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    objects: Sequence[Piece] = ()

    @classmethod
    def of(
        cls, account: str | None, at: str, seed: int, states: States, rows: Rows, objects: Sequence[Piece]
    ) -> "Dump":
        counted = {table: len(found) for table, found in rows.items()}
        header = Header(
            version=__version__, tables=VERSION, account=account, at=at, seed=seed, rows=counted, objects=len(objects)
        )
        return cls(header, states, rows, objects)


def write(dump: Dump, out: IO[bytes], most: int) -> None:
    """Write a snapshot of at most so many bytes, unpacked. Raises TooLarge, OSError."""
    packer = zlib.compressobj(3, wbits=31)  # without a time in it: the same state gives the same bytes
    total = 0
    for line in _lines(dump):
        data = to_json(line) + b"\n"
        total += len(data)
        if total > most or len(data) > LINE:
            raise _too_large(most)
        out.write(packer.compress(data))
    out.write(packer.flush())


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The snapshot has more than {most} bytes unpacked, which is the limit (--max-snapshot-bytes).")


def _lines(dump: Dump) -> Iterator[Any]:
    yield dump.header.model_dump()
    for part, states in dump.states.items():
        for state in states:
            yield {"part": part, "state": state}
    for table, rows in dump.rows.items():
        for row in rows:
            yield {"table": table, "row": {name: _shown(value) for name, value in row.items()}}
    whole = dump.header.account is None
    for piece in dump.objects:
        owner = {"account": piece.account} if whole else {}
        rest = b""
        for data in piece.read():
            rest += data
            while len(rest) >= CHUNK:
                yield {"object": piece.name, **owner, "data": b64encode(rest[:CHUNK]).decode()}
                rest = rest[CHUNK:]
        if rest or not piece.size():
            yield {"object": piece.name, **owner, "data": b64encode(rest).decode()}


def _shown(value: Any) -> Any:
    return {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value


def read_header(source: IO[bytes]) -> Header:
    """What a snapshot says of itself. Raises Unreadable."""
    source.seek(0)
    for line in read(source, LINE):
        return header_of(line)
    raise Unreadable("The snapshot is empty.")


def header_of(line: Mapping[str, Any]) -> Header:
    """Raises Unreadable."""
    with unreadable("its first line is no header: "):
        return Header.model_validate(line)


def read(source: IO[bytes], most: int) -> Iterator[dict[str, Any]]:
    """The lines of a snapshot as objects. Raises Unreadable, and TooLarge for one that unpacks to more than `most` bytes."""
    for number, line in enumerate(_split(_inflated(source, most)), 1):
        try:
            value = from_json(line, allow_inf_nan=False)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Unreadable(f"Line {number} of the snapshot is no JSON object.")
        yield value


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    held = 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join((*parts, line))
            parts, held = [], 0
        parts.append(rest)
        held += len(rest)
        if held > LINE:
            raise Unreadable(f"A line of the snapshot has more than {LINE} bytes.")
    if held:
        yield b"".join(parts)


def _inflated(source: IO[bytes], most: int) -> Iterator[bytes]:
    """What was packed, a bounded chunk at a time."""
    unpacker = zlib.decompressobj(wbits=31)
    total = 0
    try:
        while not unpacker.eof:
            packed = unpacker.unconsumed_tail or source.read(CHUNK)
            if not packed:
                raise Unreadable("The snapshot ends too soon: it was cut, or is no gzip file.")
            data = unpacker.decompress(packed, CHUNK)
            total += len(data)
            if total > most:
                raise _too_large(most)
            yield data
    except zlib.error:
        raise Unreadable("The snapshot is no gzip file, or is damaged.") from None
    if unpacker.unused_data or source.read(1):
        raise Unreadable("The snapshot has something behind its end.")
