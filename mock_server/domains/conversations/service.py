"""What conversations do: made, read, changed, deleted; messages added and read. Runs in the router's transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, literal, select, update

from mock_server.base.errors import NotFound
from mock_server.domains.conversations import wire
from mock_server.domains.conversations.tables import CONVERSATION, MESSAGE, METADATA, OUT_OF_ORDER
from mock_server.engine.paging import Page
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call

ROW, PAIR, SAID = CONVERSATION.c, METADATA.c, MESSAGE.c
SHOWN = (ROW.id, ROW.name, ROW.created_at, ROW.last_message_at, ROW.metadata)
SHOWN_MESSAGE = (SAID.role, SAID.text, SAID.tool_calls, SAID.created_at, SAID.sent_at, SAID.metadata)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST_HISTORY = 1000  # messages of a conversation that a model is shown
KIND = "conversation"  # of its ids and counters

ID: BindParameter[Any] = bindparam("id")
INSERT = Prepared(insert(CONVERSATION))
INSERT_PAIR = Prepared(insert(METADATA))
INSERT_MESSAGE = Prepared(insert(MESSAGE))
GET = Prepared(mine(select(*SHOWN), CONVERSATION).where(ROW.id == ID))
GET_WHOLE = Prepared(mine(select(*SHOWN, ROW.n, ROW.messages), CONVERSATION).where(ROW.id == ID))
UPDATE = Prepared(mine(update(CONVERSATION), CONVERSATION).where(ROW.id == ID).values(metadata=bindparam("pairs")))
DELETE = Prepared(mine(delete(CONVERSATION), CONVERSATION).where(ROW.id == ID))
DELETE_PAIR = Prepared(
    mine(delete(METADATA), METADATA).where(
        *(column == bindparam(column.name) for column in (PAIR.key, PAIR.value, PAIR.created_at, PAIR.n))
    )
)
DELETE_MESSAGES = Prepared(mine(delete(MESSAGE), MESSAGE).where(SAID.conversation == ID))
SPEAK = Prepared(
    mine(update(CONVERSATION), CONVERSATION).where(ROW.id == ID)
    .values(messages=bindparam("count"), last_message_at=bindparam("now"))
)  # fmt: skip
SPOKEN = mine(select(*SHOWN_MESSAGE), MESSAGE).where(SAID.conversation == ID).limit(bindparam("size"))
READ = Prepared(SPOKEN.order_by(SAID.created_at, SAID.n).offset(bindparam("offset")))
READ_BY_NUMBER = Prepared(SPOKEN.where(SAID.n > bindparam("offset")).order_by(SAID.n))
DISORDER = Prepared(insert(OUT_OF_ORDER).prefix_with("OR IGNORE"))
IS_DISORDERED = Prepared(mine(select(literal(1)), OUT_OF_ORDER).where(OUT_OF_ORDER.c.conversation == ID))
DELETE_DISORDER = Prepared(mine(delete(OUT_OF_ORDER), OUT_OF_ORDER).where(OUT_OF_ORDER.c.conversation == ID))


def create(call: Call, transaction: Connection, body: wire.CreateConversation) -> tuple[Any, ...]:
    """A new conversation, as `wire.conversation` takes it."""
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    n = store.number(transaction, account, KIND)
    id = call.world.ids.uuid(account, KIND, n)
    metadata = body.metadata or {}
    text = to_json(metadata).decode() if metadata else "{}"
    store.run(
        INSERT,
        account=account,
        id=id,
        n=n,
        name=body.name,
        created_at=now,
        last_message_at=now,
        metadata=text,
        messages=0,
    )
    if metadata:
        store.run_many(INSERT_PAIR, _pairs(account, metadata, now, n, id))
    return id, body.name, now, now, text


def get(call: Call, id: str) -> tuple[Any, ...]:
    """A conversation, as `wire.conversation` takes it. Raises NotFound."""
    row: tuple[Any, ...] | None = call.world.store.one(GET, account=call.account.id, id=id)
    return _synthesised(call, id) if row is None else row


def update_metadata(call: Call, id: str, body: wire.UpdateConversation) -> tuple[Any, ...]:
    """Replace the metadata, and give the conversation as it is then. Raises NotFound."""
    store, account = call.world.store, call.account.id
    row = store.one(GET_WHOLE, account=account, id=id)
    if row is None:
        found = _synthesised(call, id)
        return found if body.metadata is None else (*found[:4], to_json(body.metadata).decode())
    _, name, created_at, last_message_at, text, n, _ = row
    if body.metadata is not None:
        store.run_many(DELETE_PAIR, _pairs(account, from_json(text), created_at, n))
        text = to_json(body.metadata).decode()
        store.run(UPDATE, account=account, id=id, pairs=text)
        store.run_many(INSERT_PAIR, _pairs(account, body.metadata, created_at, n, id))
    return id, name, created_at, last_message_at, text


def remove(call: Call, id: str) -> None:
    """Delete a conversation with its messages. Raises NotFound."""
    store, account = call.world.store, call.account.id
    row = store.one(GET_WHOLE, account=account, id=id)
    if row is None:
        _synthesised(call, id)
        return
    _, _, created_at, _, text, n, _ = row
    store.run(DELETE, account=account, id=id)
    store.run_many(DELETE_PAIR, _pairs(account, from_json(text), created_at, n))
    store.run(DELETE_MESSAGES, account=account, id=id)
    store.run(DELETE_DISORDER, account=account, id=id)
    store.removed(account, KIND)


def add_message(call: Call, transaction: Connection, id: str, body: wire.AddMessage) -> None:
    """Add a message at the end. Raises NotFound."""
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    row = store.one(GET_WHOLE, account=account, id=id)
    if row is None:
        _synthesised(call, id)
        return
    _, _, _, last_message_at, _, _, count = row
    n = count + 1
    store.run(SPEAK, account=account, id=id, now=now, count=n)
    if now < last_message_at:
        store.run(DISORDER, account=account, conversation=id)
    calls = None if body.tool_calls is None else wire.called(body.tool_calls, lambda: _call_id(call, transaction))
    store.run(
        INSERT_MESSAGE,
        account=account,
        conversation=id,
        n=n,
        role=body.role,
        text=body.content or "",
        name=body.name,
        tool_call_id=body.tool_call_id,
        tool_calls=_json(calls),
        tool_choice=_json(body.tool_choice),
        metadata=_json(body.metadata),
        sent_at=now if body.sent_at is None else (body.sent_at - EPOCH) // timedelta(milliseconds=1),
        created_at=now,
    )
    if call.world.settings.insights_after is not None:
        from mock_server.domains.insights import silence

        silence.note(call, id)


def history(call: Call, id: str) -> tuple[dict[str, str], list[tuple[str, str, list[Any]]]]:
    """A conversation's metadata, and its latest messages, oldest first: role, text, tool calls. Raises NotFound."""
    metadata = from_json(get(call, id)[4])
    row = call.world.store.one(GET_WHOLE, account=call.account.id, id=id)
    there = 0 if row is None else row[6]
    rows = _read(call, id, MOST_HISTORY, max(there - MOST_HISTORY, 0))
    return metadata, [(role, text, from_json(calls) if calls else []) for role, text, calls, *_ in rows]


