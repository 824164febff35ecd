"""What a fault does, as rules say it. Data only: answers.py, wire.py and sockets.py make it happen."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_serializer, model_validator

LONGEST_WAIT = 24 * 3600.0  # seconds
MOST_BODY = 1024 * 1024  # characters of a body that a rule gives
UNITS = "bytes?|chunks?|frames?|received|seconds?|s"
MOMENT = re.compile(rf"\s*(\d{{1,9}}|\d{{1,5}}\.\d{{1,3}})\s*({UNITS})\s*", re.IGNORECASE)
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4000}")
# What frames an answer, or stands in it once whatever a rule says.
FRAMING = frozenset(
    {"content-length", "transfer-encoding", "connection", "upgrade", "date", "x-mock-fault", "x-request-id"}
)
RESERVED_CODES = (1004, 1005, 1006, 1015)  # close codes that no frame may carry


class Moment(BaseModel):
    """A point in an answer: after so many bytes, chunks, frames or seconds, or frames received; or right after the head."""

    model_config = ConfigDict(frozen=True)

    unit: Literal["headers", "bytes", "chunks", "frames", "received", "seconds"]
    n: float = 0

    def __str__(self) -> str:
        if self.unit == "headers":
            return "headers"
        unit = self.unit if self.n != 1 or self.unit == "received" else self.unit[:-1]
        return f"{self.n:.3f}".rstrip("0").rstrip(".") + f" {unit}"

    @model_serializer
    def _as_written(self) -> str:
        return str(self)


def _moment(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() == "headers":
        return Moment(unit="headers")
    found = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a moment is written headers, 100 bytes, 3 chunks, 2 frames, 2 received or 1.5 seconds")
    unit = found[2].lower()
    unit = unit if unit == "received" else unit.rstrip("s") + "s" if unit != "s" else "seconds"
    if "." in found[1] and unit != "seconds":
        raise ValueError(f"there is no such number of {unit} as {found[1]}")
    return Moment(unit=unit, n=min(float(found[1]), LONGEST_WAIT) if unit == "seconds" else int(found[1]))


def _wait(value: Any) -> Any:
    """A number of seconds, or the least and the most of them."""
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in pair):
        raise ValueError("a wait is a number of seconds, or a list of the least and the most")
    least, most = float(pair[0]), float(pair[1])
    if not (math.isfinite(most) and 0 <= least <= most <= LONGEST_WAIT):
        raise ValueError("a wait is from 0 seconds up to a day, the least of it first")
    return (least, most)


def _headers(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("headers are a mapping of names to values")
    if len(value) > 50:
        raise ValueError("these are too many headers; 50 are the most")
    read: dict[str, str | None] = {}
    for name, text in value.items():
        text = str(text) if isinstance(text, (int, float)) and not isinstance(text, bool) else text
        if not isinstance(name, str) or HEADER_NAME.fullmatch(name) is None:
            raise ValueError(f"{str(name)[:40]!r} is no name of a header")
        if name.lower() in FRAMING or name.lower().startswith("sec-websocket-"):
            raise ValueError(f"{name} is not for a rule to set")
        if text is not None and (not isinstance(text, str) or HEADER_VALUE.fullmatch(text) is None):
            raise ValueError(f"the value of {name} is no text that a header can carry")
        read[name.lower()] = text
    return read


def _code(value: Any) -> Any:
    """Codes are digits; YAML reads them as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: Any) -> Any:
    """A number that was written as one: as the schema says, and as no typo is."""
    if isinstance(value, (str, bool)):
        raise ValueError(f"it is a number, not {value!r:.40}")
    return value


def _flag(value: Any) -> Any:
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"it is true or left out, not {value!r:.40}")
    return value


def _any_case(pattern: str) -> str:
    """A pattern in which letters stand for themselves in either case: schemas know no flags."""
    return re.sub(
        r"\\.|[a-z]", lambda found: found[0] if found[0][0] == "\\" else f"[{found[0]}{found[0].upper()}]", pattern
    )


