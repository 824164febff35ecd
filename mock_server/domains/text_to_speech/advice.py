"""Classic mistakes of clients of text to speech over REST, for the log and the journal. Nothing is refused here."""

from pydantic_core import from_json

from mock_server.world import Call

# What clients put beside the text, where nobody reads it.
MISPLACED = frozenset(
    {"output_format", "audio_format", "response_format", "sample_rate", "speed", "voice_speed", "language_code"}
)


def of_body(call: Call) -> None:
    """Whether the body has fields at its top that belong into the object of a provider."""
    raw = call.exchange.request_body
    if not any(name.encode() in raw for name in MISPLACED):
        return
    try:
        body = from_json(raw)
    except ValueError:  # more of it than is kept
        return
    if misplaced := sorted(MISPLACED & body.keys()):
        call.hint("speech_fields", names=", ".join(misplaced))
