"""Responses on the wire: the whole as one object, or as typed events in the order in which OpenAI clients put it together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mock_server.domains.responses.reading import dumped
from mock_server.domains.responses.wire import ResponsesRequest
from mock_server.engine.completion import Choice, Completion, pieces

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(slots=True)
class Answer:
    """A completion with the names of its items: reasoning, message, calls, as far as there are any."""

    request: ResponsesRequest
    completion: Completion
    hexes: Sequence[str]  # one for each item

    @property
    def choice(self) -> Choice:
        return self.completion.choices[0]

    @property
    def incomplete(self) -> str | None:
        """Why the answer is not whole."""
        return INCOMPLETE.get(self.choice.finish_reason)


def item_count(choice: Choice) -> int:
    return bool(choice.reasoning) + speaks(choice) + len(choice.tool_calls)


def speaks(choice: Choice) -> bool:
    """Whether there is a message among the items."""
    return not choice.tool_calls or bool(choice.tokens or choice.refusal)


def whole(answer: Answer) -> bytes:
    """The response as one JSON object."""
    return dumped(_response(answer, _items(answer)))


def _response(answer: Answer, items: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """The response; without items as it is while it is being made."""
    request, completion = answer.request, answer.completion
    conversation = request.conversation_id()
    reason = answer.incomplete
    wanted = request.wanted().model_dump(by_alias=True, exclude_unset=True)
    reasoning = request.reasoning
    body: dict[str, Any] = {
        "id": completion.id,
        "object": "response",
        "created_at": completion.created,
        "status": "in_progress" if items is None else "completed" if reason is None else "incomplete",
        "error": None,
        "incomplete_details": None if items is None or reason is None else {"reason": reason},
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "model": completion.model,
        "output": items or [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "reasoning": {"effort": reasoning and reasoning.effort, "summary": reasoning and reasoning.summary},
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {"format": {"type": "text", **wanted}},
        "tool_choice": "auto" if request.tool_choice is None else request.tool_choice,
        "tools": request.tools or [],
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": "disabled",
        "usage": None if items is None else _usage(completion),
        "metadata": request.metadata or {},
    }
    if conversation is not None:
        body["conversation"] = {"id": conversation}
    if request.service_tier is not None:
        body["service_tier"] = request.service_tier
    return body


def _usage(completion: Completion) -> dict[str, Any]:
    output_tokens, reasoning_tokens = completion.spent()
    total_tokens = completion.prompt_tokens + output_tokens
    if completion.usage is not None and completion.usage.total_tokens is not None:
        total_tokens = completion.usage.total_tokens
    return {
        "input_tokens": completion.prompt_tokens,
        "input_tokens_details": {"cached_tokens": completion.cached_tokens or 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens},
        "total_tokens": total_tokens,
    }


def _items(answer: Answer) -> list[dict[str, Any]]:
    choice, names = answer.choice, iter(answer.hexes)
    items: list[dict[str, Any]] = []
    if choice.reasoning:
        thoughts = {"type": "reasoning_text", "text": "".join(choice.reasoning)}
        items.append(
            {
                "id": f"rs_{next(names)}",
                "type": "reasoning",
                "summary": [],
                "content": [thoughts],
                "status": "completed",
            }
        )
    if speaks(choice):
        status = "completed" if answer.incomplete is None else "incomplete"
        part = _refusal("".join(choice.refusal)) if choice.refusal else _text("".join(choice.tokens))
        items.append(
            {"id": f"msg_{next(names)}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        )
    for id, name, arguments in choice.tool_calls:
        items.append({"id": f"fc_{next(names)}", "type": "function_call", "status": "completed", "call_id": id, "name": name,
                      "arguments": arguments})  # fmt: skip
    return items


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _refusal(text: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": text}


class Events:
    """The events of one answer, numbered; `paced` says of each whether it carries tokens. `size` is how many."""

    def __init__(self, answer: Answer, size: int = 1) -> None:
        self.sent: list[bytes] = []
        self.paced: list[bool] = []
        self._size = size
        self._add("response.created", response=_response(answer, None))
        self._add("response.in_progress", response=_response(answer, None))
        items = _items(answer)
        for index, item in enumerate(items):
            self._item(answer.choice, index, item)
        end = "response.completed" if answer.incomplete is None else "response.incomplete"
        self._add(end, response=_response(answer, items))

    def _add(self, kind: str, *, tokens: bool = False, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": len(self.sent), **fields}
        self.sent.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), dumped(event)))
        self.paced.append(tokens)

    def _item(self, choice: Choice, index: int, item: dict[str, Any]) -> None:
        begun = {**item, "status": "in_progress"}
        if item["type"] == "function_call":
            begun["arguments"] = ""
            self._add("response.output_item.added", output_index=index, item=begun)
            self._arguments(item, index)
        else:
            begun["content"] = []
            self._add("response.output_item.added", output_index=index, item=begun)
            self._part(choice, item, index)
        self._add("response.output_item.done", output_index=index, item=item)

    def _arguments(self, item: dict[str, Any], index: int) -> None:
        place = {"item_id": item["id"], "output_index": index}
        for piece in pieces(Choice.argument_pieces(item["arguments"]), self._size):
            self._add("response.function_call_arguments.delta", tokens=True, **place, delta=piece)
        self._add("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])

    def _part(self, choice: Choice, item: dict[str, Any], index: int) -> None:
        """The one content part of a message or of reasoning."""
        part = item["content"][0]
        name = "refusal" if part["type"] == "refusal" else "text"
        tokens = {"reasoning_text": choice.reasoning, "output_text": choice.tokens, "refusal": choice.refusal}[
            part["type"]
        ]
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        more: dict[str, Any] = {"logprobs": []} if part["type"] == "output_text" else {}
        self._add("response.content_part.added", **place, part={**part, name: ""})
        for token in pieces(tokens, self._size):
            self._add(f"response.{part['type']}.delta", tokens=True, **place, delta=token, **more)
        self._add(f"response.{part['type']}.done", **place, **{name: part[name], **more})
        self._add("response.content_part.done", **place, part=part)
