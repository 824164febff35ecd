"""What a chat completion is: which reply, how many, cut where, called with what. No HTTP here."""

import json
from collections.abc import Sequence
from typing import Any

from mock_server.base.errors import BadRequest, Invalid, Issue, NotFound
from mock_server.base.schema import instance
from mock_server.domains.chat.completion import Choice, Completion, count_prompt, tokenize
from mock_server.domains.chat.wire import ChatRequest, Function, Message, NamedTool
from mock_server.domains.models import service as models
from mock_server.engine.replies import Chosen, Reply, ToolResult, View, fill, fill_all
from mock_server.engine.replies.rules import ToolCall
from mock_server.world import Call

# Seen live to take max_tokens beside function tools, where every other hosted model refuses (2026-07-29).
TAKES_CAP_WITH_TOOLS = frozenset({"openai/gpt-4o", "openai/gpt-5.4"})
SHIPPED = "default"  # the reply that fits every chat
MOST_BUCKETS = 20  # of one retrieval tool that are searched
MOST_RESULTS = 20  # of one retrieval tool that are quoted
PER_MESSAGE = 4  # tokens of a message's frame
FINGERPRINT = "fp_mock"


async def consult(call: Call, request: ChatRequest) -> str | None:
    """What the buckets of the request's retrieval tools have nearest to the last user text; None when they have nothing."""
    from mock_server.domains.embeddings import service as embeddings

    call.world.create_tables()  # of rooms that nobody may have entered yet
    query = next((m.text() for m in reversed(request.messages) if m.role == "user"), "")
    wanted: dict[str, int] = {}
    for tool in request.retrievals():
        most = min(max(tool.max_num_results or 1, 1), MOST_RESULTS)
        for bucket in tool.bucket_ids[:MOST_BUCKETS]:
            wanted[bucket] = max(most, wanted.get(bucket, 0))
    found = []
    for bucket, most in wanted.items():
        try:
            found += await embeddings.search(call.world, call.account, bucket, query, most)
        except NotFound:
            continue  # not embedded
    nearest = sorted(found, key=lambda hit: hit["distance"])[: max(wanted.values(), default=0)]
    quotes = [f'{hit["metadata"]["filename"]} says: "{hit["document_chunk"]}"' for hit in nearest]
    return "\n".join(quotes) or None


def complete(call: Call, request: ChatRequest, consulted: str | None = None) -> Completion:
    """The completion of a request; `consulted` takes the place of the shipped default reply. Raises Invalid and BadRequest."""
    functions = request.functions() if request.tools else []
    _check(call, request, functions)
    user_text, system_text, turn, prompt_tokens = _read_prompt(request, functions)
    shape = request.response_format
    chosen, view = call.choose(
        request.model, user_text, system_text, required=True, request=request, turn=turn,
        tool_result=_tool_result(request.messages), tools=[f.name for f in functions] if functions else (),
        response_format=shape.type if shape else "", schema_name=shape.name() if shape else "",
    )  # fmt: skip
    reply = chosen.reply if chosen else None
    quoted = None
    if consulted is not None and (chosen is None or (chosen.shipped and chosen.id == SHIPPED)):
        reply, quoted, call.exchange.reply = None, consulted, "retrieval"
    completion = Completion(
        id=f"chatcmpl-{call.hex('chat')}",
        created=int(call.exchange.at),
        model=request.model,
        prompt_tokens=prompt_tokens,
        fingerprint=FINGERPRINT,
        service_tier=request.service_tier,
        logprobs=bool(request.logprobs),
        top_logprobs=request.top_logprobs or 0,
    )
    reasoning = _reasoning(call, request, reply, view)
    forced = _forced_function(request, functions)
    cap = request.cap()
    for index in range(int(request.n or 1)):
        choice = _choice(call, request, forced, reply, view, index, quoted)
        choice.reasoning = reasoning
        if cap is not None:
            _cap(choice, cap)
        completion.choices.append(choice)
    if chosen is not None and not chosen.shipped:
        _override(completion, chosen, view)
    if call.world.limits.on:
        call.spend(completion.prompt_tokens + completion.spent()[0])
    return completion


