"""What each provider takes: formats, rates, speed. A request becomes a Wish: what to make, of which voice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mock_server.audio.formats import Format, named, nearest
from mock_server.base.errors import Invalid, Issue, SpeechFailed
from mock_server.domains.text_to_speech.wire import PROVIDERS, SpeechRequest
from mock_server.world import Call

# Of the vendor's documents for voices only, not in any enum of `provider`.
VOICES_ONLY = ("murfai", "inworld", "fishaudio")
TELEPHONE = 8000
DEFAULT = ("telnyx", "naturalhd", "astra")  # who speaks when nobody is named
ALL = ("mp3", "wav", "linear16", "mulaw", "alaw", "ogg_vorbis")
AZURE = re.compile(r"(?:(audio|raw|riff|ogg)-)(\d+)(k?)hz-.*?-?mono-(mp3|pcm|mulaw|alaw|vorbis)")


@dataclass(frozen=True, slots=True)
class Rules:
    """Formats and rates that a provider makes; the first format is what it makes unasked, at `rate`."""

    formats: tuple[str, ...]
    rates: tuple[int, ...]
    rate: int = 24000
    names: Mapping[str, str] = field(default_factory=dict)


_WIDE = (8000, 16000, 22050, 24000, 44100, 48000)
RULES: Mapping[str, Rules] = {
    "telnyx": Rules(ALL, (*_WIDE, 96000)),
    "rime": Rules(("mp3", "linear16", "wav", "mulaw"), (*_WIDE, 96000)),
    "aws": Rules(("mp3", "linear16", "ogg_vorbis"), (8000, 16000, 22050, 24000)),
    "azure": Rules(("mp3", "wav", "linear16", "mulaw", "alaw"), _WIDE),
    "elevenlabs": Rules(("mp3", "linear16", "mulaw"), (8000, 16000, 22050, 24000, 44100), 44100),
    "minimax": Rules(("mp3", "linear16", "wav"), (8000, 16000, 22050, 24000, 32000, 44100)),
    "resemble": Rules(("mp3", "wav"), (8000, 16000, 22050, 32000, 44100, 48000), 48000),
    "xai": Rules(("mp3", "wav", "linear16", "mulaw", "alaw"), _WIDE),
    "humain": Rules(("linear16",), (24000,)),
    "soniox": Rules(("mp3", "wav", "linear16", "mulaw", "alaw"), (8000, 16000, 24000, 44100, 48000)),
    "murfai": Rules(("mp3", "wav", "linear16"), _WIDE),
    "inworld": Rules(("mp3", "linear16"), _WIDE),
    "fishaudio": Rules(("linear16", "mp3", "wav"), (8000, 16000, 22050, 24000, 32000, 44100)),
}
# What each provider calls format, rate, speed and loudness, in its object or in voice_settings.
FORMAT_KEYS = ("response_format", "output_format", "audio_format", "format", "encoding")
RATE_KEYS = ("sampling_rate", "sample_rate")
SPEED_KEYS = ("voice_speed", "speed")
VOLUME_KEYS = ("volume", "vol")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `voice` names the speaker: provider, model and voice."""

    voice: str
    format: Format
    speed: float = 1.0
    volume: float = 1.0


def wish(call: Call, body: SpeechRequest) -> Wish:
    """What a request asks for. Raises Invalid for a bad field, SpeechFailed for what the provider does not make."""
    lenient = call.quirk("requests_mended")
    provider, model, voice = _speaker(call, body, lenient)
    return made((provider, model, voice), _asked(body, provider), lenient)


def made(speaker: tuple[str, str, str], asked: Mapping[str, Any], lenient: bool) -> Wish:
    """What (provider, model, voice) makes of what is asked for, by the keys below. Raises SpeechFailed."""
    provider, model, voice = speaker
    rules = _rules(provider, model)
    format = _format(rules, asked, lenient)
    speed, volume = _number(asked, SPEED_KEYS, 1.0), _number(asked, VOLUME_KEYS, 1.0)
    if model in ("kokorotts", "qwen3tts", "sukhan"):  # take speed and volume, and ignore them
        speed = volume = 1.0
    if model == "ultra" and not lenient and not (0.6 <= speed <= 1.5 and 0.5 <= volume <= 2.0):
        raise SpeechFailed("Ultra takes a voice_speed from 0.6 to 1.5 and a volume from 0.5 to 2.0.")
    _check_rate(provider, model, format, asked, lenient)
    return Wish(".".join(filter(None, (provider, model, voice))), format, speed, volume)


