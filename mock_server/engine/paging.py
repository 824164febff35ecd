"""Pages of a list: page[number] and page[size] as an operation declares them, and the `meta` of the answer."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Query
from pydantic import BaseModel

DEFAULT_SIZE = 20
LARGEST_SIZE = 100
LAST_OFFSET = 2**62  # an offset beyond any list, within what a database takes

# Declared as `number: paging.Number = 1, size: paging.SizeTo99 = paging.DEFAULT_SIZE`; the bounds are the operation's.
Number = Annotated[int, Query(alias="page[number]", ge=1, description="Number of the page, from 1.")]
SizeTo99 = Annotated[int, Query(alias="page[size]", ge=0, lt=100, description="Items a page.")]
SizeTo100 = Annotated[int, Query(alias="page[size]", ge=1, le=100, description="Items a page.")]


class Meta(BaseModel):
    """What a paged list says beside `data`."""

    total_pages: int
    total_results: int
    page_number: int
    page_size: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its number, from 1, and how many items it holds at most."""

    number: int = 1
    size: int = DEFAULT_SIZE

    @property
    def offset(self) -> int:
        return min((self.number - 1) * self.size, LAST_OFFSET)

    def meta(self, total: int) -> dict[str, int]:
        """`meta` of this page of a list of `total` items. An empty list has no pages, nor has one of size 0."""
        return {
            "total_pages": -(-total // self.size) if self.size else 0,
            "total_results": total,
            "page_number": self.number,
            "page_size": self.size,
        }


def asked(query: bytes) -> Page | None:
    """The page that a query asks for on a list without documented paging; None when it does not ask.

    The vendor ignores what such a list does not know, so nothing is refused: what cannot be read counts as not sent,
    and a size over the largest is the largest.
    """
    if b"page" not in query:
        return None
    sent = dict(parse_qsl(query.decode("latin-1")))
    number, size = sent.get("page[number]"), sent.get("page[size]")
    if number is None and size is None:
        return None
    return Page(max(_whole(number, 1), 1), min(max(_whole(size, DEFAULT_SIZE), 1), LARGEST_SIZE))


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else default
