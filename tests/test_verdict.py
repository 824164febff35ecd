"""The verdict on a client: official SDKs have none against them, hand-written bad clients one for each rule."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
import telnyx
from websockets.sync.client import connect

from mock_server.base.clock import Timeline
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.frames import Frames
from mock_server.engine.heads import Head
from mock_server.engine.verdict import MOST_ATTEMPTS, RULES, judge, retry_after
from tests.patient import patient_openai, patient_telnyx
from tests.waiting import tries

SOCKET = "/text-to-speech/speech?voice=Telnyx.NaturalHD.astra"
ASK: Any = [{"role": "user", "content": "hi"}]


def verdict(client) -> dict[str, Any]:
    answer = client.admin("GET", "/verdict")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def rules(client) -> list[str]:
    return [finding["rule"] for finding in verdict(client)["findings"]]


def faulty(client, fault: str, path: str = "/ai/models", **options: Any) -> httpx.Response:
    return client.get(path, headers={"x-mock-fault": fault}, **options)


def wait(client, seconds: float) -> None:
    """Time that passes by the account's clock, as for a client that sleeps."""
    client.admin("POST", "/clock", json={"advance": seconds})


def chat_by(kind: str, client) -> Callable[..., Any]:
    """Ask for a chat by one of the SDKs."""
    if kind == "telnyx":
        return lambda: patient_telnyx(client).ai.openai.chat.create_completion(messages=ASK)
    return lambda: patient_openai(client).chat.completions.create(model="openai/gpt-4o", messages=ASK)


def bearer(client) -> dict[str, str]:
    return {"authorization": f"Bearer {client.key}"}


def verdict_when(client, exchanges: int) -> dict[str, Any]:
    """The verdict once so many exchanges have ended: the end of a socket comes after its client's."""
    return next(found for _ in tries() if (found := verdict(client))["exchanges"] == exchanges)


def rule(client, effect: str) -> None:
    assert client.admin("POST", "/faults", json={"effect": effect}).status_code == 200


# Good clients


@pytest.mark.parametrize("kind", ["telnyx", "openai"])
@pytest.mark.parametrize(
    "fault", ["429;times=2", "503;times=2", "500;times=1", "429;retry-after=7;times=2", "409;times=1"]
)
def test_an_sdk_that_recovers_has_no_findings(client, kind, fault):
    rule(client, fault)
    chat_by(kind, client)()
    found = verdict(client)
    assert (found["verdict"], found["findings"]) == ("ok", [])
    assert (found["requests"], found["retries"]) == (1, int(fault[-1]))


@pytest.mark.parametrize("kind", ["telnyx", "openai"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503, 504])
def test_an_sdk_that_gives_up_has_no_findings(client, kind, status):
    rule(client, str(status))
    with pytest.raises((telnyx.APIStatusError, openai.APIStatusError)):
        chat_by(kind, client)()
    assert verdict(client)["findings"] == []
    assert verdict(client)["exchanges"] == (3 if status in (409, 429) or status >= 500 else 1)


def test_an_sdk_that_waits_by_the_machines_clock_has_no_findings(client):
    client.admin("POST", "/clock", json={"freeze": True})
    rule(client, "429;retry-after=0.2;times=2")
    telnyx.Telnyx(api_key=client.key, base_url=client.v2).ai.openai.list_models()
    assert (verdict(client)["verdict"], verdict(client)["retries"]) == ("ok", 2)


def test_an_sdk_that_meets_a_closed_connection_has_no_findings(client):
    rule(client, "timeout=0;times=2")
    chat_by("telnyx", client)()
    assert (verdict(client)["findings"], verdict(client)["retries"]) == ([], 2)


def test_asking_the_same_again_is_no_retry_when_it_went_well_or_the_sdk_says_so(client):
    ask = chat_by("openai", client)
    ask()
    ask()
    rule(client, "404")
    for _ in range(3):
        with pytest.raises(openai.NotFoundError):
            ask()
    assert verdict(client)["findings"] == [] and verdict(client)["requests"] == 5


def test_uploads_are_the_same_whatever_boundary_they_come_with(client):
    rule(client, "503;times=1")
    sdk = patient_openai(client)
    sdk.base_url = client.v2 + "/ai"
    sdk.audio.transcriptions.create(model="openai/whisper-large-v3-turbo", file=("a.wav", b"RIFF"))
    assert (verdict(client)["findings"], verdict(client)["retries"]) == ([], 1)


def test_parallel_requests_for_the_same_are_no_retries(client):
    rule(client, "404")

    async def both() -> None:
        async with httpx.AsyncClient() as http:
            headers = {"authorization": f"Bearer {client.key}", "x-mock-fault": "timeout=0.2"}
            calls = [http.get(client.v2 + "/ai/models", headers=headers) for _ in range(2)]
            await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(both())
    assert verdict(client)["requests"] == 2


def test_a_socket_that_is_closed_by_either_side_has_no_findings(client):
    with connect(client.v2.replace("http", "ws") + SOCKET, additional_headers=bearer(client), proxy=None) as socket:
        socket.close()
    assert verdict_when(client, 1)["findings"] == []


# Bad clients


