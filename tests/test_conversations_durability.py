"""A kept database: it survives the death of the process, and trouble with it is told, not crashed on."""

import ctypes
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from mock_server import LocalServer, Settings
from tests.conftest import Client

KEY = "test-durability"
ROOT = Path(__file__).parent.parent


class Process:
    """A server of its own process, on a database file or without one."""

    def __init__(self, db: Path | None, **options: object) -> None:
        command = [sys.executable, "-m", "mock_server", "serve", "--port", "0", *(["--db", str(db)] if db else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options)
        line = self._process.stdout.readline()
        self.url = line.split(" ready at ")[1].strip().removesuffix("/v2")

    @property
    def id(self) -> int:
        return self._process.pid

    def client(self) -> Client:
        return Client(self.url, KEY, httpx.Client(timeout=20))

    def end(self, sig: int) -> None:
        self._process.send_signal(sig)
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def process():
    running = []

    def run(db: Path, **options: object) -> Process:
        running.append(Process(db, **options))
        return running[-1]

    yield run
    for one in running:
        if one._process.poll() is None:
            one.end(signal.SIGKILL)


def write(client: Client, worker: int, acknowledged: list[tuple[str, str]], enough: threading.Event) -> None:
    """Create conversations, each with one message, until the server is gone; notes what was acknowledged."""
    for n in range(10_000):
        name = f"{worker}-{n}"
        try:
            made = client.post(
                "/ai/conversations", {"name": name, "metadata": {"name": name, "worker": str(worker)}}
            ).json()
            acknowledged.append(("conversation", made["id"]))
            client.post(f"/ai/conversations/{made['id']}/message", {"role": "user", "content": name}).raise_for_status()
            acknowledged.append(("message", made["id"]))
        except httpx.TransportError:
            return
        if len(acknowledged) > 300:
            enough.set()


@pytest.mark.check
def test_every_acknowledged_write_survives_kill_9_and_none_is_half(process, tmp_path: Path) -> None:
    db = tmp_path / "kept.db"
    first = process(db)
    acknowledged: list[tuple[str, str]] = []
    enough = threading.Event()
    writers = [threading.Thread(target=write, args=(first.client(), n, acknowledged, enough)) for n in range(4)]
    for writer in writers:
        writer.start()
    assert enough.wait(30)
    first.end(signal.SIGKILL)
    for writer in writers:
        writer.join(10)

    client = process(db).client()

    kept = {c["id"]: c for c in client.get("/ai/conversations?limit=100000").json()["data"]}
    assert {id for kind, id in acknowledged if kind == "conversation"} <= kept.keys()
    for kind, id in acknowledged:
        if kind == "message":
            (message,) = client.get(f"/ai/conversations/{id}/messages").json()["data"]
            assert message["text"] == kept[id]["name"]
    by_pairs = {
        c["id"]
        for n in range(4)
        for c in client.get(f"/ai/conversations?metadata->worker=eq.{n}&limit=100000").json()["data"]
    }
    assert by_pairs == kept.keys()
    assert client.get("/ai/conversations?page[size]=1").json()["meta"]["total_results"] == len(kept)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_no_acknowledged_write_is_lost_in_200_kills(process, tmp_path: Path) -> None:
    """At 200 random moments under writes, each time on the file that the last kill left."""
    db, moments = tmp_path / "kept.db", random.Random(1)
    acknowledged: list[tuple[str, str]] = []
    for n in range(200):
        running = process(db)
        writers = [
            threading.Thread(target=write, args=(running.client(), 10 * n + w, acknowledged, threading.Event()))
            for w in range(3)
        ]
        for writer in writers:
            writer.start()
        before, wanted = len(acknowledged), moments.randrange(1, 60)
        while len(acknowledged) < before + wanted:
            writers[0].join(moments.random() / 100)
        running.end(signal.SIGKILL)
        for writer in writers:
            writer.join(10)

    client = process(db).client()

    kept = {c["id"]: c for c in client.get("/ai/conversations?limit=1000000").json()["data"]}
    assert {id for kind, id in acknowledged if kind == "conversation"} <= kept.keys()
    for id in moments.sample([id for kind, id in acknowledged if kind == "message"], 500):
        (message,) = client.get(f"/ai/conversations/{id}/messages").json()["data"]
        assert message["text"] == kept[id]["name"]
    assert client.get("/ai/conversations?page[size]=1").json()["meta"]["total_results"] == len(kept)
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (messages,) = connection.execute("SELECT count(*) FROM conversation_message").fetchone()
    print(
        f"200 kills under writes: {len(acknowledged)} acknowledged writes, none lost; {messages} messages in the file"
    )
    assert messages >= sum(kind == "message" for kind, _ in acknowledged)


@pytest.mark.check
def test_ids_never_repeat_after_a_restart(process, tmp_path: Path) -> None:
    db, ids = tmp_path / "kept.db", []
    for _ in range(3):
        running = process(db)
        client = running.client()
        ids += [client.post("/ai/conversations").json()["id"] for _ in range(3)]
        client.request("DELETE", f"/ai/conversations/{ids[-1]}")
        running.end(signal.SIGTERM)

    client = process(db).client()

    assert len(set(ids)) == 9
    assert {c["id"] for c in client.get("/ai/conversations").json()["data"]} == {*ids} - {*ids[2::3]}
    assert client.post("/ai/conversations").json()["id"] not in ids


@pytest.mark.check
def test_idempotency_keys_survive_a_restart(process, tmp_path: Path) -> None:
    db, headers = tmp_path / "kept.db", {"idempotency-key": "key-1"}
    running = process(db)
    made = running.client().post("/ai/conversations", {"name": "a"}, headers=headers)
    running.end(signal.SIGKILL)

    again = process(db).client().post("/ai/conversations", {"name": "a"}, headers=headers)

    assert (again.content, again.headers["idempotent-replayed"]) == (made.content, "true")


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "key-1"}])
def test_a_locked_database_is_503_and_the_server_goes_on(start, tmp_path: Path, headers: dict[str, str]) -> None:
    db = tmp_path / "kept.db"
    client = start(db=db)
    made = client.post("/ai/conversations").json()

    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        refused = client.post("/ai/conversations", {}, headers=headers)
        read = client.get(f"/ai/conversations/{made['id']}")
        other.execute("ROLLBACK")
    after = client.post("/ai/conversations", {}, headers=headers)

    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["code"], error["title"]) == (503, "10016", "Service unavailable")
    assert "locked" in error["detail"]
    assert read.json() == {"data": made}
    assert (after.status_code, after.headers.get("idempotent-replayed")) == (200, None)


