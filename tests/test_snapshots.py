"""Snapshots: taken, restored, carried to another server, loaded at start; and what a crafted one cannot do."""

import base64
import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from mock_server import Settings, create_app
from mock_server.base.errors import ServiceUnavailable
from mock_server.base.ids import account_id
from mock_server.base.settings import SettingsError
from mock_server.engine.blobs import Blobs
from mock_server.engine.snapshots.file import CHUNK

MIB = 1024 * 1024
NEW_YEAR = "2026-01-01T00:00:00Z"


def full(client) -> None:
    """Something of every kind: rows, bytes, vectors, a rule that has fired, a clock of its own, a key, counters."""
    client.post("/ai/conversations", {"name": "Support"}, headers={"idempotency-key": "first"})
    put(client, "docs", "bees.txt", b"Bees make honey and wax. " * 20)
    client.post("/ai/embeddings", {"bucket_name": "docs"})
    client.post("/ai/fine_tuning/jobs", {"model": "openai/gpt-4o", "training_file": "docs/bees.txt"},
                headers={"x-mock-plan": "poll: queued@0, running@2, succeeded@4"})  # fmt: skip
    client.admin("POST", "/faults", json={"match": {"operation": "ai.retrieve_models"}, "times": 2, "effect": "429"})
    client.get("/ai/models")
    client.get("/ai/assistants", headers={"x-mock-fault": "429;times=2"})
    client.admin("POST", "/scenario", json={"name": "fine-tuning-fails"})
    client.admin("PUT", "/plans", json={"embedding": "failure"})
    client.admin("PUT", "/limits", json={"limits": ["1000/hour", "tokens=100000/hour"]})
    client.admin("POST", "/clock", json={"set": "2030-05-05T05:05:05Z", "freeze": True})
    client.chat()


def put(client, bucket: str, key: str | None = None, data: bytes = b"") -> int:
    path = f"/s3/{bucket}" + (f"/{key}" if key else "")
    signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={client.key}/20260101/x/s3/aws4_request, Signature=x"}
    if key:
        put(client, bucket)
    return client.http.put(client.url + path, content=data, headers=signed).status_code


def get(client, bucket: str, key: str) -> httpx.Response:
    signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={client.key}/20260101/x/s3/aws4_request, Signature=x"}
    return client.http.get(f"{client.url}/s3/{bucket}/{key}", headers=signed)


def seen(client) -> dict[str, Any]:
    """What an account can see of its own."""
    return {
        "conversations": client.get("/ai/conversations").json(),
        "object": get(client, "docs", "bees.txt").content,
        "found": client.post("/ai/embeddings/similarity-search", {"bucket_name": "docs", "query": "honey"}).json(),
        "faults": [
            {k: v for k, v in f.items() if k != "account"} for f in client.admin("GET", "/faults").json()["data"]
        ],
        "clock": client.admin("GET", "/clock").json()["now"],
        "plans": client.admin("GET", "/plans").json(),
        "limits": [row["limit"] for row in client.admin("GET", "/limits").json()["data"]],
        "scenario": client.admin("GET", "/scenario").json()["data"]["name"],
    }


def snapshot(client, method: str, name: str = "one", *, whole: bool = False, **options: Any) -> httpx.Response:
    if whole:
        return client.http.request(method, f"{client.url}/_mock/snapshots/{name}", **options)
    return client.admin(method, f"/snapshots/{name}", **options)


