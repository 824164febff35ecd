"""Audio over speech-to-text sockets: as fast as it is taken, and in real time."""

import array
import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from load import Load, Tally, run_clients
from servers import Server, ServerFailed
from sockets import BINARY, TEXT, Client, Turns, handshake, load_of, masked, take_turns
from wire import FINALIZE, SPOKEN, Request

RATE = 16000
FRAME = RATE // 50 * 2  # bytes of 20 ms of linear16
PAUSE = 0.3  # seconds of silence after which the real-time sockets want their final transcript
SHORTEST = 4  # seconds of a run in real time
LISTENED = 20  # frames after which the bare application answers
FINAL = b'"is_final":true', b'"is_final": true'


def spoken(mock: Server) -> bytes:
    """A sentence in the mock's own voice, with its text in it. The mock knows it from then on."""
    status, audio = mock.ask(SPOKEN)
    if status != 200:
        raise ServerFailed(f"mock answered {SPOKEN.path} with {status}.")
    return audio


def _as_spoken(audio: bytes) -> bytes:
    return audio


def _quieter(audio: bytes) -> bytes:
    """At nine tenths of its volume: its text can be told by its tones only."""
    return _bytes(round(sample * 0.9) for sample in array.array("h", audio))


def _noise(audio: bytes) -> bytes:
    """As much noise, which says nothing that is known."""
    draw = random.Random(3)
    return _bytes(draw.randint(-6000, 6000) for _ in range(len(audio) // 2))


def _silence(audio: bytes) -> bytes:
    return bytes(len(audio))


def _bytes(samples: Iterable[int]) -> bytes:
    return array.array("h", samples).tobytes()


KINDS = {"speech": _as_spoken, "tones": _quieter, "noise": _noise, "silence": _silence}


def frames(audio: bytes) -> list[bytes]:
    """As they go over the wire."""
    return [masked(BINARY, audio[at : at + FRAME]) for at in range(0, len(audio), FRAME)]


# ---- as fast as it is taken


class Listener(Turns):
    """Says one utterance after another and asks for its transcript; counts the frames it has sent."""

    def __init__(self, said: list[bytes], *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.count, self.said = len(said), b"".join(said) + masked(TEXT, FINALIZE.encode())

    def turn(self) -> bytes:
        return self.said

    def told(self, start: int, end: int) -> None:
        if any(self.buffer.find(flag, start, end) >= 0 for flag in FINAL):
            self.tally.chunks += self.count
            self.finish()


def listener(kind: str, audio: bytes) -> Callable[..., Listener]:
    """A maker of clients that say the audio as one of KINDS."""
    return partial(Listener, _utterance(kind, audio))


@lru_cache
def _utterance(kind: str, audio: bytes) -> list[bytes]:
    return frames(KINDS[kind](audio))


def listening_load(kind: str, server: Server, request: Request, connections: int, seconds: int) -> Load:
    """Frames of audio/s; p50 of a turn, from its first frame to its final transcript. The request's body is the audio."""
    return load_of(take_turns(listener(kind, request.body), server, request, connections, seconds))


# ---- in real time


class Fed(Client):
    """Is sent a frame every 20 ms. `waits`: seconds from the frame that makes an answer due to that answer."""

    def __init__(self, handshake: bytes, waits: list[float], sees_finals: bool) -> None:
        super().__init__(handshake)
        self.waits, self.sees_finals = waits, sees_finals
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.asked = 0.0

    def opened(self) -> None:
        self.ready.set_result(None)

    def told(self, start: int, end: int) -> None:
        final = any(self.buffer.find(flag, start, end) >= 0 for flag in FINAL)
        if final == self.sees_finals and self.asked:
            self.waits.append(time.perf_counter() - self.asked)
            self.asked = 0.0

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("a socket was not opened"))


def _loop_of(audio: bytes) -> tuple[list[bytes], int]:
    """The sentence and half a second of silence, again and again; and the frame with which the pause is complete."""
    samples = array.array("h", audio)
    floor = max(map(abs, samples)) // 50
    last = max(n for n, sample in enumerate(samples) if abs(sample) > floor)
    return frames(audio + bytes(RATE)), int((last / RATE + PAUSE) * 50)


def realtime_load(server: Server, request: Request, connections: int, seconds: int) -> Load:
    """Sockets that are fed in real time; p50 and p99 of an answer, and how late the client itself was."""
    mock, seconds = server.name == "mock", max(seconds, SHORTEST)
    loop, due = _loop_of(request.body)
    late: list[float] = []

    async def everyone(tally: Tally, deadline: float) -> None:
        running = asyncio.get_running_loop()
        clients = []
        for _ in range(connections):
            _, client = await running.create_connection(
                lambda: Fed(handshake(server, request), tally.whole, mock), server.host, server.port
            )
            await client.ready
            clients.append(client)
        await _feed(clients, loop, lambda n: n % len(loop) == due if mock else (n + 1) % LISTENED == 0, tally, seconds)
        for client in clients:
            client.transport.abort()

    async def _feed(clients, loop, is_due, tally, seconds) -> None:  # type: ignore[no-untyped-def]
        """Each socket at a place of its own in the sentence, all of them spread over the 20 ms."""
        count, pace = len(clients), len(clients) * 50
        began = time.perf_counter()
        for n in range(seconds * pace):
            now = time.perf_counter()
            while (wait := began + n / pace - now) > 0:
                await asyncio.sleep(wait)
                now = time.perf_counter()
            late.append(-wait)
            number, client = n // count, clients[n % count]
            place = number + (n % count) * len(loop) // count if mock else number
            client.transport.write(loop[place % len(loop)])
            if is_due(place):
                client.asked = time.perf_counter()
            tally.chunks += 1
            if n % 100 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.5)

    tally = run_clients(server, Tally(), everyone, 1, seconds)
    late.sort()
    lag = late[int(len(late) * 0.99)]
    p99 = statistics.quantiles(tally.whole, n=100)[98] * 1000 if len(tally.whole) > 1 else float("nan")
    return Load(tally.chunks / seconds, tally.p50_ms(tally.whole), tally.chunks, 0, p99_ms=p99, lag_ms=lag * 1000)
