"""`--workers`: several processes on one port. Real processes, real connections; what one server promises holds for all of them."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import httpx
import openai
import pytest
from botocore.config import Config
from websockets.sync.client import connect

from mock_server import LocalServer, Settings, create_app
from mock_server.base.ids import account_id
from mock_server.base.place import Place
from mock_server.base.settings import SettingsError
from mock_server.workers.spread import ALONE, TABLE, added
from tests.test_serve import PATIENCE, PROMISED, READY, Running, command, environment, refused

pytestmark = pytest.mark.check  # each test starts processes

WORKERS = 4
ANY_PORT = ("--port", "0")
# Each request over a connection of its own, which any worker may accept.
ANEW = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))
CHAT = "/v2/ai/chat/completions"
HI = {"messages": [{"role": "user", "content": "hi"}]}


def started(*arguments: str) -> Running:
    process = subprocess.Popen(
        command("--workers", str(WORKERS), *ANY_PORT, *arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    found = READY.fullmatch(line)
    if found is None:
        pytest.fail(f"no line with the URL, but {line!r} and {process.communicate(timeout=10)}")
    return Running(process, found[1], line)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = started("--db", str(tmp_path_factory.mktemp("workers") / "state.sqlite3"))
    yield server
    assert server.stop(signal.SIGTERM) == (0, "", "")


@pytest.fixture
def server(running: Running) -> Running:
    """The server of this module, as new."""
    ANEW.post(f"{running.url}/_mock/reset").raise_for_status()
    return running


@pytest.fixture
def launch() -> Iterator[Callable[..., Running]]:
    begun: list[Running] = []

    def run(*arguments: str) -> Running:
        begun.append(started(*arguments))
        return begun[-1]

    yield run
    for server in begun:
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as client:
        yield client


def key_in(worker: int, n: int = 0) -> str:
    """The n-th of the keys whose account lives in a worker."""
    place = Place(worker, WORKERS)
    return [key for key in (f"key-{i}" for i in range(100)) if place.keeps(account_id(key.encode()))][n]


KEYS = [key_in(worker) for worker in range(WORKERS)]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def admin(server: Running, method: str, path: str, key: str | None = None, **options: Any) -> Any:
    """An admin call over a connection of its own; its JSON."""
    answer = ANEW.request(method, f"{server.url}/_mock{path}", headers=bearer(key) if key else {}, **options)
    assert answer.is_success, answer.text
    return answer.json()


def chat(server: Running, key: str) -> httpx.Response:
    """A chat over a connection of its own."""
    return ANEW.post(server.url + CHAT, headers=bearer(key), json=HI)


def spoken(connection: socket.socket, request: bytes, until: bytes) -> bytes:
    """What comes back over a plain connection, up to where `until` ends it."""
    connection.sendall(request)
    taken = b""
    while not taken.endswith(until):
        data = connection.recv(65536)
        if not data:
            break
        taken += data
    return taken


def plain(key: str, body: bytes, *more: str) -> bytes:
    head = [
        f"POST {CHAT} HTTP/1.1",
        "host: localhost",
        f"authorization: Bearer {key}",
        "content-type: application/json",
    ]
    return "\r\n".join([*head, f"content-length: {len(body)}", *more, "", ""]).encode() + body


def opened(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


# ------------------------------------------------------------------------------------------- counters


@pytest.mark.parametrize("owner", ["account", "everyone"])
def test_a_rule_of_seven_fires_seven_times_in_200_requests_at_once(server: Running, owner: str) -> None:
    key = KEYS[2]
    admin(server, "POST", "/faults", key if owner == "account" else None, json={"times": 7, "effect": {"status": 503}})

    with ThreadPoolExecutor(40) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: chat(server, key), range(200))]

    assert (statuses.count(503), statuses.count(200)) == (7, 193)


def test_everyones_rule_counts_for_each_account(server: Running) -> None:
    rule = admin(server, "POST", "/faults", json={"times": 3, "effect": {"status": 503}})["data"]

    statuses = {key: [chat(server, key).status_code for _ in range(5)] for key in KEYS}

    assert all(found == [503] * 3 + [200] * 2 for found in statuses.values())
    [listed] = admin(server, "GET", "/faults")["data"]
    assert (listed["id"], listed["used"], listed["account"]) == (rule["id"], 12, None)


def test_a_limit_of_an_account_lets_through_what_it_says(server: Running) -> None:
    admin(server, "POST", "/clock", json={"freeze": True})
    admin(server, "PUT", "/limits", json={"limits": ["20/minute"]})

    with ThreadPoolExecutor(20) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: chat(server, KEYS[1]), range(50))]

    assert (statuses.count(200), statuses.count(429)) == (20, 30)


def test_one_idempotency_key_makes_one_conversation(server: Running) -> None:
    headers = {**bearer(KEYS[3]), "idempotency-key": "one"}
    url = f"{server.v2}/ai/conversations"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ANEW.post(url, headers=headers, json={"name": "one"}), range(40)))

    assert {a.status_code for a in answers} <= {200, 409}
    assert len({a.json()["id"] for a in answers if a.status_code == 200}) == 1


# ------------------------------------------------------------------------------------------- admin calls


def test_an_answered_change_is_in_force_on_every_worker(server: Running) -> None:
    """Again and again: a change that had not arrived yet would show in some round."""
    for n in range(25):
        id = admin(server, "POST", "/faults", json={"effect": {"status": 400 + n}})["data"]["id"]
        assert [chat(server, key).status_code for key in KEYS] == [400 + n] * WORKERS
        admin(server, "DELETE", f"/faults/{id}")
        assert [chat(server, key).status_code for key in KEYS] == [200] * WORKERS


def test_a_reply_is_in_force_everywhere_under_one_id(server: Running) -> None:
    admin(server, "POST", "/replies", KEYS[1], json={"match": {"user_text": "other"}, "reply": {"text": "mine"}})
    reply = {"match": {"user_text": "hi"}, "reply": {"text": "the same for all"}}
    id = admin(server, "POST", "/replies", json=reply)["data"]["id"]

    texts = {chat(server, key).json()["choices"][0]["message"]["content"] for key in KEYS}

    assert texts == {"the same for all"}
    used = [(rule["id"], rule["used"]) for key in KEYS for rule in admin(server, "GET", "/replies", key)["data"]]
    assert used.count((id, 1)) == WORKERS
    everyones = [rule for rule in admin(server, "GET", "/replies")["data"] if rule["account"] is None]
    assert [rule["used"] for rule in everyones if rule["id"] == id] == [WORKERS]
    assert admin(server, "DELETE", "/replies") == {"deleted": 2}


def test_all_have_the_same_time(server: Running) -> None:
    admin(server, "POST", "/clock", json={"freeze": True})
    admin(server, "POST", "/clock", json={"advance": 3600})

    told = {admin(server, "GET", "/clock", key)["now"] for key in KEYS} | {admin(server, "GET", "/clock")["now"]}
    created = {chat(server, key).json()["created"] for key in KEYS}

    assert (len(told), len(created)) == (1, 1)


def test_a_clock_that_runs_runs_alike(server: Running) -> None:
    admin(server, "POST", "/clock", json={"set": "2031-01-01T00:00:00Z", "speed": 0})
    admin(server, "POST", "/clock", json={"speed": 1})

    assert {admin(server, "GET", "/clock", key)["now"][:10] for key in KEYS} == {"2031-01-01"}


def test_a_reset_makes_all_as_new(server: Running, http: httpx.Client) -> None:
    admin(server, "POST", "/faults", json={"effect": {"status": 503}})
    admin(server, "PUT", "/account", json={"state": "read-only"})
    for key in KEYS:
        admin(server, "POST", "/replies", key, json={"reply": {"text": "mine"}})
        chat(server, key)

    admin(server, "POST", "/reset")

    assert admin(server, "GET", "/requests")["data"] == []
    assert admin(server, "GET", "/accounts")["meta"]["total"] == 0
    assert admin(server, "GET", "/faults")["data"] == []
    ids = {chat(server, key).json()["id"] for key in KEYS}
    admin(server, "POST", "/reset")
    assert {chat(server, key).json()["id"] for key in KEYS} == ids


def test_a_scenario_for_everyone_is_on_for_every_account(server: Running) -> None:
    admin(server, "POST", "/scenario", json={"name": "flaky-network"})
    rules = [[rule["id"] for rule in admin(server, "GET", "/faults", key)["data"]] for key in KEYS]

    assert rules[0] and rules == [rules[0]] * WORKERS
    assert admin(server, "DELETE", "/scenario")["data"] == {"switched_off": "flaky-network"}
    assert [admin(server, "GET", "/faults", key)["data"] for key in KEYS] == [[]] * WORKERS


def test_what_is_deleted_is_counted_once(server: Running) -> None:
    for key in (None, *KEYS):
        admin(server, "POST", "/faults", key, json={"effect": {"status": 503}})

    assert admin(server, "GET", "/state")["data"]["faults"] == 1 + WORKERS
    assert len(admin(server, "GET", "/faults")["data"]) == 1 + WORKERS
    assert admin(server, "DELETE", "/faults") == {"deleted": 1 + WORKERS}
    assert admin(server, "GET", "/faults")["data"] == []


def test_a_refused_change_changes_nothing(server: Running) -> None:
    answer = ANEW.post(f"{server.url}/_mock/faults", json={"effect": {"status": 9}})

    assert answer.status_code == 422
    assert admin(server, "GET", "/faults")["data"] == []
    assert ANEW.delete(f"{server.url}/_mock/faults/none").status_code == 404


def test_what_is_the_servers_is_asked_with_any_key(server: Running) -> None:
    for key in KEYS:
        chat(server, key)

    assert {admin(server, "GET", "/accounts", key)["meta"]["total"] for key in KEYS} == {WORKERS}


def test_rules_of_files_are_read_again_by_all(launch: Callable[..., Running], tmp_path: Path) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text("faults: []")
    server = launch("--faults", str(file), "--admin-token", "secret")
    file.write_text("faults: [{effect: {status: 503}}]")

    token = {"x-mock-admin-token": "secret", **bearer(KEYS[2])}
    assert ANEW.post(f"{server.url}/_mock/faults/reload", headers=token).json() == {"loaded": 1}

    assert [chat(server, key).status_code for key in KEYS] == [503] * WORKERS
    assert ANEW.post(f"{server.url}/_mock/faults/reload").status_code == 401
    assert ANEW.get(f"{server.url}/_mock/requests").status_code == 401


def test_a_rule_of_an_account_is_taken_out_without_its_key(server: Running) -> None:
    id = admin(server, "POST", "/faults", KEYS[3], json={"id": "mine", "effect": {"status": 503}})["data"]["id"]

    assert admin(server, "DELETE", f"/faults/{id}") == {"deleted": 1}
    assert chat(server, KEYS[3]).status_code == 200


def test_an_account_is_steered_by_its_id(server: Running, http: httpx.Client) -> None:
    for key in KEYS:
        chat(server, key)
        by_id = {"x-mock-account": account_id(key.encode())}
        told = http.get(f"{server.url}/_mock/requests", headers=by_id).json()["data"]
        assert [row["account"] for row in told] == [account_id(key.encode())]


def test_the_clock_of_workers_is_no_clients_to_set(server: Running) -> None:
    forged = {"x-mock-server-clock": '[{"at": 0, "of": 0, "speed": 0}]', "mock.sibling": "1"}
    ANEW.get(f"{server.url}/_mock/faults", headers=forged).raise_for_status()
    ANEW.post(f"{server.url}/_mock/faults", headers=forged, json={"effect": {"status": 503}}).raise_for_status()

    assert {admin(server, "GET", "/clock", key)["now"] > "2020" for key in KEYS} == {True}
    assert ANEW.get(f"{server.url}/_mock/-/journal").status_code == 404


def test_health_tells_how_many_serve(server: Running) -> None:
    assert admin(server, "GET", "/health")["workers"] == WORKERS


def test_every_admin_call_says_whom_it_concerns() -> None:
    app = create_app()
    paths = app.admin().document()["paths"]
    calls = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    assert set(TABLE) | ALONE == calls
    assert not set(TABLE) & ALONE


# ------------------------------------------------------------------------------------------- journal


def test_the_journal_is_one(server: Running) -> None:
    asked = [KEYS[n % WORKERS] for n in range(12)]
    ids = [chat(server, key).headers["x-request-id"] for key in asked]

    told = admin(server, "GET", "/requests", params={"brief": True})["data"]

    assert [row["id"] for row in told] == ids[::-1]
    assert [row["account"] for row in told] == [account_id(key.encode()) for key in asked[::-1]]
    assert admin(server, "GET", f"/requests/{ids[1]}")["data"]["id"] == ids[1]
    assert len(admin(server, "GET", "/requests", params={"limit": 5})["data"]) == 5
    assert admin(server, "DELETE", "/requests") == {"deleted": 12}


def test_verify_counts_and_orders_over_all(server: Running) -> None:
    for key in KEYS:
        chat(server, key)
    ANEW.get(f"{server.v2}/ai/models", headers=bearer(KEYS[0])).raise_for_status()

    chats = {"match": {"operation": "chat.*"}, "count": {"exactly": WORKERS}}
    in_order = {"match": [{"operation": "chat.*"}] * WORKERS + [{"operation": "*models*"}], "count": "in_order"}

    assert admin(server, "POST", "/verify", json=chats)["data"]["found"] == WORKERS
    assert admin(server, "POST", "/verify", json=in_order)["data"]["found"] == WORKERS + 1
    wrong = ANEW.post(f"{server.url}/_mock/verify", json={"match": {"path": "/none"}, "count": {"exactly": 1}})
    assert wrong.status_code == 417


def test_metrics_are_added_up(server: Running) -> None:
    for key in (*KEYS, KEYS[1]):
        chat(server, key)
    ANEW.get(f"{server.v2}/ai/models", headers=bearer(KEYS[2])).raise_for_status()

    told = ANEW.get(f"{server.url}/_mock/metrics", headers=bearer(KEYS[3])).text

    assert 'telnyx_mock_exchanges_total{operation="chat.create_completion",status="200"} 5.0\n' in told
    assert re.search(r'telnyx_mock_exchanges_total\{operation="[^"]*models[^"]*",status="200"\} 1\.0\n', told)
    assert re.search(r"\ntelnyx_mock_server_info\{.*\} 1\.0\n", told)
    assert len(re.findall("^# HELP", told, re.MULTILINE)) == len(set(re.findall("^# HELP.*", told, re.MULTILINE)))


def test_metrics_that_are_refused_are_refused_once(server: Running) -> None:
    refused = ANEW.get(f"{server.url}/_mock/metrics", headers={"host": "page.example"})
    assert refused.status_code == 403 and "--admin-host" in refused.json()["errors"][0]["detail"]


def test_figures_in_either_text_form_are_added_up() -> None:
    def told(n: int) -> bytes:
        return (
            b'# HELP a_total About a.\n# TYPE a_total counter\na_total{x="y z"} %d.0\n\n'
            b'# HELP telnyx_mock_server_info About it.\ntelnyx_mock_server_info{v="1"} 1.0\n# EOF\n' % n
        )

    assert added([told(2), told(3), told(4)]) == told(9).replace(b"\n\n", b"\n")


def test_a_body_for_all_workers_may_come_in_pieces_and_has_a_bound(server: Running) -> None:
    rule = json.dumps({"id": "pieces", "effect": 503}).encode()
    url, kind = f"{server.url}/_mock/faults", {"content-type": "application/json"}
    ANEW.post(url, content=iter([rule[:9], rule[9:]]), headers=kind).raise_for_status()
    refused = ANEW.post(url, content=iter([b" " * 1024 * 1024] * 17), headers=kind)

    assert refused.status_code == 413
    assert [chat(server, key).status_code for key in KEYS] == [503] * WORKERS
    assert ANEW.delete(f"{url}/pieces").json() == {"deleted": 1}


def test_the_stream_of_exchanges_has_those_of_all(server: Running, http: httpx.Client) -> None:
    with http.stream("GET", f"{server.url}/_mock/requests/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: open"
        ids = {chat(server, key).headers["x-request-id"] for key in KEYS}
        seen: set[str] = set()
        opens = 0
        for line in lines:
            opens += line == "event: open"
            if line.startswith("data: ") and (data := json.loads(line[6:])):
                seen |= {row["id"] for row in data["data"]}
            if seen == ids:
                break

    assert (seen, opens) == (ids, 0)


# ------------------------------------------------------------------------------------------- ids and rows


def test_2000_conversations_of_20_keys_have_ids_of_their_own(server: Running) -> None:
    keys = [f"many-{n}" for n in range(20)]
    assert {Place(0, WORKERS).owner(account_id(key.encode())) for key in keys} == set(range(WORKERS))

    def create(key: str) -> list[str]:
        with httpx.Client(headers=bearer(key), timeout=PATIENCE) as http:
            made = [http.post(f"{server.v2}/ai/conversations", json={"name": str(n)}) for n in range(100)]
        assert {answer.status_code for answer in made} == {200}
        return [answer.json()["id"] for answer in made]

    with ThreadPoolExecutor(20) as pool:
        ids = dict(zip(keys, pool.map(create, keys), strict=True))

    assert len({id for own in ids.values() for id in own}) == 2000
    for key, own in ids.items():
        for id in own[::25]:  # each over a connection of its own
            read = ANEW.get(f"{server.v2}/ai/conversations/{id}", headers=bearer(key))
            assert (read.status_code, read.json()["data"]["id"]) == (200, id)
    stranger = ANEW.get(f"{server.v2}/ai/conversations/{ids[keys[0]][0]}", headers=bearer(keys[1]))
    assert stranger.status_code == 404
    assert admin(server, "GET", "/state")["data"]["rows"]["conversation"] == 2000


def test_request_ids_differ_whoever_asks(server: Running) -> None:
    ids = []
    for _ in range(5):
        for headers in (*map(bearer, KEYS), {}):
            ids.append(ANEW.post(server.url + CHAT, headers=headers, json=HI).headers["x-request-id"])
            ids.append(ANEW.get(f"{server.url}/_mock/clock", headers=headers).headers["x-request-id"])
            aws = {
                "authorization": f"AWS4-HMAC-SHA256 Credential={headers.get('authorization', 'x')[7:]}/1/r/s/aws4_request"
            }
            ids.append(ANEW.post(server.url + CHAT, headers=aws, json=HI).headers["x-request-id"])

    assert len(set(ids)) == len(ids)


def test_a_snapshot_of_the_server_has_what_all_have(server: Running) -> None:
    everyones = admin(server, "POST", "/faults", json={"times": 2, "effect": {"status": 503}})["data"]["id"]
    for n, key in enumerate(KEYS):
        admin(server, "POST", "/replies", key, json={"reply": {"text": f"of {n}"}})
        assert chat(server, key).status_code == 503
    conversation = ANEW.post(f"{server.v2}/ai/conversations", headers=bearer("x"), json={"name": "kept"}).status_code
    assert conversation == 503
    admin(server, "PUT", "/snapshots/whole")

    def found() -> list[Any]:
        return [[a.status_code for a in (chat(server, key), chat(server, key))] for key in KEYS]

    before = found()
    admin(server, "POST", "/reset")
    admin(server, "POST", "/snapshots/whole")

    assert before == [[503, 200]] * WORKERS
    assert [rule["used"] for rule in admin(server, "GET", "/faults")["data"] if rule["id"] == everyones] == [
        WORKERS + 1
    ]
    assert found() == before
    texts = [chat(server, key).json()["choices"][0]["message"]["content"] for key in KEYS]
    assert texts == [f"of {n}" for n in range(WORKERS)]


def test_a_snapshot_is_loaded_at_the_start(server: Running, launch: Callable[..., Running], tmp_path: Path) -> None:
    file = tmp_path / "whole.jsonl.gz"
    for n, key in enumerate(KEYS):
        admin(server, "POST", "/replies", key, json={"reply": {"text": f"of {n}"}})
        ANEW.post(f"{server.v2}/ai/conversations", headers=bearer(key), json={"name": "kept"}).raise_for_status()
    admin(server, "PUT", "/snapshots/start")
    file.write_bytes(ANEW.get(f"{server.url}/_mock/snapshots/start").content)

    other = launch("--snapshot", str(file))

    texts = [chat(other, key).json()["choices"][0]["message"]["content"] for key in KEYS]
    listed = [ANEW.get(f"{other.v2}/ai/conversations", headers=bearer(key)).json()["data"] for key in KEYS]
    assert texts == [f"of {n}" for n in range(WORKERS)]
    assert [[row["name"] for row in rows] for rows in listed] == [["kept"]] * WORKERS
    assert len(admin(other, "GET", "/replies")["data"]) == len(admin(server, "GET", "/replies")["data"])


# ------------------------------------------------------------------------------------------- connections


def test_a_kept_connection_may_change_keys(server: Running) -> None:
    body = json.dumps(HI).encode()
    with opened(server) as connection:
        answers = [spoken(connection, plain(KEYS[n % WORKERS], body), b"}}") for n in range(40)]

    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    for key in KEYS:
        assert len(admin(server, "GET", "/requests", key)["data"]) == 10


def test_requests_sent_ahead_are_answered_in_order(server: Running) -> None:
    body = json.dumps(HI).encode()
    with opened(server) as connection:
        connection.sendall(plain(KEYS[1], body) * 5 + plain(KEYS[1], body, "connection: close"))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answers.count(b"HTTP/1.1 200") == 6
    assert len(admin(server, "GET", "/requests", KEYS[1])["data"]) == 6


def test_one_sent_ahead_for_another_worker_is_left_unanswered(server: Running) -> None:
    body = json.dumps(HI).encode()
    with opened(server) as connection:
        connection.sendall(plain(KEYS[1], body) * 2 + plain(KEYS[2], body) + plain(KEYS[1], body))
        answers = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answers.count(b"HTTP/1.1 200") == 2
    assert [len(admin(server, "GET", "/requests", key)["data"]) for key in KEYS] == [0, 2, 0, 0]


@pytest.mark.parametrize("key", KEYS)
def test_a_request_may_come_in_pieces(server: Running, key: str) -> None:
    request = plain(key, json.dumps(HI).encode())
    with opened(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(request) - 7, 7):
            connection.sendall(request[at : at + 7])
            time.sleep(0.001)  # so that they travel apart
        answer = spoken(connection, request[at + 7 :], b"}}")

    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("key", KEYS)
def test_a_body_is_asked_for_with_100_continue(server: Running, key: str) -> None:
    body = json.dumps(HI).encode()
    request = plain(key, body, "expect: 100-continue")
    with opened(server) as connection:
        waited = spoken(connection, request[: -len(body)], b"\r\n\r\n")
        answer = spoken(connection, body, b"}}")

    assert waited == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("worker", range(WORKERS))
def test_large_objects_go_and_come(server: Running, worker: int) -> None:
    """Tens of MB through connections that changed hands, signed as the vendor's documents say."""
    data = os.urandom(24 * 1024 * 1024)
    s3 = boto3.client(
        "s3", endpoint_url=f"{server.url}/s3", region_name="us-central-1",
        aws_access_key_id=KEYS[worker], aws_secret_access_key=KEYS[worker],
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    s3.create_bucket(Bucket=f"large-{worker}")
    s3.put_object(Bucket=f"large-{worker}", Key="one", Body=data)

    assert s3.get_object(Bucket=f"large-{worker}", Key="one")["Body"].read() == data
    link = s3.generate_presigned_url("get_object", Params={"Bucket": f"large-{worker}", "Key": "one"})
    assert ANEW.get(link).content == data


def test_streams_come_whole(server: Running) -> None:
    def told(key: str) -> str:
        sdk = openai.OpenAI(api_key=key, base_url=f"{server.v2}/ai", max_retries=0)
        stream = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "tell me"}], stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(told, KEYS * 6))

    assert len(set(texts)) == 1 and texts[0]


