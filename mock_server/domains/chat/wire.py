"""Chat on the wire: the request model, completions and chunks. Shapes: the public OpenAPI document and openai-python's types."""

from collections.abc import Iterable, Iterator, Sequence
from json.encoder import encode_basestring as quoted
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints
from pydantic_core import to_json

from mock_server.engine.answers import LONGEST_SONG, REFRAIN, Events
from mock_server.engine.completion import Choice, Completion, pieces

DEFAULT_MODEL = "meta-llama/Meta-Llama-3.1-8B-Instruct"
Name = Annotated[str, StringConstraints(max_length=256)]  # every chunk of a stream repeats it
LARGEST = 2**63 - 1
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ImageUrl(BaseModel):
    """OpenAI's spelling; the vendor's own is the plain string."""

    url: str
    detail: str | None = None


class Part(BaseModel, extra="forbid"):
    type: Literal["text", "image_url", "audio_url"]
    text: str | None = None
    image_url: str | ImageUrl | None = None
    audio_url: str | ImageUrl | None = None


class FunctionCall(BaseModel):
    name: str = ""
    arguments: str = ""


class MessageToolCall(BaseModel):
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None


class Message(BaseModel):
    """`content` is required by the schema; null and absent are accepted beside tool calls, as OpenAI clients send them."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None

    def text(self) -> str:
        content = self.content
        if isinstance(content, str):
            return content
        return "\n".join(part.text for part in content or () if part.text is not None)


class Function(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionTool(BaseModel):
    type: Literal["function"]
    function: Function


class Retrieval(BaseModel):
    bucket_ids: list[str]
    max_num_results: int | None = None


class RetrievalTool(BaseModel):
    type: Literal["retrieval"]
    retrieval: Retrieval


class NamedFunction(BaseModel):
    name: str


class NamedTool(BaseModel):
    """OpenAI's object form; not documented by the vendor, accepted all the same."""

    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchema(BaseModel):
    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def name(self) -> str:
        """The schema's name, where there is one."""
        return self.json_schema.name if self.json_schema is not None else ""

    def wanted(self) -> dict[str, Any] | None:
        """The schema that the answer must fit, where there is one."""
        if self.type != "json_schema" or self.json_schema is None:
            return None
        return self.json_schema.schema_ or {"type": "object"}


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel, allow_inf_nan=False, frozen=True):
    """A chat completion request. Only `messages` is required; unknown fields are ignored.

    Frozen, because one that comes again byte for byte is the same object.
    """

    messages: Annotated[list[Message], Field(min_length=1)]
    model: Name = DEFAULT_MODEL
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    temperature: float | None = 0.1
    max_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    tools: list[Annotated[FunctionTool | RetrievalTool, Field(discriminator="type")]] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    response_format: ResponseFormat | None = None
    guided_json: dict[str, Any] | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: float | None = None
    n: Annotated[float, Field(ge=1, le=128, multiple_of=1)] | None = None
    use_beam_search: bool | None = False
    best_of: int | None = None
    length_penalty: float | None = 1
    early_stopping: bool | None = False
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    frequency_penalty: float | None = 0
    presence_penalty: float | None = 0
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=LARGEST)] | None = None
    enable_thinking: bool | None = True
    api_key_ref: str | None = None
    service_tier: Name | None = None
    reasoning_effort: Effort | None = None
    region: Literal["USA", "EU", "AUS", "UAE"] | None = None
    mode: Literal["preferred", "strict"] | None = None

    def cap(self) -> int | None:
        """The most tokens of one choice."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def functions(self) -> list[Function]:
        return [tool.function for tool in self.tools or () if isinstance(tool, FunctionTool)]

    def retrievals(self) -> list[Retrieval]:
        return [tool.retrieval for tool in self.tools or () if isinstance(tool, RetrievalTool)]


# What the OpenAPI document says of answers; the answers themselves are rendered below.


class AnswerFunction(BaseModel):
    name: str
    arguments: str


class AnswerToolCall(BaseModel):
    id: str
    type: Literal["function"]
    function: AnswerFunction


class AnswerMessage(BaseModel):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[AnswerToolCall] | None = None


class AnswerChoice(BaseModel):
    index: int
    message: AnswerMessage
    logprobs: dict[str, Any] | None = None
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int] | None = None
    completion_tokens_details: dict[str, int] | None = None


class ChatCompletion(BaseModel):
    """OpenAI's shape; the vendor's own schema is an open object."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[AnswerChoice]
    usage: Usage
    system_fingerprint: str | None = None
    service_tier: str | None = None


def completion(answer: Completion) -> bytes:
    """The whole answer as one JSON object. A template: dumping a dict takes three times as long, even each text by itself."""
    choices = ",".join([_choice(answer, choice) for choice in answer.choices])
    return f'{_head(answer, "chat.completion")},"choices":[{choices}],"usage":{_usage(answer)}}}'.encode()


def _head(answer: Completion, kind: str) -> str:
    """What an answer and its chunks begin with, left open."""
    tier = "" if answer.service_tier is None else f',"service_tier":{quoted(answer.service_tier)}'
    return (
        f'{{"id":{quoted(answer.id)},"object":"{kind}","created":{answer.created},"model":{quoted(answer.model)},'
        f'"system_fingerprint":{quoted(answer.fingerprint)}{tier}'
    )


def _choice(answer: Completion, choice: Choice) -> str:
    if not choice.written:  # one that is said again is written once
        choice.written = _written(answer, choice)
    return choice.written


