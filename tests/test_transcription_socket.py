"""The speech-to-text socket on the wire: the official SDK, the `websockets` library, the echo, refusals, anything at all."""

import asyncio
import gc
import hashlib
import itertools
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import telnyx
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mock_server import LocalServer, Settings
from mock_server.base.quirks import TABLE
from tests.conftest import Client
from tests.speech import decoded, resampled, speak, wav
from tests.test_sockets import memory
from tests.test_speech_socket import audio_of, said

PATH = "/speech-to-text/transcription"
DEEPGRAM = {"transcription_engine": "Deepgram", "input_format": "linear16", "sample_rate": 16000}
RAW = "transcription_engine=Deepgram&input_format=linear16&sample_rate=16000"
CLOSE, FINALIZE = '{"type":"CloseStream"}', '{"type":"Finalize"}'
HELLO = "Hello there, how are you?"


def opened(client: Any, query: str = RAW, key: str = "", **options: Any) -> ClientConnection:
    headers = {"authorization": f"Bearer {key or client.key}", **options.pop("headers", {})}
    url = f"{client.v2.replace('http', 'ws')}{PATH}?{query}"
    return connect(url, additional_headers=headers, proxy=None, **options)


def heard(client: Any, audio: bytes, query: str = RAW, size: int = 4096, last: str = CLOSE) -> list[dict[str, Any]]:
    """All frames that come for this audio until the server closes."""
    with opened(client, query) as wire:
        for at in range(0, len(audio), size):
            wire.send(audio[at : at + size])
        wire.send(last)
        return [json.loads(frame) for frame in wire]


def finals(frames: list[dict[str, Any]]) -> str:
    return " ".join(frame["transcript"] for frame in frames if frame["is_final"] and "utterance_end" not in frame)


def astra(client: Any, text: str = HELLO, format: str = "linear16", rate: int = 16000) -> bytes:
    return speak(client, text, format, rate)


# ------------------------------------------------------------------------------------------- the SDK


def transcribed(client: Any, query: Any, audio: bytes) -> list[Any]:
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    with sdk.speech_to_text.transcribe(extra_query=query) as connection:
        connection.send_raw(audio)
        connection.send({"type": "CloseStream"})
        return list(connection)


async def transcribed_async(client: Any, query: Any, audio: bytes) -> list[Any]:
    sdk = telnyx.AsyncTelnyx(api_key=client.key, base_url=client.v2)
    async with sdk.speech_to_text.transcribe(extra_query=query) as connection:
        await connection.send_raw(audio)
        await connection.send({"type": "CloseStream"})
        return [event async for event in connection]


both = pytest.mark.parametrize(
    "transcribe", [transcribed, lambda *given: asyncio.run(transcribed_async(*given))], ids=["sync", "async"]
)


@both
def test_the_sdk_gets_typed_events_in_spec(start, transcribe):
    client = start()

    events = transcribe(client, {**DEEPGRAM, "interim_results": True, "keyterm": ["Telnyx"]}, astra(client, "Hi Bob"))

    assert [(type(e).__name__, e.type, e.transcript, e.is_final) for e in events] == [
        ("TranscriptFrame", "transcript", "Hi", False),
        ("TranscriptFrame", "transcript", "Hi Bob", False),
        ("TranscriptFrame", "transcript", "Hi Bob", True),
    ]


@both
def test_the_sdk_gets_no_typed_events_in_live(start, transcribe):
    client = start(profile="live")

    events = transcribe(client, DEEPGRAM, astra(client))

    assert [(type(e).__name__, e.type, e.transcript) for e in events] == [("TranscriptFrame", None, HELLO)]


def test_the_sdk_takes_a_listed_error_for_a_transcript_in_live(start):
    client = start(profile="live")
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)

    with sdk.speech_to_text.transcribe(extra_query={"transcription_engine": "telnyx", "input_format": "wav"}) as wire:
        [event] = list(wire)

    assert (type(event).__name__, event.type, event.transcript) == ("TranscriptFrame", None, None)
    assert event.errors[0]["code"] == "40007"


