"""Chords in sound: which tones are heard where an utterance's would be, and how well they fit it."""

from array import array
from collections.abc import Iterable
from functools import lru_cache
from math import cos, pi, sin

from mock_server.audio.samples import WIDTH, likeness
from mock_server.audio.tones import GAP, HIGH, LOW

ENOUGH = 0.7  # of the tones of an utterance must be heard; by chance it is an eighth
CERTAIN = 0.98  # nothing better is looked for
SILENT = 0.02  # of the peak
APART = 0.12  # seconds of silence between two utterances
INEXACT = 0.02  # of its length may be missing or too much, as codecs have it, and a tenth of a second
LISTENED = 0.5  # of a chord, its middle

Heard = list[tuple[int, int, int]]  # a chord's place, its strongest low tone and its strongest high one
Wave = tuple[bytes, bytes]  # a tone's cosine and sine, as samples


def allowance(length: float) -> float:
    """Seconds by which a sound of so many may be longer or shorter than the utterance that it is."""
    return max(0.12, INEXACT * length)


def score(heard: Heard, melody: bytes) -> float:
    """The share of tones that were heard of the chords that were to be."""
    right = chords = 0
    for place, low, high in heard:
        symbol = melody[place] if place < len(melody) else GAP
        if symbol != GAP:
            chords += 1
            right += (low == symbol & 7) + (high == symbol >> 3)
    return right / chords / 2 if chords else 0.0


def listen(samples: bytes, rate: float, at: float, pitch: float, slot: float, places: Iterable[int]) -> Heard:
    """Which tones are the strongest in some chords, by their places, if the first of all begins at the sample `at`."""
    width = max(int(slot * rate * LISTENED), 8)
    lows, highs = _waves(width, rate, pitch)
    size = width * WIDTH
    heard = []
    for place in places:
        first = round(at + (place + (1 - LISTENED) / 2) * slot * rate) * WIDTH
        window = samples[max(first, 0) : max(first + size, 0)]
        if len(window) < size:
            window = window.rjust(size, b"\0") if first < 0 else window.ljust(size, b"\0")
        heard.append((place, _strongest(window, lows), _strongest(window, highs)))
    return heard


def _strongest(window: bytes, waves: list[Wave]) -> int:
    powers = []
    for cosine, sine in waves:
        one, other = likeness(window, cosine), likeness(window, sine)
        powers.append(one * one + other * other)
    return powers.index(max(powers))


@lru_cache(maxsize=8)
def _waves(width: int, rate: float, pitch: float) -> tuple[list[Wave], list[Wave]]:
    """`width` samples of the low tones, and of the high ones."""
    lows, highs = ([_wave(width, 2 * pi * hertz * pitch / rate) for hertz in tones] for tones in (LOW, HIGH))
    return lows, highs


def _wave(width: int, step: float) -> Wave:
    cosine, sine = (array("h", [round(32767 * wave(step * n)) for n in range(width)]).tobytes() for wave in (cos, sin))
    return cosine, sine
