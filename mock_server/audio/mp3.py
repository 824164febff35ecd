"""MP3 as it comes: its frames in blocks that libmpg123 can decode by themselves, as exactly as the whole."""

import re

from mock_server.audio import payload
from mock_server.audio.compressed import BLOCK, GUESSED, decode, last
from mock_server.audio.pieces import Mark, Opaque, Piece, Sound

LARGEST_TAG = 256 * 1024  # of an ID3 tag that is read; larger ones (covers) are read over
LEAD = 24  # MP3 frames of the block before: a frame refers to up to 511 bytes of those before it
XING = (b"Xing", b"Info", b"VBRI")  # what a first frame says that holds no sound, but the length of a whole file
# MPEG 1, 2 and 2.5, layer III: kbit/s by index, Hz by index.
KBITS = {3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)}
KBITS[2] = KBITS[0] = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
SYNC = re.compile(rb"\xff[\xe2-\xff]|ID3")


class Mp3:
    """Frames of MPEG audio layer III; the text in the ID3 tag of a file of ours."""

    def __init__(self) -> None:
        self._buffer = b""
        self._skip = 0
        self._lead: list[bytes] = []
        self._block: list[bytes] = []
        self._size = 0  # bytes of the block
        self._seconds = 0.0  # of the block
        self._junk = 0  # bytes that were neither a frame nor a tag

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        at = 0
        while (size := self._step(at, pieces)) > 0:
            at += size
        self._buffer = self._buffer[at:]
        if end or self._size >= BLOCK or self._junk >= GUESSED:
            if end and not self._lead and not self._block:  # no MP3 at all
                self._junk += len(self._buffer)
                self._buffer = b""
            self._decode(pieces)
        return pieces

    def _step(self, at: int, pieces: list[Piece]) -> int:
        """Read one frame or tag from a place; how many bytes it was, 0 where more are needed."""
        buffer = self._buffer
        left = len(buffer) - at
        if self._skip:
            taken = min(self._skip, left)
            self._skip -= taken
            return taken
        if left < 10:
            return 0
        if buffer[at : at + 3] == b"ID3":
            return self._tag(at, left, pieces)
        found = frame_of(buffer[at : at + 4])
        if found is None:
            match = SYNC.search(buffer, at + 1)
            lost = (match.start() if match else len(buffer) - 2) - at
            self._junk += lost
            return lost
        size, seconds = found
        if left < size:
            return 0
        if any(name in buffer[at : at + 64] for name in XING):
            return size
        self._block.append(buffer[at : at + size])
        self._size += size
        self._seconds += seconds
        if self._size >= BLOCK:
            self._decode(pieces)
        return size

    def _tag(self, at: int, left: int, pieces: list[Piece]) -> int:
        size = 0
        for byte in self._buffer[at + 6 : at + 10]:
            size = size << 7 | byte & 127
        if size > LARGEST_TAG:
            self._skip = size
            return 10
        if left < 10 + size:
            return 0
        self._decode(pieces)  # what comes before a tag is another file
        self._lead = []
        pieces += [Mark(text) for text in payload.marked(self._buffer[at : at + 10 + size])]
        return 10 + size

    def _decode(self, pieces: list[Piece]) -> None:
        if self._junk and not self._lead and not self._block:
            pieces.append(Opaque(self._junk / GUESSED))
        self._junk = 0
        if not self._block:
            return
        lead, seconds = self._lead, self._seconds
        decoded = decode(b"".join(_self_contained(lead + self._block)))
        self._lead, self._block = (lead + self._block)[-LEAD:], []
        self._size, self._seconds = 0, 0.0
        if decoded is None:
            pieces.append(Opaque(seconds))
            return
        samples, rate = decoded
        pieces.append(Sound(last(samples, round(seconds * rate)) if lead else samples, rate))


def frame_of(head: bytes) -> tuple[int, float] | None:
    """(bytes, seconds) of the MPEG layer III frame that a header of 4 bytes begins, None where it begins none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, kbits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or not 0 < kbits < 15 or rate == 3:
        return None
    hertz = RATES[version][rate]
    samples = 1152 if version == 3 else 576
    return samples // 8 * KBITS[version][kbits] * 1000 // hertz + (head[2] >> 1 & 1), samples / hertz


def _self_contained(frames: list[bytes]) -> list[bytes]:
    """Frames of which none refers to bytes before the first: those that did are mute, their bytes are there for others."""
    whole, held = [_counting(frames[0], len(frames))], 0  # bytes of sound so far
    for frame in frames:
        side = 4 + (0 if frame[1] & 1 else 2)  # header, check sum
        size = _side_size(frame)
        back = frame[side] << 1 | frame[side + 1] >> 7 if frame[1] & 8 else frame[side]
        if back > held:  # what it hands on, back by as much as a frame can be, is all that is left of it
            handed = min(held, 511) << 7 if frame[1] & 8 else min(held, 255) << 8
            frame = frame[:side] + handed.to_bytes(2, "big") + bytes(size - 2) + frame[side + size :]
        whole.append(frame)
        held += max(len(frame) - side - size, 0)
    return whole


def _counting(frame: bytes, count: int) -> bytes:
    """A first frame that says how many follow: libmpg123 would guess it by the size of the next one, and stop too early."""
    head = bytes((0xFF, frame[1] | 1, 0x40 | frame[2] & 0x0C, frame[3]))
    found = frame_of(head)
    assert found is not None
    told = head + bytes(_side_size(head)) + XING[0] + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    return told.ljust(found[0], b"\0")


def _side_size(frame: bytes) -> int:
    """Bytes of a frame between its head and its sound."""
    mono = frame[3] >> 6 == 3
    return (17 if mono else 32) if frame[1] & 8 else (9 if mono else 17)