@pytest.mark.parametrize("fault", ["429", "500", "503", "504", "409", "timeout=0"])
def test_not_trying_again(client, fault):
    rule(client, fault)
    try:
        client.get("/ai/models")
    except httpx.RemoteProtocolError:
        assert fault == "timeout=0"
    (finding,) = verdict(client)["findings"]
    assert finding["rule"] == "not-retried" and len(finding["exchanges"]) == 1
    assert client.admin("GET", f"/requests/{finding['exchanges'][0]}").status_code == 200


def test_not_trying_again_after_so_long_a_retry_after_is_right(client):
    faulty(client, "429;retry-after=3600")
    assert verdict(client)["verdict"] == "ok"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_trying_again_what_cannot_pass(client, status):
    for _ in range(3):
        faulty(client, str(status))
        wait(client, 1)
    found = verdict(client)["findings"]
    assert [finding["rule"] for finding in found] == ["retried-in-vain"] * 2
    assert found[0]["exchanges"] == [entry["id"] for entry in reversed(client.journal())][:2]
    assert str(status) in found[0]["detail"]


def test_another_request_after_a_refused_one_is_no_retry(client):
    client.post("/ai/chat/completions", {"messages": []})
    client.post("/ai/chat/completions", {"messages": ASK})
    client.get("/ai/conversations/x")
    client.get("/ai/conversations/y")
    assert verdict(client)["verdict"] == "ok"


def test_bodies_that_were_refused_unread_are_told_apart(client):
    for text in ("one", "two"):  # of the same length
        client.post("/ai/chat/completions", {"text": text}, headers={"x-mock-fault": "403"})
    assert rules(client) == [] and verdict(client)["requests"] == 2
    assert '"one"' in client.journal()[1]["request"]["body"].replace(" ", "")


def test_coming_back_before_the_time_that_was_told(client):
    faulty(client, "429;retry-after=30;times=1")
    wait(client, 29)
    faulty(client, "429;retry-after=30;times=1")
    (finding,) = verdict(client)["findings"]
    assert finding["rule"] == "retry-after-ignored" and "30" in finding["detail"] and len(finding["exchanges"]) == 2


@pytest.mark.parametrize("waits", [(0, 0), (2, 1), (1, 1, 1), (3,) * 3, (1, 2, 0)], ids=str)
def test_waits_that_do_not_grow(client, waits):
    for seconds in (*waits, 0):
        faulty(client, f"503;times={len(waits)}")
        wait(client, seconds)
    (finding,) = verdict(client)["findings"]
    assert finding["rule"] == "no-backoff" and len(finding["exchanges"]) == len(waits) + 1


@pytest.mark.parametrize("waits", [(0.5, 1, 2, 4, 8, 8, 8), (6, 6, 6), (1,), (1, 30)], ids=str)
def test_waits_that_grow_as_far_as_they_need(client, waits):
    for seconds in (*waits, 0):
        faulty(client, f"503;times={len(waits)}")
        wait(client, seconds)
    assert verdict(client)["findings"] == []


def test_going_on_without_an_end(client):
    for n in range(MOST_ATTEMPTS + 1):
        faulty(client, "503")
        wait(client, min(2**n, 8))
    (finding,) = verdict(client)["findings"]
    assert finding["rule"] == "no-bound" and len(finding["exchanges"]) == MOST_ATTEMPTS + 1


def test_leaving_a_socket_open_and_then_without_a_word(client):
    socket = connect(client.v2.replace("http", "ws") + SOCKET, additional_headers=bearer(client), proxy=None)
    assert rules(client) == ["socket-left-open"]
    socket.socket.shutdown(2)
    (finding,) = verdict_when(client, 1)["findings"]
    assert finding["rule"] == "socket-dropped" and finding["exchanges"] == [client.journal()[0]["id"]]


# What it is about


def test_a_verdict_is_one_accounts_and_since_its_reset(client):
    other = client.as_key(client.key + "-other")
    faulty(client, "500")
    assert (rules(client), rules(other)) == (["not-retried"], [])
    client.admin("POST", "/reset")
    assert verdict(client) == {**verdict(client), "verdict": "ok", "exchanges": 0}


def test_without_a_key_it_is_refused(client):
    assert client.http.get(client.url + "/_mock/verdict").status_code == 401


def test_exchanges_that_are_missing_are_told_and_only_ones_own_matter(start):
    client = start()
    other = client.as_key("another-key-altogether")
    client.get("/ai/models")
    for _ in range(1001):
        other.get("/ai/models")
    assert other.admin("GET", "/verdict").status_code == 409
    assert client.admin("GET", "/verdict").status_code == 409
    other.admin("POST", "/reset")
    client.admin("POST", "/reset")
    client.get("/ai/models")
    assert verdict(client)["verdict"] == verdict(other)["verdict"] == "ok"


def test_what_others_lost_does_not_matter(start):
    client = start()
    other = client.as_key("another-key-altogether")
    for _ in range(1001):
        other.get("/ai/models")
    client.get("/ai/models")
    assert client.admin("GET", "/verdict").status_code == 200
    assert "for 2 of this account's" in other.admin("GET", "/verdict").json()["errors"][0]["detail"]


