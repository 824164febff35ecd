"""What a chat completion is: which reply, how many, cut where, called with what. No HTTP here."""

from collections.abc import Sequence

from mock_server.base.errors import BadRequest, Invalid, Issue, NotFound
from mock_server.domains.chat.saying import say
from mock_server.domains.chat.wire import ChatRequest, Function, Message, NamedTool
from mock_server.engine.completion import PER_MESSAGE, Ask, Completion, Offered, count_prompt, without_nul
from mock_server.engine.replies import ToolResult
from mock_server.engine.route import MOST_REMEMBERED, REMEMBERED
from mock_server.world import Call

__all__ = ["complete", "consult", "say"]

# Seen live to take max_tokens beside function tools, where every other hosted model refuses (2026-07-29).
TAKES_CAP_WITH_TOOLS = frozenset({"openai/gpt-4o", "openai/gpt-5.4"})
MOST_BUCKETS = 20  # of one retrieval tool that are searched
MOST_RESULTS = 20  # of one retrieval tool that are quoted
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
    lenient = call.quirk("requests_mended")
    asked: dict[int, Ask] = call.world.cache.setdefault("asked", {})
    ask = asked.get(id(request))
    if ask is None or ask.request is not request:
        ask = _asked(request, lenient)
        if call.exchange.request_size <= REMEMBERED:  # the route gives the same object for the same bytes
            if len(asked) >= MOST_REMEMBERED:
                asked.clear()
            asked[id(request)] = ask
    if ask.functions:
        _check_cap(call, request)
    completion = say(call, ask, "chatcmpl-", consulted)
    completion.fingerprint, completion.service_tier = FINGERPRINT, request.service_tier
    if request.logprobs:
        completion.logprobs, completion.top_logprobs = True, request.top_logprobs or 0
    return completion


def _asked(request: ChatRequest, lenient: bool) -> Ask:
    """What a request asks: the same whenever it comes. Raises Invalid and BadRequest."""
    functions = request.functions() if request.tools else []
    ask = _read_prompt(request, lenient)
    if functions:
        ask.prompt_tokens += sum([count_prompt(function.model_dump_json()) for function in functions])
        ask.offer([Offered(f.name, f.parameters) for f in functions])
    if request.tool_choice is not None:
        if not lenient:
            _check_choice(request.tool_choice, functions)
        ask.forced, ask.barred = _forced_function(request, ask.functions), request.tool_choice == "none"
    if request.messages[-1].role == "tool":
        ask.tool_result = _tool_result(request.messages)
    if request.response_format is not None:
        shape = request.response_format
        ask.response_format, ask.schema_name, ask.schema = shape.type, shape.name(), shape.wanted()
    if request.guided_json is not None:
        ask.schema = request.guided_json
    ask.options, ask.regex = request.guided_choice, request.guided_regex
    ask.seed, ask.cap, ask.stop = request.seed, request.cap(), request.stop
    if request.n is not None:
        ask.count = int(request.n)
    if request.enable_thinking is False or request.reasoning_effort == "none":
        ask.thinks = False
    return ask


def _check_cap(call: Call, request: ChatRequest) -> None:
    if request.cap() is not None and request.model not in TAKES_CAP_WITH_TOOLS:
        if call.quirk("max_tokens_with_tools_refused"):
            raise BadRequest(
                "max_completion_tokens (formerly max_tokens) and function tools cannot be used in the same request."
            )
        call.hint("max_tokens_with_tools")


def _check_choice(choice: str | NamedTool, functions: Sequence[Function]) -> None:
    if isinstance(choice, NamedTool) and choice.function.name not in {f.name for f in functions}:
        raise BadRequest(f"tool_choice names the function '{choice.function.name}', which is not among tools.")
    if choice == "required" and not functions:
        raise BadRequest("tool_choice is 'required', but tools names no function.")


def _read_prompt(request: ChatRequest, lenient: bool) -> Ask:
    """What the messages ask, and how many tokens they are. Raises Invalid for one without content or with a NUL,
    unless `lenient`."""
    user_text = system_text = ""
    tokens = turn = 0
    for i, message in enumerate(request.messages):
        content, role = message.content, message.role
        if content is None and role != "assistant" and not lenient:
            raise Invalid([Issue(("body", "messages", i, "content"), "Field required", "missing")])
        text = content if type(content) is str else message.text()
        if "\0" in text:
            text = without_nul(text, ("body", "messages", i, "content"), lenient)
        tokens += PER_MESSAGE + count_prompt(text)
        if message.tool_calls:
            called = [c.function for c in message.tool_calls if c.function]
            tokens += sum([count_prompt(function.name + function.arguments) for function in called])
        if role == "user":
            user_text = text
            turn += 1
        elif role == "system":
            system_text = text
    return Ask(request.model, user_text, system_text, turn, tokens, request)


def _tool_result(messages: Sequence[Message]) -> ToolResult:
    """The answer of a tool that the messages end with."""
    last = messages[-1]
    id = last.tool_call_id or ""
    called = (c for m in reversed(messages) for c in m.tool_calls or () if c.id == id and c.function is not None)
    name = next((c.function.name for c in called if c.function), last.name or "")
    return ToolResult(id, name, without_nul(last.text(), (), lenient=True))


def _forced_function(request: ChatRequest, functions: Sequence[Offered]) -> Offered | None:
    """The function that must be called: the one tool_choice names, or the first when one is required."""
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        return next((f for f in functions if f.name == choice.function.name), None)
    return functions[0] if choice == "required" and functions else None
