"""Sockets as connections: limits, backpressure, abrupt ends, many at once, and anything a client may send."""

import asyncio
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from mock_server import LocalServer, Settings
from mock_server.serve import Server, bind, config, url_of
from tests.test_speech_socket import END, HELLO, audio_of, opened, said, sentences

SPEECH = "/text-to-speech/speech"
LONG = {"text": "A sentence that is long enough to make many frames of audio out of it. " * 12, "flush": True}


def ended(client: Any, count: int = 1) -> list[dict[str, Any]]:
    """The journal's entries once there are so many; pytest's timeout is the end."""
    entries: list[dict[str, Any]] = []
    while len(entries) < count:
        entries = client.journal()
    return entries


def raw(client: Any, query: str = "?voice=Telnyx.NaturalHD.astra&audio_format=linear16") -> socket.socket:
    """A socket after its handshake, for bytes that no library would send."""
    address = urlsplit(client.url)
    wire = socket.create_connection((address.hostname, address.port), timeout=10)
    head = (
        f"GET /v2{SPEECH}{query} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nauthorization: Bearer {client.key}\r\n\r\n"
    )
    wire.sendall(head.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += wire.recv(1)
    assert answer.startswith(b"HTTP/1.1 101")
    return wire


def frame(opcode: int, data: bytes) -> bytes:
    """A client's whole frame, masked with zeros."""
    size = len(data)
    length = bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack(">H", size)
    return bytes([0x80 | opcode]) + length + bytes(4) + data


def text(value: Any) -> bytes:
    return frame(1, json.dumps(value).encode())


# ----------------------------------------------------------------------------------------------- ends


def test_a_frame_over_the_limit_closes_with_1009(start):
    client = start(max_frame_bytes=1000)
    with opened(client) as wire:
        wire.send(json.dumps({"text": " " * 900}))
        wire.send(json.dumps({"text": "x" * 20_000_000}))
        with pytest.raises(ConnectionClosedError):
            wire.recv(timeout=10)

    assert wire.close_code == 1009
    assert [(e["frames"]["close"]["code"], e["frames"]["close"]["by"]) for e in ended(client)] == [(1009, "server")]
    assert said(client, {"text": "Alive."})


def test_text_that_is_no_utf8_closes_with_1007(client):
    with raw(client) as wire:
        wire.sendall(frame(1, b"\xff\xfe"))
        answer = wire.recv(100)

    assert answer[:1] == b"\x88" and int.from_bytes(answer[2:4]) == 1007
    assert ended(client)[0]["frames"]["close"]["code"] == 1007


def test_a_client_that_says_goodbye_and_one_that_just_goes(client):
    with opened(client) as wire:
        wire.close(4321, "enough")
    with raw(client):
        pass
    entries = ended(client, 2)

    assert [(e["ended"], *e["frames"]["close"].values()) for e in entries] == [
        ("client_left", 1006, "", "client"),
        ("complete", 4321, "enough", "client"),
    ]


def test_a_client_that_leaves_in_the_middle_ends_the_work(client):
    with raw(client) as wire:
        wire.sendall(text(HELLO) + text(LONG) * 20)
        wire.recv(10)

    assert ended(client)[0]["ended"] == "client_left"


def test_a_client_that_leaves_while_audio_is_paced_is_gone_at_once(start):
    client = start(clock="2026-01-31T12:00:00Z", realtime=True)
    with raw(client) as wire:
        wire.sendall(text(HELLO) + text(LONG))

    assert ended(client)[0]["ended"] == "client_left"


@pytest.mark.parametrize("compression", [True, False])
def test_compression_only_where_it_was_asked_for(start, compression):
    with opened(start(compression=compression)) as wire:
        assert ("permessage-deflate" in wire.response.headers.get("sec-websocket-extensions", "")) is compression


# ---------------------------------------------------------------------------------------- backpressure


def memory(process: int | str = "self") -> float:
    """Resident memory of a process, by itself of this one with the server in it, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def stuff(wire: socket.socket, data: bytes, most: int) -> int:
    """Send for as long as the server takes it, without reading; how much it took."""
    wire.settimeout(1)
    taken = 0
    try:
        while taken < most:
            taken += wire.send(data)
    except TimeoutError:
        pass
    return taken


@pytest.mark.check
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("flood", ["speech", "pings"])
def test_a_client_that_does_not_read_cannot_grow_memory(client, flood):
    said(client, LONG, LONG)
    before = memory()
    with raw(client) as wire:
        wire.sendall(text(HELLO))
        data = text(LONG) if flood == "speech" else text(LONG) + frame(9, b"x" * 125) * 1000
        taken = stuff(wire, data, 64 * 1024 * 1024)
        after = memory()

    assert taken < 64 * 1024 * 1024
    assert after - before < 30
    assert said(client, {"text": "Alive."})


def test_others_are_served_while_one_does_not_read(client):
    with raw(client) as wire:
        wire.sendall(text(HELLO) + text(LONG) * 30)
        assert sentences(said(client, {"text": "Meanwhile."})) == ["Meanwhile."]


@pytest.mark.check
@pytest.mark.timeout(120)
def test_500_sockets_at_once_each_get_their_own_words(start):
    client = start()
    said(client, {"text": "Warm."})

    async def talk(number: int, ready: asyncio.Barrier) -> tuple[list[str], bytes]:
        url = (
            client.v2.replace("http", "ws")
            + SPEECH
            + "?voice=Telnyx.NaturalHD.astra&audio_format=linear16&sample_rate=8000"
        )
        headers = {"authorization": f"Bearer key-{number}"}
        async with aconnect(url, additional_headers=headers, proxy=None, open_timeout=60) as wire:
            await ready.wait()
            for frame in (HELLO, {"text": f"Socket {number} says this."}, END):
                await wire.send(json.dumps(frame))
            frames = [json.loads(frame) async for frame in wire]
            return sentences(frames), audio_of(frames)

    async def all_at_once(count: int) -> list[tuple[list[str], bytes]]:
        ready = asyncio.Barrier(count)
        return await asyncio.gather(*(talk(number, ready) for number in range(count)))

    before = 0.0
    for _ in range(3):  # one round differs from the next by up to 10 %
        asyncio.run(all_at_once(500))
        before = max(before, memory())
    spoken = asyncio.run(all_at_once(500))

    assert [texts for texts, _ in spoken] == [[f"Socket {number} says this."] for number in range(500)]
    assert len({audio for _, audio in spoken}) == 500
    assert memory() < before * 1.1


# ---------------------------------------------------------------------------------------------- fuzz

WORDS = st.text(max_size=60) | st.sampled_from(
    ["", " ", "One. Two?", "# A\n**b**", "x" * 3000, "。", "<speak>a</speak>"]
)
SETTINGS = st.dictionaries(
    st.sampled_from(["voice_speed", "speed", "response_format", "sample_rate", "x"]),
    st.none()
    | st.floats()
    | st.integers()
    | st.sampled_from(["mp3", "pcm", "aac", "8000"])
    | st.lists(st.integers(), max_size=2),
    max_size=3,
)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "text": WORDS | st.none() | st.integers(),
        "flush": st.booleans(),
        "force": st.booleans(),
        "voice_settings": SETTINGS,
    },
)
MESSAGES = st.one_of(
    st.just(json.dumps(HELLO)),
    FRAMES.map(json.dumps),
    FRAMES.map(json.dumps),
    st.text(max_size=40),
    st.binary(max_size=200),
)
BYTES = st.binary(max_size=40).map(lambda data: frame(9, data)) | st.binary(max_size=30)
QUERIES = st.sampled_from(
    ["voice=Telnyx.NaturalHD.astra", "voice=aws.Polly.Mia&audio_format=pcm", "text_type=ssml", "voice=Telnyx.KokoroTTS.af_heart",
     "inactivity_timeout=1", "audio_format=wav&sample_rate=8000", "voice=telnyx.qwen3tts.ryan&disable_cache=true"]
)  # fmt: skip
END_HOW = st.sampled_from(["end", "close", "drop", "reset", "read"])


@pytest.fixture(scope="module", params=["spec", "live", "stub"])
def fuzzed(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that must not crash, whatever comes."""
    import httpx

    from tests.conftest import Client

    with LocalServer(Settings(port=0, profile=request.param)) as server, httpx.Client(timeout=20) as http:
        client = Client(server.url, "fuzz-key-of-its-own", http)
        yield client
        assert sentences(said(client, {"text": "Alive."})) == ["Alive."]
        assert "crashed" not in {exchange.ended for exchange in server.app.world.ring.newest_first()}


def talk(client: Any, query: str, messages: list[str | bytes], junk: list[bytes], how: str) -> None:
    """One socket with all of that, however it ends."""
    url = client.v2.replace("http", "ws") + SPEECH + "?" + query
    headers = {"authorization": f"Bearer {client.key}"}
    try:
        wire = connect(url, additional_headers=headers, proxy=None, close_timeout=2)
    except InvalidStatus as denied:
        assert denied.response.status_code in (400, 403)
        return
    try:
        for message in messages:
            wire.send(message)
        for data in junk:
            wire.socket.sendall(data)
        if how == "end":
            wire.send(json.dumps(END))
        if how == "read":
            with pytest.raises(TimeoutError):
                while True:
                    wire.recv(timeout=0.01)
        if how == "reset":
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how in ("drop", "reset"):
            wire.socket.close()
    except (ConnectionClosed, OSError):
        pass
    finally:
        try:
            wire.close()
        except (ConnectionClosed, OSError):
            pass


def fuzz(client: Any, seconds: float) -> None:
    """Rounds of 20 examples, each with a seed of its own, until the time is over."""
    until = time.monotonic() + seconds

    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(QUERIES, st.lists(MESSAGES, max_size=8), st.lists(BYTES, max_size=2), END_HOW)
    def run(query: str, messages: list[str | bytes], junk: list[bytes], how: str) -> None:
        talk(client, query, messages, junk, how)

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


# A client's close


@pytest.mark.parametrize("said", [b"", b"RIFF", bytes(40_000)])
def test_who_has_closed_finds_the_exchange_in_the_journal(client, said):
    url = client.v2.replace("http", "ws") + "/speech-to-text/transcription?transcription_engine=Telnyx&input_format=wav"
    for n in range(1, 11):
        with connect(url, additional_headers={"authorization": f"Bearer {client.key}"}) as ws:
            ws.send(said)
        assert (ws.close_code, len(client.journal())) == (1000, n)


def test_an_application_that_does_not_end_holds_up_no_close(monkeypatch):
    monkeypatch.setattr("mock_server.protocols.sockets.PARTING", 0.05)
    left, over = threading.Event(), threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            return
        await send({"type": "websocket.accept"})
        assert (await receive())["code"] == 1000
        left.set()
        with pytest.raises(OSError):
            await send({"type": "websocket.send", "text": "nobody is there"})
        while not over.is_set():
            await asyncio.sleep(0.01)

    app.stopping = lambda: None  # type: ignore[attr-defined]
    listener = bind("127.0.0.1", 0)
    server = Server(config(app, Settings()))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with connect(url_of(listener).replace("http", "ws")) as ws:
            pass
        assert ws.close_code == 1000 and left.is_set() and not over.is_set()
    finally:
        over.set()
        server.stop()
        thread.join()
