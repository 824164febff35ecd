"""Streams that are not decoded here, of which only the length is known: AMR, G.729, Speex."""

from mock_server.audio.pieces import Opaque, Piece

AMR_NB = (13, 14, 16, 18, 20, 21, 27, 32, 6)  # bytes of a frame of 20 ms by its type, its first byte included
AMR_WB = (18, 24, 33, 37, 41, 47, 51, 59, 61, 6)
AMR_HEADS = (b"#!AMR-WB\n", b"#!AMR\n")
G729 = 1000  # bytes a second
SPEEX = {8000: 1900, 16000: 3500, 32000: 5500}  # the same at quality 8
OPUS_FRAMES = (10, 20, 40, 60)  # ms, by two bits of a packet's first byte


class Rated:
    """A stream of so many bytes a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        return [Opaque(len(data) / self._rate)] if data else []


class Amr:
    """Frames of AMR, narrow or wide."""

    def __init__(self, wide: bool) -> None:
        self._sizes = AMR_WB if wide else AMR_NB
        self._buffer = b""

    def feed(self, data: bytes, end: bool) -> list[Piece]:
        buffer = self._buffer + data
        at = frames = 0
        for head in AMR_HEADS:
            if buffer.startswith(head):
                at = len(head)
        while at < len(buffer):
            kind = buffer[at] >> 3 & 15
            size = self._sizes[kind] if kind < len(self._sizes) else 1
            if at + size > len(buffer):
                break
            at, frames = at + size, frames + 1
        self._buffer = b"" if end else buffer[at:]
        return [Opaque(frames * 0.02)] if frames else []


def opus_seconds(packet: bytes) -> float:
    """How long one Opus packet lasts, by its first bytes (RFC 6716, 3.1)."""
    if not packet:
        return 0.0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        ms = float(OPUS_FRAMES[config & 3])
    elif config < 16:
        ms = (10.0, 20.0)[config & 1]
    else:
        ms = (2.5, 5.0, 10.0, 20.0)[config & 3]
    count = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 1)[code]
    return min(ms * count, 120.0) / 1000
