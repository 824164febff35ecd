"""What a stream of audio is taken apart into: sound, time whose sound cannot be known, and texts in its tags."""

from dataclasses import dataclass
from typing import Protocol

LOWEST = 8000  # Hz: all tones lie below 3.4 kHz, so that no more is needed


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples of the first channel as samples.py has them; `words`: the code words of G.711 that they were made from."""

    samples: bytes
    rate: int
    words: bytes = b""


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
