"""The admin API under /_mock: what it tells, what it moves, and whom it lets in. And CORS, which the API has and it has not."""

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import mock_server

PAGE = "http://page.example"


def admin(client, method: str, path: str, **options: Any) -> httpx.Response:
    """An admin call without a key: for the whole server."""
    return client.http.request(method, client.url + "/_mock" + path, **options)


# What it tells


def test_health_says_version_profile_seed_and_uptime(start):
    client = start(profile="live", seed=7)
    health = admin(client, "GET", "/health").json()
    assert (health["status"], health["version"], health["profile"], health["seed"]) == (
        "ok", mock_server.__version__, "live", 7,
    )  # fmt: skip
    assert health["uptime"] >= 0


def test_uptime_is_real_time_whatever_the_clock_says(start):
    client = start(clock="2020-01-01T00:00:00Z")
    admin(client, "POST", "/clock", json={"set": "1999-01-01T00:00:00Z"})
    assert 0 <= admin(client, "GET", "/health").json()["uptime"] < 3600


def test_quirks_say_what_is_on_and_where_it_was_seen(start):
    shown = admin(start(profile="live", quirk=("models_created_iso=off",)), "GET", "/quirks").json()
    values = {row["name"]: row["on"] for row in shown["data"]}
    assert shown["profile"] == "live"
    assert values["unknown_model_refused"] is True and values["models_created_iso"] is False
    assert all(row["what"] and row["source"] for row in shown["data"])


def test_what_there_is_of_a_server_that_nobody_has_used(start):
    client = start()
    state = client.http.get(client.url + "/_mock/state").json()["data"]
    assert (state["account"], state["rows"], state["faults"], state["replies"]) == (None, {}, 0, 0)


def test_accounts_are_those_whose_keys_were_accepted_with_their_own_exchanges(start):
    client = start(api_key=("good-key", "other-key"))
    for key, times in (("good-key", 2), ("other-key", 1), ("bad-key", 3)):
        for _ in range(times):
            client.as_key(key).get("/ai/models")
    listed = client.http.get(client.url + "/_mock/accounts").json()["data"]
    assert [row["exchanges"] for row in listed] == [1, 2], "the newest first"


def test_operations_say_what_is_emulated(client):
    rows = {row["id"]: row for row in client.admin("GET", "/operations").json()["data"]}
    chat = rows["chat.create_completion"]
    assert (chat["method"], chat["path"], chat["kind"], chat["emulated"]) == (
        "POST", "/v2/ai/chat/completions", "http", True,
    )  # fmt: skip
    assert rows["assistants.list"]["emulated"] is False and rows["speech_to_text.transcribe"]["kind"] == "socket"


def test_replies_are_listed_in_the_order_they_are_tried(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text("- {id: mine, match: {user_text: ping}, reply: {text: pong}}\n")
    client = start(fixtures=(tmp_path,))
    ids = [row["id"] for row in client.admin("GET", "/replies").json()["data"]]
    assert ids[0] == "mine" and ids[-1] == "default"
    assert client.chat("ping").json()["choices"][0]["message"]["content"] == "pong"
    assert client.journal()[0]["reply"] == "mine"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no/such", 404),
        ("DELETE", "/health", 405),
        ("GET", "/reset", 405),
        ("POST", "/requests", 405),
    ],
)
def test_an_unknown_admin_path_or_method_is_json(client, method, path, status):
    answer = client.admin(method, path)
    assert answer.status_code == status and answer.json()["errors"][0]["title"]


# Reset


def prepared(client) -> None:
    """An account with a request, a rule, a used-up fault and a frozen clock."""
    client.get("/ai/models", headers={"x-mock-fault": "503;times=1"})
    client.admin("POST", "/faults", json={"effect": {"status": 500}, "match": {"method": "DELETE"}})
    client.admin("POST", "/clock", json={"set": "2000-01-01T00:00:00Z", "freeze": True})


def is_as_new(client) -> bool:
    again = client.get("/ai/models", headers={"x-mock-fault": "503;times=1"}).status_code
    rules = [rule for rule in client.admin("GET", "/faults").json()["data"] if rule["account"]]
    return (
        again == 503 and len(client.journal()) == 1 and not rules and client.admin("GET", "/clock").json()["speed"] == 1
    )


def test_reset_with_a_key_is_for_its_account_only(start):
    mine = start()
    theirs = mine.as_key("another-key-altogether")
    prepared(mine)
    prepared(theirs)
    answer = mine.admin("POST", "/reset").json()
    assert answer["reset"].startswith("acct_")
    assert is_as_new(mine) and not is_as_new(theirs)


