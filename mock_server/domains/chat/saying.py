"""What a model says to what it is asked, whatever the dialect: which reply, called with what, cut where. No HTTP here."""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from mock_server.base.errors import BadRequest
from mock_server.base.ids import Ids
from mock_server.domains.models import service as models
from mock_server.engine.completion import Ask, Choice, Completion, Offered, Said, count, tokenize
from mock_server.engine.replies import Chosen, Reply, View, fill, fill_all
from mock_server.engine.replies.rules import ToolCall
from mock_server.world import Call

SHIPPED = "default"  # the reply that fits every chat
DOMAIN = "chat"  # what rules call all ways to talk with a model
DEFAULT = "This is a canned reply of the Telnyx AI mock server."
THOUGHTS = "The user wants an answer. A canned one is at hand, so I will give it."
DIFFERENT = 8  # values for one schema, or texts for one pattern, in a request of many choices: each takes its time
LARGE = 16 * 1024  # characters of a schema; what fits a larger one is not remembered for long
LONGEST_GUIDED = 10_000  # characters that a regular expression is answered with


def say(call: Call, ask: Ask, prefix: str, quoted: str | None = None) -> Completion:
    """What is said; `prefix` begins the answer's id, `quoted` takes the place of the shipped default reply.

    Raises BadRequest for a model that is refused, for a schema, choice or pattern that nothing fits, and what `Call.choose` does.
    """
    if call.quirk("unknown_model_refused") and not models.knows(call, ask.model):
        raise BadRequest(f"The model '{ask.model}' does not exist.", source={"pointer": "/model"})
    chosen = call.consult(ask, DOMAIN, required=True)
    reply = chosen.reply if chosen else None
    if quoted is not None and (chosen is None or (chosen.shipped and chosen.id == SHIPPED)):
        reply, call.exchange.reply = None, "retrieval"
    else:
        quoted = None
    if chosen is not None and chosen.shipped and reply is not None and ask.forced is None:
        choices, counted = _said(call, ask, reply)
    else:
        choices, counted = _choices(call, ask, reply, quoted), None
    completion = Completion(prefix + call.hex("chat"), int(call.exchange.at), ask.model, ask.prompt_tokens, choices)
    completion.counted = counted
    if chosen is not None and not chosen.shipped:
        _override(completion, chosen, ask)
    spent = call.exchange.tokens = completion.prompt_tokens, completion.spent()[0]
    if call.world.limits.on:
        call.spend(sum(spent))
    return completion


def _said(call: Call, ask: Ask, reply: Reply) -> tuple[list[Choice], tuple[int, int]]:
    """What a shipped reply says. It is texts that fill in the request: they say the same to the same one."""
    said = ask.said
    if said is None or said.by is not reply:
        choices = _choices(call, ask, reply, None)
        said = ask.said = Said(reply, choices, count(choices))
    return said.choices, said.counted


def _choices(call: Call, ask: Ask, reply: Reply | None, quoted: str | None) -> list[Choice]:
    reasoning = _reasoning(call, ask, reply)
    choices = []
    for index in range(ask.count):
        choice = _choice(call, ask, reply, index, quoted)
        if reasoning:
            choice.reasoning = reasoning
        if ask.cap is not None:
            _cap(choice, ask.cap)
        choices.append(choice)
    return choices


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


def _choice(call: Call, ask: Ask, reply: Reply | None, index: int, quoted: str | None) -> Choice:
    if ask.forced is not None:
        return _forced(call, ask, ask.forced, reply, index)
    choice = Choice(index)
    if reply is not None:
        if reply.tool_calls is not None and not ask.barred:
            choice = _calls(call, ask, index, reply.tool_calls)
            if reply.text is None and not reply.has_json():
                return choice
        elif reply.refusal is not None:
            choice.refusal = tokenize(fill(reply.refusal, ask))
            return choice
    text = quoted if quoted is not None else _text(call, ask, reply, index)
    if ask.stop:
        text, choice.stopped_by = _stopped(text, ask.stop)
    choice.tokens = tokenize(text)
    return choice


def _forced(call: Call, ask: Ask, called: Offered, reply: Reply | None, index: int) -> Choice:
    """A call that must be: as the reply has it, else with arguments that fit."""
    scripted = (reply.tool_calls if reply is not None else None) or ()
    if named := [tool for tool in scripted if fill(tool.name, ask) == called.name]:
        return _calls(call, ask, index, named[:1])
    arguments = _fitting(call, ask, called.schema or {"type": "object"}, index)
    return _called(index, [(f"{ask.call_prefix}{call.uuid('tool_call')}", called.name, arguments)])


def _calls(call: Call, ask: Ask, index: int, scripted: Sequence[ToolCall]) -> Choice:
    """The calls of a script, its templates filled in. Arguments that are a text go out as they stand."""
    calls = []
    for tool in scripted:
        id = f"{ask.call_prefix}{call.uuid('tool_call')}" if tool.id is None else fill(tool.id, ask)
        arguments = tool.arguments
        shown = fill(arguments, ask) if isinstance(arguments, str) else _json(fill_all(arguments, ask))
        calls.append((id, fill(tool.name, ask), shown))
    return _called(index, calls)


