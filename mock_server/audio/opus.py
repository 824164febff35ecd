"""Opus without Ogg: bare packets, and those of a WebM as browsers record it. They are put into pages, which are decoded."""

from functools import cache

from mock_server.audio.compressed import GUESSED, Ogg
from mock_server.audio.packets import opus_seconds
from mock_server.audio.pieces import Opaque, Piece

OPUS_HEAD = b"OpusHead"
SERIAL = b"mock"
# EBML ids of Matroska: elements that hold others, and those that are read.
MASTERS = frozenset(
    {0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0}
)  # Segment, Cluster, Tracks, TrackEntry, BlockGroup
CODEC, PRIVATE, SIMPLE_BLOCK, BLOCK = 0x86, 0x63A2, 0xA3, 0xA1
LARGEST = 256 * 1024  # bytes of an element that is read


class Packets:
    """Opus packets, one a message."""

    def __init__(self, head: bytes = b"") -> None:
        """`head`: the OpusHead that describes them, where there is one."""
        self._ogg = Ogg()
        self._granule = self._pages = 0
        if not head.startswith(OPUS_HEAD):
            head = OPUS_HEAD + b"\1\1" + bytes(2) + (48000).to_bytes(4, "little") + bytes(3)
        tags = b"OpusTags" + bytes(8)
        self._ogg.feed(self._page(head, 2) + self._page(tags, 0), False)

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        if not data or len(data) > 255 * 255 or not (seconds := opus_seconds(data)):
            return self._ogg.feed(b"", end)
        self._granule += round(seconds * 48000)
        return self._ogg.feed(self._page(data, 0), end)

    def _page(self, packet: bytes, flags: int) -> bytes:
        lacing = bytes([255] * (len(packet) // 255)) + bytes([len(packet) % 255])
        head = b"OggS\0" + bytes([flags]) + self._granule.to_bytes(8, "little") + SERIAL
        head += self._pages.to_bytes(4, "little")
        body = bytes([len(lacing)]) + lacing + packet
        self._pages += 1
        return head + _crc(head + bytes(4) + body).to_bytes(4, "little") + body


def _crc(data: bytes) -> int:
    crc, table = 0, _table()
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    return crc


@cache
def _table() -> tuple[int, ...]:
    rows = []
    for row in range(256):
        value = row << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        rows.append(value & 0xFFFFFFFF)
    return tuple(rows)


class WebM:
    """The blocks of a WebM's only track. Other codecs than Opus are measured by their bytes."""

    def __init__(self) -> None:
        self._buffer = b""
        self._skip = 0
        self._codec = self._private = b""
        self._packets: Packets | None = None

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        at = 0
        while (size := self._element(at, pieces)) > 0:
            at += size
        self._buffer = self._buffer[at:]
        if end and self._packets is not None:
            pieces += self._packets.feed(b"", True)
        return pieces

    def _element(self, at: int, pieces: list[Piece]) -> int:
        """Read one element, or the head of one that holds others; how many bytes it was, 0 where more are needed."""
        left = len(self._buffer) - at
        if self._skip:
            taken = min(self._skip, left)
            self._skip -= taken
            return taken
        id, after = _number(self._buffer, at, marked=True)
        size, body = _number(self._buffer, after, marked=False) if after else (0, 0)
        if not after or not body:
            return 1 if left > 12 else 0  # bytes that are no element are passed over
        if id in MASTERS:
            return body - at
        if size > LARGEST or id not in (CODEC, PRIVATE, SIMPLE_BLOCK, BLOCK):
            self._skip = min(size, 1 << 40)
            return body - at
        if body + size > len(self._buffer):
            return 0
        self._read(id, self._buffer[body : body + size], pieces)
        return body + size - at

    def _read(self, id: int, content: bytes, pieces: list[Piece]) -> None:
        if id == CODEC:
            self._codec = content
        elif id == PRIVATE:
            self._private = content
        elif self._codec != b"A_OPUS":
            pieces.append(Opaque(len(content) / GUESSED))
        else:
            self._packets = self._packets or Packets(self._private)
            _, start = _number(content, 0, marked=False)
            pieces += self._packets.feed(content[start + 3 :], False)


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """An EBML variable-length number, with its length marker or without, and where it ends; (0, 0) where it is not whole."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    if not first or at + width > len(data) or (marked and width > 4):
        return 0, 0
    value = int.from_bytes(data[at : at + width], "big")
    return (value if marked else value & ((1 << 7 * width) - 1)), at + width
