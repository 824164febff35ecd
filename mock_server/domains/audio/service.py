"""Transcribing: which text a piece of audio says, by what it carries, whose tones it has, a fixture, or its length."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import insert

from mock_server.audio.hearing import Heard
from mock_server.base.errors import BadRequest, Invalid, Issue
from mock_server.domains.audio import listening, transcripts, wire
from mock_server.domains.audio.listening import MEDIA, RAW, ending, transcript
from mock_server.domains.audio.tables import TRANSCRIPTION
from mock_server.engine.egress import EgressError
from mock_server.engine.replies import HEARD, fill
from mock_server.engine.replies.rules import Word
from mock_server.engine.store import Prepared
from mock_server.world import Call

__all__ = ["MEDIA", "Request", "Transcript", "transcribe", "transcript"]
KIND = "transcription"  # of ids and counters
INSERT = Prepared(insert(TRANSCRIPTION))
TYPES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "oga", "ogg", "wav", "webm")
FETCH_SECONDS = 15.0
NOVA_3_LANGUAGES = frozenset({"en", "en-us", "en-gb", "en-au", "en-nz", "en-in"})


@dataclass(slots=True)
class Request:
    """The form. `name` and `kind` are the audio's: its file name, and what raw audio its ending says it is."""

    file: IO[bytes] | None
    file_url: str | None
    model: str
    response_format: str
    name: str = ""
    granularities: list[str] = field(default_factory=list)
    language: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. `seconds` is None where the audio cannot be measured."""

    text: str
    seconds: float | None
    words: Sequence[Word] | None = None  # where a reply has them

    def duration(self) -> float:
        return round(self.seconds if self.seconds is not None else transcripts.UNMEASURED, 3)


async def transcribe(call: Call, request: Request) -> Transcript:
    """Raises BadRequest, Invalid."""
    check(call, request)
    found = await _heard(call, request)
    count(call, request.model, request.language, request.name, found.seconds, len(found.text))
    return found


def count(call: Call, model: str, language: str | None, source: str, seconds: float | None, characters: int) -> None:
    """Note a transcription for the reports."""
    store, account = call.world.store, call.account.id
    with call.transaction() as transaction:
        n = store.number(transaction, account, KIND)
        store.run(
            INSERT, account=account, id=call.world.ids.uuid(account, KIND, n), n=n, model=model, language=language,
            source=source, duration=seconds, characters=characters, created_at=call.milliseconds(),
        )  # fmt: skip


def check(call: Call, request: Request) -> None:
    """The rules between fields. Raises BadRequest, Invalid."""
    if call.quirk("requests_mended"):
        return
    if request.model not in wire.MODELS:
        raise Invalid([_enum("model", wire.MODELS)])
    if request.response_format not in ("json", "verbose_json"):
        raise Invalid([_enum("response_format", ("json", "verbose_json"))])
    if any(granularity not in ("segment", "word") for granularity in request.granularities):
        raise Invalid([_enum("timestamp_granularities[]", ("segment",))])
    if request.file is None and not request.file_url:
        raise BadRequest("One of file and file_url is required.")
    if request.file is not None:
        request.file.seek(0, io.SEEK_END)
        if not request.file.tell():
            raise BadRequest("The file is empty.")
    kind = ending(request.name)
    if kind and request.file is not None and kind not in TYPES and kind not in RAW:
        raise BadRequest(f"File type {kind[:20]!r} is not supported; supported are {', '.join(TYPES)}.")
    if call.quirk("transcription_rules_enforced"):
        _check_prose(request)


def _check_prose(request: Request) -> None:
    """What the vendor's reference refuses in words. Raises BadRequest."""
    model, language = request.model, (request.language or "").lower()
    if request.file is not None and request.file_url:
        raise BadRequest("Only one of file and file_url may be given.")
    if request.granularities and request.response_format != "verbose_json":
        raise BadRequest("timestamp_granularities needs response_format verbose_json.")
    if request.config and model not in wire.CONFIGURABLE:
        raise BadRequest(f"model_config is not supported by {model}.")
    if language and model == wire.WHISPER:
        raise BadRequest(f"language is not supported by {model}.")
    if language and model == "deepgram/nova-3" and language not in NOVA_3_LANGUAGES:
        raise BadRequest(f"Language {request.language!r} is not supported by {model}.")
    if model in wire.DEEPGRAM and ending(request.name) not in ("", "mp3", "wav"):
        raise BadRequest(f"{model} takes mp3 and wav files only.")


def _enum(name: str, values: tuple[str, ...]) -> Issue:
    *most, last = (repr(value) for value in values)
    listed = f"{', '.join(most)} or {last}" if most else last
    return Issue(("body", name), f"Input should be {listed}", "enum" if len(values) > 1 else "literal_error")


async def _heard(call: Call, request: Request) -> Transcript:
    """The text of the audio, and in the journal how it was found."""
    file = request.file
    if file is None:
        file = await _fetched(call, request)
    heard, sha256 = Heard((), None), ""
    if file is not None:
        heard, sha256 = await listening.hear(call.world, call.account, file, request.name)
    if (scripted := _scripted(call, request, heard.seconds)) is not None:
        return scripted
    how, text = await listening.tell(call.world, call.account, request.name, file, heard, sha256)
    return _by(call, how, text, heard.seconds)


def _scripted(call: Call, request: Request, seconds: float | None) -> Transcript | None:
    """What a reply says that was said; the file's name stands where chat has the user's text."""
    asked = {
        "language": request.language,
        "model_config": dict(request.config),
        "response_format": request.response_format,
    }
    found = call.scripted(
        request.model, request.name, takes=HEARD, language=request.language or "",
        request={"model": request.model, "file": request.name, "file_url": request.file_url, **asked},
    )  # fmt: skip
    if found is None:
        return None
    chosen, view = found
    said = chosen.reply.transcript
    if said is None:
        text = chosen.reply.first_text()
        return None if text is None else Transcript(fill(text, view), seconds)
    if isinstance(said, str):
        return Transcript(fill(said, view), seconds)
    if said.duration is not None:
        seconds = said.duration
    elif seconds is None and said.words is not None:
        seconds = max(word.end for word in said.words)
    return Transcript(fill(said.said(), view), seconds, said.words)


def _by(call: Call, how: str, text: str, seconds: float | None) -> Transcript:
    call.exchange.reply = how
    return Transcript(text, seconds)


async def _fetched(call: Call, request: Request) -> IO[bytes] | None:
    """The audio at file_url; None where the guard does not let the call out. Raises BadRequest when it cannot be had."""
    if not request.file_url:
        return None
    lenient, egress = call.quirk("requests_mended"), call.world.egress
    try:
        parts = urlsplit(request.file_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
    except ValueError:
        if lenient:
            return None
        raise BadRequest("file_url is not an http or https URL.") from None
    request.name = PurePosixPath(unquote(parts.path)).name
    try:
        await egress.permitted(parts.hostname, port)
    except EgressError:
        return None
    try:
        answer = await egress.get(request.file_url, timeout=FETCH_SECONDS, most=call.world.settings.max_upload_bytes)
    except EgressError as error:
        if lenient:
            return None
        raise BadRequest(f"file_url cannot be downloaded: {error}") from None
    if answer.status != 200:
        if lenient:
            return None
        raise BadRequest(f"file_url cannot be downloaded: it answers {answer.status}.")
    return io.BytesIO(answer.body)
