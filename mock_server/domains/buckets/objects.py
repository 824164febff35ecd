"""Objects over HTTP: bytes in, streamed to where they are kept; bytes out, whole or in part, under conditions."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.responses import Response

from mock_server.base.errors import TooLarge
from mock_server.domains.buckets import content, listing, service, uploads, wire
from mock_server.domains.buckets.content import Object
from mock_server.domains.buckets.errors import (
    InvalidArgument,
    InvalidRange,
    MalformedXML,
    NoSuchBucket,
    NoSuchKey,
    PreconditionFailed,
)
from mock_server.domains.buckets.wire import Body
from mock_server.engine.answers import Chunks, Ready
from mock_server.engine.blobs import Writer
from mock_server.world import Call

RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")
# What the query of a presigned URL may put in the place of an object's own header.
OVERRIDES = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")


def query_of(call: Call) -> dict[str, str]:
    """The first of each name in the query."""
    try:
        pairs = parse_qsl(call.exchange.query.decode("latin-1"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidArgument("The query is not valid percent-encoded UTF-8.") from None
    return dict(reversed(pairs))


def body(call: Call, limit: int) -> Body:
    """The request's body, of at most `limit` bytes."""
    receive = call.exchange.receive
    assert receive is not None
    return Body(call.exchange.headers, receive, limit)


async def _take(call: Call, writer: Writer) -> Body:
    """Stream the request's body to `writer`. Raises TooLarge."""
    limit = call.world.settings.max_object_bytes
    length = call.exchange.headers.get(b"x-amz-decoded-content-length", b"")
    if length.isdigit() and int(length[:20]) > limit:
        raise TooLarge(f"The object has {length.decode()} bytes; the limit is {limit}.")
    taken = body(call, limit)
    async for data in taken.chunks():
        writer.write(data)
    return taken


async def put(call: Call, bucket: str, key: str) -> Response:
    """PutObject."""
    world, account = call.world, call.account
    service.check_key(key)
    if not service.exists(world, account, bucket):
        raise NoSuchBucket
    with world.blobs.writer(account.id) as writer:
        taken = await _take(call, writer)
        _check_put(call, bucket, key)
        kept = wire.kept_headers(call.exchange.request_headers)
        service.put_written(world, account, bucket, key, writer, taken.size, taken.etag, kept)
    return Ready(b"", headers=[(b"etag", f'"{taken.etag}"'.encode())])


def _check_put(call: Call, bucket: str, key: str) -> None:
    """What If-Match and If-None-Match ask of the object that is to be replaced. Raises PreconditionFailed and NoSuchKey."""
    match, none_match = (call.exchange.headers.get(name) for name in (b"if-match", b"if-none-match"))
    if match is None and none_match is None:
        return
    try:
        etag = service.get_object(call.world, call.account, bucket, key).etag
    except NoSuchKey:
        if match is not None:
            raise
        return
    if (match is not None and not _names(match, etag)) or (none_match is not None and _names(none_match, etag)):
        raise PreconditionFailed


def get(call: Call, bucket: str, key: str, query: Mapping[str, str], head: bool = False) -> Response:
    """GetObject, or HeadObject."""
    found = service.get_object(call.world, call.account, bucket, key)
    headers = [(b"etag", f'"{found.etag}"'.encode()), (b"last-modified", wire.http_date(found.updated_at))]
    if _unchanged(call, found):
        return Ready(b"", 304, headers)
    given = {**found.headers, **{name: query[f"response-{name}"] for name in OVERRIDES if f"response-{name}" in query}}
    headers += [
        (name.encode("latin-1"), re.sub(r"[\r\n\0]", " ", value).encode("latin-1", "replace"))
        for name, value in given.items()
    ]
    headers.append((b"accept-ranges", b"bytes"))
    start, stop, status = 0, found.size, 200
    wanted = _range(call.exchange.headers.get(b"range", b""), found.size)
    if wanted is not None:
        (start, stop), status = wanted, 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, found.size)))
    chunks = () if head else content.chunks(call.world, call.account, found, start, stop)
    return Chunks(chunks, stop - start, status, headers)


