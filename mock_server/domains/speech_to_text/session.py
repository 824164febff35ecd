"""The protocol of the speech-to-text socket, without I/O: audio and control frames in, transcripts out."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mock_server.audio.ear import Event
from mock_server.base.errors import ApiError, ServiceUnavailable
from mock_server.domains.speech_to_text.engines import ENGINES
from mock_server.domains.speech_to_text.frames import Control, Style, Writer, control
from mock_server.domains.speech_to_text.hears import Hears
from mock_server.domains.speech_to_text.parameters import Parameters
from mock_server.domains.speech_to_text.teller import TURN_ENDS, Teller
from mock_server.engine.sockets import Close, Out, Work

BATCH = 48 * 1024  # bytes that are heard together
WAITED = 0.015  # seconds after which audio is heard when more comes, if it may have something to tell
SOON = 0.05  # and when no more comes
STOPPED = 1.0  # seconds without audio after which the client has stopped sending
LONGEST_FRAME = 2.0  # seconds of audio that the client may take to send, too, before it counts as stopped
MOST_WAITING = 10_000  # frames that wait for their instant
NOTHING: Sequence[Out] = ()


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
    """One socket's talk. Audio waits in `_messages` until there is enough to be heard."""

    def __init__(
        self, asked: Parameters, ear: Hears, manner: Manner, style: Style, refused: ApiError | None = None
    ) -> None:
        self._ear, self._manner, self._refused = ear, manner, refused
        self._write = Writer(asked.engine, asked.flux, style)
        self._engine = ENGINES[asked.engine]
        once = asked.engine == "Telnyx" and manner.telnyx_transcribes_once
        self._teller = Teller(asked, ear, self._write, once)
        self._messages: list[bytes] = []
        self._size = 0  # bytes in them
        self._hearing: Control | None = None  # what comes after what is being heard; KeepAlive for nothing
        self._flushing = False
        self._over = False
        self._active = self._fed = 0.0  # when the last frame came, and the last audio
        self._since = 0.0  # when the first of `_messages` came
        self._wanted = 0  # bytes of them without which there is nothing to tell; 0: nobody knows
        self._last = 0.0  # when audio was last heard
        self._heard = 0.0  # seconds of audio before what is being heard
        self._lasting = 0.0  # seconds of audio that were last heard together
        self._unheard = False  # whether audio came since the last flush
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
        self._active = now
        if not message:
            return NOTHING
        if not self._bytes + self._size:
            self._ear.begin(message)
        if not self._messages:
            self._since = now
        self._fed = now
        self._messages.append(message)
        self._size += len(message)
        if self._size >= BATCH or (
            self._size >= self._wanted and now - (self._last if self._wanted else self._since) >= WAITED
        ):
            return self._hear(False, now)
        return NOTHING

    def _obey(self, asked: Control | None, now: float) -> Sequence[Out]:
        if asked is None:
            self._ear.puzzle()
            return NOTHING
        if self._manner.control_frames_by_engine and asked not in self._engine.controls:
            return NOTHING
        self._active = now
        return NOTHING if asked == "KeepAlive" else self._hear(True, now, asked)

    def _hear(self, flush: bool, now: float, then: Control = "KeepAlive") -> Sequence[Out]:
        messages, self._messages = self._messages, []
        self._unheard = self._unheard or bool(messages)
        self._bytes += self._size
        self._size = 0
        self._hearing, self._flushing = then, flush
        self._base = max(self._base, now - self._ear.seconds)
        self._heard, self._last = self._ear.seconds, now
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
        self._wanted = self._ear.wanted()
        try:
            outs = [(event.at, out) for event in events for out in self._teller.tell(event)]
            if self._flushing:
                self._unheard = False
                outs.extend((self._ear.seconds, out) for out in self._teller.flush(then, self._bytes > 0))
        except ApiError as error:  # of a reply
            return self._fail(error)
        if self._over:
            return [Work(self._ear.count, self._teller.characters)]
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

    # ---------------------------------------------------------------------------------------- the time

    def due(self) -> float | None:
        if self._over:
            return None
        next_frame = self._waiting[0][0] if self._waiting else math.inf
        if self._messages and self._size >= self._wanted:
            soon = self._since + SOON
            return soon if soon < next_frame else next_frame
        if self._messages or self._unheard or self._teller.open:
            return min(next_frame, self._fed + STOPPED + self._lasting)
        return next_frame if self._waiting else self._active + self._manner.idle

    def tick(self, now: float) -> Sequence[Out]:
        if self._waiting and self._waiting[0][0] <= now:
            out = self._waiting.popleft()[1]
            self._active = now
            self._over = type(out) is Close
            return [out]
        if self._messages and self._size >= self._wanted:
            return self._hear(False, now)
        if self._messages or self._unheard or self._teller.open:
            return self._hear(True, now)
        return self._end()

    def _end(self) -> Sequence[Out]:
        self._over = True
        return [Close()]

    def closed(self, now: float) -> Sequence[Out]:
        """What was sent until then is counted, heard or not."""
        if not self._bytes + self._size:
            return NOTHING
        self._over = self._teller.over = True
        return self._hear(True, now)

    def _fail(self, error: ApiError) -> Sequence[Out]:
        self._over = True
        self._messages, self._waiting = [], deque()
        return [self._write.error(error), Close()]
