"""A stream of audio by the name of its encoding, as it comes: what its first bytes say it is wins over the name."""

from collections.abc import Sequence

from mock_server.audio.compressed import GUESSED, Flac, Ogg
from mock_server.audio.mp3 import Mp3, frame_of
from mock_server.audio.opus import Packets, WebM
from mock_server.audio.packets import G729, SPEEX, Amr, Rated
from mock_server.audio.pcm import Raw, Riff
from mock_server.audio.pieces import Decoder, Piece

RAW = ("linear16", "linear32", "mulaw", "alaw")
ENOUGH = 12  # bytes that tell what a stream is
EBML = b"\x1a\x45\xdf\xa3"


class Stream:
    """One client's audio. `encoding`: linear16 linear32 mulaw alaw opus amr_nb amr_wb g729 speex, or a container's name.

    Decodes what libsndfile can, as each block comes; of the rest it measures the time. `rate`: Hz, of raw samples.
    """

    def __init__(self, encoding: str, rate: int) -> None:
        self._encoding, self._rate = encoding, rate
        self._first = b""
        self._decoder: Decoder | None = None

    def feed(self, messages: Sequence[bytes], end: bool = False) -> list[Piece]:
        """The pieces that the next messages make whole. Takes milliseconds where there is something to decode."""
        if self._encoding == "opus" and not isinstance(self._decoder, Ogg | WebM):
            return self._feed_packets(messages, end)
        data = b"".join(messages)
        if self._decoder is None:
            self._first += data
            if len(self._first) < ENOUGH and not end:
                return []
            if not self._first:
                return []
            self._decoder, data, self._first = self._chosen(self._first), self._first, b""
        return self._decoder.feed(data, end)

    def _feed_packets(self, messages: Sequence[bytes], end: bool) -> list[Piece]:
        """Each message is a packet, unless they turn out to be those of a container."""
        if self._decoder is None and messages:
            self._decoder = self._chosen(messages[0])
        if self._decoder is None:
            return []
        pieces = [piece for message in messages for piece in self._decoder.feed(message, False)]
        return pieces + self._decoder.feed(b"", end)

    @property
    def light(self) -> bool:
        """Whether a few kilobytes of it are taken apart in well under a millisecond."""
        return isinstance(self._decoder, Raw | Riff)

    @property
    def pace(self) -> int:
        """Bytes a second, 0 where that is not known beforehand."""
        return self._decoder.pace if isinstance(self._decoder, Raw) else 0

    def _chosen(self, first: bytes) -> Decoder:
        for magic, kind in ((b"RIFF", Riff), (b"OggS", Ogg), (b"fLaC", Flac)):
            if first.startswith(magic):
                return kind()
        if first.startswith(EBML):
            return WebM()
        if self._encoding in RAW:
            return Raw(self._encoding, self._rate)
        if self._encoding == "opus":
            return Packets()
        if self._encoding in ("amr_nb", "amr_wb"):
            return Amr(self._encoding == "amr_wb")
        if self._encoding == "g729":
            return Rated(G729)
        if self._encoding == "speex":
            return Rated(SPEEX.get(self._rate, SPEEX[16000]))
        if self._encoding == "mp3" or first[:3] == b"ID3" or frame_of(first[:4]):
            return Mp3()
        if self._encoding == "wav":
            return Raw("linear16", self._rate)
        return Rated(GUESSED)
