"""Scenarios: switched on and off as one; and the official SDKs living through each that is shipped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import telnyx
import websockets

from mock_server import LocalServer, Settings
from mock_server.engine.replies import FixtureError
from tests.patient import patient_openai, patient_telnyx
from tests.waiting import tries

ROOT = Path(__file__).parent.parent
SHIPPED = sorted(path.stem for path in (ROOT / "fixtures" / "scenarios").glob("*.yaml"))
ASK: Any = [{"role": "user", "content": "one two three four five six seven eight"}]
MINE = """
about: Everything at once.
faults:
  - {id: mine, match: {method: DELETE}, effect: 503}
  - {match: {method: PUT}, effect: 409}
replies:
  - {match: {user_text: ping}, reply: {text: pong}}
limits: [7/hour]
state: read-only
plans: {fine_tuning: failed}
clock: {set: "2030-01-01T00:00:00Z", freeze: true}
"""


def switch_on(client, name: str) -> None:
    answer = client.admin("POST", "/scenario", json={"name": name})
    assert answer.status_code == 200, answer.text


def verdict(client) -> dict[str, Any]:
    return client.admin("GET", "/verdict").json()["data"]


def good(client) -> bool:
    return verdict(client)["findings"] == []


def hurry(client) -> None:
    """The account's clock runs a hundred times as fast: waits of seconds take hundredths."""
    client.admin("POST", "/clock", json={"speed": 100})


# Each shipped one


def test_rate_limited_then_recovers(client):
    switch_on(client, "rate-limited-then-recovers")
    answer = patient_openai(client).chat.completions.create(model="openai/gpt-4o", messages=ASK)
    assert answer.choices[0].message.content and good(client)
    assert [entry["status"] for entry in client.journal()] == [200, 429, 429]


def test_expired_key(client):
    switch_on(client, "expired-key")
    with pytest.raises(telnyx.AuthenticationError):
        patient_telnyx(client).ai.openai.list_models()
    assert good(client) and verdict(client)["exchanges"] == 1
    assert patient_telnyx(client.as_key(client.key + "-renewed")).ai.openai.list_models().data


def test_flaky_network(client):
    hurry(client)
    switch_on(client, "flaky-network")
    sdk = patient_telnyx(client)
    assert all(sdk.ai.openai.list_models().data for _ in range(20))
    assert good(client) and verdict(client)["requests"] == 20 and verdict(client)["retries"] > 10


def test_slow_first_token(client):
    hurry(client)
    switch_on(client, "slow-first-token")
    before = now(client)
    stream = patient_openai(client).chat.completions.create(model="openai/gpt-4o", messages=ASK, stream=True)
    first = next(iter(stream))
    assert now(client) - before >= 4 and first.choices
    assert list(stream)[-1].choices[0].finish_reason == "stop" and good(client)


def now(client) -> float:
    from mock_server.base.clock import parse_instant

    return parse_instant(client.admin("GET", "/clock").json()["now"])


def test_slow_first_token_and_a_client_with_less_patience(client):
    switch_on(client, "slow-first-token")
    sdk = patient_openai(client).with_options(timeout=0.1, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        sdk.chat.completions.create(model="openai/gpt-4o", messages=ASK, stream=True)
    assert good(client)


def test_stream_cut(client):
    switch_on(client, "stream-cut")
    sdk = patient_openai(client)

    def ask() -> str:
        stream = sdk.chat.completions.create(model="openai/gpt-4o", messages=ASK, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
        ask()
    assert [finding["rule"] for finding in verdict(client)["findings"]] == ["not-retried"]
    assert "one two three" in ask() and good(client)


def test_fine_tuning_fails(client):
    switch_on(client, "fine-tuning-fails")
    jobs = patient_telnyx(client).ai.fine_tuning.jobs
    job = jobs.create(model="openai/gpt-4o", training_file="my-bucket/training-data.jsonl")
    seen = [job.status]
    while seen[-1] not in ("succeeded", "failed", "cancelled"):
        seen.append(jobs.retrieve(job.id).status)
    assert seen == ["queued", "running", "running", "failed"] and jobs.retrieve(job.id).trained_tokens is None


def test_partial_embedding(client):
    switch_on(client, "partial-embedding")
    embeddings = patient_telnyx(client).ai.embeddings
    task = embeddings.create(bucket_name="my-bucket").data.task_id
    assert task is not None
    seen = [embeddings.retrieve(task).data.status for _ in range(3)]  # type: ignore[union-attr]
    assert seen == ["processing", "partial_success", "partial_success"]


def test_stt_cold_start_close(client):
    hurry(client)
    switch_on(client, "stt-cold-start-close")
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, websocket_base_url=client.v2.replace("http", "ws"))
    query = {"transcription_engine": "Telnyx", "input_format": "wav"}
    with sdk.speech_to_text.transcribe(extra_query=query) as socket:
        socket.send_raw(b"RIFF and so on")
        assert list(socket) == [], "no transcript, no error: closed with 1000, which the SDK takes for the end"
    entry = next(entries[0] for _ in tries() if (entries := client.journal()))
    assert (entry["frames"]["close"]["code"], entry["frames"]["close"]["by"]) == (1000, "server")
    assert entry["fault"] == "stt-cold-start-close.1"
    again = opened(client, "/speech-to-text/transcription?transcription_engine=Telnyx&input_format=wav")
    assert again == 101, "the second socket opens"


def opened(client, path: str) -> int:
    """The status of one more handshake."""
    from websockets.sync.client import connect

    url = client.v2.replace("http", "ws") + path
    try:
        with connect(url, additional_headers={"authorization": f"Bearer {client.key}"}, proxy=None):
            return 101
    except websockets.exceptions.InvalidStatus as denied:
        return denied.response.status_code


def test_socket_drops_reconnect(client):
    switch_on(client, "socket-drops-reconnect")
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, websocket_base_url=client.v2.replace("http", "ws"))
    query = {"voice": "Telnyx.NaturalHD.astra"}
    dropped: list[int] = []
    sockets: list[Any] = []

    def again(event: Any) -> None:
        dropped.append(event.close_code)
        say(sockets[0])  # kept by the SDK until it is connected again

    with sdk.text_to_speech.stream(extra_query=query, on_reconnecting=again, initial_delay=0.1) as socket:
        sockets.append(socket)
        say(socket)
        last = list(socket)[-1]

    assert dropped == [1006, 1006] and getattr(last, "is_final", None) and verdict_when(client, 3)["findings"] == []


