"""An object: its particulars, from a row or from a file of a read-only folder, and its bytes."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mock_server.domains.buckets import layers
from mock_server.domains.buckets.errors import NoSuchKey
from mock_server.domains.buckets.tables import OBJECT
from mock_server.engine.accounts import Account
from mock_server.engine.pieces import read_file
from mock_server.world import World

ROW = OBJECT.c
SHOWN = (ROW.key, ROW.deleted, ROW.size, ROW.etag, ROW.headers, ROW.pieces, ROW.updated_at)


@dataclass(frozen=True, slots=True)
class Object:
    """An object's particulars, and where its bytes are. `updated_at` in milliseconds; `headers` as GET gives them back."""

    key: str
    size: int
    etag: str  # without the quotes
    headers: Mapping[str, str]
    updated_at: int
    pieces: Sequence[tuple[str, int]] | None  # names in world.blobs and sizes; None for a file of a read-only folder
    file: layers.LayerFile | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", layers.FALLBACK)


def read(world: World, account: Account, found: Object) -> bytes:
    """All bytes of an object. Raises NoSuchKey when they are gone."""
    whole = io.BytesIO()  # in small steps: joining would hold the interpreter for as long as all of it takes
    for chunk in chunks(world, account, found):
        whole.write(chunk)
    return whole.getvalue()


def chunks(world: World, account: Account, found: Object, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """An object's bytes from `start` up to `stop`, a chunk at a time, the first opened at once. Raises NoSuchKey."""
    stop = found.size if stop is None else min(stop, found.size)
    opened = []
    try:
        if found.file is not None:
            return read_file(found.file.path, start, stop)
        for name, size in found.pieces or ():
            if start < size and stop > 0:
                opened.append(world.blobs.read(account.id, name, max(start, 0), min(stop, size)))
            start, stop = start - size, stop - size
    except OSError:
        raise NoSuchKey("The bytes of this object are gone.") from None
    return (chunk for piece in opened for chunk in piece)


def of_row(row: Any) -> Object:
    """The object of a row of `SHOWN`."""
    key, _, size, etag, headers, pieces, updated_at = row
    return Object(key, size, etag, json.loads(headers), updated_at, [tuple(piece) for piece in json.loads(pieces)])


def of_file(key: str, file: layers.LayerFile) -> Object:
    """The object that a file of a read-only folder is. Raises NoSuchKey."""
    try:
        etag = file.etag()
    except OSError:
        raise NoSuchKey("The bytes of this object cannot be read.") from None
    return Object(key, file.size, etag, json.loads(file.headers()), file.updated_at, None, file)


def names(row: Any) -> list[str]:
    """The names of a row's bytes."""
    return [] if row is None else [name for name, _ in json.loads(row[5])]
