"""The ear: hears a stream while it comes, tells where someone speaks, and whose utterance it is where that is known.

What it tells depends on the audio only, never on how it was cut. It holds at most about a second of it.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mock_server.audio.chords import APART, SILENT
from mock_server.audio.following import Follower
from mock_server.audio.payload import Finder
from mock_server.audio.pieces import Mark, Opaque, Piece, Sound
from mock_server.audio.samples import WIDTH
from mock_server.audio.stretches import UNIT, Cutter, Stretch
from mock_server.audio.tones import CHARACTERS_PER_SECOND, Utterance

FLOOR = 0.001  # of full scale: what lies below is silence
CLICK = 0.02  # seconds: a shorter sound is none
DECIDED = 1.2  # seconds after which it is told whose sound it is
TOLD = 0.1  # seconds of sound between two tellings
LONGEST = 10.0  # seconds of a sound of nobody's before it is told in parts
BELATED = 0.3  # seconds by which a text may come before its sound


@dataclass(slots=True)
class Speaking:
    """A sound goes on. `at`: seconds of the stream. `text`: all that it says, None where it is nobody's."""

    at: float
    seconds: float
    text: str | None
    pace: float  # characters a second


@dataclass(slots=True)
class Spoken:
    """A sound is over, or told in full so far (`on`). `carried`: the audio itself had the text in it."""

    at: float
    seconds: float
    text: str | None
    pace: float = CHARACTERS_PER_SECOND
    on: bool = False
    carried: bool = False


@dataclass(slots=True)
class Quiet:
    """So many seconds of silence since the last sound."""

    at: float
    seconds: float


Event = Speaking | Spoken | Quiet


@dataclass(slots=True)
class _Sound:
    """What is being heard. `count` and `loud`: samples since the first one kept, and until the last loud one."""

    start: float
    told: float
    kept: list[bytes] = field(default_factory=list)  # samples, until it is told whose they are
    follower: Follower | None = None
    text: str | None = None
    peak: float = 0.0
    end: float = 0.0
    count: int = 0
    loud: int = 0
    decided: bool = False
    over: bool = False

    def hear(self, stretch: Stretch, first: int, end: int) -> None:
        """The next units."""
        if stretch.opaque:
            return
        self.count += (end - first) * stretch.size
        if self.follower is not None:
            self.follower.hear(stretch, first, end)
        elif not self.decided and self.text is None:
            self.kept.append(stretch.samples(first, end))


