"""Ten minutes of mixed load: plain answers, streams, sockets, uploads, clients that leave. Nothing may pile up.

`SOAK_SECONDS=60 make proof` takes another time.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import websockets

ROOT = Path(__file__).parent.parent
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
CLIENTS = 24
WARM = 0.25  # of the time; what is cached and imported is there by then
MODEL = "meta-llama/Meta-Llama-3.1-8B-Instruct"
VOICE = "Telnyx.NaturalHD.astra"
ACTS = {"chat", "stream", "leave", "converse", "speak", "store", "tts", "stt", "fail"}


class Load:
    """One client's acts; every few it takes another key, resets it and so gives back what it made."""

    def __init__(self, n: int, url: str, http: httpx.AsyncClient, done: Counter[str]) -> None:
        self.n, self.url, self.http, self.done = n, url, http, done
        self.random = random.Random(n)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer soak-key-{self.n:03}"}

    async def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        answer = await self.http.request(method, path, headers=self.headers, **options)  # type: ignore[arg-type]
        assert answer.status_code < 500, answer.text
        return answer

    async def chat(self) -> None:
        await self.ask("POST", "/v2/ai/chat/completions", json=self.said())

    def said(self, **fields: object) -> dict[str, object]:
        return {"model": MODEL, "messages": [{"role": "user", "content": f"hello {self.random.random()}"}], **fields}

    async def stream(self) -> None:
        assert "[DONE]" in (await self.ask("POST", "/v2/ai/chat/completions", json=self.said(stream=True))).text

    async def leave(self) -> None:
        """Closes the connection in the middle of a request, an answer, or before either."""
        reader, writer = await asyncio.open_connection(*self.url.removeprefix("http://").split(":"))
        body = json.dumps(self.said(stream=True)).encode()
        head = f"POST /v2/ai/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\nx-mock-fault: drip=20\r\n"
        head += f"authorization: {self.headers['authorization']}\r\n\r\n"
        sent = head.encode() + body
        writer.write(sent[: self.random.choice([0, 30, len(sent) - 10, len(sent)])])
        await writer.drain()
        if self.random.random() < 0.5:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(10), 0.05)
        writer.transport.abort()

    async def converse(self) -> None:
        made = (await self.ask("POST", "/v2/ai/conversations", json={"metadata": {"n": str(self.n)}})).json()
        await self.ask(
            "POST", f"/v2/ai/conversations/{made['id']}/message", json={"role": "user", "content": "x" * 500}
        )
        await self.ask("GET", "/v2/ai/conversations?page[size]=5")
        await self.ask("DELETE", f"/v2/ai/conversations/{made['id']}")

    async def speak(self) -> None:
        body = {"text": f"Number {self.random.randrange(10)} is speaking.", "voice": VOICE}
        spoken = await self.ask("POST", "/v2/text-to-speech/speech", json=body)
        await self.ask("POST", "/v2/ai/audio/transcriptions", files={"file": ("a.mp3", spoken.content)}, data={})

    async def store(self) -> None:
        await self.ask("PUT", f"/s3/my-bucket/soak-{self.n}.txt", content=b"Bees dance. " * 500)
        found = {"bucket_name": "my-bucket", "query": "bees"}
        await self.ask("POST", "/v2/ai/embeddings/similarity-search", json=found)
        await self.ask("DELETE", f"/s3/my-bucket/soak-{self.n}.txt")

    async def tts(self) -> None:
        url = self.url.replace("http", "ws") + f"/v2/text-to-speech/speech?voice={VOICE}"
        async with websockets.connect(url, additional_headers=self.headers) as socket:
            await socket.send(json.dumps({"text": " "}))
            await socket.send(json.dumps({"text": "One sentence for the soak."}))
            if self.random.random() < 0.3:
                socket.transport.abort()
                return
            await socket.send(json.dumps({"text": ""}))
            async for _ in socket:
                pass

    async def stt(self) -> None:
        url = self.url.replace("http", "ws") + "/v2/speech-to-text/transcription"
        query = "?transcription_engine=Telnyx&input_format=wav"
        async with websockets.connect(url + query, additional_headers=self.headers) as socket:
            for _ in range(20):
                await socket.send(bytes(640))
            if self.random.random() < 0.3:
                socket.transport.abort()
                return
            await socket.send(json.dumps({"type": "CloseStream"}))
            async for _ in socket:
                pass

    async def fail(self) -> None:
        await self.ask("POST", "/_mock/faults", json={"effect": "429;times=2"})
        await self.ask("GET", "/v2/ai/models")
        await self.ask("POST", "/_mock/reset")

    async def live(self, until: float) -> None:
        acts: list[Callable[[], Awaitable[None]]] = [
            *[self.chat] * 8, *[self.stream] * 4, *[self.converse] * 4, self.leave, self.speak, self.store, self.tts,
            self.stt, self.fail,
        ]  # fmt: skip
        while time.monotonic() < until:
            act = self.random.choice(acts)
            await act()
            self.done[act.__name__] += 1


