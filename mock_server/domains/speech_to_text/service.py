"""The providers there are: fixtures/speech_to_text.yaml, the user's before the shipped one; and how a socket begins."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from mock_server.base.errors import ApiError, AuthorizationFailed, BadRequest
from mock_server.domains.speech_to_text import advice, parameters, wire
from mock_server.domains.speech_to_text.frames import Style
from mock_server.domains.speech_to_text.hearer import Hearer
from mock_server.domains.speech_to_text.parameters import Parameters, Rules
from mock_server.domains.speech_to_text.session import Manner, TranscriptionSession, quiet
from mock_server.engine.replies import invalid, read_yaml
from mock_server.world import Call, World

ROWS: TypeAdapter[dict[str, dict[str, dict[str, bool | list[str]]]]] = TypeAdapter(
    dict[str, dict[str, dict[str, bool | list[str]]]]
)


def listed(call: Call, provider: str | None, service_type: str | None) -> list[wire.Provider]:
    """Models of one provider or all; with a service type those that have it, and only it. Raises BadRequest."""
    lenient = call.quirk("requests_mended")
    exact = call.quirk("provider_names_exact")
    if provider is not None:
        name = provider if exact else provider.lower()
        if name not in wire.PROVIDERS and not lenient:
            raise BadRequest(_wrong("provider", provider, wire.PROVIDERS), source={"parameter": "provider"})
        provider = name
    if service_type is not None:
        kind = wire.OLD_NAMES.get(service_type, service_type)
        if kind not in wire.SERVICE_TYPES and not lenient:
            raise BadRequest(
                _wrong("service_type", service_type, wire.SERVICE_TYPES), source={"parameter": "service_type"}
            )
        service_type = kind
    found = [row for row in read(call.world) if provider in (None, row.provider)]
    if service_type is None:
        return found
    narrowed = [
        row.model_copy(update={"service_types": [t for t in row.service_types if t.type == service_type]})
        for row in found
    ]
    return [row for row in narrowed if row.service_types]


def _wrong(name: str, value: str, values: tuple[str, ...]) -> str:
    return f"'{name}': {value[:100]!r} is not one of {', '.join(values)}."


def read(world: World) -> list[wire.Provider]:
    """Raises FixtureError for a file that cannot be used."""
    if "speech_to_text" not in world.cache:
        path = world.fixture("speech_to_text.yaml")
        try:
            rows = ROWS.validate_python(read_yaml(path))
        except ValidationError as error:
            raise invalid(path, error) from None
        world.cache["speech_to_text"] = [
            _provider(provider, model, row) for provider, models in rows.items() for model, row in models.items()
        ]
    found: list[wire.Provider] = world.cache["speech_to_text"]
    return found


def _provider(provider: str, model: str, row: dict[str, bool | list[str]]) -> wire.Provider:
    types = [wire.ServiceType(type=t, languages=v) for t in wire.SERVICE_TYPES if isinstance(v := row.get(t), list)]
    return wire.Provider(provider=provider, model=model, hosted=row.get("hosted") is True, service_types=types)


Quirky = TypeVar("Quirky", Rules, Style, Manner)


def begin(call: Call) -> TranscriptionSession:
    """The session of a socket. Raises the ApiError that its handshake is denied with."""
    advice.of_query(call)
    if call.quirk("browser_origin_refused") and b"origin" in call.exchange.headers:
        raise AuthorizationFailed
    refused: ApiError | None = None
    try:
        asked = parameters.read(call.exchange.query, _by_quirks(call, Rules))
    except ApiError as error:
        if not call.quirk("parameters_refused_in_a_frame"):
            raise
        asked, refused = Parameters(), error
    settings = call.world.settings
    manner = _by_quirks(call, Manner, idle=settings.transcription_idle, realtime=settings.realtime)
    ear = Hearer(call, asked, quiet(asked))
    return TranscriptionSession(asked, ear, manner, _by_quirks(call, Style), refused)


def _by_quirks(call: Call, kind: type[Quirky], **more: Any) -> Quirky:
    """A record of quirks by their names."""
    names = [name for name in kind.__slots__ if name not in more]
    return kind(**{name: call.quirk(name) for name in names}, **more)
