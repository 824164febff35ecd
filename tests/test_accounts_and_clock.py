"""Every key is its own account with its own time; and waits go by that time."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from mock_server import LocalServer, Settings
from mock_server.base.clock import Clock

CHAT = "/ai/chat/completions"


def set_clock(client, **change: Any) -> None:
    assert client.admin("POST", "/clock", json=change).status_code == 200


def created(client) -> int:
    return client.chat().json()["created"]


def stream_lines(client, **fields: Any) -> Any:
    """An open stream: a context manager that gives the response."""
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True, **fields}
    return client.http.stream("POST", client.v2 + CHAT, json=body, headers={"authorization": f"Bearer {client.key}"})


# Accounts


def test_a_key_is_an_account_named_by_a_hash(client):
    other = client.as_key(client.key + "x")
    client.get("/ai/models")
    other.get("/ai/models")
    mine, theirs = client.journal()[0]["account"], other.journal()[0]["account"]
    assert mine != theirs and mine.startswith("acct_") and theirs.startswith("acct_")
    assert client.key not in mine and len(mine) == len(theirs)


@pytest.mark.parametrize(
    "key", ["x", "KEY0123456789_abc", "sk-with.dots/and:colons", "ключ".encode().decode("latin-1"), "k" * 4096]
)
def test_any_non_empty_key_will_do(client, key):
    headers = {b"authorization": b"Bearer " + key.encode("latin-1")}
    assert client.http.get(client.v2 + "/ai/models", headers=headers).status_code == 200


def test_the_same_key_is_the_same_account_on_every_server(start):
    first, second = start(), start()
    accounts = []
    for client in (first, second):
        client.get("/ai/models")
        accounts.append(client.journal()[0]["account"])
    assert accounts[0] == accounts[1]


def test_two_servers_in_one_process_never_meet(start):
    first, second = start(profile="live", seed=1), start(profile="spec", seed=2)
    first.admin("POST", "/faults", json={"effect": {"status": 503}, "match": {"operation": "ai.*"}})
    set_clock(first, set="2001-01-01T00:00:00Z", freeze=True)
    assert (first.get("/ai/models").status_code, second.get("/ai/models").status_code) == (503, 200)
    assert created(first) == 978307200 and created(second) > 1_700_000_000
    assert (first.chat(model="no/such").status_code, second.chat(model="no/such").status_code) == (400, 200)
    assert (len(first.journal()), len(second.journal())) == (3, 3)


def test_only_named_keys_are_accepted_where_keys_are_named(start):
    client = start(api_key=("one-key", "two-key"))
    answers = [client.as_key(key).get("/ai/models").status_code for key in ("one-key", "two-key", "one-ke", "one-key2")]
    assert answers == [200, 200, 401, 401]


# Clocks


def test_a_test_freezes_its_own_time_and_no_others(client):
    other = client.as_key(client.key + "-other")
    set_clock(client, set="2026-01-01T00:00:00Z", freeze=True)
    set_clock(other, set="2030-01-01T00:00:00Z", freeze=True)
    assert (created(client), created(other)) == (1767225600, 1893456000)
    set_clock(client, advance=100)
    assert (created(client), created(other)) == (1767225700, 1893456000)
    assert created(client.as_key(client.key + "-third")) > 1_700_000_000


def test_the_servers_clock_moves_every_account_that_has_no_own(start):
    client = start(clock="2026-01-01T00:00:00Z")
    other = client.as_key("another-key-altogether")
    set_clock(other, advance=1000)
    client.http.post(client.url + "/_mock/clock", json={"advance": 60})
    assert (created(client), created(other)) == (1767225660, 1767226660)


def test_a_frozen_start_is_frozen_and_comes_back_on_reset(start):
    client = start(clock="2026-01-01T00:00:00Z")
    client.http.post(client.url + "/_mock/clock", json={"set": "2027-01-01T00:00:00Z"})
    moved = created(client)
    client.http.post(client.url + "/_mock/reset")
    assert (moved, created(client), created(client)) == (1798761600, 1767225600, 1767225600)


def test_the_journal_tells_the_accounts_time(client):
    set_clock(client, set="2026-01-01T00:00:00.250Z", freeze=True)
    client.get("/ai/models")
    assert client.journal()[0]["at"] == "2026-01-01T00:00:00.250Z"


# Pacing


def moving(client, done: threading.Event) -> threading.Thread:
    """A thread that moves the account's clock on, second by second, until `done`."""

    def move() -> None:
        with httpx.Client(verify=False, headers={"authorization": f"Bearer {client.key}"}) as http:
            while not done.is_set():
                http.post(client.url + "/_mock/clock", json={"advance": 1})

    thread = threading.Thread(target=move)
    thread.start()
    return thread


def test_a_paced_stream_says_the_same_and_takes_its_accounts_time(start):
    client = start(clock="2026-01-01T00:00:00Z", tokens_per_second=1, time_to_first_token=30)
    done = threading.Event()
    thread = moving(client, done)
    try:
        with stream_lines(client) as answer:
            paced = [line.partition('"choices"')[2] for line in answer.iter_lines() if line]
    finally:
        done.set()
        thread.join()
    plain = [line.partition('"choices"')[2] for line in start().chat(stream=True).text.splitlines() if line]
    tokens = len(plain) - 3  # without role, finish and [DONE]
    passed = client.admin("GET", "/clock").json()["now"]
    assert paced == plain and passed >= f"2026-01-01T00:00:{30 + tokens - 1:02}"


def test_without_pacing_a_stream_needs_no_time(start):
    client = start(clock="2026-01-01T00:00:00Z")
    assert client.chat(stream=True).text.endswith("data: [DONE]\n\n")


def test_a_plain_answer_is_not_paced(start):
    client = start(clock="2026-01-01T00:00:00Z", tokens_per_second=1, time_to_first_token=30)
    assert client.chat().status_code == 200


def test_a_wait_is_over_though_many_small_steps_do_not_add_up_to_it():
    async def run() -> float:
        clock = Clock(start=1767225600.0)
        time = clock.timeline()
        waiting = asyncio.ensure_future(clock.sleep(time, 3.0))
        for _ in range(30):
            await asyncio.sleep(0)
            time.advance(0.1)
        await asyncio.wait_for(waiting, 5)
        return time.now() - 1767225600.0

    assert 3 - 1e-5 < asyncio.run(run()) < 3  # a little less than three seconds, in floats


def test_a_reset_of_the_clock_does_not_leave_a_wait_behind(start):
    client = start(tokens_per_second=1000)
    set_clock(client, freeze=True)
    with stream_lines(client) as answer:
        lines = answer.iter_lines()
        next(lines)
        client.admin("POST", "/reset")
        assert list(lines)[-2] == "data: [DONE]"


def test_a_server_that_stops_ends_its_frozen_streams(capsys):
    with httpx.Client(timeout=20, verify=False, headers={"authorization": "Bearer some-key"}) as http:
        with LocalServer(Settings(port=0, clock="2026-01-01T00:00:00Z", tokens_per_second=1)) as server:
            body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
            stream = http.stream("POST", server.url + "/v2" + CHAT, json=body)
            answer = stream.__enter__()
            lines = answer.iter_lines()
            first = next(lines)
        rest: list[str] = []
        with pytest.raises(httpx.RemoteProtocolError):
            rest.extend(lines)
    assert first.startswith("data: {") and "data: [DONE]" not in rest
    assert "did not stop" not in capsys.readouterr().err
