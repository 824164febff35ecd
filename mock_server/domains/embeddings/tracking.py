"""Keeps an embedded bucket in step with its objects: what came or changed is read, cut and embedded, what went is forgotten.

One piece of work at a time on a bucket; between two short steps of it everything else has its turn. Rows of chunks are
written before the file names them, so that a search never finds half a document.
"""

import sys
from collections.abc import Sequence
from hashlib import md5
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from mock_server.base.errors import NotFound
from mock_server.domains.audio import service as audio
from mock_server.domains.buckets import service as buckets
from mock_server.domains.embeddings import chunks
from mock_server.domains.embeddings.tables import BUCKET, CHUNK, FILE
from mock_server.engine.accounts import Account
from mock_server.engine.loaders import Unreadable
from mock_server.engine.store import Prepared, mine
from mock_server.engine.vectors import Entry, Matrix
from mock_server.world import World

LARGEST = 100 * 1024 * 1024  # bytes of an object
SMALL = 64 * 1024  # bytes that are read at once
AT_ONCE = 200  # chunks that are embedded in one go; then it is others' turn
ROWS_AT_ONCE = 200

ROW, PIECE, TRACKED = FILE.c, CHUNK.c, BUCKET.c
OF_BUCKET = ROW.bucket == bindparam("bucket")
FILES = Prepared(
    mine(select(ROW.filename, ROW.document, ROW.made_from, ROW.status, ROW.created_at), FILE).where(OF_BUCKET)
)
PUT_FILE = Prepared(insert(FILE).prefix_with("OR REPLACE"))
DROP_FILE = Prepared(mine(delete(FILE), FILE).where(OF_BUCKET, ROW.filename == bindparam("filename")))
DROP_FILES = Prepared(mine(delete(FILE), FILE).where(OF_BUCKET))
PUT_CHUNK = Prepared(insert(CHUNK).prefix_with("OR REPLACE"))
OF_DOCUMENT = PIECE.document == bindparam("document")
DROP_CHUNKS = Prepared(
    mine(delete(CHUNK), CHUNK).where(OF_DOCUMENT, PIECE.n >= bindparam("first"), PIECE.n < bindparam("last"))
)
LAST_CHUNK = Prepared(mine(select(PIECE.n), CHUNK).where(OF_DOCUMENT).order_by(PIECE.n.desc()).limit(1))
VECTORS = Prepared(
    mine(select(PIECE.vector), CHUNK)
    .where(OF_DOCUMENT, PIECE.n >= bindparam("first"))
    .order_by(PIECE.n)
    .limit(ROWS_AT_ONCE)
)
HOW = Prepared(
    mine(select(TRACKED.chunk_size, TRACKED.overlap, TRACKED.model, TRACKED.loader, TRACKED.changes), BUCKET).where(
        TRACKED.bucket == bindparam("bucket"), TRACKED.disabled.is_(False)
    )
)
SEEN = Prepared(
    mine(update(BUCKET), BUCKET).where(TRACKED.bucket == bindparam("bucket")).values(changes=bindparam("seen"))
)


class Forgotten(Exception):
    """The bucket's embedding was deleted, or its account reset, while it was worked on."""


class How(NamedTuple):
    """How a bucket is embedded."""

    chunk_size: int
    overlap: int
    model: str
    loader: str


class File(NamedTuple):
    filename: str
    document: int
    made_from: str
    status: str
    created_at: int


def has_changed(world: World, account: Account, bucket: str) -> bool:
    """Whether objects of an embedded bucket came, changed or went since it was looked through."""
    row = world.store.one(HOW, account=account.id, bucket=bucket)
    return row is not None and bool(row[4] != buckets.changes(world, account, bucket))


