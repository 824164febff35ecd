"""Streams that libsndfile decodes: Ogg, FLAC, and MP3 (mp3.py). It reads whole files only, so each block becomes one.

A block is a run of frames or pages: the file's head, a little of what went before, and what is new. Every byte is decoded
a bounded number of times, and a block is all that is held.
"""

import io
import re
from functools import cache
from typing import Any

from mock_server.audio import payload
from mock_server.audio.pieces import Mark, Opaque, Piece, Sound
from mock_server.audio.samples import WIDTH

GUESSED = 4000  # bytes a second of what cannot be decoded: 32 kbit/s
LARGEST_HEAD = 512 * 1024  # of an Ogg or FLAC file
BLOCK = 4 * 1024  # bytes of frames that are decoded in one go
READ = 1 << 12  # samples
EXACT = frozenset({"PCM_16", "ULAW", "ALAW"})  # encodings whose samples have 16 bits or fewer
MOST_READ = 512  # times READ: silence packs so well that a few bytes can mean hours
SLOWEST = 200  # bytes a second: what claims to last longer does not
LEAD_PAGES, LEAD_BYTES = 6, 1024  # of the block before, of an Ogg: its last page, and small ones before that

FLAC_SYNC = re.compile(rb"\xff[\xf8\xf9]")
FLAC_MAGIC = b"fLaC\0\0\0\x22"


def decode(data: bytes) -> tuple[bytes, int] | None:
    """The first channel of a file's samples and their rate, None where it cannot be decoded. Takes milliseconds."""
    import soundfile

    parts: list[bytes] = []
    try:
        with _forward()(io.BytesIO(data)) as sound:
            rate: int = sound.samplerate
            while (block := first_channel(sound, READ)) and len(parts) < MOST_READ:
                parts.append(block)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError):
        if not parts:
            return None
    return (b"".join(parts), rate) if parts and rate > 0 else None


def first_channel(sound: Any, frames: int) -> bytes:
    """The next samples of an open file, as samples.py has them; none at its end. Raises what soundfile does."""
    if sound.subtype in EXACT:
        return sound.read(frames, dtype="int16", always_2d=True)[:, 0].tobytes()  # type: ignore[no-any-return]
    # libsndfile itself would not clip what lossy codecs have beyond full scale.
    block = sound.read(frames, dtype="float32", always_2d=True)[:, 0]
    block[block != block] = 0.0  # what is no number
    return (block.clip(-1.0, 1.0 - 2**-15) * 32768).astype("i2").tobytes()  # type: ignore[no-any-return]


def last(samples: bytes, count: int) -> bytes:
    """So many of them, but one at least."""
    return samples[-WIDTH * max(count, 1) :]


@cache
def _forward() -> Any:
    """A SoundFile that is read from front to back: libsndfile cannot seek in a FLAC that lacks its first frames, and
    soundfile would after each read."""
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Forward


class Ogg:
    """Pages of Ogg Vorbis, Opus or FLAC, one stream after the other; what is no page is read over."""

    def __init__(self) -> None:
        self._buffer = b""
        self._begin(b"")

    def _begin(self, page: bytes) -> None:
        self._head = page
        self._last = b""  # pages before the block, which its first samples need
        self._pages: list[bytes] = []
        self._size = 0
        self._done = self._until = 0  # granules: what was decoded, where the block ends
        self._scale = granules_per_second(page)

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        at = 0
        while at < len(self._buffer):
            start = self._buffer.find(b"OggS", at)
            if start < 0:
                at = max(at, len(self._buffer) - 3)
                break
            size = page_size(self._buffer, start)
            if not size or start + size > len(self._buffer):
                at = start
                break
            self._page(self._buffer[start : start + size], pieces)
            at = start + size
        self._buffer = self._buffer[at:]
        if end or self._size >= BLOCK:
            self._decode(pieces)
        return pieces

    def _page(self, page: bytes, pieces: list[Piece]) -> None:
        granule = int.from_bytes(page[6:14], "little", signed=True)
        if page[5] & 2:  # the first page of a stream
            self._decode(pieces)
            self._begin(page)
        elif granule == 0 and len(self._head) < LARGEST_HEAD:
            self._head += page
            pieces += [Mark(text) for text in payload.marked(page)]
        else:
            self._pages.append(page)
            self._size += len(page)
            self._until = max(granule, self._until)
            if self._size >= BLOCK:
                self._decode(pieces)

    def _decode(self, pieces: list[Piece]) -> None:
        if not self._pages:
            return
        if self._until <= self._done:  # no packet ends here
            self._pages, self._size = self._pages[-1:], len(self._pages[-1])
            return
        seconds = min((self._until - self._done) / self._scale, self._size / SLOWEST)
        decoded = decode(self._head + self._last + b"".join(self._pages))
        lead = self._pages[-1:]
        for page in reversed(self._pages[-LEAD_PAGES:-1]):
            if sum(map(len, lead)) + len(page) <= LEAD_BYTES:
                lead.insert(0, page)
        self._last, self._pages, self._size, self._done = b"".join(lead), [], 0, self._until
        if decoded is None:
            pieces.append(Opaque(seconds))
            return
        samples, rate = decoded
        pieces.append(Sound(last(samples, round(seconds * rate)), rate))