def lines(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def crafted(*rows: dict[str, Any], account: str | None = "acct_" + 24 * "0", **header: Any) -> bytes:
    first = {"snapshot": 1, "version": "0.1.0", "tables": 1, "account": account, "at": NEW_YEAR, "seed": 0, "rows": {},
             "objects": 0, **header}  # fmt: skip
    return gzip.compress(b"\n".join(json.dumps(line).encode() for line in (first, *rows)))


def rule(rule: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"part": "faults", "state": {"rule": rule, "source": "api", "counts": {}, **fields}}


def reply(rule: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"part": "replies", "state": {"rule": rule, **fields}}


# Taken and restored


@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("whole", [False, True], ids=["account", "server"])
def test_what_changed_since_is_undone(start, tmp_path, kept, whole):
    client = start(clock=NEW_YEAR, db=tmp_path / "mock.db" if kept else None)
    full(client)
    taken = snapshot(client, "PUT", whole=whole)
    before = seen(client)
    assert taken.status_code == 200 and taken.json()["data"]["objects"] == 1

    client.admin("POST", "/clock", json={"advance": 1000})
    client.admin("DELETE", "/faults")
    client.post("/ai/conversations", {"name": "Another"})
    put(client, "docs", "bees.txt", b"Wasps do not.")
    assert seen(client) != before
    restored = snapshot(client, "POST", whole=whole)

    assert restored.status_code == 200 and restored.json()["restored"] == (
        "server" if whole else account_id(client.key.encode())
    )
    assert seen(client) == before


def test_the_same_requests_after_it_get_the_same_bytes(start):
    client = start(clock=NEW_YEAR)
    full(client)
    snapshot(client, "PUT")

    def go_on() -> list[Any]:
        answers = [
            client.get("/ai/models"),  # the rule fires for the second time, and no third
            client.get("/ai/models"),
            client.post("/ai/conversations", {"name": "Next"}),
            client.post("/ai/conversations", {"name": "Support"}, headers={"idempotency-key": "first"}),
            client.get("/ai/fine_tuning/jobs"),
            client.get("/ai/assistants", headers={"x-mock-fault": "429;times=2"}),
            client.get("/ai/assistants", headers={"x-mock-fault": "429;times=2"}),
            client.chat("again"),
        ]
        told = ("x-request-id", "x-ratelimit-remaining")
        return [(a.status_code, a.content, *(a.headers.get(name) for name in told)) for a in answers]

    first = go_on()
    snapshot(client, "POST")

    assert go_on() == first
    assert [status for status, *_ in first] == [429, 200, 200, 200, 200, 429, 501, 200]


def test_the_snapshot_of_what_was_restored_is_the_same_file(start):
    client = start(clock=NEW_YEAR)
    full(client)
    snapshot(client, "PUT")
    snapshot(client, "POST")
    snapshot(client, "PUT", "two")

    assert snapshot(client, "GET").content == snapshot(client, "GET", "two").content


SCRIPT: dict[str, dict[str, Any]] = {
    "steps": {"match": {"user_text": "steps"}, "sequence": [{"text": "one"}, {"text": "two"}, {"text": "three"}]},
    "flaky": {"match": {"user_text": "flaky"}, "reply": {"fault": "503;times=2", "text": "{{ counter('n') }} {{ random() }}"}},
    "once": {"match": {"user_text": "once"}, "times": 2, "reply": {"text": "{{ used }}"}},
}  # fmt: skip


@pytest.mark.parametrize("whole", [False, True], ids=["account", "server"])
@pytest.mark.parametrize("by", ["api", "file"])
def test_a_script_goes_on_where_it_was(start, tmp_path, by, whole):
    (tmp_path / "replies").mkdir()
    rules = [{"id": id, **rule} for id, rule in SCRIPT.items()]
    (tmp_path / "replies" / "script.json").write_text(json.dumps(rules if by == "file" else []))
    client = start(clock=NEW_YEAR, fixtures=(tmp_path,))
    for rule in rules if by == "api" else ():
        client.admin("POST", "/replies", json=rule)

    def play() -> list[Any]:
        answers = [client.chat(text) for text in ("steps", "flaky", "once", "flaky")]
        shown = [(answer.status_code, answer.content, answer.headers["x-request-id"]) for answer in answers]
        rows = client.admin("GET", "/replies").json()["data"]
        return [*shown, [(row["id"], row["used"]) for row in rows]]

    client.chat("flaky")
    client.chat("steps")
    snapshot(client, "PUT", whole=whole)
    first = play()
    client.admin("DELETE", "/replies/steps")
    client.admin("POST", "/replies", json={"id": "new", "reply": {"text": "new"}})
    client.chat("flaky")
    snapshot(client, "POST", whole=whole)

    assert play() == first
    assert [status for status, *_ in first[:4]] == [200, 503, 200, 200]
    snapshot(client, "POST", whole=whole)
    snapshot(client, "PUT", "two", whole=whole)
    one, two = (lines(snapshot(client, "GET", name, whole=whole).content) for name in ("one", "two"))
    replies = [line for line in one if line.get("part") == "replies"]
    assert replies == [line for line in two if line.get("part") == "replies"] != []


@pytest.mark.parametrize("whole", [False, True], ids=["account", "server"])
@pytest.mark.parametrize("by", ["file", "everyone's"])
def test_a_fault_that_is_not_the_account_s_own_goes_on_where_it_was(start, tmp_path, by, whole):
    rules = [
        {"id": "never", "match": {"method": "PATCH"}, "effect": 500},
        {"id": "flaky", "match": {"operation": "ai.*"}, "effects": [500, 502, 503]},
    ]
    (tmp_path / "faults.json").write_text(json.dumps(rules))
    client = start(clock=NEW_YEAR, faults=(tmp_path / "faults.json",) if by == "file" else ())
    for rule in rules if by != "file" else ():
        client.http.post(f"{client.url}/_mock/faults", json=rule).raise_for_status()

    def play() -> list[int]:
        return [client.get("/ai/models").status_code for _ in range(3)]

    assert client.get("/ai/models").status_code == 500
    snapshot(client, "PUT", whole=whole)
    first = play()
    snapshot(client, "POST", whole=whole)

    assert first == play() == [502, 503, 200]
    carried = snapshot(client, "GET", whole=whole).content
    there = start(clock=NEW_YEAR)
    assert snapshot(there, "PUT", whole=whole, content=carried).status_code == 200
    assert snapshot(there, "POST", whole=whole).status_code == 200
    alone = (
        by == "file" or not whole
    )  # the rules stay where they are: counts of rules that are not there are no trouble
    assert [there.get("/ai/models").status_code for _ in range(3)] == ([200] * 3 if alone else first)


def test_an_account_s_snapshot_has_no_counts_of_another_s_replies(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "script.json").write_text(json.dumps([{"id": id, **rule} for id, rule in SCRIPT.items()]))
    mine = start(clock=NEW_YEAR, fixtures=(tmp_path,))
    theirs = mine.as_key("another-key-altogether")
    assert [theirs.chat("flaky").status_code for _ in range(2)] == [503, 503]

    snapshot(mine, "PUT")
    assert mine.chat("flaky").status_code == 503
    snapshot(mine, "POST")

    assert [mine.chat("flaky").status_code for _ in range(3)] == [503, 503, 200]
    assert theirs.chat("flaky").status_code == 200
    snapshot(theirs, "PUT")
    there = start(clock=NEW_YEAR).as_key(theirs.key)
    snapshot(there, "PUT", content=snapshot(theirs, "GET").content)
    assert snapshot(there, "POST").status_code == 200, "counts of rules of a file that is not there are no trouble"
    assert "You said" in there.chat("flaky").text


def test_a_server_that_begins_with_a_snapshot_goes_on_in_its_script(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "script.json").write_text(json.dumps([{"id": id, **rule} for id, rule in SCRIPT.items()]))
    here = start(clock=NEW_YEAR, fixtures=(tmp_path,))
    for text in ("steps", "flaky", "flaky"):
        here.chat(text)
    snapshot(here, "PUT", whole=True)
    path = tmp_path / "state.jsonl.gz"
    path.write_bytes(snapshot(here, "GET", whole=True).content)

    there = start(clock=NEW_YEAR, fixtures=(tmp_path,), snapshot=path)

    for text in ("steps", "flaky", "once"):
        assert there.chat(text).content == here.chat(text).content


def test_restoring_an_account_leaves_others_alone(start):
    mine = start(clock=NEW_YEAR)
    theirs = mine.as_key("another-key-altogether")
    full(mine)
    snapshot(mine, "PUT")
    full(theirs)
    client_rule = {"id": "for-all", "effect": "503", "match": {"method": "PATCH"}}
    mine.http.post(f"{mine.url}/_mock/faults", json=client_rule)
    before = seen(theirs)

    mine.admin("POST", "/reset")
    snapshot(mine, "POST")

    assert seen(theirs) == before
    assert get(mine, "docs", "bees.txt").status_code == 200
    assert "for-all" in [rule["id"] for rule in theirs.admin("GET", "/faults").json()["data"]]


def test_restoring_the_server_takes_back_every_account_and_the_clock(start):
    mine = start(clock=NEW_YEAR)
    full(mine)
    before = seen(mine)
    snapshot(mine, "PUT", whole=True)
    theirs = mine.as_key("one-that-came-later")
    theirs.post("/ai/conversations", {"name": "Later"})
    mine.http.post(f"{mine.url}/_mock/clock", json={"advance": 60})
    mine.admin("POST", "/reset")

    snapshot(mine, "POST", whole=True)

    assert seen(mine) == before
    assert theirs.get("/ai/conversations").json()["data"] == []
    assert mine.http.get(f"{mine.url}/_mock/clock").json()["now"] == "2026-01-01T00:00:00.000Z"


def test_a_reset_keeps_snapshots_and_a_server_that_is_kept_keeps_them_too(start, tmp_path):
    first = start(db=tmp_path / "mock.db")
    full(first)
    before = seen(first)
    snapshot(first, "PUT")
    first.http.post(f"{first.url}/_mock/reset")

    second = start(db=tmp_path / "mock.db")

    assert snapshot(second, "POST").status_code == 200
    assert seen(second) == before


def test_a_moved_clock_that_runs_is_not_wound_back(start):
    client = start(clock=NEW_YEAR)
    client.admin("POST", "/clock", json={"advance": 3600})
    snapshot(client, "PUT")
    client.http.post(f"{client.url}/_mock/clock", json={"advance": 60})
    client.admin("POST", "/clock", json={"set": "2040-01-01T00:00:00Z"})

    snapshot(client, "POST")

    assert client.admin("GET", "/clock").json()["now"] == "2026-01-01T01:01:00.000Z"


def test_rows_of_rooms_that_nobody_entered_since_the_start_are_in_it(start, tmp_path):
    first = start(db=tmp_path / "mock.db")
    full(first)
    before = seen(first)
    second = start(db=tmp_path / "mock.db")
    snapshot(second, "PUT")
    second.http.post(f"{second.url}/_mock/reset")
    assert second.get("/ai/conversations").json()["data"] == []

    snapshot(second, "POST")

    assert seen(second)["conversations"] == before["conversations"]


# From one server to another


@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
def test_downloaded_and_uploaded_it_is_restored_on_another_server(start, tmp_path, kept):
    here, there = start(clock=NEW_YEAR), start(clock=NEW_YEAR, db=tmp_path / "mock.db" if kept else None)
    full(here)
    snapshot(here, "PUT")
    download = snapshot(here, "GET")
    assert download.headers["content-disposition"] == 'attachment; filename="one.jsonl.gz"'

    uploaded = snapshot(there, "PUT", "carried", content=download.content)
    assert uploaded.status_code == 200
    assert there.get("/ai/conversations").json()["data"] == [], "kept, not restored"
    snapshot(there, "POST", "carried")

    assert seen(there) == seen(here)
    assert (
        there.post("/ai/conversations", {"name": "Next"}).json()
        == here.post("/ai/conversations", {"name": "Next"}).json()
    )


def test_an_account_s_snapshot_is_restored_under_another_key(start):
    mine = start(clock=NEW_YEAR)
    theirs = mine.as_key("another-key-altogether")
    full(mine)
    snapshot(mine, "PUT")
    snapshot(theirs, "PUT", content=snapshot(mine, "GET").content)

    snapshot(theirs, "POST")

    assert seen(theirs) == seen(mine)
    ids = [c.post("/ai/conversations", {"name": "Next"}).json()["id"] for c in (mine, theirs)]
    assert ids[0] != ids[1], "what comes after has ids of the account's own"
    assert len(theirs.get("/ai/conversations").json()["data"]) == 2


def test_an_account_s_snapshot_without_a_key_is_its_own_account_s(start):
    client = start(clock=NEW_YEAR)
    theirs = client.as_key("another-key-altogether")
    full(client)
    full(theirs)
    before = seen(theirs)
    snapshot(client, "PUT")
    snapshot(client, "PUT", whole=True, content=snapshot(client, "GET").content)
    client.admin("POST", "/reset")

    restored = snapshot(client, "POST", whole=True)

    assert restored.json()["restored"] == account_id(client.key.encode())
    assert len(client.get("/ai/conversations").json()["data"]) == 1
    assert seen(theirs) == before


def test_a_server_s_snapshot_is_not_restored_as_an_account(start):
    client = start()
    snapshot(client, "PUT", whole=True)
    answer = snapshot(client, "PUT", content=snapshot(client, "GET", whole=True).content)
    assert answer.status_code == 400 and "restore it without a key" in answer.text


def test_a_server_begins_with_a_snapshot(start, tmp_path):
    here = start(clock=NEW_YEAR)
    full(here)
    snapshot(here, "PUT", whole=True)
    path = tmp_path / "state.jsonl.gz"
    path.write_bytes(snapshot(here, "GET", whole=True).content)

    there = start(clock=NEW_YEAR, snapshot=path)

    assert seen(there) == seen(here)


def test_a_magic_key_known_from_a_snapshot_still_works(start):
    here = start()
    here.as_key("mock-fault-429-once").get("/ai/models")
    snapshot(here, "PUT", whole=True)
    there = start().as_key("mock-fault-429-once")
    snapshot(there, "PUT", whole=True, content=snapshot(here, "GET", whole=True).content)

    snapshot(there, "POST", whole=True)

    assert there.get("/ai/models").status_code == 200, "it has failed once already"
    there.http.post(f"{there.url}/_mock/reset")
    assert there.get("/ai/models").status_code == 429


@pytest.mark.parametrize("content", [b"", b"no gzip", crafted()[:-9], crafted({"part": "hats", "state": {}})])
def test_a_server_does_not_begin_with_a_file_that_is_none(tmp_path, content):
    path = tmp_path / "state.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"--snapshot .*: The snapshot"):
        create_app(Settings(snapshot=path))
    with pytest.raises(SettingsError, match="is not a file"):
        Settings(snapshot=tmp_path / "none")


# The list, and names


def test_listed_with_a_key_are_the_account_s_own(start):
    client = start(clock=NEW_YEAR)
    snapshot(client, "PUT", "mine")
    snapshot(client.as_key("another-key-altogether"), "PUT", "theirs")
    snapshot(client, "PUT", "all", whole=True)

    own = client.admin("GET", "/snapshots").json()["data"]
    every = client.http.get(f"{client.url}/_mock/snapshots").json()["data"]

    assert [row["name"] for row in own] == ["mine"]
    assert {row["name"] for row in every} == {"mine", "theirs", "all"}
    assert own[0]["account"] == account_id(client.key.encode()) and own[0]["at"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_one_that_is_not_there_is_not_found(start, tmp_path, method):
    for client in (start(), start(data=tmp_path)):
        snapshot(client, "PUT", "one", whole=True)
        assert snapshot(client, method, "one").status_code == 404, "it is the server's"
        assert snapshot(client, method, "two", whole=True).status_code == 404


def test_one_that_is_removed_is_gone(start, tmp_path):
    for client in (start(), start(data=tmp_path)):
        snapshot(client, "PUT")
        assert snapshot(client, "DELETE").json() == {"deleted": 1}
        assert snapshot(client, "GET").status_code == 404


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "%2e%2e%2fetc", "x" * 101, "ü"])
def test_names_that_cannot_be_are_refused(start, tmp_path, name):
    client = start(data=tmp_path)
    answer = client.http.put(f"{client.url}/_mock/snapshots/{name}")
    assert answer.status_code in (400, 404, 405)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_there_is_an_end_to_how_many_are_kept(start):
    client = start()
    for n in range(100):
        assert snapshot(client, "PUT", f"s{n}").status_code == 200
    assert "remove one first" in snapshot(client, "PUT", "one-more").text
    assert snapshot(client, "PUT", "s7").status_code == 200, "in place of one that is there"


