"""The reference: an ASGI application that only answers fixed bytes. What the server underneath can do, and no more."""

import json
from collections.abc import Iterator
from typing import Any

Scope = dict[str, Any]

MODEL = "meta-llama/Meta-Llama-3.1-8B-Instruct"
ID = "chatcmpl-0123456789abcdef0123456789abcdef"
WORDS = ["alpha", "bravo", "carbon", "delta", "ember", "fjord", "glacier", "harbor", "island", "jungle"]
TEXT = (
    "Hello! Your test request reached the local mock server and this is its fixed "
    "answer, long enough to look like a short reply."
)


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _answer(kind: str, choice: dict[str, Any], **more: Any) -> bytes:
    choice = {"index": 0, **choice}
    return _bytes({"id": ID, "object": kind, "created": 1760000000, "model": MODEL, "choices": [choice], **more})


def _events() -> Iterator[bytes]:
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": WORDS[number % 10] + " "} for number in range(200)]
    for delta in [*deltas, {}]:
        finish = None if delta else "stop"
        choice = {"delta": delta, "logprobs": None, "finish_reason": finish}
        yield b"data: " + _answer("chat.completion.chunk", choice) + b"\n\n"
    yield b"data: [DONE]\n\n"


MESSAGE = {"role": "assistant", "content": TEXT, "tool_calls": None}
CHAT = _answer(
    "chat.completion",
    {"message": MESSAGE, "logprobs": None, "finish_reason": "stop"},
    usage={"prompt_tokens": 24, "completion_tokens": 26, "total_tokens": 50},
)  # 465 bytes
CHAT_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(CHAT)).encode())]
STREAM = list(_events())  # 203 chunks
STREAM_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
# Shaped like text to speech: a sentence in, 20 frames with 4 KiB of base64 audio and a final one out.
FRAMES = [json.dumps({"audio": "A" * 4096, "text": None, "isFinal": False})] * 20
FRAMES.append(json.dumps({"audio": None, "text": "", "isFinal": True}))
# Shaped like speech to text: frames of audio in, an interim transcript out for so many of them, a final one when asked for.
LISTENED = 20
INTERIM = json.dumps(
    {"type": "transcript", "transcript": TEXT[:45], "confidence": 0.0, "is_final": False, "speech_final": False}
)
FINAL = json.dumps(
    {"type": "transcript", "transcript": TEXT, "confidence": 0.99, "is_final": True, "speech_final": True}
)


async def app(scope: Scope, receive: Any, send: Any) -> None:
    await {"http": _http, "websocket": _websocket, "lifespan": _lifespan}[scope["type"]](receive, send)


async def _http(receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream": true' in body:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        for chunk in STREAM:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": CHAT_HEADERS})
        await send({"type": "http.response.body", "body": CHAT})


async def _websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    heard = 0
    while (message := await receive())["type"] != "websocket.disconnect":
        if message.get("bytes"):
            heard += 1
            if heard % LISTENED == 0:
                await send({"type": "websocket.send", "text": INTERIM})
        elif '"Finalize"' in message["text"]:
            await send({"type": "websocket.send", "text": FINAL})
        elif '"flush"' in message["text"]:
            for frame in FRAMES:
                await send({"type": "websocket.send", "text": frame})


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