def _override(completion: Completion, chosen: Chosen, view: View) -> None:
    """What a reply says of the answer around its text."""
    reply = chosen.reply
    completion.pacing, completion.usage = reply.pacing, reply.usage
    if reply.id is not None:
        completion.id = fill(reply.id, view)
    if reply.usage is not None and reply.usage.prompt_tokens is not None:
        completion.prompt_tokens = reply.usage.prompt_tokens
    if reply.finish_reason is not None:
        for choice in completion.choices:
            choice.finish_reason = reply.finish_reason


def _check(call: Call, request: ChatRequest, functions: Sequence[Function]) -> None:
    if not call.quirk("requests_mended"):
        _check_body(request, functions)
    if call.quirk("unknown_model_refused") and not models.knows(call, request.model):
        raise BadRequest(f"The model '{request.model}' does not exist.", source={"pointer": "/model"})
    if functions and request.cap() is not None and request.model not in TAKES_CAP_WITH_TOOLS:
        if call.quirk("max_tokens_with_tools_refused"):
            raise BadRequest(
                "max_completion_tokens (formerly max_tokens) and function tools cannot be used in the same request."
            )


def _check_body(request: ChatRequest, functions: Sequence[Function]) -> None:
    for i, message in enumerate(request.messages):
        if message.content is None and message.role != "assistant":
            raise Invalid([Issue(("body", "messages", i, "content"), "Field required", "missing")])
    choice = request.tool_choice
    if choice is None:
        return
    if isinstance(choice, NamedTool) and choice.function.name not in {f.name for f in functions}:
        raise BadRequest(f"tool_choice names the function '{choice.function.name}', which is not among tools.")
    if choice == "required" and not functions:
        raise BadRequest("tool_choice is 'required', but tools names no function.")


def _read_prompt(request: ChatRequest, functions: Sequence[Function]) -> tuple[str, str, int, int]:
    """The last user text, the last system text, how many texts the user sent, and the tokens of all that was sent."""
    user_text = system_text = ""
    tokens = turn = 0
    for i, message in enumerate(request.messages):
        text = message.text()
        if "\0" in text:
            raise Invalid([Issue(("body", "messages", i, "content"), "Value error, a text holds no NUL")])
        tokens += PER_MESSAGE + count_prompt(text)
        if message.tool_calls:
            called = [c.function for c in message.tool_calls if c.function]
            tokens += sum(count_prompt(function.name + function.arguments) for function in called)
        if message.role == "user":
            user_text = text
            turn += 1
        elif message.role == "system":
            system_text = text
    return (
        user_text,
        system_text,
        turn,
        tokens + sum([count_prompt(function.model_dump_json()) for function in functions]),
    )


def _tool_result(messages: Sequence[Message]) -> ToolResult | None:
    """The answer of a tool that the messages end with."""
    last = messages[-1]
    if last.role != "tool":
        return None
    id = last.tool_call_id or ""
    called = (c for m in reversed(messages) for c in m.tool_calls or () if c.id == id and c.function is not None)
    name = next((c.function.name for c in called if c.function), last.name or "")
    return ToolResult(id, name, last.text())


def _choice(
    call: Call, request: ChatRequest, called: Function | None, reply: Reply | None, view: View, index: int,
    quoted: str | None,
) -> Choice:  # fmt: skip
    if called is not None:
        return _forced(call, index, called, reply, view)
    choice = Choice(index)
    if reply is not None:
        if reply.tool_calls is not None and request.tool_choice != "none":
            choice = _calls(call, index, reply.tool_calls, view)
            if reply.text is None and not reply.has_json():
                return choice
        elif reply.refusal is not None:
            choice.refusal = tokenize(fill(reply.refusal, view))
            return choice
    text = quoted if quoted is not None else _text(request, reply, view, _variant(call, request.seed, index))
    choice.tokens = tokenize(_stopped(text, request.stop))
    return choice


def _forced(call: Call, index: int, called: Function, reply: Reply | None, view: View) -> Choice:
    """A call that must be: as the reply has it, else with arguments that fit."""
    scripted = (reply.tool_calls if reply is not None else None) or ()
    if named := [tool for tool in scripted if fill(tool.name, view) == called.name]:
        return _calls(call, index, named[:1], view)
    arguments = _json(_fitting(called.parameters or {"type": "object"}))
    calls = [(f"call_{call.uuid('tool_call')}", called.name, arguments)]
    return Choice(index, tool_calls=calls, finish_reason="tool_calls")