def test_there_is_an_end_to_what_all_may_take(start):
    client = start(max_snapshot_bytes=3000)
    noise = b"".join(bytes([n * n * 7 % 251]) for n in range(2000))
    put(client, "docs", "noise", noise)
    statuses = [snapshot(client, "PUT", f"s{n}") for n in range(12)]
    assert {200, 413} >= {answer.status_code for answer in statuses}
    assert any(answer.status_code == 413 for answer in statuses)


def test_a_state_larger_than_the_limit_is_told(start):
    client = start(max_snapshot_bytes=100_000)
    for _ in range(5):
        conversation = client.post("/ai/conversations", {}).json()["id"]
        client.post(f"/ai/conversations/{conversation}/message", {"role": "user", "content": "x" * 30_000})
    by_rows = snapshot(client, "PUT")
    client.admin("POST", "/reset")
    put(client, "docs", "much", b"x" * 200_000)
    by_bytes = snapshot(client, "PUT")

    assert [by_rows.status_code, by_bytes.status_code] == [413, 413]
    assert "--max-snapshot-bytes" in by_rows.text and "--max-snapshot-bytes" in by_bytes.text
    assert client.admin("GET", "/snapshots").json()["data"] == []


# Crafted


ROW = {"table": "counter", "row": {"kind": "conversation", "n": 1}}
BAD: dict[str, tuple[bytes, str]] = {
    "no gzip": (b'{"snapshot": 1}', "no gzip file"),
    "cut": (crafted(ROW)[:-9], "ends too soon"),
    "damaged": (crafted(ROW)[:-6] + b"123456", "damaged"),
    "more behind": (crafted() + b"x", "behind its end"),
    "no header": (gzip.compress(b'{"part": "faults"}'), "no header"),
    "nothing": (gzip.compress(b""), "empty"),
    "another form": (crafted(snapshot=2), "snapshot"),
    "other tables": (crafted(tables=99), "version 99"),
    "an account that is a path": (crafted(account="acct_../../../../etc/passwd"), "account"),
    "no JSON": (gzip.compress(gzip.decompress(crafted()) + b"\n{"), "Line 2"),
    "no object": (gzip.compress(gzip.decompress(crafted()) + b"\n[]"), "Line 2"),
    "deep": (gzip.compress(gzip.decompress(crafted()) + b"\n" + b"[" * 100_000), "Line 2"),
    "a part that is none": (crafted({"part": "hats", "state": {}}), "line 2"),
    "a rule that is none": (crafted(rule({"id": "a", "effect": {"status": 200}})), "status"),
    "a rule of a path": (
        crafted(rule({"id": "a", "effect": "429"}, account="../x"), account=None),
        "account",
    ),
    "a rule without a name": (crafted(rule({"effect": "429"})), "a fault rule without a name"),
    "a rule that fired less than never": (crafted(rule({"id": "a", "effect": "429"}, counts={"": [0, -1]})), "is a whole number"),
    "a reply of a path": (crafted(reply({"id": "a", "reply": {"text": "a"}}, account="../x"), account=None), "'../x' is no account"),
    "a reply used less than never": (crafted({"part": "replies", "state": {"used": {"own a": -1}}}), "is a whole number"),
    "a reply's fault that fired by halves": (crafted({"part": "replies", "state": {"fired": {"a 0": [1, 0.5]}}}), "whole number"),
    "a clock that is none": (crafted({"part": "accounts", "state": {"counters": {}, "clock": {"at": "x"}}}), "clock"),
    "a clock that stands still in time": (crafted({"part": "clock", "state": {"at": 1, "of": 1, "speed": -1}}, account=None), "speed"),
    "an account of a path": (
        crafted({"part": "accounts", "state": {"id": "../x", "counters": {}, "clock": None, "state": None}}, account=None),
        "'../x' is no account",
    ),
    "a state that is none": (
        crafted({"part": "accounts", "state": {"counters": {}, "clock": None, "state": "rich"}}),
        "an account's state is one of",
    ),
    "a limit of which there is no end left": (
        crafted({"part": "limits", "state": {"own": None, "buckets": [["5/hour", "inf", 1e9]]}}),
        "what is left of a limit is a number",
    ),
    "counters that count nothing": (crafted({"part": "accounts", "state": {"counters": {"a": "b"}, "clock": None}}), "number"),
    "a table that is none": (crafted({"table": "sqlite_master", "row": {}}), "no table"),
    "columns that are none": (crafted({"table": "counter", "row": {"kind": "x", "n": 1, "rowid": 4}}), "columns"),
    "a value of another kind": (crafted({"table": "counter", "row": {"kind": "x", "n": "1"}}), "counter.n"),
    "a number too large": (crafted({"table": "counter", "row": {"kind": "x", "n": 2**63}}), "counter.n"),
    "two rows of a key": (crafted(ROW, ROW, rows={"counter": 2}), "cannot be together"),
    "an object that is a path": (crafted({"object": "../../x", "data": ""}, objects=1), "no name"),
    "bytes that are none": (crafted({"object": "x", "data": "%%%"}), "line 2"),
    "rows behind objects": (crafted({"object": "x", "data": ""}, ROW), "too late"),
}  # fmt: skip