def test_the_sdk_is_told_of_parameters_and_keys_at_the_handshake(start):
    client = start(api_key=("test-key-of-its-own",))
    for key, query, status in (
        (client.key, {}, 422),
        (client.key, {**DEEPGRAM, "sample_rate": 0}, 400),
        ("x", {}, 401),
    ):
        sdk = telnyx.Telnyx(api_key=key, base_url=client.v2)
        with pytest.raises(InvalidStatus) as denied, sdk.speech_to_text.transcribe(extra_query=query):
            pass
        assert denied.value.response.status_code == status


# ------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("rate", [999, 384_001])
def test_a_rate_that_no_sound_has_is_refused(client, rate):
    query = f"transcription_engine=Deepgram&input_format=linear16&sample_rate={rate}"
    with pytest.raises(InvalidStatus) as denied, opened(client, query):
        pass
    error = json.loads(denied.value.response.body)["errors"][0]
    assert error["detail"] == f"sample_rate {rate} is invalid for 'linear16': from 1000 to 384000"


def test_parameters_are_refused_at_the_handshake_in_spec(client):
    with pytest.raises(InvalidStatus) as denied, opened(client, "input_format=mp3"):
        pass
    body = json.loads(denied.value.response.body)
    assert denied.value.response.status_code == 422
    assert body["errors"][0] | {"meta": None} == {
        "code": "10004",
        "title": "Missing required parameter",
        "detail": "The 'transcription_engine' parameter is required and cannot be blank.",
        "source": {"pointer": "/transcription_engine"},
        "meta": None,
    }
    with pytest.raises(InvalidStatus) as denied, opened(client, "transcription_engine=Azure&input_format=flac"):
        pass
    error = json.loads(denied.value.response.body)["errors"][0]
    assert (denied.value.response.status_code, error["code"]) == (400, "40002")
    assert (error["title"], error["detail"]) == (
        "Unsupported format",
        "Format 'flac' is not supported by engine 'Azure'",
    )
    assert [entry["status"] for entry in client.journal()] == [400, 422]


def test_parameters_are_refused_in_one_frame_in_live(start):
    client = start(profile="live")
    with opened(client, "transcription_engine=telnyx&input_format=wav") as wire:
        frames = [json.loads(frame) for frame in wire]

    assert frames == [
        {
            "errors": [
                {
                    "code": "40007",
                    "title": "Invalid Parameter",
                    "detail": "Unsupported transcription_engine 'telnyx'. Supported engines: AssemblyAI, Azure, Cohere, "
                    "Deepgram, Google, Humain, Parakeet, Reson8, Soniox, Speechmatics, Telnyx, xAI",
                    "source": {"parameter": "transcription_engine"},
                }
            ]
        }
    ]
    assert wire.close_code == 1000


def test_nothing_is_refused_in_stub(start):
    client = start(profile="stub")

    frames = heard(
        client, astra(client, format="mp3", rate=24000), "transcription_engine=nobody&input_format=aac&sample_rate=x"
    )

    assert finals(frames) == HELLO


QUIRKED = [
    ("engine_names_exact", "transcription_engine=deepgram&input_format=wav", 400),
    ("transcription_parameters_defaulted", "", 101),
    ("browser_origin_refused", RAW, 403),
    ("parameters_refused_in_a_frame", "", 101),
]


@pytest.mark.parametrize(("quirk", "query", "status"), QUIRKED)
def test_each_quirk_of_the_handshake_is_a_switch(start, quirk, query, status):
    profile = "spec"
    client = start(profile=profile, quirk=(f"{quirk}=on",))
    try:
        with opened(client, query, headers={"origin": "https://example.com"}):
            found = 101
    except InvalidStatus as denied:
        found = denied.response.status_code

    assert found == status
    other = start(profile=profile)
    try:
        with opened(other, query, headers={"origin": "https://example.com"}):
            found = 101
    except InvalidStatus as denied:
        found = denied.response.status_code
    assert found != status