def _forced_function(request: ChatRequest, functions: Sequence[Function]) -> Function | None:
    """The function that must be called: the one tool_choice names, or the first when one is required."""
    choice = request.tool_choice
    if choice is None:
        return None
    if isinstance(choice, NamedTool):
        return next((f for f in functions if f.name == choice.function.name), None)
    return functions[0] if choice == "required" and functions else None


def _calls(call: Call, index: int, scripted: Sequence[ToolCall], view: View) -> Choice:
    """The calls of a script, its templates filled in. Arguments that are a text go out as they stand."""
    calls = []
    for tool in scripted:
        id = f"call_{call.uuid('tool_call')}" if tool.id is None else fill(tool.id, view)
        arguments = tool.arguments
        shown = fill(arguments, view) if isinstance(arguments, str) else _json(fill_all(arguments, view))
        calls.append((id, fill(tool.name, view), shown))
    return Choice(index, tool_calls=calls, finish_reason="tool_calls")


def _fitting(schema: dict[str, Any]) -> Any:
    """A value that fits a schema. Raises BadRequest where the schema makes no sense."""
    try:
        return instance(schema)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
        raise BadRequest("The JSON schema cannot be satisfied: it is not a valid schema.") from None


def _json(value: Any) -> str:
    """JSON text of a value. Raises BadRequest for numbers that JSON does not have."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise BadRequest("The JSON schema cannot be satisfied: it asks for a number that JSON does not have.") from None


def _variant(call: Call, seed: int | None, index: int) -> int:
    """Which of a reply's texts the index-th choice takes: another for each choice, and for each seed a start of its own."""
    if seed is None:
        return index
    return int(call.world.ids.draw("", "chat seed", str(seed)) * 1024) + index


def _text(request: ChatRequest, reply: Reply | None, view: View, variant: int) -> str:
    if reply is not None and reply.has_json():
        return _json(fill_all(reply.json_value, view))
    if reply is not None and reply.text is not None and view.chosen is not None and not view.chosen.shipped:
        return _canned(reply, view, variant)  # the user's own words, whatever shape was asked for
    if request.guided_choice:
        return request.guided_choice[variant % len(request.guided_choice)]
    shape = request.response_format
    wanted = request.guided_json
    if wanted is None and shape is not None and shape.type == "json_schema" and shape.json_schema is not None:
        wanted = shape.json_schema.schema_ or {"type": "object"}
    if wanted is not None:
        return _json(_fitting(wanted))
    text = _canned(reply, view, variant)
    if shape is not None and shape.type == "json_object" and not _is_json_object(text):
        return _json({"reply": text})
    return text


def _canned(reply: Reply | None, view: View, variant: int) -> str:
    """The reply's text for this choice; past the last of its texts they come again, numbered."""
    texts: str | list[str] = DEFAULT if reply is None or reply.text is None else reply.text
    if isinstance(texts, str):
        texts = [texts]
    lap, place = divmod(variant, len(texts))
    text = fill(texts[place], view)
    return f"{text} (variation {lap + 1})" if lap else text


DEFAULT = "This is a canned reply of the Telnyx AI mock server."


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _stopped(text: str, stop: str | list[str] | None) -> str:
    """`text` up to the first of the stop strings."""
    if not stop:
        return text
    cuts = [text.find(s) for s in ([stop] if isinstance(stop, str) else stop) if s]
    return text[: min((cut for cut in cuts if cut >= 0), default=len(text))]


def _cap(choice: Choice, cap: int) -> None:
    """No more than `cap` tokens, reasoning first; tool calls are never cut, their arguments must stay JSON."""
    if choice.tool_calls or choice.size() <= cap:
        return
    choice.reasoning = choice.reasoning[:cap]
    choice.tokens = choice.tokens[: cap - len(choice.reasoning)]
    choice.refusal = choice.refusal[: cap - len(choice.reasoning) - len(choice.tokens)]
    choice.finish_reason = "length"


def _reasoning(call: Call, request: ChatRequest, reply: Reply | None, view: View) -> Sequence[str]:
    """The reply's thoughts, or those of a reasoning model, unless they are switched off."""
    if request.enable_thinking is False or request.reasoning_effort == "none":
        return []
    if reply is not None and reply.reasoning is not None:
        return tokenize(fill(reply.reasoning, view))
    return tokenize(THOUGHTS) if models.reasons(call, request.model) else []


THOUGHTS = "The user wants an answer. A canned one is at hand, so I will give it."
