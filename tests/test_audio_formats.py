"""Audio that carries its text: every format opened by others, the echo exact, tones known after a change of format."""

import io
import subprocess
import wave

import mutagen
import numpy as np
import pytest
import soundfile

from mock_server.audio import containers, formats, hearing, payload, tones
from mock_server.audio.formats import Format
from mock_server.audio.tones import Utterance, pitch_of, slot_of
from tests.speech import FORMATS, decoded, needs_ffmpeg, resampled, texts, wav

SENTENCE = "The quick brown fox jumps over the lazy dog."
EVERY = (*FORMATS, "opus", "flac")


def utterance(text: str, rate: int = 24000, speed: float = 1.0, voice: str = "telnyx.naturalhd.astra") -> Utterance:
    return Utterance(text, pitch_of(voice), slot_of(speed, rate))


def heard(audio: bytes, format: str | None = None) -> list[str]:
    return list(hearing.read(io.BytesIO(audio), format).texts)


@pytest.mark.parametrize("format", EVERY)
def test_round_trip_of_texts(format: str) -> None:
    for text in ["", "a", " ", "\n" * 200, *texts(12)]:
        assert heard(formats.speak(utterance(text), Format(format, 24000)), format) == [text]


@pytest.mark.proof
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_5000_characters_of_any_script(format: str, rate: int) -> None:
    text = "".join(texts(300))[:5000]

    assert heard(formats.speak(utterance(text, rate, 2.0), Format(format, rate)), format) == [text]


@pytest.mark.parametrize("rate", [8000, 24000, 44100])
def test_the_standard_library_reads_wav(rate: int) -> None:
    with wave.open(io.BytesIO(formats.speak(utterance(SENTENCE, rate), Format("wav", rate)))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        seconds = file.getnframes() / rate
        assert np.abs(np.frombuffer(file.readframes(-1), "<i2")).max() < 32000

    assert seconds == pytest.approx(len(SENTENCE) / 15, abs=0.8)


@pytest.mark.parametrize("format", ["mp3", "ogg_vorbis", "opus", "flac"])
@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_mutagen_reads_what_is_compressed(format: str, rate: int) -> None:
    said = utterance(SENTENCE, rate)
    info = mutagen.File(io.BytesIO(formats.speak(said, Format(format, rate)))).info

    assert info.length == pytest.approx(said.seconds() + tones.TAIL, abs=0.25)  # a coder's delay
    assert format == "opus" or info.sample_rate == rate


def expanded(words: bytes, law: str) -> "np.ndarray":
    """Samples of G.711 code words, by the tables of the standard."""
    codes = np.frombuffer(words, np.uint8).astype(int)
    codes = (~codes & 255) if law == "mulaw" else codes ^ 0x55
    exponent, mantissa = codes >> 4 & 7, codes & 15
    if law == "mulaw":
        size = ((mantissa << 3) + 132 << exponent) - 132
        return np.where(codes & 128, -size, size)
    size = np.where(exponent, (mantissa * 16 + 264) << np.maximum(exponent - 1, 0), mantissa * 16 + 8)
    return np.where(codes & 128, size, -size)


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_the_standards_own_tables_read_g711(law: str) -> None:
    said = utterance(SENTENCE, 8000)
    samples = np.array(tones.synthesise(said, 8000))

    read = expanded(formats.speak(said, Format(law, 8000)), law)[: len(samples)]

    assert np.corrcoef(read, samples)[0, 1] > 0.999


def test_raw_samples_are_those_of_the_wav() -> None:
    raw = formats.speak(utterance(SENTENCE), Format("linear16", 24000))
    with wave.open(io.BytesIO(formats.speak(utterance(SENTENCE), Format("wav", 24000)))) as file:
        assert file.readframes(-1) == raw


FFMPEG = {"linear16": ["-f", "s16le"], "mulaw": ["-f", "mulaw"], "alaw": ["-f", "alaw"]}


@pytest.mark.check
@needs_ffmpeg
@pytest.mark.parametrize("format", EVERY)
@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_ffmpeg_plays_every_format_and_what_it_makes_of_it_is_known(format: str, rate: int) -> None:
    said = utterance(SENTENCE, rate)
    raw = [*FFMPEG[format], "-ar", str(rate), "-ac", "1"] if format in FFMPEG else []
    command = ["ffmpeg", "-v", "error", *raw, "-i", "-", "-ar", "16000", "-f", "wav", "-"]

    done = subprocess.run(command, input=formats.speak(said, Format(format, rate)), capture_output=True, check=True)

    assert done.stderr == b""
    assert hearing.recognise(io.BytesIO(done.stdout), [utterance("another"), said]) == [SENTENCE]


def test_speed_and_volume() -> None:
    slow, fast = (tones.synthesise(utterance(SENTENCE, speed=s), 24000) for s in (0.5, 2.0))
    quiet, loud = (tones.synthesise(utterance(SENTENCE), 24000, v) for v in (0.1, 2.0))

    assert len(slow) / len(fast) == pytest.approx(4, rel=0.2)
    assert np.abs(quiet).max() < 3000
    assert 30000 < np.abs(loud).max() < 32700


def test_words_have_melodies_and_voices_have_pitches() -> None:
    assert tones.symbols("one two one")[:3] == tones.symbols("one two one")[8:11]
    assert tones.symbols("one")[:3] != tones.symbols("two")[:3]
    assert len({pitch_of(f"voice {n}") for n in range(50)}) > 8


@pytest.mark.parametrize("format", EVERY)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_tones_are_known_after_decoding_and_resampling(format: str, rate: int) -> None:
    known = [utterance(text, speed=1 + n % 3 / 2, voice=f"voice {n % 5}") for n, text in enumerate(texts(12))]
    said = known[7]

    samples, of = decoded(formats.speak(said, Format(format, 24000)), format, 24000)
    changed = io.BytesIO(wav(resampled(samples, of, rate), rate))

    assert hearing.read(changed).texts == []
    assert hearing.recognise(changed, known) == [said.text]
    assert hearing.recognise(changed, known[:7]) == []


def test_a_file_whose_middle_was_changed_is_not_the_utterance() -> None:
    said = utterance(
        "The first half of this is what was said before, and the second one is not the same as it was then."
    )
    sound = np.array(tones.synthesise(said, 24000))
    eighth = len(sound) // 8
    for part in range(2, 6):  # each eighth of the middle is played backwards
        sound[part * eighth : (part + 1) * eighth] = sound[part * eighth : (part + 1) * eighth][::-1]

    assert hearing.recognise(io.BytesIO(wav(sound * 0.9 / 32768, 24000)), [said]) == []


def test_utterances_in_a_row_are_told_one_after_the_other() -> None:
    known = [utterance("Hello there."), utterance("How are you?", voice="another")]
    sound = np.concatenate([np.zeros(9000, "int16")] + [tones.synthesise(u, 24000) for u in known])
    file = io.BytesIO(wav(resampled(sound / 32768, 24000, 16000), 16000))

    assert hearing.join(hearing.recognise(file, known)) == "Hello there. How are you?"


def test_samples_in_a_file_of_ones_own_still_carry_the_text() -> None:
    raw = b"".join(formats.speak(utterance(t), Format("linear16", 24000)) for t in ("Hello. ", "Bye."))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 777) + raw)

    assert hearing.join(heard(out.getvalue())) == "Hello. Bye."