def append(call: Call, transaction: Connection, id: str, role: str, text: str, **more: Any) -> None:
    """Add a message that another room knows to be sound; `more` as in `wire.AddMessage`. Raises NotFound."""
    add_message(call, transaction, id, wire.AddMessage.model_construct(role=role, content=text, **more))


def messages(call: Call, id: str, page: Page) -> tuple[list[Any], int]:
    """One page of a conversation's messages, oldest first, as `wire.message` takes them, and how many there are."""
    store, account = call.world.store, call.account.id
    row = store.one(GET_WHOLE, account=account, id=id)
    if row is None:
        _synthesised(call, id)
        return [], 0
    return _read(call, id, page.size, page.offset), row[6]


def _read(call: Call, id: str, size: int, offset: int) -> list[Any]:
    """Messages in the order of time, which is that of their numbers unless the clock was set back."""
    store, account = call.world.store, call.account.id
    by_number = offset and store.one(IS_DISORDERED, account=account, id=id) is None
    return store.all(READ_BY_NUMBER if by_number else READ, account=account, id=id, size=size, offset=offset)


def _synthesised(call: Call, id: str) -> tuple[Any, ...]:
    """What stands in for a conversation that is not there, the same each time. Raises NotFound unless told to make one."""
    if not call.quirk("unknown_ids_synthesised"):
        raise NotFound
    made_at = 1_744_722_448_764 + int(call.world.ids.draw(call.account.id, KIND, id) * 86_400_000)
    return id, None, made_at, made_at, "{}"


def _pairs(
    account: str, metadata: Mapping[str, str], created_at: int, n: int, conversation: str | None = None
) -> list[dict[str, Any]]:
    return [
        {"account": account, "key": key, "value": value, "created_at": created_at, "n": n, "conversation": conversation}
        for key, value in metadata.items()
    ]


def _call_id(call: Call, transaction: Connection) -> str:
    n = call.world.store.number(transaction, call.account.id, "tool call of a message")
    return "call_" + call.world.ids.hex(call.account.id, "tool call of a message", n)[:24]


def _json(value: Any) -> str | None:
    return None if value is None else to_json(value).decode()
