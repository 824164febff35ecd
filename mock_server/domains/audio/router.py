"""Transcriptions: a form with a file or its address, as the vendor and the OpenAI SDK send it."""

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic_core import to_json
from starlette.responses import Response

from mock_server.base.errors import UnsupportedMediaType
from mock_server.domains.audio import service, wire
from mock_server.engine.answers import Ready, as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
NDJSON = (b"content-type", b"application/stream+json")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
LINE = {"type": "object", "properties": {"text": {"type": "string"}, "start": {"type": "number"}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": wire.TranscriptionAnswer,
        "description": "The transcript; with `Accept: application/stream+json` a line for each segment.",
        "content": {"application/stream+json": {"schema": LINE}},
    }
}


@router.post("/v2/ai/audio/transcriptions", operation_id="audio.transcribe", responses=ANSWERS)
async def transcribe(
    call: CallDep,
    request: Request,
    file: Annotated[UploadFile | None, File()] = None,
    file_url: Annotated[str | None, Form()] = None,
    model: Annotated[str, Form(json_schema_extra={"enum": list(wire.MODELS)})] = wire.WHISPER,
    response_format: Annotated[str, Form(json_schema_extra={"enum": ["json", "verbose_json"]})] = "json",
    granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
    language: Annotated[str | None, Form()] = None,
    configuration: Annotated[str | None, Form(alias="model_config", json_schema_extra=wire.CONFIG)] = None,
) -> Response:
    """Transcribe speech to text, consistent with the OpenAI Transcription API. One of `file` and `file_url` is needed."""
    kind = request.headers.get("content-type", FORMS[0]).partition(";")[0].strip().lower()
    if kind not in FORMS:
        raise UnsupportedMediaType("The body must be sent as multipart/form-data.")
    form = (await request.form()).multi_items()  # parsed already; model_config comes in three spellings
    config = wire.config(form, call.quirk("requests_mended"))
    asked = service.Request(
        file=file.file if file else None,
        file_url=file_url,
        model=model,
        response_format=response_format,
        name=(file.filename or "") if file else "",
        granularities=granularities or [],
        language=language,
        config=config,
    )
    transcript = await service.transcribe(call, asked)
    if "application/stream+json" in request.headers.get("accept", ""):
        lines = wire.segments(transcript.text, transcript.duration())
        return Ready(
            b"".join(to_json({k: line[k] for k in ("text", "start", "end")}) + b"\n" for line in lines), 200, (NDJSON,)
        )
    if response_format != "verbose_json":
        return as_json({"text": transcript.text})
    return as_json(wire.verbose(model, transcript.text, transcript.duration(), config, transcript.words))