def _speaker(call: Call, body: SpeechRequest, lenient: bool) -> tuple[str, str, str]:
    """(provider, model, voice), the first two in lower case. The first part of `voice` is matched in any case."""
    if body.voice:
        try:
            return named_voice(body.voice)
        except SpeechFailed:
            if not lenient:
                raise
    if body.provider is None:
        if call.quirk("speech_fields_required") and not body.voice:
            raise Invalid([Issue(("body", "provider"), "can't be blank unless voice is given", "missing")])
        return DEFAULT
    provider = body.provider if call.quirk("provider_names_exact") else body.provider.lower()
    if provider not in PROVIDERS:
        if lenient:
            return DEFAULT
        raise Invalid([Issue(("body", "provider"), f"is not one of {', '.join(PROVIDERS)}", "literal_error")])
    own = getattr(body, provider)
    return provider, "", str(getattr(own, "voice_id", None) or "default")


def named_voice(text: str) -> tuple[str, str, str]:
    """The speaker that a `voice` names. Raises SpeechFailed."""
    head, *rest = text.split(".")
    provider = head.lower()
    if rest and all(rest) and provider in RULES:
        return provider, ".".join(rest[:-1]).lower(), rest[-1]
    detail = "is written provider.voice_id or provider.model_id.voice_id" if provider in RULES else None
    raise SpeechFailed(f"Voice {text[:200]!r} {detail or 'names no supported provider'}.")


def _asked(body: SpeechRequest, provider: str) -> dict[str, Any]:
    """What the provider's object says, over what voice_settings say."""
    own = getattr(body, provider, None)
    return {**(body.voice_settings or {}), **(own.model_dump(exclude_unset=True) if own is not None else {})}


def _rules(provider: str, model: str) -> Rules:
    if provider == "telnyx":
        if model == "qwen3tts":
            return Rules(("linear16",), (24000,), names={"mp3": "linear16"})
        if model == "ultra":
            return Rules(("mp3", "linear16"), (24000,))
        if model == "sukhan":
            return Rules(("mp3", "linear16"), RULES["telnyx"].rates)
        if model == "bayan":
            return Rules(ALL, (8000, 16000, 22050, 24000), 16000)
    return RULES[provider]


def _format(rules: Rules, asked: Mapping[str, Any], lenient: bool) -> Format:
    """Raises SpeechFailed for a format or rate that is not made."""
    text = next((str(asked[key]) for key in FORMAT_KEYS if asked.get(key)), "")
    rate = next((_integer(asked[key]) for key in RATE_KEYS if asked.get(key) is not None), None)
    name = rules.names.get(text.lower(), named(text)) if text else rules.formats[0]
    if text and (match := AZURE.fullmatch(text.lower())):
        container, digits, thousand, codec = match.groups()
        name = "wav" if container == "riff" else named(codec)
        rate = int(digits[:6]) * (1000 if thousand else 1)
    if name not in rules.formats:
        if not lenient:
            raise SpeechFailed(f"Format {text[:100]!r} is not supported; supported are {', '.join(rules.formats)}.")
        name = rules.formats[0]
    if rate is not None and rate not in rules.rates:
        if not lenient:
            raise SpeechFailed(f"Sample rate {rate} is not supported; supported are {_listed(rules.rates)}.")
        rate = None
    if rate is None:
        rate = TELEPHONE if name in ("mulaw", "alaw") and TELEPHONE in rules.rates else rules.rate
    return nearest(name, rate)


def _check_rate(provider: str, model: str, format: Format, asked: Mapping[str, Any], lenient: bool) -> None:
    """Rules between format and rate. Raises SpeechFailed."""
    if lenient:
        return
    if model == "bayan" and provider == "telnyx" and format.rate != 16000 and format.name != "linear16":
        raise SpeechFailed("Bayan makes sampling rates other than 16000 with response_format pcm only.")
    if provider == "soniox" and format.name in ("mulaw", "alaw") and format.rate != TELEPHONE:
        raise SpeechFailed(f"{asked.get('audio_format')} takes a sample_rate of 8000 only.")
    if provider == "soniox" and format.name == "mp3" and format.rate == TELEPHONE:
        raise SpeechFailed("mp3 does not take a sample_rate of 8000.")


def _number(asked: Mapping[str, Any], keys: tuple[str, ...], default: float) -> float:
    """The first of `keys` that is a number; what else voice_settings may hold there is passed over."""
    for key in keys:
        value = asked.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
            return float(value)
    return default


def _integer(value: Any) -> int:
    """A rate as a number or in digits; -1, which no provider makes, for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
