"""A message on the wire: as much of the vendor's as the vendor's snippet and the SDK's typed answer touch."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Address = Annotated[str, Field(min_length=1)]


class MessageRequest(BaseModel):
    """`from` may be left out where the vendor would pick a number; unknown fields are ignored."""

    to: Address
    from_: Annotated[Address | None, Field(alias="from")] = None
    text: str | None = None
    media_urls: list[str] | None = None


class To(BaseModel):
    phone_number: str
    status: Literal["queued"]
    carrier: str
    line_type: str


class From(BaseModel):
    phone_number: str
    carrier: str
    line_type: str


class Message(BaseModel):
    record_type: Literal["message"]
    direction: Literal["outbound"]
    id: str
    type: Literal["SMS", "MMS"]
    to: list[To]
    from_: Annotated[From, Field(alias="from")]
    text: str
    received_at: str
    parts: int
    errors: list[dict[str, str]]


class MessageAnswer(BaseModel):
    data: Message
