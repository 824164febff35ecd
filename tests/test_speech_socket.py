"""The text-to-speech socket on the wire: the official SDK, the `websockets` library, the echo, refusals."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import telnyx
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.speech import decoded, resampled, transcribe, wav

SPEECH = "/text-to-speech/speech"
ASTRA = {"voice": "Telnyx.NaturalHD.astra"}
HELLO, END = {"text": " "}, {"text": ""}


def opened(client: Any, query: str = "voice=Telnyx.NaturalHD.astra", **options: Any) -> ClientConnection:
    headers = {"authorization": f"Bearer {client.key}"}
    url = client.v2.replace("http", "ws") + SPEECH + (f"?{query}" if query else "")
    return connect(url, additional_headers=headers, proxy=None, **options)


def said(client: Any, *frames: Any, query: str = "voice=Telnyx.NaturalHD.astra") -> list[dict[str, Any]]:
    """All frames that come when these are sent and the end after them."""
    with opened(client, query) as socket:
        for frame in (HELLO, *frames, END):
            socket.send(json.dumps(frame))
        return [json.loads(frame) for frame in socket]


def audio_of(frames: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(frame["audio"]) for frame in frames if frame.get("audio"))


def sentences(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["text"] for frame in frames if frame.get("text")]


# ------------------------------------------------------------------------------------------- the SDK

TALK = (HELLO, {"text": "Hello there. How are you?"}, {"text": "Fine", "flush": True}, END)


def types_of(events: Any) -> list[tuple[str, str | None]]:
    """Kind and type of the events, without those that carry nothing but audio."""
    return [(type(e).__name__, e.type) for e in events if getattr(e, "text", None) is not None]


def talked(client: Any) -> list[Any]:
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    with sdk.text_to_speech.stream(extra_query=ASTRA) as connection:
        for frame in TALK:
            connection.send(frame)  # type: ignore[arg-type]
        return list(connection)


async def talked_async(client: Any) -> list[Any]:
    sdk = telnyx.AsyncTelnyx(api_key=client.key, base_url=client.v2)
    async with sdk.text_to_speech.stream(extra_query=ASTRA) as connection:
        for frame in TALK:
            await connection.send(frame)  # type: ignore[arg-type]
        return [event async for event in connection]


@pytest.mark.parametrize("talk", [talked, lambda client: asyncio.run(talked_async(client))], ids=["sync", "async"])
def test_the_sdk_gets_typed_events_in_spec(start, talk):
    events = talk(start())

    chunk, final = ("AudioChunkFrame", "audio_chunk"), ("FinalFrameEvent", "final")
    assert types_of(events) == [chunk, chunk, final, chunk, final, final]
    assert base64.b64decode(events[0].audio)[:3] == b"ID3"
    assert isinstance(events[0].time_to_first_audio_frame_ms, int)
    assert events[1].time_to_first_audio_frame_ms is None


@pytest.mark.parametrize("talk", [talked, lambda client: asyncio.run(talked_async(client))], ids=["sync", "async"])
def test_the_sdk_gets_no_typed_events_in_live(start, talk):
    events = talk(start(profile="live"))

    chunk = ("AudioChunkFrame", None)
    assert types_of(events) == [chunk, chunk, chunk]
    assert [event.is_final for event in events if event.text == ""] == [True]


def test_the_sdk_raises_an_error_frame_without_a_handler(client):
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    with sdk.text_to_speech.stream(extra_query=ASTRA) as connection:
        connection.send({"text": "no greeting"})
        with pytest.raises(telnyx.TelnyxError, match="Invalid message"):
            connection.dispatch_events()


def test_the_sdk_is_told_of_a_missing_key_at_the_handshake(start):
    client = start(api_key=("another",))
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)

    with pytest.raises(InvalidStatus) as denied, sdk.text_to_speech.stream(extra_query=ASTRA):
        pass
    assert denied.value.response.status_code == 401


def test_a_plain_get_says_how_to_connect(client):
    answer = client.get(SPEECH)
    heard = client.get("/speech-to-text/transcription")

    assert (answer.status_code, heard.status_code) == (426, 426)
    assert answer.headers["upgrade"] == "websocket"
    assert "ws://" in answer.json()["errors"][0]["detail"]


def test_a_plain_get_is_an_empty_200_in_stub(start):
    client = start(profile="stub")

    answers = [client.get(path) for path in (SPEECH, "/speech-to-text/transcription")]

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 2


# ------------------------------------------------------------------------------------------- the echo


def test_a_sentence_comes_back_as_its_text(client):
    frames = said(client, {"text": "Grüße aus 東京. And more!"})

    assert sentences(frames) == ["Grüße aus 東京.", "And more!"]
    assert transcribe(client, audio_of(frames), "a.mp3") == {"text": "Grüße aus 東京. And more!"}


@pytest.mark.parametrize(
    ("query", "magic"),
    [
        ("audio_format=mp3", b"ID3"),
        ("audio_format=wav&sample_rate=16000", b"RIFF"),
        ("audio_format=linear16", None),
        ("audio_format=pcm&sample_rate=8000", None),
        ("audio_format=mulaw", None),
    ],
)
def test_formats(client, query, magic):
    audio = audio_of(said(client, {"text": "A format."}, query="voice=Telnyx.NaturalHD.astra&" + query))

    assert magic is None or audio.startswith(magic)
    assert transcribe(client, audio, "a.raw")["text"] == "A format."


def test_audio_that_was_decoded_and_resampled_is_recognised(client):
    query = "voice=telnyx.naturalhd.astra&audio_format=linear16&sample_rate=24000"
    samples, rate = decoded(audio_of(said(client, {"text": "Resampled on the way."}, query=query)), "linear16", 24000)

    heard = transcribe(client, wav(resampled(samples, rate, 16000), 16000))

    assert heard["text"] == "Resampled on the way."


@pytest.mark.parametrize("voice", ["aws.Polly.Danielle-Neural", "AWS.Polly.Mia", "azure.en-US-AvaMultilingualNeural"])
def test_aws_and_azure_send_a_sentence_in_one_frame(client, voice):
    frames = said(client, {"text": "One. Two."}, query=f"voice={voice}")

    assert [(frame["text"], bool(frame["audio"])) for frame in frames[:2]] == [("One.", True), ("Two.", True)]


def test_no_frame_is_larger_than_the_sdk_reads(client):
    query = "voice=azure.en-US-AvaMultilingualNeural&audio_format=linear16&sample_rate=48000"
    frames = said(client, {"text": "A long sentence " * 30, "flush": True}, query=query)  # max_size is 1 MiB

    assert len(frames) > 2 and sum(bool(frame["text"]) for frame in frames) == 1


def test_every_sentence_is_a_file_of_its_own_except_in_stub(start):
    tags = {
        p: audio_of(said(start(profile=p), {"text": "One. Two. Three."})).count(b"ID3")
        for p in ("spec", "live", "stub")
    }

    assert tags == {"spec": 3, "live": 3, "stub": 1}


def test_kokoro_makes_mp3_whatever_is_asked_in_live(start):
    query = "voice=Telnyx.KokoroTTS.af_heart&audio_format=linear16"
    audio = {p: audio_of(said(start(profile=p), {"text": "Hi."}, query=query)) for p in ("spec", "live")}

    assert [audio[p].startswith(b"ID3") for p in ("spec", "live")] == [False, True]


def test_the_same_words_are_cached_unless_asked_not_to(client):
    first, second, third = (
        said(client, {"text": "Again."}, query="voice=Telnyx.NaturalHD.astra" + more)
        for more in ("", "", "&disable_cache=true")
    )

    assert [frames[0]["cached"] for frames in (first, second, third)] == [False, True, False]
    assert audio_of(first) == audio_of(second) == audio_of(third)
    other = said(client.as_key(client.key + "-other"), {"text": "Again."})
    assert other[0]["cached"] is False


def test_a_reset_forgets_what_was_cached(client):
    said(client, {"text": "Again."})
    client.admin("POST", "/reset")

    assert said(client, {"text": "Again."})[0]["cached"] is False


def test_the_same_talk_gives_the_same_frames(start):
    frozen = {"clock": "2026-01-31T12:00:00Z"}

    assert said(start(**frozen), {"text": "One. Two"}) == said(start(**frozen), {"text": "One. Two"})


# -------------------------------------------------------------------------------------- the handshake

BAD = [
    ("voice=nobody.x", 400, "90103"),
    ("voice=telnyx", 400, "90103"),
    ("voice=..", 400, "90103"),
    ("provider=nobody", 400, "10015"),
    ("voice=Telnyx.NaturalHD.astra&audio_format=aac", 400, "90103"),
    ("voice=aws.Polly.Mia&audio_format=wav", 400, "90103"),
    ("voice=Telnyx.NaturalHD.astra&sample_rate=12345", 400, "90103"),
    ("voice=Telnyx.NaturalHD.astra&sample_rate=many", 400, "90103"),
    ("voice=Telnyx.NaturalHD.astra&disable_cache=maybe", 400, "10015"),
    ("voice=Telnyx.NaturalHD.astra&text_type=html", 400, "10015"),
    ("voice=Telnyx.NaturalHD.astra&inactivity_timeout=0", 400, "10015"),
    ("voice=Telnyx.NaturalHD.astra&inactivity_timeout=1e9", 400, "10015"),
    ("voice=Telnyx.Ultra.d3f1c9a2", 403, "10010"),
    ("model_id=Ultra&voice_id=x", 403, "10010"),
]


@pytest.mark.parametrize(("query", "status", "code"), BAD)
def test_a_bad_parameter_denies_the_handshake_in_spec(client, query, status, code):
    with pytest.raises(InvalidStatus) as denied:
        opened(client, query)

    (error,) = json.loads(denied.value.response.body)["errors"]
    assert (denied.value.response.status_code, error["code"]) == (status, code)


@pytest.fixture(scope="module")
def live() -> Iterator[Any]:
    import httpx

    from mock_server import LocalServer, Settings
    from tests.conftest import Client

    with LocalServer(Settings(port=0, profile="live")) as server, httpx.Client() as http:
        yield Client(server.url, "a-key-of-live", http)


UNKNOWN = ["", "voice=", "voice=Telnyx.NaturalHD.nobody", "voice=nobody.x", "voice_id=x", "voice=Telnyx.Ultra.x"]


@pytest.mark.parametrize("query", UNKNOWN)
def test_an_unknown_voice_is_403_in_live(live, query):
    with pytest.raises(InvalidStatus) as denied:
        opened(live, query)

    assert denied.value.response.status_code == 403


@pytest.mark.parametrize("query", ["audio_format=aac", "sample_rate=1", "disable_cache=maybe", "inactivity_timeout=x"])
def test_a_bad_parameter_is_one_error_frame_in_live(live, query):
    with opened(live, "voice=telnyx.kokorotts.AF_heart&" + query) as socket:
        frames = list(socket)

    assert [list(json.loads(frame)) for frame in frames] == [["error"]]
    assert (socket.close_code, socket.close_reason) == (1000, "")


@pytest.mark.parametrize("query", ["", *(query for query, *_ in BAD)])
def test_nothing_is_refused_in_stub(start, query):
    assert sentences(said(start(profile="stub"), {"text": "Hi."}, query=query)) == ["Hi."]


@pytest.mark.parametrize(
    "query", ["", "provider=AWS&voice_id=Mia", "voice=Telnyx.Bayan.Somebody", "provider=xai&voice_id=eve", "unheard=of"]
)
def test_voices_and_parameters_that_are_taken_in_spec(client, query):
    assert sentences(said(client, {"text": "Hi."}, query=query)) == ["Hi."]


# ------------------------------------------------------------------------------------------ time, end


def test_a_silent_socket_is_closed_by_the_accounts_clock(start):
    client = start(clock="2026-01-31T12:00:00Z")
    with opened(client, "inactivity_timeout=60") as socket, opened(client.as_key("another-key")) as other:
        client.admin("POST", "/clock", json={"advance": 61})
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=10)
        other.send(json.dumps(HELLO))

    assert (socket.close_code, socket.close_reason) == (1000, "Inactivity timeout")
    assert other.close_code == 1000 and client.journal()[0]["frames"]["close"]["by"] == "server"


def first_frame(client: Any, socket: ClientConnection) -> dict[str, Any]:
    """The clock is moved again where the text was not taken up yet when it was moved."""
    for _ in range(40):
        client.admin("POST", "/clock", json={"advance": 0.5})
        with contextlib.suppress(TimeoutError):
            return json.loads(socket.recv(timeout=0.25))
    pytest.fail("no frame came")


def test_realtime_audio_waits_for_the_clock_and_yields_to_barge_in(start):
    client = start(realtime=True)
    client.admin("POST", "/clock", json={"speed": 0})
    with opened(client) as socket:
        for frame in (HELLO, {"text": "A sentence of some seconds, so that it is not at its end."}):
            socket.send(json.dumps(frame))
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.05)
        first = first_frame(client, socket)
        socket.send(json.dumps({"text": "Stop", "force": True}))
        socket.send(json.dumps(END))
        client.admin("POST", "/clock", json={"speed": 1000})
        frames = [json.loads(frame) for frame in socket]

    assert first["timeToFirstAudioFrameMs"] == 250
    assert sentences(frames) == ["Stop"]


def test_a_socket_is_in_the_journal_with_its_frames(client):
    frames = said(client, {"text": "Kept.", "api_key": "hush-hush", "note": client.key})
    (entry,) = client.journal()

    received, sent = entry["frames"]["received"], entry["frames"]["sent"]
    assert (entry["kind"], entry["status"], entry["ended"]) == ("socket", 101, "complete")
    assert (entry["operation"], entry["frames"]["close"]["code"]) == ("text_to_speech.stream", 1000)
    assert (received["count"], received["first"], received["last"]) == (
        3,
        {"text": '{"text": " "}'},
        {"text": '{"text": ""}'},
    )
    assert (sent["count"], json.loads(sent["first"]["text"])["audio"]) == (len(frames), frames[0]["audio"])
    assert json.loads(sent["last"]["text"]) == frames[-1]


def test_keys_in_frames_are_masked_in_the_journal(client):
    with opened(client) as socket:
        socket.send(json.dumps({"text": " ", "voice_settings": {"api_key": "hush-hush"}, "note": client.key}))
    (entry,) = client.journal()

    assert json.loads(entry["frames"]["received"]["first"]["text"]) == {
        "text": " ", "voice_settings": {"api_key": "***"}, "note": "***",
    }  # fmt: skip
