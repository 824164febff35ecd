"""What faults do to sockets, as the official SDK and a plain WebSocket client see it, on the text-to-speech socket."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import Any

import pytest
import telnyx
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.test_fault_effects import while_time_passes
from tests.waiting import tries

VOICE = "voice=Telnyx.NaturalHD.astra"
TALK = [{"text": " "}, {"text": "Hello there. How are you?", "flush": True}]


@contextmanager
def opened(
    client, fault: str, path: str = "/text-to-speech/speech?" + VOICE, **options: Any
) -> Iterator[ClientConnection]:
    headers = {"authorization": f"Bearer {client.key}", **({"x-mock-fault": fault} if fault else {})}
    url = client.v2.replace("http", "ws") + path
    with connect(url, additional_headers=headers, proxy=None, close_timeout=0.2, **options) as wire:
        yield wire


def talk(wire: ClientConnection, *more: dict[str, Any]) -> tuple[list[Any], int, str]:
    """The frames that a talk brings, then the close code and reason (1006 where there was no close frame)."""
    frames: list[Any] = []
    try:
        for message in (*TALK, *more):
            wire.send(json.dumps(message))
        while True:
            frames.append(json.loads(wire.recv(timeout=10)))
    except ConnectionClosed as closed:
        frames += rest(wire)
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        return frames, code, reason


def rest(wire: ClientConnection) -> list[Any]:
    """What came before the end and was not read, since a send noticed the end first."""
    frames = []
    try:
        while True:
            frames.append(json.loads(wire.recv(timeout=0.1)))
    except (ConnectionClosed, TimeoutError):
        return frames


def heard(client, fault: str, **options: Any) -> tuple[list[Any], int, str]:
    with opened(client, fault, **options) as wire:
        return talk(wire, {"text": ""})


def entry(client) -> dict[str, Any]:
    return next(found[0] for _ in tries() if (found := client.journal()))


WHOLE = 24  # frames of that talk


def test_without_a_fault_the_talk_is_whole(client):
    frames, code, _ = heard(client, "")
    assert (len(frames), code) == (WHOLE, 1000)


@pytest.mark.parametrize(
    ("fault", "count"),
    [("cut=0 frames", 0), ("cut=headers", 0), ("cut=1 frame", 1), ("cut=3 frames", 3), ("cut=10 bytes", 1)],
)
def test_a_drop_has_no_close_frame(client, fault, count):
    frames, code, _ = heard(client, fault)
    assert (len(frames), code) == (count, 1006)
    told = entry(client)
    assert (told["fault"], told["ended"], told["frames"]["close"]) == (
        "header",
        "cut",
        {"code": 1006, "reason": "", "by": "server"},
    )


def test_a_drop_after_frames_that_were_received(client):
    frames, code, _ = heard(client, "cut=2 received")
    assert (frames, code) == ([], 1006)


@pytest.mark.parametrize(
    ("fault", "count", "code", "reason"),
    [
        ("close=1011", 0, 1011, ""),
        ("close=1012;reason=restarting;at=2 frames", 2, 1012, "restarting"),
        ("close=1013;at=1 frame", 1, 1013, ""),
        ("close=4000;at=2 received", 0, 4000, ""),
        ("close=1000", 0, 1000, ""),
    ],
)
def test_a_close_with_code_and_reason(client, fault, count, code, reason):
    frames, *end = heard(client, fault)
    assert (len(frames), *end) == (count, code, reason)


def test_a_socket_ends_after_seconds_of_the_accounts_clock(client):
    def wait() -> int:
        with opened(client.as_key(client.key), "close=1001;at=5 seconds") as wire:
            try:
                wire.recv(timeout=20)
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 0
            return -1

    code, moved = while_time_passes(client, wait)
    assert code == 1001 and 5 <= moved < 60


@pytest.mark.parametrize("code", [f"4000{n}" for n in range(1, 8)])
def test_every_documented_error_frame(client, code):
    with opened(client, f"error-frame={code}") as wire:
        frame = json.loads(wire.recv(timeout=10))
        with pytest.raises(ConnectionClosed) as closed:
            wire.recv(timeout=10)
    (item,) = frame["errors"]
    assert (frame["type"], item["code"], closed.value.rcvd.code) == ("error", code, 1000)
    assert item["title"] and item["detail"] and item["source"]["parameter"]


def test_an_error_frame_of_speech_in_mid_talk_and_another_close(client):
    frames, code, reason = heard(client, "error-frame=Error in audio response;at=2 frames;close=1011;reason=sorry")
    assert (frames[-1], len(frames)) == ({"type": "error", "error": "Error in audio response"}, 3)
    assert (code, reason) == (1011, "sorry")


def test_an_error_frame_of_ones_own_and_none_has_a_type_in_live(start):
    one = start(profile="live")
    effect = {"error_frame": {"oops": [1]}}
    one.admin("POST", "/faults", json={"effect": effect, "times": 1, "match": {"kind": "socket"}}).raise_for_status()
    assert heard(one, "")[0] == [{"oops": [1]}]
    assert heard(one, "error-frame=Invalid message")[0] == [{"error": "Invalid message"}]


def test_silence_then_a_normal_close(client):
    def wait() -> tuple[list[Any], int, str]:
        return heard(client.as_key(client.key), "silent=6")

    (frames, code, _), moved = while_time_passes(client, wait)
    assert (frames, code) == ([], 1000) and 6 <= moved < 60


def test_a_half_open_socket_answers_no_ping_and_no_close_but_stays_open(client):
    with opened(client, "half-open;at=2 frames", ping_interval=None) as wire:
        for message in TALK:
            wire.send(json.dumps(message))
        assert [json.loads(wire.recv(timeout=10))["type"] for _ in range(2)] == ["audio_chunk"] * 2
        assert not wire.ping().wait(0.3)
        wire.send(json.dumps({"text": "x" * 100_000}))
        with pytest.raises(TimeoutError):
            wire.recv(timeout=0.2)
        assert client.journal() == [], "it is not over"
    told = entry(client)
    assert (told["fault"], told["frames"]["sent"]["count"]) == ("header", 2)


def test_the_clients_keepalive_finds_a_half_open_socket(client):
    with (
        opened(client, "half-open", ping_interval=0.1, ping_timeout=0.2) as wire,
        pytest.raises(ConnectionClosedError) as closed,
    ):
        wire.recv(timeout=10)
    assert closed.value.sent is not None and closed.value.sent.code == 1011
    assert entry(client)["ended"]


def test_a_server_that_stops_ends_half_open_and_silent_sockets(start):
    from mock_server import LocalServer, Settings
    from tests.conftest import Client

    for fault in ("half-open", "silent=60", "delay=60"):
        began = perf_counter()
        ended: list[bool] = []
        with LocalServer(Settings(port=0)) as server:
            client = Client(server.url, "k", start().http)

            def listen(client: Client = client, fault: str = fault, ended: list[bool] = ended) -> None:
                try:
                    with opened(client, fault) as wire:
                        wire.recv(timeout=20)
                except Exception:
                    ended.append(True)

            thread = threading.Thread(target=listen)
            thread.start()
            thread.join(0.2)
        thread.join(10)
        assert ended == [True] and perf_counter() - began < 8


def test_frames_twice_and_a_frame_that_ends_in_the_middle(client):
    assert len(heard(client, "duplicate")[0]) == 2 * WHOLE
    with opened(client, "malformed;at=1 frame") as wire:
        for message in (*TALK, {"text": ""}):
            wire.send(json.dumps(message))
        first, second, third = (wire.recv(timeout=10) for _ in range(3))
    assert json.loads(first) and json.loads(third)
    with pytest.raises(json.JSONDecodeError):
        json.loads(second)


@pytest.mark.parametrize("fault", ["delay=3", "chunk-delay=1"])
def test_a_socket_that_is_slow_by_the_accounts_clock(client, fault):
    (frames, code, _), moved = while_time_passes(client, lambda: heard(client.as_key(client.key), fault))
    assert (len(frames), code) == (WHOLE, 1000) and moved >= (3 if "chunk" not in fault else WHOLE - 1)


@pytest.mark.check
def test_what_a_client_says_while_a_frame_waits_is_not_lost_however_much_it_is(client):
    client.admin("POST", "/clock", json={"freeze": True})
    said = [*TALK, *({"text": f"{n} "} for n in range(400)), {"text": ""}]
    frames: list[Any] = []
    with opened(client, "chunk-delay=0.01") as wire:
        for message in said:
            wire.send(json.dumps(message))
        assert wire.ping().wait(10), "all of it has come"
        with pytest.raises(ConnectionClosed):
            while True:
                client.admin("POST", "/clock", json={"advance": 0.01})
                with suppress(TimeoutError):
                    frames.append(json.loads(wire.recv(timeout=0)))
    assert frames[-1]["type"] == "final"
    assert entry(client)["frames"]["received"]["count"] == len(said)


def test_an_error_frame_of_transcription_is_worded_as_that_operation_words_its_own(client):
    path = "/speech-to-text/transcription?transcription_engine=Telnyx&input_format=wav"
    with opened(client, "error-frame=Out of luck", path) as wire:
        frame = json.loads(wire.recv(timeout=10))
    assert frame == {
        "type": "error", "errors": [{"code": "10007", "title": "Unexpected error", "detail": "Out of luck"}],
    }  # fmt: skip


def test_a_client_that_leaves_ends_a_frozen_delay_between_frames(client):
    client.admin("POST", "/clock", json={"freeze": True})
    with opened(client, "chunk-delay=5") as wire:
        wire.send(json.dumps(TALK[0]))
        wire.send(json.dumps(TALK[1]))
    assert entry(client)["fault"] == "header"


def test_the_name_of_what_fired_is_in_the_handshakes_answer(client):
    with opened(client, "cut=1 frame") as wire:
        assert wire.response.headers["x-mock-fault"] == "header"
    with pytest.raises(InvalidStatus) as denied, opened(client, "503;delay=0.01"):
        pass
    assert denied.value.response.headers["x-mock-fault"] == "header"


@pytest.mark.parametrize("fault", ["drip=3", "no-done", "error-event", "529"])
def test_what_a_socket_cannot_have_is_told(client, fault):
    with pytest.raises(InvalidStatus) as denied, opened(client, fault):
        pass
    assert denied.value.response.status_code == 400
    assert "cannot be obeyed here" in json.loads(denied.value.response.body or b"")["errors"][0]["detail"]


# The official SDK reconnects


@pytest.mark.parametrize(
    "fault", ["cut=1 frame", "close=1011;at=1 frame", "close=1012;at=1 frame", "close=1013;at=1 frame"]
)
def test_the_sdks_reconnect_recovers(client, fault):
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    codes: list[int] = []

    def say_again(event: Any) -> None:  # what is sent meanwhile waits for the next socket
        codes.append(event.close_code)
        speak()

    def speak() -> None:
        wire.send({"text": " "})
        wire.send({"text": "Hello there.", "flush": True})

    events = []
    with sdk.text_to_speech.stream(
        extra_query={"voice": "Telnyx.NaturalHD.astra"},
        extra_headers={"x-mock-fault": f"{fault};times=2"},
        on_reconnecting=say_again,
        initial_delay=0.05,
    ) as wire:
        speak()
        for event in wire:
            events.append(event.type)
            if event.type == "final":
                break
    assert codes == [1006 if "cut" in fault else int(fault[6:10])] * 2 and events[-1] == "final"
    assert [e["fault"] for e in client.journal()][::-1] == ["header", "header", None]


@pytest.mark.parametrize("code", [1006, 1011, 1012, 1013])
def test_the_sdks_reconnect_recovers_a_transcription(client, code):
    fault = "cut=1 received" if code == 1006 else f"close={code};at=1 received"
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    codes: list[int] = []

    def end_again(event: Any) -> None:  # text only: the SDK keeps audio for the next socket as text, which is none
        codes.append(event.close_code)
        wire.send({"type": "CloseStream"})

    with sdk.speech_to_text.transcribe(
        extra_query={"transcription_engine": "Telnyx", "input_format": "wav"},
        extra_headers={"x-mock-fault": f"{fault};times=2"},
        on_reconnecting=end_again,
        initial_delay=0.05,
    ) as wire:
        wire.send({"type": "CloseStream"})
        assert list(wire) == [], "the third socket ends as it should"
    assert codes == [code] * 2
    ends = next(found for _ in tries() if len(found := client.journal()) == 3)
    assert [(e["fault"], e["frames"]["close"]["code"]) for e in ends] == [(None, 1000), *[("header", code)] * 2]