def test_reset_without_a_key_is_for_the_whole_server(start):
    mine = start()
    theirs = mine.as_key("another-key-altogether")
    prepared(mine)
    prepared(theirs)
    admin(mine, "POST", "/faults", json={"effect": {"status": 409}, "match": {"method": "PUT"}})
    admin(mine, "POST", "/clock", json={"speed": 5})
    assert admin(mine, "POST", "/reset").json() == {"reset": "server"}
    assert is_as_new(mine) and is_as_new(theirs)
    assert admin(mine, "GET", "/faults").json()["data"] == []


def test_reset_starts_ids_over(start):
    client = start(clock="2026-01-01T00:00:00Z")
    first = client.chat()
    client.admin("POST", "/reset")
    again = client.chat()
    assert first.content == again.content and first.headers["x-request-id"] == again.headers["x-request-id"]


# Clock


def clock(client, **change: Any) -> dict[str, Any]:
    return client.admin("POST", "/clock", json=change).json()


def test_freeze_set_advance_and_run_again(client):
    assert clock(client, set="2026-01-31T12:00:00Z", freeze=True)["now"] == "2026-01-31T12:00:00.000Z"
    assert clock(client, advance=90)["now"] == "2026-01-31T12:01:30.000Z"
    assert clock(client, advance=-30.5)["now"] == "2026-01-31T12:00:59.500Z"
    assert client.chat().json()["created"] == 1769860859
    running = clock(client, freeze=False)
    assert running["speed"] == 1 and running["now"].startswith("2026-01-31T12:0")


def test_an_instant_without_an_offset_is_utc_and_one_with_it_is_honoured(client):
    assert clock(client, set="2026-01-31T12:00:00", freeze=True)["now"] == "2026-01-31T12:00:00.000Z"
    assert clock(client, set="2026-01-31T12:00:00+02:00")["now"] == "2026-01-31T10:00:00.000Z"


def test_speed(client):
    assert clock(client, speed=1000)["speed"] == 1000
    assert clock(client, speed=0)["speed"] == 0
    assert client.admin("GET", "/clock").json() == client.admin("GET", "/clock").json(), "0 is frozen"


def test_what_is_null_is_left_as_it_is(client):
    clock(client, set="2026-01-01T00:00:00Z", freeze=True)
    assert clock(client, set=None, advance=60)["now"] == "2026-01-01T00:01:00.000Z"


def test_set_then_advance_in_one_call(client):
    assert clock(client, set="2026-01-01T00:00:00Z", advance=60, freeze=True)["now"] == "2026-01-01T00:01:00.000Z"


BAD_CLOCKS: list[Any] = [
    {}, {"set": "yesterday"}, {"set": "2026-13-01"}, {"set": 5}, {"set": ""}, {"advance": "soon"}, {"advance": 1e12},
    {"freeze": "perhaps"}, {"speed": -1}, {"speed": 1e7}, {"freeze": True, "speed": 2}, {"tick": 1}, [], None, 5,
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_CLOCKS, ids=repr)
def test_a_clock_that_cannot_be_is_refused_and_nothing_moves(client, body):
    before = clock(client, set="2026-01-01T00:00:00Z", freeze=True)
    answer = client.admin("POST", "/clock", json=body)
    assert answer.status_code == 422 and answer.json()["detail"][0]["msg"]
    assert client.admin("GET", "/clock").json() == before


