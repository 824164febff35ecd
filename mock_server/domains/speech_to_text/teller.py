"""What is told of what was heard: sounds and silences in, interim and final transcripts out."""

import math

from mock_server.audio.ear import Event, Speaking, Spoken
from mock_server.audio.hearing import join
from mock_server.domains.audio.transcripts import sentence
from mock_server.domains.speech_to_text.frames import Control, Writer
from mock_server.domains.speech_to_text.hears import Hears
from mock_server.domains.speech_to_text.parameters import Parameters
from mock_server.domains.speech_to_text.scripts import Script
from mock_server.domains.speech_to_text.words import Editor, Growth
from mock_server.engine.sockets import Out, Send, Work

TURN_ENDS = 1.0  # seconds of silence after which an utterance end is told
RECORDING = 120.0  # seconds of audio that may be a recording with a name
LONGEST_SOUND = 12.0  # seconds of a sound of nobody's, after which the ear has told it in parts
MOST_TOLD = 4000  # characters of one transcript, after which it is final


class Teller:
    """One socket's utterances. What was heard waits in `_told` until a pause makes it a final transcript.

    `once`: there is one final only, at the end.
    """

    def __init__(self, asked: Parameters, ear: Hears, write: Writer, once: bool) -> None:
        self._asked, self._ear, self._write, self._once = asked, ear, write, once
        self._edit = Editor(asked.redact, asked.terms).edit
        self.over = False  # nobody is told any more
        self.characters = 0  # of all that was said
        self._told: list[str] = []  # the text that the next final has, if there is to be one
        self._held: list[float] = []  # seconds of sounds of nobody's that may be a recording with a name
        self._growth: Growth | None = None  # the present sound's text, as far as it was told
        self._next = 0.0  # seconds of it before which no further word is whole
        self._canned = 0  # words of the canned text that were said
        self._script: Script | None = None  # what the present utterance says, whatever was heard
        self._asked_script = False  # whether that was asked for
        self._utterances = 0
        self._turn_open = False  # a final was sent, its utterance end was not
        self._eager = False  # an early guess was told
        self._finals = 0

    @property
    def open(self) -> bool:
        """Whether something is still to be told when there is silence."""
        return bool(self._told) or self._turn_open

    def tell(self, event: Event) -> list[Out]:
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
        if event.seconds < self._next or not self._asked.interim:
            return outs
        outs += self._ask_script(event.text)
        if self._script is not None:
            if self._told:
                return outs
        elif event.text is None and self._holds():
            return outs
        growth = self._growth
        if growth is None or growth.source != event.text:
            if self._script is not None:
                text = self._script.text
            else:
                text = " ".join(self._ear.canned(LONGEST_SOUND, self._canned)) if event.text is None else event.text
            growth = self._growth = Growth(event.text, self._edit(text))
        outs += self._grow(growth, event.seconds * event.pace)
        self._next = growth.next / event.pace
        return outs

    def _grow(self, growth: Growth, characters: float) -> list[Out]:
        """An interim transcript for every word that is new."""
        told = join(self._told)
        return [
            self._write.transcript(join([told, growth.text[:end]]), final=False) for end in growth.until(characters)
        ]

    def _holds(self) -> bool:
        """Whether a sound of nobody's may be part of a recording that has a name."""
        return self._ear.names and self._ear.seconds <= RECORDING

    def _ask_script(self, heard: str | None) -> list[Out]:
        """Where an utterance begins: what a reply says that it says. Raises the ApiError that the reply is."""
        if self._asked_script or self.over:
            return []
        self._asked_script = True
        self._script = self._ear.scripted(heard or "", self._utterances + 1)
        return [Work(self._ear.strike)] if self._script is not None and self._script.fault else []

    def _say_script(self) -> list[Out]:
        """All that the utterance says, with its first sound; the others say nothing more."""
        return [] if self._script is None or self._told else self._add(self._script.text)

    def _spoken(self, event: Spoken) -> list[Out]:
        outs = self._ask_script(event.text)
        if self._script is not None:
            outs += self._say_script()
            return outs + ([self._final(speech_final=False)] if event.on and not self._once else [])
        if event.text is None and self._holds():
            self._held.append(event.seconds)
            return outs
        outs += self._release() if self._held else []
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
        outs: list[Out] = []
        if self._asked.interim:
            rest = Growth(None, text, self._growth.told if self._growth else 0)
            outs = self._grow(rest, math.inf)
        self._growth, self._next = None, 0.0
        self._told = [join([*self._told, text])]
        self.characters += len(text)
        if len(self._told[0]) > MOST_TOLD:
            outs.append(self._final(speech_final=False))
        return outs

    def _final(self, *, speech_final: bool) -> Send:
        text, self._told = join(self._told), []
        self._turn_open, self._eager = True, False
        self._finals += 1
        script, self._script = self._script, None
        if self._asked_script:
            self._utterances, self._asked_script = self._utterances + 1, False
        return self._write.transcript(
            text, final=True, speech_final=speech_final, event="EndOfTurn",
            confidence=script.confidence if script is not None else None,
        )  # fmt: skip

    def _end_turn(self) -> list[Out]:
        ends = self._turn_open and self._asked.engine == "Deepgram" and not self._asked.flux
        self._turn_open = False
        return [self._write.utterance_end()] if ends else []

    def flush(self, then: Control, any_audio: bool) -> list[Out]:
        """All that was heard is told: the client has asked for it, or has stopped."""
        outs: list[Out] = []
        silent = any_audio and not self._told and not self._held and not self._finals
        if silent:
            outs += self._ask_script(None)
            outs += self._say_script()
        told = self._script is not None
        text = self._ear.named() if self._ear.names and not told and (self._held or silent) else None
        if told:
            pass
        elif text is not None:
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
