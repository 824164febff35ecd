"""The text inside the audio: an ASCII mark in containers, the low bits of samples or code words where there is none.

Either way what is kept is the text's UTF-8, deflated where that is shorter, and a check sum: what does not match is not ours.
"""

import base64
import binascii
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, MutableSequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK = b"telnyx-ai-mock:1:"
IN_CONTAINER = re.compile(re.escape(MARK) + rb"([A-Za-z0-9+/=]{8,200000});")
MAGIC = b"\xa7TAM\x1b\xd2"
HEAD = len(MAGIC) + 4
MOST = 64 * 1024  # bytes of text, packed or not: more is not ours
LONGEST = 8 * (HEAD + MOST)  # bits that a text takes
MOST_STREAMED = 24 * 1024  # the same of a stream, which is kept while it comes: the longest text of ours fits
BLOCK = 1 << 20  # samples looked at in one go


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


def bits_needed(text: str) -> int:
    """How many samples or code words `hide` takes for a text."""
    return 8 * (HEAD + len(pack(text)))


def hide(words: MutableSequence[int], text: str) -> None:
    """Write a text into the low bits of the first words, in place: 16-bit samples, or 8-bit code words of G.711."""
    packed = pack(text)
    data = MAGIC + len(packed).to_bytes(4, "big") + packed
    assert 8 * len(data) <= len(words), "audio too short for its text"
    for place, bit in enumerate(f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"):
        words[place] = words[place] >> 1 << 1 | (bit == "1")


def hidden(words: "NDArray[Any] | Iterable[NDArray[Any]]") -> list[str]:
    """Every text in the low bits of `words`, in order, wherever each begins. They may come in blocks, which are not kept."""
    import numpy as np

    magic = np.unpackbits(np.frombuffer(MAGIC, dtype=np.uint8)).tobytes()
    found: list[str] = []
    held = np.zeros(0, dtype=np.uint8)  # bits whose texts may go on in the next block
    for block in itertools.chain(_blocks(words), [None]):
        held = held if block is None else np.concatenate([held, (block & 1).astype(np.uint8)])
        whole = max(len(held) - LONGEST, 0) if block is not None else len(held)
        bits = held.tobytes()
        place = bits.find(magic)
        while 0 <= place < whole:
            text = _text(held[place + len(magic) :])
            if text is not None:
                found.append(text)
            place = bits.find(magic, place + 1)
        held = held[whole:]
    return found


class Finder:
    """`hidden` for words that come piece by piece. Holds a few bits, or one text's while it comes."""

    def __init__(self) -> None:
        import numpy as np

        magic = np.unpackbits(np.frombuffer(MAGIC, dtype=np.uint8))
        self._magic = magic.tobytes()
        # Any run of bits that has the magic in it, packed into bytes, has one of these in it.
        cores = (np.packbits(magic[shift : shift + 40]).tobytes() for shift in range(8))
        self._likely = re.compile(b"|".join(map(re.escape, cores)))
        self._bits = b""  # 0 or 1 each
        self._before = 0  # words seen before those

    def feed(self, bits: bytes) -> list[tuple[str, int]]:
        """The low bits of the next words, a byte of 0 or 1 each: texts that are now whole, and the word each began at."""
        import numpy as np

        self._bits += bits
        found: list[tuple[str, int]] = []
        if not self._bits.startswith(self._magic):
            # To look for the bits themselves takes ten times as long.
            if not self._likely.search(np.packbits(np.frombuffer(self._bits, np.uint8)).tobytes()):
                self._drop(max(len(self._bits) - len(self._magic) + 1, 0))
                return found
        while (at := self._bits.find(self._magic)) >= 0:
            head = at + len(self._magic)
            if len(self._bits) < head + 32:
                self._drop(at)
                return found
            length = int.from_bytes(np.packbits(np.frombuffer(self._bits[head : head + 32], np.uint8)).tobytes(), "big")
            end = head + 32 + 8 * length
            if length <= MOST_STREAMED and len(self._bits) < end:
                self._drop(at)
                return found
            text = None
            if length <= MOST_STREAMED:
                text = unpack(np.packbits(np.frombuffer(self._bits[head + 32 : end], np.uint8)).tobytes())
            if text is not None:
                found.append((text, self._before + at))
            self._drop(at + 1 if text is None else end)
        self._drop(max(len(self._bits) - len(self._magic) + 1, 0))
        return found

    def _drop(self, count: int) -> None:
        self._bits = self._bits[count:]
        self._before += count


def _blocks(words: "NDArray[Any] | Iterable[NDArray[Any]]") -> "Iterator[NDArray[Any]]":
    import numpy as np

    if isinstance(words, np.ndarray):
        yield from (words[start : start + BLOCK] for start in range(0, len(words), BLOCK))
    else:
        yield from words


def _text(bits: "NDArray[np.uint8]") -> str | None:
    """The text that begins with its length."""
    head = _bytes(bits[:32])
    length = int.from_bytes(head, "big")
    if len(head) != 4 or length > MOST:
        return None
    return unpack(_bytes(bits[32 : 32 + 8 * length]))


def _bytes(words: "NDArray[np.uint8]") -> bytes:
    import numpy as np

    return np.packbits(words).tobytes() if len(words) % 8 == 0 else b""
