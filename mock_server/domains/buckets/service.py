"""Buckets and objects of an account: what other rooms and the S3 routes read and write. No HTTP here.

Takes (world, account) rather than a call, for work outside a request too. An account sees its own rows over the read-only
folders (layers.py). What writes opens its own transaction, since files go before the row and are cleared away after it.
"""

import heapq
import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from hashlib import md5
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from mock_server.domains.buckets import content, layers
from mock_server.domains.buckets.content import Object, chunks, read
from mock_server.domains.buckets.errors import (
    BucketNotEmpty,
    InvalidBucketName,
    KeyTooLong,
    NoSuchBucket,
    NoSuchKey,
    TooManyBuckets,
)  # fmt: skip
from mock_server.domains.buckets.tables import BUCKET, OBJECT
from mock_server.engine.accounts import Account
from mock_server.engine.blobs import Writer
from mock_server.engine.store import Prepared, mine
from mock_server.world import World

# What an object is and what reads its bytes is for other rooms, too.
__all__ = [
    "Object", "buckets", "changes", "check_key", "chunks", "create_bucket", "delete_bucket", "delete_objects", "exists",
    "get_object", "list_objects", "milliseconds", "put_object", "put_pieces", "put_row", "put_written", "read", "walk",
]  # fmt: skip
MOST_BUCKETS = 100
LONGEST_KEY = 1024  # bytes
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
AT_ONCE = 1000  # rows fetched at a time

ROW, MADE = OBJECT.c, BUCKET.c
OF_BUCKET = ROW.bucket == bindparam("bucket")
FIND_BUCKET = Prepared(
    mine(select(MADE.layered, MADE.deleted, MADE.created_at), BUCKET).where(MADE.name == bindparam("name"))
)
ALL_BUCKETS = Prepared(mine(select(MADE.name, MADE.layered, MADE.deleted, MADE.created_at), BUCKET))
PUT_BUCKET = Prepared(insert(BUCKET).prefix_with("OR REPLACE"))
DELETE_BUCKET = Prepared(mine(delete(BUCKET), BUCKET).where(MADE.name == bindparam("name")))
FIND = Prepared(mine(select(*content.SHOWN), OBJECT).where(OF_BUCKET, ROW.key == bindparam("key")))
FROM = Prepared(
    mine(select(*content.SHOWN), OBJECT)
    .where(OF_BUCKET, ROW.key >= bindparam("start"))
    .order_by(ROW.key)
    .limit(AT_ONCE)
)
PUT = Prepared(insert(OBJECT).prefix_with("OR REPLACE"))
DELETE = Prepared(mine(delete(OBJECT), OBJECT).where(OF_BUCKET, ROW.key == bindparam("key")))
DELETE_ALL = Prepared(mine(delete(OBJECT), OBJECT).where(OF_BUCKET))


def exists(world: World, account: Account, bucket: str) -> bool:
    """Whether the account sees a bucket of this name."""
    row = world.store.one(FIND_BUCKET, account=account.id, name=bucket)
    return not row[1] if row else layers.has(world, bucket)


def buckets(world: World, account: Account) -> list[tuple[str, int]]:
    """(name, created_at in milliseconds) of every bucket that the account sees, by name."""
    seen = {layer.name: layer.created_at for layer in layers.every(world)}
    for name, _, deleted, created_at in world.store.all(ALL_BUCKETS, account=account.id):
        seen.pop(name, None)
        if not deleted:
            seen[name] = created_at
    return sorted(seen.items())


def changes(world: World, account: Account, bucket: str) -> str:
    """A text that is another one whenever an object of the bucket has come, changed or gone."""
    layer = layers.get(world, bucket)
    state = (
        "" if layer is None else repr([(key, layer.files[key].size, layer.files[key].modified) for key in layer.keys])
    )
    own = world.store.total(account.id, _changed(bucket))
    return f"{own}-{md5(state.encode(), usedforsecurity=False).hexdigest()}"


def list_objects(
    world: World, account: Account, bucket: str, prefix: str = "", start: str = "", limit: int | None = None
) -> list[Object]:
    """Objects by the order of their keys, from the key `start` on. Raises NoSuchBucket, which is a NotFound."""
    return list(islice(walk(world, account, bucket, prefix, start), limit))


def get_object(world: World, account: Account, bucket: str, key: str) -> Object:
    """One object; `read` and `chunks` have its bytes. Raises NoSuchBucket and NoSuchKey, which are NotFound."""
    layered = _layered(world, account, bucket)
    row = world.store.one(FIND, account=account.id, bucket=bucket, key=key)
    if row is not None:
        if row[1]:
            raise NoSuchKey
        return content.of_row(row)
    file = layers.file(world, bucket, key) if layered else None
    if file is None:
        raise NoSuchKey
    return content.of_file(key, file)


def put_object(
    world: World, account: Account, bucket: str, key: str, data: bytes, content_type: str = layers.FALLBACK
) -> Object:
    """Put whole bytes under a key. Raises NoSuchBucket and KeyTooLong. Not inside a transaction."""
    check_key(key)
    with world.blobs.writer(account.id) as writer:
        writer.write(data)
        etag = md5(data, usedforsecurity=False).hexdigest()
        return put_written(world, account, bucket, key, writer, len(data), etag, {"content-type": content_type})


def put_written(
    world: World,
    account: Account,
    bucket: str,
    key: str,
    writer: Writer,
    size: int,
    etag: str,
    headers: Mapping[str, str],
) -> Object:
    """Put what `writer` took in under a key. Raises NoSuchBucket."""
    if not exists(world, account, bucket):
        raise NoSuchBucket
    name = world.blobs.keep(account.id, writer)
    try:
        return put_pieces(world, account, bucket, key, [(name, size)], etag, headers)
    except BaseException:
        world.blobs.remove(account.id, [name])
        raise


