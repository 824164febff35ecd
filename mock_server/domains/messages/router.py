"""POST /messages."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.base.clock import iso
from mock_server.domains.messages import wire
from mock_server.engine.answers import as_json
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep

router = APIRouter(route_class=LeanRoute)
SEGMENT = 153  # characters of one part of a longer message


@router.post("/v2/messages", operation_id="messages.send", responses={200: {"model": wire.MessageAnswer}})
async def send(call: CallDep, body: wire.MessageRequest) -> Response:
    """Answers as if the message had been queued. Nothing is sent and nothing is kept."""
    text = body.text or ""
    message = {
        "record_type": "message",
        "direction": "outbound",
        "id": call.uuid("message"),
        "type": "MMS" if body.media_urls else "SMS",
        "to": [{"phone_number": body.to, "status": "queued", "carrier": "", "line_type": ""}],
        "from": {"phone_number": body.from_ or "", "carrier": "", "line_type": ""},
        "text": text,
        "received_at": iso(call.now()),
        "parts": max(1, -(-len(text) // SEGMENT)),
        "errors": [],
    }
    return as_json({"data": message})
