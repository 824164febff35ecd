"""Frames of the speech-to-text socket: what a client's text frame says, and how ours are written."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import from_json, to_json

from mock_server.base.errors import ApiError
from mock_server.engine.sockets import Send

Control = Literal["Finalize", "CloseStream", "KeepAlive"]
LONGEST = 4096  # characters of a text frame that is read
SURE, GUESSED = 0.9912109, 0.8442383  # confidence of finals, and of interim transcripts where one is told


def control(message: str) -> Control | None:
    """What a client's text frame asks for; None for any other text, which is passed over."""
    if len(message) > LONGEST:
        return None
    try:
        frame = from_json(message)
    except ValueError:
        return None
    kind = frame.get("type") if isinstance(frame, dict) else None
    return kind if kind in ("Finalize", "CloseStream", "KeepAlive") else None


@dataclass(frozen=True, slots=True)
class Style:
    """How frames are written: quirks, by their names."""

    frames_typed: bool = True
    transcription_errors_listed: bool = False
    telnyx_transcripts_bare: bool = False
    interim_confidence_told: bool = False
    flux_turns_named: bool = False


class Writer:
    """Writes the frames of one engine's socket. The order of fields is that of captured frames."""

    def __init__(self, engine: str, flux: bool, style: Style) -> None:
        self._engine, self._flux, self._style = engine, flux, style
        self._bare = engine == "Telnyx" and style.telnyx_transcripts_bare

    def _head(self, kind: str) -> dict[str, Any]:
        return {"type": kind} if self._style.frames_typed else {}

    def transcript(
        self, text: str, *, final: bool, speech_final: bool = False, event: str = "", confidence: float | None = None
    ) -> Send:
        """`confidence`: of a final one, the engine's own unless given."""
        frame = self._head("transcript")
        frame["transcript"] = f" {text}" if self._bare and text else text
        if self._bare or self._engine == "Cohere":
            frame["confidence"] = None
        else:
            sure = SURE if confidence is None else confidence
            frame["confidence"] = sure if final else GUESSED if self._style.interim_confidence_told else 0.0
        frame["is_final"] = final
        if self._engine == "Deepgram":
            frame["speech_final"] = speech_final
        if event and self._flux and self._style.flux_turns_named:
            frame["event"] = event
        return Send(to_json(frame).decode())

    def utterance_end(self) -> Send:
        return Send(
            to_json({**self._head("transcript"), "transcript": "", "is_final": True, "utterance_end": True}).decode()
        )

    def error(self, error: ApiError) -> Send:
        if not self._style.transcription_errors_listed:
            return Send(to_json({**self._head("error"), "error": error.detail}).decode())
        item: dict[str, Any] = {"code": error.code, "title": error.title, "detail": error.detail}
        if error.source:
            item["source"] = dict(error.source)
        return Send(to_json({**self._head("error"), "errors": [item]}).decode())