@pytest.mark.parametrize("packed", [b"", b"\0\0\0\0\0", payload.pack("hello")[:-1], b"x" * 40])
def test_what_is_damaged_is_not_ours(packed: bytes) -> None:
    assert payload.unpack(packed) is None


def test_a_payload_that_grows_beyond_measure_is_not_ours() -> None:
    import zlib

    body = b"\1" + zlib.compress(bytes(50_000_000))
    assert payload.unpack(zlib.crc32(body).to_bytes(4, "big") + body) is None


def test_a_mark_that_is_damaged_does_not_hide_the_next_one() -> None:
    damaged = payload.mark("Damaged.").replace(payload.MARK, payload.MARK + b"AAAA")
    no_base64 = payload.MARK + b"A=AAAAAAA;"

    assert payload.marked(damaged + no_base64 + payload.mark("Heard.")) == ["Heard."]


@pytest.mark.parametrize(
    "data", [b"", b"R", b"RIFF", b"\x1aE\xdf\xa3", b"\x1aE\xdf\xa3" * 99, bytes(3000), b"\xff\xfb" * 999]
)
def test_what_is_no_audio_is_not_measured(data: bytes) -> None:
    found = hearing.read(io.BytesIO(data))

    assert found.texts == []
    assert hearing.recognise(io.BytesIO(data), [utterance("a")]) == []


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def test_an_mp4_is_as_long_as_its_header_says() -> None:
    mvhd = box(b"mvhd", bytes(12) + (1000).to_bytes(4, "big") + (7250).to_bytes(4, "big") + bytes(80))
    long = box(b"mvhd", b"\1" + bytes(19) + (1000).to_bytes(4, "big") + (7250).to_bytes(8, "big") + bytes(80))

    for header in (mvhd, long):
        assert containers.seconds(box(b"ftyp", b"M4A ") + box(b"mdat", bytes(99)) + box(b"moov", header)) == 7.25


