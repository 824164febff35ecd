"""What hides credentials in the journal: the account's key when an exchange is kept, others by their names when it is shown."""

import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

from mock_server.engine.answers import REFRAIN
from mock_server.engine.exchange import BODY_CAP, Exchange
from mock_server.engine.heads import OVER, Head, Headers, Masked

MASK = b"***"
# Headers that carry credentials, whatever their value.
SECRET_HEADERS = frozenset(
    {
        b"authorization",
        b"proxy-authorization",
        b"cookie",
        b"set-cookie",
        b"x-api-key",
        b"api-key",
        b"x-amz-security-token",
        b"x-mock-admin-token",
    }
)
NAMES = (
    r"(?:[a-z0-9]+[_-])*(?:api[_-]?key|access[_-]?key(?:[_-]?id)?|secret(?:[_-]?(?:access[_-]?)?key)?|password"
    r"|(?:access|auth|session|security)[_-]?token|amz-(?:credential|signature)|authorization)"
)
IS_SECRET = re.compile(NAMES, re.IGNORECASE)
NAME_BYTES = NAMES.encode()
IN_JSON = re.compile(rb'("' + NAME_BYTES + rb'"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE)
IN_QUERY = re.compile(rb"((?:^|[&?])" + NAME_BYTES + rb"=)[^&]*", re.IGNORECASE)
IN_FORM = re.compile(rb'(name="' + NAME_BYTES + rb'"[^\r\n]*(?:\r\n[^\r\n]+)*\r\n\r\n)[^\r\n]*', re.IGNORECASE)
OURS = 3  # content-type, content-length, x-request-id: an answer with no other header echoes nothing in them
SHORTEST_SECRET = 8  # a shorter key would blank out ordinary words
PLAIN = re.compile(rb"[A-Za-z0-9_.~-]+")  # looks the same however it is escaped


def mask(exchange: Exchange) -> None:
    """Take the account's key and every credential header out of an exchange, before the journal keeps it."""
    head = exchange.head
    exchange.head, exchange.headers = OVER, OVER.named
    forms, exchange.request_headers, exchange.header_bytes = head.masked or _mask_head(head)
    if len(exchange.response_headers) > OURS:
        exchange.response_headers, size = _mask_headers(exchange.response_headers, forms)
        exchange.header_bytes += size
    request, response = exchange.request_body, exchange.response_body
    if exchange.refrain:
        response = _of_song(exchange, forms)
    for form in forms:
        if form in request:
            request = exchange.request_body = request.replace(form, MASK)
        if form in response:
            response = exchange.response_body = response.replace(form, MASK)
        if exchange.query:
            exchange.query = exchange.query.replace(form, MASK)
        if (text := form.decode("utf-8", "replace")) in exchange.path:
            exchange.path = exchange.path.replace(text, MASK.decode())
    if exchange.frames is not None:
        exchange.frames.keep(forms, MASK)
    if len(request) > BODY_CAP:
        exchange.request_body = request[:BODY_CAP]
    if len(response) > BODY_CAP:
        exchange.response_body = response[:BODY_CAP]


def _of_song(exchange: Exchange, forms: tuple[bytes, ...]) -> bytes:
    """What must be masked of events that are kept as their song: nothing, or all of them, which are then kept as they are."""
    song, refrain = exchange.response_body, exchange.refrain
    # Only a key that is not PLAIN, and has several forms, may lie across the two.
    if len(forms) < 2 and not any(form in song or form in refrain for form in forms):
        return b""
    exchange.response_body, exchange.refrain = song.replace(REFRAIN, refrain), b""
    return exchange.response_body


def hidden(text: str, secret: bytes) -> str:
    """A text that a client has a hand in, without its key: for what is told of an exchange before it has ended."""
    for form in forms_of(secret) if len(secret) >= SHORTEST_SECRET else ():
        text = text.replace(form.decode("utf-8", "replace"), MASK.decode())
    return text


def forms_of(secret: bytes) -> tuple[bytes, ...]:
    """A key with characters that JSON or a URL would escape, in every way that it may be written; the longest first."""
    text = secret.decode("utf-8", "replace")
    written = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    written |= {quote(text), quote(text, safe=""), quote_plus(text)}
    return tuple(sorted({secret, *(form.encode() for form in written)}, key=len, reverse=True))


def _mask_head(head: Head) -> Masked:
    secret = head.secret
    forms = () if len(secret) < SHORTEST_SECRET else (secret,) if PLAIN.fullmatch(secret) else forms_of(secret)
    head.masked = Masked(forms, *_mask_headers(head.headers, forms))
    return head.masked


def _mask_headers(headers: Headers, forms: tuple[bytes, ...]) -> tuple[Headers, int]:
    """The headers as they are kept, and how many bytes the values of those have that are not blanked out."""
    masked: Headers = []
    size = 0
    for name, value in headers:
        if name in SECRET_HEADERS:
            masked.append((name, MASK))
            continue
        size += len(value)
        for form in forms:
            value = value.replace(form, MASK)
        masked.append((name, value))
    return masked, size


def blank_names(text: bytes) -> bytes:
    """A kept body or query with those credentials blanked out that are known by their name only."""
    try:
        value, found = _walk(json.loads(text))
    except (ValueError, RecursionError):  # no JSON, or cut at the cap
        text = IN_JSON.sub(rb"\1" + MASK, text)
        return IN_FORM.sub(rb"\1" + MASK, IN_QUERY.sub(rb"\1" + MASK, text))
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") if found else text


def _walk(value: Any) -> tuple[Any, bool]:
    """`value` with the values of secret names masked, and whether there were any."""
    if isinstance(value, list):
        walked = [_walk(item) for item in value]
        return [item for item, _ in walked], any(found for _, found in walked)
    if not isinstance(value, dict):
        return value, False
    masked: dict[str, Any] = {}
    any_found = False
    for name, item in value.items():
        secret = IS_SECRET.fullmatch(name) is not None and not isinstance(item, dict | list | None)
        masked[name], found = (MASK.decode(), True) if secret else _walk(item)
        any_found = any_found or found
    return masked, any_found
