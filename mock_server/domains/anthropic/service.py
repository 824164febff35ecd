"""What an Anthropic message is answered with: the same replies as chat, bounded as its dialect says."""

from mock_server.domains.anthropic.reading import forced, functions, read
from mock_server.domains.anthropic.wire import Answer, MessagesRequest
from mock_server.domains.chat import service as chat
from mock_server.world import Call


def create(call: Call, request: MessagesRequest) -> Answer:
    """The answer to a request. Raises Invalid and BadRequest."""
    lenient = call.quirk("requests_mended")
    offered = functions(request, lenient=lenient)
    ask = read(request, lenient=lenient).ask(request.model, request, offered)
    ask.forced, ask.call_prefix = forced(request, offered, lenient=lenient), "toolu_"
    ask.barred = request.tool_choice is not None and request.tool_choice.type == "none"
    ask.cap, ask.stop = request.max_tokens, request.stop_sequences
    # Without being asked for, thoughts are kept to the model.
    ask.thinks = request.thinking is not None and request.thinking.type != "disabled"
    ask.schema = request.schema_wanted()
    ask.response_format = "" if ask.schema is None else "json_schema"
    completion = chat.say(call, ask, "msg_")
    signature = call.hex("thoughts") if completion.choices[0].reasoning else ""
    return Answer(completion, signature)
