"""The protocol of the speech-to-text socket, without I/O: audio and control frames in, transcripts out."""

from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mock_server.audio.ear import Event, Speaking, Spoken
from mock_server.audio.hearing import join
from mock_server.base.errors import ApiError, ServiceUnavailable
from mock_server.domains.audio.transcripts import sentence
from mock_server.domains.speech_to_text.engines import ENGINES
from mock_server.domains.speech_to_text.frames import Control, Style, Writer, control
from mock_server.domains.speech_to_text.parameters import Parameters
from mock_server.domains.speech_to_text.words import Editor, said
from mock_server.engine.sockets import Close, Out, Send, Work

BATCH = 8 * 1024  # bytes that are heard together
SOON = 0.1  # seconds after which fewer are
STOPPED = 1.0  # seconds without audio after which the client has stopped sending
LONGEST_FRAME = 2.0  # seconds of audio that the client may take to send, too, before it counts as stopped
TURN_ENDS = 1.0  # seconds of silence after which an utterance end is told
RECORDING = 120.0  # seconds of audio that may be a recording with a name
MOST_TOLD = 4000  # characters of one transcript, after which it is final
MOST_WAITING = 10_000  # frames that wait for their instant
NOTHING: Sequence[Out] = ()


class Hears(Protocol):
    """What a session asks of its ear; hearer.Hearer is one."""

    names: bool

    @property
    def seconds(self) -> float: ...

    def hear(self, messages: Sequence[bytes], end: bool) -> list[Event] | Awaitable[list[Event]]: ...

    def canned(self, seconds: float, start: int) -> list[str]: ...

    def named(self) -> str | None: ...

    def note(self, how: str) -> None: ...

    def begin(self, first: bytes) -> None: ...

    def puzzle(self) -> None: ...

    def count(self, characters: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How the service is to behave: quirks, by their names, and settings."""

    telnyx_transcribes_once: bool = False
    control_frames_by_engine: bool = False
    idle: float = 10.0
    realtime: bool = False


def quiet(asked: Parameters) -> list[float]:
    """The silences that a session wants to be told of."""
    return [length for length in (asked.eager, asked.pause, TURN_ENDS) if length is not None]


class TranscriptionSession:
    """One socket's talk. Audio waits in `_messages` until there is enough to be heard; what was heard waits in `_told`
    until a pause makes it a final transcript."""

    def __init__(
        self, asked: Parameters, ear: Hears, manner: Manner, style: Style, refused: ApiError | None = None
    ) -> None:
        self._asked, self._ear, self._manner, self._refused = asked, ear, manner, refused
        self._write = Writer(asked.engine, asked.flux, style)
        self._edit = Editor(asked.redact, asked.terms).edit
        self._engine = ENGINES[asked.engine]
        self._once = asked.engine == "Telnyx" and manner.telnyx_transcribes_once
        self._messages: list[bytes] = []
        self._size = 0  # bytes in them
        self._hearing: Control | None = None  # what comes after what is being heard; KeepAlive for nothing
        self._flushing = False
        self._over = False
        self._active = self._fed = 0.0  # when the last frame came, and the last audio
        self._heard = 0.0  # seconds of audio before what is being heard
        self._lasting = 0.0  # seconds of audio that were last heard together
        self._unheard = False  # whether audio came since the last flush
        self._told: list[str] = []  # the text that the next final has, if there is to be one
        self._held: list[float] = []  # seconds of sounds of nobody's that may be a recording with a name
        self._interims = 0  # words of the present sound that were told
        self._canned = 0  # words of the canned text that were said
        self._turn_open = False  # a final was sent, its utterance end was not
        self._eager = False  # an early guess was told
        self._finals = 0
        self._characters = 0
        self._bytes = 0
        self._waiting: deque[tuple[float, Out]] = deque()  # frames for their instants
        self._base = 0.0  # the instant that audio's second 0 is played at

    # ------------------------------------------------------------------------------------- the client

    def opened(self, now: float) -> Sequence[Out]:
        self._active = self._fed = self._base = now
        return NOTHING if self._refused is None else self._fail(self._refused)

    def feed(self, message: str | bytes, now: float) -> Sequence[Out]:
        if self._over:
            return NOTHING
        if isinstance(message, str):
            return self._obey(control(message), now)
        self._active = self._fed = now
        if not message:
            return NOTHING
        if not self._bytes:
            self._ear.begin(message)
        self._messages.append(message)
        self._size += len(message)
        self._bytes += len(message)
        self._unheard = True
        return self._hear(False, now) if self._size >= BATCH else NOTHING

    def _obey(self, asked: Control | None, now: float) -> Sequence[Out]:
        if asked is None:
            self._ear.puzzle()
            return NOTHING
        if self._manner.control_frames_by_engine and asked not in self._engine.controls:
            return NOTHING
        self._active = now
        return NOTHING if asked == "KeepAlive" else self._hear(True, now, asked)

    def _hear(self, flush: bool, now: float, then: Control = "KeepAlive") -> Sequence[Out]:
        messages, self._messages, self._size = self._messages, [], 0
        self._hearing, self._flushing = then, flush
        self._base = max(self._base, now - self._ear.seconds)
        self._heard = self._ear.seconds
        return [Work(self._ear.hear, messages, flush)]

    # ----------------------------------------------------------------------------------------- the ear

    def done(self, result: Any, now: float) -> Sequence[Out]:
        then, self._hearing = self._hearing, None
        if then is None:
            return NOTHING
        if isinstance(result, ApiError):
            return NOTHING if self._over else self._fail(result)
        events: list[Event] = result
        self._lasting = min(self._ear.seconds - self._heard, LONGEST_FRAME)
        outs: list[tuple[float, Out]] = []
        for event in events:
            outs.extend((event.at, out) for out in self._tell(event))
        if self._flushing:
            outs.extend((self._ear.seconds, out) for out in self._flush(then))
        if self._over:
            return [Work(self._ear.count, self._characters)]
        if then == "CloseStream":
            outs.append((self._ear.seconds, Close()))
        return self._paced(outs, now)

    def _paced(self, outs: list[tuple[float, Out]], now: float) -> Sequence[Out]:
        """Frames at once, or where audio is paced when the audio that they tell of has been played."""
        if not self._manner.realtime:
            self._over = self._over or any(type(out) is Close for _, out in outs)
            return [out for _, out in outs]
        ready: list[Out] = []
        for at, out in outs:
            instant = self._base + at
            if instant <= now and not self._waiting:
                ready.append(out)
            else:
                self._waiting.append((instant, out))
        if len(self._waiting) > MOST_WAITING:
            return self._fail(ServiceUnavailable("The audio is too far ahead of its time."))
        self._over = self._over or any(type(out) is Close for out in ready)
        return ready

    def _tell(self, event: Event) -> list[Out]:
        if isinstance(event, Speaking):
            return self._interim(event)
        if isinstance(event, Spoken):
            return self._spoken(event)
        outs: list[Out] = []
        if self._once:
            return outs
        if event.seconds == self._asked.eager and self._told and not self._eager and self._asked.interim:
            self._eager = True
            outs.append(self._write.transcript(join(self._told), final=False, event="EagerEndOfTurn"))
        pause = self._asked.pause
        if event.seconds >= (TURN_ENDS if pause is None else pause) and self._told:
            outs.append(self._final(speech_final=pause is not None))
        if event.seconds >= TURN_ENDS:
            outs.extend(self._end_turn())
        return outs

    def _interim(self, event: Speaking) -> list[Out]:
        outs: list[Out] = []
        if self._eager:
            self._eager = False
            outs.append(self._write.transcript(join(self._told), final=False, event="TurnResumed"))
        if not self._asked.interim or (event.text is None and self._holds()):
            return outs
        if event.text is None:
            text = " ".join(self._ear.canned(event.seconds, self._canned))
            return outs + self._grow(self._edit(text), len(text))
        return outs + self._grow(self._edit(event.text), event.seconds * event.pace)

    def _grow(self, text: str, characters: float) -> list[Out]:
        """An interim transcript for every word that is new."""
        ends = said(text, characters)
        new = ends[self._interims :]
        self._interims = max(self._interims, len(ends))
        return [self._write.transcript(join([*self._told, text[:end]]), final=False) for end in new]

    def _holds(self) -> bool:
        """Whether a sound of nobody's may be part of a recording that has a name."""
        return self._ear.names and self._ear.seconds <= RECORDING

    def _spoken(self, event: Spoken) -> list[Out]:
        if event.text is None and self._holds():
            self._held.append(event.seconds)
            return []
        outs = self._release() if self._held else []
        if event.text is not None:
            self._ear.note("echo" if event.carried else "tones")
            return outs + self._add(event.text)
        outs += self._add_canned(event.seconds, event.on)
        if event.on:
            outs += [] if self._once else [self._final(speech_final=False)]
        return outs

    def _release(self) -> list[Out]:
        """Sounds that are no recording with a name after all."""
        held, self._held = self._held, []
        return [out for seconds in held for out in self._add_canned(seconds, False)]

    def _add_canned(self, seconds: float, on: bool) -> list[Out]:
        words = self._ear.canned(seconds, self._canned)
        self._canned += len(words)
        self._ear.note("canned")
        return self._add(" ".join(words) if on else sentence(words))

    def _add(self, text: str) -> list[Out]:
        """What a sound said: the rest of its interim transcripts, and it waits for the final one."""
        text = self._edit(text)
        outs = self._grow(text, len(text) + 1) if self._asked.interim else []
        self._interims = 0
        self._told = [join([*self._told, text])]
        self._characters += len(text)
        if len(self._told[0]) > MOST_TOLD:
            outs.append(self._final(speech_final=False))
        return outs

    def _final(self, *, speech_final: bool) -> Send:
        text, self._told = join(self._told), []
        self._turn_open, self._eager = True, False
        self._finals += 1
        return self._write.transcript(text, final=True, speech_final=speech_final, event="EndOfTurn")

    def _end_turn(self) -> list[Out]:
        ends = self._turn_open and self._asked.engine == "Deepgram" and not self._asked.flux
        self._turn_open = False
        return [self._write.utterance_end()] if ends else []

    def _flush(self, then: Control) -> list[Out]:
        """All that was heard is told: the client has asked for it, or has stopped."""
        self._unheard = False
        outs: list[Out] = []
        silent = self._bytes > 0 and not self._told and not self._held and not self._finals
        text = self._ear.named() if self._ear.names and (self._held or silent) else None
        if text is not None:
            self._held = []
            self._ear.note("transcript")
            outs += self._add(text)
        elif self._held:
            outs += self._release()
        elif silent:  # as POST /ai/audio/transcriptions takes it
            outs += self._add_canned(self._ear.seconds, False)
        if self._told or then == "Finalize":
            outs.append(self._final(speech_final=True))
        if then == "KeepAlive":
            outs.extend(self._end_turn())
        return outs

    # ---------------------------------------------------------------------------------------- the time

    def due(self) -> float | None:
        if self._over:
            return None
        next_frame = self._waiting[0][0] if self._waiting else float("inf")
        if self._messages:
            return min(next_frame, self._fed + SOON)
        if self._unheard or self._told or self._turn_open:
            return min(next_frame, self._fed + STOPPED + self._lasting)
        return next_frame if self._waiting else self._active + self._manner.idle

    def tick(self, now: float) -> Sequence[Out]:
        if self._waiting and self._waiting[0][0] <= now:
            out = self._waiting.popleft()[1]
            self._active = now
            self._over = type(out) is Close
            return [out]
        if self._messages and now >= self._fed + SOON:
            return self._hear(False, now)
        if self._unheard or self._told or self._turn_open:
            return self._hear(True, now)
        return self._end()

    def _end(self) -> Sequence[Out]:
        self._over = True
        return [Close()]

    def closed(self, now: float) -> Sequence[Out]:
        """What was sent until then is counted, heard or not."""
        if not self._bytes:
            return NOTHING
        self._over = True
        return self._hear(True, now)

    def _fail(self, error: ApiError) -> Sequence[Out]:
        self._over = True
        self._messages, self._waiting = [], deque()
        return [self._write.error(error), Close()]
