"""Streams of samples: raw ones, and RIFF files whose header may lie about their length, one after the other."""

import struct

from mock_server.audio import samples
from mock_server.audio.pieces import Opaque, Piece, Sound

# Bytes a sample.
CODINGS = {"linear16": 2, "linear32": 4, "mulaw": 1, "alaw": 1, "u8": 1, "s24": 3, "s32": 4, "f64": 8}
# (format tag, bits) of a RIFF header.
TAGS = {
    (1, 8): "u8", (1, 16): "linear16", (1, 24): "s24", (1, 32): "s32", (3, 32): "linear32", (3, 64): "f64",
    (7, 8): "mulaw", (6, 8): "alaw",
}  # fmt: skip
EXTENSIBLE = 0xFFFE
LONGEST_CHUNK = 1 << 20  # bytes of a RIFF chunk other than the audio that are read over
ENDLESS = 0x7FFF0000  # a length from here on is that of a stream which does not know it
RATES = range(1000, 768_001)


class Raw:
    """Samples without a header. `channels`: all but the first are passed over."""

    def __init__(self, coding: str, rate: int, channels: int = 1) -> None:
        self._coding, self._rate, self._channels = coding, rate, channels
        self._width = CODINGS[coding] * channels
        self._rest = b""
        self.pace = self._width * rate  # bytes a second

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        data = self._rest + data
        whole = len(data) // self._width * self._width
        self._rest = data[whole:]
        if not whole:
            return []
        return [_decoded(data[:whole], self._coding, self._rate, self._channels)]


def _decoded(data: bytes, coding: str, rate: int, channels: int) -> Sound:
    if coding in ("mulaw", "alaw"):
        words = data[::channels]
        return Sound(samples.of_code_words(words, coding), rate, words)
    if coding == "linear16":
        return Sound(samples.of_16_bits(data, channels), rate)
    if coding == "u8":
        return Sound(samples.of_8_bits(data[::channels]), rate)
    if coding in ("s24", "s32"):
        return Sound(samples.of_more_bits(data, CODINGS[coding], channels), rate)
    return Sound(samples.of_floats(data, CODINGS[coding], channels), rate)


class Riff:
    """WAV. What follows the audio is read over, until another file begins; a length that is none goes on for ever."""

    def __init__(self) -> None:
        self._buffer = b""
        self._format: tuple[str, int, int] | None = None  # coding, rate, channels
        self._known = False  # whether a `fmt ` chunk was read
        self._audio: Raw | None = None
        self._width = 16000.0  # bytes a second of what is no PCM
        self._left = 0  # bytes of audio to come
        self._skip = 0  # bytes of another chunk to come

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        self._buffer += data
        pieces: list[Piece] = []
        while self._buffer and self._step(pieces, end):
            pass
        return pieces

    def _step(self, pieces: list[Piece], end: bool) -> bool:
        """Read one part of what is there; whether there is more to read."""
        buffer = self._buffer
        if self._skip:
            taken = min(self._skip, len(buffer))
            self._skip -= taken
            self._buffer = buffer[taken:]
            return True
        if self._left:
            taken = min(self._left, len(buffer))
            self._left -= taken
            self._buffer = buffer[taken:]
            last = end or not self._left
            pieces += self._audio.feed(buffer[:taken], last) if self._audio else [Opaque(taken / self._width)]
            return True
        if buffer[:4] == b"RIFF":
            if len(buffer) < 12:
                return False
            self._buffer, self._known, self._audio = buffer[12:], False, None
            return True
        if len(buffer) < 8:
            return False
        return self._chunk(buffer)

    def _chunk(self, buffer: bytes) -> bool:
        name, size = buffer[:4], int.from_bytes(buffer[4:8], "little")
        if name == b"data" and self._known:
            self._buffer, self._left = buffer[8:], size + size % 2 if 0 < size < ENDLESS else 1 << 62
            self._audio = Raw(*self._format) if self._format else None
        elif not name.isascii() or size > LONGEST_CHUNK:  # no chunk: the length was wrong, and the audio goes on
            self._left = 1 << 62
        elif name == b"fmt ":
            if len(buffer) < 8 + size + size % 2:
                return False
            self._describe(buffer[8 : 8 + size])
            self._buffer = buffer[8 + size + size % 2 :]
        else:
            self._buffer, self._skip = buffer[8:], size + size % 2
        return True

    def _describe(self, body: bytes) -> None:
        self._known, self._format, self._width = True, None, 16000.0
        if len(body) < 16:
            return
        tag, channels, rate, width, _, bits = struct.unpack("<HHIIHH", body[:16])
        if tag == EXTENSIBLE and len(body) >= 26:
            tag = int.from_bytes(body[24:26], "little")
        if (coding := TAGS.get((tag, bits))) and 0 < channels <= 64 and rate in RATES:
            self._format = coding, rate, channels
        self._width = float(width if width in RATES else 16000)
