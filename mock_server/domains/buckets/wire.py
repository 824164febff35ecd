"""S3 on the wire: XML out, XML in, bodies in AWS's own chunks, headers that an object keeps."""

import base64
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import md5, sha1, sha256
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mock_server.base.clock import iso_ms
from mock_server.base.errors import TooLarge
from mock_server.domains.buckets.errors import BadDigest, IncompleteBody, MalformedXML
from mock_server.engine.answers import XML, Ready

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
KEPT = (b"content-type", b"cache-control", b"content-disposition", b"content-encoding", b"content-language", b"expires")
META = b"x-amz-meta-"
LONGEST_LINE = 16 * 1024  # bytes of a chunk's head or of a trailer
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\r]")
CHECKSUMS = ("crc32", "sha1", "sha256")  # those that Python computes; crc32c and crc64nvme are taken on trust


def answer(root: str, content: Iterable[Any], status: int = 200) -> Ready:
    """An XML document of (name, value) pairs; a value may hold pairs itself, and None leaves its pair out."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{"".join(_written(content))}</{root}>'
    return Ready(body.encode(), status, (XML,))


def _written(content: Iterable[Any]) -> Iterator[str]:
    for name, value in content:
        if value is None:
            continue
        inner = escape(str(value)) if isinstance(value, str | int) else "".join(_written(value))
        yield f"<{name}>{inner}</{name}>"


def escape(text: str) -> str:
    """XML text. Characters that XML has no place for go as references, as S3 writes them."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return CONTROL.sub(lambda found: f"&#{ord(found[0])};", text)


def url_encoded(text: str) -> str:
    """What `encoding-type=url` asks for."""
    return quote(text, safe="/-_.~*")


def http_date(milliseconds: int) -> bytes:
    return formatdate(milliseconds // 1000, usegmt=True).encode()


def xml_date(milliseconds: int) -> str:
    return iso_ms(milliseconds)


def parse_date(text: bytes) -> float | None:
    """Seconds since the epoch of an HTTP date; None for what is none, which is passed over."""
    try:
        return datetime.strptime(text.decode("latin-1"), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def parse(body: bytes, root: str) -> Xml.Element:
    """A client's document, its names without their namespace. Raises MalformedXML."""
    if b"<!" in body:  # no declarations, so no entities to unfold
        raise MalformedXML
    try:
        document = Xml.fromstring(body)
    except (Xml.ParseError, ValueError, LookupError):
        raise MalformedXML from None
    for element in document.iter():
        element.tag = element.tag.rpartition("}")[2]
    if document.tag != root:
        raise MalformedXML
    return document


def kept_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What GET gives back of a PUT's headers."""
    kept = {"content-type": "binary/octet-stream"}
    for name, value in headers:
        if name in KEPT or name.startswith(META):
            text = value.decode("latin-1")
            if name == b"content-encoding":
                text = ",".join(part for part in text.split(",") if part.strip().lower() != "aws-chunked").strip()
            if text:
                kept[name.decode("latin-1")] = text
    return kept


class Body:
    """A request's body as it comes: unwrapped from AWS's chunks, counted, and its digests checked at the end."""

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> None:
        self.size = 0
        self._md5 = md5(usedforsecurity=False)
        self._headers, self._receive, self._limit = headers, receive, limit
        wrapped = headers.get(b"x-amz-content-sha256", b"").startswith(b"STREAMING-")
        self._frames = Frames() if wrapped or b"aws-chunked" in headers.get(b"content-encoding", b"") else None
        self._sums: dict[str, Any] = {}
        announced = headers.get(b"x-amz-trailer", b"").decode("latin-1").lower()
        for name in CHECKSUMS:
            header = f"x-amz-checksum-{name}"
            if header.encode() in headers or header in announced:
                self._sums[name] = (
                    0 if name == "crc32" else {"sha1": sha1, "sha256": sha256}[name](usedforsecurity=False)
                )

    @property
    def etag(self) -> str:
        return self._md5.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes. Raises TooLarge, IncompleteBody, and BadDigest after the last of them."""
        async for data in self._pieces():
            self.size += len(data)
            if self.size > self._limit:
                raise TooLarge(f"The object has more than {self._limit} bytes, which is the limit.")
            self._md5.update(data)
            for name, so_far in self._sums.items():
                if name == "crc32":
                    self._sums[name] = zlib.crc32(data, so_far)
                else:
                    so_far.update(data)
            yield data
        self._check()

    async def whole(self) -> bytes:
        """All of it, for documents."""
        return b"".join([data async for data in self.chunks()])

    async def _pieces(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            more = message.get("more_body", False)
            for data in self._frames.feed(message.get("body", b"")) if self._frames else (message.get("body", b""),):
                if data:
                    yield data

    def _check(self) -> None:
        headers = self._headers
        trailers: Mapping[str, bytes] = {}
        if self._frames is not None:
            trailers = self._frames.end()
            announced = headers.get(b"x-amz-decoded-content-length", b"")
            if announced and announced != b"%d" % self.size:
                raise IncompleteBody
        wanted = {"content-md5": self._md5.digest()}
        for name, found in self._sums.items():
            wanted[f"x-amz-checksum-{name}"] = found.to_bytes(4) if name == "crc32" else found.digest()
        for name, digest in wanted.items():
            told = trailers.get(name) or headers.get(name.encode())
            if told is not None and told.strip() != base64.b64encode(digest):
                raise BadDigest


class Frames:
    """AWS's own chunks, fed as they come: `<size in hex>[;chunk-signature=...]`, the data, at the end the trailers."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._left = 0  # bytes of the current chunk that are still to come
        self._closing = False  # whether its line end is
        self._last = False
        self._trailers: dict[str, bytes] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What of the data is complete. Raises IncompleteBody."""
        self._held += data
        while self._held:
            if self._left:
                taken = bytes(self._held[: self._left])
                del self._held[: len(taken)]
                self._left -= len(taken)
                self._closing = not self._left
                yield taken
                continue
            line, found, _ = self._held.partition(b"\n")
            if not found:
                if len(self._held) > LONGEST_LINE:
                    raise IncompleteBody
                return
            del self._held[: len(line) + 1]
            if line[-1:] != b"\r":
                raise IncompleteBody
            self._line(bytes(line[:-1]))

    def _line(self, line: bytes) -> None:
        if self._closing:
            if line:
                raise IncompleteBody
            self._closing = False
        elif self._last:
            name, colon, value = line.partition(b":")
            if colon and len(self._trailers) < 10:
                self._trailers[name.strip().lower().decode("latin-1")] = value.strip()
        else:
            size = line.partition(b";")[0]
            if re.fullmatch(rb"[0-9a-fA-F]{1,12}", size) is None:
                raise IncompleteBody
            self._left = int(size, 16)
            self._last = not self._left

    def end(self) -> Mapping[str, bytes]:
        """The trailers. Raises IncompleteBody when the last chunk has not come."""
        if not self._last:
            raise IncompleteBody
        name, colon, value = bytes(self._held).partition(b":")  # a last line without its end
        if colon:
            self._trailers[name.strip().lower().decode("latin-1")] = value.strip()
        return self._trailers