@pytest.mark.check
@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD)
def test_a_snapshot_that_is_none_is_refused_and_changes_nothing(start, tmp_path, content, said):
    for client in (start(clock=NEW_YEAR), start(clock=NEW_YEAR, data=tmp_path / "data")):
        full(client)
        before = seen(client)
        answer = snapshot(client, "PUT", whole=True, content=content)
        if answer.status_code == 200:  # what only shows when it is put into place
            answer = snapshot(client, "POST", whole=True)
        assert answer.status_code == 400, answer.text
        assert said in answer.json()["errors"][0]["detail"]
        assert seen(client) == before
    assert {path.parts[len(tmp_path.parts)] for path in tmp_path.rglob("*")} == {"data"}


def test_a_snapshot_has_no_more_rules_than_there_may_be(start, monkeypatch):
    for part in ("faults", "replies"):
        monkeypatch.setattr(f"mock_server.engine.{part}.snapshot.MOST_RULES", 2)
    client = start()
    faults = [rule({"id": f"f{n}", "effect": "429"}) for n in range(3)]
    replies = [reply({"id": f"r{n}", "reply": {"text": "a"}}) for n in range(3)]
    for lines, said in ((faults, "at most 2 fault rules"), (replies, "at most 2 replies")):
        answers = [snapshot(client, "PUT", content=crafted(*lines)), snapshot(client, "POST")]
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert refused.status_code == 400 and said in refused.text
        snapshot(client, "DELETE")
    snapshot(client, "PUT", content=crafted(*faults[:2], *replies[:2]))
    assert snapshot(client, "POST").status_code == 200
    assert [row["id"] for row in client.admin("GET", "/faults").json()["data"]] == ["f0", "f1"]


