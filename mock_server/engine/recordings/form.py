"""The form of a recording: one exchange, one JSON file, to be read and mended by people."""

import json
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from mock_server.engine.replies import FixtureError

FOLDER = "recordings"
# What is said of one connection or of one moment, and what would give a secret away.
NOT_KEPT = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "date", "server", "via", "alt-svc", "x-request-id", "set-cookie", "authorization", "cookie",
    }
)  # fmt: skip


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Chunk(_Form):
    """Bytes that came at once, `after` so many seconds of waiting for them."""

    after: float = Field(0.0, ge=0, le=24 * 3600)
    text: str | None = None
    base64: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "Chunk":
        if (self.text is None) == (self.base64 is None):
            raise ValueError("give either text or base64")
        self.data()
        return self

    def data(self) -> bytes:
        return self.text.encode() if self.text is not None else b64decode(self.base64 or "", validate=True)

    @classmethod
    def of(cls, data: bytes, after: float) -> "Chunk":
        try:
            return cls(after=after, text=data.decode())
        except UnicodeDecodeError:
            return cls(after=after, base64=b64encode(data).decode())


class Asked(_Form):
    """The request. `***` in a text, also in the path and the query, stands for anything.

    A body that is no JSON is known by the SHA-256 of its bytes, a form's without its boundary.
    """

    method: Annotated[str, Field(max_length=16)]
    path: Annotated[str, Field(max_length=8192)]
    query: dict[str, str] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    sha256: str | None = None


class Answered(_Form):
    """The answer as it came. `cut`: the connection broke off behind the last chunk."""

    status: Annotated[int, Field(ge=200, le=599)]
    headers: dict[str, str] = Field(default_factory=dict)
    chunks: list[Chunk] = Field(default_factory=list)
    ended: Literal["complete", "cut"] = "complete"


class Recording(_Form):
    request: Asked
    response: Answered


FORM: TypeAdapter[Recording] = TypeAdapter(Recording)


def body_of(body: bytes, content_type: str) -> tuple[Any, str | None]:
    """A body as a recording has it: JSON, or else the hash of its bytes; neither of an empty one."""
    if not body:
        return None, None
    if "multipart/" not in content_type:
        try:
            return from_json(body, allow_inf_nan=False), None
        except ValueError:
            pass  # which counts JSON that is nested very deeply among what is none
    boundary = content_type.partition("boundary=")[2].split(";")[0].strip('" ')
    return None, sha256(body.replace(boundary.encode("latin-1", "replace"), b"") if boundary else body).hexdigest()


def query_of(query: bytes) -> dict[str, str]:
    """The parameters of a query; of one that comes several times all values, in order."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        found[name] = f"{found[name]}&{urlencode({name: value}, quote_via=quote)}" if name in found else value
    return found


def read(path: Path) -> Recording:
    """A recording's file. Raises FixtureError."""
    try:
        return FORM.validate_json(path.read_bytes())
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "recording"
        raise FixtureError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from None


def write(path: Path, recording: Recording) -> None:
    """Write a recording, whole or not at all. Raises OSError."""
    shown = recording.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(shown, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