def test_an_mp4_in_fragments_is_as_long_as_its_mehd_says_in_the_scale_of_its_mvhd() -> None:
    mvhd = box(b"mvhd", bytes(12) + (1000).to_bytes(4, "big") + bytes(84))
    trex = box(b"trex", bytes(24))

    for mehd in (bytes(4) + (7250).to_bytes(4, "big"), b"\1\0\0\0" + (7250).to_bytes(8, "big")):
        moov = box(b"moov", mvhd + box(b"trak", bytes(50)) + box(b"mvex", trex + box(b"mehd", mehd)))
        assert containers.seconds(box(b"ftyp", b"iso5") + moov) == 7.25


def test_boxes_of_an_mp4_may_have_long_sizes_and_the_last_one_none() -> None:
    mvhd = box(b"mvhd", bytes(12) + (1000).to_bytes(4, "big") + (7250).to_bytes(4, "big") + bytes(80))
    long = (1).to_bytes(4, "big") + b"mdat" + (16 + 99).to_bytes(8, "big") + bytes(99)
    last = bytes(4) + b"moov" + mvhd

    assert containers.seconds(box(b"ftyp", b"M4A ") + long + last) == 7.25


def test_an_mp4_that_does_not_know_its_length_has_that_of_its_fragments_or_none() -> None:
    mehd = box(b"mehd", bytes(4) + (48_000 * 7).to_bytes(4, "big"))

    for version, width in ((b"\0", 4), (b"\1", 8)):
        mvhd = box(b"mvhd", version + bytes(3 + 2 * width) + (48_000).to_bytes(4, "big") + b"\xff" * width + bytes(80))
        assert containers.seconds(box(b"ftyp", b"iso5") + box(b"moov", mvhd)) is None
        assert containers.seconds(box(b"ftyp", b"iso5") + box(b"moov", mvhd + box(b"mvex", mehd))) == 7


@pytest.mark.parametrize(
    "rest",
    [
        box(b"mdat", bytes(99)),
        box(b"moov", box(b"trak", bytes(50))),
        (7).to_bytes(4, "big") + b"moov",
        (99).to_bytes(4, "big") + b"moov" + bytes(50),
        (1).to_bytes(4, "big") + b"moov" + (15).to_bytes(8, "big"),
    ],
)
def test_an_mp4_whose_boxes_do_not_tell_or_cannot_be_has_no_length(rest: bytes) -> None:
    assert containers.seconds(box(b"ftyp", b"M4A ") + rest) is None


def element(id: bytes, body: bytes) -> bytes:
    return id + bytes([0x40 | len(body) >> 8, len(body) & 255]) + body


def test_a_webm_is_as_long_as_its_header_or_its_last_cluster_says() -> None:
    import struct

    head = element(b"\x1a\x45\xdf\xa3", b"")
    info = element(
        b"\x15\x49\xa9\x66", element(b"\x2a\xd7\xb1", b"\x0f\x42\x40") + element(b"\x44\x89", struct.pack(">d", 7250))
    )
    cluster = element(b"\x1f\x43\xb6\x75", element(b"\xe7", b"\x1c\x52") + bytes(9))
    live = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"

    assert containers.seconds(head + element(b"\x18\x53\x80\x67", info + cluster)) == 7.25
    assert containers.seconds(head + live + cluster) == pytest.approx(7.25)


def test_a_webm_may_name_its_maker_and_count_in_another_scale() -> None:
    head, scale = element(b"\x1a\x45\xdf\xa3", b""), element(b"\x2a\xd7\xb1", b"\x1e\x84\x80")  # 2 ms
    info = element(b"\x15\x49\xa9\x66", element(b"\x4d\x80", b"a muxer") + scale)
    cluster = element(b"\x1f\x43\xb6\x75", element(b"\xab", b"\0") + element(b"\xe7", b"\x0e\x29"))
    timeless = element(b"\x1f\x43\xb6\x75", element(b"\xa3", bytes(9)))

    assert containers.seconds(head + element(b"\x18\x53\x80\x67", info + cluster)) == pytest.approx(7.25)
    assert containers.seconds(head + element(b"\x18\x53\x80\x67", info + timeless)) is None


def test_soundfile_is_asked_for_nothing_it_lacks() -> None:
    assert {"MP3", "OGG", "WAV", "FLAC", "RAW"} <= set(soundfile.available_formats())
