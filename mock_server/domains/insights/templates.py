"""Insight templates: made, read, listed, changed, deleted. Runs in the router's transaction where it writes."""

from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from mock_server.base.errors import BadRequest, Invalid, Issue, NotFound
from mock_server.domains.insights import wire
from mock_server.domains.insights.tables import ASSIGNMENT, INSIGHT
from mock_server.domains.insights.wire import InsightRow
from mock_server.engine.paging import Page
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call

KIND = "insight"  # of ids and counters
ROW = INSIGHT.c
SHOWN = (ROW.id, ROW.name, ROW.instructions, ROW.webhook, ROW.json_schema, ROW.created_at)
SYNTHESISED_AT = 1_744_722_448_764  # milliseconds; the public spec's example instant

ID: BindParameter[str] = bindparam("id")
INSERT = Prepared(insert(INSIGHT))
GET = Prepared(mine(select(*SHOWN), INSIGHT).where(ROW.id == ID))
PAGE = Prepared(
    mine(select(*SHOWN), INSIGHT).order_by(ROW.n).limit(bindparam("size")).offset(bindparam("offset"))
)  # fmt: skip
UPDATE = Prepared(
    mine(update(INSIGHT), INSIGHT)
    .where(ROW.id == ID)
    .values({c: bindparam(f"new_{c.name}") for c in (ROW.name, ROW.instructions, ROW.webhook, ROW.json_schema)})
)
DELETE = Prepared(mine(delete(INSIGHT), INSIGHT).where(ROW.id == ID))
LEAVE_GROUPS = Prepared(mine(delete(ASSIGNMENT), ASSIGNMENT).where(ASSIGNMENT.c.insight == ID))


def create(call: Call, transaction: Connection, body: wire.InsightRequest) -> InsightRow:
    """A new template. Raises BadRequest."""
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    schema = _schema(call, body.json_schema)
    n = store.number(transaction, account, KIND)
    id = call.world.ids.uuid(account, KIND, n)
    store.run(
        INSERT, account=account, id=id, n=n, name=body.name, instructions=body.instructions, webhook=body.webhook,
        json_schema=schema, created_at=now,
    )  # fmt: skip
    return id, body.name, body.instructions, body.webhook, schema, now


def get(call: Call, id: str) -> InsightRow:
    """Raises NotFound, Invalid."""
    row: InsightRow | None = call.world.store.one(GET, account=call.account.id, id=uuid(call, "insight_id", id))
    return _synthesised(call, id) if row is None else row


def page(call: Call, page: Page) -> tuple[list[InsightRow], int]:
    """One page in the order of creation, and how many there are."""
    store, account = call.world.store, call.account.id
    return store.all(PAGE, account=account, size=page.size, offset=page.offset), store.total(account, KIND)


def change(call: Call, id: str, body: wire.InsightChanges) -> InsightRow:
    """Change what the body names. Raises NotFound, BadRequest, Invalid."""
    row = get(call, id)
    sent = body.model_fields_set
    name = body.name if "name" in sent else row[1]
    instructions = body.instructions if "instructions" in sent else row[2]
    webhook = body.webhook if "webhook" in sent else row[3]
    schema = _schema(call, body.json_schema) if "json_schema" in sent else row[4]
    call.world.store.run(
        UPDATE, account=call.account.id, id=row[0], new_name=name, new_instructions=instructions, new_webhook=webhook,
        new_json_schema=schema,
    )  # fmt: skip
    return row[0], name, instructions, webhook, schema, row[5]


def remove(call: Call, id: str) -> None:
    """Delete a template, out of its groups too; what it found stays. Raises NotFound, Invalid."""
    store, account = call.world.store, call.account.id
    id = get(call, id)[0]
    if store.run(DELETE, account=account, id=id):
        store.run(LEAVE_GROUPS, account=account, id=id)
        store.removed(account, KIND)


def _schema(call: Call, schema: str | dict[str, Any] | None) -> str | None:
    """The schema as it is kept. Raises BadRequest."""
    if schema is None:
        return None
    if isinstance(schema, dict) and call.quirk("open_json_schema_refused"):
        if schema.get("additionalProperties") is not False:
            raise BadRequest(
                "Invalid json_schema: 'additionalProperties' is required to be supplied and to be false.",
                source={"pointer": "/json_schema"},
            )
    return to_json(schema, inf_nan_mode="null").decode()


def _synthesised(call: Call, id: str) -> InsightRow:
    """What stands in for a template that is not there, the same each time. Raises NotFound unless told to make one."""
    if not call.quirk("unknown_ids_synthesised"):
        raise NotFound
    return id, "string", "string", "", None, SYNTHESISED_AT


UUIDS = TypeAdapter(UUID)


def uuid(call: Call, name: str, value: str, place: str = "path") -> str:
    """A parameter that the API declares as a UUID, spelled as ids are here. Raises Invalid."""
    try:
        return str(UUIDS.validate_python(value))
    except ValidationError as error:
        if call.quirk("unknown_ids_synthesised"):
            return value
        raise Invalid([Issue((place, name), e["msg"], e["type"]) for e in error.errors()]) from None