@pytest.mark.parametrize("key", KEYS)
def test_sockets_are_handed_over(server: Running, key: str) -> None:
    url = f"{server.v2.replace('http', 'ws')}/text-to-speech/speech?voice=Telnyx.NaturalHD.astra"
    with connect(url, additional_headers=bearer(key), proxy=None) as talking:
        for frame in ({"text": " "}, {"text": "Hello."}, {"text": ""}):
            talking.send(json.dumps(frame))
        frames = [json.loads(frame) for frame in talking]

    assert any(frame.get("audio") for frame in frames)
    [row] = admin(server, "GET", "/requests", key)["data"]
    assert (row["kind"], row["status"]) == ("socket", 101)


def test_bytes_that_are_no_request_are_refused(server: Running) -> None:
    for sent in (b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\nbad header\r\n\r\n"):
        with opened(server) as connection:
            connection.sendall(sent)
            assert b"".join(iter(lambda c=connection: c.recv(65536), b"")).startswith(b"HTTP/1.1 400")


def test_who_leaves_on_the_way_breaks_nothing(server: Running) -> None:
    request = plain(KEYS[3], json.dumps(HI).encode())
    for cut in (10, len(request) - 5, len(request)) * 20:
        with opened(server) as connection:
            connection.sendall(request[:cut])

    assert [chat(server, key).status_code for key in KEYS] == [200] * WORKERS


def test_descriptors_do_not_pile_up(server: Running) -> None:
    def open_files() -> int:
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in workers_of(server))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here")
    counts = []
    for _ in range(2):
        for n in range(100):
            chat(server, KEYS[n % WORKERS])
            admin(server, "GET", "/faults")
        deadline = time.monotonic() + PATIENCE
        while open_files() > (counts[0] if counts else 10**6) and time.monotonic() < deadline:
            chat(server, KEYS[0])
        counts.append(open_files())

    assert counts[1] <= counts[0] + 2


