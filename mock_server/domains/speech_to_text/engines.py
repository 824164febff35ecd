"""What each engine of the speech-to-text socket takes and sends, as the vendor's pages of 2026-08-05 say."""

from collections.abc import Mapping
from dataclasses import dataclass

FORMATS = (
    "mp3", "wav", "webm", "ogg", "flac", "ogg_opus", "webm_opus", "linear16", "linear32", "mulaw", "alaw", "opus",
    "amr_nb", "amr_wb", "g729", "speex",
)  # fmt: skip
ALIASES = {"webm-opus": "webm_opus", "ogg-opus": "ogg_opus", "amr-nb": "amr_nb", "amr-wb": "amr_wb"}
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
# Formats without a header, which need a sample_rate: those they can have, or None for any.
RAW: Mapping[str, tuple[int, ...] | None] = {
    "linear16": None, "linear32": None, "mulaw": None, "alaw": None, "opus": OPUS_RATES, "amr_nb": (8000,),
    "amr_wb": (16000,), "g729": (8000,), "speex": (8000, 16000, 32000),
}  # fmt: skip
LOWEST_RATE, HIGHEST_RATE = 1000, 384_000
FLUX_FORMATS = ("wav", "webm", "ogg", "ogg_opus", "linear16", "linear32", "mulaw", "alaw", "opus")
FLUX = ("deepgram/flux", "deepgram/flux-multi")
LINDEN = "speechmatics/linden-1"
LINDEN_NEVER = ("auto", "auto_beta", "multi", "auto_detect")
COHERE_LANGUAGES = ("ar", "en")


@dataclass(frozen=True, slots=True)
class Engine:
    """`models`: the first is the default. `own_pause`: seconds of silence that end an utterance where endpointing does not."""

    models: tuple[str, ...]
    formats: tuple[str, ...] = FORMATS
    interim: bool = False  # interim_results is honoured
    endpointing: bool = False  # the parameter is honoured, its default 100 ms
    controls: tuple[str, ...] = ()  # the text frames that are documented for it
    own_pause: float = 0.5


ENGINES: Mapping[str, Engine] = {
    "AssemblyAI": Engine(("assemblyai/universal-streaming",)),
    "Azure": Engine(("azure/fast",), ("mp3", "wav", "linear16")),
    "Cohere": Engine(("cohere/ar-stt",)),
    "Deepgram": Engine(
        ("deepgram/nova-3", "deepgram/nova-2", *FLUX), interim=True, endpointing=True,
        controls=("Finalize", "CloseStream", "KeepAlive"),
    ),
    "Google": Engine(
        ("google/latest_long", "google/latest_short", "google/command_and_search", "google/phone_call", "google/video",
         "google/default", "google/medical_conversation", "google/medical_dictation"),
        ("mp3", "wav", "flac", "ogg_opus", "webm_opus", "linear16", "mulaw", "amr_nb", "amr_wb", "speex"),
        endpointing=True,
    ),
    "Humain": Engine(("humain/realtime",)),
    "Parakeet": Engine(("nvidia/parakeet-v3",), ("mp3", "wav", "linear16", "linear32")),
    "Reson8": Engine(("reson8/turns",), ("linear16", "linear32", "mulaw", "alaw")),
    "Soniox": Engine(
        ("soniox/stt-rt-v4",),
        ("mp3", "wav", "webm", "ogg", "flac", "linear16", "linear32", "mulaw", "alaw"),
        interim=True, endpointing=True, controls=("CloseStream",), own_pause=1.0,
    ),
    "Speechmatics": Engine(
        ("speechmatics/standard", LINDEN),
        ("mp3", "wav", "ogg", "flac", "linear16", "linear32", "mulaw"),
        interim=True, endpointing=True, controls=("CloseStream",),
    ),
    "Telnyx": Engine(
        ("openai/whisper-tiny", "openai/whisper-large-v3-turbo", "omi-health/omi-med-stt-v1"),
        ("mp3", "wav", "linear16", "linear32"),
    ),
    "xAI": Engine(("xai/grok-stt",), endpointing=True),
}  # fmt: skip
DEFAULT = "Deepgram"
