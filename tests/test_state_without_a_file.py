"""State without --db: in memory while it is small, and beyond that in a temporary file without a name."""

import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from mock_server import LocalServer, Settings
from mock_server.engine import database
from tests.conftest import Client
from tests.test_conversations_durability import Process
from tests.test_sockets import memory

FILLER = "x" * 40_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at what a process has open in /proc")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, Client]]:
    """The process of a server that has `folder` for temporary files, and a client of it."""
    running = Process(None, env={**os.environ, "SQLITE_TMPDIR": str(folder), "MOCK_LOG_FORMAT": "none"})
    client = running.client()
    try:
        yield running.id, client
    finally:
        client.http.close()
        running.end(signal.SIGTERM)


def fill(client: Client, count: int) -> list[str]:
    """Ids of conversations, each of 40 KB."""
    return [client.post("/ai/conversations", {"metadata": {"filler": FILLER}}).json()["id"] for _ in range(count)]


def whole(client: Client, ids: list[str]) -> bool:
    return all(client.get(f"/ai/conversations/{one}").json()["data"]["metadata"] == {"filler": FILLER} for one in ids)


def spilled(process: int | str = "self") -> int:
    """Bytes of the files without a name that a process has open."""
    size = 0
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was this look's own
            file = descriptor.stat()
            if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                size += file.st_size
    return size


@linux
@pytest.mark.check
def test_memory_does_not_grow_with_what_is_stored(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, client):
        ids = fill(client, 1100)  # the journal is full as well
        before, spilled_before = memory(process), spilled(process)
        ids += fill(client, 1100)
        after, spilled_after = memory(process), spilled(process)
        named = list(tmp_path.iterdir())

        assert spilled_after - spilled_before > 40 << 20
        assert after - before < 10
        assert named == []
        assert whole(client, ids[::100])
        assert client.get("/ai/conversations?page[size]=1").json()["meta"]["total_results"] == len(ids)

        client.admin("POST", "/reset")
        assert client.get("/ai/conversations").json()["data"] == []
        assert memory(process) - before < 10


@linux
def test_state_is_held_in_memory_where_no_room_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalServer(Settings(port=0)) as server, httpx.Client() as http:
        client, others = Client(server.url, "test-unkept", http), spilled()
        ids = fill(client, 100)
        beyond_the_cache = spilled() - others
        monkeypatch.setattr(database, "ROOM", 1 << 62)
        fill(client, database.LOOKS)  # it is noticed by then
        full = spilled() - others
        ids += fill(client, 200)

        assert 0 < beyond_the_cache <= full == spilled() - others
        assert whole(client, ids)


@linux
def test_state_is_held_in_memory_where_no_folder_may_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "FOLDERS", ())
    monkeypatch.setenv("SQLITE_TMPDIR", "/nowhere")
    monkeypatch.delenv("TMPDIR", raising=False)
    with LocalServer(Settings(port=0)) as server, httpx.Client() as http:
        client, others = Client(server.url, "test-unkept", http), spilled()
        ids = fill(client, 100)

        assert whole(client, ids)
        assert spilled() == others


@linux
@pytest.mark.check
def test_the_folder_for_temporary_files_may_go_away(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with serving(folder) as (process, client):
        first = fill(client, 1)
        shutil.rmtree(folder)
        ids = fill(client, 150)

        assert spilled(process) == 0
        assert whole(client, first + ids)


@linux
@pytest.mark.check
def test_what_is_stored_goes_with_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, client):
        fill(client, 100)
        assert spilled(process) > 0
    with serving(tmp_path) as (process, client):
        assert client.get("/ai/conversations").json()["data"] == []
    assert list(tmp_path.iterdir()) == []