class Ear:
    """Listens to one stream. `quiet`: after which silences, in seconds, it says so. `whole`: an utterance is told by all of
    its chords, for which all of its sound is held.

    Where `question` is set after a call, it must be told what is known (`answer`) before it hears on. Takes milliseconds.
    """

    def __init__(self, quiet: Sequence[float] = (), whole: bool = False) -> None:
        self.at = 0.0  # seconds heard
        self.question = False
        self._quiet, self._whole = sorted(quiet), whole
        self._stretches: deque[Stretch] = deque()
        self._texts: deque[tuple[str, float]] = deque()  # that the audio carries, and where they begin
        self._sound: _Sound | None = None
        self._before: Stretch | None = None  # the last unit that was heard
        self._over = 0.0  # where the last sound ended
        self._silences = len(self._quiet)  # of `quiet`, told since
        self._ending = False
        self._taken = 0.0  # seconds taken apart
        self._fraction = 0.0  # of a unit that cannot be decoded
        self._kind = 0, 0  # rate, and bytes of a word

    def hear(self, pieces: Iterable[Piece], end: bool = False) -> list[Event]:
        """What comes next. `end`: it is the last for now, so that what is being said is said."""
        for piece in pieces:
            self._take(piece)
        self._ending = self._ending or end
        return self._hear_all()

    def wanted(self, pace: int) -> int:
        """Bytes of audio, `pace` of them a second, without which there is nothing more to tell; 0 where nobody knows."""
        sound = self._sound
        if not pace or self.question:
            return 0
        next = self.at + TOLD
        if sound is None:
            next = min(next, self._next_telling())
        else:
            next = min(next, sound.end + APART)
            if sound.decided or sound.text is not None:
                next = min(next, sound.told + TOLD)
        return max(int((next - self._taken) * pace), 0)

    def answer(self, known: Sequence[Utterance]) -> list[Event]:
        """What the account has had said, newest first; and on."""
        sound = self._sound
        assert sound is not None
        self.question, sound.decided = False, True
        if known and sound.kept:
            sound.follower = Follower(b"".join(sound.kept), self._cutter.rate, known, self._whole) or None
        sound.kept = []
        events: list[Event] = []
        if sound.over:
            self._finish(sound, events)
        return events + self._hear_all()

    def _take(self, piece: Piece) -> None:
        if isinstance(piece, Mark):
            self._texts.append((piece.text, self._taken))
        elif isinstance(piece, Opaque):
            self._taken += piece.seconds
            self._fraction += piece.seconds / UNIT
            whole = int(self._fraction)
            self._fraction -= whole
            if whole:
                self._stretches.append(Stretch([1.0] * whole))
        else:
            self._take_sound(piece)

    def _take_sound(self, piece: Sound) -> None:
        width = 1 if piece.words else WIDTH
        if (piece.rate, width) != self._kind:
            self._kind, self._cutter = (piece.rate, width), Cutter(piece.rate)
            self._finder, self._since = Finder(width), self._taken
        for text, word in self._finder.feed(piece.words or piece.samples):
            self._texts.append((text, self._since + word / piece.rate))
        self._taken += len(piece.samples) / WIDTH / piece.rate
        if stretch := self._cutter.cut(piece):
            self._stretches.append(stretch)

    def _hear_all(self) -> list[Event]:
        events: list[Event] = []
        while self._stretches and not self.question:
            stretch = self._stretches[0]
            if self._sound is None:
                self._wait(stretch, events)
            else:
                self._hear_on(self._sound, stretch, events)
            if stretch.at == len(stretch.peaks):
                self._stretches.popleft()
        if self._ending and not self.question:
            if self._sound is not None:
                self._finish(self._sound, events)
            if not self.question:
                self._ending = False
                events += [Spoken(self.at, 0.0, text, carried=True) for text, _ in self._texts]
                self._texts.clear()
        return events

    def _wait(self, stretch: Stretch, events: list[Event]) -> None:
        """Silence, until a sound begins or there is something to tell."""
        unit, first, tell = stretch.unit, stretch.at, self._next_telling()
        n, at, loud = first, self.at, 0.0
        for n, peak in enumerate(stretch.peaks[first:], first + 1):  # noqa: B007  where it ended is wanted
            at += unit
            if peak > FLOOR:
                loud = peak
                break
            if at >= tell:
                break
        stretch.at, self.at = n, at
        if loud:
            sound = self._sound = _Sound(at - unit, at - unit, peak=loud, end=at, decided=stretch.opaque)
            if n - 1 > first:
                sound.hear(stretch, n - 2, n - 1)
            elif self._before is not None:
                sound.hear(self._before, 0, 1)
            sound.hear(stretch, n - 1, n)
            sound.loud = sound.count
            self._find_text(sound)
        else:
            if self._texts and at - self._texts[0][1] > BELATED:
                events.append(Spoken(at, 0.0, self._texts.popleft()[0], carried=True))
            self._be_quiet(events)
        self._before = stretch.last(n)

    def _next_telling(self) -> float:
        """Seconds of the stream before which silence has nothing to tell."""
        belated = self._texts[0][1] + BELATED if self._texts else math.inf
        quiet = self._over + self._quiet[self._silences] if self._silences < len(self._quiet) else math.inf
        return min(belated, quiet) - 1e-5

    def _hear_on(self, sound: _Sound, stretch: Stretch, events: list[Event]) -> None:
        """A sound goes on, until it is over or there is something to tell or to ask."""
        self._find_text(sound)
        known = sound.decided or sound.text is not None
        nobodys = sound.decided and not sound.follower and sound.text is None
        # What is never reached where it does not matter.
        asked, told = (math.inf, sound.told) if known else (sound.start, math.inf)
        begun = sound.start if nobodys else math.inf
        unit, first = stretch.unit, stretch.at
        n, at, end, peak, last, loud = first, self.at, sound.end, sound.peak, first, False
        floor = max(SILENT * peak, FLOOR)
        for n, height in enumerate(stretch.peaks[first:], first + 1):
            at += unit
            if height > peak:
                peak = height
                floor = max(SILENT * peak, FLOOR)
            if loud := height > floor:
                end, last = at, n
                if at - told >= TOLD or at - begun >= LONGEST:
                    break
            elif at - end >= APART:
                break
            if at - asked >= DECIDED:
                break
        stretch.at, self.at = n, at
        sound.end, sound.peak = end, peak
        if last > first:
            sound.loud = sound.count + (last - first) * stretch.size
        sound.hear(stretch, first, n)
        self._before = stretch.last(n)
        if at - end >= APART:
            self._finish(sound, events)
        elif not known:
            self.question = at - asked >= DECIDED
        elif loud and at - told >= TOLD:
            sound.told = at
            events.append(Speaking(at, at - sound.start, *self._said(sound)))
        if at - begun >= LONGEST and loud:
            events.append(Spoken(at, at - sound.start, *self._said(sound), on=True))
            sound.start = sound.told = at

    def _find_text(self, sound: _Sound) -> None:
        if sound.text is None and self._texts and self._texts[0][1] <= sound.start + 0.05:
            sound.text = self._texts.popleft()[0]
            sound.kept, sound.follower = [], None

    def _said(self, sound: _Sound) -> tuple[str | None, float]:
        if sound.text is None and sound.follower:
            return sound.follower.text(), 1 / sound.follower.slot()
        return sound.text, CHARACTERS_PER_SECOND

    def _finish(self, sound: _Sound, events: list[Event]) -> None:
        """The sound is over, if it can be told what it was."""
        if sound.end - sound.start > CLICK or sound.text is not None:
            if not sound.decided and sound.text is None:
                self.question = sound.over = True
                return
            text, pace = self._said(sound)
            if sound.follower:
                text = sound.follower.end(sound.loud)
            events.append(Spoken(self.at, sound.end - sound.start, text, pace, carried=sound.text is not None))
            self._silences = 0
            self._over = sound.end
        self._sound = None
        self._be_quiet(events)

    def _be_quiet(self, events: list[Event]) -> None:
        silence = self.at - self._over
        while self._silences < len(self._quiet) and silence >= self._quiet[self._silences] - 1e-6:
            events.append(Quiet(self.at, self._quiet[self._silences]))
            self._silences += 1
