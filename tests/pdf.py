"""Small PDFs made of lines of text, for tests and for fixtures/buckets/my-bucket/handbook.pdf."""

import zlib
from collections.abc import Sequence

HANDBOOK = (
    (
        "Operations handbook",
        "An incident begins when a customer cannot make calls.",
        "The engineer on duty opens a channel and names an incident lead.",
        "Customers are told within fifteen minutes, even when the cause is unknown.",
    ),
    (
        "After an incident",
        "A review is written within five working days.",
        "It says what happened, what helped, and what will be changed.",
        "Nobody is blamed in a review: it looks for weak spots in the system.",
    ),
)


def make(pages: Sequence[Sequence[str]], compress: bool = False) -> bytes:
    """A PDF with a page for each of `pages`, whose lines are ASCII."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, lines in enumerate(pages):
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode(),
            stream(content(lines), compress),
        ]
    return assemble(objects)


def content(lines: Sequence[str]) -> bytes:
    escaped = (line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines)
    return b"BT /F1 11 Tf 72 720 Td 16 TL\n" + "".join(f"({line}) Tj T*\n" for line in escaped).encode() + b"ET"


def stream(data: bytes, compress: bool) -> bytes:
    data = zlib.compress(data) if compress else data
    packed = b" /Filter /FlateDecode" if compress else b""
    return b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(data), packed, data)


def assemble(objects: Sequence[bytes]) -> bytes:
    """A file of these objects, numbered from 1; the first is the catalogue."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