def page_size(buffer: bytes, at: int) -> int:
    """Bytes of the Ogg page that begins at a place, 0 where its header is not whole."""
    if len(buffer) < at + 27 or len(buffer) < at + 27 + buffer[at + 26]:
        return 0
    count = buffer[at + 26]
    return 27 + count + sum(buffer[at + 27 : at + 27 + count])


def granules_per_second(page: bytes) -> float:
    """Of the stream that a first page opens: Vorbis and FLAC count in samples, Opus at 48 kHz."""
    body = page[27 + page[26] :] if len(page) > 27 else b""
    if body[:7] == b"\1vorbis" and len(body) >= 16:
        return float(int.from_bytes(body[12:16], "little") or 48000)
    if body[:5] == b"\x7fFLAC" and len(body) >= 30:
        return float((int.from_bytes(body[27:30], "big") >> 4) or 48000)
    if body[:8] == b"Speex   " and len(body) >= 40:
        return float(int.from_bytes(body[36:40], "little") or 16000)
    return 48000.0


class Flac:
    """Native FLAC: whole frames after the head; each is decoded by itself, to the bit."""

    def __init__(self) -> None:
        self._buffer = b""
        self._head: bytes | None = None
        self._like = b""  # the first frame's header: all have its codes
        self._lost = False  # whether a frame was cut by an end, so that the buffer begins in the middle of one

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        if self._head is None and not self._read_head():
            if end or len(self._buffer) > LARGEST_HEAD:
                pieces.append(Opaque(len(self._buffer) / GUESSED))
                self._buffer = b""
            return pieces
        assert self._head is not None
        if 0 < (another := self._buffer.find(FLAC_MAGIC)) <= len(self._buffer) - 42:
            rest, self._buffer = self._buffer[another:], self._buffer[:another]
            pieces = self.feed(b"", True)
            self._buffer, self._head, self._like, self._lost = rest, None, b"", False
            return pieces + self.feed(b"", end)
        self._like = self._like or self._buffer[:4]
        if self._lost and (found := self._frames()):
            self._buffer, self._lost = self._buffer[found[0] :], False
        until = 0
        if end:
            until, self._lost = len(self._buffer), True
        elif len(self._buffer) >= BLOCK and not self._lost:
            until = max(self._frames(), default=0)
        if until:
            block, self._buffer = self._buffer[:until], self._buffer[until:]
            decoded = decode(self._head + block)
            pieces.append(Sound(*decoded) if decoded else Opaque(len(block) / GUESSED))
        elif len(self._buffer) > LARGEST_HEAD:
            pieces.append(Opaque(len(self._buffer) / GUESSED))
            self._buffer = b""
        return pieces

    def _read_head(self) -> bool:
        buffer, at = self._buffer, 4
        while len(buffer) >= at + 4:
            last, size = buffer[at] & 128, int.from_bytes(buffer[at + 1 : at + 4], "big")
            at += 4 + size
            if last and len(buffer) >= at and at >= 42:
                self._head, self._buffer = buffer[:at], buffer[at:]
                return True
        return False

    def _frames(self) -> list[int]:
        """Where frames begin in the end of the buffer, the one at its very beginning left out."""
        buffer = self._buffer
        places = FLAC_SYNC.finditer(buffer, max(1, len(buffer) - (1 << 16)))
        return [found.start() for found in places if _is_frame(buffer, found.start(), self._like)]


def _is_frame(buffer: bytes, at: int, like: bytes) -> bool:
    """Whether a FLAC frame header stands at a place, told by the same codes as the first frame's, and its check sum."""
    head = buffer[at : at + 16]
    if len(head) < 16 or len(like) < 4 or head[1] != like[1] or (head[2] ^ like[2] | head[3] ^ like[3]) & 15:
        return False
    size, first = 5, head[4]
    while first & 0x80 and size < 12:  # one byte for each leading 1 of the frame's number, but the first two
        first = first << 1 & 0xFF
        size += 1
    size -= 1 if head[4] & 0x80 else 0
    size += {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    return size < 16 and _crc8(head[:size]) == head[size]


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 7 if crc & 0x80 else crc << 1) & 0xFF
    return crc
