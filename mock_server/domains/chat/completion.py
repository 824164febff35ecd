"""A chat completion before it is written: choices, tokens, usage. Knows neither HTTP nor the request's model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mock_server.engine.replies.rules import PacingRule, Usage

CACHED_LENGTH = 4096  # characters; tests ask the same short things again and again
TOKEN = re.compile(r"\s*\w{1,12}|\s*[^\w\s]|\s+")  # every character of a text belongs to exactly one token


@lru_cache(maxsize=512)
def _tokenize(text: str) -> tuple[str, ...]:
    return tuple(TOKEN.findall(text))


def tokenize(text: str) -> Sequence[str]:
    """Word-sized pieces that join to the text again; a stand-in for the model's own tokens."""
    return _tokenize(text) if len(text) <= CACHED_LENGTH else TOKEN.findall(text)


def count_prompt(text: str) -> int:
    """Tokens of a prompt: a quarter of its characters, rounded up, so that it never shrinks as the prompt grows."""
    return (len(text) + 3) // 4


@dataclass(slots=True)
class Choice:
    """One of n answers: text or tool calls (id, name, arguments as JSON), the reasoning before it, why it ended."""

    index: int
    tokens: Sequence[str] = ()
    tool_calls: Sequence[tuple[str, str, str]] = ()
    reasoning: Sequence[str] = ()
    refusal: Sequence[str] = ()
    finish_reason: str = "stop"

    @property
    def content(self) -> str | None:
        silent = (self.tool_calls or self.refusal) and not self.tokens
        return None if silent else "".join(self.tokens)

    @staticmethod
    def argument_pieces(arguments: str) -> Sequence[str]:
        return tokenize(arguments)

    def size(self) -> int:
        """Tokens of this choice, as usage counts them."""
        said = len(self.tokens) + len(self.reasoning) + len(self.refusal)
        if not self.tool_calls:
            return said
        called = sum(len(tokenize(name)) + len(tokenize(arguments)) for _, name, arguments in self.tool_calls)
        return said + called


@dataclass(slots=True)
class Completion:
    """A whole answer; usage is the same streamed or not because both are written from here."""

    id: str
    created: int  # Unix seconds
    model: str
    prompt_tokens: int
    choices: list[Choice] = field(default_factory=list)
    fingerprint: str = ""
    service_tier: str | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    usage: Usage | None = None  # token counts that replace those below
    pacing: PacingRule | None = None  # of a stream, over the server's

    @property
    def completion_tokens(self) -> int:
        if self.usage is not None and self.usage.completion_tokens is not None:
            return self.usage.completion_tokens
        return sum([choice.size() for choice in self.choices])

    @property
    def reasoning_tokens(self) -> int:
        if self.usage is not None and self.usage.reasoning_tokens is not None:
            return self.usage.reasoning_tokens
        return sum([len(choice.reasoning) for choice in self.choices])