def _called(index: int, calls: Sequence[tuple[str, str, str]]) -> Choice:
    choice = Choice(index)
    choice.tool_calls, choice.finish_reason = calls, "tool_calls"
    return choice


def _fitting(call: Call, ask: Ask, schema: dict[str, Any], index: int) -> str:
    """A value that fits a schema, as JSON. Raises BadRequest for one that nothing fits."""
    from mock_server.base.schema import SchemaError

    text = json.dumps(schema)
    make = _made_lately if len(text) > LARGE else _made_before
    try:
        return make(text, _variant(call, ask.seed, index % DIFFERENT), call.world.ids.seed)
    except SchemaError as error:
        raise BadRequest(f"The JSON schema cannot be satisfied: {error}.") from None


def _made(schema: str, variant: int, seed: int) -> str:
    """Variant 0 takes the first of everything that a schema leaves open; each other one chooses its own way."""
    from mock_server.base.schema import instance

    ids = Ids(seed)
    draw = None if variant == 0 else lambda place: ids.draw("", f"schema {variant}", place)
    return json.dumps(instance(json.loads(schema), draw), ensure_ascii=False, allow_nan=False)


_made_before = lru_cache(maxsize=128)(_made)
_made_lately = lru_cache(maxsize=DIFFERENT)(_made)


def _json(value: Any) -> str:
    """JSON text of a value. Raises BadRequest for numbers that JSON does not have."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise BadRequest("The reply's JSON holds a number that JSON does not have.") from None


def _variant(call: Call, seed: int | None, index: int) -> int:
    """Which of a reply's texts the index-th choice takes: another for each choice, and for each seed a start of its own."""
    if seed is None:
        return index
    return int(call.world.ids.draw("", "chat seed", str(seed)) * 1024) + index


def _text(call: Call, ask: Ask, reply: Reply | None, index: int) -> str:
    variant = index if ask.seed is None else _variant(call, ask.seed, index)
    if reply is not None and reply.has_json():
        return _json(fill_all(reply.json_value, ask))
    if reply is not None and reply.text is not None and ask.chosen is not None and not ask.chosen.shipped:
        return _canned(reply, ask, variant)  # the user's own words, whatever shape was asked for
    if ask.options:
        return ask.options[variant % len(ask.options)]
    if ask.schema is not None:
        return _fitting(call, ask, ask.schema, index)
    if ask.regex is not None:
        return _matching(ask.regex, variant)
    text = _canned(reply, ask, variant)
    if ask.response_format == "json_object" and not _is_json_object(text):
        return _json({"reply": text})
    return text


def _matching(regex: str, variant: int) -> str:
    """A text that a regular expression matches. Raises BadRequest where there is none."""
    from mock_server.base.regex import RegexError

    source = {"pointer": "/guided_regex"}
    try:
        texts = _texts_of(regex)
    except RegexError as error:
        raise BadRequest(f"guided_regex cannot be satisfied: {error}.", source=source) from None
    if not texts:
        raise BadRequest("guided_regex cannot be satisfied: no text was found that matches it.", source=source)
    return texts[variant % len(texts)]


@lru_cache(maxsize=64)
def _texts_of(regex: str) -> Sequence[str]:
    """As many texts as are found with some effort. Raises RegexError where that is none."""
    from mock_server.base.regex import RegexError, compiled

    found: list[str] = []
    try:
        for text in islice(compiled(regex).texts(most=LONGEST_GUIDED, whole=True), DIFFERENT):
            found.append(text)  # not all at once: those before an error count
    except RegexError:
        if not found:
            raise
    return found


def _canned(reply: Reply | None, view: View, variant: int) -> str:
    """The reply's text for this choice; past the last of its texts they come again, numbered."""
    texts: str | list[str] = DEFAULT if reply is None or reply.text is None else reply.text
    if isinstance(texts, str):
        texts = [texts]
    if variant < len(texts):
        return fill(texts[variant], view)
    lap, place = divmod(variant, len(texts))
    text = fill(texts[place], view)
    return f"{text} (variation {lap + 1})"


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _stopped(text: str, stop: str | Sequence[str]) -> tuple[str, str | None]:
    """`text` up to the first of the stop strings, and which that was."""
    cuts = [(text.find(s), s) for s in ([stop] if isinstance(stop, str) else stop) if s]
    at, by = min((cut for cut in cuts if cut[0] >= 0), default=(len(text), None), key=lambda cut: cut[0])
    return text[:at], by


def _cap(choice: Choice, cap: int) -> None:
    """No more than `cap` tokens, reasoning first; tool calls are never cut, their arguments must stay JSON."""
    if choice.tool_calls or choice.size() <= cap:
        return
    choice.reasoning = choice.reasoning[:cap]
    choice.tokens = choice.tokens[: cap - len(choice.reasoning)]
    choice.refusal = choice.refusal[: cap - len(choice.reasoning) - len(choice.tokens)]
    choice.finish_reason = "length"


def _reasoning(call: Call, ask: Ask, reply: Reply | None) -> Sequence[str]:
    """The reply's thoughts, or those of a reasoning model, unless they are switched off."""
    if ask.thinks is False:
        return []
    if reply is not None and reply.reasoning is not None:
        return tokenize(fill(reply.reasoning, ask))
    return tokenize(THOUGHTS) if ask.thinks or models.reasons(call, ask.model) else []
