"""Requests of the Responses API. The vendor's schema requires nothing and leaves `input` open; shapes are openai-python's types."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

DEFAULT_MODEL = "meta-llama/Meta-Llama-3.1-8B-Instruct"
Name = Annotated[str, StringConstraints(max_length=256)]
LARGEST = 2**63 - 1


class Reasoning(BaseModel):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: str | None = None


class TextFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = ""
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextOptions(BaseModel):
    format: TextFormat | None = None
    verbosity: str | None = None


class ConversationRef(BaseModel):
    """OpenAI's other way to name a conversation."""

    id: str


class ResponsesRequest(BaseModel, allow_inf_nan=False):
    """Nothing is required; unknown fields are ignored."""

    model: Name = DEFAULT_MODEL
    input: Any = Field(None, description="A text, or a list of input items as the OpenAI Responses API has them.")
    instructions: str | None = None
    conversation: str | ConversationRef | None = Field(
        None, description="The id of a conversation: its messages are the context, and what is said is added to it."
    )
    stream: bool | None = False
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    metadata: dict[str, Any] | None = None
    previous_response_id: Name | None = None
    service_tier: Name | None = None
    region: Literal["USA", "EU", "AUS", "UAE"] | None = None
    mode: Literal["preferred", "strict"] | None = None

    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, ConversationRef) else self.conversation

    def wanted(self) -> TextFormat:
        """How the text must be."""
        return self.text.format if self.text is not None and self.text.format is not None else TextFormat()


# What the OpenAPI document says of answers; the answers themselves are made in rendering.py.


class OutputItem(BaseModel, extra="allow"):
    """A message, a function call or the reasoning before them."""

    id: str
    type: Literal["message", "function_call", "reasoning"]
    status: str | None = None


class TokenDetails(BaseModel):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class ResponseUsage(BaseModel):
    input_tokens: int
    input_tokens_details: TokenDetails
    output_tokens: int
    output_tokens_details: TokenDetails
    total_tokens: int


class Response(BaseModel, extra="allow"):
    """OpenAI's shape; the vendor's own schema is an open object."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "in_progress"]
    model: str
    output: list[OutputItem]
    error: dict[str, Any] | None
    incomplete_details: dict[str, str] | None
    usage: ResponseUsage | None
