"""What a stream of audio is taken apart into: sound, time whose sound cannot be known, and texts in its tags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LOWEST = 8000  # Hz: all tones lie below 3.4 kHz, so that no more is needed


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of the first channel from -1 to 1; `bits`: the low bits of what they were made from, empty where lossy."""

    samples: "Floats"
    rate: int
    bits: bytes = b""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Audio that cannot be decoded, of which nothing is known but how long it is."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Mark:
    """The text that the tag of a file carries whose audio comes next."""

    text: str


Piece = Sound | Opaque | Mark


class Decoder(Protocol):
    """Takes a stream apart. Holds no more than what it needs for the next piece."""

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        """What the next bytes make whole. `end`: what is there is all there is for now, the last part may be incomplete."""


class Thinner:
    """Samples at 8 to 16 kHz: each is the mean of those it stands for, wherever the stream is cut."""

    def __init__(self, rate: int) -> None:
        self.step = max(rate // LOWEST, 1)
        self.rate = rate / self.step
        self._rest: Any = None

    def thin(self, samples: "Floats") -> "Floats":
        import numpy as np

        if self.step == 1:
            return samples
        if self._rest is not None and len(self._rest):
            samples = np.concatenate([self._rest, samples])
        whole = len(samples) // self.step * self.step
        self._rest = samples[whole:].copy()
        thinned: Floats = samples[0 : whole : self.step].copy()
        for place in range(1, self.step):  # numpy's mean of short rows takes ten times as long
            thinned += samples[place : whole : self.step]
        thinned /= self.step
        return thinned