TELNYX = "transcription_engine=Telnyx&input_format=wav"
FLUX = "transcription_engine=Deepgram&model=flux&input_format=wav"
FRAMES = [
    ("frames_typed", False, RAW, lambda frames: "type" not in frames[-1]),
    ("telnyx_transcripts_bare", True, TELNYX, lambda frames: frames[0]["transcript"] == f" {HELLO}"),
    ("telnyx_transcribes_once", True, TELNYX, lambda frames: len(frames) == 1),
    ("interim_confidence_told", True, RAW + "&interim_results=true", lambda frames: frames[0]["confidence"] > 0),
    ("flux_turns_named", True, FLUX, lambda frames: frames[-1]["event"] == "EndOfTurn"),
    ("transcription_errors_listed", True, RAW, None),
    ("control_frames_by_engine", True, TELNYX, None),
]


@pytest.mark.parametrize(("quirk", "on", "query", "seen"), [row for row in FRAMES if row[3]])
def test_each_quirk_of_the_frames_is_a_switch(start, quirk, on, query, seen):
    def frames(client: Any) -> list[dict[str, Any]]:
        one = astra(client, format="wav" if "wav" in query else "linear16")
        pause = wav([0.0] * 16000, 16000) if "wav" in query else bytes(32000)
        return heard(client, (one + pause) * (2 if "once" in quirk else 1), query)

    assert seen(frames(start(quirk=(f"{quirk}={'on' if on else 'off'}",))))
    with pytest.raises((AssertionError, KeyError)):
        assert seen(frames(start(quirk=(f"{quirk}={'off' if on else 'on'}",))))


def test_an_error_in_the_conversation_is_told_as_the_quirk_says(start):
    client = start(quirk=("transcription_errors_listed=on", "parameters_refused_in_a_frame=on"))
    plain = start(quirk=("parameters_refused_in_a_frame=on",))

    told = []
    for one in (client, plain):
        with opened(one, RAW + "&endpointing=x") as wire:
            told.append(json.loads(wire.recv(timeout=5)))
    assert told[0]["errors"][0]["source"] == {"parameter": "endpointing"}
    assert told[1] == {"type": "error", "error": "endpointing must be a number of milliseconds or false, not 'x'"}


@pytest.mark.check
def test_an_engine_without_close_stream_ends_by_itself_in_live(start):
    client = start(profile="live", clock="2026-01-31T12:00:00Z")
    with opened(client, TELNYX) as wire:
        wire.send(astra(client, format="wav"))
        wire.send(CLOSE)
        final = moving(client, wire)
        assert final == {"transcript": f" {HELLO}", "confidence": None, "is_final": True}
        assert moving(client, wire) is None
    assert wire.close_code == 1000


def moving(client: Any, wire: ClientConnection, most: int = 60) -> Any:
    """The next frame, the account's clock moved until it comes; None where the socket is closed."""
    for _ in range(most):
        client.admin("POST", "/clock", json={"advance": 0.5})
        try:
            return json.loads(wire.recv(timeout=0.3))
        except TimeoutError:
            continue
        except ConnectionClosed:
            return None
    raise AssertionError("nothing came")


def test_every_quirk_of_this_socket_has_its_test():
    mine = {quirk.name for quirk in TABLE if quirk.what.startswith("speech-to-text socket")}

    assert mine <= {row[0] for row in (*QUIRKED, *FRAMES)}


# ------------------------------------------------------------------------------------------- the echo

ENCODINGS = [
    ("linear16", 16000, "linear16&sample_rate=16000"),
    ("linear16", 48000, "linear16&sample_rate=48000"),
    ("mulaw", 8000, "mulaw&sample_rate=8000"),
    ("alaw", 8000, "alaw&sample_rate=8000"),
    ("wav", 24000, "wav"),
    ("mp3", 24000, "mp3"),
    ("ogg_vorbis", 24000, "ogg"),
]


