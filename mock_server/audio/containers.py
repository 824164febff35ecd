"""How long the audio of an mp4, m4a or webm lasts, from the header of its container: their codecs are not decoded."""

from collections.abc import Iterator
from typing import Any

DEEPEST = 8
# EBML ids of Matroska.
EBML, SEGMENT, INFO, TIMECODE_SCALE, DURATION = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489
CLUSTER, TIMECODE = b"\x1f\x43\xb6\x75", 0xE7


def seconds(data: Any) -> float | None:
    """The duration that a container tells, None where it is no such container or does not tell. `data`: bytes or a map."""
    found = None
    if data[4:8] in (b"ftyp", b"styp", b"moov", b"mdat"):
        found = _mp4(data)
    elif data[:4] == EBML.to_bytes(4, "big"):
        found = _matroska(data)
    return found if found is not None and 0 < found < 1e6 else None


def _boxes(data: Any, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte of the content, end) of the boxes of an MP4 between two places."""
    while start + 8 <= end:
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            return
        yield bytes(data[start + 4 : start + 8]), start + head, start + size
        start += size


def _mp4(data: Any) -> float | None:
    """moov/mvhd, or moov/mvex/mehd of a fragmented file, which counts in mvhd's scale."""
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind != b"moov":
            continue
        scale = duration = 0
        for inner, at, stop in _boxes(data, start, end):
            if inner == b"mvhd":
                long = data[at : at + 1] == b"\1"
                place, width = (at + 20, 8) if long else (at + 12, 4)
                scale = int.from_bytes(data[place : place + 4], "big")
                duration = int.from_bytes(data[place + 4 : place + 4 + width], "big")
                if duration == (1 << 8 * width) - 1:  # it was not known when this was written
                    duration = 0
            elif inner == b"mvex" and not duration:
                for last, at_mehd, _ in _boxes(data, at, stop):
                    if last == b"mehd":
                        width = 8 if data[at_mehd : at_mehd + 1] == b"\1" else 4
                        duration = int.from_bytes(data[at_mehd + 4 : at_mehd + 4 + width], "big")
        return duration / scale if scale and duration else None
    return None


def _number(data: Any, at: int, *, keep_marker: bool) -> tuple[int, int, bool]:
    """An EBML variable-length number: its value, where it ends, whether all its bits are 1 (an unknown size)."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    if not first or width > 8:
        return 0, at + 1, False
    value = int.from_bytes(data[at : at + width], "big")
    bits = 7 * width
    bare = value & ((1 << bits) - 1)
    return (value if keep_marker else bare), at + width, bare == (1 << bits) - 1


def _elements(data: Any, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(id, first byte of the content, end) of the EBML elements between two places."""
    while start < end:
        id, at, _ = _number(data, start, keep_marker=True)
        size, at, unknown = _number(data, at, keep_marker=False)
        stop = end if unknown else at + size
        if not id or at > end or stop > end:
            return
        yield id, at, stop
        start = stop


def _matroska(data: Any) -> float | None:
    """Segment/Info/Duration; without one, as browsers record, the time of the last cluster."""
    scale, duration = 1_000_000, 0.0
    for id, start, end in _elements(data, 0, len(data)):
        if id != SEGMENT:
            continue
        for inner, at, stop in _elements(data, start, end):
            if inner != INFO:
                continue
            for field, first, last in _elements(data, at, stop):
                if field == TIMECODE_SCALE:
                    scale = int.from_bytes(data[first:last], "big")
                elif field == DURATION:
                    duration = _float(data[first:last])
            break
    if duration:
        return duration * scale / 1e9
    place = data.rfind(CLUSTER)
    if place < 0:
        return None
    _, at, _ = _number(data, place + 4, keep_marker=False)
    for id, first, last in _elements(data, at, min(at + 64, len(data))):
        if id == TIMECODE:
            return int.from_bytes(data[first:last], "big") * scale / 1e9
    return None


def _float(raw: bytes) -> float:
    import struct

    return float(struct.unpack(">f" if len(raw) == 4 else ">d", raw)[0]) if len(raw) in (4, 8) else 0.0
