"""The protocol of the text-to-speech socket, without I/O: frames in, frames and work out."""

from collections import deque
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mock_server.base.errors import ApiError
from mock_server.domains.text_to_speech import sentences
from mock_server.domains.text_to_speech.frames import Said, Writer, read
from mock_server.domains.text_to_speech.handshake import Opening
from mock_server.domains.text_to_speech.service import without_tags
from mock_server.domains.text_to_speech.spoken import Spoken
from mock_server.engine.sockets import Close, Out, Work
from mock_server.world import Call

MOST_WAITING = 25_000  # characters in the buffer, and as many in jobs
FIRST, FIRST_CACHED = 0.25, 0.05  # seconds from text to audio, where audio is paced
SSML_END = "</speak>"
INVALID = "Invalid message"
FAILED, FAILED_LATE = "Error in audio response", "Error in remaining audio response"


class Voice(Protocol):
    """What a session asks of its speaker; spoken.Speaker is one."""

    def settle(self, voice_settings: Mapping[str, Any] | None) -> None: ...

    def say(self, text: str) -> Spoken | Awaitable[Spoken]: ...

    def hint(self, name: str, /, **values: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How the service is to behave: quirks, by their names, and the pacing."""

    frames_typed: bool = True
    speech_needs_greeting: bool = True
    speech_on_flush_only: bool = False
    speech_final_at_end_only: bool = False
    speech_file_per_sentence: bool = True
    requests_mended: bool = False
    realtime: bool = False


def manner(call: Call) -> Manner:
    names = [name for name in Manner.__slots__ if name != "realtime"]
    return Manner(**{name: call.quirk(name) for name in names}, realtime=call.world.settings.realtime)


@dataclass(frozen=True, slots=True)
class Job:
    """What comes next: a sentence to say, asked for at an instant, or with no text the final frame; `ends` closes then."""

    text: str = ""
    asked: float = 0.0
    ends: bool = False


class SpeechSession:
    """One socket's talk. Text waits in `_buffer` until a sentence ends or a flush; then jobs say it, one by one.

    Paced, frames wait in `_due_frames` for their instants, and the next job for the last of them.
    """

    def __init__(self, opening: Opening, voice: Voice, manner: Manner) -> None:
        self._opening, self._voice, self._manner = opening, voice, manner
        self._write = Writer(manner.frames_typed)
        self._greeted = not manner.speech_needs_greeting
        self._settled = self._ending = self._over = False
        self._buffer = ""
        self._jobs: deque[Job] = deque()
        self._saying: deque[Job] = deque()  # those whose audio is being made
        self._waiting = 0  # characters in jobs
        self._due_frames: deque[tuple[float, Out]] = deque()
        self._free = 0.0  # when the frames so far have been played
        self._active = 0.0  # when something was last sent or received

    def opened(self, now: float) -> list[Out]:
        self._active = now
        return [] if self._opening.error is None else self._fail(self._opening.error.detail)

    def feed(self, message: str | bytes, now: float) -> list[Out]:
        if self._over or self._ending:
            return []
        self._active = now
        said = read(message)
        if said is None:
            return [] if self._manner.requests_mended else self._fail(INVALID)
        if said.misplaced:
            self._voice.hint("speech_frame_fields", names=", ".join(sorted(said.misplaced)))
        if not self._greeted and said.text:
            if said.text.strip():
                self._voice.hint("speech_greeting")
                return self._fail(INVALID)
            self._greeted = True
            said = Said(None, said.flush, said.force, said.voice_settings)
        if not self._settled:
            try:
                self._voice.settle(said.voice_settings)
            except ApiError as error:
                return self._fail(error.detail)
            self._settled = True
        return self._take(said, now)

    def _take(self, said: Said, now: float) -> list[Out]:
        if said.force:
            self._stop()
        self._buffer += said.text or ""
        if len(self._buffer) > MOST_WAITING or (self._manner.realtime and self._waiting > MOST_WAITING):
            return self._fail(f"More than {MOST_WAITING} characters wait to be spoken.")
        ends = said.text == "" and not said.force and not said.flush
        if ends or said.flush:
            self._plan(len(self._buffer), now)
        elif not self._manner.speech_on_flush_only and said.text:
            self._plan(self._complete(len(said.text)), now)
        if ends:
            self._ending = True
            self._jobs.append(Job(asked=now, ends=True))
        return self._work(now)

    def _complete(self, new: int) -> int:
        """How many characters of the buffer can be said without waiting for more."""
        if not self._opening.ssml:
            return sentences.complete(self._buffer, new)
        found = self._buffer.rfind(SSML_END)
        return found + len(SSML_END) if found >= 0 else 0

    def _stop(self) -> None:
        """Barge-in: what was not sent yet is forgotten. The greeting stands."""
        self._buffer = ""
        self._jobs.clear()
        self._due_frames.clear()
        self._waiting = 0
        self._free = 0.0

    def _plan(self, count: int, now: float) -> None:
        """Make jobs of the first characters of the buffer."""
        text, self._buffer = self._buffer[:count], self._buffer[count:]
        spoken = without_tags(text) if self._opening.ssml else sentences.plain(text)
        cut = sentences.split if self._manner.speech_file_per_sentence else sentences.pieces
        jobs = [Job(piece, now) for piece in cut(spoken)]
        if jobs and not self._manner.speech_final_at_end_only:
            jobs.append(Job())
        self._jobs.extend(jobs)
        self._waiting += sum(len(job.text) for job in jobs)

    def _work(self, now: float) -> list[Out]:
        """One sentence and what follows it; the next one is due at once, after whatever the client has sent meanwhile.

        When too much waits, so much that it does not: nothing is read until then, and a fast client is held up.
        """
        outs: list[Out] = []
        if self._due_frames:
            return outs
        while self._jobs and not (self._jobs[0].text and self._saying and self._waiting <= MOST_WAITING):
            outs.extend(self._next(now))
            if self._due_frames or (self._manner.realtime and self._saying):
                break
        return outs

    def _next(self, now: float) -> Iterator[Out]:
        job = self._jobs.popleft()
        self._waiting -= len(job.text)
        if job.text:
            self._saying.append(job)
            yield Work(self._voice.say, job.text)
            return
        ends: list[Out] = [self._write.final()]
        if job.ends:
            ends.append(Close())
        if self._manner.realtime and self._free > now:
            self._due_frames.extend((self._free, out) for out in ends)
            return
        yield from ends

    def done(self, result: Any, now: float) -> list[Out]:
        job = self._saying.popleft()
        if self._over:
            return []
        if isinstance(result, ApiError):
            return self._fail(FAILED_LATE if self._ending else FAILED)
        spoken: Spoken = result
        first = (FIRST_CACHED if spoken.cached else FIRST) if self._manner.realtime else max(now - job.asked, 0.0)
        frames = self._frames(spoken, round(first * 1000))
        if not self._manner.realtime:
            self._active = now
            return frames
        begin = max(self._free, now + first)
        self._free = begin + spoken.seconds
        step = spoken.seconds / len(frames)
        self._due_frames.extend((begin + n * step, frame) for n, frame in enumerate(frames))
        return []

    def _frames(self, spoken: Spoken, first_ms: int) -> list[Out]:
        """Audio in pieces, then the sentence; or both in one frame, where that is what the provider's audio comes in."""
        chunk, cached = self._write.chunk, spoken.cached
        whole = spoken.pieces[-1] if spoken.whole else None
        audio = spoken.pieces[:-1] if spoken.whole else spoken.pieces
        key = self._manner.frames_typed, cached
        rest = spoken.written.get(key)
        if rest is None:
            rest = [chunk(piece, None, cached) for piece in audio[1:]]
            if audio:
                rest.append(chunk(whole, spoken.text, cached))
            spoken.written[key] = rest
        first = chunk(audio[0], None, cached, first_ms) if audio else chunk(whole, spoken.text, cached, first_ms)
        return [first, *rest]

    def due(self) -> float | None:
        if self._over:
            return None
        if self._due_frames:
            return self._due_frames[0][0]
        if self._jobs:
            return self._active
        return max(self._active, self._free) + self._opening.inactivity

    def tick(self, now: float) -> list[Out]:
        outs: list[Out] = []
        while self._due_frames and self._due_frames[0][0] <= now:
            outs.append(self._due_frames.popleft()[1])
            self._active = now
        if outs or self._jobs:
            return outs + self._work(now)
        self._look_at_rest()
        self._over = True
        return [Close(reason="Inactivity timeout")]

    def closed(self, now: float) -> list[Out]:
        self._look_at_rest()
        self._over = True
        self._stop()
        return []

    def _look_at_rest(self) -> None:
        """Whether the talk ends with text that was sent and never spoken."""
        if not self._over and self._buffer.strip():
            self._voice.hint("speech_unflushed")

    def _fail(self, text: str) -> list[Out]:
        self._over = True
        self._stop()
        outs: list[Out] = [self._write.error(text), Close()]
        return outs
