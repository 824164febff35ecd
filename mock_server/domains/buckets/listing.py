"""Lists of objects as S3 pages them: by prefix, folded at a delimiter, from a marker or a token on."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from mock_server.domains.buckets import service, wire
from mock_server.domains.buckets.content import Object
from mock_server.domains.buckets.errors import InvalidArgument
from mock_server.world import Call

MOST = 1000
HIGHEST = "\U0010ffff"


@dataclass(slots=True)
class Page:
    """What one answer lists. `last`: the key or folded prefix after which the next page begins, None on the last page."""

    objects: list[Object] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)
    last: str | None = None


def page(call: Call, bucket: str, prefix: str, delimiter: str, after: str, size: int) -> Page:
    """Up to `size` objects and folded prefixes after `after`. Raises NoSuchBucket."""
    found = Page()
    world, account = call.world, call.account
    start = after + "\0" if after else ""
    if delimiter and after.endswith(delimiter) and after.startswith(prefix) and after != prefix:
        start = after + HIGHEST  # all of a folded prefix is behind
    last = ""
    while True:
        fold = None
        for item in service.walk(world, account, bucket, prefix, start):
            head, cut, _ = item.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if len(found.objects) + len(found.folded) == size:
                found.last = last if size else None
                return found
            if cut:
                last = fold = prefix + head + cut
                found.folded.append(fold)
                break
            found.objects.append(item)
            last = item.key
        if fold is None:
            return found
        start = fold + HIGHEST


def list_objects(call: Call, bucket: str, query: Mapping[str, str]) -> Response:
    """ListObjects, or ListObjectsV2 where the query says `list-type=2`."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    size = max_keys(query.get("max-keys", ""))
    second = query.get("list-type") == "2"
    token = query.get("continuation-token")
    after = query.get("start-after" if second else "marker", "")
    found = page(call, bucket, prefix, delimiter, _read_token(token) if second and token else after, size)
    encoding = query.get("encoding-type")
    if encoding not in (None, "url"):
        raise InvalidArgument("Invalid Encoding Method specified in Request")
    shown = wire.url_encoded if encoding else str
    more = found.last is not None
    owner = None if second and query.get("fetch-owner") != "true" else call.account.id
    content: list[Any] = [
        ("Name", bucket),
        ("Prefix", shown(prefix)),
        ("Delimiter", shown(delimiter) if delimiter else None),
        ("MaxKeys", size),
        ("EncodingType", encoding),
        ("IsTruncated", "true" if more else "false"),
    ]
    if second:
        content += [
            ("KeyCount", len(found.objects) + len(found.folded)),
            ("ContinuationToken", token),
            ("NextContinuationToken", _token(found.last) if found.last is not None else None),
            ("StartAfter", shown(after) if after else None),
        ]
    else:
        content += [("Marker", shown(after)), ("NextMarker", shown(found.last) if found.last is not None else None)]
    content += [("Contents", _contents(item, shown(item.key), owner)) for item in found.objects]
    content += [("CommonPrefixes", [("Prefix", shown(fold))]) for fold in found.folded]
    return wire.answer("ListBucketResult", content)


def max_keys(text: str) -> int:
    """How many items a page has at most. Raises InvalidArgument."""
    if not text:
        return MOST
    if not (text.isascii() and text.isdigit()):
        raise InvalidArgument("Argument maxKeys must be an integer between 0 and 2147483647")
    return min(int(text[:10]), MOST)


def _contents(item: Object, key: str, owner: str | None) -> list[Any]:
    return [
        ("Key", key),
        ("LastModified", wire.xml_date(item.updated_at)),
        ("ETag", f'"{item.etag}"'),
        ("Size", item.size),
        ("StorageClass", "STANDARD"),
        ("Owner", None if owner is None else [("ID", owner), ("DisplayName", owner)]),
    ]


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidArgument("The continuation token provided is incorrect") from None
