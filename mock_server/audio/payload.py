"""The text inside the audio: an ASCII mark in containers, the low bits of samples or code words where there is none.

Either way what is kept is the text's UTF-8, deflated where that is shorter, and a check sum: what does not match is not
ours. Before low bits stand 24 samples or code words that nearly are silence, which say that they begin: whole bytes are
found a hundred times as fast as bits.
"""

import base64
import binascii
import re
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any

from mock_server.audio.samples import WIDTH

MARK = b"telnyx-ai-mock:1:"
IN_CONTAINER = re.compile(re.escape(MARK) + rb"([A-Za-z0-9+/=]{8,200000});")
MAGIC = b"\xa7TAM\x1b\xd2"
PAIRS = [byte >> shift & 3 for byte in MAGIC for shift in (6, 4, 2, 0)]
# coding: its samples or words that stand for the pairs of bits of the magic. None is a zero of G.711, which has two.
NEAR_SILENCE = {
    "linear16": array("h", [-2, -1, 1, 2]),
    "mulaw": array("B", [0x7C, 0x7D, 0xFC, 0xFD]),
    "alaw": array("B", [0x54, 0x55, 0xD4, 0xD5]),
}
BEGINNINGS = {
    coding: array(words.typecode, [words[pair] for pair in PAIRS]).tobytes() for coding, words in NEAR_SILENCE.items()
}
OF_WORDS = (BEGINNINGS["mulaw"], BEGINNINGS["alaw"])
OF_SAMPLES = (BEGINNINGS["linear16"],)
LENGTH = 32  # bits that say how many bytes follow
BLOCK = 1 << 16  # bytes looked at in one go
MOST = 64 * 1024  # bytes of text, packed or not: more is not ours
MOST_STREAMED = 24 * 1024  # the same of a stream, which is kept while it comes: the longest text of ours fits
MOST_DAMAGED = 4 << 20  # bytes of texts read in vain, after which none is read
LOW_BITS = bytes(b"01"[byte & 1] for byte in range(256))


def pack(text: str) -> bytes:
    """check sum (4), 1 when deflated (1), text."""
    plain = text.encode("utf-8", "surrogatepass")
    short = zlib.compress(plain, 9)
    body = b"\1" + short if len(short) < len(plain) else b"\0" + plain
    return zlib.crc32(body).to_bytes(4, "big") + body


def unpack(packed: bytes) -> str | None:
    """The text of `packed`, None where it is damaged or not ours. Never more than MOST bytes."""
    check, body = packed[:4], packed[4:]
    if len(packed) < 5 or zlib.crc32(body).to_bytes(4, "big") != check:
        return None
    plain = body[1:]
    try:
        if body[0]:
            inflate = zlib.decompressobj()
            plain = inflate.decompress(plain, MOST)
            if inflate.unconsumed_tail:
                return None
        return plain.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return None


def mark(text: str) -> bytes:
    """The text for a tag or a chunk: ASCII letters only, ended by a semicolon."""
    return MARK + base64.b64encode(pack(text)) + b";"


def marked(data: Any) -> list[str]:
    """Every text that a container carries in a mark, in order. `data`: bytes or a memory map."""
    found = []
    for match in IN_CONTAINER.finditer(data):
        try:
            text = unpack(base64.b64decode(match[1], validate=True))
        except (binascii.Error, ValueError):
            continue
        if text is not None:
            found.append(text)
    return found


def words_needed(text: str) -> int:
    """How many samples or code words `hide` takes for a text."""
    return len(PAIRS) + LENGTH + 8 * len(pack(text))


def hide(words: MutableSequence[int], text: str, coding: str = "linear16") -> None:
    """Write a text into the first words, in place: 16-bit samples, or 8-bit code words of mulaw or alaw."""
    assert words_needed(text) <= len(words), "audio too short for its text"
    near_silence, packed = NEAR_SILENCE[coding], pack(text)
    for place, pair in enumerate(PAIRS):
        words[place] = near_silence[pair]
    data = len(packed).to_bytes(LENGTH // 8, "big") + packed
    for place, bit in enumerate(f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}", len(PAIRS)):
        words[place] = words[place] >> 1 << 1 | (bit == "1")


class Finder:
    """Texts in words that come piece by piece. Holds a few words, or one text's while it comes.

    `width`: 2 for 16-bit samples, 1 for code words of G.711. `most`: bytes of the longest text.
    """

    def __init__(self, width: int, most: int = MOST_STREAMED) -> None:
        self._width, self._most = width, most
        self._beginnings = OF_SAMPLES if width == WIDTH else OF_WORDS
        self._held = b""
        self._before = 0  # words seen before those
        self._damaged = 0  # bytes of texts that were read in vain

    def feed(self, words: bytes) -> list[tuple[str, int]]:
        """Texts that are now whole, and the word at which each began."""
        self._held += words
        found: list[tuple[str, int]] = []
        start, size = 0, len(self._beginnings[0])
        while (at := self._begun(start)) < len(self._held):
            text, end = self._read(at + size)
            if end > len(self._held):
                break
            if text is not None:
                found.append((text, self._before + at // self._width))
            start = at + self._width if text is None else end
        else:
            at = max((len(self._held) - size) // self._width * self._width + self._width, start)
        self._held = self._held[at:]
        self._before += at // self._width
        return found

    def _begun(self, start: int) -> int:
        """Where the first beginning from a place on stands, in bytes; at the end where there is none."""
        return min(self._place(beginning, start) for beginning in self._beginnings)

    def _place(self, beginning: bytes, start: int) -> int:
        place = self._held.find(beginning, start)
        while place % self._width and place > 0:
            place = self._held.find(beginning, place + 1)
        return place if place >= 0 else len(self._held)

    def _read(self, at: int) -> tuple[str | None, int]:
        """The text whose length stands at a place, and where it ends, which may be too far for now."""
        head = _bytes(self._held, at, LENGTH // 8, self._width)
        end = at + LENGTH * self._width
        if not head:
            return None, end
        length = int.from_bytes(head, "big")
        if length > self._most or self._damaged > MOST_DAMAGED:
            return None, end
        start, end = end, end + 8 * length * self._width
        if end > len(self._held):
            return None, end
        text = unpack(_bytes(self._held, start, length, self._width))
        if text is None:
            self._damaged += length
        return text, end


def hidden(words: Iterable[bytes], width: int) -> list[str]:
    """Every text in words that come in blocks, in order, wherever each begins."""
    finder = Finder(width, MOST)
    return [text for block in words for text, _ in finder.feed(block)]


def blocks(data: Any, start: int = 0) -> Iterator[bytes]:
    """Of bytes or of a memory map, from a place on."""
    return (data[at : at + BLOCK] for at in range(start, len(data), BLOCK))


def _bytes(words: bytes, at: int, count: int, width: int) -> bytes:
    """So many bytes of the low bits of words, or fewer where there are not so many."""
    low = at + (width - 1 if sys.byteorder == "big" else 0)
    bits = words[low : at + 8 * count * width : width].translate(LOW_BITS)
    return int(bits or b"0", 2).to_bytes(count, "big") if len(bits) == 8 * count else b""
