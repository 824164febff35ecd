"""Read-only buckets: each sub-folder of --buckets, of a fixtures folder's `buckets`, and of the shipped one.

Of two buckets of one name the first wins, whole. Names that begin with a dot are passed over, and so are links that lead
out of the folder that was named. A folder is read again once files came to it or left it.
"""

import json
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from mock_server.engine.pieces import read_file
from mock_server.world import World, shipped_fixtures

SHIPPED_AT = 1_735_689_600_000  # 2025-01-01: the time of what ships does not depend on when it was installed
LARGEST_HASHED = 8 * 1024 * 1024  # bytes; above it the ETag is none of MD5, and says so as S3's does, by its hyphen
TYPES = {".jsonl": "application/jsonl", ".md": "text/markdown"}  # beside what Python knows on every machine
FALLBACK = "application/octet-stream"


@dataclass(slots=True)
class LayerFile:
    """One object of a read-only bucket."""

    path: Path
    size: int
    modified: int  # nanoseconds
    updated_at: int  # milliseconds
    _etag: str = ""

    def refresh(self, shipped: bool) -> None:
        """As the file is now. Raises OSError."""
        found = self.path.stat()
        if (found.st_size, found.st_mtime_ns) != (self.size, self.modified):
            self.size, self.modified, self._etag = found.st_size, found.st_mtime_ns, ""
            self.updated_at = SHIPPED_AT if shipped else found.st_mtime_ns // 1_000_000

    def etag(self) -> str:
        """Raises OSError."""
        if not self._etag:
            digest = md5(usedforsecurity=False)
            if self.size > LARGEST_HASHED:
                digest.update(f"{self.path} {self.size} {self.modified}".encode("utf-8", "replace"))
                self._etag = digest.hexdigest() + "-1"
            else:
                for chunk in read_file(self.path):
                    digest.update(chunk)
                self._etag = digest.hexdigest()
        return self._etag

    def headers(self) -> str:
        """As an object's row has them."""
        known = TYPES.get(self.path.suffix.lower()) or mimetypes.types_map.get(self.path.suffix.lower())
        return json.dumps({"content-type": known or FALLBACK})


@dataclass(slots=True)
class Layer:
    """One read-only bucket: its files by key, and the keys in order."""

    name: str
    folder: Path
    root: Path  # what links must not lead out of
    shipped: bool
    files: dict[str, LayerFile]
    keys: list[str]
    seen: dict[str, int]  # when each folder last changed, in nanoseconds

    @property
    def created_at(self) -> int:
        return SHIPPED_AT if self.shipped else max(self.seen.values(), default=0) // 1_000_000

    def changed(self) -> bool:
        """Whether files came or left since it was read."""
        try:
            return any(Path(folder).stat().st_mtime_ns != at for folder, at in self.seen.items())
        except OSError:
            return True

    def read(self) -> None:
        """Find its files anew."""
        files: dict[str, LayerFile] = {}
        self.seen, left = {}, [self.folder]
        while left:
            folder = left.pop()
            try:
                self.seen[str(folder)] = folder.stat().st_mtime_ns
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            left.append(folder / entry.name)
                        elif (file := self._file(entry)) is not None:
                            files[file.path.relative_to(self.folder).as_posix()] = file
            except OSError:
                continue
        self.keys = sorted(files)
        self.files = files

    def _file(self, entry: "os.DirEntry[str]") -> LayerFile | None:
        path = Path(entry.path)
        try:
            entry.path.encode()  # a name that is no UTF-8 is no key
            if entry.is_symlink() and not inside(path, self.root):
                return None
            found = entry.stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        at = SHIPPED_AT if self.shipped else found.st_mtime_ns // 1_000_000
        return LayerFile(path, found.st_size, found.st_mtime_ns, at)


def inside(path: Path, root: Path) -> bool:
    """Whether `path`, links followed, lies in `root`. Raises OSError for links that go in circles."""
    return path.resolve().is_relative_to(root.resolve())


def has(world: World, bucket: str) -> bool:
    return bucket in _all(world)


def get(world: World, bucket: str) -> Layer | None:
    """The read-only bucket of this name, as its folder is now."""
    layer = _all(world).get(bucket)
    return None if layer is None else _as_it_is(layer)


def every(world: World) -> list[Layer]:
    """All of them, as their folders are now."""
    return [_as_it_is(layer) for layer in _all(world).values()]


def _as_it_is(layer: Layer) -> Layer:
    if layer.changed():
        layer.read()
    return layer


def file(world: World, bucket: str, key: str) -> LayerFile | None:
    """One file, as it is now; None where there is none, or no longer."""
    layer = _all(world).get(bucket)
    if layer is None:
        return None
    if key not in layer.files and layer.changed():
        layer.read()
    found = layer.files.get(key)
    if found is None:
        return None
    try:
        found.refresh(layer.shipped)
        return found if inside(found.path, layer.root) else None
    except OSError:
        return None


def _all(world: World) -> Mapping[str, Layer]:
    layers: dict[str, Layer] | None = world.cache.get("buckets")
    if layers is None:
        layers = {}
        for layer in _found(world):
            if layer.name not in layers:
                layer.read()
                layers[layer.name] = layer
        world.cache["buckets"] = layers
    return layers


def _found(world: World) -> Iterator[Layer]:
    settings, shipped = world.settings, shipped_fixtures() / "buckets"
    for root in (*settings.buckets, *(folder / "buckets" for folder in settings.fixtures), shipped):
        if not root.is_dir():
            continue
        for folder in sorted(root.iterdir()):
            if not folder.name.startswith(".") and folder.is_dir() and inside(folder, root):
                yield Layer(folder.name, folder, root, root == shipped, {}, [], {})
