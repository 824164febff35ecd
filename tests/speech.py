"""What tests of speech share: making audio over the wire, reading it as others do, and changing it on the way."""

import io
import shutil
import wave
from typing import Any

import numpy as np
import pytest
import soundfile

FORMATS = ("mp3", "wav", "linear16", "mulaw", "alaw", "ogg_vorbis")
CODECS = {"linear16": "PCM_16", "mulaw": "ULAW", "alaw": "ALAW"}
POOLS = (
    "abcdefghijklmnopqrstuvwxyz      ",
    "ÄÖÜßéèñçøå ",
    "日本語テキスト한국어 ",
    "😀🎉👍🏽🚀 ",
    "0123456789 .,!?\n\t",
    "العربيةעברית ",
)
needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng: apt-get install espeak-ng")
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg: apt-get install ffmpeg")
needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="needs sox: apt-get install sox libsox-fmt-mp3")


def texts(count: int, longest: int = 80) -> list[str]:
    """Unicode texts of 0 to `longest` characters, the same in every run."""
    draw = np.random.default_rng(5)
    return [
        "".join(draw.choice(list(draw.choice(POOLS))) for _ in range(int(draw.integers(0, longest + 1))))
        for _ in range(count)
    ]


def speak(client: Any, text: str, format: str = "mp3", rate: int | None = None, **fields: Any) -> bytes:
    own: dict[str, Any] = {"response_format": format} | ({"sampling_rate": rate} if rate else {})
    answer = client.post(
        "/text-to-speech/speech", {"text": text, "voice": "Telnyx.NaturalHD.astra", "telnyx": own, **fields}
    )
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def transcribe(client: Any, audio: bytes, name: str = "audio.wav", **form: Any) -> Any:
    answer = client.post("/ai/audio/transcriptions", files={"file": (name, audio)}, data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decoded(audio: bytes, format: str, rate: int) -> tuple[Any, int]:
    """Samples of the first channel from -1 to 1, and their rate."""
    if format in CODECS:
        return soundfile.read(
            io.BytesIO(audio), format="RAW", subtype=CODECS[format], samplerate=rate, channels=1, dtype="float32"
        )
    return soundfile.read(io.BytesIO(audio), dtype="float32")


def resampled(samples: Any, rate: int, wanted: int) -> Any:
    """By straight lines between samples, what is too high for the new rate filtered out before."""
    spectrum = np.fft.rfft(samples)
    if wanted < rate:
        spectrum[int(len(spectrum) * wanted / rate * 0.95) :] = 0
    smooth = np.fft.irfft(spectrum, len(samples))
    return np.interp(np.arange(int(len(samples) * wanted / rate)) * rate / wanted, np.arange(len(samples)), smooth)


def wav(samples: Any, rate: int) -> bytes:
    """A WAV as the standard library writes it."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