@pytest.mark.parametrize(("format", "rate", "query"), ENCODINGS)
@pytest.mark.parametrize("size", [321, 4096, 1_000_000])
def test_what_was_spoken_is_transcribed(client, format, rate, query, size):
    audio = speak(client, "Grüße aus 東京! And more.", format, rate)

    frames = heard(client, audio, f"transcription_engine=Deepgram&input_format={query}", size)

    assert finals(frames) == "Grüße aus 東京! And more."


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_what_was_spoken_is_transcribed_after_resampling(client, rate):
    samples, made = decoded(astra(client, format="mp3", rate=24000), "mp3", 24000)
    audio = wav(resampled(samples, made, rate), rate)

    frames = heard(client, audio, "transcription_engine=Deepgram&input_format=wav&interim_results=true")

    assert finals(frames) == HELLO
    assert [f["transcript"] for f in frames if not f["is_final"]] == [
        "Hello", "Hello there,", "Hello there, how", "Hello there, how are", HELLO,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("speaking", "listening"), [("mp3", "mp3"), ("wav", "wav"), ("linear16", "linear16&sample_rate=24000")]
)
def test_what_one_socket_says_another_hears(client, speaking, listening):
    frames = said(
        client, {"text": "First this. Then that."}, query=f"voice=Telnyx.NaturalHD.astra&audio_format={speaking}"
    )

    heard_ = heard(client, audio_of(frames), f"transcription_engine=Deepgram&input_format={listening}")

    assert [frame["transcript"] for frame in heard_ if frame["is_final"]] == ["First this.", "Then that."]


@pytest.mark.check
def test_a_client_that_just_stops_gets_its_final_and_then_a_close(start):
    client = start(clock="2026-01-31T12:00:00Z")
    samples, _ = decoded(astra(client), "linear16", 16000)
    audio = (samples[: int(len(samples) - 0.2 * 16000)] * 32767).astype("<i2").tobytes()  # cut where the voice ends
    with opened(client) as wire:
        wire.send(audio)
        assert moving(client, wire)["transcript"] == HELLO
        assert moving(client, wire)["utterance_end"]
        assert moving(client, wire) is None
    assert wire.close_code == 1000