@pytest.mark.parametrize(
    "change",
    [
        {"set": "9999-12-31T23:59:59Z", "advance": 86400},
        {"set": "0001-01-01T00:00:00Z", "advance": -1},
        {"set": "0001-01-01T00:00:00+14:00"},
        {"set": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_a_clock_beyond_the_calendar_is_refused_and_nothing_moves(start, change):
    client = start()
    before = clock(client, set="2026-01-01T00:00:00Z", freeze=True)
    answer = client.admin("POST", "/clock", json=change)
    assert answer.status_code in (400, 422)
    assert client.chat().status_code == 200
    assert [client.admin("GET", path).status_code for path in ("/clock", "/requests")] == [200, 200]
    assert client.admin("GET", "/clock").json() == before


def test_a_clock_that_runs_out_of_the_calendar_breaks_nothing(start):
    client = start()
    clock(client, set="9999-12-31T23:59:59Z", speed=1000000)
    assert [client.get("/ai/models").status_code for _ in range(5)] == [200] * 5
    assert [client.admin("GET", path).status_code for path in ("/clock", "/requests")] == [200, 200]
    assert client.chat().status_code == 200


# Who is let in


@pytest.mark.parametrize(
    "origin", [PAGE, "null", "https://127.0.0.1.page.example", "http://127.0.0.1:1", "file://", ""]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("POST", "/reset"), ("DELETE", "/requests"), ("OPTIONS", "/reset")]
)
def test_a_foreign_origin_is_refused(client, method, path, origin):
    answer = admin(client, method, path, headers={"origin": origin, "access-control-request-method": method})
    assert answer.status_code == 403 and not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "host", ["page.example", "page.example:4010", "127.0.0.1.page.example", "localhost.page.example", "a.b"]
)
def test_a_foreign_host_is_refused(client, host):
    answer = admin(client, "POST", "/reset", headers={"host": host})
    assert answer.status_code == 403 and "--admin-host" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "host", ["localhost:4010", "127.0.0.1", "[::1]:4010", "192.168.1.5:4010", "telnyx-mock", "LOCALHOST"]
)
def test_a_host_that_can_only_mean_us_is_let_in(client, host):
    assert admin(client, "GET", "/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("more", ["host: page.example", f"origin: http://localhost\r\norigin: {PAGE}"])
def test_more_than_one_host_or_origin_is_refused(client, more):
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as wire:
        wire.sendall(f"GET /_mock/health HTTP/1.1\r\nhost: localhost\r\n{more}\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 403 ") and b"More than one Host or Origin." in answer


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-origin", 200), ("none", 200)])
def test_a_browser_says_whether_another_site_asks(client, site, status):
    assert admin(client, "GET", "/health", headers={"sec-fetch-site": site}).status_code == status


def test_a_page_of_the_server_itself_is_let_in(client):
    assert admin(client, "GET", "/health", headers={"origin": client.url}).status_code == 200


def test_admin_host_names_another(start):
    client = start(admin_host=("Mock.Page.Example",))
    named = {"host": "mock.page.example:8080", "origin": "http://mock.page.example:8080"}
    assert admin(client, "GET", "/health", headers=named).status_code == 200
    assert admin(client, "GET", "/health", headers={**named, "origin": PAGE}).status_code == 403
    assert admin(client, "GET", "/health", headers={"host": "other.page.example"}).status_code == 403


def test_admin_token_is_asked_for(start):
    client = start(admin_token="open-sesame")
    asked = [admin(client, "POST", "/reset", headers=headers) for headers in (
        {}, {"x-mock-admin-token": "wrong"}, {"authorization": "Bearer open-sesame"}, {"x-mock-admin-token": "open-sesame"},
    )]  # fmt: skip
    assert [answer.status_code for answer in asked] == [401, 401, 401, 200]
    assert "x-mock-admin-token" in asked[0].json()["errors"][0]["detail"]
    assert client.get("/ai/models").status_code == 200, "the API itself wants none"


def test_an_admin_call_with_a_key_that_is_not_accepted_is_401(start):
    client = start(api_key=("right",))
    assert client.as_key("wrong").admin("POST", "/reset").status_code == 401
    assert client.as_key("right").admin("POST", "/reset").status_code == 200
    assert admin(client, "POST", "/reset", headers={"authorization": "Basic x"}).status_code == 401


# CORS


def test_the_api_answers_a_preflight(client):
    asking = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-retry-count",
    }
    answer = client.http.options(client.v2 + "/ai/chat/completions", headers=asking)
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] in ("*", PAGE)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert all(name in allowed for name in ("authorization", "content-type", "x-stainless-retry-count"))


@pytest.mark.parametrize("key", [True, False], ids=["200", "401"])
def test_the_api_lets_a_page_read_its_answers(client, key):
    headers = {"origin": PAGE, **({"authorization": f"Bearer {client.key}"} if key else {})}
    answer = client.http.get(client.v2 + "/ai/models", headers=headers)
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert answer.status_code == (200 if key else 401) and answer.headers["access-control-allow-origin"] == "*"
    assert all(name in exposed for name in ("x-request-id", "retry-after", "x-ratelimit-remaining"))


def test_a_page_can_read_injected_errors_and_streams(client):
    fault = client.get("/ai/models", headers={"origin": PAGE, "x-mock-fault": "429"})
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    stream = client.post("/ai/chat/completions", body, headers={"origin": PAGE})
    assert [a.headers["access-control-allow-origin"] for a in (fault, stream)] == ["*", "*"]


def test_without_an_origin_there_are_no_cors_headers(client):
    assert not any(name.startswith("access-control") for name in client.get("/ai/models").headers)
