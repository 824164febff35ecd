"""The snapshots that a server keeps: files beside the bytes of objects, or memory. They outlive a reset, for that is their use."""

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mock_server.base.errors import BadRequest, NotFound, ServiceUnavailable, TooLarge

FOLDER = "snapshots"
SUFFIX = ".jsonl.gz"
MOST = 100
SERVER = "server"  # the owner's place of a snapshot of the whole server
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
Key = tuple[str, str]  # owner, name


class Snapshots:
    """Packed snapshots by owner (an account's id, or "server") and name: at most MOST, and `room` bytes in all."""

    def __init__(self, folder: Path | None, room: int) -> None:
        self._folder = None if folder is None else folder / FOLDER
        self._room = room
        self._memory: dict[Key, bytes] = {}

    def all(self, account: str | None) -> list[Key]:
        """Those of an account; without one, everyone's."""
        if self._folder is None:
            found = list(self._memory)
        else:
            files = self._folder.glob(f"*/*{SUFFIX}")
            found = [(path.parent.name, path.name.removesuffix(SUFFIX)) for path in files]
        return sorted(key for key in found if account in (None, key[0]))

    def open(self, account: str | None, name: str) -> IO[bytes]:
        """A snapshot's bytes. Raises NotFound."""
        key = _key(account, name)
        if self._folder is None:
            if key not in self._memory:
                raise NotFound("There is no snapshot with this name.")
            return io.BytesIO(self._memory[key])
        try:
            return self._path(key).open("rb")
        except OSError:
            raise NotFound("There is no snapshot with this name.") from None

    def size(self, key: Key) -> int:
        if self._folder is None:
            return len(self._memory[key])
        return self._path(key).stat().st_size

    @contextmanager
    def writing(self, account: str | None, name: str) -> Iterator[IO[bytes]]:
        """Takes the bytes of a snapshot, kept in place of one of the same name when all went well.

        Raises BadRequest for a name that cannot be or one too many, TooLarge when there is no room for it.
        """
        key = _key(account, name)
        if key not in (known := self.all(None)) and len(known) >= MOST:
            raise BadRequest(f"There are {MOST} snapshots, which is the limit: remove one first.")
        room = self._room - sum(self.size(other) for other in known if other != key)
        if self._folder is None:
            taken = io.BytesIO()
            yield taken
            _fits(taken, room)
            self._memory[key] = taken.getvalue()
            return
        try:
            folder = self._path(key).parent
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("wb+", suffix=".part", dir=folder, delete=False) as file:
                try:
                    yield file
                    file.flush()
                    _fits(file, room)
                    Path(file.name).replace(self._path(key))
                finally:
                    Path(file.name).unlink(missing_ok=True)
        except OSError as error:
            raise ServiceUnavailable(f"The snapshot cannot be written: {error.strerror}.") from error

    def remove(self, account: str | None, name: str) -> None:
        """Raises NotFound."""
        self.open(account, name).close()
        key = _key(account, name)
        if self._folder is None:
            del self._memory[key]
        else:
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: Key) -> Path:
        assert self._folder is not None
        return self._folder / key[0] / f"{key[1]}{SUFFIX}"


def _key(account: str | None, name: str) -> Key:
    if NAME.fullmatch(name) is None:
        raise BadRequest(
            "A snapshot's name has up to 100 letters, digits, dots, hyphens and underscores; no dot first."
        )
    return account or SERVER, name


def _fits(file: IO[bytes], room: int) -> None:
    size = file.seek(0, io.SEEK_END)
    if size > room:
        raise TooLarge(f"The snapshot has {size} bytes, and there is room for {max(room, 0)}: remove another first.")