async def sync(world: World, account: Account, bucket: str, *, again: bool = False) -> None:
    """Embed what is new, forget what is gone; `again` also tries what failed before. Raises Forgotten."""
    entry = world.vectors.entry(account.id, bucket)
    async with entry.lock:
        row = world.store.one(HOW, account=account.id, bucket=bucket)
        if row is None or not entry.live:
            raise Forgotten
        how, seen = How(*row[:4]), buckets.changes(world, account, bucket)
        files = {
            file.filename: file for file in map(File._make, world.store.all(FILES, account=account.id, bucket=bucket))
        }
        objects = await _objects(world, account, bucket)
        for name, file in files.items():
            if name not in objects and file.made_from:
                with writing(world, entry):
                    world.store.run(DROP_FILE, account=account.id, bucket=bucket, filename=name)
                await _forget(world, account, entry, file.document)
        for name, found in objects.items():
            known = files.get(name)
            made_from = f"{found.etag} {how.chunk_size}/{how.overlap} {how.model} {how.loader}"
            if known is None or known.made_from != made_from or (again and known.status != "success"):
                await _embed(world, account, bucket, entry, how, found, made_from, known)
        with writing(world, entry):
            world.store.run(SEEN, account=account.id, bucket=bucket, seen=seen)


def writing(world: World, entry: Entry) -> Any:
    """A transaction on a bucket's rows. Raises Forgotten when they are not to be written any more."""
    if not entry.live:
        raise Forgotten
    return world.store.transaction()


async def _objects(world: World, account: Account, bucket: str) -> dict[str, buckets.Object]:
    """Every object by its key; none when the bucket is gone."""
    found: dict[str, buckets.Object] = {}
    try:
        for n, one in enumerate(buckets.walk(world, account, bucket)):
            found[one.key] = one
            if n % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                await world.clock.turn()
    except NotFound:
        pass
    return found


async def _embed(
    world: World, account: Account, bucket: str, entry: Entry, how: How, found: buckets.Object, made_from: str,
    before: File | None,
) -> None:  # fmt: skip
    """The chunks of one object, and its row; its former chunks go. A file that cannot be read says why in its row."""
    now = buckets.milliseconds(account)
    checksum, reason, document, made = "", None, 0, []
    try:
        data = await _read(world, account, found)
        checksum = await _checksum(world, account, data)
        pieces = await _cut(world, account, found.key, data, how)
        del data
        made = await _vectors(world, account, pieces, how.model)
        document = await _write(world, account, entry, pieces, made)
    except (Unreadable, NotFound) as error:
        reason = str(error)
    with writing(world, entry):
        world.store.run(
            PUT_FILE, account=account.id, bucket=bucket, filename=found.key, document=document, made_from=made_from,
            checksum=checksum, status="failure" if reason else "success", error_reason=reason,
            created_at=before.created_at if before else now, updated_at=now, last_embedded_at=None if reason else now,
        )  # fmt: skip
    if entry.matrix is not None:
        await _add(world, entry.matrix, document, made)
    if before is not None:
        await _forget(world, account, entry, before.document)


async def _read(world: World, account: Account, found: buckets.Object) -> bytes:
    """Raises Unreadable for what is not embedded."""
    if found.size > LARGEST:
        raise Unreadable(f"The file has {found.size} bytes; at most {LARGEST} are embedded.")
    if found.size <= SMALL:
        return buckets.read(world, account, found)
    return await world.worker.run(buckets.read, world, account, found, of=account.id)


async def _checksum(world: World, account: Account, data: bytes) -> str:
    return _md5(data) if len(data) <= SMALL else await world.worker.run(_md5, data, of=account.id)


def _md5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


async def _cut(world: World, account: Account, name: str, data: bytes, how: How) -> list[chunks.Chunk]:
    """Raises Unreadable."""
    parts: Sequence[tuple[str, dict[str, Any]]]
    worker = world.worker
    if PurePosixPath(name.lower()).suffix in audio.MEDIA:
        parts = [(await audio.transcript(world, account, name, data), {})]
    elif how.loader == "intercom":
        parts = chunks.articles(data) if len(data) <= SMALL else await worker.call(chunks.articles, data, of=account.id)
    else:
        parts = [(text, {}) for text in await worker.text(name, data, of=account.id)]
    if sum(len(text) for text, _ in parts) <= SMALL:
        return chunks.cut(parts, how.chunk_size, how.overlap)
    return await worker.run(chunks.cut, parts, how.chunk_size, how.overlap, of=account.id)