def put_pieces(
    world: World, account: Account, bucket: str, key: str, pieces: Sequence[tuple[str, int]], etag: str,
    headers: Mapping[str, str],
) -> Object:  # fmt: skip
    """The object whose bytes are kept already; the bytes it had before go. Raises NoSuchBucket."""
    with world.store.transaction() as transaction:
        found, before = put_row(world, account, transaction, bucket, key, pieces, etag, headers)
    world.blobs.remove(account.id, before)
    return found


def put_row(
    world: World, account: Account, transaction: Connection, bucket: str, key: str, pieces: Sequence[tuple[str, int]],
    etag: str, headers: Mapping[str, str],
) -> tuple[Object, list[str]]:  # fmt: skip
    """The object, and the names of the bytes it had before, to be removed after the commit. Raises NoSuchBucket."""
    store, now = world.store, milliseconds(account)
    _layered(world, account, bucket)
    before = store.one(FIND, account=account.id, bucket=bucket, key=key)
    size = sum(size for _, size in pieces)
    store.run(
        PUT, account=account.id, bucket=bucket, key=key, n=store.number(transaction, account.id, _changed(bucket)),
        deleted=False, size=size, etag=etag, headers=json.dumps(dict(headers)), pieces=json.dumps(pieces), updated_at=now,
    )  # fmt: skip
    return Object(key, size, etag, headers, now, pieces), content.names(before)


def delete_objects(world: World, account: Account, bucket: str, keys: Sequence[str]) -> None:
    """Delete objects; one that is not there is deleted already. Raises NoSuchBucket."""
    store, gone = world.store, []
    with store.transaction() as transaction:
        layered = _layered(world, account, bucket)
        for key in keys:
            before = store.one(FIND, account=account.id, bucket=bucket, key=key)
            hides = layered and layers.file(world, bucket, key) is not None
            store.run(DELETE, account=account.id, bucket=bucket, key=key)
            if hides:
                store.run(
                    PUT, account=account.id, bucket=bucket, key=key, n=0, deleted=True, size=0, etag="", headers="{}",
                    pieces="[]", updated_at=milliseconds(account),
                )  # fmt: skip
            if before or hides:
                store.number(transaction, account.id, _changed(bucket))
            gone += content.names(before)
    world.blobs.remove(account.id, gone)


def create_bucket(world: World, account: Account, bucket: str) -> None:
    """Make a bucket; one that the account sees already stays as it is. Raises InvalidBucketName and TooManyBuckets."""
    if NAME.fullmatch(bucket) is None or ".." in bucket:
        raise InvalidBucketName
    if exists(world, account, bucket):
        return
    if len(buckets(world, account)) >= MOST_BUCKETS:
        raise TooManyBuckets
    with world.store.transaction():
        world.store.run(
            PUT_BUCKET, account=account.id, name=bucket, layered=False, deleted=False, created_at=milliseconds(account)
        )


def delete_bucket(world: World, account: Account, bucket: str) -> None:
    """Delete an empty bucket. Raises NoSuchBucket and BucketNotEmpty."""
    store = world.store
    with store.transaction():
        if list_objects(world, account, bucket, limit=1):
            raise BucketNotEmpty
        store.run(DELETE_ALL, account=account.id, bucket=bucket)  # what hid the objects of a folder
        store.run(DELETE_BUCKET, account=account.id, name=bucket)
        if layers.has(world, bucket):
            now = milliseconds(account)
            store.run(PUT_BUCKET, account=account.id, name=bucket, layered=False, deleted=True, created_at=now)


def walk(world: World, account: Account, bucket: str, prefix: str = "", start: str = "") -> Iterator[Object]:
    """Objects whose key begins with `prefix`, from `start` on, by key. Raises NoSuchBucket when first asked."""
    layered = _layered(world, account, bucket)
    start = max(start, prefix)
    layer = layers.get(world, bucket) if layered else None
    files: Iterator[tuple[str, int, Any]] = iter(())
    if layer is not None:
        keys = islice(layer.keys, bisect_left(layer.keys, start), None)
        files = ((key, 1, layer.files[key]) for key in keys)
    rows = ((row[0], 0, row) for row in _rows(world, account, bucket, start))
    last = None
    for key, kind, found in heapq.merge(rows, files, key=lambda item: item[:2]):
        if not key.startswith(prefix):
            return
        if key == last:
            continue
        last = key
        if kind:
            try:
                yield content.of_file(key, found)
            except NoSuchKey:
                continue  # unreadable, or gone since
        elif not found[1]:
            yield content.of_row(found)


def _rows(world: World, account: Account, bucket: str, start: str) -> Iterator[Any]:
    while True:
        rows = world.store.all(FROM, account=account.id, bucket=bucket, start=start)
        yield from rows
        if len(rows) < AT_ONCE:
            return
        start = rows[-1][0] + "\0"  # no key has it: the next one up


def _layered(world: World, account: Account, bucket: str) -> bool:
    """Whether a read-only folder shows through. Raises NoSuchBucket."""
    row = world.store.one(FIND_BUCKET, account=account.id, name=bucket)
    if row is not None:
        if row[1]:
            raise NoSuchBucket
        return bool(row[0])
    if not layers.has(world, bucket):
        raise NoSuchBucket
    return True


def check_key(key: str) -> None:
    """Raises KeyTooLong."""
    if len(key.encode()) > LONGEST_KEY:
        raise KeyTooLong


def _changed(bucket: str) -> str:
    """The counter of a bucket's changes."""
    return f"bucket {bucket}"


def milliseconds(account: Account) -> int:
    return round(account.timeline.now() * 1e6) // 1000  # as Call.milliseconds
