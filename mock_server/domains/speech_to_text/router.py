"""Speech to text: which providers and models there are, and the socket that transcribes."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from mock_server.domains.speech_to_text import service, wire
from mock_server.domains.speech_to_text.session import TranscriptionSession
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.engine.sockets import PLAIN_GET, socket, upgrade_required
from mock_server.world import Call, CallDep

router = APIRouter(route_class=LeanRoute)
ProviderName = Annotated[str | None, Query(json_schema_extra={"enum": list(wire.PROVIDERS)})]
TypeName = Annotated[str | None, Query(json_schema_extra={"enum": [*wire.SERVICE_TYPES, *wire.OLD_NAMES]})]


@router.get(
    "/v2/speech-to-text/providers", operation_id="speech_to_text.list_providers",
    responses={200: {"model": wire.ProvidersAnswer}},
)  # fmt: skip
async def list_providers(call: CallDep, provider: ProviderName = None, service_type: TypeName = None) -> Response:
    """Providers, their models, and the languages of each for every kind of service."""
    rows = service.listed(call, provider, service_type)
    return as_json({"data": [row.model_dump() for row in rows], "meta": {"total": len(rows)}})


@router.get(
    "/v2/speech-to-text/transcription", operation_id="speech_to_text.retrieve_transcription",
    status_code=426, response_class=Response, responses=PLAIN_GET,
)  # fmt: skip
async def retrieve_transcription(call: CallDep) -> Response:
    """A plain GET on the socket's path: how to connect to it."""
    return upgrade_required(call, "/v2/speech-to-text/transcription")


@socket(router, "/v2/speech-to-text/transcription", "speech_to_text.transcribe")
def transcribe(call: Call) -> TranscriptionSession:
    """Audio in, transcripts out, for as long as the socket is open."""
    return service.begin(call)
