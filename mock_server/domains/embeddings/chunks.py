"""Documents cut into chunks, and the vectors of these. Pure: runs in the worker."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from mock_server.base.embedding import embed_bytes
from mock_server.engine.loaders import Unreadable, decode, parse_html

DIMENSIONS = 1024  # of both models that embed buckets
MOST = 100_000  # chunks of one document
HEADINGS = "h1, h2, h3, h4"

Chunk = tuple[str, str]  # text, loader_metadata as JSON


def split(text: str, size: int, overlap: int) -> Iterator[str]:
    """Pieces of at most `size` characters, each beginning `overlap` characters before the last one's end.

    Where there is a space in the second half of a piece it ends there, so that words stay whole.
    """
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            space = max(text.rfind(" ", start + size // 2, end + 1), text.rfind("\n", start + size // 2, end + 1))
            end = space if space > start else end
        piece = text[start:end].strip()
        if piece:
            yield piece
        if end >= len(text):
            return
        following = end - overlap
        space = text.find(" ", following, end)
        start = max(start + 1, following if space < 0 or not overlap else space + 1)


def cut(parts: Sequence[tuple[str, dict[str, Any]]], size: int, overlap: int) -> list[Chunk]:
    """The chunks of a document's parts, each with its part's metadata. Raises Unreadable."""
    chunks: list[Chunk] = []
    for text, metadata in parts:
        shown = json.dumps(metadata, ensure_ascii=False)
        for piece in split(text, size, overlap):
            chunks.append((piece, shown))
            if len(chunks) > MOST:
                raise Unreadable(f"The document has more than {MOST} chunks: choose a larger chunk size.")
    if not chunks:
        raise Unreadable("There is no text in the file.")
    return chunks


def vectors(texts: Sequence[str], model: str) -> list[bytes]:
    return [embed_bytes(text, DIMENSIONS, model) for text in texts]


def articles(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Intercom's articles as JSON: one, a list, or a list under `data` or `articles`; cut at the headings of their body.

    Raises Unreadable.
    """
    try:
        value = json.loads(decode(data))
    except (ValueError, RecursionError):
        raise Unreadable("The file is not JSON, as the loader intercom expects.") from None
    if isinstance(value, dict):
        value = value.get("data", value.get("articles", value))
    parts = []
    for article in value if isinstance(value, list) else [value]:
        if not isinstance(article, dict) or not isinstance(article.get("body"), str):
            raise Unreadable("The file has no Intercom articles: objects with title, body and url.")
        title, url = str(article.get("title") or ""), str(article.get("url") or "")
        for heading, text in sections(article["body"], title):
            parts.append((text, {"article_url": url, "heading": heading}))
    return parts


def sections(html: str, title: str) -> Iterator[tuple[str, str]]:
    """(heading, text) of each section of an article; what comes before the first heading goes under the title. Raises Unreadable."""
    tree = parse_html(html)
    tree.strip_tags(["script", "style"])
    marks = []
    for node in tree.css(HEADINGS):
        marks.append(" ".join(node.text(deep=True).split()))
        node.replace_with("\0")  # cannot be in the text of a document
    for node in tree.css("p, li, br, div, tr"):
        node.insert_after("\n")
    text = tree.root.text(deep=True) if tree.root is not None else ""
    for heading, body in zip([title, *marks], text.split("\0"), strict=False):
        lines = [line for line in (" ".join(line.split()) for line in body.split("\n")) if line]
        if lines:
            yield heading, "\n".join([heading, *lines] if heading else lines)