def test_an_account_s_snapshot_cannot_name_another(start):
    client = start(clock=NEW_YEAR)
    theirs = client.as_key("another-key-altogether")
    full(theirs)
    other, before = account_id(theirs.key.encode()), seen(theirs)
    for line in (
        {"table": "counter", "row": {"account": other, "kind": "conversation", "n": 1}},
        {
            "part": "accounts",
            "state": {"id": other, "counters": {"request": 7}, "clock": {"at": 1, "of": 1, "speed": 0}},
        },
        rule({"id": "x", "effect": {"status": 500}}, account=other),
        {"object": "1", "account": other, "data": base64.b64encode(b"mine").decode()},
    ):
        snapshot(client, "PUT", content=crafted(line, account=other))
        snapshot(client, "POST")
        assert seen(theirs) == before


def test_a_row_that_names_a_file_outside_reads_nothing(start, tmp_path):
    (tmp_path / "secret").write_text("secret")
    client = start(data=tmp_path / "data")
    put(client, "docs", "note.txt", b"hello")
    snapshot(client, "PUT")
    altered = lines(snapshot(client, "GET").content)
    for line in altered:
        if line.get("table") == "bucket_object":
            line["row"]["pieces"] = json.dumps([["../../../secret", 6]])
    snapshot(client, "PUT", content=gzip.compress(b"\n".join(json.dumps(line).encode() for line in altered)))
    snapshot(client, "POST")
    answer = get(client, "docs", "note.txt")
    assert answer.status_code == 404 and "secret" not in answer.text


