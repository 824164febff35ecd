"""Uploads in parts: begun, parts put and listed, completed into an object, aborted. A part's bytes become the object's."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise

from sqlalchemy import bindparam, delete, insert, select

from mock_server.domains.buckets import service
from mock_server.domains.buckets.content import Object
from mock_server.domains.buckets.errors import (
    EntityTooSmall,
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    NoSuchBucket,
    NoSuchUpload,
)
from mock_server.domains.buckets.tables import PART, UPLOAD
from mock_server.engine.accounts import Account
from mock_server.engine.blobs import Writer
from mock_server.engine.store import Prepared, mine
from mock_server.world import World

MOST_PARTS = 10_000
SMALLEST = 5 * 1024 * 1024  # bytes of a part that is not the last
KIND = "upload"

OPEN, PIECE = UPLOAD.c, PART.c
OF_UPLOAD = PIECE.upload == bindparam("upload")
INSERT = Prepared(insert(UPLOAD))
FIND = Prepared(
    mine(select(OPEN.headers), UPLOAD).where(
        OPEN.id == bindparam("id"), OPEN.bucket == bindparam("bucket"), OPEN.key == bindparam("key")
    )
)
DELETE = Prepared(mine(delete(UPLOAD), UPLOAD).where(OPEN.id == bindparam("id")))
OF_BUCKET = Prepared(
    mine(select(OPEN.key, OPEN.id, OPEN.created_at), UPLOAD)
    .where(OPEN.bucket == bindparam("bucket"))
    .order_by(OPEN.key, OPEN.n)
)
PUT_PART = Prepared(insert(PART).prefix_with("OR REPLACE"))
FIND_PART = Prepared(mine(select(PIECE.piece), PART).where(OF_UPLOAD, PIECE.n == bindparam("n")))
PARTS = Prepared(
    mine(select(PIECE.n, PIECE.size, PIECE.etag, PIECE.piece, PIECE.updated_at), PART)
    .where(OF_UPLOAD)
    .order_by(PIECE.n)
)
DELETE_PARTS = Prepared(mine(delete(PART), PART).where(OF_UPLOAD))


@dataclass(frozen=True, slots=True)
class Part:
    n: int
    size: int
    etag: str
    piece: str
    updated_at: int  # milliseconds


def create(world: World, account: Account, bucket: str, key: str, headers: Mapping[str, str]) -> str:
    """Begin an upload; its id. Raises NoSuchBucket and KeyTooLong."""
    service.check_key(key)
    store = world.store
    with store.transaction() as transaction:
        if not service.exists(world, account, bucket):
            raise NoSuchBucket
        n = store.number(transaction, account.id, KIND)
        id = world.ids.hex(account.id, KIND, n)
        store.run(
            INSERT, account=account.id, id=id, n=n, bucket=bucket, key=key, headers=json.dumps(dict(headers)),
            created_at=service.milliseconds(account),
        )  # fmt: skip
    return id


def check(world: World, account: Account, bucket: str, key: str, id: str) -> dict[str, str]:
    """The headers of the object-to-be. Raises NoSuchUpload."""
    row = world.store.one(FIND, account=account.id, id=id, bucket=bucket, key=key)
    if row is None:
        raise NoSuchUpload
    headers: dict[str, str] = json.loads(row[0])
    return headers


def part_number(text: str) -> int:
    """Raises InvalidArgument."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MOST_PARTS):
        raise InvalidArgument(f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive.")
    return int(text)


def put_part(
    world: World, account: Account, bucket: str, key: str, id: str, n: int, writer: Writer, size: int, etag: str
) -> None:
    """Put a part's bytes; a part of the same number is replaced. Raises NoSuchUpload."""
    check(world, account, bucket, key, id)
    store, piece = world.store, world.blobs.keep(account.id, writer)
    try:
        with store.transaction():
            check(world, account, bucket, key, id)
            before = store.one(FIND_PART, account=account.id, upload=id, n=n)
            store.run(
                PUT_PART, account=account.id, upload=id, n=n, size=size, etag=etag, piece=piece,
                updated_at=service.milliseconds(account),
            )  # fmt: skip
    except BaseException:
        world.blobs.remove(account.id, [piece])
        raise
    if before is not None:
        world.blobs.remove(account.id, [before[0]])


def parts(world: World, account: Account, bucket: str, key: str, id: str) -> list[Part]:
    """The parts that were put, by number. Raises NoSuchUpload."""
    check(world, account, bucket, key, id)
    return [Part(*row) for row in world.store.all(PARTS, account=account.id, upload=id)]


def complete(
    world: World, account: Account, bucket: str, key: str, id: str, wanted: Sequence[tuple[int, str]]
) -> Object:
    """Make an object of the parts named by (number, ETag).

    Raises NoSuchUpload, NoSuchBucket, InvalidPart, InvalidPartOrder and EntityTooSmall.
    """
    headers = check(world, account, bucket, key, id)
    put = {part.n: part for part in parts(world, account, bucket, key, id)}
    chosen = []
    for n, etag in wanted:
        if n not in put or put[n].etag != etag.strip('"'):
            raise InvalidPart
        chosen.append(put[n])
    if any(a.n >= b.n for a, b in pairwise(chosen)):
        raise InvalidPartOrder
    if any(part.size < SMALLEST for part in chosen[:-1]):
        raise EntityTooSmall
    digest = md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False).hexdigest()
    pieces = [(part.piece, part.size) for part in chosen]
    with world.store.transaction() as transaction:
        found, before = service.put_row(
            world, account, transaction, bucket, key, pieces, f"{digest}-{len(chosen)}", headers
        )
        _forget(world, account, id)
    used = {piece for piece, _ in pieces}
    world.blobs.remove(account.id, [*before, *(part.piece for part in put.values() if part.piece not in used)])
    return found


def abort(world: World, account: Account, bucket: str, key: str, id: str) -> None:
    """Drop an upload and its parts. Raises NoSuchUpload."""
    dropped = [part.piece for part in parts(world, account, bucket, key, id)]
    with world.store.transaction():
        _forget(world, account, id)
    world.blobs.remove(account.id, dropped)


def of_bucket(world: World, account: Account, bucket: str) -> list[tuple[str, str, int]]:
    """(key, id, created_at) of every upload that is neither completed nor aborted."""
    return [tuple(row) for row in world.store.all(OF_BUCKET, account=account.id, bucket=bucket)]


def delete_bucket(world: World, account: Account, bucket: str) -> None:
    """Delete an empty bucket, uploads that were never completed with it. Raises NoSuchBucket and BucketNotEmpty."""
    service.delete_bucket(world, account, bucket)
    for key, id, _ in of_bucket(world, account, bucket):
        abort(world, account, bucket, key, id)


def _forget(world: World, account: Account, id: str) -> None:
    world.store.run(DELETE_PARTS, account=account.id, upload=id)
    world.store.run(DELETE, account=account.id, id=id)
