"""What embeddings do: make a bucket searchable, say how that stands, find the chunks nearest to a text, undo it."""

from functools import partial
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, quote

from pydantic_core import from_json
from sqlalchemy import bindparam, delete, insert, select

from mock_server.base.clock import iso_ms
from mock_server.base.embedding import embed
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.jobs import EMBEDDING
from mock_server.domains.buckets import service as buckets
from mock_server.domains.embeddings import chunks, links, tasks, tracking
from mock_server.domains.embeddings.tables import BUCKET, CHUNK, FILE
from mock_server.domains.embeddings.wire import EmbedRequest, EmbedUrlRequest
from mock_server.engine.accounts import Account
from mock_server.engine.loaders import Unreadable
from mock_server.engine.store import Prepared, mine
from mock_server.engine.vectors import Found, merged
from mock_server.world import Call, World

SHIPPED = frozenset({"my-bucket"})  # what counts as embedded for every account
USUAL = tracking.How(1024, 512, "thenlper/gte-large", "default")
SOURCE = "https://us-central-1.telnyxstorage.com/"
SYNTHESISED_AT = 1_744_722_448_000  # ms since the epoch: a stand-in is the same each time
MOST_FOUND = 1000
LONG_QUERY = 2000  # characters
MOST_TASKS = 1000  # in one answer of a list that was not asked for a page

ROW, PIECE, NAMED = BUCKET.c, CHUNK.c, FILE.c
FIND = Prepared(mine(select(ROW.disabled, ROW.task, ROW.model), BUCKET).where(ROW.bucket == bindparam("bucket")))
ALL = Prepared(mine(select(ROW.bucket, ROW.disabled), BUCKET))
PUT = Prepared(insert(BUCKET).prefix_with("OR REPLACE"))
DROP = Prepared(mine(delete(BUCKET), BUCKET).where(ROW.bucket == bindparam("bucket")))
FILES = Prepared(
    mine(
        select(
            NAMED.filename, NAMED.status, NAMED.error_reason, NAMED.created_at, NAMED.updated_at, NAMED.last_embedded_at
        ),
        FILE,
    )
    .where(NAMED.bucket == bindparam("bucket"))
    .order_by(NAMED.filename)
)
TEXT = Prepared(
    mine(select(PIECE.text, PIECE.metadata_), CHUNK).where(
        PIECE.document == bindparam("document"), PIECE.n == bindparam("n")
    )
)
OF_DOCUMENT = Prepared(
    mine(select(NAMED.filename, NAMED.checksum), FILE).where(NAMED.document == bindparam("document"))
)


def create(call: Call, request: EmbedRequest) -> dict[str, Any]:
    """Begin to embed a bucket's objects. The task as the API tells it. Raises BadRequest and NotFound."""
    size, overlap = request.document_chunk_size, request.document_chunk_overlap_size
    if overlap >= size:
        if "document_chunk_overlap_size" in request.model_fields_set and not call.quirk("requests_mended"):
            raise BadRequest(
                f"document_chunk_overlap_size ({overlap}) must be smaller than document_chunk_size ({size}).",
                source={"pointer": "/document_chunk_overlap_size"},
            )
        overlap = size // 2  # as the defaults stand to each other
    how = tracking.How(size, overlap, request.embedding_model, request.loader)
    return _create(call, request.bucket_name, "", how)


def create_from_url(call: Call, request: EmbedUrlRequest) -> dict[str, Any]:
    """Begin to load a web site into a bucket and embed it. The task as the API tells it. Raises BadRequest and NotFound."""
    if not links.is_web(request.url) and not call.quirk("requests_mended"):
        raise BadRequest("url is not an http or https URL.", source={"pointer": "/url"})
    row = call.world.store.one(tracking.HOW, account=call.account.id, bucket=request.bucket_name)
    return _create(call, request.bucket_name, request.url, tracking.How(*row[:4]) if row else USUAL)


def _create(call: Call, bucket: str, url: str, how: tracking.How) -> dict[str, Any]:
    world, account = call.world, call.account
    plan = call.plan(EMBEDDING)
    if not buckets.exists(world, account, bucket) and not call.quirk("unknown_ids_synthesised"):
        raise NotFound(f"There is no bucket named '{bucket[:100]}'.", source={"pointer": "/bucket_name"})
    known = owner(world, account, bucket)
    searchable = known is not None and is_ready(world, known, bucket)
    with call.transaction() as transaction:
        task = tasks.write(world, account, transaction, bucket, url, plan)
        _put(world, account, bucket, "" if searchable else task.id, how)
    tasks.start(world, account, task)
    return {
        "task_id": task.id,
        "task_name": task.name,
        "status": plan.steps[0][0],
        "created_at": iso_ms(task.created_at),
        "finished_at": None,
        "user_id": user_id(call),
    }


