"""Every error a client can be told, and how each wire dialect spells it. No HTTP library, no domain.

    ApiError
    ├── BadRequest 400 10015 ── InvalidJson 10023, InvalidFilter 10031, SpeechFailed 90103, VoicesFailed 90104,
    │       and of the speech-to-text socket: InvalidFormat 40001, UnsupportedFormat 40002, SampleRateMissing 40003,
    │       SampleRateInvalid 40004, SampleRateUnsupported 40005, FluxFormat 40006, InvalidEngine 40007
    ├── AuthenticationFailed 401 10009
    ├── AuthorizationFailed 403 10010 ── FeatureNotEnabled 20015
    ├── NotFound 404 10005
    ├── MethodNotAllowed 405 10030
    ├── Conflict 409 10036
    ├── TooLarge 413 10015
    ├── UnsupportedMediaType 415 10014 ── ExpectedJson 10029
    ├── Invalid 422 (issues: the shape is the dialect's)
    ├── Unprocessable 422 10027
    ├── UpgradeRequired 426 10015
    ├── TooManyRequests 429 10011
    ├── UnexpectedError 500 10007
    ├── NotEmulated 501 10005
    ├── ServiceUnavailable 503 10016
    └── RequestTimeout 504 10008

Codes, titles and details are the vendor's error catalogue; where its sources disagree the choice is the table "Errors"
in docs/errors.md, which a test reads.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

# fa: FastAPI's `detail[]` for 422 (all of /ai/*).  std: `errors[]` for everything.  map: `errors{field: [msg]}` for 422
# (POST /text-to-speech/speech).  stt: `errors[]` with code 10004 and source.pointer for 422 (speech-to-text sockets and
# providers).  bucket: as fa, and 404 in a `detail[]` of Telnyx-like items (DELETE of an embedded bucket).  s3: XML.
Dialect = Literal["fa", "std", "map", "stt", "bucket", "s3"]
XML_UNABLE = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # compiled when needed, for it takes 3 ms
META_URL = "https://developers.telnyx.com/docs/overview/errors/"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a request: where (`loc`), in words (`msg`), and pydantic 2's name for it (`type`)."""

    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"


class ApiError(Exception):
    """An answer that is not a success. `source` is the envelope's {"pointer": ...} or {"parameter": ...}."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "10007"
    title: ClassVar[str] = "Unexpected error"
    default_detail: ClassVar[str] = "An unexpected error occured."
    s3_code: ClassVar[str] = "InternalError"

    def __init__(
        self,
        detail: str | None = None,
        *,
        source: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.detail = detail or self.default_detail
        self.source = source
        self.headers: Mapping[str, str] = headers or {}
        super().__init__(self.detail)


class BadRequest(ApiError):
    s3_code = "InvalidRequest"
    status, code, title = 400, "10015", "Bad Request"
    default_detail = "The request failed because it was not well-formed."


class InvalidFormat(BadRequest):
    code, title = "40001", "Invalid Parameter"


class UnsupportedFormat(BadRequest):
    code, title = "40002", "Unsupported format"


class SampleRateMissing(BadRequest):
    code, title = "40003", "Missing Parameter"


class SampleRateInvalid(BadRequest):
    code, title = "40004", "Invalid Parameter"


class SampleRateUnsupported(BadRequest):
    code, title = "40005", "Invalid Parameter"


class FluxFormat(BadRequest):
    code, title = "40006", "Unsupported format"


class InvalidEngine(BadRequest):
    code, title = "40007", "Invalid Parameter"


class InvalidJson(BadRequest):
    code, title, default_detail = "10023", "Invalid JSON", "The supplied JSON is invalid."


class InvalidFilter(BadRequest):
    code, title, default_detail = "10031", "Invalid request filter", "The request filter is invalid."


class SpeechFailed(BadRequest):
    code, title = "90103", "Failed to produce text to speech"
    default_detail = "An unexpected error occurred, please contact support@telnyx.com if the problem persists."


class VoicesFailed(BadRequest):
    code, title = "90104", "Failed to list voices"
    default_detail = "An unexpected error occurred, please contact support@telnyx.com if the problem persists."


class AuthenticationFailed(ApiError):
    s3_code = "InvalidAccessKeyId"  # which S3 tells with 403, and this server with 401 as everywhere
    status, code, title = 401, "10009", "Authentication failed"
    default_detail = "The required authentication headers were either invalid or not included in the request."


class AuthorizationFailed(ApiError):
    s3_code = "AccessDenied"
    status, code, title = 403, "10010", "Authorization failed"
    default_detail = (
        "You do not have permission to perform the requested action on the specified resource or resources."
    )


class FeatureNotEnabled(AuthorizationFailed):
    s3_code = "UserSuspended"
    code, title, default_detail = "20015", "Feature not enabled", "User account is not enabled for inference."


class NotFound(ApiError):
    s3_code = "NoSuchKey"
    status, code, title = 404, "10005", "Resource not found"
    default_detail = "The requested resource or URL could not be found."


class MethodNotAllowed(ApiError):
    s3_code = "MethodNotAllowed"
    status, code, title = 405, "10030", "Method not allowed"
    default_detail = "The URL is valid, but the method is not allowed."


class Conflict(ApiError):
    s3_code = "OperationAborted"
    status, code, title = 409, "10036", "Resource is being processed"
    default_detail = "A request with this Idempotency-Key is already being processed."


class TooLarge(BadRequest):
    status, s3_code = 413, "EntityTooLarge"


class UnsupportedMediaType(ApiError):
    s3_code = "InvalidRequest"
    status, code, title = 415, "10014", "Unsupported Media Type"
    default_detail = "The media type of the request is not supported."


class ExpectedJson(UnsupportedMediaType):
    code, title = "10029", "Expected JSON Content-Type"
    default_detail = "The request body must be sent with the Content-Type application/json."


class Unprocessable(ApiError):
    s3_code = "InvalidRequest"
    status, code, title = 422, "10027", "Unprocessable Entity"
    default_detail = "The server understood the syntax of the request but was unable to process the instructions."


class Invalid(Unprocessable):
    """A body, query or path that breaks the operation's schema."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, i.loc))}: {i.msg}" for i in issues))
        self.issues = tuple(issues)