@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
def test_an_object_whose_bytes_lie_elsewhere_or_nowhere_is_not_found_and_removes_nothing(start, tmp_path, kept):
    (tmp_path / "secret").write_text("secret")
    client = start(data=tmp_path / "data") if kept else start()
    put(client, "docs", "note.txt", b"hello")
    snapshot(client, "PUT")
    altered = lines(snapshot(client, "GET").content)
    for name in ("../../../secret", "no_such_bytes"):
        for line in altered:
            if line.get("table") == "bucket_object":
                line["row"]["pieces"] = json.dumps([[name, 6]])
        packed = gzip.compress(b"\n".join(json.dumps(line).encode() for line in altered))
        assert snapshot(client, "PUT", content=packed).status_code == 200
        assert snapshot(client, "POST").status_code == 200

        assert get(client, "docs", "note.txt").status_code == 404
        assert put(client, "docs", "note.txt", b"again") == 200, "which removes the bytes that it had"
        assert get(client, "docs", "note.txt").content == b"again"
        assert (tmp_path / "secret").read_text() == "secret"


def test_bytes_that_fill_a_line_to_its_end_come_back_as_they_were(start):
    client, sizes = start(), (0, 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 1)
    for size in sizes:
        put(client, "docs", f"of-{size}", b"x" * size)
    assert snapshot(client, "PUT").json()["data"]["objects"] == 5
    sent = [line["object"] for line in lines(snapshot(client, "GET").content) if "object" in line]
    assert len(sent) == 1 + 1 + 1 + 2 + 3, "and no line is without need"
    client.admin("POST", "/reset")

    assert snapshot(client, "POST").status_code == 200

    assert [get(client, "docs", f"of-{size}").content for size in sizes] == [b"x" * size for size in sizes]


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), RuntimeError("any other")])
def test_bytes_that_cannot_be_put_in_place_leave_those_that_were(tmp_path, trouble):
    mine, theirs = "acct_" + 24 * "0", "acct_" + 24 * "1"
    blobs = Blobs(tmp_path, kept=True)
    names = {}
    for account in (mine, theirs):
        with blobs.writer(account) as writer:
            writer.write(b"before")
            names[account] = blobs.keep(account, writer)

    with blobs.stage() as stage, pytest.raises((ServiceUnavailable, RuntimeError)) as raised:
        stage.add(mine, "new", b"after")
        with blobs.replace(stage):
            assert b"".join(blobs.read(mine, "new")) == b"after"
            raise trouble

    assert {a: b"".join(blobs.read(a, name)) for a, name in names.items()} == {mine: b"before", theirs: b"before"}
    assert blobs.count() == (2, 12)
    assert ("Bytes cannot be written: No space left on device." in str(raised.value)) is isinstance(trouble, OSError)


