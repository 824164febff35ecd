"""The one table of classic mistakes: what a client gets wrong, what it is told, and where that was seen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Where = Literal["", "query", "body"]


@dataclass(frozen=True, slots=True)
class Hint:
    """One mistake. Code that finds it gives the hint by its name; with `operations` their requests are searched for `pattern`.

    `says` has the pattern's groups, or what the code gives, in braces.
    """

    name: str
    says: str
    source: str
    operations: tuple[str, ...] = ()
    where: Where = ""
    pattern: re.Pattern[bytes] | None = None


def _in_body(name: str, says: str, source: str, operations: tuple[str, ...], pattern: bytes) -> Hint:
    return Hint(name, says, source, operations, "body", re.compile(pattern))


def _in_query(name: str, says: str, source: str, operations: tuple[str, ...], pattern: bytes) -> Hint:
    return Hint(name, says, source, operations, "query", re.compile(pattern))


PUBLIC_CLIENTS = "public client programs"
_HINTS: Sequence[Hint] = (
    Hint(
        "wrong_prefix",
        "No operation has this path, but {method} {path} is one: the client's base URL should {base}.",
        "SDKs want /v2 where OpenAI clients want /v2/ai/openai, some of both under the same variable TELNYX_BASE_URL",
    ),
    Hint(
        "key_elsewhere",
        "The key seems to be in {where}. It is read from the header `Authorization: Bearer <key>` only.",
        "vendor's pages: no other way is documented, for sockets neither",
    ),
    _in_body(
        "num_docs",
        "num_docs is ignored: the field is num_of_docs.",
        "the vendor's prose, and public clients after it; not in the OpenAPI document",
        ("embeddings.similarity_search",), rb'"num_docs"\s*:',
    ),
    _in_body(
        "embeddings_of_text",
        "This operation embeds the files of a bucket. Vectors of a text are made by POST /v2/ai/openai/embeddings.",
        "an old official command line; OpenAI clients whose base URL ends in /v2/ai",
        ("embeddings.create",), rb'"input"\s*:',
    ),
    _in_body(
        "message_text",
        "A message is written with content; only where it is read it is called text, and text is ignored here.",
        "OpenAPI document: one name to write, another to read",
        ("conversations.add_message",), rb'\A(?![\s\S]*"content"\s*:)[\s\S]*"text"\s*:',
    ),
    _in_query(
        "conversation_column",
        "{name} is no column of a conversation, and is ignored: filter by metadata->{name}=eq.VALUE.",
        PUBLIC_CLIENTS,
        ("conversations.list",),
        rb"(?:^|&)(?P<name>assistant_id|assistant_version_id|call_control_id|call_session_id|telnyx_[a-z_]+|from|to)=",
    ),
    _in_body(
        "training_file_id",
        "training_file names a bucket, or an object in one: there is no files API that would give a file-... id.",
        "vendor's pages; OpenAI clients upload a file first",
        ("fine_tuning.jobs.create",), rb'"training_file"\s*:\s*"file-',
    ),
    Hint(
        "max_tokens_with_tools",
        "The live service answers 400 to max_tokens together with function tools on this model; --profile live does, too.",
        "seen live per model, 2026-07-29; five public clients carry a workaround",
    ),
    Hint(
        "partial_results",
        "partial_results is ignored: interim transcripts are asked for with interim_results=true.",
        "seen live, 2026-08",
    ),
    Hint(
        "engine_case",
        "The live service knows no transcription_engine {given}: case counts there, so write {right}.",
        "seen live, 2026-09: code 40007; a published client's own default is `telnyx`",
    ),
    Hint(
        "interim_results",
        "The engine {engine} sends final transcripts only: interim_results is ignored.",
        "vendor's pages of 2026-08-05",
    ),
    Hint(
        "socket_parameter",
        "{name} is no parameter of this socket, and is ignored.{instead}",
        PUBLIC_CLIENTS,
    ),
    Hint(
        "browser_origin",
        "The live service refuses this socket's handshake when it has an Origin header: it cannot be opened by a web page.",
        "seen live by a third party, 2026-08",
    ),
    Hint(
        "audio_in_text",
        "A text frame that is not Finalize, CloseStream or KeepAlive is ignored: audio goes in binary frames, as it is.",
        "vendor's pages",
    ),
    Hint(
        "audio_format_declared",
        "input_format is {declared}, but the audio does not begin so: it begins as {begins}. The live service believes the parameter.",
        "raw samples need input_format=linear16 and a sample_rate, files the name of their container",
    ),
    Hint(
        "pcm",
        "audio_format=pcm is an old name of linear16, and gave a client of the live service no audio at all: write linear16.",
        "vendor's pages, and seen live",
    ),
    Hint(
        "kokoro_format",
        "On the live service KokoroTTS gives MP3, whatever audio_format asks for.",
        "seen live",
    ),
    Hint(
        "speech_greeting",
        'Text came before the handshake frame: the first frame of this socket is {{"text": " "}}, one space.',
        "vendor's pages, and seen live",
    ),
    Hint(
        "speech_unflushed",
        'The client left while text waited that was never spoken: end with {{"text": ""}}, or send "flush": true.',
        "seen live, 2026-09 and 2026-10: text alone is only buffered there",
    ),
    Hint(
        "speech_frame_fields",
        "{names} in a frame is ignored: voice and format are parameters of the socket's URL, the rest goes into voice_settings.",
        PUBLIC_CLIENTS,
    ),
    Hint(
        "speech_fields",
        "{names} at the top of the body is ignored: it belongs into the object of the voice's provider.",
        "a published client sends output_format, sample_rate, speed and language_code there",
    ),
)  # fmt: skip
TABLE: Mapping[str, Hint] = {hint.name: hint for hint in _HINTS}
# What to look for in the requests of an operation.
IN_REQUESTS: Mapping[str, Sequence[Hint]] = {
    id: [hint for hint in _HINTS if id in hint.operations] for id in {id for hint in _HINTS for id in hint.operations}
}