_SECONDS: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": LONGEST_WAIT}
MomentField = Annotated[
    Moment,
    BeforeValidator(_moment),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _any_case(rf"^\s*(headers|\d{{1,9}}\s*({UNITS})|\d{{1,5}}\.\d{{1,3}}\s*(seconds?|s))\s*$"),
            "examples": ["headers", "100 bytes", "3 chunks", "2 frames", "2 received", "1.5 seconds"],
        }
    ),
]  # fmt: skip
WaitField = Annotated[
    tuple[float, float],
    BeforeValidator(_wait),
    WithJsonSchema({"anyOf": [_SECONDS, {"type": "array", "items": _SECONDS, "minItems": 2, "maxItems": 2}]}),
]
HeadersField = Annotated[
    dict[str, str | None],
    BeforeValidator(_headers),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "null"]}}),
]
CodeField = Annotated[
    str,
    Field(pattern=r"^\d{5}$"),
    BeforeValidator(
        _code,
        json_schema_input_type=Annotated[str, Field(pattern=r"^\d{5}$")] | Annotated[int, Field(ge=10_000, le=99_999)],
    ),
]
Number = BeforeValidator(_number)
Seconds = Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False), Number]
Flag = Annotated[Literal[True], BeforeValidator(_flag)]
# What happens instead of the operation. At most one of them.
ENDINGS = ("status", "timeout", "hang", "disconnect", "silent", "half_open")
# What is done to the bytes of an HTTP answer, and to a socket's frames.
HTTP_ONLY = ("error_event", "no_done", "drip")
SOCKET_ONLY = ("close", "reason", "error_frame", "silent", "half_open")