async def _vectors(world: World, account: Account, pieces: Sequence[chunks.Chunk], model: str) -> list[bytes]:
    """Raises Unreadable."""
    made: list[bytes] = []
    for start in range(0, len(pieces), AT_ONCE):
        texts = [text for text, _ in pieces[start : start + AT_ONCE]]
        if sum(map(len, texts)) <= 2000:  # a few milliseconds
            made += chunks.vectors(texts, model)
            await world.clock.turn()
        else:
            made += await world.worker.call(chunks.vectors, texts, model, of=account.id)
    return made


async def _write(
    world: World, account: Account, entry: Entry, pieces: Sequence[chunks.Chunk], made: Sequence[bytes]
) -> int:
    """Write the chunks as a new document. Its number."""
    document = 0
    for start in range(0, len(pieces), ROWS_AT_ONCE):
        with writing(world, entry) as transaction:
            document = document or world.store.number(transaction, account.id, "embedding document")
            for n in range(start, min(start + ROWS_AT_ONCE, len(pieces))):
                text, metadata = pieces[n]
                world.store.run(
                    PUT_CHUNK, account=account.id, document=document, n=n, text=text, metadata_=metadata, vector=made[n]
                )
        await world.clock.turn()
    return document


async def _add(world: World, matrix: Matrix, document: int, made: Sequence[bytes]) -> None:
    for start in range(0, len(made), ROWS_AT_ONCE):
        matrix.add(document, start, made[start : start + ROWS_AT_ONCE])
        await world.clock.turn()


async def _forget(world: World, account: Account, entry: Entry, document: int) -> None:
    """Remove a document's chunks."""
    if not document:
        return
    if entry.matrix is not None:
        entry.matrix.remove(document)
        if entry.matrix.is_wasteful():
            entry.matrix = None
    last = world.store.one(LAST_CHUNK, account=account.id, document=document)
    for first in range(0, last[0] + 1 if last else 0, ROWS_AT_ONCE):
        with world.store.transaction():
            world.store.run(DROP_CHUNKS, account=account.id, document=document, first=first, last=first + ROWS_AT_ONCE)
        await world.clock.turn()


def note_failure(world: World, account: Account, bucket: str, url: str, reason: str) -> None:
    """Say among the files of a bucket why a URL was not embedded. It is no object: it stays until it is embedded."""
    now, entry = buckets.milliseconds(account), world.vectors.entry(account.id, bucket)
    with writing(world, entry):
        world.store.run(
            PUT_FILE, account=account.id, bucket=bucket, filename=url, document=0, made_from="", checksum="",
            status="failure", error_reason=reason, created_at=now, updated_at=now, last_embedded_at=None,
        )  # fmt: skip


async def forget_all(world: World, account: Account, bucket: str) -> None:
    """Remove every file of a bucket and its chunks; the bucket's own row is the caller's."""
    documents = [file[1] for file in world.store.all(FILES, account=account.id, bucket=bucket)]
    with world.store.transaction():
        world.store.run(DROP_FILES, account=account.id, bucket=bucket)
    for document in documents:
        await _forget(world, account, Entry(), document)


async def matrix_of(world: World, account: Account, bucket: str) -> Matrix:
    """The vectors of a bucket, from its rows when they are not in memory. Raises Forgotten."""
    entry = world.vectors.entry(account.id, bucket)
    if entry.matrix is not None:
        return entry.matrix
    async with entry.lock:
        if entry.matrix is None:
            if "numpy" not in sys.modules:
                await world.worker.run(import_module, "numpy")  # 70 ms that the loop need not wait for
            matrix = Matrix(chunks.DIMENSIONS)
            for file in map(File._make, world.store.all(FILES, account=account.id, bucket=bucket)):
                await _load(world, account, matrix, file.document)
            if not entry.live:
                raise Forgotten
            entry.matrix = matrix
        return entry.matrix


async def _load(world: World, account: Account, matrix: Matrix, document: int) -> None:
    first = 0
    while document:
        rows = world.store.all(VECTORS, account=account.id, document=document, first=first)
        matrix.add(document, first, [row[0] for row in rows])
        first += len(rows)
        await world.clock.turn()
        if len(rows) < ROWS_AT_ONCE:
            return
