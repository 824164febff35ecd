"""Hearing: the text that a file of audio carries, how long it lasts, and whose utterances its tones are."""

import io
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from mock_server.audio import containers, payload
from mock_server.audio.stretches import thinned
from mock_server.audio.tones import GAP, HIGH, LOW, Utterance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ENOUGH = 0.7  # of the tones of an utterance must be heard; by chance it is an eighth
CERTAIN = 0.98  # nothing better is looked for
SILENT = 0.02  # of the peak
APART = 0.12  # seconds of silence between two utterances
INEXACT = 0.02  # of its length may be missing or too much, as codecs have it, and a tenth of a second
SHIFTS = tuple(ms / 1000 for ms in range(-12, 15, 4))  # where an utterance may begin, seconds from where its sound does
TOGETHER = (
    8000  # samples multiplied in one go: for more BLAS starts threads, which on a busy machine wait for each other
)
LONGEST_HEARD = 1200.0  # seconds: longer audio is not searched for tones
BLOCK = 1 << 18  # frames decoded in one go
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
            if sound.subtype in ("PCM_16", "ULAW", "ALAW") and sound.frames < MOST_FRAMES:
                return seconds, payload.hidden(_words(sound))
            return seconds, []
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError):
        return None, []


def _words(sound: Any) -> "Iterator[NDArray[Any]]":
    """Samples of the first channel, block by block; of G.711 the code words are made again, which gives the very same."""
    import numpy as np
    import soundfile

    while len(block := sound.read(BLOCK, dtype="int16", always_2d=True)):
        words = block[:, 0]
        if sound.subtype != "PCM_16":
            out = io.BytesIO()
            soundfile.write(out, words, sound.samplerate, format="RAW", subtype=sound.subtype)
            words = np.frombuffer(out.getvalue(), dtype=np.uint8)
        yield words


def _in_raw(data: Any) -> list[str]:
    """Low bits of bytes that name no format: as code words of G.711, then as 16-bit samples, at either half."""
    import numpy as np

    words = np.frombuffer(data, dtype=np.uint8)
    try:
        return payload.hidden(words) or payload.hidden(words[::2]) or payload.hidden(words[1::2])
    finally:
        del words  # a map cannot be closed while an array looks at it


def recognise(file: IO[bytes], known: Sequence[Utterance]) -> list[str]:
    """The texts of those known utterances whose tones are heard, in order; empty when something else is in between.

    The audio may have been decoded, resampled or encoded anew. Where two are known to sound alike the first one wins.
    """
    if not known:
        return []
    file.seek(0)
    samples, rate = _decoded(file)
    texts: list[str] = []
    melodies = [utterance.symbols() for utterance in known]
    for start, end in _stretches(samples, rate):
        text = _best(samples, rate, start, end, known, melodies)
        if text is None:
            return []
        texts.append(text)
    return texts


def _decoded(file: IO[bytes]) -> "tuple[Floats, float]":
    """The first channel at 8 to 16 kHz, each sample the mean of those it stands for: all tones lie below 3.4 kHz.

    No samples where the file cannot be decoded or is too long.
    """
    import numpy as np
    import soundfile

    parts: list[Floats] = [np.zeros(0, dtype=np.float32)]
    rate = 8000.0
    try:
        with soundfile.SoundFile(file) as sound:
            if 0 < sound.frames / sound.samplerate <= LONGEST_HEARD:
                step = max(int(sound.samplerate // 8000), 1)
                rate = sound.samplerate / step
                while len(block := sound.read(BLOCK // step * step, dtype="float32", always_2d=True)):
                    whole = len(block) // step * step
                    parts.append(block[:whole, 0].reshape(-1, step).mean(axis=1))
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError):
        return parts[0], rate
    return np.concatenate(parts), rate


def _stretches(samples: "Floats", rate: float) -> list[tuple[int, int]]:
    """Where there is sound, between silences of APART seconds or more."""
    import numpy as np

    if not len(samples) or not np.isfinite(samples).all():
        return []
    loud = np.flatnonzero(np.abs(samples) > SILENT * float(np.abs(samples).max()))
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > APART * rate)
    starts = np.concatenate([loud[:1], loud[breaks + 1]])
    ends = np.concatenate([loud[breaks], loud[-1:]])
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True) if b - a > 0.02 * rate]


