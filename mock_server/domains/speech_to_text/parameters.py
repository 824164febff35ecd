"""The query of the speech-to-text socket: what it asks for, and what is refused."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

from mock_server.base.errors import (
    ApiError,
    BadRequest,
    FluxFormat,
    Invalid,
    InvalidEngine,
    InvalidFormat,
    Issue,
    SampleRateInvalid,
    SampleRateMissing,
    SampleRateUnsupported,
    UnsupportedFormat,
)  # fmt: skip
from mock_server.domains.speech_to_text import engines
from mock_server.domains.speech_to_text.engines import ENGINES, FLUX, FLUX_FORMATS, LINDEN, RAW, Engine

Value = TypeVar("Value")
Query = Mapping[str, Sequence[str]]
FALSE, TRUE = ("false", "0", "", "no"), ("true", "1", "yes")
MOST_FIELDS, MOST_TERMS = 2000, 500
DEFAULT_RATES = {"mulaw": 8000, "alaw": 8000, "g729": 8000, "amr_nb": 8000}
TURN: tuple[float, float | None, float] = (0.7, None, 5.0)  # of Flux, unasked
REDACTED = ("pci", "ssn", "numbers")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a socket is for. `pause`: seconds of silence that end an utterance; None: nothing but a second of silence does."""

    engine: str = engines.DEFAULT
    model: str = "deepgram/nova-3"
    encoding: str = "mp3"
    rate: int = 16000
    language: str = "en-US"
    interim: bool = False
    pause: float | None = 0.1
    eager: float | None = None  # the same of Flux' early guess
    redact: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()

    @property
    def flux(self) -> bool:
        return self.model in FLUX


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly a query is read: quirks, by their names."""

    engine_names_exact: bool = False
    transcription_parameters_defaulted: bool = False
    requests_mended: bool = False


def read(query: bytes, rules: Rules) -> Parameters:
    """Raises ApiError: Invalid for what is missing, one of the codes 40001 to 40007, BadRequest for the rest."""
    values: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadRequest(f"The query has more than {MOST_FIELDS} fields.") from None
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return _Reader(values, rules).read()


class _Reader:
    def __init__(self, query: Query, rules: Rules) -> None:
        self._query, self._rules = query, rules

    def _get(self, name: str) -> str:
        """The last value of a parameter, empty where it is left out."""
        return self._query.get(name, ("",))[-1]

    def _mended(self, read: Callable[[], Value], default: Value) -> Value:
        """What is read, or in its place the default where nothing is refused."""
        if not self._rules.requests_mended:
            return read()
        try:
            return read()
        except ApiError:
            return default

    def read(self) -> Parameters:
        self._check_required()
        name = self._mended(self._engine, engines.DEFAULT)
        engine = ENGINES[name]
        model = self._mended(lambda: self._model(name, engine), engine.models[0])
        encoding = self._mended(lambda: self._format(name, engine, model), "wav" if model in FLUX else "mp3")
        rate = self._mended(lambda: self._rate(name, model, encoding), DEFAULT_RATES.get(encoding, 16000))
        self._mended(lambda: self._check_language(name, model), None)
        own: float | None = engine.own_pause
        pause = self._mended(lambda: self._pause(name, engine, model), own)
        turn = self._mended(lambda: self._turn(model), TURN)
        deepgram = name == "Deepgram"
        return Parameters(
            engine=name, model=model, encoding=encoding, rate=rate,
            language=self._get("language") or "en-US",
            interim=engine.interim and self._get("interim_results").lower() in TRUE,
            pause=min(turn[0], turn[2]) if model in FLUX else pause,
            eager=turn[1] if model in FLUX else None,
            redact=tuple(kind for kind in self._listed("redact") if kind in REDACTED) if deepgram else (),
            terms=self._terms(model) if deepgram else (),
        )  # fmt: skip

    def _check_required(self) -> None:
        if self._rules.transcription_parameters_defaulted or self._rules.requests_mended:
            return
        missing = [name for name in ("transcription_engine", "input_format") if not self._get(name).strip()]
        if missing:
            raise Invalid([Issue(("query", name), "Field required", "missing") for name in missing])

    def _engine(self) -> str:
        given = self._get("transcription_engine") or engines.DEFAULT
        if given in ENGINES:
            return given
        if not self._rules.engine_names_exact:
            for name in ENGINES:
                if name.lower() == given.lower():
                    return name
        raise InvalidEngine(
            f"Unsupported transcription_engine '{given[:100]}'. Supported engines: {', '.join(ENGINES)}",
            source={"parameter": "transcription_engine"},
        )

    def _model(self, name: str, engine: Engine) -> str:
        """In full; the part before the slash may be left out."""
        given = self._get("model")
        if not given:
            return engine.models[0]
        for model in engine.models:
            if given in (model, model.partition("/")[2]):
                return model
        raise BadRequest(
            f"Unsupported model '{given[:100]}' for engine '{name}'. Supported models: {', '.join(engine.models)}",
            source={"parameter": "model"},
        )

    def _format(self, name: str, engine: Engine, model: str) -> str:
        given = self._get("input_format") or ("wav" if model in FLUX else "mp3")
        encoding = engines.ALIASES.get(given, given)
        where = {"parameter": "input_format"}
        if encoding not in engines.FORMATS:
            raise InvalidFormat(
                f"Unsupported input_format '{given[:100]}'. Supported formats: {', '.join(engines.FORMATS)}",
                source=where,
            )
        if model in FLUX and encoding not in FLUX_FORMATS:
            raise FluxFormat(
                f"Format '{given}' is not supported by Flux. Supported formats: {', '.join(FLUX_FORMATS)}", source=where
            )
        if encoding not in engine.formats:
            raise UnsupportedFormat(f"Format '{given}' is not supported by engine '{name}'", source=where)
        return encoding

    def _rate(self, name: str, model: str, encoding: str) -> int:
        """Hz. Containers tell their own; Google wants to be told of most of them all the same."""
        given, where = self._get("sample_rate"), {"parameter": "sample_rate"}
        needed = encoding in RAW or (name == "Google" and encoding not in ("wav", "flac"))
        if not needed:
            return 16000
        if not given:
            raise SampleRateMissing(f"sample_rate is required for input_format '{encoding}'", source=where)
        if not (given.isascii() and given.isdigit() and len(given) < 12 and int(given) > 0):
            raise SampleRateInvalid(f"sample_rate must be a positive integer, not '{given[:100]}'", source=where)
        rate = int(given)
        rates = (16000,) if model == LINDEN else RAW.get(encoding)
        if name == "Google" and encoding == "speex":
            rates = (16000,)
        if name == "Deepgram" and encoding == "opus":
            rates = (*engines.OPUS_RATES, 44100)
        if rates and rate not in rates:
            told = ", ".join(map(str, rates))
            raise SampleRateUnsupported(
                f"sample_rate {rate} is invalid for '{encoding}'. Supported: {told}", source=where
            )
        if not engines.LOWEST_RATE <= rate <= engines.HIGHEST_RATE:
            raise SampleRateUnsupported(
                f"sample_rate {rate} is invalid for '{encoding}': from {engines.LOWEST_RATE} to {engines.HIGHEST_RATE}",
                source=where,
            )
        return rate

    def _check_language(self, name: str, model: str) -> None:
        language = self._get("language")
        refused = (name == "Cohere" and language not in ("", *engines.COHERE_LANGUAGES)) or (
            model == LINDEN and language in engines.LINDEN_NEVER
        )
        if refused:
            raise BadRequest(
                f"Language '{language[:100]}' is not supported by '{model}'", source={"parameter": "language"}
            )

    def _pause(self, name: str, engine: Engine, model: str) -> float | None:
        given = self._get("endpointing").lower()
        if not engine.endpointing or model in (*FLUX, LINDEN):
            return engine.own_pause
        if given == "false":
            return None
        if not given:
            return None if name == "Soniox" else 0.1
        where = {"parameter": "endpointing"}
        if not (given.isascii() and given.isdigit() and len(given) < 9):
            raise BadRequest(
                f"endpointing must be a number of milliseconds or false, not '{given[:100]}'", source=where
            )
        if name == "Soniox" and not 500 <= int(given) <= 3000:
            raise BadRequest(f"endpointing must be from 500 to 3000 for engine 'Soniox', not {given}", source=where)
        return int(given) / 1000

    def _turn(self, model: str) -> tuple[float, float | None, float]:
        """eot_threshold, eager_eot_threshold, eot_timeout_ms in seconds: Flux only. We take a threshold for seconds of silence."""
        for name in ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms"):
            if self._get(name) and model not in FLUX:
                raise BadRequest(f"{name} is only supported by Flux, not by '{model}'", source={"parameter": name})
        threshold = self._number("eot_threshold", 0.5, 0.9) or 0.7
        eager = self._number("eager_eot_threshold", 0.3, 0.9)
        if eager is not None and eager > threshold:
            raise BadRequest(
                f"eager_eot_threshold {eager:g} is above eot_threshold {threshold:g}",
                source={"parameter": "eager_eot_threshold"},
            )
        return threshold, eager, (self._number("eot_timeout_ms", 500, 10_000) or 5000) / 1000

    def _number(self, name: str, least: float, most: float) -> float | None:
        given = self._get(name)
        if not given:
            return None
        try:
            value = float(given[:40])
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise BadRequest(
                f"{name} must be a number from {least:g} to {most:g}, not '{given[:100]}'", source={"parameter": name}
            )
        return value

    def _listed(self, name: str) -> list[str]:
        """A parameter that may be repeated, its values separated by commas."""
        return [part.strip() for value in self._query.get(name, ()) for part in value.split(",") if part.strip()]

    def _terms(self, model: str) -> tuple[str, ...]:
        """What the models listen for: keyterm those of Nova-3 and Flux, keywords (word:intensity) all but Flux."""
        terms = self._listed("keyterm") if model != "deepgram/nova-2" else []
        if model not in FLUX:
            terms += [word.rpartition(":")[0] or word for word in self._listed("keywords")]
        return tuple(terms[:MOST_TERMS])
