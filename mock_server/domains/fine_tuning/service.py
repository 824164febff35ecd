"""What fine-tuning jobs do: made, read, listed, cancelled; and the models of those that have succeeded."""

import re
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from mock_server.base import plan as plans
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.jobs import FINE_TUNING
from mock_server.base.plan import Plan
from mock_server.domains.buckets import service as buckets
from mock_server.domains.buckets.service import Object
from mock_server.domains.fine_tuning import training
from mock_server.domains.fine_tuning.tables import JOB
from mock_server.domains.fine_tuning.wire import CreateJob
from mock_server.engine.paging import Page
from mock_server.engine.plans import ROUNDING
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call

ENDS = FINE_TUNING.ends
KIND = "fine_tuning_job"
ORGANIZATION = "organization"
NAMED = 64  # characters of a base model's or suffix's name that go into the new one's
PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
MOST = 1_000_000_000  # jobs in a list that was not asked for a page

ROW = JOB.c
SHOWN = (
    ROW.id, ROW.model, ROW.training_file, ROW.n_epochs, ROW.plan, ROW.polls, ROW.tokens, ROW.created_at, ROW.cancelled,
    ROW.ended_at,
)  # fmt: skip
OF_ID = ROW.id == bindparam("id")
INSERT = Prepared(insert(JOB))
GET = Prepared(mine(select(*SHOWN), JOB).where(OF_ID))
PAGE = Prepared(mine(select(*SHOWN), JOB).order_by(ROW.n.desc()).limit(bindparam("size")).offset(bindparam("offset")))
READ = Prepared(mine(update(JOB), JOB).where(OF_ID).values(polls=ROW.polls + 1))
END = Prepared(mine(update(JOB), JOB).where(OF_ID).values(ended_at=bindparam("now"), cancelled=bindparam("by_hand")))

Row = tuple[Any, ...]


def create(call: Call, transaction: Connection, body: CreateJob, tokens: int | None, course: Plan) -> dict[str, Any]:
    """A new job, as it is in its first moment. With `tokens` None its file cannot be trained on, and it fails."""
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    n = store.number(transaction, account, KIND)
    if tokens is None:
        *before, (_, at) = course.steps
        course = Plan((*before, ("failed", at)), course.by_poll)
    parts = ("ft", body.model.rpartition("/")[2], body.suffix or "", call.world.ids.hex(account, KIND, n)[:8])
    n_epochs = body.hyperparameters.n_epochs if body.hyperparameters else 3
    id = ":".join(PLAIN.sub("-", part)[:NAMED] for part in parts)
    row = {
        "id": id, "model": body.model, "training_file": body.training_file, "n_epochs": n_epochs, "plan": course.dump(),
        "polls": 0, "tokens": (tokens or 0) * n_epochs, "created_at": now, "cancelled": False, "ended_at": None,
    }  # fmt: skip
    store.run(INSERT, account=account, n=n, **row)
    return _told(call, tuple(row.values()), course.steps[0][0])


def get(call: Call, id: str) -> dict[str, Any]:
    """A job; counts as a read. Raises NotFound."""
    row = call.world.store.one(GET, account=call.account.id, id=id)
    if row is None:
        return _synthesised(call, id)
    return _told(call, _read(call, row))


def page(call: Call, asked: Page | None) -> tuple[list[dict[str, Any]], int]:
    """Jobs, newest first, and how many there are. Counts as a read of each."""
    page = asked or Page(1, MOST)
    rows = call.world.store.all(PAGE, account=call.account.id, size=page.size, offset=page.offset)
    return [_told(call, _read(call, row)) for row in rows], call.world.store.total(call.account.id, KIND)


def cancel(call: Call, id: str) -> dict[str, Any]:
    """Cancel a job; one that has ended stays as it is. Raises NotFound."""
    row = call.world.store.one(GET, account=call.account.id, id=id)
    if row is None:
        return _synthesised(call, id)
    if _status(call, row) not in ENDS:
        now = call.milliseconds()
        call.world.store.run(END, account=call.account.id, id=id, now=now, by_hand=True)
        row = (*row[:8], True, now)
    return _told(call, row)


