"""Runs of insight groups over conversations: begun, read, and told to webhooks once they have come to their end.

A run keeps its plan; its status is the plan's at its age. Used by requests, by the admin API and by the outbox.
"""

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert, select, update

from mock_server.base import plan as plans
from mock_server.base.clock import iso_ms
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.jobs import INSIGHTS
from mock_server.base.plan import Plan
from mock_server.domains.conversations.tables import CONVERSATION, MESSAGE
from mock_server.domains.insights import groups, results
from mock_server.domains.insights.events import Found, Run, events_of
from mock_server.domains.insights.tables import RESULT, RUN
from mock_server.domains.insights.wire import GroupRow
from mock_server.engine.accounts import Account
from mock_server.engine.paging import DEFAULT_SIZE, Page
from mock_server.engine.plans import ROUNDING
from mock_server.engine.store import Prepared, mine
from mock_server.world import World

ENDS = INSIGHTS.ends
MOST = 1000  # runs in one answer of a list that was not asked for a page

TALK, ROW, FOUND = CONVERSATION.c, RUN.c, RESULT.c
ID: BindParameter[str] = bindparam("id")
TALK_ID: BindParameter[str] = bindparam("conversation")
TALKED = Prepared(mine(select(TALK.messages, TALK.metadata), CONVERSATION).where(TALK.id == TALK_ID))
SAID = Prepared(
    mine(select(MESSAGE.c.role, MESSAGE.c.text, MESSAGE.c.tool_calls), MESSAGE)
    .where(MESSAGE.c.conversation == TALK_ID)
    .order_by(MESSAGE.c.created_at, MESSAGE.c.n)
)
INSERT = Prepared(insert(RUN))
INSERT_RESULT = Prepared(insert(RESULT))
SHOWN = (ROW.id, ROW.plan, ROW.polls, ROW.created_at, ROW.insight_group, ROW.told)
PAGE = Prepared(
    mine(select(*SHOWN), RUN)
    .where(ROW.conversation == TALK_ID)
    .order_by(ROW.n.desc())
    .limit(bindparam("size"))
    .offset(bindparam("offset"))
)
LAST = Prepared(mine(select(ROW.messages), RUN).where(ROW.conversation == TALK_ID).order_by(ROW.n.desc()).limit(1))
GET = Prepared(mine(select(*SHOWN, ROW.conversation, ROW.group_name, ROW.group_webhook), RUN).where(ROW.id == ID))
RESULTS = Prepared(
    mine(select(FOUND.insight, FOUND.insight_name, FOUND.instructions, FOUND.webhook, FOUND.result), RESULT)
    .where(FOUND.run == ID)
    .order_by(FOUND.n)
)
READ = Prepared(mine(update(RUN), RUN).where(ROW.id == ID).values(polls=ROW.polls + 1))
TELL = Prepared(
    mine(update(RUN), RUN).where(ROW.id == ID, ROW.told == bindparam("before")).values(told=bindparam("after"))
)
COMPLETE = Prepared(
    mine(update(RESULT), RESULT)
    .where(FOUND.run == ID, FOUND.completed_at.is_(None))
    .values(completed_at=bindparam("now"))
)


def begin(
    world: World, account: Account, conversation: str, group: str | None = None, plan: str | None = None
) -> list[dict[str, Any]]:
    """Run a group over a conversation, or every group that has templates. The runs as the API tells them.

    Raises NotFound when the conversation or the group is not the account's, and BadRequest for a plan that cannot be.
    """
    course = _plan(plan) if plan else world.plans.of(account.id, INSIGHTS)
    store, now = world.store, _now(account)
    with store.transaction() as transaction:
        talk = store.one(TALKED, account=account.id, conversation=conversation)
        if talk is None:
            raise NotFound
        said = results.Said.of(store.all(SAID, account=account.id, conversation=conversation), json.loads(talk[1]))
        ids = [
            _insert(world, transaction, account, conversation, row, course, said, now)
            for row in _groups(world, account.id, group)
        ]
        told = [_told(world, account, store.one(GET, account=account.id, id=id)) for id in ids]
    if not course.by_poll:
        for id in ids:
            world.outbox.add(
                account, now / 1000 + course.ends_at(), partial(tell, world, account, id), f"insight run {id}"
            )
    return told


def page(world: World, account: Account, conversation: str, asked: Page | None) -> dict[str, Any]:
    """The runs over a conversation as the API lists them, newest first. Counts as a read. Raises NotFound."""
    store = world.store
    with store.transaction():
        if store.one(TALKED, account=account.id, conversation=conversation) is None:
            if not world.quirks["unknown_ids_synthesised"]:
                raise NotFound
        total = store.total(account.id, _kind(conversation))
        page = asked or Page(1, min(max(total, DEFAULT_SIZE), MOST))
        rows = store.all(PAGE, account=account.id, conversation=conversation, size=page.size, offset=page.offset)
        data = [_told(world, account, _read(world, account, row)) for row in rows]
    if not world.quirks["insights_name_their_group"]:
        for run in data:
            del run["insight_group_id"]
    return {"data": data, "meta": page.meta(total)}


