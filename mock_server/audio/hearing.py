"""Hearing: the text that a file of audio carries, how long it lasts, and whose utterances its tones are."""

import io
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from mock_server.audio import containers, payload, samples
from mock_server.audio.compressed import EXACT, first_channel
from mock_server.audio.ear import Ear, Event, Spoken
from mock_server.audio.pieces import Sound
from mock_server.audio.samples import WIDTH
from mock_server.audio.tones import Utterance

LONGEST_HEARD = 1200.0  # seconds: longer audio is not searched for tones
BLOCK = 1 << 14  # frames decoded in one go
CODINGS = {"ULAW": "mulaw", "ALAW": "alaw"}
MOST_FRAMES = 1 << 27  # of longer audio the low bits are not read
RAW_RATES = {
    "linear16": (2, 24000),
    "mulaw": (1, 8000),
    "alaw": (1, 8000),
}  # bytes a sample, rate taken where none is told


@dataclass(frozen=True, slots=True)
class Heard:
    """`texts`: what the audio carries, in order. `seconds`: None where it cannot be measured."""

    texts: Sequence[str]
    seconds: float | None


def join(texts: Sequence[str]) -> str:
    """Texts said one after the other as one."""
    whole = ""
    for text in texts:
        whole += (" " if whole and text and not whole[-1].isspace() and not text[0].isspace() else "") + text
    return whole


@contextmanager
def mapped(file: IO[bytes]) -> Iterator[Any]:
    """The bytes of a file on disk or in memory without a copy of them."""
    file.seek(0, io.SEEK_END)
    if not file.tell():
        yield b""
    elif isinstance(file, io.BytesIO):
        yield file.getvalue()
    else:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def read(file: IO[bytes], kind: str | None = None) -> Heard:
    """What a file carries and how long it is. `kind` names the format of raw audio: linear16, mulaw or alaw.

    Takes as long as reading the file does; decodes only containers whose samples keep their low bits.
    """
    with mapped(file) as data:
        texts = payload.marked(data)
        seconds = containers.seconds(data)
        if seconds is None:
            file.seek(0)
            seconds, exact = _measured(file)
            texts = texts or exact
        if seconds is None and len(data):
            texts = texts or _in_raw(data)
            if kind in RAW_RATES:
                width, rate = RAW_RATES[kind]
                seconds = len(data) / width / rate
        return Heard(texts, seconds)


def _measured(file: IO[bytes]) -> tuple[float | None, list[str]]:
    """The duration of what libsndfile can open, and the text in its low bits where those are as they were written."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            seconds = sound.frames / sound.samplerate
            if not 0 < seconds < 1e6:
                return None, []
            if sound.subtype in EXACT and sound.frames < MOST_FRAMES:
                return seconds, payload.hidden(_words(sound), 1 if sound.subtype in CODINGS else WIDTH)
            return seconds, []
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError):
        return None, []


def _words(sound: Any) -> Iterator[bytes]:
    """Samples of the first channel, block by block; of G.711 the code words are made again, with the very same low bits."""
    coding = CODINGS.get(sound.subtype)
    while block := first_channel(sound, BLOCK):
        yield samples.code_words(block, coding) if coding else block


def _in_raw(data: Any) -> list[str]:
    """Texts in bytes that name no format: in code words of G.711, else in 16-bit samples, at either half."""
    return (
        payload.hidden(payload.blocks(data), 1)
        or payload.hidden(payload.blocks(data), WIDTH)
        or payload.hidden(payload.blocks(data, 1), WIDTH)
    )


def recognise(file: IO[bytes], known: Sequence[Utterance]) -> list[str]:
    """The texts of those known utterances whose tones are heard, in order; empty when something else is in between.

    The audio may have been decoded, resampled or encoded anew. Where two are known to sound alike the first one wins.
    """
    import soundfile

    file.seek(0)
    texts: list[str] = []
    try:
        with soundfile.SoundFile(file) as sound:
            if not 0 < sound.frames / sound.samplerate <= LONGEST_HEARD:
                return []
            for event in _events(sound, known):
                if isinstance(event, Spoken):
                    if event.text is None:
                        return []
                    texts.append(event.text)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError):
        return []
    return texts


def _events(sound: Any, known: Sequence[Utterance]) -> Iterator[Event]:
    """What the ear hears of a file that is open."""
    ear, more = Ear(whole=True), True
    while more:
        block = first_channel(sound, BLOCK)
        more = bool(block)
        yield from ear.hear([Sound(block, sound.samplerate)] if more else (), not more)
        while ear.question:
            yield from ear.answer(known)
