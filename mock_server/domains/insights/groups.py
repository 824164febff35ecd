"""Groups of insight templates: made, read, listed, changed, deleted; templates assigned and taken out."""

from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from mock_server.base.errors import BadRequest, NotFound
from mock_server.domains.insights import templates, wire
from mock_server.domains.insights.tables import ASSIGNMENT, GROUP, INSIGHT
from mock_server.domains.insights.wire import GroupRow, InsightRow
from mock_server.engine.paging import Page
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call

KIND = "insight_group"  # of ids and counters
ROW, LINK = GROUP.c, ASSIGNMENT.c
SHOWN = (ROW.id, ROW.name, ROW.description, ROW.webhook, ROW.created_at)

ID: BindParameter[str] = bindparam("id")
INSERT = Prepared(insert(GROUP))
GET = Prepared(mine(select(*SHOWN), GROUP).where(ROW.id == ID))
PAGE = Prepared(mine(select(*SHOWN), GROUP).order_by(ROW.n).limit(bindparam("size")).offset(bindparam("offset")))
ALL = Prepared(mine(select(*SHOWN), GROUP).order_by(ROW.n))
UPDATE = Prepared(
    mine(update(GROUP), GROUP)
    .where(ROW.id == ID)
    .values({c: bindparam(f"new_{c.name}") for c in (ROW.name, ROW.description, ROW.webhook)})
)
DELETE = Prepared(mine(delete(GROUP), GROUP).where(ROW.id == ID))
EMPTY = Prepared(mine(delete(ASSIGNMENT), ASSIGNMENT).where(LINK.insight_group == ID))
ASSIGN = Prepared(insert(ASSIGNMENT))
ASSIGNED = Prepared(
    mine(select(LINK.n), ASSIGNMENT).where(LINK.insight_group == ID, LINK.insight == bindparam("insight"))
)
UNASSIGN = Prepared(
    mine(delete(ASSIGNMENT), ASSIGNMENT).where(LINK.insight_group == ID, LINK.insight == bindparam("insight"))
)
MEMBERS = Prepared(
    mine(select(LINK.insight_group, *templates.SHOWN), ASSIGNMENT)
    .join(INSIGHT, (INSIGHT.c.account == LINK.account) & (INSIGHT.c.id == LINK.insight))
    .where(LINK.insight_group == ID)
    .order_by(LINK.n)
)


def create(call: Call, transaction: Connection, body: wire.GroupRequest) -> GroupRow:
    """A new group, with nothing in it."""
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    n = store.number(transaction, account, KIND)
    id = call.world.ids.uuid(account, KIND, n)
    store.run(
        INSERT, account=account, id=id, n=n, name=body.name, description=body.description, webhook=body.webhook,
        created_at=now,
    )  # fmt: skip
    return id, body.name, body.description, body.webhook, now


def get(call: Call, id: str) -> GroupRow:
    """Raises NotFound, Invalid."""
    row: GroupRow | None = call.world.store.one(GET, account=call.account.id, id=templates.uuid(call, "group_id", id))
    return _synthesised(call, id) if row is None else row


def members(call: Call, id: str) -> list[InsightRow]:
    """The templates in a group, in the order in which they were assigned."""
    return members_of(call.world.store, call.account.id, id)


def members_of(store: Any, account: str, id: str) -> list[InsightRow]:
    return [row[1:] for row in store.all(MEMBERS, account=account, id=id)]


def page(call: Call, page: Page) -> tuple[list[GroupRow], int]:
    """One page in the order of creation, and how many there are."""
    store, account = call.world.store, call.account.id
    return store.all(PAGE, account=account, size=page.size, offset=page.offset), store.total(account, KIND)


def change(call: Call, id: str, body: wire.GroupChanges) -> GroupRow:
    """Change what the body names. Raises NotFound, Invalid."""
    row = get(call, id)
    sent = body.model_fields_set
    name = body.name if "name" in sent else row[1]
    description = body.description if "description" in sent else row[2]
    webhook = body.webhook if "webhook" in sent else row[3]
    call.world.store.run(
        UPDATE, account=call.account.id, id=row[0], new_name=name, new_description=description, new_webhook=webhook
    )
    return row[0], name, description, webhook, row[4]


def remove(call: Call, id: str) -> None:
    """Delete a group; its templates and what they found stay. Raises NotFound, Invalid."""
    store, account = call.world.store, call.account.id
    id = get(call, id)[0]
    if store.run(DELETE, account=account, id=id):
        store.run(EMPTY, account=account, id=id)
        store.removed(account, KIND)


def assign(call: Call, transaction: Connection, id: str, insight_id: str) -> None:
    """Put a template into a group; doing it again changes nothing. Raises NotFound, BadRequest, Invalid."""
    store, account = call.world.store, call.account.id
    link = {"account": account, "id": get(call, id)[0], "insight": templates.get(call, insight_id)[0]}
    if store.one(ASSIGNED, **link) is not None:
        if call.quirk("reassign_refused"):
            raise BadRequest("The insight is already assigned to this group.")
        return
    n = store.number(transaction, account, "insight_assignment")
    store.run(ASSIGN, account=account, insight_group=link["id"], insight=link["insight"], n=n)


def unassign(call: Call, id: str, insight_id: str) -> None:
    """Take a template out of a group. Raises NotFound, also when it is not in there, and Invalid."""
    id, insight_id = get(call, id)[0], templates.get(call, insight_id)[0]
    if not call.world.store.run(UNASSIGN, account=call.account.id, id=id, insight=insight_id):
        if not call.quirk("unknown_ids_synthesised"):
            raise NotFound


def _synthesised(call: Call, id: str) -> GroupRow:
    """What stands in for a group that is not there, the same each time. Raises NotFound unless told to make one."""
    if not call.quirk("unknown_ids_synthesised"):
        raise NotFound
    return id, "string", "string", "", templates.SYNTHESISED_AT
