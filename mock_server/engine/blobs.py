"""Bytes that are kept for accounts: files in a folder, or memory where there is none. Rows elsewhere name them.

Names are opaque: nothing that a client says becomes part of a path. Bytes are written under a temporary name and renamed
when they are whole, before the row that names them is committed; what a crash leaves over is named by no row.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mock_server.base.errors import ServiceUnavailable
from mock_server.engine.pieces import NAME, OWNER, Held, Piece, Stage, linked, read_file, slices

FOLDER = "objects"
PARTIAL = ".part"


class Blobs:
    """The bytes of every account. Without `kept`, what this server wrote is removed when it stops: its rows end with it."""

    def __init__(self, folder: Path | None, *, kept: bool) -> None:
        self._folder = None if folder is None else folder / FOLDER
        self._kept = kept
        self._memory: Held = {}
        self._written: set[Path] = set()
        self._made = 0

    @contextmanager
    def writer(self, account: str) -> "Iterator[Writer]":
        """Takes bytes in; without `finish` nothing is left of them. Raises ServiceUnavailable when they cannot be written."""
        writer: Writer
        try:
            writer = _Memory() if self._folder is None else _File(self._made_folder(account))
        except OSError as error:
            raise told(error) from error
        try:
            yield writer
        except OSError as error:
            raise told(error) from error
        finally:
            writer.discard()

    def keep(self, account: str, writer: "Writer") -> str:
        """The name under which what `writer` took in is found from now on."""
        if isinstance(writer, _Memory):
            self._made += 1
            name = str(self._made)
            self._memory.setdefault(account, {})[name] = writer.taken()
            return name
        assert isinstance(writer, _File)
        try:
            path = writer.taken()
        except OSError as error:
            raise told(error) from error
        if not self._kept:
            self._written.add(path)
        return path.name

    def read(self, account: str, name: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, a chunk at a time. Opened at once: raises FileNotFoundError when they are gone."""
        if self._folder is None:
            held = self._memory.get(account, {}).get(name)
            if held is None:
                raise FileNotFoundError(name)
            return slices(held, start, len(held) if stop is None else stop)
        if NAME.fullmatch(name) is None:
            raise FileNotFoundError(name)
        return read_file(self._folder / account / name, start, stop)

    def remove(self, account: str, names: Sequence[str]) -> None:
        """Forget these bytes; whoever is reading them reads on."""
        for name in names:
            if self._folder is None:
                self._memory.get(account, {}).pop(name, None)
            elif NAME.fullmatch(name) is not None:
                _unlink(self._folder / account / name)
                self._written.discard(self._folder / account / name)

    def reset(self, account: str | None = None) -> None:
        """Forget an account's bytes, or all."""
        if self._folder is not None:
            shutil.rmtree(self._folder if account is None else self._folder / account, ignore_errors=True)
        if account is None:
            self._memory.clear()
            self._written.clear()
            self._made = 0
        else:
            self._memory.pop(account, None)

    def count(self, account: str | None = None) -> tuple[int, int]:
        """How many an account keeps, or all, and their bytes."""
        if self._folder is None:
            sizes = [len(b) for owner, own in self._memory.items() if account in (None, owner) for b in own.values()]
        else:
            sizes = [path.stat().st_size for path in self._folder.glob(f"{account or 'acct_*'}/*")]
        return len(sizes), sum(sizes)

    @contextmanager
    def dump(self, account: str | None = None) -> "Iterator[Sequence[Piece]]":
        """All bytes that an account keeps, or everyone, as they are now: what is removed meanwhile can still be read."""
        if self._folder is None:
            owners = self._memory if account is None else {account: self._memory.get(account, {})}
            yield [Piece(owner, name, held) for owner, own in sorted(owners.items()) for name, held in own.items()]
            return
        if not self._folder.is_dir():
            yield []
            return
        with self._beside() as beside:
            yield [
                Piece(path.parent.name, path.name, linked(path, beside / f"{path.parent.name}-{path.name}"))
                for path in sorted(self._folder.glob(f"{account or 'acct_*'}/*"))
                if NAME.fullmatch(path.name) and OWNER.fullmatch(path.parent.name)
            ]

    @contextmanager
    def stage(self) -> "Iterator[Stage]":
        """Takes in bytes that are to replace those that are kept."""
        if self._folder is None:
            yield Stage(None)
        else:
            with self._beside() as beside:
                yield Stage(beside)

    @contextmanager
    def replace(self, stage: "Stage", account: str | None = None) -> Iterator[None]:
        """Keep what was staged instead of an account's bytes, or everyone's; when what is done meanwhile fails, as before."""
        if self._folder is None:
            before = dict(self._memory)
            self._memory = {**({} if account is None else before), **stage.held}
            if account is not None and account not in stage.held:
                self._memory.pop(account, None)
            try:
                yield
            except BaseException:
                self._memory = before
                raise
            numbers = [int(name) for own in stage.held.values() for name in own if name.isdecimal()]
            self._made = max([self._made, *numbers])
            return
        with self._beside() as aside:
            try:
                self._exchange(stage, account, aside)
                yield
            except BaseException as error:
                for owner in stage.owners():
                    shutil.rmtree(self._folder / owner, ignore_errors=True)
                for folder in aside.iterdir():
                    folder.rename(self._folder / folder.name)
                if isinstance(error, OSError):
                    raise told(error) from error
                raise
        if not self._kept:
            self._written |= {path for owner in stage.owners() for path in (self._folder / owner).iterdir()}

    def _exchange(self, stage: "Stage", account: str | None, aside: Path) -> None:
        """Put the folders of the accounts concerned aside, and those that were staged in their place."""
        assert self._folder is not None and stage.folder is not None
        for folder in list(self._folder.glob(account or "acct_*")):
            folder.rename(aside / folder.name)
        for owner in stage.owners():
            (stage.folder / owner).rename(self._folder / owner)

    @contextmanager
    def _beside(self) -> Iterator[Path]:
        """A folder for the time being, in the same file system as what is kept."""
        assert self._folder is not None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(PARTIAL, "beside-", self._folder))
        except OSError as error:
            raise told(error) from error
        try:
            yield beside
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def close(self) -> None:
        self._memory.clear()
        for path in self._written:
            _unlink(path)
        for folder in {path.parent for path in self._written}:
            try:
                folder.rmdir()
            except OSError:
                pass  # others' bytes are in it

    def _made_folder(self, account: str) -> Path:
        assert self._folder is not None
        folder = self._folder / account
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Writer:
    """Where bytes go until they are whole."""

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def discard(self) -> None:
        """Drop what was not taken."""


class _Memory(Writer):
    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> None:
        self._held += data

    def taken(self) -> bytearray:
        taken, self._held = self._held, bytearray()
        return taken


class _File(Writer):
    def __init__(self, folder: Path) -> None:
        # The machine's chance is in the name, so that two servers may share a folder. It shows nowhere on the wire.
        handle, name = tempfile.mkstemp(PARTIAL, dir=folder)
        self._path = Path(name)
        self._file: IO[bytes] = os.fdopen(handle, "wb")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def taken(self) -> Path:
        """The whole file, under its own name."""
        self._file.close()
        path = self._path.with_suffix("")
        self._path.replace(path)
        return path

    def discard(self) -> None:
        self._file.close()
        _unlink(self._path)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # Windows keeps a file that is being read


def told(error: OSError) -> ServiceUnavailable:
    return ServiceUnavailable(f"{ServiceUnavailable.default_detail} Bytes cannot be written: {error.strerror}.")