class Effect(BaseModel):
    """What happens. Fields combine where that makes sense: a status that comes late, a stream that is slow and then cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # An answer of its own.
    status: Annotated[int, Field(ge=200, le=599), Number] | None = Field(
        None,
        description="An error with this status, in the operation's own words; of a socket, denied.",
    )
    code: CodeField | None = Field(None, description="Another documented code for this status, such as 20015.")
    detail: str | None = Field(None, max_length=2000, description="Another detail in the error's body.")
    body: Any = Field(None, description="Another body: JSON, or a text that is sent as it is.")
    retry_after: Seconds | None = Field(
        None, description="The header retry-after, in seconds; on 429 it is 1 unless given."
    )
    headers: HeadersField | None = Field(
        None, description="Headers to set on the answer, whoever makes it; null takes one away. `content-type` too."
    )
    # Waits, by the account's clock.
    delay: WaitField | None = Field(
        None, description="Seconds before the answer begins, or [least, most], drawn by the seed."
    )
    chunk_delay: WaitField | None = Field(
        None, description="Seconds before each chunk, event or frame, or [least, most]."
    )
    drip: Annotated[float, Field(ge=1, le=1e9), Number] | None = Field(
        None, description="Bytes a second at which the body comes."
    )
    # No answer.
    timeout: Seconds | None = Field(
        None, description="Seconds of silence, then the connection closes without an answer."
    )
    hang: Flag | None = Field(None, description="Never an answer; the connection stays open.")
    disconnect: Flag | None = Field(None, description="The connection closes before any byte.")
    # A broken answer.
    cut: MomentField | None = Field(
        None,
        description="The connection breaks off after this much of the answer; a socket drops without a close frame (1006).",
    )
    malformed: Flag | None = Field(None, description="JSON that ends in the middle; of a stream, the event at `at`.")
    no_done: Flag | None = Field(
        None, description="A stream without its last event: `[DONE]`, `message_stop` or `response.completed`."
    )
    error_event: Any = Field(
        None, description="A stream ends with an error event at `at`: true for the usual one, or the event's JSON."
    )
    duplicate: Flag | None = Field(
        None, description="Every chunk, event or frame comes twice; a webhook is sent twice."
    )
    at: MomentField | None = Field(
        None, description="When `malformed`, `error_event`, `close` or `error_frame` happens."
    )
    # Sockets.
    close: Annotated[int, Field(ge=1000, le=4999), Number] | None = Field(
        None, description="The socket is closed with this code, at `at`."
    )
    reason: str | None = Field(None, description="The reason that goes with `close`; at most 123 bytes.")
    error_frame: Annotated[Any, BeforeValidator(_code)] = Field(
        None,
        description="An error frame at `at`, then a close (1000 unless `close` says): a documented code, a message, or JSON.",
    )
    silent: Seconds | None = Field(
        None, description="Accepted, then nothing, then closed with 1000 after so many seconds."
    )
    half_open: Flag | None = Field(
        None,
        description="From `at` on nothing is read, no ping is answered and nothing is sent; the connection stays open.",
    )
    # Jobs.
    job: Literal["failed", "stuck", "partial"] | None = Field(
        None, description="The job that the request makes ends failed or partial, or never ends."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "Effect":
        if not self.model_fields_set:
            raise ValueError("an effect says what happens, such as status or timeout")
        endings = [name for name in ENDINGS if getattr(self, name) is not None]
        if len(endings) > 1:
            raise ValueError(f"give {' or '.join(endings)}, not both")
        if endings and endings[0] in ("timeout", "hang", "disconnect") and len(self.model_fields_set) > 1:
            other = sorted(self.model_fields_set - set(endings))[0]
            raise ValueError(f"{endings[0]} goes by itself, without {other}: no answer is sent")
        if self.status is not None and self.status < 400 and "body" not in self.model_fields_set:
            raise ValueError(f"status {self.status} is no error: give the body that comes with it")
        if self.status is None:
            for name in ("code", "detail", "body", "retry_after"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name} goes with status")
        ways = [name for name in ("status", "silent", "cut", "half_open") if getattr(self, name) is not None]
        ways += [name for name in ("close", "error_frame") if getattr(self, name) is not None][:1]
        if len(ways) > 1 and ways != ["status", "cut"]:
            raise ValueError(f"give {' or '.join(ways)}, not both: each is an end of its own")
        self._check_parts()
        return self

    def _check_parts(self) -> None:
        if isinstance(self.body, str) and len(self.body) > MOST_BODY:
            raise ValueError("the body is too long")
        if self.reason is not None and (self.close is None or len(self.reason.encode("utf-8", "replace")) > 123):
            raise ValueError("reason goes with close, and has at most 123 bytes")
        if self.close is not None and (self.close in RESERVED_CODES or 1016 <= self.close < 3000):
            raise ValueError(f"no close frame can carry {self.close}; a drop (1006) is written cut: 0 frames")
        if self.at is not None and not any(
            getattr(self, name) is not None
            for name in ("malformed", "error_event", "close", "error_frame", "half_open")
        ):
            raise ValueError("at goes with malformed, error_event, close, error_frame or half_open")
        if not (self.error_event is None or self.error_event is True or isinstance(self.error_event, dict)):
            raise ValueError("error_event is true, or the JSON object that the event carries")
        if not (self.error_frame is None or isinstance(self.error_frame, (str, dict))):
            raise ValueError("error_frame is a documented code, a message, or the JSON object that the frame carries")
        if self.wire_kind == "":
            raise ValueError("one effect is for HTTP or for a socket, not for both")

    @property
    def wire_kind(self) -> Literal["http", "socket", "", None]:
        """Which kind of exchange its parts are for; None for both, empty for a contradiction."""
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        http, socket = bool(given & set(HTTP_ONLY)), bool(given & set(SOCKET_ONLY))
        return "" if http and socket else "http" if http else "socket" if socket else None

    def describe(self) -> dict[str, Any]:
        """As a rule would write it."""
        shown: dict[str, Any] = {}
        for name in type(self).model_fields:
            if name not in self.model_fields_set:
                continue
            value = getattr(self, name)
            if isinstance(value, Moment):
                value = str(value)
            elif isinstance(value, tuple):
                value = value[0] if value[0] == value[1] else list(value)
            shown[name] = value
        return shown
