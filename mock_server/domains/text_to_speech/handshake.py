"""What the query of a text-to-speech socket asks for, and what its handshake is denied for."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from mock_server.base.errors import ApiError, AuthorizationFailed, BadRequest, SpeechFailed
from mock_server.domains.text_to_speech import providers, voices
from mock_server.domains.text_to_speech.providers import DEFAULT, RULES
from mock_server.world import Call

INACTIVITY = 20  # seconds without a frame, unless the client asks for other
LONGEST_INACTIVITY = 3600
TRUE, FALSE = ("true", "1"), ("false", "0", "")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a socket was opened with. `asked` is what providers.made takes; `error` is told in a frame, and closes."""

    speaker: tuple[str, str, str] = DEFAULT  # provider, model, voice
    asked: tuple[tuple[str, Any], ...] = ()
    ssml: bool = False
    use_cache: bool = True
    inactivity: float = INACTIVITY
    error: ApiError | None = None


def read(call: Call) -> Opening:
    """The opening of a call. Raises the ApiError that the handshake is denied with."""
    query = dict(parse_qsl(call.exchange.query.decode("latin-1"), keep_blank_values=True, errors="replace"))
    _advise(call, query)
    try:
        opening = _opening(call, query)
    except BadRequest as error:
        if call.quirk("unknown_voice_forbidden") and isinstance(error, SpeechFailed) and _unheard_of(call, query):
            raise _forbidden("The voice is unknown or not provisioned.") from None
        if not call.quirk("parameters_refused_in_a_frame"):
            raise
        return Opening(error=error)
    if not call.quirk("requests_mended") and opening.speaker[:2] == ("telnyx", "ultra"):
        raise _forbidden("Ultra is not available over WebSocket: use POST /v2/text-to-speech/speech.")
    if call.quirk("unknown_voice_forbidden") and _unheard_of(call, query):
        raise _forbidden("The voice is unknown or not provisioned.")
    return opening


# What the socket takes, and what clients write for it.
KNOWN = frozenset(
    {"voice", "provider", "model_id", "voice_id", "audio_format", "sample_rate", "language", "text_type", "disable_cache",
     "inactivity_timeout", "pronunciation_dict_id", "socket_id"}
)  # fmt: skip
INSTEAD = {
    "format": "audio_format", "output_format": "audio_format", "response_format": "audio_format", "rate": "sample_rate",
    "sampling_rate": "sample_rate", "model": "model_id", "lang": "language", "language_code": "language",
}  # fmt: skip
MOST_ADVISED = 5  # parameters that are named


def _advise(call: Call, query: dict[str, str]) -> None:
    """Note what is odd about the parameters, refused or not."""
    format = query.get("audio_format", "").lower()
    if format == "pcm":
        call.hint("pcm")
    if format not in ("", "mp3") and "kokorotts" in (query.get("voice", "") + query.get("model_id", "")).lower():
        call.hint("kokoro_format")
    for name in [name for name in query if name not in KNOWN][:MOST_ADVISED]:
        instead = f" Perhaps {INSTEAD[name]} is meant." if name in INSTEAD else ""
        call.hint("socket_parameter", name=name, instead=instead)


def _opening(call: Call, query: dict[str, str]) -> Opening:
    """Raises BadRequest for a parameter that cannot be, SpeechFailed for what the provider does not make."""
    lenient = call.quirk("requests_mended")
    asked = tuple((name, query[key]) for name, key in ASKED if query.get(key))
    speaker = _speaker(call, query, lenient)
    providers.made(speaker, dict(asked), lenient)
    return Opening(
        speaker,
        asked,
        ssml=_one_of(query, "text_type", ("text", "ssml"), lenient) == "ssml",
        use_cache=_one_of(query, "disable_cache", FALSE + TRUE, lenient) in FALSE,
        inactivity=_seconds(query, "inactivity_timeout", lenient),
    )


# What providers.made reads first, and the parameter that says it.
ASKED = ((providers.FORMAT_KEYS[0], "audio_format"), (providers.RATE_KEYS[0], "sample_rate"))


def _speaker(call: Call, query: dict[str, str], lenient: bool) -> tuple[str, str, str]:
    try:
        if query.get("voice"):
            return providers.named_voice(query["voice"])
        given = query.get("provider") or DEFAULT[0]
        provider = given if call.quirk("provider_names_exact") else given.lower()
        if provider not in RULES:
            raise BadRequest(
                f"'provider': {given[:100]!r} is not one of {', '.join(RULES)}.", source={"parameter": "provider"}
            )
    except BadRequest:
        if not lenient:
            raise
        return DEFAULT
    model, voice = query.get("model_id", ""), query.get("voice_id", "")
    if provider == DEFAULT[0]:
        model, voice = model or DEFAULT[1], voice or DEFAULT[2]
    return provider, model.lower(), voice or "default"


def _unheard_of(call: Call, query: dict[str, str]) -> bool:
    """Whether the voice is none of those listed; one that is left out is empty."""
    if query.get("voice"):
        name = query["voice"]
    else:
        parts = (query.get("provider") or DEFAULT[0], query.get("model_id"), query.get("voice_id"))
        name = ".".join(filter(None, parts))
    known = {f"{voice.provider}.{voice.voice_id}".lower() for voice in voices.read(call.world)}
    return name.lower() not in known


def _forbidden(detail: str) -> AuthorizationFailed:
    return AuthorizationFailed(detail, source={"parameter": "voice"})


def _one_of(query: dict[str, str], name: str, values: tuple[str, ...], lenient: bool) -> str:
    """A parameter in lower case; the first of `values` where it is left out."""
    value = query.get(name, values[0]).lower()
    if value in values:
        return value
    if lenient:
        return values[0]
    told = ", ".join(filter(None, values))
    raise BadRequest(f"'{name}': {value[:100]!r} is not one of {told}.", source={"parameter": name})


def _seconds(query: dict[str, str], name: str, lenient: bool) -> float:
    text = query.get(name) or str(INACTIVITY)
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= LONGEST_INACTIVITY:
        return int(text)
    if lenient:
        return INACTIVITY
    raise BadRequest(
        f"'{name}': {text[:100]!r} is not a number of seconds from 1 to {LONGEST_INACTIVITY}.",
        source={"parameter": name},
    )
