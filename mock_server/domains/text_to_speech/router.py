"""Text to speech over REST and over its socket: the vendor's two paths, audio kept for later, voices, and the OpenAI SDK's path."""

from base64 import b64encode
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from mock_server.audio.formats import CONTENT_TYPES
from mock_server.domains.text_to_speech import advice, handshake, service, voices, wire
from mock_server.domains.text_to_speech.service import Sound, Speech
from mock_server.domains.text_to_speech.session import SpeechSession, manner
from mock_server.domains.text_to_speech.spoken import Speaker
from mock_server.engine.answers import Chunks, Ready, as_json, pieces
from mock_server.engine.route import LeanRoute
from mock_server.engine.sockets import PLAIN_GET, socket, upgrade_required
from mock_server.world import Call, CallDep

router = APIRouter(route_class=LeanRoute)
BINARY = {"schema": {"type": "string", "format": "binary"}}
AUDIO: dict[str, Any] = dict.fromkeys(CONTENT_TYPES.values(), BINARY)
SPOKEN: dict[int | str, dict[str, Any]] = {
    200: {"model": wire.Base64Answer, "description": "Audio, or JSON for the other output types.", "content": AUDIO}
}
HEARD: dict[int | str, dict[str, Any]] = {200: {"description": "Audio.", "content": AUDIO}}


@router.post("/v2/text-to-speech/speech", operation_id="text_to_speech.generate_speech", responses=SPOKEN)
async def generate_speech(call: CallDep, body: wire.SpeechRequest | None = None) -> Response:
    """Speech from text: a stream of audio, base64 in JSON, or an address to fetch the audio from later."""
    return await _generate(call, body)


@router.post("/v2/text-to-speech", operation_id="text_to_speech.generate", responses=SPOKEN)
async def generate(call: CallDep, body: wire.SpeechRequest | None = None) -> Response:
    """The same at the path of the vendor's older pages."""
    return await _generate(call, body)


async def _generate(call: Call, body: wire.SpeechRequest | None) -> Response:
    advice.of_body(call)
    speech = service.plan(call, body)
    id = service.keep(call, speech)
    output = body.output_type if body else "binary_output"
    if output == "audio_id":
        return as_json({"audio_url": call.url(f"/v2/text-to-speech/speech/{id}")})
    sound = await service.scripted(call, body, speech)
    if output == "base64_output" or (
        call.quirk("speech_as_accepted") and call.exchange.headers.get(b"accept") == b"application/json"
    ):
        if sound is not None:
            return as_json({"base64_audio": b64encode(sound[0]).decode()})
        return Ready(await service.audio_in_json(call, speech))
    return await _sound(call, speech, sound)


async def _sound(call: Call, speech: Speech, sound: Sound | None = None) -> Response:
    audio, kind = sound or (await service.audio(call, speech), speech.format.content_type())
    return Chunks(pieces(audio), None, headers=[(b"content-type", kind.encode())])


@router.get(
    "/v2/text-to-speech/speech/{audio_id}",
    operation_id="text_to_speech.retrieve_audio",
    response_class=Response,
    responses=HEARD,
)
async def retrieve_audio(call: CallDep, audio_id: str) -> Response:
    """The audio that `output_type: audio_id` gave the address of."""
    return await _sound(call, service.get(call, audio_id))


@router.get(
    "/v2/text-to-speech/voices", operation_id="text_to_speech.list_voices",
    responses={200: {"model": wire.VoicesAnswer}},
)  # fmt: skip
async def list_voices(
    call: CallDep,
    provider: Annotated[str | None, Query(json_schema_extra=wire.NAMED)] = None,
    api_key: Annotated[str | None, Query()] = None,
) -> Response:
    """The voices of one provider or of all. Those that need an API key of yours are listed with one only."""
    return as_json({"voices": [voice.model_dump() for voice in voices.listed(call, provider, api_key)]})


@router.post("/v2/audio/speech", operation_id="openai.audio.create_speech", response_class=Response, responses=HEARD)
async def create_speech(call: CallDep, body: wire.OpenAISpeechRequest) -> Response:
    """Speech from text as the OpenAI SDK asks for it."""
    speech = service.plan_openai(call, body)
    service.keep(call, speech)
    return await _sound(call, speech, await service.scripted(call, body, speech))


@router.get(
    "/v2/text-to-speech/speech", operation_id="text_to_speech.retrieve_speech",
    status_code=426, response_class=Response, responses=PLAIN_GET,
)  # fmt: skip
async def retrieve_speech(call: CallDep) -> Response:
    """A plain GET on the socket's path: how to connect to it."""
    return upgrade_required(call, "/v2/text-to-speech/speech")


@socket(router, "/v2/text-to-speech/speech", "text_to_speech.stream")
def stream(call: Call) -> SpeechSession:
    """Text in, audio out, for as long as the socket is open."""
    opening = handshake.read(call)
    return SpeechSession(opening, Speaker(call, opening), manner(call))
