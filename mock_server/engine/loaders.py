"""The text of documents: PDF, HTML, JSON, CSV and plain text; anything else is taken for text.

Pure, and run in a program beside the server (program.py): a document may be large or hostile, and parsing it holds the
interpreter. So this file imports nothing of ours, and its libraries where they are needed.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

Mode = Literal["text", "prose"]
QUICK = 8 * 1024  # bytes of a document that may be read on the loop
MOST_PAGES = 5000
MOST_TEXT = 20_000_000  # characters of a document that are read; the rest is left
BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "footer", "form", "h1", "h2",
        "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "option", "p", "pre", "section", "table", "td",
        "th", "title", "tr", "ul",
    }
)  # fmt: skip
# Elements that hold nothing, or that the next of their kind closes: they do not lie inside one another.
FLAT = frozenset(
    {
        "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p", "param",
        "source", "tbody", "td", "th", "tr", "track", "wbr",
    }
)  # fmt: skip
TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
DEEPEST = 5000  # elements inside one another: the parser's time goes with the square of it
UNSEEN = ["script", "style", "noscript", "template", "svg", "iframe"]


class Unreadable(ValueError):
    """A document that cannot be read: one sentence for a person."""


def is_quick(name: str, data: bytes) -> bool:
    """Whether reading a document takes next to no time: a small one, unless it is a PDF."""
    return len(data) <= QUICK and not (name.lower().endswith(".pdf") or data.startswith(b"%PDF-"))


def load_text(name: str, data: bytes, mode: Mode = "text") -> list[str]:
    """The text of a document, in parts: the pages of a PDF, the items of a JSON list, the lines of JSON lines, else one.

    `text` names the fields of JSON and CSV (`title: Bees`); `prose` has nothing in it that is not in the file. Raises
    Unreadable.
    """
    kind = PurePosixPath(name.lower()).suffix
    if data.startswith(b"%PDF-"):
        kind = ".pdf"
    try:
        if kind == ".pdf":
            parts = _pdf(data)
        elif kind in (".html", ".htm", ".xhtml"):
            parts = [_html(data)]
        elif kind == ".json":
            parts = _json(decode(data), mode)
        elif kind in (".jsonl", ".ndjson"):
            parts = _json_lines(decode(data), mode)
        elif kind == ".csv" and mode == "text":
            parts = [_csv(decode(data))]
        else:
            parts = [decode(data)]
    except (MemoryError, RecursionError):
        raise Unreadable("The document is nested too deeply, or too large when unpacked.") from None
    return list(_capped(parts))


def decode(data: bytes) -> str:
    """Text in UTF-8, in UTF-16 with a mark at its start, or in what Western machines used before."""
    encoding = next((name for mark, name in BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return text.replace("\0", "").replace("\r\n", "\n")


def _capped(parts: list[str]) -> Iterator[str]:
    left = MOST_TEXT
    for part in parts:
        # Lone surrogates come from broken fonts and escapes; nothing downstream can encode them.
        part = part[:left].encode("utf-8", "replace").decode().strip()
        left -= len(part)
        if part:
            yield part


def _pdf(data: bytes) -> list[str]:
    from pypdf import PdfReader

    parts: list[str] = []
    total = 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("The PDF is encrypted.")
        for number, page in enumerate(reader.pages):
            parts.append(page.extract_text())
            total += len(parts[-1])
            if number + 1 >= MOST_PAGES or total >= MOST_TEXT:
                break
    except (Unreadable, MemoryError, RecursionError):
        raise
    except Exception as error:  # the library raises whatever it stumbles over
        raise Unreadable(f"The PDF cannot be read: {type(error).__name__}.") from None
    return parts


def parse_html(source: str) -> "LexborHTMLParser":
    """Raises Unreadable for what would take the parser minutes."""
    from selectolax.lexbor import LexborHTMLParser

    if _depth(source) > DEEPEST:
        raise Unreadable(f"The HTML is nested too deeply: over {DEEPEST} elements inside one another.")
    return LexborHTMLParser(source)


def _html(data: bytes) -> str:
    tree = parse_html(decode(data))
    tree.strip_tags(UNSEEN)
    pieces: list[str] = []
    for node in tree.root.traverse(include_text=True) if tree.root is not None else ():
        if node.tag in BLOCKS or (node.prev is not None and node.prev.tag in BLOCKS):
            pieces.append("\n")
        if node.tag == "-text":
            pieces.append(node.text_content or "")
    text = "".join(pieces)
    lines = [" ".join(line.split()) for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) > 1 and lines[0] == lines[1]:  # the title, and the heading that repeats it
        del lines[0]
    return "\n".join(lines)


def _depth(source: str) -> int:
    """How many elements lie inside one another at most, roughly: some that are never closed count to the end."""
    depth = deepest = 0
    for closes, name in TAG.findall(source):
        if name.lower() in FLAT:
            continue
        depth = max(depth - 1, 0) if closes else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _json(text: str, mode: Mode) -> list[str]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"The JSON cannot be read: {error}.") from None
    items = value if isinstance(value, list) else [value]
    return ["\n".join(_leaves(item, "", mode)) for item in items]


def _json_lines(text: str, mode: Mode) -> list[str]:
    """Lines that are no JSON stay as they are."""
    parts: list[str] = []
    for line in text.split("\n"):
        try:
            parts += _json(line, mode)
        except Unreadable:
            parts.append(line)
    return parts


def _leaves(value: Any, name: str, mode: Mode) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, str(key), mode)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name, mode)
    elif mode == "prose":
        if isinstance(value, str):
            yield value
    elif value is not None:
        shown = value if isinstance(value, str) else json.dumps(value)
        yield f"{name}: {shown}" if name else shown


def _csv(text: str) -> str:
    """A line for each row, its fields named by the first row's."""
    try:
        rows = csv.reader(io.StringIO(text))
        names = next(rows, [])
        lines = [", ".join(_named(names, row)) for row in rows if row]
    except csv.Error:
        return text
    return "\n".join(lines) or text


def _named(names: list[str], row: list[str]) -> Iterator[str]:
    for place, field in enumerate(row):
        name = names[place].strip() if place < len(names) else ""
        if field.strip():
            yield f"{name}: {field.strip()}" if name else field.strip()
