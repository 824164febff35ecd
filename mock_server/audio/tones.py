"""The voice: text as a melody of chords, one chord a character, the same melody for the same word.

A chord is one of 8 low and one of 8 high tones, all below 3.4 kHz, so that it survives 8 kHz and the usual codecs. Words
are joined by a soft hum; a coda of CODA chords that hash the whole text ends every utterance, however short. A voice has
a pitch of its own, which scales every tone.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, shake_128
from math import cos, pi, sin
from operator import add

CHARACTERS_PER_SECOND = 15
SLOWEST, FASTEST = 0.25, 2.5  # voice_speed beyond these sounds as these
CODA = 6
GAP = 64  # the symbol between words
LOW = tuple(330 + 85 * i for i in range(8))  # Hz at pitch 1
HIGH = tuple(1250 + 240 * i for i in range(8))
HUM = 220
LOW_LEVEL, HIGH_LEVEL, HUM_LEVEL = 0.6, 0.4, 0.08  # of the peak; they add up to 1 at most
PEAK = 0.8  # of full scale, at volume 1
LOUDEST = 0.97
RAMP = 0.006  # seconds in which a chord comes and goes
TAIL = 0.2  # seconds of silence at the end: utterances in a row stay apart
PITCHES = 16


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said and how: all that its sound depends on, but for rate and loudness. `slot`: seconds a chord lasts."""

    text: str
    pitch: float
    slot: float

    def symbols(self) -> bytes:
        return symbols(self.text)

    def seconds(self) -> float:
        """How long it sounds, the silence at the end left out."""
        return len(self.symbols()) * self.slot


def pitch_of(voice: str) -> float:
    """The pitch of a voice, from its name: 0.85 to 1.12."""
    step = blake2b(voice.lower().encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] % PITCHES
    return round(0.85 + 0.018 * step, 3)


def slot_of(speed: float, rate: int) -> float:
    """Seconds of a chord at a voice speed: a whole number of samples at the rate at which it is made."""
    return round(rate / (CHARACTERS_PER_SECOND * min(max(speed, SLOWEST), FASTEST))) / rate


@lru_cache(maxsize=128)
def symbols(text: str) -> bytes:
    """The chords of a text, 0 to 63, and GAP between words; its coda included."""
    parts = [_melody(word, len(word)) for word in text.split()]
    parts.append(_melody(text, CODA))
    return bytes((GAP,)).join(parts)


def chords_of(text: str) -> int:
    """How many chords and gaps `symbols` has, without their making."""
    words = text.split()
    return sum(map(len, words)) + len(words) + CODA


def _melody(word: str, length: int) -> bytes:
    digest = shake_128(word.encode("utf-8", "surrogatepass")).digest(length)
    return bytes(byte & 63 for byte in digest)


def synthesise(utterance: Utterance, rate: int, volume: float = 1.0, least: int = 0) -> "array[int]":
    """The samples of an utterance, mono, of 16 bits; silence follows so that there are at least `least` of them."""
    peak = min(PEAK * max(volume, 0.0), LOUDEST) * 32767
    chords = _chords(utterance.pitch, max(round(utterance.slot * rate), 1), rate, peak)
    sound = array("h", b"".join(map(chords.of, utterance.symbols())))
    sound.frombytes(bytes(2 * max(round(TAIL * rate), least - len(sound))))
    return sound


class _Chords:
    """The samples of each symbol, `length` of them, made when it is first sung. In plain Python: who speaks needs no numpy."""

    def __init__(self, pitch: float, length: int, rate: int, peak: float) -> None:
        ramp = min(round(RAMP * rate), length // 4)
        rise = [peak * (0.5 - 0.5 * cos(pi * n / ramp)) for n in range(ramp)]
        self._envelope = array("d", [*rise, *[peak] * (length - 2 * ramp), *rise[::-1]])
        self._step = 2 * pi * pitch / rate
        self._low = [self._tone(hertz, LOW_LEVEL) for hertz in LOW]
        self._high = [self._tone(hertz, HIGH_LEVEL) for hertz in HIGH]
        self._made: dict[int, bytes] = {GAP: _rounded(self._tone(HUM, HUM_LEVEL))}

    def _tone(self, hertz: float, level: float) -> "array[float]":
        step = self._step * hertz
        return array("d", [level * loud * sin(step * n) for n, loud in enumerate(self._envelope)])

    def of(self, symbol: int) -> bytes:
        """A symbol's samples as they lie in memory. Symbol = 8 * high + low."""
        made = self._made.get(symbol)
        if made is None:
            made = self._made[symbol] = _rounded(map(add, self._low[symbol & 7], self._high[symbol >> 3]))
        return made


def _rounded(samples: Iterable[float]) -> bytes:
    return array("h", map(round, samples)).tobytes()


_chords = lru_cache(maxsize=4)(_Chords)  # most say several sentences in one voice
