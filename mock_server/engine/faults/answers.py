"""What a fault answers instead of the operation: a documented error, a body that was given, silence, a mute socket."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_server.base import errors
from mock_server.base.clock import Clock, Timeline
from mock_server.base.errors import ApiError, Dialect, Issue
from mock_server.engine.answers import JSON, Ready, disconnected
from mock_server.engine.exchange import Exchange
from mock_server.engine.faults.effects import Effect
from mock_server.engine.faults.schedule import Fired

TEXT = (b"content-type", b"text/plain; charset=utf-8")
STATUSES: Mapping[int, type[ApiError]] = {
    kind.status: kind
    for kind in (
        errors.BadRequest, errors.AuthenticationFailed, errors.AuthorizationFailed, errors.NotFound, errors.MethodNotAllowed,
        errors.Conflict, errors.TooLarge, errors.ExpectedJson, errors.Invalid, errors.UpgradeRequired, errors.TooManyRequests,
        errors.UnexpectedError, errors.NotEmulated, errors.ServiceUnavailable, errors.RequestTimeout,
    )
}  # fmt: skip
# More of the vendor's error catalogue: code -> title, detail.
CODES: Mapping[str, tuple[str, str]] = {
    "10004": ("Missing required parameter", "A required parameter was missing."),
    "10008": ("Request timeout", "The request timed out."),
    "10012": ("Duplicate resource", "Resource is a duplicate."),
    "10014": ("Unsupported Media Type", "The media type of the request is not supported."),
    "10023": ("Invalid JSON", "The supplied JSON is invalid."),
    "10027": (errors.Unprocessable.title, errors.Unprocessable.default_detail),
    "10031": ("Invalid request filter", "The request filter is invalid."),
    "10037": ("Service unavailable", "Service is unavailable."),
    "20002": ("API Key revoked", "The API key was revoked."),
    "20012": ("Account inactive", "The account is inactive."),
    "20013": ("Account blocked", "The account is blocked."),
    "20015": ("Feature not enabled", "User account is not enabled for inference."),
    "20100": ("Insufficient Funds", "You do not have enough funds to perform this action."),
    "90103": ("Failed to produce text to speech", errors.SpeechFailed.default_detail),
    "90104": ("Failed to list voices", errors.VoicesFailed.default_detail),
}
# Statuses that the vendor's catalogue ties to a code of their own.
CODE_OF_STATUS: Mapping[int, str] = {402: "20100", 408: "10008"}


def instead(exchange: Exchange, fired: Fired, clock: Clock) -> Response | None:
    """What answers in place of the operation, None where the operation answers itself. Raises the error it answers with."""
    effect = fired.effect
    assert exchange.account is not None
    timeline = exchange.account.timeline
    if effect.status is not None:
        if "body" in effect.model_fields_set:
            return given(effect)
        raise error_of(effect)
    if effect.timeout is not None:
        return Silence(effect.timeout, clock, timeline)
    if effect.disconnect:
        return Silence(0, clock, timeline)
    if effect.hang:
        return Silence(None, clock, timeline)
    if effect.silent is not None:
        return Mute(effect.silent, clock, timeline)
    return None


def error_of(effect: Effect) -> ApiError:
    """The error with an effect's status, in the vendor's words unless the rule has others."""
    assert effect.status is not None
    error = _documented(effect.status, effect.code, effect.detail)
    if effect.retry_after is not None:
        seconds = f"{effect.retry_after:g}"
        reset = {"x-ratelimit-reset": seconds} if effect.status == 429 else {}
        error.headers = {**error.headers, "retry-after": seconds, **reset}
    return error


def _documented(status: int, code: str | None, detail: str | None) -> ApiError:
    kind = STATUSES.get(status)
    code = code or (None if kind else CODE_OF_STATUS.get(status))
    if kind is errors.Invalid and code is None:
        return errors.Invalid([Issue(("body",), detail or "Value error, injected fault")])
    if code is None and kind is not None:
        return kind(detail)
    base = ApiError if kind is None or kind is errors.Invalid else kind
    fallback = errors.BadRequest if status < 500 else errors.UnexpectedError
    title, words = CODES.get(code or "", (_phrase(status), fallback.default_detail))
    named = {"status": status, "code": code or fallback.code, "title": title, "default_detail": words}
    error: ApiError = type("Injected", (base,), named)(detail)
    return error


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unexpected error" if status >= 500 else "Bad Request"


def given(effect: Effect) -> Ready:
    """The answer whose body a rule gives: a text as it is, anything else as JSON."""
    assert effect.status is not None
    if effect.status in (204, 304):
        answer = Ready(b"", effect.status, ())
        answer.raw_headers = []
    elif isinstance(effect.body, str):
        answer = Ready(effect.body.encode("utf-8", "replace"), effect.status, (TEXT,))
    else:
        answer = Ready(to_json(effect.body), effect.status, (JSON,))
    if effect.status == 429 or effect.retry_after is not None:
        told = error_of(effect).headers
        answer.raw_headers += [(name.encode(), value.encode()) for name, value in told.items()]
    return answer


def event_body(event: Any, dialect: Dialect, named: bool) -> bytes:
    """The error event that ends a stream: both envelopes in one, so that clients of either find what they look for.

    `named`: the stream's events have names; clients of such pass over one that has none.
    """
    if not isinstance(event, dict):
        failed = errors.UnexpectedError()
        body = errors.render(failed, dialect if dialect != "s3" else "std")
        told = {"message": failed.detail, "type": "server_error", "param": None, "code": failed.code}
        event = {**({"type": "error"} if named else {}), "error": told, **body}
    return (b"event: error\n" if named else b"") + b"data: " + to_json(event) + b"\n\n"


class Silence(Response):
    """No answer: waits by the account's clock, then closes the connection before any byte. None waits for the client to go."""

    def __init__(self, seconds: float | None, clock: Clock, timeline: Timeline) -> None:
        self.status_code = 0
        self.raw_headers = []
        self.background = None
        self._seconds, self._clock, self._timeline = seconds, clock, timeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(disconnected(receive))
        try:
            if self._seconds is not None and await self._clock.sleep(self._timeline, self._seconds, until=left):
                scope["mock.exchange"].ended = "cut"
                scope["mock.connection"].hang_up()  # set by our uvicorn protocols, serve.py
            await left
        finally:
            left.cancel()


class Mute(Silence):
    """A socket that is accepted, then nothing, then closed with 1000."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        left = asyncio.ensure_future(disconnected(receive))
        try:
            if await self._clock.sleep(self._timeline, self._seconds or 0, until=left):
                await send({"type": "websocket.close", "code": 1000})
        finally:
            left.cancel()
