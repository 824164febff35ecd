"""Frames of the text-to-speech socket: what a client's says, and how ours are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from mock_server.engine.sockets import Send


@dataclass(frozen=True, slots=True)
class Said:
    """A client's frame. `text` is None where it has none."""

    text: str | None
    flush: bool = False
    force: bool = False
    voice_settings: Mapping[str, Any] | None = None
    misplaced: frozenset[str] = frozenset()  # fields that belong elsewhere, and are passed over


# What clients put into frames, and is asked for in the URL or in voice_settings.
MISPLACED = frozenset(
    {"voice", "voice_id", "model", "model_id", "provider", "output_format", "audio_format", "format", "sample_rate",
     "language", "speed"}
)  # fmt: skip


def read(message: str | bytes) -> Said | None:
    """A client's frame, None for one that is no JSON object or has a field of the wrong type; others are passed over."""
    if isinstance(message, bytes):
        return None
    try:
        frame = from_json(message, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(frame, dict):
        return None
    text, flush, force = frame.get("text"), frame.get("flush"), frame.get("force")
    settings = frame.get("voice_settings")
    if (
        not isinstance(text, str | None)
        or not isinstance(flush, bool | None)
        or not isinstance(force, bool | None)
        or not isinstance(settings, dict | None)
        or (text is None and not flush and not force)
    ):
        return None
    return Said(text, bool(flush), bool(force), settings, MISPLACED & frame.keys())


class Writer:
    """Writes frames; `typed` gives each its `type`. The order of fields is that of captured frames."""

    def __init__(self, typed: bool) -> None:
        self._chunk = '{"type":"audio_chunk","audio":' if typed else '{"audio":'
        self._final = '{"type":"final","audio":null,' if typed else '{"audio":null,'
        self._error = '{"type":"error","error":' if typed else '{"error":'

    def chunk(self, audio: str | None, text: str | None, cached: bool, first_ms: int | None = None) -> Send:
        """`audio` in base64; `first_ms` on the first frame of a synthesis."""
        coded = "null" if audio is None else f'"{audio}"'
        said = "null" if text is None else _quoted(text)
        tail = "}" if first_ms is None else f',"timeToFirstAudioFrameMs":{first_ms}}}'
        return Send(
            f'{self._chunk}{coded},"cached":{"true" if cached else "false"},"isFinal":false,"text":{said}{tail}'
        )

    def final(self) -> Send:
        return Send(f'{self._final}"text":"","isFinal":true}}')

    def error(self, text: str) -> Send:
        return Send(f"{self._error}{_quoted(text)}}}")


def _quoted(text: str) -> str:
    return to_json(text).decode()
