"""Sound as bytes: 16-bit samples of one channel, as they lie in memory.

What is done with them is done by audioop, of the standard library until Python 3.12 and its successor's since: numpy would
do it, too, but takes 15 MB of memory and a tenth of a second to import.
"""

import struct
import sys
import warnings
from array import array

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # since 3.13 audioop-lts is that module
    import audioop

WIDTH = 2  # bytes of a sample
FULL = 32768.0  # full scale
FLOATS = {4: "f", 8: "d"}  # bytes: the array that holds them
# How much of a wave is in as many samples: the factor by which it would be there.
likeness = audioop.findfactor
COARSE = 64  # samples passed over in one go where a loud one is looked for


def _channel(samples: bytes, channels: int) -> bytes:
    """The first one of several."""
    return samples if channels == 1 else memoryview(samples).cast("h")[::channels].tobytes()


def of_16_bits(data: bytes, channels: int) -> bytes:
    """Of samples of 16 bits, the low byte first."""
    return _channel(audioop.byteswap(data, 2) if sys.byteorder == "big" else data, channels)


def of_more_bits(data: bytes, width: int, channels: int) -> bytes:
    """Of samples of 3 or 4 bytes, the low one first."""
    native = audioop.byteswap(data, width) if sys.byteorder == "big" else data
    return _channel(audioop.lin2lin(native, width, WIDTH), channels)


def of_8_bits(data: bytes) -> bytes:
    """Of unsigned bytes."""
    return audioop.lin2lin(audioop.bias(data, 1, 128), 1, WIDTH)


def of_floats(data: bytes, width: int, channels: int) -> bytes:
    """Of samples of 4 or 8 bytes, the low one first; what is out of range is at its end, what is no number is silence."""
    values = array(FLOATS[width])
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    clipped = [
        int(value * FULL) if -1.0 <= value < 1.0 else 32767 if value >= 1.0 else -32768 if value < -1.0 else 0
        for value in values[::channels]
    ]
    return array("h", clipped).tobytes()


def of_code_words(words: bytes, coding: str) -> bytes:
    """Of G.711: mulaw or alaw."""
    return audioop.ulaw2lin(words, WIDTH) if coding == "mulaw" else audioop.alaw2lin(words, WIDTH)


def code_words(samples: bytes, coding: str) -> bytes:
    """The same the other way round."""
    return audioop.lin2ulaw(samples, WIDTH) if coding == "mulaw" else audioop.lin2alaw(samples, WIDTH)


def peak(samples: bytes) -> int:
    """How far the loudest of them is from silence."""
    return audioop.max(samples, WIDTH)


def peaks(samples: bytes, count: int) -> list[float]:
    """How loud each `count` of them in a row are; 1 is full scale. There must be a whole number of those."""
    loudest = audioop.max
    return [loudest(part, WIDTH) / FULL for (part,) in struct.iter_unpack(f"{count * WIDTH}s", samples)]


def loud(samples: bytes, floor: float) -> tuple[int, int]:
    """Where the first and, by one more, the last of them is that is louder than `floor`; (0, 0) where none is."""
    step, end = COARSE * WIDTH, len(samples)
    places = range(0, end, step)
    first = next((at for at in places if peak(samples[at : at + step]) > floor), end)
    if first == end:
        return 0, 0
    last = next(at for at in reversed(places) if peak(samples[at : at + step]) > floor)
    start = next(n for n, sample in enumerate(array("h", samples[first : first + step])) if abs(sample) > floor)
    rest = array("h", samples[last : last + step])
    until = next(n for n in range(len(rest), 0, -1) if abs(rest[n - 1]) > floor)
    return first // WIDTH + start, last // WIDTH + until


def thinned(samples: bytes, step: int) -> bytes:
    """The mean of each `step` of them in a row. There must be a whole number of those."""
    while step % 2 == 0:
        samples, step = audioop.tomono(samples, WIDTH, 0.5, 0.5), step // 2
    if step == 1:
        return samples
    view = memoryview(samples).cast("h")
    parts = [audioop.mul(view[place::step].tobytes(), WIDTH, 1 / step) for place in range(step)]
    means = parts[0]
    for part in parts[1:]:
        means = audioop.add(means, part, WIDTH)
    return means
