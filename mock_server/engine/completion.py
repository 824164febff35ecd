"""What is asked of a model and what it says, before either has a dialect: chat's, the Responses API's or Anthropic's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import to_json

from mock_server.base.errors import Invalid, Issue
from mock_server.engine.replies.match import ToolResult, View
from mock_server.engine.replies.rules import PacingRule, Reply, Usage

PER_MESSAGE = 4  # tokens of a message's frame
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


def pieces(tokens: Sequence[str], size: int) -> Sequence[str]:
    """The tokens in lots of `size`, as the events of a stream have them."""
    return tokens if size == 1 else ["".join(tokens[at : at + size]) for at in range(0, len(tokens), size)]


def without_nul(text: str, where: tuple[str | int, ...], lenient: bool) -> str:
    """A text that may have come with a NUL, which no database keeps. Raises Invalid for one that has, unless `lenient`."""
    if "\0" in text and not lenient:
        raise Invalid([Issue(where, "Value error, a text holds no NUL")])
    return text.replace("\0", "")


class Offered(NamedTuple):
    """A function that may be called; `schema` is its arguments'."""

    name: str
    schema: dict[str, Any] | None


class Ask(View):
    """A request to a model: what rules match on, and what bounds the answer."""

    __slots__ = (
        "barred", "call_prefix", "cap", "count", "forced", "functions", "options", "prompt_tokens", "regex", "said", "schema",
        "seed", "stop", "thinks",
    )  # fmt: skip

    def __init__(
        self, model: str, user_text: str, system_text: str, turn: int, prompt_tokens: int, request: Any
    ) -> None:
        super().__init__("", "", model, user_text, system_text)
        self.turn = turn  # texts that the user has sent
        self.prompt_tokens = prompt_tokens
        self.request = request  # as its dialect has it, for templates
        self.functions: Sequence[Offered] = ()
        self.forced: Offered | None = None  # the function that must be called
        self.barred = False  # whether none may be
        self.call_prefix = "call_"  # of ids of tool calls
        self.schema: dict[str, Any] | None = None  # that the text must fit
        self.options: Sequence[str] | None = None  # of which the text must be one
        self.regex: str | None = None  # that the text must match whole
        self.count = 1  # choices
        self.seed: int | None = None
        self.cap: int | None = None  # tokens of a choice
        self.stop: str | Sequence[str] | None = None
        self.thinks: bool | None = None  # None: as the model does
        self.said: Said | None = None  # to it, the last time that it came

    def offer(self, functions: Sequence[Offered]) -> None:
        """What may be called."""
        self.functions = functions
        self.tools = [function.name for function in functions]


@dataclass(slots=True)
class Prompt:
    """What was sent, read message by message: what rules match on, and its tokens."""

    user_text: str = ""
    system_texts: list[str] = field(default_factory=list)
    turn: int = 0
    tokens: int = 0
    tool_result: ToolResult | None = None  # where it ends with one
    _names: dict[str, str] = field(default_factory=dict)  # of the functions that calls were for

    def add(self, role: str, text: str) -> None:
        """A message of the user, the assistant or the system."""
        self.tokens += PER_MESSAGE + count_prompt(text)
        self.tool_result = None
        if role == "user":
            self.user_text = text
            self.turn += 1
        elif role == "system":
            self.system_texts.append(text)

    def add_call(self, id: str, name: str, arguments: str) -> None:
        self.tokens += count_prompt(name + arguments)
        self.tool_result = None
        self._names[id] = name

    def add_result(self, id: str, text: str) -> None:
        """What a function that was called has answered."""
        self.tokens += PER_MESSAGE + count_prompt(text)
        self.tool_result = ToolResult(id, self._names.get(id, ""), text)

    def has_call(self, id: str) -> bool:
        return id in self._names

    def ask(self, model: str, body: Any, functions: Sequence[Offered]) -> Ask:
        """What is asked with it, with nothing to bound the answer yet."""
        offered = sum(count_prompt(to_json(function).decode()) for function in functions)
        system_text = "\n".join(self.system_texts)
        ask = Ask(model, self.user_text, system_text, self.turn, self.tokens + offered, body)
        ask.tool_result = self.tool_result
        ask.offer(functions)
        return ask


class Choice:
    """One of n answers: text or tool calls (id, name, arguments as JSON), the reasoning before it, why it ended."""

    __slots__ = (
        "finish_reason", "index", "reasoning", "refusal", "stopped_by", "streamed", "tokens", "tool_calls", "written",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.tokens: Sequence[str] = ()
        self.tool_calls: Sequence[tuple[str, str, str]] = ()
        self.reasoning: Sequence[str] = ()
        self.refusal: Sequence[str] = ()
        self.finish_reason = "stop"
        self.stopped_by: str | None = None  # the stop string that was met
        self.written = ""  # in a dialect, by the one that writes it whole
        # By the one that streams it, on the first choice of an answer: all its events, and what they depend on besides.
        self.streamed: tuple[tuple[bool, int], bytes] | None = None

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


def count(choices: Sequence[Choice]) -> tuple[int, int]:
    """Tokens of all choices, and how many of them were reasoning."""
    total = reasoning = 0
    for choice in choices:
        reasoning += len(choice.reasoning)
        silent = choice.tool_calls or choice.refusal
        total += choice.size() if silent else len(choice.tokens) + len(choice.reasoning)
    return total, reasoning


class Said(NamedTuple):
    """What a reply that always says the same has said, and its tokens."""

    by: Reply
    choices: list[Choice]
    counted: tuple[int, int]


class Completion:
    """A whole answer; usage is the same streamed or not because both are written from here."""

    __slots__ = (
        "choices", "counted", "created", "fingerprint", "id", "logprobs", "model", "pacing", "prompt_tokens", "service_tier",
        "top_logprobs", "usage",
    )  # fmt: skip

    def __init__(self, id: str, created: int, model: str, prompt_tokens: int, choices: list[Choice]) -> None:
        self.id = id
        self.created = created  # Unix seconds
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.choices = choices
        self.fingerprint = ""
        self.service_tier: str | None = None
        self.logprobs = False
        self.top_logprobs = 0
        self.usage: Usage | None = None  # token counts that replace those below
        self.pacing: PacingRule | None = None  # of a stream, over the server's
        self.counted: tuple[int, int] | None = None  # what `spent` has come to

    def spent(self) -> tuple[int, int]:
        """Tokens of all choices, and how many of them were reasoning; what the reply says of them counts more."""
        if self.counted is None:
            self.counted = self._count()
        return self.counted

    def _count(self) -> tuple[int, int]:
        total, reasoning = count(self.choices)
        if (usage := self.usage) is not None:
            total = total if usage.completion_tokens is None else usage.completion_tokens
            reasoning = reasoning if usage.reasoning_tokens is None else usage.reasoning_tokens
        return total, reasoning

    @property
    def cached_tokens(self) -> int | None:
        """Those of the prompt that were cached, where a reply says so."""
        return None if self.usage is None else self.usage.cached_tokens