# ------------------------------------------------------------------------------------------- processes


def workers_of(server: Running) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    return [int(pid) for pid in found.stdout.split()]


def test_a_worker_that_is_killed_ends_the_server(launch: Callable[..., Running]) -> None:
    server = launch()
    pids = workers_of(server)

    os.kill(pids[2], signal.SIGKILL)
    out, err = server.process.communicate(timeout=PATIENCE)

    assert len(pids) == WORKERS
    assert (server.process.returncode, out) == (1, "")
    said = rf"telnyx-ai-mock: worker \d \(process {pids[2]}\) was killed by SIGKILL: the server stops\.\n"
    assert re.fullmatch(said, err)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_workers_end_with_their_supervisor(
    launch: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = launch()
    assert len(list(tmp_path.iterdir())) == 1
    pids = workers_of(server)

    server.process.kill()
    server.process.communicate(timeout=PATIENCE)  # ends when the last of them has closed its output

    with pytest.raises(OSError):
        opened(server)
    deadline = time.monotonic() + PATIENCE
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline
    assert list(tmp_path.iterdir()) == []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def opened_everything(server: Running, stack: ExitStack) -> None:
    """A paced stream and a socket of an account on each worker, and an onlooker."""
    body = json.dumps({**HI, "stream": True}).encode()
    for key in KEYS:
        connection = stack.enter_context(opened(server))
        assert spoken(connection, plain(key, body), b"\n\n\r\n").startswith(b"HTTP/1.1 200")
        url = f"{server.v2.replace('http', 'ws')}/text-to-speech/speech"
        stack.enter_context(connect(url, additional_headers=bearer(key), proxy=None)).send('{"text": " "}')
    watching = stack.enter_context(opened(server))
    spoken(watching, b"GET /_mock/requests/stream HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\n\n\r\n")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_with_streams_and_sockets_open(launch: Callable[..., Running], how: signal.Signals) -> None:
    """A promise in seconds: on a busy machine it is given three tries."""
    taken: list[float] = []
    while len(taken) < 3 and not any(seconds < PROMISED for seconds in taken):
        server = launch("--tokens-per-second", "0.1")
        with ExitStack() as stack:
            opened_everything(server, stack)
            before = time.monotonic()
            assert server.stop(how) == (0, "", "")
            taken.append(time.monotonic() - before)

    assert min(taken) < PROMISED


def test_state_outlives_the_server_and_temporary_state_does_not(launch: Callable[..., Running], tmp_path: Path) -> None:
    kept = ("--db", str(tmp_path / "kept.sqlite3"))
    for arguments, names in ((kept, [["one"]]), ((), [[]])):
        first = launch(*arguments)
        ANEW.post(f"{first.v2}/ai/conversations", headers=bearer("k"), json={"name": "one"}).raise_for_status()
        first.stop(signal.SIGTERM)
        second = launch(*arguments)
        rows = ANEW.get(f"{second.v2}/ai/conversations", headers=bearer("k")).json()["data"]
        assert [[row["name"] for row in rows]] == names
        second.stop(signal.SIGTERM)


def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("faults: 3")

    assert "from 1 to 16" in refused("--workers", "0")[2]
    assert "needs --db" in refused("--workers", "2", "--data", str(tmp_path))[2]
    code, out, err = refused("--workers", "3", "--port", "0", "--faults", str(bad))
    assert (code, out, err.count("\n")) == (2, "", 1) and "bad.yaml" in err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = refused("--workers", "2", "--port", str(taken.getsockname()[1]))
    assert code == 2 and "in use" in err
    with pytest.raises(SettingsError, match="LocalServer"):
        LocalServer(Settings(port=0, workers=2))