def test_every_rule_is_explained(client):
    assert client.admin("GET", "/verdict").json()["meta"]["rules"] == RULES


# The judge itself, where the wire cannot easily lead


def attempt(
    started: float, status: int = 503, at: float = 0.0, *headers: tuple[bytes, bytes], **fields: Any
) -> Exchange:
    exchange = Exchange("http", Head("GET", "/v2/ai/models", b"", b"", list(fields.pop("request", []))), started)
    exchange.id, exchange.at, exchange.status, exchange.ended = f"{started}", at, status, "complete"
    exchange.account, exchange.response_headers = Account("acct_x", Timeline(lambda: 0.0), ""), list(headers)
    for name, value in fields.items():
        setattr(exchange, name, value)
    return exchange


def socket(started: float, code: int, by: str, ended: str) -> Exchange:
    frames = Frames()
    if by:
        frames.close(code, "", by)
    return attempt(started, 101, kind="socket", ended=ended, frames=frames)


def found(*exchanges: Exchange) -> list[str]:
    return [finding.rule for finding in judge(exchanges)[0]]


def test_either_clock_may_have_waited():
    told = (b"retry-after", b"10")
    assert found(attempt(0, 429, 0, told), attempt(10, 200, 0)) == []
    assert found(attempt(0, 429, 0, told), attempt(0.1, 200, 10)) == []
    assert found(attempt(0, 429, 0, told), attempt(5, 200, 5)) == ["retry-after-ignored"]


def test_what_a_request_took_is_no_wait():
    assert found(attempt(0, 429, 0, (b"retry-after", b"2"), duration=3.0), attempt(3.5, 200)) == ["retry-after-ignored"]


def test_the_same_long_afterwards_is_a_new_request():
    assert found(attempt(0, 404), attempt(500, 404)) == []


def test_an_answer_that_breaks_off_is_to_be_asked_for_again():
    assert found(attempt(0, 200, ended="cut")) == ["not-retried"]
    assert found(attempt(0, 200, ended="cut"), attempt(0.5, 200)) == []


def test_a_client_that_gave_up_waiting_may_do_as_it_likes():
    assert found(attempt(0, 0, ended="client_left")) == []
    assert found(attempt(0, 0, ended="client_left"), attempt(1, 200)) == []


def test_a_stale_connection_may_be_replaced_at_once():
    assert found(attempt(0, 0, ended="cut"), attempt(0.01, 200)) == []
    assert found(attempt(0, 0, ended="cut"), attempt(0.01, 503), attempt(0.02, 503)) == ["no-backoff"]


def test_a_server_that_says_what_to_do_is_obeyed():
    told = {b"true": [], b"false": ["retried-in-vain"]}
    for value, expected in told.items():
        assert found(attempt(0, 400, 0, (b"x-should-retry", value)), attempt(1, 200)) == expected
    assert found(attempt(0, 500, 0, (b"x-should-retry", b"false"))) == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"2")], 2),
        ([(b"retry-after-ms", b"500"), (b"retry-after", b"2")], 0.5),
        ([(b"Retry-After", b"1.5")], 1.5),
        ([(b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT")], None),
        ([(b"retry-after", b"0")], None),
        ([(b"retry-after", b"nan")], None),
        ([], None),
    ],
)  # fmt: skip
def test_retry_after_as_the_sdks_read_it(headers, seconds):
    assert retry_after(attempt(0, 429, 0, *headers)) == seconds


@pytest.mark.parametrize(
    ("code", "by", "ended", "expected"),
    [
        (1000, "server", "complete", []),
        (1000, "client", "client_left", []),
        (1005, "client", "client_left", []),
        (1006, "client", "client_left", ["socket-dropped"]),
        (1006, "client", "cut", ["not-retried"]),
        (1011, "server", "complete", ["not-retried"]),
        (1012, "server", "stopped", []),
        (1013, "server", "complete", ["not-retried"]),
        (1008, "server", "complete", []),
    ],
)
def test_the_ends_of_sockets(code, by, ended, expected):
    assert found(socket(0, code, by, ended)) == expected


def test_sockets_are_opened_again_after_what_may_pass_only():
    drops = [socket(n, 1006, "client", "cut") for n in range(3)]
    assert found(*drops, socket(3, 1000, "client", "client_left")) == [], "each was connected: none need wait longer"
    again = [socket(n, 1008, "server", "complete") for n in range(2)]
    assert found(*again) == ["retried-in-vain"]
    assert found(attempt(0, 503, kind="socket")) == [], "no SDK tries a first handshake again"
    assert found(attempt(0, 403, kind="socket"), attempt(1, 403, kind="socket")) == ["retried-in-vain"]


def test_a_socket_that_is_still_open_is_found():
    still = socket(0, 0, "", "")
    assert [(f.rule, f.exchanges) for f in judge([], [still])[0]] == [("socket-left-open", (still.id,))]


def test_a_thousand_of_the_same_are_judged_at_once():
    many = [attempt(n, 404, request=[(b"x-stainless-retry-count", b"0")]) for n in range(1000)]
    assert found(*many) == []
