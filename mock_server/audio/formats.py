"""Audio formats: what each is called, its content type, and samples as its bytes with the text inside."""

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mock_server.audio import payload, tones
from mock_server.audio.tones import Utterance

if TYPE_CHECKING:
    from mock_server.audio.tones import Samples

CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "linear16": "audio/pcm",
    "mulaw": "audio/mulaw",
    "alaw": "audio/alaw",
    "ogg_vorbis": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
}
RATES = {
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "opus": (8000, 12000, 16000, 24000, 48000),
}
LOW_BITS = ("wav", "flac", "linear16", "mulaw", "alaw")  # whose samples or code words carry the text
ALIASES = {
    "pcm": "linear16",
    "pcm_s16le": "linear16",
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
    "ulaw": "mulaw",
    "ogg": "ogg_vorbis",
    "vorbis": "ogg_vorbis",
}
RIFF_CHUNK = b"tlnx"
TAG_NAME = b"telnyx-ai-mock"


@dataclass(frozen=True, slots=True)
class Format:
    """A format of CONTENT_TYPES and a rate in Hz; mono always."""

    name: str
    rate: int

    def content_type(self) -> str:
        return CONTENT_TYPES[self.name]


def named(name: str) -> str | None:
    """The format that a name stands for, None for an unknown one."""
    name = name.lower()
    name = ALIASES.get(name, name)
    return name if name in CONTENT_TYPES else None


def nearest(name: str, rate: int) -> Format:
    """A format at a rate, or at the nearest one that the format can have."""
    return Format(name, min(RATES.get(name, (rate,)), key=lambda known: abs(known - rate)))


def speak(utterance: Utterance, format: Format, volume: float = 1.0) -> bytes:
    """An utterance as the bytes of a playable file that carries its text. Takes milliseconds to seconds."""
    text, name = utterance.text, format.name
    samples = tones.synthesise(utterance, format.rate, volume, payload.bits_needed(text) if name in LOW_BITS else 0)
    if name == "mp3":
        return _id3(text) + _encoded(samples, format.rate, "MP3", "MPEG_LAYER_III")
    if name in ("ogg_vorbis", "opus"):
        return _ogg(samples, format, text)
    if name in ("mulaw", "alaw"):
        return _g711(samples, format, text)
    payload.hide(samples, text)  # in a WAV too, for who reads its samples and writes a file of their own
    if name == "wav":
        return _with_chunk(_encoded(samples, format.rate, "WAV", "PCM_16"), text)
    if name == "flac":
        return _encoded(samples, format.rate, "FLAC", "PCM_16")
    return samples.astype("<i2").tobytes()


def _encoded(samples: "Samples", rate: int, container: str, codec: str) -> bytes:
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=container, subtype=codec)
    return out.getvalue()


def _g711(samples: "Samples", format: Format, text: str) -> bytes:
    import numpy as np

    codec = "ULAW" if format.name == "mulaw" else "ALAW"
    words = np.frombuffer(bytearray(_encoded(samples, format.rate, "RAW", codec)), dtype=np.uint8)
    payload.hide(words, text)
    return words.tobytes()


def _with_chunk(wav: bytes, text: str) -> bytes:
    """A RIFF file with the text in a chunk of our own behind all others, which every reader passes over."""
    body = payload.mark(text)
    chunk = RIFF_CHUNK + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return wav[:4] + struct.pack("<I", len(wav) - 8 + len(chunk)) + wav[8:] + chunk


def _id3(text: str) -> bytes:
    """An ID3v2.3 tag with one TXXX frame: Latin-1, description, value."""
    body = b"\0" + TAG_NAME + b"\0" + payload.mark(text)
    frame = b"TXXX" + struct.pack(">IH", len(body), 0) + body
    size = len(frame)
    return b"ID3\3\0\0" + bytes((size >> shift) & 127 for shift in (21, 14, 7, 0)) + frame


def _ogg(samples: "Samples", format: Format, text: str) -> bytes:
    """Ogg Vorbis or Opus with the text in the comment DESCRIPTION."""
    import soundfile

    out = io.BytesIO()
    codec = "OPUS" if format.name == "opus" else "VORBIS"
    file: Any = soundfile.SoundFile(out, "w", format.rate, 1, codec, format="OGG")
    with file:
        file.comment = payload.mark(text).decode()
        for start in range(0, len(samples), 8192):  # one large write overflows libvorbis' stack
            file.write(samples[start : start + 8192])
    return out.getvalue()
