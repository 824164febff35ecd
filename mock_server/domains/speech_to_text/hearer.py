"""Who hears on a socket: takes audio apart in the worker, knows what was said to the account before, counts it at the end."""

import hashlib
from collections.abc import Awaitable, Sequence

from mock_server.audio.ear import Ear, Event
from mock_server.audio.streams import Stream
from mock_server.domains.audio import service as transcriptions
from mock_server.domains.audio import transcripts
from mock_server.domains.speech_to_text import advice
from mock_server.domains.speech_to_text.parameters import Parameters
from mock_server.domains.speech_to_text.scripts import Scripts
from mock_server.domains.text_to_speech import service as speech
from mock_server.engine.turns import Shares
from mock_server.world import Call

SLICE = 16 * 1024  # bytes that are taken apart in one go
AT_ONCE = 64 * 1024  # bytes of samples that are heard without the worker
TOGETHER = 8  # sounds that are compared with them before others are heard
FEW = 20  # utterances that are compared without it


class Hearer:
    """The ear of one socket. `quiet`: seconds of silence that it tells of."""

    def __init__(self, call: Call, asked: Parameters, quiet: Sequence[float]) -> None:
        self._call, self._asked = call, asked
        self._stream, self._ear = Stream(asked.encoding, asked.rate), Ear(quiet)
        self._found = transcripts.read(call.world)
        self._digest = hashlib.sha256()
        self._since = 0.0  # seconds of audio before what `named` is asked about
        scripts = Scripts(call, asked)
        self.scripted, self.strike = scripts.find, scripts.strike
        self.names = self._found.any  # whether recordings may be known by name: what they say is told when they end

    @property
    def seconds(self) -> float:
        """Seconds of audio heard."""
        return self._ear.at

    def wanted(self) -> int:
        """Bytes of audio without which it has nothing more to say; 0 where that cannot be known."""
        return self._ear.wanted(self._stream.pace)

    def hear(self, messages: Sequence[bytes], end: bool) -> list[Event] | Awaitable[list[Event]]:
        """What the next messages say: at once where that is quickly done. Raises ServiceUnavailable."""
        if self._found.hashes:
            for message in messages:
                self._digest.update(message)
        if self._stream.light and sum(map(len, messages)) <= AT_ONCE:
            events = self._ear.hear(self._stream.feed(messages, end), end)
            return self._answered(events) if self._ear.question else events
        return self._worked(messages, end)

    async def _worked(self, messages: Sequence[bytes], end: bool) -> list[Event]:
        return await self._answered(
            await self._call.world.worker.run(self._listen, messages, end, of=self._call.account.id)
        )

    def _listen(self, messages: Sequence[bytes], end: bool) -> list[Event]:
        """In the worker."""
        events: list[Event] = []
        for message in messages:
            for at in range(0, len(message), SLICE):
                events += self._ear.hear(self._stream.feed([message[at : at + SLICE]]))
        return events + self._ear.hear(self._stream.feed((), end), end)

    async def _answered(self, events: list[Event]) -> list[Event]:
        """Some at a time: sounds that began together do not hold up, all at once, those that have something to tell."""
        world = self._call.world
        shares: Shares = world.cache.setdefault("hearing", Shares(TOGETHER))
        while self._ear.question:
            await shares.take()
            known = speech.known(world.store, self._call.account.id) if world.stored else []
            if len(known) > FEW:
                events += await world.worker.run(self._ear.answer, known, of=self._call.account.id)
            else:
                events += self._ear.answer(known)
        return events

    def canned(self, seconds: float, start: int) -> list[str]:
        """What audio of nobody's says in so many seconds: the words of the canned text from one on."""
        return self._found.words(seconds, start)

    def named(self) -> str | None:
        """What a fixture says of the recording that came since this was last asked."""
        text = self._found.find("", self._digest.hexdigest(), self._ear.at - self._since)
        self._since, self._digest = self._ear.at, hashlib.sha256()
        return text

    def note(self, how: str) -> None:
        """For the journal: how the last transcript was found."""
        self._call.exchange.reply = how

    def begin(self, first: bytes) -> None:
        """The first message has come: is it what it was said to be?"""
        advice.of_audio(self._call, first, self._asked.encoding)

    def puzzle(self) -> None:
        """A text frame came that says nothing to a socket of this kind."""
        self._call.hint("audio_in_text")

    def count(self, characters: int) -> None:
        """For the reports."""
        asked = self._asked
        transcriptions.count(self._call, asked.model, asked.language, "websocket", self._ear.at, characters)