def _put(world: World, account: Account, bucket: str, task: str, how: tracking.How, *, disabled: bool = False) -> None:
    world.store.run(
        PUT, account=account.id, bucket=bucket, task=task, changes="", disabled=disabled,
        created_at=buckets.milliseconds(account), **how._asdict(),
    )  # fmt: skip


def user_id(call: Call) -> str:
    """The user that stands behind an account's tasks."""
    return call.world.ids.uuid(call.account.id, "user", 1)


async def retrieve(call: Call, id: str) -> dict[str, Any]:
    """One task. Raises NotFound."""
    try:
        task = await tasks.read(call.world, call.account, id)
    except NotFound:
        if not call.quirk("unknown_ids_synthesised"):
            raise
        task = tasks.Task(
            id, "embed_my-bucket", "my-bucket", "", EMBEDDING.usual.dump(), 0, "success", SYNTHESISED_AT, None
        )
    return _told(call, task)


def _told(call: Call, task: tasks.Task) -> dict[str, Any]:
    told = {
        "task_id": task.id,
        "task_name": task.name,
        "status": tasks.status(call.world, call.account, task),
        "created_at": iso_ms(task.created_at),
    }
    if told["status"] in tasks.ENDS:
        told["finished_at"] = tasks.finished_at(task)
    return told


async def listed(call: Call) -> list[dict[str, Any]]:
    """The tasks of the statuses that the query names, the newest first: those under way when it names none."""
    sent = [value for name, value in parse_qsl(call.exchange.query.decode("latin-1")) if name in ("status", "status[]")]
    wanted = {word.strip() for value in sent for word in value.split(",") if word.strip()} or {"queued", "processing"}
    if "failed" in wanted:  # the vendor's word for it
        wanted.add("failure")
    found = []
    for task in await tasks.everything(call.world, call.account):
        told = _told(call, task)
        if told["status"] in wanted:
            found.append({"user_id": user_id(call), **told, "bucket": task.bucket})
    return found


def owner(world: World, account: Account, bucket: str) -> Account | None:
    """Under whose rows a bucket is embedded for an account: its own, nobody's for what ships embedded; None when it is not."""
    row = world.store.one(FIND, account=account.id, bucket=bucket)
    if row is not None:
        return None if row[0] else account
    if bucket not in SHIPPED or not buckets.exists(world, account, bucket):
        return None
    nobody = world.accounts.nobody
    # Rows of its own as soon as the account changes what is in it.
    mine_ = buckets.changes(world, account, bucket) != buckets.changes(world, nobody, bucket)
    whose = account if mine_ else nobody
    if world.store.one(FIND, account=whose.id, bucket=bucket) is None:
        with world.store.transaction():
            _put(world, whose, bucket, "", USUAL)
    return whose


def is_ready(world: World, account: Account, bucket: str) -> bool:
    """Whether the task that embedded a bucket has ended."""
    row = world.store.one(FIND, account=account.id, bucket=bucket)
    return row is not None and not row[0] and (not row[1] or tasks.is_over(world, account, row[1]))


async def _fresh(world: World, account: Account, bucket: str) -> None:
    """Have what changed in a bucket embedded; what takes long goes on after this returns."""
    if tracking.has_changed(world, account, bucket):
        row = world.store.one(FIND, account=account.id, bucket=bucket)
        if row is not None and row[1]:
            await tasks.patience(world, account, f"task {row[1]}")
    if tracking.has_changed(world, account, bucket):
        tasks.begin(world, account, f"bucket {bucket}", partial(tracking.sync, world, account, bucket))
        await tasks.patience(world, account, f"bucket {bucket}")


def names(world: World, account: Account) -> list[str]:
    """Every bucket that is embedded, by name."""
    rows = dict(world.store.all(ALL, account=account.id))
    shipped = {name for name in SHIPPED if name not in rows and buckets.exists(world, account, name)}
    return sorted({name for name, disabled in rows.items() if not disabled} | shipped)


