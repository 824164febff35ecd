"""Classic mistakes of clients of the speech-to-text socket, for the log and the journal. Nothing is refused here."""

from urllib.parse import parse_qs

from mock_server.audio.mp3 import frame_of
from mock_server.domains.speech_to_text.engines import ENGINES
from mock_server.domains.speech_to_text.parameters import MOST_FIELDS, TRUE
from mock_server.world import Call

# What the socket takes, and what the official helper sends although it is ignored.
KNOWN = frozenset(
    {
        "transcription_engine", "model", "input_format", "sample_rate", "language", "interim_results", "endpointing",
        "redact", "keyterm", "keywords", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "region",
        "channels", "encoding", "partial_results",
    }
)  # fmt: skip
INSTEAD = {
    "engine": "transcription_engine", "provider": "transcription_engine", "format": "input_format",
    "audio_format": "input_format", "lang": "language", "language_code": "language", "rate": "sample_rate",
    "samplerate": "sample_rate", "sampleRate": "sample_rate", "interim": "interim_results",
    "interimResults": "interim_results", "keyword": "keywords", "keyterms": "keyterm",
}  # fmt: skip
MOST = 5  # parameters that are named
# How a file begins, what it is, and the formats that it may be declared as.
FILES = (
    (b"RIFF", "a WAV file", ("wav",)),
    (b"OggS", "an Ogg file", ("ogg", "ogg_opus", "opus", "speex")),
    (b"fLaC", "a FLAC file", ("flac",)),
    (b"\x1a\x45\xdf\xa3", "a WebM file", ("webm", "webm_opus", "opus")),
    (b"ID3", "an MP3 file", ("mp3",)),
)
CONTAINERS = ("wav", "ogg", "ogg_opus", "flac", "webm", "webm_opus", "mp3")


def of_query(call: Call) -> None:
    """What is odd about the parameters of a socket, whether they are refused or not."""
    try:
        query = parse_qs(call.exchange.query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        return
    given = query.get("transcription_engine", [""])[-1]
    engine = next((name for name in ENGINES if name.lower() == given.lower()), None)
    if engine is not None and engine != given:
        call.hint("engine_case", given=given, right=engine)
    if engine is not None and not ENGINES[engine].interim and query.get("interim_results", [""])[-1].lower() in TRUE:
        call.hint("interim_results", engine=engine)
    if "partial_results" in query:
        call.hint("partial_results")
    if b"origin" in call.exchange.headers:
        call.hint("browser_origin")
    for name in [name for name in query if name not in KNOWN][:MOST]:
        instead = f" Perhaps {INSTEAD[name]} is meant." if name in INSTEAD else ""
        call.hint("socket_parameter", name=name, instead=instead)


def of_audio(call: Call, first: bytes, declared: str) -> None:
    """Whether the first message of a socket begins as it was declared."""
    if len(first) < 4:
        return
    begins = next(((what, formats) for magic, what, formats in FILES if first.startswith(magic)), None)
    if begins is None and frame_of(first[:4]):
        begins = "MP3", ("mp3",)
    if begins is None:
        if declared in CONTAINERS and declared != "mp3":  # an MP3 stream may be joined anywhere
            call.hint("audio_format_declared", declared=declared, begins="no file that is known, raw samples perhaps")
    elif declared not in begins[1]:
        call.hint("audio_format_declared", declared=declared, begins=begins[0])
