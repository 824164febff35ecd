"""Vectors as the API writes them. Pure: many of them are made in a program beside the server."""

import base64
from collections.abc import Sequence

from pydantic_core import to_json

from mock_server.base.embedding import as_floats, embed


def render(inputs: Sequence[str | list[int]], model: str, dimensions: int, as_base64: bool) -> bytes:
    """The items of `data`, without the brackets around them."""
    items = []
    for index, text in enumerate(inputs):
        # Whose tokens they are is not known: each is a word of its own.
        values = embed(text if isinstance(text, str) else " ".join(f"token{id}" for id in text), dimensions, model)
        shown = b'"%s"' % base64.b64encode(as_floats(values)) if as_base64 else to_json(values)
        items.append(b'{"object":"embedding","embedding":%s,"index":%d}' % (shown, index))
    return b",".join(items)
