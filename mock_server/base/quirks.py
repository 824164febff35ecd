"""The one table of what differs between profiles. Code asks for a quirk by name, never for a profile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Profile = Literal["spec", "live", "stub"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


@dataclass(frozen=True, slots=True)
class Quirk:
    """One switch: its name, what it does when on, where that was seen, and the profiles that have it on."""

    name: str
    what: str
    source: str
    on_in: frozenset[Profile]


def _quirk(name: str, what: str, source: str, *on_in: Profile) -> Quirk:
    return Quirk(name, what, source, frozenset(on_in))


TABLE: tuple[Quirk, ...] = (
    _quirk(
        "unknown_model_refused",
        "chat with a model that GET /ai/models does not list answers 400",
        "not captured; the vendor validates behind FastAPI, so a 400 that names the model is our reading",
        "live",
    ),
    _quirk(
        "max_tokens_with_tools_refused",
        "max_tokens together with function tools answers 400 on hosted models",
        "seen live per model, 2026-07-29; five public clients carry a workaround",
        "live",
    ),
    _quirk(
        "unknown_training_file_refused",
        "a fine-tuning job whose training file is in none of the account's buckets answers 400",
        "not captured; the vendor documents an object or a bucket; the text is ours",
        "live",
    ),
    _quirk(
        "models_created_iso",
        "GET /ai/models writes `created` as an ISO string, as GET /ai/openai/models always does",
        "public OpenAPI document of 2026-08-04; the integer of older documentation dates from before 2026-05-08",
        "live",
    ),
    _quirk(
        "models_live_spelling",
        "models: pricing keys `input`/`output`, task `text generation` with a space for proxied models",
        "captured model lists, 2026",
        "live",
    ),
    _quirk(
        "insight_webhook_captured",
        "insight webhooks carry the event `conversation_insight_result` instead of `conversation.insights.completed`",
        "captured 2026-07-29; the documented event was never observed",
        "live",
    ),
    _quirk(
        "insights_name_their_group",
        "GET .../conversations-insights adds `insight_group_id` to each item",
        "seen in live bodies by a third party; not in the public OpenAPI document",
        "live",
    ),
    _quirk(
        "open_json_schema_refused",
        "an insight's json_schema that is an object without `additionalProperties: false` answers 400",
        "seen live by a third party, code 10015; the text is ours",
        "live",
    ),
    _quirk(
        "reassign_refused",
        "assigning an insight to a group that it is in already answers 400",
        "weak: a public client handles an error that says `already assigned`; status and text are ours",
        "live",
    ),
    _quirk(
        "speech_fields_required",
        "POST /text-to-speech/speech without text, or with neither voice nor provider, answers 422",
        "prose of the vendor's reference and SDK 4.189.0; the vendor's own curl has no body",
        "live",
    ),
    _quirk(
        "transcription_rules_enforced",
        "transcriptions: file with file_url, granularities without verbose_json, model_config or language that the model "
        "does not take answer 400",
        "prose of the vendor's reference and SDK 4.189.0; the vendor's own curl breaks three of them",
        "live",
    ),
    _quirk(
        "speech_needs_greeting",
        'text-to-speech socket: text before the first frame `{"text": " "}` is told `Invalid message`, and the socket closes',
        "vendor's pages, and seen live",
        "spec",
        "live",
    ),
    _quirk(
        "speech_on_flush_only",
        "text-to-speech socket: text is spoken on `flush` and at the end only, not when a sentence ends",
        "seen live 2026-09-01 and 2026-10-01; the vendor's pages say at the end of a sentence",
        "live",
    ),
    _quirk(
        "speech_final_at_end_only",
        'text-to-speech socket: the final frame comes after `{"text": ""}` only, not after every text that was spoken',
        "seen live 2026-09-01 and 2026-10-01",
        "live",
    ),
    _quirk(
        "speech_file_per_sentence",
        "text-to-speech socket: every sentence is an audio file of its own with a tag of its own; else what is spoken at once is one",
        "vendor's pages (one text frame a sentence), and seen live; decoders stumble over what is simply joined",
        "spec",
        "live",
    ),
    _quirk(
        "unknown_voice_forbidden",
        "text-to-speech socket: a voice that GET /text-to-speech/voices does not list, or none, is denied with 403",
        "seen live 2026-09; the vendor's pages have 400 for a malformed voice only",
        "live",
    ),
    _quirk(
        "kokoro_makes_mp3_only",
        "text-to-speech socket: voices of KokoroTTS give MP3 at 22.05 kHz, whatever audio_format says",
        "seen live; the vendor's table has linear16 too, at 24 kHz",
        "live",
    ),
    _quirk(
        "provider_names_exact",
        "names of speech providers are taken only as written, in lower case",
        "a mismatch in case was seen to be refused by the speech-to-text socket, 2026-09",
        "live",
    ),
    _quirk(
        "engine_names_exact",
        "speech-to-text socket: transcription_engine is taken only as written: `telnyx` for `Telnyx` is refused with 40007",
        "seen live 2026-09; it hits LiveKit's plugin, whose default is `telnyx`",
        "live",
    ),
    _quirk(
        "transcription_parameters_defaulted",
        "speech-to-text socket: without transcription_engine it is Deepgram, without input_format mp3 (wav for Flux); else both "
        "are required",
        "vendor's pages of 2026-08-05; the public OpenAPI document and SDK 4.189.0 require both",
        "live",
        "stub",
    ),
    _quirk(
        "transcription_errors_listed",
        'speech-to-text socket: the error frame is `{"errors": [{code, title, detail, source}]}`; else `{"error": "..."}`',
        "vendor's pages, and captured 2026-09; the public OpenAPI document and SDK 4.189.0 have the other",
        "live",
    ),
    _quirk(
        "telnyx_transcripts_bare",
        "speech-to-text socket: transcripts of the engine Telnyx begin with a space and have a confidence of null",
        "captured 2026-09",
        "live",
    ),
    _quirk(
        "telnyx_transcribes_once",
        "speech-to-text socket: the engine Telnyx sends one final transcript, when the audio stops, and none at pauses",
        "seen live 2026-09-03 and 2026-09-11",
        "live",
    ),
    _quirk(
        "interim_confidence_told",
        "speech-to-text socket: interim transcripts have a confidence of their own; else 0.0",
        "captured 2026-09; the vendor's pages say 0.0",
        "live",
    ),
    _quirk(
        "control_frames_by_engine",
        "speech-to-text socket: Finalize and KeepAlive are for Deepgram only, CloseStream for Deepgram, Speechmatics and Soniox",
        "vendor's pages of 2026-08; an older copy has CloseStream for all",
        "live",
    ),
    _quirk(
        "flux_turns_named",
        "speech-to-text socket: transcripts of Flux have an `event`: EagerEndOfTurn, TurnResumed, EndOfTurn",
        "the names are in the vendor's prose; the shape was never captured and is ours",
    ),
    _quirk(
        "browser_origin_refused",
        "speech-to-text socket: a handshake with an Origin header is denied with 403",
        "seen live 2026-08 by one client's author",
    ),
    _quirk(
        "frames_typed",
        "every frame that a socket sends has a `type`, as the official SDK needs to tell them apart",
        "public OpenAPI document and SDK 4.189.0; the live service was seen to send none, 2026-07 to 2026-10",
        "spec",
        "stub",
    ),
    _quirk(
        "parameters_refused_in_a_frame",
        "a socket with a bad query parameter is opened, told so in one error frame and closed with 1000; else its "
        "handshake is denied",
        "vendor's pages on speech-to-text sockets, and seen live 2026-09; of text-to-speech not captured",
        "live",
    ),
    _quirk(
        "plain_get_on_sockets_accepted",
        "a plain GET on a socket's path answers an empty 200 instead of 426",
        "this project: for the vendor SDK's own tests, which send one and expect success",
        "stub",
    ),
    _quirk(
        "speech_as_accepted",
        "speech is answered as base64 in JSON, whatever output_type says, where Accept is exactly application/json",
        "this project: for the vendor SDK's own tests, which expect JSON; the SDK sends that Accept for audio, too",
        "stub",
    ),
    _quirk(
        "requests_mended",
        "a request that lacks required fields or goes beyond a bound is mended instead of refused",
        "this project: for the vendor SDK's own tests, which expect that nothing is refused",
        "stub",
    ),
    _quirk(
        "unknown_ids_synthesised",
        "reading an id that is not there answers a stand-in, changing or deleting it answers as if it were",
        "this project: for the vendor SDK's own tests, which ask for ids that nobody made",
        "stub",
    ),
    _quirk(
        "malformed_filters_ignored",
        "a list filter that cannot be read is passed over instead of refused",
        "this project: for the vendor SDK's own tests, which filter by placeholders such as `string`",
        "stub",
    ),
)
NAMES = frozenset(quirk.name for quirk in TABLE)


def resolve(profile: Profile, overrides: Iterable[tuple[str, bool]] = ()) -> Mapping[str, bool]:
    """Every quirk's value in a profile, single ones overridden. Raises ValueError for a name that is not in the table."""
    values = {quirk.name: profile in quirk.on_in for quirk in TABLE}
    for name, on in overrides:
        if name not in values:
            raise ValueError(f"there is no quirk named {name!r}; there are: {', '.join(sorted(values))}")
        values[name] = on
    return values
