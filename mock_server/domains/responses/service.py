"""What a response is: what its input says, what the model says to that, and what a conversation keeps of both."""

from mock_server.domains.chat import service as chat
from mock_server.domains.responses.reading import Message, forced, functions, read, tool_call
from mock_server.domains.responses.rendering import Answer, item_count
from mock_server.domains.responses.wire import ResponsesRequest
from mock_server.engine.completion import Ask, Choice, Prompt
from mock_server.world import Call


def create(call: Call, request: ResponsesRequest) -> Answer:
    """The answer to a request, kept in its conversation where it names one. Raises Invalid, BadRequest and NotFound."""
    lenient = call.quirk("requests_mended")
    prompt = Prompt()
    conversation = request.conversation_id()
    metadata = None if conversation is None else _recall(call, conversation, prompt)
    said = read(request, prompt, lenient=lenient)
    offered = functions(request, lenient=lenient)
    ask = prompt.ask(request.model, request, offered)
    ask.forced = forced(request, offered, lenient=lenient)
    ask.barred, ask.cap = request.tool_choice == "none", request.max_output_tokens
    if metadata:
        ask.metadata = metadata
    if request.reasoning is not None and request.reasoning.effort == "none":
        ask.thinks = False
    _shape(ask, request)
    completion = chat.say(call, ask, "resp_")
    choice = completion.choices[0]
    if conversation is not None:
        _keep(call, conversation, [*said, *_kept(choice)])
    return Answer(request, completion, [call.hex("response item") for _ in range(item_count(choice))])


def _shape(ask: Ask, request: ResponsesRequest) -> None:
    wanted = request.wanted()
    if request.text is not None:
        ask.response_format, ask.schema_name = wanted.type, wanted.name
    if wanted.type == "json_schema":
        ask.schema = wanted.schema_ or {"type": "object"}


def _recall(call: Call, id: str, prompt: Prompt) -> dict[str, str]:
    """Add what a conversation holds to a prompt, and give its metadata. Raises NotFound."""
    from mock_server.domains.conversations import service as conversations

    call.world.create_tables()  # that room may not have been entered yet
    metadata, messages = conversations.history(call, id)
    for role, text, calls in messages:
        if role == "tool":
            prompt.add("tool", text)
        elif text or not calls:
            prompt.add("system" if role == "developer" else role, text)
        for called in calls:
            prompt.add_call(called["id"], called["function"]["name"], called["function"]["arguments"])
    return metadata


def _kept(choice: Choice) -> list[Message]:
    """The messages that a conversation keeps of an answer; thoughts are the metadata of the first."""
    text = "".join(choice.tokens or choice.refusal)
    calls = [tool_call(*called) for called in choice.tool_calls]
    more = {"tool_calls": calls} if calls else {}
    if choice.reasoning:
        more["metadata"] = {"reasoning": "".join(choice.reasoning)}  # type: ignore[assignment]
    return [Message("assistant", text, more)]


def _keep(call: Call, id: str, messages: list[Message]) -> None:
    from mock_server.domains.conversations import service as conversations

    with call.transaction() as transaction:
        for message in messages:
            conversations.append(call, transaction, id, message.role, message.text, **message.more)