def verdict_when(client, exchanges: int) -> dict[str, Any]:
    return next(found for _ in tries() if (found := verdict(client))["exchanges"] == exchanges)


def say(socket: Any) -> None:
    for text in (" ", "A sentence that is said. And another one.", ""):
        socket.send({"text": text})


def test_brownout(client):
    hurry(client)
    switch_on(client, "brownout")
    sdk = patient_telnyx(client)
    assert all(sdk.ai.openai.list_models().data for _ in range(20))
    assert good(client) and verdict(client)["retries"] >= 10


@pytest.mark.parametrize("name", SHIPPED)
def test_each_has_a_page_and_a_test(name):
    page = (ROOT / "docs" / "scenarios" / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n") and "## What a client should do" in page
    assert f"def test_{name.replace('-', '_')}(" in Path(__file__).read_text()


# On and off


@pytest.fixture
def mine(start: Callable[..., Any], tmp_path: Path) -> Any:
    """A server with a scenario of everything."""
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text(MINE)
    return start(fixtures=(tmp_path,))


def shown(client) -> dict[str, Any]:
    """What a scenario may have changed, for an account."""
    said = client.chat("ping").json()
    return {
        "faults": [(r["id"], r["source"]) for r in client.admin("GET", "/faults").json()["data"]],
        "limits": [row["limit"] for row in client.admin("GET", "/limits").json()["data"]],
        "state": client.admin("GET", "/account").json()["data"]["state"],
        "plan": client.admin("GET", "/plans").json()["data"][1]["plan"],
        "year": client.admin("GET", "/clock").json()["now"][:4],
        "says": said["choices"][0]["message"]["content"] if "choices" in said else said["errors"][0]["code"],
    }


ON = {
    "faults": [("mine", "scenario mine"), ("mine.2", "scenario mine")],
    "limits": ["7/hour"],
    "state": "read-only",
    "plan": "queued@0, running@0, failed@0",
    "year": "2030",
    "says": "10010",
}


def test_all_of_it_is_on_and_off_again(mine):
    before = shown(mine)
    switch_on(mine, "mine")
    assert shown(mine) == ON
    assert mine.admin("GET", "/scenario").json()["data"]["name"] == "mine"
    assert mine.admin("DELETE", "/scenario").json() == {"data": {"switched_off": "mine"}}
    assert shown(mine) == before
    assert mine.admin("DELETE", "/scenario").json() == {"data": {"switched_off": None}}


def test_a_reset_switches_it_off(mine):
    before = shown(mine)
    switch_on(mine, "mine")
    mine.admin("POST", "/reset")
    assert shown(mine) == before and mine.admin("GET", "/scenario").json()["data"]["name"] is None


def test_its_replies_answer(mine):
    switch_on(mine, "mine")
    mine.admin("PUT", "/account", json={"state": "active"})
    assert shown(mine)["says"] == "pong"


def test_other_accounts_see_nothing_of_it(mine):
    other = mine.as_key("another-key-altogether")
    before = shown(other)
    switch_on(mine, "mine")
    assert shown(other) == before


def test_without_a_key_it_is_on_for_everyone_and_counted_for_each(start):
    client = start()
    client.http.post(client.url + "/_mock/scenario", json={"name": "stream-cut"})
    client.http.post(client.url + "/_mock/scenario", json={"name": "rate-limited-then-recovers"})
    for key in ("one-key", "two-key"):
        assert [client.as_key(key).get("/ai/models").status_code for _ in range(3)] == [429, 429, 200]
    client.http.delete(client.url + "/_mock/scenario")
    assert client.as_key("three-key").get("/ai/models").status_code == 200


def test_by_header_it_begins_once_for_its_account(client):
    headers = {"x-mock-scenario": "rate-limited-then-recovers"}
    other = client.as_key(client.key + "-other")
    found = [client.get("/ai/models", headers=headers).status_code for _ in range(4)]
    assert found == [429, 429, 200, 200] and other.get("/ai/models").status_code == 200
    client.admin("POST", "/reset")
    assert client.get("/ai/models", headers=headers).status_code == 429


def test_another_name_by_header_takes_its_place(client):
    def asked(name: str) -> int:
        return client.get("/ai/models", headers={"x-mock-scenario": name}).status_code

    names = ["rate-limited-then-recovers", "expired-key", "expired-key", *["rate-limited-then-recovers"] * 3]
    assert [asked(name) for name in names] == [429, 401, 401, 429, 429, 200]


def test_a_file_may_have_any_name(start, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "f\u00fcnf\nhundert.yaml").write_text("about: x\nfaults: [{effect: 500}]\n")
    client = start(fixtures=(tmp_path,))
    switch_on(client, "f\u00fcnf\nhundert")
    assert client.get("/ai/models").headers["x-mock-fault"] == "f-nf-hundert.1"
    client.admin("PUT", "/snapshots/mine").raise_for_status()
    assert client.admin("POST", "/snapshots/mine").status_code == 200


def test_by_header_its_state_holds_for_the_very_request(client):
    assert client.get("/ai/models", headers={"x-mock-scenario": "expired-key"}).status_code == 401
    assert client.get("/ai/models").status_code == 401


@pytest.mark.parametrize("name", ["", "no-such", "../scenarios/brownout", "brownout.yaml", "*"])
def test_an_unknown_one_is_told_with_those_there_are(client, name):
    by_header = client.get("/ai/models", headers={"x-mock-scenario": name})
    by_api = client.admin("POST", "/scenario", json={"name": name})
    assert by_header.status_code == 400 and "brownout" in by_header.text
    assert by_api.status_code == 404 and "brownout" in by_api.text
    with pytest.raises(FixtureError, match="--scenario"):
        LocalServer(Settings(port=0, scenario=name or "?"))


def test_by_setting_it_is_on_from_the_start_and_after_a_reset(start):
    client = start(scenario="expired-key")
    assert client.get("/ai/models").status_code == 401
    client.http.post(client.url + "/_mock/reset")
    assert client.as_key("another").get("/ai/models").status_code == 401
    assert client.http.get(client.url + "/_mock/scenario").json()["data"]["everyone"] == "expired-key"


def test_one_takes_the_place_of_another(client):
    switch_on(client, "expired-key")
    switch_on(client, "rate-limited-then-recovers")
    assert [client.get("/ai/models").status_code for _ in range(3)] == [429, 429, 200]


def test_ones_own_come_before_the_shipped_and_all_are_listed(start, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "brownout.yaml").write_text("about: Mine.\nstate: forbidden\n")
    client = start(fixtures=(tmp_path,))
    switch_on(client, "brownout")
    rows = {row["name"]: row["about"] for row in client.admin("GET", "/scenario").json()["scenarios"]}
    assert client.get("/ai/models").status_code == 403
    assert rows["brownout"] == "Mine." and set(rows) == set(SHIPPED)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("state: revoked", "about"),
        ("about: x\nstate: gone", "mine.yaml:2"),
        ("about: x\nlimits: [soon]", "20/second"),
        ("about: x\nplans: {fine_tuning: done}", "one of immediate, succeeded"),
        ("about: x\nfaults:\n  - effect: 429\n  - effect: oops", "mine.yaml:4"),
        ("about: x\nreplies: [{reply: {}}]", "a reply needs"),
        ("about: x\nclock: {set: yesterday}", "clock"),
        ("about: x\nfault: []", "fault"),
        ("- about: x", "mapping"),
        ("about: [", "mine.yaml"),
    ],
)
def test_a_broken_file_is_refused_at_start_with_what_is_wrong(start, tmp_path, text, told):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "mine.yaml").write_text(text)
    with pytest.raises(FixtureError) as refused:
        start(fixtures=(tmp_path,))
    assert told in str(refused.value) and "mine.yaml" in str(refused.value)


def test_a_file_that_breaks_later_is_told_where_it_is_asked_for(mine, tmp_path):
    (tmp_path / "scenarios" / "mine.yaml").write_text("about: 7")
    assert mine.admin("POST", "/scenario", json={"name": "mine"}).status_code == 400
    assert mine.get("/ai/models", headers={"x-mock-scenario": "mine"}).status_code == 400
    row = next(row for row in mine.admin("GET", "/scenario").json()["scenarios"] if row["name"] == "mine")
    assert row["about"] is None and "mine.yaml" in row["error"]
    assert shown(mine)["state"] == "active"


def test_the_schema_describes_a_file(client):
    schema = client.admin("GET", "/schemas/scenario").json()
    assert set(schema["properties"]) == {"about", "faults", "replies", "limits", "state", "plans", "clock"}
