"""The voices there are: fixtures/voices.yaml, the user's before the shipped one."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from mock_server.base.errors import VoicesFailed
from mock_server.domains.text_to_speech.wire import PROVIDERS, Voice
from mock_server.engine.replies import invalid, read_yaml
from mock_server.world import Call, World

WITH_A_KEY = ("elevenlabs", "resemble")  # list voices for their own api_key only
ROWS: TypeAdapter[dict[str, list[dict[str, Any]]]] = TypeAdapter(dict[str, list[dict[str, Any]]])


def listed(call: Call, provider: str | None, api_key: str | None) -> list[Voice]:
    """Every voice, or a provider's. Raises VoicesFailed for an unknown provider, or one that needs a key."""
    voices = read(call.world)
    lenient = call.quirk("requests_mended")
    if provider is None:
        return [v for v in voices if api_key or v.provider not in WITH_A_KEY]
    name = provider if call.quirk("provider_names_exact") else provider.lower()
    if name not in PROVIDERS and not lenient:
        raise VoicesFailed(f"Provider {provider[:100]!r} is not one of {', '.join(PROVIDERS)}.")
    if name in WITH_A_KEY and not api_key and not lenient:
        raise VoicesFailed(f"Provider {name} lists its voices with an api_key of yours only.")
    return [v for v in voices if v.provider == name]


def read(world: World) -> list[Voice]:
    """Every voice, in the file's order. Raises FixtureError for a file that cannot be used."""
    if "voices" not in world.cache:
        path = world.fixture("voices.yaml")
        try:
            rows = ROWS.validate_python(read_yaml(path))
            voices = [Voice.model_validate({**row, "provider": name}) for name, group in rows.items() for row in group]
        except ValidationError as error:
            raise invalid(path, error) from None
        world.cache["voices"] = voices
    found: list[Voice] = world.cache["voices"]
    return found