def test_a_line_without_end_and_rows_of_tables_nobody_knows_are_refused(start):
    client = start()
    endless = gzip.compress(gzip.decompress(crafted()) + b"\n" + b" " * (33 * MIB))
    unknown = crafted({"table": "no_such_table", "row": {}}, rows={"no_such_table": 1})

    for content, said in ((endless, "A line of the snapshot has more than 33554432 bytes."), (unknown, "no table")):
        answer = snapshot(client, "PUT", content=content)
        assert answer.status_code == 400 and said in answer.json()["errors"][0]["detail"]
    assert client.admin("GET", "/snapshots").json()["data"] == []


def test_a_snapshot_for_which_there_is_no_room_says_what_room_there_is(start):
    client = start(max_snapshot_bytes=3000)
    content = crafted(
        {"object": "1", "data": base64.b64encode(bytes(n * n * 7 % 251 for n in range(900))).decode()}, objects=1
    )

    told = [snapshot(client, "PUT", f"s{n}", whole=True, content=content) for n in range(40)]

    (refused,) = {answer.status_code for answer in told} - {200}
    assert refused == 413
    first = next(answer for answer in told if answer.status_code == 413)
    assert "remove another first" in first.json()["errors"][0]["detail"]


@pytest.mark.check
def test_one_that_inflates_without_end_is_refused(start):
    client = start(max_snapshot_bytes=MIB)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(300)) + packer.flush()
    assert len(bomb) < MIB
    answer = snapshot(client, "PUT", content=bomb)
    assert answer.status_code in (400, 413)


def test_an_upload_larger_than_the_limit_is_refused(start):
    client = start(max_snapshot_bytes=1000)
    assert snapshot(client, "PUT", content=b"x" * 5000).status_code == 413
    assert snapshot(client, "PUT", content=iter([b"x" * 600, b"x" * 600])).status_code == 413