# A server that says how many tasks it has whenever it is asked by a line.
SERVER = """
import asyncio, gc, sys
from mock_server import LocalServer, Settings
with LocalServer(Settings(port=0)) as server:
    print(server.url, flush=True)
    for line in sys.stdin:
        gc.collect()
        print(sum(isinstance(o, asyncio.Task) and not o.done() for o in gc.get_objects()), flush=True)
"""


class Server:
    """The process that is looked at from outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.url = self._process.stdout.readline().strip()  # type: ignore[union-attr]

    def megabytes(self) -> float:
        """Resident."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def handles(self) -> int:
        """Open files, sockets and pipes."""
        return sum(1 for _ in Path(f"/proc/{self._process.pid}/fd").iterdir())

    def tasks(self) -> int:
        self._process.stdin.write("\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        return int(self._process.stdout.readline())  # type: ignore[union-attr]

    def settled(self, tasks: int = 0, handles: int = 0) -> tuple[int, int]:
        """Tasks and handles, once what has ended is gone, or is not after a hundred looks."""
        for _ in range(100):
            left = self.tasks(), self.handles()
            if left[0] <= tasks and left[1] <= handles:
                break
            httpx.get(self.url + "/_mock/health", timeout=60)
        return left

    def end(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(20)
        self._process.stdout.close()  # type: ignore[union-attr]


async def soak(server: Server, seconds: float) -> tuple[Counter[str], list[float]]:
    """The load for so long: what was done, and the memory 60 times on the way."""
    done: Counter[str] = Counter()
    seen: list[float] = []
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=CLIENTS)) as http:
        until = time.monotonic() + seconds
        clients = [asyncio.create_task(Load(n, server.url, http, done).live(until)) for n in range(CLIENTS)]
        while not all(client.done() for client in clients):
            await asyncio.wait(clients, timeout=seconds / 60, return_when=asyncio.FIRST_EXCEPTION)
            seen.append(server.megabytes())
            if any(client.done() and client.exception() for client in clients):
                break
        await asyncio.gather(*clients)
    return done, seen


@pytest.mark.proof
@pytest.mark.timeout(2 * SECONDS + 180)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_nothing_piles_up_in_ten_minutes_of_mixed_load() -> None:
    server = Server()
    try:
        asyncio.run(soak(server, SECONDS / 20))  # what is begun when first needed is there then
        before = server.settled()
        done, seen = asyncio.run(soak(server, SECONDS))
        after = server.settled(*before)
    finally:
        server.end()

    warm = seen[int(len(seen) * WARM)]
    print(
        f"{done.total()} acts in {SECONDS:.0f} s: {dict(done)}; memory {warm:.0f} -> {seen[-1]:.0f} MB;"
        f" tasks {before[0]} -> {after[0]}; files and sockets {before[1]} -> {after[1]}"
    )
    assert set(done) == ACTS
    assert max(seen[-5:]) <= warm * 1.1, [round(megabytes) for megabytes in seen]
    assert after[0] <= before[0] and after[1] <= before[1], (before, after)