def messages_seen(world: World, account: Account, conversation: str) -> int:
    """How many messages the last run over a conversation saw; -1 when there was none."""
    row = world.store.one(LAST, account=account.id, conversation=conversation)
    return -1 if row is None else int(row[0])


async def tell(world: World, account: Account, id: str) -> None:
    """Post a run that has come to its end to the webhooks of its group and of its templates, once."""
    store = world.store
    with store.transaction():
        if not store.run(TELL, account=account.id, id=id, before=False, after=True):
            return
        row = store.one(GET, account=account.id, id=id)
        talk = store.one(TALKED, account=account.id, conversation=row[6])
        if talk is None:
            return  # deleted meanwhile
        plan, conversation = plans.parse(row[1]), row[6]
        found = [Found(*one) for one in store.all(RESULTS, account=account.id, id=id)]
    run = Run(id, conversation, row[4], row[7], row[8], plan.steps[-1][0], talk[1], found)
    for url, event in events_of(world, account, run):
        world.webhooks.post(account, url, event)


def _plan(text: str) -> Plan:
    """Raises BadRequest."""
    try:
        return INSIGHTS.read(text)
    except ValueError as error:
        raise BadRequest(f"plan: {error}.", source={"pointer": "/plan"}) from None


def _groups(world: World, account: str, id: str | None) -> Sequence[GroupRow]:
    if id is None:
        rows: list[GroupRow] = world.store.all(groups.ALL, account=account)
        return [row for row in rows if groups.members_of(world.store, account, row[0])]
    row = world.store.one(groups.GET, account=account, id=id.lower())
    if row is None:
        raise NotFound("There is no insight group with this id.")
    return [row]


def _insert(
    world: World,
    transaction: Connection,
    account: Account,
    conversation: str,
    group: GroupRow,
    plan: Plan,
    said: results.Said,
    now: int,
) -> str:
    """A new run, with what it will have found. Its id."""
    store = world.store
    group_id, group_name, _, group_webhook, _ = group
    n = store.number(transaction, account.id, _kind(conversation))
    id = world.ids.uuid(account.id, "insight_run", f"{conversation} {n}")
    store.run(
        INSERT, account=account.id, id=id, n=n, conversation=conversation, insight_group=group_id, group_name=group_name,
        group_webhook=group_webhook, plan=plan.dump(), polls=0, messages=len(said.messages), told=False, created_at=now,
    )  # fmt: skip
    if plan.steps[-1][0] == "failed":
        return id
    completed_at = None if plan.by_poll else now + math.ceil(plan.ends_at() * 1000)
    for place, insight in enumerate(groups.members_of(store, account.id, group_id), 1):
        result = results.find(world, account, said, insight)
        store.run(
            INSERT_RESULT, account=account.id, run=id, n=place, conversation=conversation, insight=insight[0],
            insight_name=insight[1], instructions=insight[2], webhook=insight[3], result=result,
            fields=result if results.is_object(result) else None, created_at=now, completed_at=completed_at,
        )  # fmt: skip
    return id


def _read(world: World, account: Account, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row after one more read of it. What has come to its end is told, should nobody have done so yet."""
    id, plan, polls, created_at, group, told = row
    course = plans.parse(plan)
    if course.by_poll and course.status(0, polls) not in ENDS:
        polls += 1
        world.store.run(READ, account=account.id, id=id)
        if course.status(0, polls) == "completed":
            world.store.run(COMPLETE, account=account.id, id=id, now=_now(account))
    if not told and _status(course, account, created_at, polls) in ENDS:
        world.outbox.add(account, account.timeline.now(), partial(tell, world, account, id), f"insight run {id}")
    return id, plan, polls, created_at, group, told


def _status(plan: Plan, account: Account, created_at: int, polls: int) -> str:
    return plan.status(account.timeline.now() - created_at / 1000 + ROUNDING, polls)


def _told(world: World, account: Account, row: tuple[Any, ...]) -> dict[str, Any]:
    """A run as the API tells it: results only once it is completed."""
    id, plan, polls, created_at, group = row[:5]
    status = _status(plans.parse(plan), account, created_at, polls)
    found = world.store.all(RESULTS, account=account.id, id=id) if status == "completed" else []
    return {
        "id": id,
        "status": status,
        "created_at": iso_ms(created_at),
        "insight_group_id": group,
        "conversation_insights": [{"insight_id": insight, "result": result} for insight, *_, result in found],
    }


def _kind(conversation: str) -> str:
    """The counter of a conversation's runs."""
    return f"insight_run {conversation}"


def _now(account: Account) -> int:
    return round(account.timeline.now() * 1e6) // 1000  # as Call.milliseconds
