"""The form of a reply rule: which requests it is for, and what is said. What it all means is docs/replies.md."""

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from mock_server.engine.pacing import Pacing
from mock_server.engine.patterns import Text
from mock_server.engine.replies.templates import Template, check_template

LONGEST_TEXT = 1_000_000  # characters of anything a reply says
MOST_STEPS = 1000  # of one sequence
LONGEST_AUDIO = 20 * 1024 * 1024  # bytes
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OF_THE_CONNECTION = frozenset({"connection", "content-length", "transfer-encoding", "x-request-id"})
AUDIO_TYPES = {
    ".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac",
    ".aac": "audio/aac", ".pcm": "audio/pcm", ".raw": "audio/pcm", ".webm": "audio/webm", ".m4a": "audio/mp4",
}  # fmt: skip

Words = str | Text


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Count(_Form):
    """A number within bounds."""

    at_least: int = Field(0, ge=0)
    at_most: int | None = Field(None, ge=0)


class ToolResultMatch(_Form):
    """The tool's answer that ends the conversation so far: the id of its call, the function's name, what it says."""

    id: str | None = Field(None, description="Pattern of the call's id.", max_length=500)
    name: str | None = Field(None, description="Pattern of the function's name.", max_length=500)
    content: Words | None = None


class ReplyMatch(_Form):
    """Which requests a reply is for; what is left out matches all. A string by itself is the whole text."""

    operation: str | None = Field(
        None, description="Name of an operation (GET /_mock/operations), a pattern of names, or a domain such as chat.",
        max_length=200,
    )  # fmt: skip
    model: str | None = Field(None, description="Pattern of the model's name.", max_length=200)
    user_text: Words | None = Field(None, description="The last text of the user.")
    system_text: Words | None = Field(None, description="The last text of the system.")
    turn: int | Count | None = Field(None, description="How many messages the user has sent, this one included.")
    tool_result: bool | ToolResultMatch | None = Field(
        None, description="The last message is a tool's answer; false: it is not."
    )
    tools: bool | list[str] | None = Field(
        None, description="Patterns of functions that are all offered; true: any is, false: none is."
    )
    response_format: str | None = Field(
        None, description="text, json_object, json_schema, or the name of the schema.", max_length=200
    )
    metadata: dict[str, Words] | None = Field(None, description="Of the conversation.", max_length=50)
    language: str | None = Field(None, description="Pattern of the language that is asked for.", max_length=200)
    account: str | None = Field(None, description="The account's id.", max_length=200)
    context: str | None = Field(None, description="Pattern of the request's header x-mock-context.", max_length=200)


class ToolCall(_Form):
    """One call of a function. `arguments` as a text go out as they stand, JSON or not."""

    name: Template
    arguments: dict[str, Any] | Template = Field(default_factory=dict)
    id: Template | None = None

    _templates = field_validator("arguments")(check_template)


class Usage(_Form):
    """Token counts that replace those that are counted."""

    prompt_tokens: int | None = Field(None, ge=0)
    completion_tokens: int | None = Field(None, ge=0)
    total_tokens: int | None = Field(None, ge=0)
    reasoning_tokens: int | None = Field(None, ge=0)
    cached_tokens: int | None = Field(None, ge=0)


class Word(_Form):
    """A word of a transcript; times in seconds."""

    word: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)
    confidence: float = Field(0.99, ge=0, le=1)
    speaker: int | None = Field(None, ge=0)


class Transcript(_Form):
    """What audio says. `text` may be left out where there are words."""

    text: Template | None = None
    duration: float | None = Field(None, ge=0, description="Seconds; the audio's own when left out.")
    language: str | None = None
    confidence: float | None = Field(None, ge=0, le=1)
    words: list[Word] | None = Field(None, min_length=1, max_length=10_000)

    @model_validator(mode="after")
    def _says_something(self) -> "Transcript":
        if self.text is None and self.words is None:
            raise ValueError("a transcript needs text or words")
        return self

    def said(self) -> str:
        return self.text if self.text is not None else " ".join(word.word for word in self.words or ())


