"""What the benchmark sends: one request of each kind, the same bytes to every server."""

import json
from dataclasses import dataclass, replace
from typing import Any

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer benchmark"}
MODEL = "meta-llama/Meta-Llama-3.1-8B-Instruct"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""

    def at(self, id: str) -> "Request":
        return replace(self, path=self.path.replace("{id}", id))

    def raw(self, host: str) -> bytes:
        """The request as HTTP/1.1 bytes."""
        headers = {"Host": host, **HEADERS, "Content-Length": str(len(self.body))}
        head = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + self.body


def _post(path: str, body: dict[str, Any]) -> Request:
    return Request("POST", path, json.dumps(body).encode())


CHAT = _post(
    "/v2/ai/chat/completions",
    {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a friendly chatbot."},
            {"role": "user", "content": "hello mock"},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    },
)
# The shipped replies answer this text with 200 tokens.
STREAM = _post(
    "/v2/ai/chat/completions",
    {"model": MODEL, "messages": [{"role": "user", "content": "stream200 please"}], "stream": True},
)
CREATE = _post("/v2/ai/conversations", {"name": "bench", "metadata": {"suite": "bench"}})
READ = Request("GET", "/v2/ai/conversations/{id}")
SPEECH = Request("GET", "/v2/text-to-speech/speech?voice=Telnyx.NaturalHD.astra&disable_cache=true")
SPEECH_HELLO = '{"text":" "}'
SPEECH_TURN = json.dumps(
    {"text": "A sentence that is long enough to give about twenty frames of audio, for the benchmark.", "flush": True}
)
SPOKEN = _post(
    "/v2/text-to-speech/speech",
    {
        "text": "This is what the benchmark says to the transcription socket again and again.",
        "voice": "Telnyx.NaturalHD.astra",
        "telnyx": {"response_format": "linear16", "sampling_rate": 16000},
    },
)
TRANSCRIPTION = Request(
    "GET",
    "/v2/speech-to-text/transcription?transcription_engine=Deepgram&input_format=linear16&sample_rate=16000"
    "&interim_results=true&endpointing=false",
)
LIVE = replace(TRANSCRIPTION, path=TRANSCRIPTION.path.replace("endpointing=false", "endpointing=300"))
FINALIZE = '{"type":"Finalize"}'
