"""Audio formats: what each is called, its content type, and samples as its bytes with the text inside."""

import io
import struct
import sys
import wave
from array import array
from dataclasses import dataclass
from typing import Any

from mock_server.audio import payload, tones
from mock_server.audio.samples import code_words
from mock_server.audio.tones import Utterance

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
MP3_KBITS = 48  # a second, constant: every version of MPEG has that
FASTEST = 7  # LAME's quality: a melody of pure tones has nothing to lose


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
    samples = tones.synthesise(utterance, format.rate, volume, payload.words_needed(text) if name in LOW_BITS else 0)
    if name == "mp3":
        return _id3(text) + _mp3(samples, format.rate)
    if name in ("ogg_vorbis", "opus"):
        return _ogg(samples, format, text)
    if name in ("mulaw", "alaw"):
        return _g711(samples, name, text)
    payload.hide(samples, text)  # in a WAV too, for who reads its samples and writes a file of their own
    if name == "wav":
        return _with_chunk(_wav(samples, format.rate), text)
    if name == "flac":
        return _encoded(samples, format.rate, "FLAC", "PCM_16")
    return _little(samples)


def _little(samples: "array[int]") -> bytes:
    """Samples as bytes, the low one first."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def _mp3(samples: "array[int]", rate: int) -> bytes:
    """By LAME itself rather than through libsndfile: three times as fast, and without the memory that numpy takes."""
    import lameenc

    encoder = lameenc.Encoder()
    encoder.silence()  # it would print
    encoder.set_channels(1)
    encoder.set_in_sample_rate(rate)
    encoder.set_out_sample_rate(rate)  # it would choose one by the bit rate
    encoder.set_bit_rate(MP3_KBITS)
    encoder.set_quality(FASTEST)
    return bytes(encoder.encode(_little(samples)) + encoder.flush())


def _wav(samples: "array[int]", rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(samples)
    return out.getvalue()


def _encoded(samples: "array[int]", rate: int, container: str, codec: str) -> bytes:
    import numpy as np
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, np.frombuffer(samples, np.int16), rate, format=container, subtype=codec)
    return out.getvalue()


def _g711(samples: "array[int]", coding: str, text: str) -> bytes:
    words = bytearray(code_words(samples.tobytes(), coding))
    payload.hide(words, text, coding)
    return bytes(words)


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


def _ogg(samples: "array[int]", format: Format, text: str) -> bytes:
    """Ogg Vorbis or Opus with the text in the comment DESCRIPTION."""
    import numpy as np
    import soundfile

    out = io.BytesIO()
    codec = "OPUS" if format.name == "opus" else "VORBIS"
    file: Any = soundfile.SoundFile(out, "w", format.rate, 1, codec, format="OGG")
    with file:
        file.comment = payload.mark(text).decode()
        for start in range(0, len(samples), 8192):  # one large write overflows libvorbis' stack
            file.write(np.frombuffer(samples[start : start + 8192], np.int16))
    return out.getvalue()
