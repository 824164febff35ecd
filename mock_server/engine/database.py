"""How a database is opened: a file that is kept, or SQLite's temporary database. Holds no tables and no statements."""

import os
import shutil
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import StaticPool

CACHE_KB, UNBOUNDED_KB = 2000, 10**9  # of a temporary database's pages in memory
ROOM = 256 << 20  # bytes that others are left where temporary files are
LOOKS = 16  # transactions from one look at that room to the next
# Where SQLite makes temporary files: in the first that it may write, https://sqlite.org/tempfiles.html section 5.
FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp", ".")  # noqa: S108


class Temporary:
    """A database that ends with the process. It lies in memory up to CACHE_KB and beyond that in a file without a name, so that
    memory does not grow with what is stored; all in memory where there is no folder for such a file.
    """

    def __init__(self) -> None:
        self._folder = _folder()
        self._looks = 0
        self.name = ":memory:" if self._folder is None else ""  # as SQLite calls them

    def look(self, driver: sqlite3.Connection) -> None:
        """Before a transaction, now and then: with little room left the file grows no more, and memory does in its place."""
        if self._folder is None:
            return
        if self._looks % LOOKS == 0:
            driver.execute(f"PRAGMA cache_size = -{CACHE_KB if _has_room(self._folder) else UNBOUNDED_KB}")
        self._looks += 1


def engine(place: Path | Temporary, locked_ms: int) -> Engine:
    """What connects to a database, once. `locked_ms`: how long a lock of another process is waited for."""
    kept = isinstance(place, Path)
    # AUTOCOMMIT leaves BEGIN and COMMIT to us: the driver's own habits differ between Python versions.
    found = create_engine(
        "sqlite://",
        creator=partial(sqlite3.connect, str(place) if kept else place.name, check_same_thread=False),
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    event.listen(found, "connect", partial(_prepare_connection, locked_ms, kept))
    return found


def _folder() -> str | None:
    """The one that SQLite will make temporary files in; None when it finds none that may be written."""
    named = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"))
    for folder in filter(None, (*named, *FOLDERS)):
        if Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


def _has_room(folder: str) -> bool:
    try:
        return shutil.disk_usage(folder).free >= ROOM
    except OSError:  # it is gone
        return False


def _prepare_connection(locked_ms: int, kept: bool, connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {locked_ms}")
    if kept:
        connection.execute("PRAGMA journal_mode = WAL")
    else:
        connection.execute("PRAGMA journal_mode = MEMORY")  # in a file it would be written with every transaction
        connection.execute("PRAGMA secure_delete = OFF")  # nobody can open what is left of deleted rows
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # SQLite folds the case of ASCII only.
    connection.create_function("lower_unicode", 1, _lower, deterministic=True)


def _lower(text: Any) -> Any:
    """Letter by letter: what a letter becomes must not depend on its neighbours, for patterns are taken apart."""
    return "".join(map(str.lower, text)) if isinstance(text, str) else text