@pytest.mark.check
@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "key-1"}])
def test_a_full_disk_is_503_and_nothing_is_half_written(process, tmp_path: Path, headers: dict[str, str]) -> None:
    """The process may not write files over 1 MB: SQLite meets the same errors as on a full disk."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # noqa: E731
    client = process(tmp_path / "kept.db", preexec_fn=limit, env={**os.environ, "PYTHONUNBUFFERED": "1"}).client()
    metadata = {"filler": "x" * 200_000}

    statuses = []
    for n in range(12):
        keyed = {name: f"{value}-{n}" for name, value in headers.items()}
        statuses.append(client.post("/ai/conversations", {"metadata": metadata}, headers=keyed).status_code)

    assert {*statuses} == {200, 503}
    assert len(client.get("/ai/conversations").json()["data"]) == statuses.count(200)
    assert client.get("/ai/conversations?page[size]=1").json()["meta"]["total_results"] == statuses.count(200)


@pytest.mark.parametrize("pragma", ["max_page_count = {pages}", "query_only = ON"])
def test_a_full_and_a_read_only_database_are_503_for_writes_and_reads_go_on(pragma: str, tmp_path: Path) -> None:
    with LocalServer(Settings(port=0, db=tmp_path / "kept.db")) as server, httpx.Client() as http:
        client = Client(server.url, KEY, http)
        made = client.post("/ai/conversations", {"name": "first"}).json()
        connection = server.app.world.store.connection
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql("PRAGMA " + pragma.format(pages=pages))

        refused = client.post("/ai/conversations", {"metadata": {"filler": "x" * 50_000}})
        read = client.get(f"/ai/conversations/{made['id']}")

    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["code"], error["title"]) == (503, "10016", "Service unavailable")
    assert "database" in error["detail"]
    assert read.json()["data"]["name"] == "first"


def without_privilege() -> None:
    """What root may do to any file is taken away from the process: PR_CAPBSET_DROP, CAP_DAC_OVERRIDE."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.check
@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away")
def test_a_file_that_may_only_be_read_is_served(process, tmp_path: Path) -> None:
    db = tmp_path / "kept.db"
    first = process(db)
    made = first.client().post("/ai/conversations", {"name": "first"}).json()
    first.end(signal.SIGTERM)
    db.chmod(0o444)

    client = process(db, preexec_fn=without_privilege).client()
    refused, read = client.post("/ai/conversations", {}), client.get(f"/ai/conversations/{made['id']}")

    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["code"]) == (503, "10016")
    assert "readonly" in error["detail"]
    assert read.json() == {"data": made}


def test_rows_of_a_room_that_was_entered_late_are_reset_too(start) -> None:
    client = start()
    client.admin("POST", "/reset")  # no table of conversations yet
    client.post("/ai/conversations", headers={"idempotency-key": "key-1"})

    client.admin("POST", "/reset")

    assert client.get("/ai/conversations").json() == {"data": []}
