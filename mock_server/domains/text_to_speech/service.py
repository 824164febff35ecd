"""Speech: a request becomes an utterance, which is noted and made into audio by the worker."""

import html
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, insert, select

from mock_server.audio import formats
from mock_server.audio.formats import Format
from mock_server.audio.tones import Utterance, pitch_of, slot_of
from mock_server.base.errors import Invalid, Issue, NotFound, SpeechFailed
from mock_server.domains.text_to_speech import providers
from mock_server.domains.text_to_speech.tables import SYNTHESIS
from mock_server.domains.text_to_speech.wire import OpenAISpeechRequest, SpeechRequest
from mock_server.engine.replies import AUDIO
from mock_server.engine.store import Prepared, Store, mine
from mock_server.world import Call

Sound = tuple[bytes, str]  # audio and its content type
KIND = "synthesis"  # of ids and counters
KEPT = 1000  # syntheses of an account that are known: the newest
MOST_CHARACTERS = 5000
MOST_NOTED = 20  # of one exchange
SENTENCE = "Hello! This is the voice of the Telnyx AI mock."  # said when no text is given
SSML = re.compile(r"<[^<>]*>")

ROW = SYNTHESIS.c
ID: BindParameter[str] = bindparam("id")
INSERT = Prepared(insert(SYNTHESIS))
FORGET = Prepared(mine(delete(SYNTHESIS), SYNTHESIS).where(ROW.n <= bindparam("until")))
GET = Prepared(
    mine(select(ROW.text, ROW.pitch, ROW.slot, ROW.format, ROW.rate, ROW.volume), SYNTHESIS).where(ROW.id == ID)
)
KNOWN = Prepared(mine(select(ROW.text, ROW.pitch, ROW.slot), SYNTHESIS).order_by(ROW.n.desc()))


@dataclass(frozen=True, slots=True)
class Speech:
    """An utterance to make, and how."""

    utterance: Utterance
    format: Format
    volume: float


def plan(call: Call, body: SpeechRequest | None) -> Speech:
    """What a request will sound like. Raises Invalid, SpeechFailed."""
    required = call.quirk("speech_fields_required")
    if body is None and required:
        raise Invalid([Issue(("body", "text"), "can't be blank", "missing")])
    body = body or SpeechRequest()
    if body.text is None and required:
        raise Invalid([Issue(("body", "text"), "can't be blank", "missing")])
    wish = providers.wish(call, body)
    own = getattr(body, wish.voice.partition(".")[0], None)
    ssml = "ssml" in (body.text_type, getattr(own, "text_type", None))
    return speech(SENTENCE if body.text is None else _short(call, body.text), wish, ssml)


def plan_openai(call: Call, body: OpenAISpeechRequest) -> Speech:
    """The same of a request of the OpenAI SDK, whose voices are the vendor's NaturalHD ones. Raises SpeechFailed."""
    name = body.voice if isinstance(body.voice, str) else body.voice.id
    format = formats.named(body.response_format)
    if format is None:
        if not call.quirk("requests_mended"):
            raise SpeechFailed(f"Format {body.response_format!r} is not supported.")
        format = "mp3"
    head = name.partition(".")[0].lower()
    voice = name if head in providers.RULES and "." in name else f"telnyx.naturalhd.{name}"
    return speech(_short(call, body.input), providers.Wish(voice, Format(format, 24000), body.speed))


def _short(call: Call, text: str) -> str:
    if len(text) > MOST_CHARACTERS and not call.quirk("requests_mended"):
        raise SpeechFailed(f"The text has {len(text)} characters; the limit is {MOST_CHARACTERS}.")
    return text[:MOST_CHARACTERS]


def speech(text: str, wish: providers.Wish, ssml: bool = False) -> Speech:
    """A text as a wish says it."""
    if ssml:
        text = without_tags(text)
    rate = wish.format.rate
    return Speech(Utterance(text, pitch_of(wish.voice), slot_of(wish.speed, rate)), wish.format, wish.volume)


def without_tags(ssml: str) -> str:
    """What SSML says."""
    return " ".join(html.unescape(SSML.sub(" ", ssml)).split())


def keep(call: Call, speech: Speech, id: str | None = None) -> str:
    """Note what is said, so that it is known when it comes back; its id, a new one unless given."""
    store, account, said = call.world.store, call.account.id, speech.utterance
    with call.transaction() as transaction:
        n = store.number(transaction, account, KIND)
        id = call.world.ids.uuid(account, KIND, n) if id is None else id
        store.run(
            INSERT, account=account, id=id, n=n, text=said.text, pitch=said.pitch, slot=said.slot,
            format=speech.format.name, rate=speech.format.rate, volume=speech.volume, created_at=call.milliseconds(),
        )  # fmt: skip
        if n > KEPT:
            store.run(FORGET, account=account, until=n - KEPT)
    heard(call, id)
    return id


def heard(call: Call, id: str) -> None:
    """Note in the exchange what was said in it, so that it can be listened to again."""
    if len(call.exchange.spoken) < MOST_NOTED:
        call.exchange.spoken = (*call.exchange.spoken, id)


def was_said(call: Call, id: str) -> bool:
    """Whether something is known under an id."""
    return call.world.store.one(GET, account=call.account.id, id=id) is not None


def get(call: Call, id: str) -> Speech:
    """What was said under an id. Raises NotFound."""
    found = find(call.world.store, call.account.id, id)
    if found is None:
        if not call.quirk("unknown_ids_synthesised"):
            raise NotFound
        return plan(call, SpeechRequest(text=SENTENCE, provider="telnyx"))
    return found


def find(store: Store, account: str, id: str) -> Speech | None:
    """What an account had said under an id."""
    row: Any = store.one(GET, account=account, id=id)
    if row is None:
        return None
    text, pitch, slot, format, rate, volume = row
    return Speech(Utterance(text, pitch, slot), Format(format, rate), volume)


async def audio(call: Call, speech: Speech) -> bytes:
    """The bytes of a file of it, made by the worker."""
    arguments = speech.utterance, speech.format, speech.volume
    return await call.world.worker.run(formats.speak, *arguments, of=call.account.id)


async def audio_in_json(call: Call, speech: Speech) -> bytes:
    """The same in base64, as the JSON that the API answers with: large, so made by the worker, too."""

    def make() -> bytes:
        audio = formats.speak(speech.utterance, speech.format, speech.volume)
        return b'{"base64_audio":"' + b64encode(audio) + b'"}'

    return await call.world.worker.run(make, of=call.account.id)


async def scripted(call: Call, body: SpeechRequest | OpenAISpeechRequest | None, speech: Speech) -> Sound | None:
    """The audio that a reply has for what is to be said; the voice stands where chat has the model."""
    voice = "" if body is None else body.voice if isinstance(body.voice, str) else body.voice.id if body.voice else ""
    language = getattr(body, "language", None) or ""
    found = call.scripted(
        voice or getattr(body, "provider", None) or "",
        speech.utterance.text,
        takes=AUDIO,
        language=language,
        request=body,
    )
    if found is None or found[0].reply.audio is None:
        return None
    return await call.world.worker.run(found[0].audio, of=call.account.id), found[0].reply.audio.type()


def known(store: Store, account: str) -> list[Utterance]:
    """What an account has had said, newest first; what was said again and again, once."""
    return [Utterance(*row) for row in dict.fromkeys(store.all(KNOWN, account=account))]
