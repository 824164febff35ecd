"""Whose utterance a sound is, told while it lasts: by its opening, and when it is over by its length and its coda.

The coda hashes the whole text, so nothing between the two needs to be read; its sound is not kept.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from mock_server.audio.chords import APART, CERTAIN, ENOUGH, INEXACT, SILENT, allowance, listen, score
from mock_server.audio.samples import WIDTH, loud, peak
from mock_server.audio.stretches import Stretch
from mock_server.audio.tones import CODA, TAIL, Utterance, chords_of, symbols

VOICES = 200  # pairs of pitch and speed that are tried: the newest
TRACKS = 3  # that are followed where several fit
FEW = 8  # chords of an opening, of which all are listened to
EACH = 2  # of more, each second one
HALF = 0.5  # of the coda's tones must be heard, after an opening that fits; by chance it is one sound in six hundred
SHIFTS = (
    0.0,
    0.004,
    -0.004,
    0.008,
    -0.008,
    0.012,
    -0.012,
)  # seconds from where its sound does that an utterance begins
UNLIKELY = 0.4  # of the tones of the first shift, where its error is small beside a chord: no other is tried
STEADY = 0.05  # seconds of a chord beside which it is


@dataclass(slots=True)
class Track:
    """One way to read the sound: pitch, seconds of a chord, where the first one begins; who may be speaking so."""

    pitch: float
    slot: float
    start: float  # samples from the first one
    candidates: list[Utterance]


class Follower:
    """Follows one sound, from its first samples on, with the known utterances that it may be. `rate`: Hz, 8 to 16 kHz.

    `whole`: every chord is listened to at the end, not those of the coda only.
    """

    def __init__(self, samples: bytes, rate: float, known: Sequence[Utterance], whole: bool = False) -> None:
        self._rate, self._whole = rate, whole
        self._end = len(samples) // WIDTH  # samples heard
        self._start, end = loud(samples, SILENT * peak(samples))
        self._tracks = self._begun(samples, end, known)
        # Where the first coda begins; nothing before it is kept.
        self._coda = 0 if whole else min(map(self._coda_of, self._tracks), default=0)
        self._kept = deque([samples] if self._coda < self._end else ())  # from there on, and not for ever
        self._first = 0  # the place of the first sample that is kept
        coda = max((track.slot for track in self._tracks), default=0.0) * CODA
        self._spare = int((coda + APART + TAIL) * rate)  # samples kept, beside what its length may be wrong by

    def __bool__(self) -> bool:
        return bool(self._tracks)

    def text(self) -> str:
        """The likeliest text so far."""
        return self._tracks[0].candidates[0].text

    def slot(self) -> float:
        return self._tracks[0].slot

    def _begun(self, samples: bytes, end: int, known: Sequence[Utterance]) -> list[Track]:
        voices: dict[tuple[float, float], list[Utterance]] = {}
        for utterance in known:
            if (utterance.pitch, utterance.slot) in voices or len(voices) < VOICES:
                voices.setdefault((utterance.pitch, utterance.slot), []).append(utterance)
        scored: list[tuple[float, Track]] = []
        for (pitch, slot), utterances in voices.items():
            count = int((end - self._start) / self._rate / slot + 0.3)
            if count < 1:
                continue
            openings = [opening(utterance.text, count) for utterance in utterances]
            best, found = 0.0, None
            for shift in SHIFTS:
                at = self._start + shift * self._rate
                heard = listen(samples, self._rate, at, pitch, slot, range(0, count, 1 if count < FEW else EACH))
                scores = [score(heard, melody) for melody in openings]
                top = max(scores)
                if top > max(best, ENOUGH):
                    best = top
                    fit = [u for u, fits in zip(utterances, scores, strict=True) if fits > ENOUGH]
                    found = Track(pitch, slot, at, fit)
                if top > CERTAIN or (top < UNLIKELY and shift == 0 and slot >= STEADY):
                    break
            if found:
                scored.append((best, found))
        scored.sort(key=lambda pair: -pair[0])
        return [track for _, track in scored[:TRACKS]]

    def _coda_of(self, track: Track) -> int:
        """The place of the first coda that there may be, a chord before it."""
        chords = min(chords_of(utterance.text) for utterance in track.candidates) - CODA - 1
        return int(track.start + chords * track.slot * self._rate)

    def hear(self, stretch: Stretch, first: int, end: int) -> None:
        """The next units."""
        heard = (end - first) * stretch.size
        self._end += heard
        if self._end <= self._coda:
            return
        kept = self._kept
        if not kept:
            self._first = self._end - heard
        kept.append(stretch.samples(first, end))
        if self._whole:
            return
        least = self._end - self._spare - self._end // int(1 / INEXACT)
        while self._first + len(kept[0]) // WIDTH < least:
            self._first += len(kept.popleft()) // WIDTH

    def end(self, until: int) -> str | None:
        """The text, now that the last loud sample is known, counted from the first one; None where it is nobody's."""
        if not self._kept:
            return None
        samples = b"".join(self._kept)
        best, text = ENOUGH if self._whole else HALF, None
        length = (until - self._start) / self._rate
        for track in self._tracks:
            for utterance in track.candidates:
                melody = symbols(utterance.text)
                if abs(len(melody) * track.slot - length) > allowance(length):
                    continue
                chords = range(0 if self._whole else len(melody) - CODA, len(melody))
                heard = listen(samples, self._rate, track.start - self._first, track.pitch, track.slot, chords)
                found = score(heard, melody)
                if found > best:
                    best, text = found, utterance.text
        return text


@lru_cache(maxsize=512)
def opening(text: str, count: int) -> bytes:
    """The first chords of a text."""
    words = text.split(None, count)
    return symbols(text if len(words) <= count else " ".join(words[:count]))[:count]
