"""Who speaks on a socket: notes each sentence, knows which it has said before, and has its audio made by the worker."""

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from mock_server.audio import formats
from mock_server.domains.text_to_speech import providers, service
from mock_server.domains.text_to_speech.handshake import Opening
from mock_server.domains.text_to_speech.providers import Wish
from mock_server.domains.text_to_speech.service import Speech
from mock_server.engine.sockets import Send
from mock_server.world import Call, World

CHUNK = 1024  # bytes of audio in a frame, as captured
WHOLE = 600 * 1024  # the same of providers that send a sentence in one frame; the official SDK reads frames up to 1 MiB
IN_ONE_FRAME = ("aws", "azure")
REMEMBERED = 16 * 1024 * 1024  # bytes of frames kept to be sent again without the worker


@dataclass(frozen=True, slots=True)
class Audio:
    """A sentence's audio: pieces of a file in base64, and how many seconds it plays. `written`: its frames, once made."""

    pieces: Sequence[str]
    seconds: float
    written: dict[tuple[bool, bool], Sequence[Send]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as audio. `whole`: all in one frame, with the text; `written`: all frames but the first, by their kind."""

    text: str
    pieces: Sequence[str]
    seconds: float
    cached: bool
    whole: bool
    written: dict[tuple[bool, bool], Sequence[Send]] = field(default_factory=dict)


class Memory:
    """Audio made lately, by all that it depends on: the same for every account."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[tuple[Speech, int], Audio] = OrderedDict()

    def get(self, speech: Speech, size: int) -> Audio | None:
        found = self._kept.get((speech, size))
        if found is not None:
            self._kept.move_to_end((speech, size))
        return found

    def keep(self, speech: Speech, size: int, audio: Audio) -> None:
        if (speech, size) in self._kept:
            return
        self._kept[speech, size] = audio
        self._size += _weight(audio)
        while self._size > self._most:
            self._size -= _weight(self._kept.popitem(last=False)[1])


def _weight(audio: Audio) -> int:
    """Bytes that it holds: as pieces, and mostly once more as frames."""
    return 2 * sum(map(len, audio.pieces)) + 200 * len(audio.pieces) + 1024


def memory(world: World) -> Memory:
    found: Memory = world.cache.setdefault("speech", Memory())
    return found


class Speaker:
    """The voice of one socket."""

    def __init__(self, call: Call, opening: Opening) -> None:
        self._call, self._opening = call, opening
        self._memory = memory(call.world)
        self._size = WHOLE if opening.speaker[0] in IN_ONE_FRAME else CHUNK
        self._wish: Wish | None = None

    def settle(self, voice_settings: Mapping[str, Any] | None) -> None:
        """Take the settings of the first frame. Raises SpeechFailed for what the provider does not make."""
        opening = self._opening
        asked = {**(voice_settings or {}), **dict(opening.asked)}
        self._wish = self._kokoro(providers.made(opening.speaker, asked, self._call.quirk("requests_mended")))

    def _kokoro(self, wish: Wish) -> Wish:
        if self._opening.speaker[:2] == ("telnyx", "kokorotts") and self._call.quirk("kokoro_makes_mp3_only"):
            return Wish(wish.voice, formats.nearest("mp3", 22050), wish.speed, wish.volume)
        return wish

    def hint(self, name: str, /, **values: str) -> None:
        self._call.hint(name, **values)

    def say(self, text: str) -> Spoken | Awaitable[Spoken]:
        """A sentence as audio: at once where it was made lately, else when the worker has made it.

        Raises ServiceUnavailable when there is too much to do, or the database cannot be used.
        """
        assert self._wish is not None
        speech = service.speech(text, self._wish)
        cached = self._note(speech, text) and self._opening.use_cache
        audio = self._memory.get(speech, self._size)
        return self._make(speech, cached) if audio is None else self._spoken(speech, audio, cached)

    def _note(self, speech: Speech, text: str) -> bool:
        """Whether the very same was said on a socket of this account before; from now on it was."""
        call, wish = self._call, self._wish
        key = blake2b(repr((wish, text)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        id = call.world.ids.uuid(call.account.id, "said on a socket", key)
        if service.was_said(call, id):
            service.heard(call, id)
            return True
        service.keep(call, speech, id)
        return False

    async def _make(self, speech: Speech, cached: bool) -> Spoken:
        audio = await self._call.world.worker.run(_made, speech, self._size, of=self._call.account.id)
        self._memory.keep(speech, self._size, audio)
        return self._spoken(speech, audio, cached)

    def _spoken(self, speech: Speech, audio: Audio, cached: bool) -> Spoken:
        whole = self._size == WHOLE
        return Spoken(speech.utterance.text, audio.pieces, audio.seconds, cached, whole, audio.written)


def _made(speech: Speech, size: int) -> Audio:
    """Cut anew for each sentence: an MP3's tag stands at the head of a frame."""
    data = formats.speak(speech.utterance, speech.format, speech.volume)
    pieces = [b64encode(data[start : start + size]).decode() for start in range(0, len(data), size)]
    return Audio(pieces, speech.utterance.seconds())