async def files(call: Call, bucket: str) -> list[dict[str, Any]]:
    """The files of an embedded bucket and how each fared. Raises NotFound."""
    world = call.world
    whose = owner(world, call.account, bucket)
    if whose is None:
        if call.quirk("unknown_ids_synthesised"):
            return []
        raise NotFound
    await _fresh(world, whose, bucket)
    over = is_ready(world, whose, bucket)
    return [_file(row, over) for row in world.store.all(FILES, account=whose.id, bucket=bucket)]


def _file(row: Any, over: bool) -> dict[str, Any]:
    """A file as the API tells it; while its bucket's task goes on, so does every file."""
    filename, status, reason, created_at, updated_at, embedded_at = row
    told = {
        "filename": filename,
        "status": status if over else "processing",
        "created_at": iso_ms(created_at),
        "updated_at": iso_ms(updated_at),
    }
    if over and embedded_at is not None:
        told["last_embedded_at"] = iso_ms(embedded_at)
    if over and reason is not None:
        told["error_reason"] = reason
    return told


async def remove(call: Call, bucket: str) -> None:
    """Forget all embeddings of a bucket; its objects stay. Raises NotFound."""
    world, account = call.world, call.account
    whose = owner(world, account, bucket)
    if whose is None:
        if call.quirk("unknown_ids_synthesised"):
            return
        raise NotFound
    world.vectors.drop(account.id, bucket)
    with world.store.transaction():
        world.store.run(DROP, account=account.id, bucket=bucket)
        if bucket in SHIPPED:
            _put(world, account, bucket, "", tracking.How(0, 0, "", ""), disabled=True)
    await tracking.forget_all(world, account, bucket)


async def search(world: World, account: Account, bucket: str, query: str, most: int) -> list[dict[str, Any]]:
    """The chunks of a bucket that are nearest to a text, as the API tells them. Raises NotFound."""
    whose = owner(world, account, bucket)
    if whose is None:
        raise NotFound(f"The bucket '{bucket[:100]}' is not embedded.", source={"pointer": "/bucket_name"})
    await _fresh(world, whose, bucket)
    row = world.store.one(FIND, account=whose.id, bucket=bucket)
    if row is None or not is_ready(world, whose, bucket):
        raise NotFound(f"The bucket '{bucket[:100]}' is not embedded yet.", source={"pointer": "/bucket_name"})
    vector = await _vector(world, account, query, row[2])
    most = min(most, MOST_FOUND)
    found: list[Found] = []
    for block in list((await tracking.matrix_of(world, whose, bucket)).blocks):
        found += block.nearest(vector, most)
        await world.clock.turn()
    hits = (_hit(world, whose, bucket, row[2], one) for one in merged(found, most))
    return [hit for hit in hits if hit is not None]


async def _vector(world: World, account: Account, query: str, model: str) -> list[float]:
    """Raises BadRequest."""
    if len(query) <= LONG_QUERY:
        return embed(query, chunks.DIMENSIONS, model)
    try:
        return await world.worker.call(embed, query, chunks.DIMENSIONS, model, of=account.id)
    except Unreadable:
        raise BadRequest("The query takes too long to embed: send less of it.", source={"pointer": "/query"}) from None


def _hit(world: World, account: Account, bucket: str, model: str, found: Found) -> dict[str, Any] | None:
    """A chunk as the API tells it; None when it went meanwhile."""
    distance, document, n = found
    piece = world.store.one(TEXT, account=account.id, document=document, n=n)
    file = world.store.one(OF_DOCUMENT, account=account.id, document=document)
    if piece is None or file is None:
        return None
    return hit(bucket, file[0], piece[0], distance, model, checksum=file[1], loader_metadata=from_json(piece[1]))


def hit(bucket: str, filename: str, chunk: str, distance: float, model: str, **metadata: Any) -> dict[str, Any]:
    """One item of a search's answer."""
    return {
        "document_chunk": chunk,
        "distance": distance,
        "metadata": {
            "source": f"{SOURCE}{quote(bucket)}/{quote(filename)}",
            "checksum": metadata["checksum"],
            "embedding": model,
            "filename": filename,
            "certainty": round(1 - distance / 2, 7),
            "loader_metadata": metadata["loader_metadata"],
        },
    }


def stand_in(bucket: str, model: str = "thenlper/gte-large") -> list[dict[str, Any]]:
    """What a search in a bucket that nobody embedded answers where nothing is refused."""
    text = f"This is a stand-in for a chunk of the bucket {bucket[:100]}."
    checksum = md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return [hit(bucket[:100], "document.txt", text, 0.5, model, checksum=checksum, loader_metadata={})]
