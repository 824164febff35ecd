"""Whose utterance a sound is, told while it lasts: its chords are read as they come, its samples are not kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mock_server.audio.hearing import CERTAIN, ENOUGH, SILENT, heard_tones
from mock_server.audio.tones import GAP, Utterance, symbols

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mock_server.audio.hearing import Floats

VOICES = 200  # pairs of pitch and speed that are tried: the newest
TRACKS = 3  # that are followed where several fit
AT_ONCE = 16  # chords read in one go
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
    low: bytearray = field(default_factory=bytearray)
    high: bytearray = field(default_factory=bytearray)


class Follower:
    """Follows one sound, from its first samples on, with the known utterances that it may be."""

    def __init__(self, samples: "Floats", rate: float, known: Sequence[Utterance]) -> None:
        import numpy as np

        self._rate = rate
        self._samples = samples  # those still needed
        self._more: list[Floats] = []  # that come after them
        self._end = len(samples)  # samples heard
        self._before = 0  # samples that are not needed
        loud = np.flatnonzero(np.abs(samples) > SILENT * float(np.abs(samples).max(initial=0.0)))
        self._start = int(loud[0]) if len(loud) else 0
        self._tracks = self._begun(samples, int(loud[-1]) + 1 if len(loud) else 0, known)

    def __bool__(self) -> bool:
        return bool(self._tracks)

    def text(self) -> str:
        """The likeliest text so far."""
        return self._tracks[0].candidates[0].text

    def slot(self) -> float:
        return self._tracks[0].slot

    def _begun(self, samples: "Floats", end: int, known: Sequence[Utterance]) -> list[Track]:
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
                low, high = heard_tones(samples, self._rate, at, pitch, slot, count)
                scores = [_score(low, high, melody) for melody in openings]
                top = max(scores)
                if top > max(best, ENOUGH):
                    best = top
                    fit = [u for u, score in zip(utterances, scores, strict=True) if score > ENOUGH]
                    found = Track(pitch, slot, at, fit)
                if top > CERTAIN or (top < UNLIKELY and shift == 0 and slot >= STEADY):
                    break
            if found:
                scored.append((best, found))
        scored.sort(key=lambda pair: -pair[0])
        return [track for _, track in scored[:TRACKS]]

    def hear(self, samples: "Floats") -> None:
        """The next samples."""
        self._more.append(samples)
        self._end += len(samples)
        ready = [int((self._end - track.start) / (track.slot * self._rate)) - len(track.low) for track in self._tracks]
        if max(ready) < AT_ONCE:
            return
        self._join()
        for track, count in zip(self._tracks, ready, strict=True):
            if count > 0:
                self._read(track, count)
        needed = min(int(track.start + len(track.low) * track.slot * self._rate) - 1 for track in self._tracks)
        if needed > self._before:
            self._samples = self._samples[needed - self._before :]
            self._before = needed

    def _join(self) -> None:
        import numpy as np

        if self._more:
            self._samples = np.concatenate([self._samples, *self._more])
            self._more = []

    def _read(self, track: Track, count: int) -> None:
        at = track.start + len(track.low) * track.slot * self._rate - self._before
        low, high = heard_tones(self._samples, self._rate, at, track.pitch, track.slot, count)
        track.low += low.astype("u1").tobytes()
        track.high += high.astype("u1").tobytes()

    def end(self, until: int) -> str | None:
        """The text, now that the last loud sample is known, counted from the first one; None where it is nobody's."""
        self._join()
        best, text = ENOUGH, None
        length = (until - self._start) / self._rate
        for track in self._tracks:
            missing = int(length / track.slot + 0.7) - len(track.low)
            if missing > 0:
                self._read(track, missing)
            for utterance in track.candidates:
                melody = symbols(utterance.text)
                if abs(len(melody) * track.slot - length) > max(0.12, 0.02 * length):
                    continue
                score = _score_bytes(track, melody)
                if score > best:
                    best, text = score, utterance.text
        return text


def _score(low: "NDArray[Any]", high: "NDArray[Any]", melody: bytes) -> float:
    """The share of an opening's tones that were heard."""
    import numpy as np

    count = min(len(melody), len(low))
    wanted = np.frombuffer(melody, dtype=np.uint8)[:count]
    chords = wanted != GAP
    if not chords.any():
        return 0.0
    return float(((low[:count] == wanted % 8)[chords].mean() + (high[:count] == wanted // 8)[chords].mean()) / 2)


def _score_bytes(track: Track, melody: bytes) -> float:
    import numpy as np

    count = len(melody)
    low = np.frombuffer(bytes(track.low[:count]).ljust(count, b"\xff"), dtype=np.uint8)
    high = np.frombuffer(bytes(track.high[:count]).ljust(count, b"\xff"), dtype=np.uint8)
    return _score(low, high, melody)


def opening(text: str, count: int) -> bytes:
    """The first chords of a text."""
    words = text.split(None, count)
    return symbols(text if len(words) <= count else " ".join(words[:count]))[:count]