class Audio(_Form):
    """Audio as it is sent. A file lies beside the reply file, or below; by API there is `base64` only."""

    file: str | None = Field(None, max_length=500)
    base64: str | None = Field(None, max_length=LONGEST_AUDIO * 4 // 3 + 4)
    content_type: str | None = Field(None, pattern=r"^[!-~]+/[!-~]+$", max_length=100)

    @model_validator(mode="after")
    def _one_of(self, info: ValidationInfo) -> "Audio":
        if (self.file is None) == (self.base64 is None):
            raise ValueError("give either file or base64")
        if self.base64 is not None:
            b64decode(self.base64, validate=True)
        elif not self.path(_folder(info)).is_file():
            raise ValueError(f"there is no file {self.file}")
        elif self.path(_folder(info)).stat().st_size > LONGEST_AUDIO:
            raise ValueError(f"the file has more than {LONGEST_AUDIO} bytes")
        return self

    def path(self, folder: Path) -> Path:
        """Where the file is. Raises ValueError where that is outside of the folder."""
        path = (folder / (self.file or "")).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError("an audio file lies in the folder of its reply file, or below")
        return path

    def type(self) -> str:
        return self.content_type or AUDIO_TYPES.get(Path(self.file or "").suffix.lower(), "audio/mpeg")


def _folder(info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    if not isinstance(folder, Path):
        raise ValueError("audio by API is given as base64: files are for reply files")
    return folder


class PacingRule(_Form):
    """How fast a stream comes; what is left out is as the server is set."""

    first_token: float | None = Field(None, ge=0, le=24 * 3600, description="Seconds.")
    tokens_per_second: float | None = Field(None, ge=0.001, le=1e6)
    jitter: float | None = Field(None, ge=0, le=1, description="Share of each wait that chance adds or takes away.")
    chunk_size: int | None = Field(None, ge=1, le=10_000, description="Tokens in one event.")

    def over(self, base: Pacing) -> Pacing:
        return Pacing(
            base.first if self.first_token is None else self.first_token,
            base.per_second if self.tokens_per_second is None else self.tokens_per_second,
            base.jitter if self.jitter is None else self.jitter,
            base.chunk if self.chunk_size is None else self.chunk_size,
        )


def _check_fault(text: str) -> str:
    from mock_server.engine.faults.rules import read_rule
    from mock_server.engine.faults.short import parse_short

    read_rule({**parse_short(text), "id": "reply"})
    return text


SAYS = ("text", "json", "tool_calls", "reasoning", "refusal", "embedding", "embeddings", "transcript", "audio")
Vector = Annotated[list[float], Field(min_length=1, max_length=4096)]


class Reply(_Form):
    """What is said. A text may be a list: one for each of n choices. Texts are templates."""

    text: Template | Annotated[list[Template], Field(min_length=1, max_length=128)] | None = None
    json_value: Any = Field(None, alias="json")
    tool_calls: list[ToolCall] | None = Field(None, min_length=1, max_length=128)
    reasoning: Template | None = Field(None, description="The thoughts before the answer.")
    refusal: Template | None = None
    embedding: Vector | None = Field(None, description="The vector of every input.")
    embeddings: list[Vector] | None = Field(
        None, description="A vector for each input, the last for all further ones.", min_length=1, max_length=2048
    )
    transcript: Template | Transcript | None = None
    audio: Audio | None = None
    id: Template | None = Field(None, description="The answer's id.", max_length=256)
    finish_reason: str | None = Field(None, min_length=1, max_length=100)
    usage: Usage | None = None
    headers: dict[str, str] | None = Field(None, description="More headers of the response.", max_length=50)
    pacing: PacingRule | None = None
    fault: Annotated[str, AfterValidator(_check_fault)] | None = Field(
        None, description="What goes wrong, as in the header x-mock-fault: 429;times=2.", max_length=500
    )

    _templates = field_validator("json_value")(check_template)

    @field_validator("audio", mode="before")
    @classmethod
    def _short_audio(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @field_validator("fault", mode="before")
    @classmethod
    def _bare_status(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        for name, text in (value or {}).items():
            if not TOKEN.fullmatch(name) or name.lower() in OF_THE_CONNECTION:
                raise ValueError(f"{name!r} is not a header that a reply can set")
            if not text.isprintable() or not text.isascii() or len(text) > 4096:
                raise ValueError(f"the value of {name!r} is no line of printable ASCII")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> "Reply":
        if not self.kinds() and self.fault is None:
            raise ValueError(f"a reply needs one of {', '.join(SAYS)}, or a fault")
        if self.text is not None and self.has_json():
            raise ValueError("a reply has text or json, not both")
        return self

    def kinds(self) -> frozenset[str]:
        """The names of what it says."""
        given = self.model_fields_set
        said = {name for name in SAYS if getattr(self, "json_value" if name == "json" else name) is not None}
        return frozenset(said | {"json"} if "json_value" in given else said)

    def has_json(self) -> bool:
        return "json_value" in self.model_fields_set

    def first_text(self) -> str | None:
        """Its text, where one is all that can be told."""
        return self.text[0] if isinstance(self.text, list) else self.text


class ReplyRule(_Form):
    """One entry of a reply file, or of POST /_mock/replies: a reply, or a sequence of them."""

    id: str | None = Field(None, description="Made up when left out.", pattern=r"^[^\x00-\x1f/]{1,100}$")
    match: ReplyMatch = Field(default_factory=ReplyMatch)
    reply: Reply | None = None
    sequence: list[Reply] | None = Field(
        None, description="One for each request that matches.", min_length=1, max_length=MOST_STEPS
    )
    then: Literal["stay", "repeat", "fail", "pass"] = Field(
        "stay",
        description="After the last of a sequence: it again, the first again, an error, or no match any more.",
    )
    times: int | None = Field(None, ge=1, description="How often it matches, for each account; always when left out.")

    @model_validator(mode="after")
    def _one_of(self) -> "ReplyRule":
        if (self.reply is None) == (self.sequence is None):
            raise ValueError("give either reply or sequence")
        if "then" in self.model_fields_set and self.sequence is None:
            raise ValueError("then is for a sequence")
        return self

    def steps(self) -> list[Reply]:
        return self.sequence if self.sequence is not None else [self.reply] if self.reply is not None else []
