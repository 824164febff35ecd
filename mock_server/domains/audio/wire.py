"""Transcriptions on the wire: models, options in a form's three spellings, and the answer each model gives."""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel

from mock_server.base.errors import Invalid, Issue
from mock_server.engine.replies.rules import Word as Scripted

WHISPER = "distil-whisper/distil-large-v2"
TEXT_ONLY = frozenset(
    {"openai/whisper-large-v3-turbo", "openai/whisper-tiny", "nvidia/parakeet-v3", "omi-health/omi-med-stt-v1"}
)
DEEPGRAM = ("deepgram/nova-3", "deepgram/nova-2", "deepgram/nova-2-medical", "deepgram/nova-3-medical")
MODELS = (WHISPER, *DEEPGRAM, *sorted(TEXT_ONLY), "reson8/prerecorded")
CONFIGURABLE = (*DEEPGRAM, "reson8/prerecorded")  # take a model_config
# Keys of model_config that bring `words`.
WITH_WORDS = ("words", "diarize", "utterances", "utterance", "smart_format", "punctuate", "numerals", "multichannel")
CONFIG: dict[str, Any] = {"contentMediaType": "application/json", "contentSchema": {"type": "object"}}
LONGEST_CONFIG = 10_000  # characters
KEY = re.compile(r"model_config\[([^\[\]]{1,100})\](\[\])?")
SENTENCES = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*\s*|[.!?。！？\n]+\s*")  # noqa: RUF001  full-width marks are meant


class Word(BaseModel):
    word: str
    start: float
    end: float
    confidence: float = 1.0
    punctuated_word: str = ""
    speaker: int = 0


class Segment(BaseModel):
    id: int
    start: float
    end: float
    text: str


class TranscriptionAnswer(BaseModel):
    """`json` has the text only; `verbose_json` what the model knows."""

    text: str
    duration: float = 0.0
    segments: list[Segment] = []
    words: list[Word] = []


def config(form: Iterable[tuple[str, Any]], lenient: bool = False) -> dict[str, Any]:
    """`model_config` of a form: JSON, bracketed parts, or a Python dict's repr.

    Raises Invalid for what is none of these; where `lenient` it is passed over.
    """
    whole: dict[str, Any] = {}
    for name, value in form:
        if not isinstance(value, str):
            continue
        if name == "model_config":
            try:
                whole.update(_parsed(value))
            except Invalid:
                if not lenient:
                    raise
        elif match := KEY.fullmatch(name):
            if match[2]:
                listed = whole.setdefault(match[1], [])
                listed.append(_scalar(value)) if isinstance(listed, list) else None
            else:
                whole[match[1]] = _scalar(value)
    return whole


def _parsed(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    value: Any = None
    try:
        value = json.loads(text[:LONGEST_CONFIG])
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(text.strip()) if len(text) <= LONGEST_CONFIG else None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    if not isinstance(value, dict):
        raise Invalid([Issue(("body", "model_config"), "Input should be a valid dictionary", "dict_type")])
    return {str(key): item for key, item in value.items()}


def _scalar(text: str) -> Any:
    """A bracketed part's value: booleans and numbers as such, any other text as it is."""
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    try:
        return int(lowered) if len(lowered) < 18 else text
    except ValueError:
        return text


def verbose(
    model: str, text: str, duration: float, options: dict[str, Any], said: Sequence[Scripted] | None = None
) -> dict[str, Any]:
    """The `verbose_json` of a model: some tell the text only, words come when model_config asks or a reply has them."""
    answer: dict[str, Any] = {"text": text}
    if model in TEXT_ONLY:
        return answer
    answer["duration"] = duration
    answer["segments"] = segments(text, duration)
    if said is not None:
        answer["words"] = [_scripted(word) for word in said]
    elif model in CONFIGURABLE and any(_on(options.get(key)) for key in WITH_WORDS):
        answer["words"] = words(text, duration, options)
        if _on(options.get("diarize")):
            for segment in answer["segments"]:
                segment["speakers"] = [0]
    return answer


def _scripted(word: Scripted) -> dict[str, Any]:
    bare = word.word.lower().strip(".,!?;:\"'()") or word.word
    shown: dict[str, Any] = {"word": bare, "start": word.start, "end": word.end, "confidence": word.confidence,
                             "punctuated_word": word.word}  # fmt: skip
    return shown if word.speaker is None else shown | {"speaker": word.speaker, "speaker_confidence": word.confidence}


def segments(text: str, duration: float) -> list[dict[str, Any]]:
    """A segment for each sentence, its share of the time by its share of the characters."""
    parts = [part for part in SENTENCES.findall(text) if part.strip()]
    times = _times([len(part) for part in parts], duration)
    return [
        {"id": n, "start": start, "end": end, "text": part.strip()}
        for n, (part, (start, end)) in enumerate(zip(parts, times, strict=True))
    ]


def words(text: str, duration: float, options: dict[str, Any]) -> list[dict[str, Any]]:
    """A word for each word, bare and lower-case, and as it stands in the text."""
    parts = text.split()
    found = []
    for part, (start, end) in zip(parts, _times([len(part) + 1 for part in parts], duration), strict=True):
        bare = part.lower().strip(".,!?;:\"'()") or part
        word: dict[str, Any] = {"word": bare, "start": start, "end": end, "confidence": 0.99, "punctuated_word": part}
        if _on(options.get("diarize")):
            word |= {"speaker": 0, "speaker_confidence": 0.99}
        found.append(word)
    return found


def _times(weights: Sequence[int], duration: float) -> list[tuple[float, float]]:
    total, at = sum(weights) or 1, 0
    times = []
    for weight in weights:
        times.append((round(duration * at / total, 3), round(duration * (at + weight) / total, 3)))
        at += weight
    return times


def _on(value: Any) -> bool:
    return value not in (None, False, 0, "", "false", "False")
