"""Embedding tasks: begun, worked off beside the requests, read. A status is the later of the plan's and the work's."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from mock_server.base import plan as plans
from mock_server.base.clock import EARLIEST, iso_ms
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.jobs import EMBEDDING
from mock_server.base.plan import Plan
from mock_server.domains.buckets import service as buckets
from mock_server.domains.embeddings import crawl, tracking
from mock_server.domains.embeddings.tables import TASK
from mock_server.engine.accounts import Account
from mock_server.engine.plans import ROUNDING
from mock_server.engine.store import Prepared, mine
from mock_server.world import World

ENDS = EMBEDDING.ends
PATIENCE = 1.0  # seconds of the machine's time that a read waits for work that may be short

ROW = TASK.c
ID: Any = bindparam("id")
SHOWN = (ROW.id, ROW.name, ROW.bucket, ROW.url, ROW.plan, ROW.polls, ROW.outcome, ROW.created_at, ROW.done_at)
INSERT = Prepared(insert(TASK))
GET = Prepared(mine(select(*SHOWN), TASK).where(ROW.id == ID))
ALL = Prepared(mine(select(*SHOWN), TASK).order_by(ROW.n.desc()))
READ = Prepared(mine(update(TASK), TASK).where(ROW.id == ID).values(polls=ROW.polls + 1))
DONE = Prepared(
    mine(update(TASK), TASK).where(ROW.id == ID).values(outcome=bindparam("result"), done_at=bindparam("now"))
)


class Task(NamedTuple):
    id: str
    name: str
    bucket: str
    url: str
    plan: str
    polls: int
    outcome: str | None
    created_at: int
    done_at: int | None


def write(world: World, account: Account, transaction: Any, bucket: str, url: str, plan: Plan) -> Task:
    """A new task, in the open transaction."""
    store = world.store
    n = store.number(transaction, account.id, "embedding task")
    id = world.ids.uuid(account.id, "embedding task", n)
    task = Task(id, f"embed_{bucket}", bucket, url, plan.dump(), 0, None, buckets.milliseconds(account), None)
    store.run(INSERT, account=account.id, n=n, **task._asdict())
    return task


def start(world: World, account: Account, task: Task) -> None:
    """Work a task off beside the requests, unless that is under way."""
    begin(world, account, f"task {task.id}", partial(_work, world, account, task.id))


def begin(world: World, account: Account, name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` beside the requests, unless work of that name is under way."""
    key = (account.id, name)
    if key in world.vectors.working:
        return
    done = world.vectors.working[key] = asyncio.Event()

    async def run() -> None:
        try:
            await work()
        except tracking.Forgotten:
            pass
        finally:
            done.set()
            if world.vectors.working.get(key) is done:
                del world.vectors.working[key]

    world.outbox.add(account, EARLIEST, run, f"embedding {name}")


async def patience(world: World, account: Account, name: str) -> None:
    """Wait a little for work of that name: most of it is done before anyone asks."""
    done = world.vectors.working.get((account.id, name))
    if done is not None:
        await world.clock.wait(done, PATIENCE)


async def read(world: World, account: Account, id: str) -> Task:
    """A task, which counts as a read of it. Raises NotFound."""
    row = world.store.one(GET, account=account.id, id=id.lower())
    if row is None:
        raise NotFound
    task = await _settled(world, account, Task(*row))
    course = plans.parse(task.plan)
    if course.by_poll and course.status(0, task.polls) not in ENDS:
        with world.store.transaction():
            world.store.run(READ, account=account.id, id=task.id)
        task = task._replace(polls=task.polls + 1)
    return task


async def everything(world: World, account: Account) -> list[Task]:
    """Every task, the newest first."""
    found, patient = [], True
    for row in world.store.all(ALL, account=account.id):
        found.append(await _settled(world, account, Task(*row), patient))
        patient = patient and found[-1].outcome is not None
    return found


async def _settled(world: World, account: Account, task: Task, patient: bool = True) -> Task:
    """The task as it is once work that may be short had its time. Work that a stop of the server cut off begins again."""
    if task.outcome is not None:
        return task
    start(world, account, task)
    if patient:
        await patience(world, account, f"task {task.id}")
    row = world.store.one(GET, account=account.id, id=task.id)
    return task if row is None else Task(*row)


def status(world: World, account: Account, task: Task) -> str:
    """The later of plan and work: what the work came to, unless the plan names another end than success."""
    planned = plans.parse(task.plan).status(
        account.timeline.now() - task.created_at / 1000 + ROUNDING, task.polls
    )  # fmt: skip
    if planned not in ENDS:
        return planned
    if task.outcome is None:
        return "processing"
    return task.outcome if planned == "success" else planned


def is_over(world: World, account: Account, id: str) -> bool:
    """Whether a task has come to an end; one that is not there any more has."""
    row = world.store.one(GET, account=account.id, id=id)
    return row is None or status(world, account, Task(*row)) in ENDS


def finished_at(task: Task) -> str:
    planned = task.created_at + math.ceil(plans.parse(task.plan).ends_at() * 1000)
    return iso_ms(max(planned, task.done_at or 0))


async def _work(world: World, account: Account, id: str) -> None:
    row = world.store.one(GET, account=account.id, id=id)
    if row is None or row[6] is not None:
        return
    task = Task(*row)
    try:
        keys = await _fetched(world, account, task) if task.url else None
        outcome = "failure"
        if keys != []:
            await tracking.sync(world, account, task.bucket, again=True)
            outcome = _outcome(world, account, task.bucket, keys)
    except Exception:  # a stop of the server is none: then the work begins again
        _done(world, account, id, "failure")
        raise
    _done(world, account, id, outcome)


def _done(world: World, account: Account, id: str, outcome: str) -> None:
    with world.store.transaction():
        world.store.run(DONE, account=account.id, id=id, result=outcome, now=buckets.milliseconds(account))


async def _fetched(world: World, account: Account, task: Task) -> list[str]:
    """Put the pages of a task's site into its bucket. Their keys; none when the reason stands in the bucket's files."""
    keys: list[str] = []
    try:
        site = await crawl.site(world, account, task.url)
        for url, reason in site.missing.items():
            tracking.note_failure(world, account, task.bucket, url, reason)
        for page in site.pages:
            await world.clock.turn()
            try:
                buckets.put_object(world, account, task.bucket, page.key, page.body, page.content_type)
            except BadRequest:
                continue  # an address too long for a key
            keys.append(page.key)
    except (crawl.Unreachable, NotFound) as error:
        tracking.note_failure(world, account, task.bucket, task.url, str(error))
    return keys


def _outcome(world: World, account: Account, bucket: str, keys: list[str] | None) -> str:
    """What became of the files: of those named, or all."""
    rows = world.store.all(tracking.FILES, account=account.id, bucket=bucket)
    found = {row[3] for row in rows if row[2] and (keys is None or row[0] in keys)}
    return "partial_success" if len(found) > 1 else "failure" if found == {"failure"} else "success"
