"""Bytes on their way: read a chunk at a time, put aside while a snapshot is taken, staged while one is restored."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

CHUNK = 256 * 1024  # bytes read at a time
NAME = re.compile(r"[A-Za-z0-9_]{1,40}")  # of an object's bytes; a row that came with a snapshot may name anything
OWNER = re.compile(r"acct_[0-9a-f]{24}")
Held = dict[str, dict[str, bytearray]]  # by account and name


class Piece:
    """Bytes of an account, under their name, as they were when all were dumped."""

    __slots__ = ("_held", "account", "name")

    def __init__(self, account: str, name: str, held: bytearray | Path) -> None:
        self.account, self.name, self._held = account, name, held

    def size(self) -> int:
        return self._held.stat().st_size if isinstance(self._held, Path) else len(self._held)

    def read(self) -> Iterator[bytes]:
        """The bytes, a chunk at a time. Raises OSError."""
        return read_file(self._held) if isinstance(self._held, Path) else slices(self._held, 0, len(self._held))


class Stage:
    """Bytes on their way in: files in a folder, or memory where there is none."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.held: Held = {}

    def add(self, account: str, name: str, data: bytes) -> None:
        """Bytes of an account under a name, to follow those that were added under it before. Raises ValueError, OSError."""
        if NAME.fullmatch(name) is None or OWNER.fullmatch(account) is None:
            raise ValueError(f"{account[:60]!r}, {name[:60]!r} is no name of an object's bytes")
        own = self.held.setdefault(account, {})
        if self.folder is None:
            own.setdefault(name, bytearray()).extend(data)
            return
        if not own:
            (self.folder / account).mkdir(exist_ok=True)
        own[name] = bytearray()
        with (self.folder / account / name).open("ab") as file:
            file.write(data)

    def owners(self) -> Sequence[str]:
        return list(self.held)


def read_file(path: Path, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """A file's bytes, a chunk at a time. Opened at once. Raises OSError."""
    file = path.open("rb")
    file.seek(start)
    return _chunks(file, None if stop is None else stop - start)


def _chunks(file: IO[bytes], left: int | None) -> Iterator[bytes]:
    with file:
        while left is None or left > 0:
            data = file.read(CHUNK if left is None else min(left, CHUNK))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data


def slices(held: bytearray, start: int, stop: int) -> Iterator[bytes]:
    for place in range(start, stop, CHUNK):
        yield bytes(memoryview(held)[place : min(place + CHUNK, stop)])


def linked(path: Path, beside: Path) -> Path:
    """The same bytes under another name, which stays when the first is removed."""
    try:
        os.link(path, beside)
    except OSError:  # a file system without links
        shutil.copyfile(path, beside)
    return beside