def test_finalize_and_what_is_said_after_it(client):
    audio = astra(client, "One two three.")
    with opened(client) as wire:
        for _ in range(2):
            wire.send(audio[: len(audio) * 2 // 3])
            wire.send(FINALIZE)
            assert json.loads(wire.recv(timeout=5))["transcript"] == "One two three."


# ---------------------------------------------------------------------------------- audio from elsewhere


def noise(seconds: float, rate: int = 16000) -> bytes:
    import numpy as np

    loud = np.random.default_rng(3).standard_normal(int(seconds * rate)) * 3000
    return loud.astype("<i2").tobytes()


def test_audio_from_elsewhere_says_more_the_longer_it_is(client):
    frames = heard(client, noise(4), RAW + "&interim_results=true")
    again = heard(client, noise(4), RAW + "&interim_results=true", 999)
    shorter = heard(client, noise(2))

    interim = [frame["transcript"] for frame in frames if not frame["is_final"]]
    assert frames == again
    assert interim[:3] == ["Thank", "Thank you", "Thank you for"] and len(interim) > 8
    assert finals(frames) == "Thank you for calling. This call may be recorded for quality."
    assert finals(shorter) == "Thank you for calling. This."
    assert client.journal()[0]["reply"] == "canned"


@pytest.mark.parametrize("audio", [b"audio", b"\x00" * 5, bytes(3200), b"\xff" * 6000, b"ID3", b"OggS", b"RIFF"])
@pytest.mark.parametrize("encoding", ["mp3", "wav", "webm", "opus&sample_rate=48000"])
def test_any_bytes_have_a_transcript(client, audio, encoding):
    assert finals(heard(client, audio, f"transcription_engine=Deepgram&input_format={encoding}"))


def test_a_fixture_says_what_a_recording_says(start, tmp_path):
    (tmp_path / "transcripts").mkdir()
    audio = noise(3)
    (tmp_path / "transcripts" / "mine.yaml").write_text(
        f"transcripts:\n- {{sha256: {hashlib.sha256(audio).hexdigest()}, text: By its sum}}\n"
        "- {duration: 5.0, text: By its length}\n"
    )
    client = start(fixtures=(tmp_path,))

    assert finals(heard(client, audio)) == "By its sum"
    assert client.journal()[0]["reply"] == "transcript"
    assert finals(heard(client, noise(5), last=CLOSE)) == "By its length"
    assert finals(heard(client, noise(2))) == "Thank you for calling. This."


def test_transcriptions_count_in_the_reports(client):
    heard(client, noise(2))
    with opened(client) as wire:
        wire.send(noise(1))
        wire.close()
    while True:  # the second one ends when the server notices
        report = client.get("/legacy/reporting/usage_reports/speech_to_text").json()["data"]
        if report["transcriptions"] == 2:
            break

    assert report["duration_sec"] == pytest.approx(3.0, abs=0.05)
    assert report["by_model"][0]["model"] == "deepgram/nova-3"


def test_the_journal_has_the_socket(client):
    heard(client, astra(client))

    entry = client.journal(operation="speech_to_text.transcribe")[0]
    assert (entry["status"], entry["reply"], entry["ended"]) == (101, "echo", "complete")
    assert entry["frames"]["close"] == {"code": 1000, "reason": "", "by": "server"}


def test_in_real_time_a_transcript_waits_for_its_audio(start):
    client = start(realtime=True, clock="2026-01-31T12:00:00Z")
    with opened(client) as wire:
        wire.send(astra(client))
        wire.send(FINALIZE)
        with pytest.raises(TimeoutError):
            wire.recv(timeout=0.3)
        client.admin("POST", "/clock", json={"advance": 3})
        assert json.loads(wire.recv(timeout=5))["transcript"] == HELLO


def test_a_half_open_socket_is_a_fault(client):
    with opened(client, headers={"x-mock-fault": "half-open"}, ping_interval=None) as wire:
        wire.send(astra(client))
        wire.send(CLOSE)
        answer = wire.ping()
        with pytest.raises(TimeoutError):
            wire.recv(timeout=0.5)
        assert not answer.is_set()
        wire.socket.close()


# ----------------------------------------------------------------------------------------- many, and anything


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_500_sockets_at_once_each_get_their_own_transcript(start):
    client = start()
    audio = [
        speak(client.as_key(f"key-{number}"), f"Socket {number} hears this.", "linear16", 8000) for number in range(500)
    ]
    url = client.v2.replace("http", "ws") + PATH + "?" + RAW.replace("16000", "8000")

    async def listen(number: int, ready: asyncio.Barrier) -> list[str]:
        headers = {"authorization": f"Bearer key-{number}"}
        async with aconnect(url, additional_headers=headers, proxy=None, open_timeout=60) as wire:
            await ready.wait()
            for at in range(0, len(audio[number]), 4096):
                await wire.send(audio[number][at : at + 4096])
            await wire.send(CLOSE)
            return [json.loads(frame)["transcript"] async for frame in wire]

    async def all_at_once() -> list[list[str]]:
        ready = asyncio.Barrier(500)
        return await asyncio.gather(*(listen(number, ready) for number in range(500)))

    asyncio.run(all_at_once())
    before = memory()
    told = asyncio.run(all_at_once())

    assert told == [[f"Socket {number} hears this."] for number in range(500)]
    assert memory() < before * 1.1


QUERIES = st.sampled_from(
    [RAW, RAW + "&interim_results=true&redact=numbers&keyterm=a", "transcription_engine=Deepgram&input_format=mp3",
     "transcription_engine=Telnyx&input_format=wav", "transcription_engine=Deepgram&input_format=ogg",
     "transcription_engine=Deepgram&input_format=opus&sample_rate=48000", FLUX + "&interim_results=true",
     "transcription_engine=Deepgram&input_format=flac&endpointing=false", "transcription_engine=xAI&input_format=webm",
     "transcription_engine=Soniox&input_format=mp3&endpointing=500", "input_format=%FF&sample_rate=9&model=%00"]
)  # fmt: skip
MESSAGES = st.one_of(
    st.sampled_from([CLOSE, FINALIZE, '{"type":"KeepAlive"}', "", "[]", '{"type":{}}', "RIFF"]),
    st.text(max_size=40),
    st.binary(max_size=300),
    st.binary(min_size=2000, max_size=9000),
    st.sampled_from(
        [wav([0.1, -0.1] * 8000, 16000), b"OggS" + bytes(9000), b"ID3\3\0\0\0\0\0\1", b"\xff\xfb\x90\0" * 3000]
    ),
)
HOW = st.sampled_from(["end", "close", "reset", "read"])


@pytest.fixture(scope="module", params=["spec", "live", "stub"])
def fuzzed(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that must not crash, whatever comes."""
    with LocalServer(Settings(port=0, profile=request.param)) as server, httpx.Client(timeout=20) as http:
        client = Client(server.url, "fuzz-key-of-its-own", http)
        yield client
        assert finals(heard(client, astra(client))) == HELLO
        assert "crashed" not in {exchange.ended for exchange in server.app.world.ring.newest_first()}


def talk(client: Any, query: str, messages: list[str | bytes], how: str) -> None:
    """One socket with all of that, however it ends."""
    try:
        with opened(client, query, close_timeout=2) as wire:
            for message in messages:
                wire.send(message)
            if how == "read":
                wire.recv(timeout=0.05)
            elif how == "end":
                wire.send(CLOSE)
                list(wire)
            elif how == "reset":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.socket.close()
    except InvalidStatus as denied:
        assert denied.response.status_code in (400, 422)
    except (ConnectionClosed, TimeoutError, OSError):
        pass


def fuzz(client: Any, seconds: float) -> None:
    """Rounds of 20 examples, each with a seed of its own, until the time is over."""
    until = time.monotonic() + seconds

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(QUERIES, st.lists(MESSAGES, max_size=8), HOW)
    def run(query: str, messages: list[str | bytes], how: str) -> None:
        talk(client, query, messages, how if how != "end" or "Deepgram" in query or "Soniox" in query else "close")

    for number in itertools.count():
        seed(number)(run)()
        if time.monotonic() > until:
            return


@pytest.mark.check
@pytest.mark.timeout(60)
def test_anything_a_client_sends_leaves_the_server_alive(fuzzed):
    fuzz(fuzzed, 2)


@pytest.mark.proof
@pytest.mark.timeout(180)
def test_a_minute_of_anything_leaves_the_server_alive(fuzzed):
    fuzz(fuzzed, 60)


def test_what_belongs_to_a_closed_socket_is_freed_without_the_garbage_collector():
    from websockets.server import ServerProtocol

    from mock_server.protocols.http import HttpProtocol
    from mock_server.protocols.sockets import SocketProtocol

    def living() -> int:
        return sum(type(o) in (HttpProtocol, SocketProtocol, ServerProtocol) for o in gc.get_objects())

    with LocalServer(Settings(port=0)) as alone, httpx.Client() as http:
        client = Client(alone.url, "freed-at-once", http)
        heard(client, bytes(6400))
        gc.collect()
        gc.disable()
        try:
            before = living()
            for _ in range(5):
                heard(client, bytes(6400))
                with opened(client) as wire:  # the client leaves, too
                    wire.send(bytes(640))
            end = time.monotonic() + 10
            while living() > before and time.monotonic() < end:
                time.sleep(0.01)
            assert living() <= before
        finally:
            gc.enable()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc to look into")
def test_who_speaks_and_hears_raw_audio_on_sockets_does_not_pay_for_numpy():
    command = [sys.executable, "-m", "mock_server", "serve", "--port", "0"]
    env = {**os.environ, "MOCK_LOG_FORMAT": "none"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process, httpx.Client() as http:
        found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
        assert found is not None
        client = Client(found[0], "without-numpy", http)
        audio = np.frombuffer(astra(client), "<i2")
        texts = [finals(heard(client, part.astype("<i2").tobytes())) for part in (audio, audio * 0.9)]
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        process.terminate()
    assert texts == [HELLO, HELLO]  # by the text in it, and by its tones
    assert "numpy" not in loaded and "audioop" in loaded