def _unchanged(call: Call, found: Object) -> bool:
    """Whether the client has it already. Raises PreconditionFailed where it wants another one."""
    headers = call.exchange.headers
    at = found.updated_at // 1000
    match, none_match = headers.get(b"if-match"), headers.get(b"if-none-match")
    if match is not None:
        if not _names(match, found.etag):
            raise PreconditionFailed
    elif (since := wire.parse_date(headers.get(b"if-unmodified-since", b""))) is not None and at > since:
        raise PreconditionFailed
    if none_match is not None:
        return _names(none_match, found.etag)
    since = wire.parse_date(headers.get(b"if-modified-since", b""))
    return since is not None and at <= since


def _names(header: bytes, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.decode("latin-1").split(",")]
    return etag in tags or "*" in tags


def _range(header: bytes, size: int) -> tuple[int, int] | None:
    """(start, stop) of a `Range` header; None for one that is not understood, which is passed over. Raises InvalidRange."""
    found = RANGE.fullmatch(header.replace(b" ", b""))
    if found is None or found[0] == b"bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise InvalidRange(headers={"content-range": f"bytes */{size}"})
    return start, stop


def create_upload(call: Call, bucket: str, key: str) -> Response:
    """CreateMultipartUpload."""
    kept = wire.kept_headers(call.exchange.request_headers)
    id = uploads.create(call.world, call.account, bucket, key, kept)
    return wire.answer("InitiateMultipartUploadResult", [("Bucket", bucket), ("Key", key), ("UploadId", id)])


async def put_part(call: Call, bucket: str, key: str, id: str, number: str) -> Response:
    """UploadPart."""
    n = uploads.part_number(number)
    uploads.check(call.world, call.account, bucket, key, id)
    with call.world.blobs.writer(call.account.id) as writer:
        taken = await _take(call, writer)
        uploads.put_part(call.world, call.account, bucket, key, id, n, writer, taken.size, taken.etag)
    return Ready(b"", headers=[(b"etag", f'"{taken.etag}"'.encode())])


def list_parts(call: Call, bucket: str, key: str, query: Mapping[str, str]) -> Response:
    """ListParts."""
    size = listing.max_keys(query.get("max-parts", ""))
    marker = uploads.part_number(query["part-number-marker"]) if query.get("part-number-marker", "0") != "0" else 0
    put = [part for part in uploads.parts(call.world, call.account, bucket, key, query["uploadId"]) if part.n > marker]
    shown, more = put[:size], len(put) > size
    content = [
        ("Bucket", bucket),
        ("Key", key),
        ("UploadId", query["uploadId"]),
        ("PartNumberMarker", marker),
        ("NextPartNumberMarker", shown[-1].n if shown and more else None),
        ("MaxParts", size),
        ("IsTruncated", "true" if more else "false"),
    ]
    parts = [
        ("Part", [("PartNumber", part.n), ("LastModified", wire.xml_date(part.updated_at)),
                  ("ETag", f'"{part.etag}"'), ("Size", part.size)])
        for part in shown
    ]  # fmt: skip
    return wire.answer("ListPartsResult", [*content, *parts])


async def complete_upload(call: Call, bucket: str, key: str, id: str) -> Response:
    """CompleteMultipartUpload."""
    text = await body(call, call.world.settings.max_json_bytes).whole()
    document = wire.parse(text, "CompleteMultipartUpload")
    wanted = [(part.findtext("PartNumber") or "", part.findtext("ETag") or "") for part in document.findall("Part")]
    if not wanted:
        raise MalformedXML
    numbered = [(uploads.part_number(number.strip()), etag.strip()) for number, etag in wanted]
    found = uploads.complete(call.world, call.account, bucket, key, id, numbered)
    return wire.answer(
        "CompleteMultipartUploadResult",
        [("Location", f"/s3/{bucket}/{key}"), ("Bucket", bucket), ("Key", key), ("ETag", f'"{found.etag}"')],
    )