def models(call: Call) -> list[tuple[str, str, int]]:
    """(id, base model, finished at in Unix seconds) of every model whose job has succeeded, newest first."""
    rows = call.world.store.all(PAGE, account=call.account.id, size=MOST, offset=0)
    return [(row[0], row[1], _finished_at(row) // 1000) for row in rows if _status(call, row) == "succeeded"]


def organization(call: Call) -> str:
    """The id of the account's organisation."""
    return call.world.ids.uuid(call.account.id, ORGANIZATION, 1)


def _read(call: Call, row: Row) -> Row:
    """The row after one more read of it."""
    id, plan, polls, ended_at = row[0], plans.parse(row[4]), row[5], row[9]
    if not plan.by_poll or ended_at is not None:
        return row
    store, account = call.world.store, call.account.id
    polls += 1
    store.run(READ, account=account, id=id)
    if plan.status(0, polls) in ENDS:
        ended_at = call.milliseconds()
        store.run(END, account=account, id=id, now=ended_at, by_hand=False)
    return (*row[:5], polls, *row[6:9], ended_at)


def _status(call: Call, row: Row) -> str:
    if row[8]:
        return "cancelled"
    return plans.parse(row[4]).status(call.now() - row[7] / 1000 + ROUNDING, row[5])


def _finished_at(row: Row) -> int:
    """When a job that has ended did so, in milliseconds."""
    ended_at: int | None = row[9]
    return ended_at if ended_at is not None else int(row[7]) + round(plans.parse(row[4]).ends_at() * 1000)


def _told(call: Call, row: Row, status: str | None = None) -> dict[str, Any]:
    """A job as the API tells it."""
    status = status or _status(call, row)
    return {
        "id": row[0],
        "created_at": row[7] // 1000,
        "finished_at": _finished_at(row) // 1000 if status in ENDS else None,
        "hyperparameters": {"n_epochs": row[3]},
        "model": row[1],
        "organization_id": organization(call),
        "status": status,
        "trained_tokens": row[6] if status == "succeeded" else None,
        "training_file": row[2],
    }


def _synthesised(call: Call, id: str) -> dict[str, Any]:
    """What stands in for a job that is not there. Raises NotFound unless told to make one."""
    if not call.quirk("unknown_ids_synthesised"):
        raise NotFound
    row = (
        id,
        "openai/gpt-4o",
        "training-data.jsonl",
        3,
        FINE_TUNING.usual.dump(),
        0,
        3000,
        1_744_722_448_000,
        False,
        None,
    )
    return _told(call, row)


async def tokens_of(call: Call, name: str) -> int | None:
    """Tokens of the training file of this name, counted beside the loop; None where it cannot be trained on.

    Raises BadRequest where it is unknown and that is refused.
    """
    files = _find(call, name)
    if files is None:
        if call.quirk("unknown_training_file_refused"):
            raise BadRequest("The training file is in none of your buckets.", source={"pointer": "/training_file"})
        return 0
    opened = [(file.key, partial(buckets.chunks, call.world, call.account, file)) for file in files]
    try:
        return await call.world.worker.run(training.count, opened, of=call.account.id)
    except (OSError, NotFound):  # deleted meanwhile
        return None


def _find(call: Call, name: str) -> list[Object] | None:
    """`bucket/key`, a key of any of the account's buckets, or a bucket with all in it; None where there is no such thing."""
    world, account = call.world, call.account
    bucket, _, key = name.partition("/")
    tried = [(bucket, key)] if key else []
    tried += [(found, name) for found, _ in buckets.buckets(world, account)]
    for place, wanted in tried:
        try:
            return [buckets.get_object(world, account, place, wanted)]
        except NotFound:
            continue
    return buckets.list_objects(world, account, name) if buckets.exists(world, account, name) else None