def _best(
    samples: "Floats",
    rate: float,
    start: int,
    end: int,
    known: Sequence[Utterance],
    melodies: Sequence[bytes],
) -> str | None:
    """The known utterance that a stretch of sound is."""
    length = (end - start) / rate
    best, found = ENOUGH, None
    tones: dict[tuple[float, float, int, float], Any] = {}
    for utterance, melody in zip(known, melodies, strict=True):
        if abs(len(melody) * utterance.slot - length) > allowance(length):
            continue
        for shift in SHIFTS:
            key = (utterance.pitch, utterance.slot, len(melody), shift)
            if key not in tones:
                at = start + shift * rate
                tones[key] = heard_tones(samples, rate, at, utterance.pitch, utterance.slot, len(melody))
            low, high = tones[key]
            heard = score(low, high, melody)
            if heard > best:
                best, found = heard, utterance.text
        if best > CERTAIN:
            break
    return found


def allowance(length: float) -> float:
    """Seconds by which a sound of so many may be longer or shorter than the utterance that it is."""
    return max(0.12, INEXACT * length)


def score(low: "NDArray[Any]", high: "NDArray[Any]", melody: bytes) -> float:
    """The share of tones that were heard of the chords that were to be."""
    import numpy as np

    count = min(len(melody), len(low))
    wanted = np.frombuffer(melody, dtype=np.uint8, count=count)
    chords = count - melody.count(GAP, 0, count)  # GAP is no chord's number, nor any tone's
    if not chords:
        return 0.0
    right = np.count_nonzero((low[:count] == wanted & 7) & (wanted != GAP)) + np.count_nonzero(
        high[:count] == wanted >> 3
    )
    return right / chords / 2


def heard_tones(
    samples: Any, rate: float, at: float, pitch: float, slot: float, count: int, step: int = 1
) -> "tuple[NDArray[np.intp], NDArray[np.intp]]":
    """The strongest low and the strongest high tone of each chord, if the first one begins at `at`.

    `rate` and `at` count samples each of which is `step` of those given.
    """
    import numpy as np

    width = max(int(slot * rate * 0.8), 8)
    taken = width * step
    starts = np.rint(at + (np.arange(count) + 0.1) * slot * rate).astype(np.int64) * step
    if count and starts[0] >= 0 and starts[-1] + taken <= len(samples):
        rows = np.ndarray((len(samples) - taken + 1, taken), samples.dtype, samples, 0, samples.strides * 2)
        windows = rows[starts]
    else:
        padded = np.concatenate([samples, np.zeros(taken, dtype=samples.dtype)])
        windows = padded[np.clip(starts[:, None] + np.arange(taken)[None, :], 0, len(padded) - 1)]
    turns, windows = _turns(width, rate, pitch), thinned(windows, step)
    if count * width <= TOGETHER:
        waves = windows @ turns
    else:
        together = max(TOGETHER // width, 1)
        waves = np.concatenate([windows[n : n + together] @ turns for n in range(0, count, together)])
    waves *= waves
    power = waves[:, :16] + waves[:, 16:]
    return power[:, :8].argmax(axis=1), power[:, 8:].argmax(axis=1)


@lru_cache(maxsize=8)
def _turns(width: int, rate: float, pitch: float) -> "Floats":
    """A column for each tone's cosine, then one for each one's sine. Real numbers: BLAS gives each complex product its
    own threads, which on a busy machine wait for each other a hundred times as long as they work."""
    import numpy as np

    angles = 2 * np.pi * np.outer(np.arange(width) / rate, np.array(LOW + HIGH) * pitch)
    turns: Floats = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return turns
