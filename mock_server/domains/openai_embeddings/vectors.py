"""Vectors as the API writes them. Pure: many of them are made in a program beside the server."""

import base64
from collections.abc import Iterable, Sequence

from pydantic_core import to_json

from mock_server.base.embedding import as_floats, embed


def render(inputs: Sequence[str | list[int]], model: str, dimensions: int, as_base64: bool) -> bytes:
    """The items of `data` for these inputs, without the brackets around them."""
    # Whose tokens they are is not known: each is a word of its own.
    texts = (text if isinstance(text, str) else " ".join(f"token{id}" for id in text) for text in inputs)
    return items((embed(text, dimensions, model) for text in texts), as_base64)


def items(vectors: Iterable[Sequence[float]], as_base64: bool) -> bytes:
    """The items of `data` for these vectors."""
    written = []
    for index, values in enumerate(vectors):
        shown = b'"%s"' % base64.b64encode(as_floats(values)) if as_base64 else to_json(values)
        written.append(b'{"object":"embedding","embedding":%s,"index":%d}' % (shown, index))
    return b",".join(written)