def _written(answer: Completion, choice: Choice) -> str:
    more, logprobs = "", "null"
    if choice.reasoning:
        more = f',"reasoning_content":{quoted("".join(choice.reasoning))}'
    if choice.refusal:
        more += f',"refusal":{quoted("".join(choice.refusal))}'
    if choice.tool_calls:
        more += f',"tool_calls":{to_json([_tool_call(call) for call in choice.tool_calls]).decode()}'
    elif answer.logprobs:
        logprobs = to_json({"content": _logprobs(answer, choice.tokens)}).decode()
    content = choice.content
    return (
        f'{{"index":{choice.index},"message":{{"role":"assistant","content":{"null" if content is None else quoted(content)}{more}}},'
        f'"logprobs":{logprobs},"finish_reason":{quoted(choice.finish_reason)}}}'
    )


def _tool_call(call: tuple[str, str, str]) -> dict[str, Any]:
    id, name, arguments = call
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(answer: Completion) -> str:
    prompt_tokens, more = answer.prompt_tokens, ""
    completion_tokens, reasoning_tokens = answer.spent()
    total = prompt_tokens + completion_tokens
    if answer.usage is not None:
        if answer.usage.total_tokens is not None:
            total = answer.usage.total_tokens
        if answer.usage.cached_tokens is not None:
            more = f',"prompt_tokens_details":{{"cached_tokens":{answer.usage.cached_tokens}}}'
    if reasoning_tokens:
        more += f',"completion_tokens_details":{{"reasoning_tokens":{reasoning_tokens}}}'
    return f'{{"prompt_tokens":{prompt_tokens},"completion_tokens":{completion_tokens},"total_tokens":{total}{more}}}'


def _logprobs(answer: Completion, tokens: Sequence[str]) -> list[dict[str, Any]]:
    """Plausible and the same every time: the likelier the token, the earlier its alternatives would come."""
    rows = []
    for n, token in enumerate(tokens):
        top = [
            (token if k == 0 else f"{token.rstrip()}{k}", -0.02 * (n % 7 + 1) - 1.5 * k)
            for k in range(answer.top_logprobs)
        ]
        row = _logprob(token, -0.02 * (n % 7 + 1))
        row["top_logprobs"] = [_logprob(*pair) for pair in top]
        rows.append(row)
    return rows


def _logprob(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": round(value, 4), "bytes": list(token.encode())}


def events(answer: Completion, include_usage: bool, size: int = 1) -> list[bytes]:
    """The answer as server-sent events, as OpenAI clients parse them: role, content, finish, usage when asked, [DONE].

    `size` is how many tokens an event has.
    """
    runs = _runs(answer, include_usage, size, _head(answer, "chat.completion.chunk"))
    return [f"{before}{text}{behind}".encode() for before, texts, behind in runs for text in texts]


def all_events(answer: Completion, include_usage: bool, size: int = 1) -> Events:
    """The same in one piece, for which a run of events is one join. What is said again is written once, but for its head."""
    first, asked = answer.choices[0], (include_usage, size)
    head = _head(answer, "chat.completion.chunk").encode()
    if first.streamed is not None and first.streamed[0] == asked:
        return Events(first.streamed[1], head, again=True)
    runs = _runs(answer, include_usage, size, REFRAIN.decode())
    song = "".join([f"{before}{(behind + before).join(texts)}{behind}" for before, texts, behind in runs]).encode()
    if len(song) <= LONGEST_SONG:
        first.streamed = asked, song
    return Events(song, head)


def _runs(answer: Completion, include_usage: bool, size: int, head: str) -> Iterator[tuple[str, Iterable[str], str]]:
    """Events that differ in one text only, together: what stands before it, the texts, of which there is one at least, and
    what stands behind. A dump for each chunk would halve the stream."""
    tail = ',"usage":null}\n\n' if include_usage else "}\n\n"
    for choice in answer.choices:
        yield from _choice_runs(answer, choice, head, tail, size)
    if include_usage:
        yield f'data: {head},"choices":[],"usage":', [_usage(answer)], "}\n\n"
    yield "data: [DONE]\n\n", [""], ""


def _choice_runs(
    answer: Completion, choice: Choice, head: str, tail: str, size: int
) -> Iterator[tuple[str, Iterable[str], str]]:
    opening = f'data: {head},"choices":[{{"index":{choice.index},"delta":'
    closing = f',"logprobs":null,"finish_reason":null}}]{tail}'
    yield opening, [f'{{"role":"assistant","content":{"null" if choice.content is None else quoted("")}}}'], closing
    if choice.reasoning:
        yield f'{opening}{{"reasoning_content":', map(quoted, pieces(choice.reasoning, size)), f"}}{closing}"
    if answer.logprobs:
        for token, logprob in zip(choice.tokens, _logprobs(answer, choice.tokens), strict=True):
            detail = f'}},"logprobs":{{"content":[{to_json(logprob).decode()}]}},"finish_reason":null}}]{tail}'
            yield f'{opening}{{"content":', [quoted(token)], detail
    elif choice.tokens:
        yield f'{opening}{{"content":', map(quoted, pieces(choice.tokens, size)), f"}}{closing}"
    if choice.refusal:
        yield f'{opening}{{"refusal":', map(quoted, pieces(choice.refusal, size)), f"}}{closing}"
    for index, (id, name, arguments) in enumerate(choice.tool_calls):
        called = {"index": index, **_tool_call((id, name, ""))}
        parts = [{"index": index, "function": {"arguments": piece}}
                 for piece in pieces(choice.argument_pieces(arguments), size)]  # fmt: skip
        yield opening, [to_json({"tool_calls": [part]}).decode() for part in (called, *parts)], closing
    yield f'{opening}{{}},"logprobs":null,"finish_reason":', [quoted(choice.finish_reason)], f"}}]{tail}"