class UpgradeRequired(BadRequest):
    status = 426


class TooManyRequests(ApiError):
    """429. `retry_after` in seconds; the rate-limit headers say that nothing is left until then."""

    s3_code = "SlowDown"
    status, code, title = 429, "10011", "Too many requests"
    default_detail = "You have exceeded the maximum number of allowed requests."

    def __init__(self, detail: str | None = None, *, retry_after: float = 1, limit: int = 100) -> None:
        seconds = f"{retry_after:g}"
        super().__init__(
            detail,
            headers={
                "retry-after": seconds,
                "x-ratelimit-limit": str(limit),
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": seconds,
            },
        )


class UnexpectedError(ApiError):
    pass


class NotEmulated(NotFound):
    status, s3_code = 501, "NotImplemented"


class ServiceUnavailable(ApiError):
    s3_code = "ServiceUnavailable"
    status, code, title, default_detail = 503, "10016", "Service unavailable", "Service is unavailable."


class RequestTimeout(ApiError):
    s3_code = "RequestTimeout"
    status, code, title, default_detail = 504, "10008", "Request timeout", "The request timed out."


def render(error: ApiError, dialect: Dialect) -> dict[str, Any]:
    """The body of `error` as the operation's dialect spells it."""
    if isinstance(error, Invalid):
        return _RENDER_INVALID[dialect](error)
    if dialect == "bucket" and isinstance(error, NotFound):
        return {"detail": [{"code": error.code, "title": error.title, "detail": error.detail}]}
    return {"errors": [_item(error.code, error.title, error.detail, error.source)]}


def _item(code: str, title: str, detail: str, source: Mapping[str, str] | None) -> dict[str, Any]:
    item: dict[str, Any] = {"code": code, "title": title, "detail": detail}
    if source:
        item["source"] = dict(source)
    item["meta"] = {"url": META_URL + code}
    return item


def _as_fastapi(error: Invalid) -> dict[str, Any]:
    return {"detail": [{"loc": list(i.loc), "msg": i.msg, "type": i.type} for i in error.issues]}


def _source(issue: Issue) -> dict[str, str]:
    place, *rest = issue.loc or ("body",)
    if place == "query" and rest:
        return {"parameter": str(rest[0])}
    return {"pointer": "/" + "/".join(map(str, rest))}


def _as_errors(error: Invalid) -> dict[str, Any]:
    return {"errors": [_item(error.code, error.title, i.msg, _source(i)) for i in error.issues]}


def _as_missing_parameter(error: Invalid) -> dict[str, Any]:
    # The public spec's own sample for speech-to-text points at query parameters with a JSON pointer.
    items = []
    for issue in error.issues:
        name = str(issue.loc[-1]) if len(issue.loc) > 1 else "body"
        missing = issue.type == "missing"
        detail = f"The '{name}' parameter is required and cannot be blank." if missing else f"'{name}': {issue.msg}"
        items.append(_item("10004", "Missing required parameter", detail, {"pointer": f"/{name}"}))
    return {"errors": items}


def _as_map(error: Invalid) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    for issue in error.issues:
        fields.setdefault(".".join(map(str, issue.loc[1:])) or "body", []).append(issue.msg)
    return {"errors": fields}


_RENDER_INVALID = {
    "fa": _as_fastapi,
    "bucket": _as_fastapi,
    "std": _as_errors,
    "stt": _as_missing_parameter,
    "map": _as_map,
}


def render_xml(error: ApiError) -> bytes:
    """The body of `error` in the dialect `s3`."""
    text = re.sub(XML_UNABLE, "?", error.detail).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = f"<Error><Code>{error.s3_code}</Code><Message>{text}</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode("utf-8", "replace")
