"""What an insight finds in a conversation: a scripted reply, or a text or JSON that follows from what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from pydantic_core import from_json, to_json

from mock_server.base.errors import BadRequest
from mock_server.domains.insights.wire import InsightRow
from mock_server.engine.accounts import Account
from mock_server.engine.replies import TEXT, Reply, View, fill, fill_all
from mock_server.world import World

OPERATION = "insights.run"  # what reply rules match; `insights` matches it too
EXCERPT = 200  # characters of a message that a result repeats
Message = tuple[str, str | None, str | None]  # role, text, tool calls as JSON


@dataclass(frozen=True, slots=True)
class Said:
    """A conversation as insights see it."""

    messages: Sequence[Message]
    transcript: str  # a line a message: `user: Hello`
    metadata: Mapping[str, str]  # of the conversation

    @classmethod
    def of(cls, messages: Sequence[Message], metadata: Mapping[str, str]) -> "Said":
        lines = (f"{role}: {text or ''}{calls or ''}" for role, text, calls in messages)
        return cls(messages, "\n".join(lines), metadata)

    def last(self, role: str) -> str:
        """The start of the last words of a role, empty when it said nothing."""
        return next((text[:EXCERPT] for said, text, _ in reversed(self.messages) if said == role and text), "")


def find(world: World, account: Account, said: Said, insight: InsightRow) -> str:
    """The result as the API tells it: a text, or JSON as text when the template has a schema that something fits."""
    _, name, instructions, _, schema, _ = insight
    # The template's name stands where chat has the model's, so that a rule can be for one insight.
    view = View(operation=OPERATION, domain="insights", model=name, user_text=said.transcript)
    view.account, view.takes, view.metadata = account, TEXT, said.metadata
    try:
        chosen = world.replies.choose(view)
        scripted = _scripted(chosen.reply, view) if chosen else None
    except BadRequest as error:
        return error.detail  # runs begin by themselves, too, where there is nobody to refuse
    if scripted is not None:
        return scripted
    # Everything that was said and asked decides; nothing else does, so that the same talk gives the same result.
    key = blake2b(f"{name}\0{instructions}\0{schema}\0{said.transcript}".encode(), digest_size=8).hexdigest()
    wanted = _as_schema(schema)
    if wanted is not None:
        from mock_server.base.schema import SchemaError, instance

        words = _Words(said.last("user"), key)
        try:
            made = instance(wanted, lambda place: world.ids.draw("", key, place), words.about)
            return to_json(made, inf_nan_mode="null").decode()
        except SchemaError:
            pass  # an insight is made long before it is run: there is nobody to tell
    return f"{name}: {_summary(said)} [{key}]"


def _scripted(reply: Reply, view: View) -> str | None:
    if reply.has_json():
        return to_json(fill_all(reply.json_value, view), inf_nan_mode="null").decode()
    text = reply.first_text()
    return None if text is None else fill(text, view)


def _as_schema(kept: str | None) -> dict[str, Any] | None:
    """The schema to follow; one that was sent as a string counts when it holds a JSON object."""
    schema = None if kept is None else from_json(kept)
    if isinstance(schema, str):
        try:
            schema = from_json(schema)
        except ValueError:
            return None
    return schema if isinstance(schema, dict) and schema else None


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts for the properties of a result."""

    user_text: str
    key: str

    def about(self, name: str) -> str:
        subject = f"{name} [{self.key}]" if name else f"[{self.key}]"
        return f"{subject}: {self.user_text}" if self.user_text else subject


def _summary(said: Said) -> str:
    count = len(said.messages)
    users = sum(role == "user" for role, _, _ in said.messages)
    parts = [f"{count} {'message' if count == 1 else 'messages'}, {users} from the user."]
    for role in ("user", "assistant"):
        if last := said.last(role):
            parts.append(f'The {role} said last: "{last}".')
    return " ".join(parts)


def is_object(result: str) -> bool:
    """Whether a result is a JSON object, whose fields can be aggregated by."""
    if not result.startswith("{"):
        return False
    try:
        return isinstance(from_json(result), dict)
    except ValueError:
        return False
