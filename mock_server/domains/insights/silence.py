"""Insights that run by themselves: after --insights-after seconds without a message, by the account's clock."""

from functools import partial

from sqlalchemy import bindparam, select

from mock_server.domains.conversations.tables import CONVERSATION
from mock_server.domains.insights import runs
from mock_server.engine.accounts import Account
from mock_server.engine.plans import ROUNDING
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call, World

TALK = CONVERSATION.c
LAST = Prepared(mine(select(TALK.messages, TALK.last_message_at), CONVERSATION).where(TALK.id == bindparam("id")))


def note(call: Call, conversation: str) -> None:
    """Somebody spoke: look after the time of silence whether anybody has spoken since."""
    _look_later(call.world, call.account, conversation, call.now())


def _look_later(world: World, account: Account, conversation: str, spoken_at: float) -> None:
    assert world.settings.insights_after is not None
    due = spoken_at + world.settings.insights_after
    world.outbox.add(account, due, partial(_look, world, account, conversation), f"silence {conversation}")


async def _look(world: World, account: Account, conversation: str) -> None:
    world.create_tables()  # the room may not have been entered by a request
    row = world.store.one(LAST, account=account.id, id=conversation)
    if row is None:
        return  # deleted meanwhile
    messages, spoken_at = row[0], row[1] / 1000
    if messages == runs.messages_seen(world, account, conversation):
        return
    assert world.settings.insights_after is not None
    if account.timeline.now() + ROUNDING < spoken_at + world.settings.insights_after:
        _look_later(world, account, conversation, spoken_at)
    else:
        runs.begin(world, account, conversation)
