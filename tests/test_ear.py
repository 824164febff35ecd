"""The ear: whole utterances out of streams of every encoding, however they are cut, in bounded memory and linear time."""

import io
import time
import tracemalloc
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_server.audio import compressed, payload
from mock_server.audio.ear import Ear, Quiet, Speaking, Spoken
from mock_server.audio.formats import Format, speak
from mock_server.audio.pieces import Opaque, Sound
from mock_server.audio.streams import Stream
from mock_server.audio.tones import Utterance, chords_of, pitch_of, slot_of
from tests.speech import decoded, resampled, texts, wav

TEXTS = ["Hello there, this is the first one.", "Hi", "日本語テキスト 😀🎉", "", "The quick brown fox jumps. " * 6]
ASTRA = [Utterance(text, pitch_of("Telnyx.NaturalHD.astra"), slot_of(1, 24000)) for text in TEXTS]
OTHERS = [Utterance(text, pitch_of(text), slot_of(1 + n % 3 / 10, 24000)) for n, text in enumerate(texts(20))]
# What is asked for when it is made, and what a socket calls it.
MADE = [
    ("linear16", 24000, "linear16"), ("wav", 16000, "wav"), ("mulaw", 8000, "mulaw"), ("alaw", 8000, "alaw"),
    ("mp3", 24000, "mp3"), ("mp3", 44100, "mp3"), ("mp3", 8000, "mp3"), ("ogg_vorbis", 24000, "ogg"),
    ("opus", 24000, "ogg_opus"), ("flac", 24000, "flac"),
]  # fmt: skip


def pieces(audio: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    at = n = 0
    while at < len(audio):
        yield audio[at : at + sizes[n % len(sizes)]]
        at, n = at + sizes[n % len(sizes)], n + 1


def heard(encoding: str, rate: int, audio: bytes, known: Sequence[Utterance] = (), sizes: Sequence[int] = (4000,)):
    """Every event of a stream, and its ear."""
    stream, ear = Stream(encoding, rate), Ear((0.1, 1.0))
    events = []
    for messages, end in [*(([piece], False) for piece in pieces(audio, sizes)), ((), True)]:
        events += ear.hear(stream.feed(messages, end), end)
        while ear.question:
            events += ear.answer(known)
    return events, ear


def said(*arguments, **options) -> list[str | None]:
    return [event.text for event in heard(*arguments, **options)[0] if isinstance(event, Spoken)]


@pytest.mark.parametrize(("format", "rate", "encoding"), MADE)
@pytest.mark.parametrize("sizes", [(1021,), (8192,), (10_000_000,), (1, 7, 333, 4096, 20_000)])
def test_what_was_made_is_heard_however_it_is_cut(format, rate, encoding, sizes):
    audio = b"".join(speak(utterance, Format(format, rate)) for utterance in ASTRA)

    assert said(encoding, rate, audio, sizes=sizes) == TEXTS


@pytest.mark.check
@pytest.mark.parametrize("encoding", ["linear16", "linear32", "wav", "mp3", "ogg", "ogg_opus", "flac"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_what_was_decoded_and_resampled_is_known_by_its_tones(encoding, rate):
    parts = [decoded(speak(utterance, Format("mp3", 24000)), "mp3", 24000)[0] for utterance in ASTRA]
    samples = resampled(np.concatenate(parts), 24000, rate)

    assert said(encoding, rate, written(samples, rate, encoding), [*OTHERS, *ASTRA]) == TEXTS


def written(samples, rate: int, encoding: str) -> bytes:
    """Samples in an encoding, by others than us."""
    if encoding == "linear16":
        return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    if encoding == "linear32":
        return samples.astype("<f4").tobytes()
    container, codec = {
        "wav": ("WAV", "PCM_24"), "mp3": ("MP3", "MPEG_LAYER_III"), "ogg": ("OGG", "VORBIS"),
        "ogg_opus": ("OGG", "OPUS"), "flac": ("FLAC", "PCM_16"),
    }[encoding]  # fmt: skip
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", rate, 1, codec, format=container) as file:
        for start in range(0, len(samples), 8192):
            file.write(samples[start : start + 8192])
    return out.getvalue()


def test_mp3_in_blocks_is_decoded_as_in_one(capfd):
    time_ = np.arange(20 * 24000) / 24000
    samples = 0.5 * np.sin(2 * np.pi * (300 + 200 * np.sin(time_)) * time_)
    audio = written(samples, 24000, "mp3")
    stream = Stream("mp3", 16000)

    blocks = [p.samples for chunk in pieces(audio, (3000,)) for p in stream.feed([chunk])]
    blocks += [piece.samples for piece in stream.feed((), True)]

    whole, _ = soundfile.read(io.BytesIO(audio), dtype="float32")
    joined = np.frombuffer(b"".join(blocks), "i2")[576 : 576 + len(whole)].astype(int)
    assert np.abs(joined[1000:] - (whole[1000 : len(joined)] * 32768).astype(int)).max() <= 1
    assert capfd.readouterr() == ("", "")  # libmpg123 complains there of frames that lack what they refer to


def test_a_riff_header_that_lies_about_its_length_is_not_believed():
    audio = speak(ASTRA[0], Format("linear16", 16000))
    for size in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(4), b"\x10\0\0\0"):
        header = wav([0.0], 16000)[:40]
        assert said("wav", 16000, header + size + audio) == [TEXTS[0]], size


@pytest.mark.parametrize(
    ("bits", "channels", "subtype"), [(16, 2, "PCM_16"), (24, 2, "PCM_24"), (8, 1, "PCM_U8"), (32, 1, "FLOAT"), (64, 1, "DOUBLE")]
)  # fmt: skip
def test_other_samples_in_a_riff_file_are_heard(bits, channels, subtype):
    samples = decoded(speak(ASTRA[0], Format("mp3", 24000)), "mp3", 24000)[0]
    out = io.BytesIO()
    soundfile.write(out, np.repeat(samples[:, None], channels, axis=1), 24000, format="WAV", subtype=subtype)

    assert said("wav", 16000, out.getvalue(), ASTRA) == [TEXTS[0]]


def test_the_first_bytes_win_over_the_name():
    mp3, riff = (speak(ASTRA[0], Format(name, 24000)) for name in ("mp3", "wav"))

    assert said("mp3", 16000, riff) == said("wav", 16000, mp3) == said("linear16", 8000, riff) == [TEXTS[0]]


def test_a_second_file_may_follow_the_first_in_another_form():
    first, second = speak(ASTRA[0], Format("wav", 24000)), speak(ASTRA[1], Format("wav", 8000))

    assert said("wav", 16000, first + second) == TEXTS[:2]


def test_silences_are_told_once_each():
    audio = speak(ASTRA[1], Format("linear16", 16000)) + bytes(2 * 16000 * 3)

    quiet = [event.seconds for event in heard("linear16", 16000, audio)[0] if isinstance(event, Quiet)]

    assert quiet == [0.1, 1.0]


def test_a_long_sound_of_nobodys_is_told_in_parts():
    noise = np.random.default_rng(1).standard_normal(16000 * 25) * 0.1

    events, ear = heard("linear16", 16000, written(noise, 16000, "linear16"), ASTRA)

    spoken = [(round(event.seconds), event.text, event.on) for event in events if isinstance(event, Spoken)]
    assert spoken == [(10, None, True), (10, None, True), (5, None, False)]
    assert ear.at == pytest.approx(25)


ALIKE = [f"The quick brown fox jumps over the lazy {animal} at noon." for animal in ("dog", "cat", "cow", "pig", "hen")]


@pytest.mark.parametrize("speed", [0.5, 1, 2.5])
@pytest.mark.parametrize("sizes", [(997,), (10_000_000,)])
def test_of_texts_with_one_opening_and_length_the_coda_tells_which_it_is(speed, sizes):
    *known, unknown = (Utterance(text, pitch_of("astra"), slot_of(speed, 24000)) for text in ALIKE)
    samples = np.concatenate([decoded(speak(u, Format("mp3", 24000)), "mp3", 24000)[0] for u in [*known, unknown]])

    assert said("linear16", 24000, written(samples, 24000, "linear16"), known, sizes=sizes) == [*ALIKE[:-1], None]


def test_chords_are_counted_without_their_making():
    for text in (*TEXTS, *ALIKE, *texts(30)):
        assert chords_of(text) == len(Utterance(text, 1.0, 0.1).symbols())


def test_an_utterance_that_is_cut_short_or_goes_on_is_nobodys():
    samples = decoded(speak(ASTRA[4], Format("mp3", 24000)), "mp3", 24000)[0]
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    more = np.random.default_rng(1).standard_normal(12_000) * 0.1

    for other in (samples[: loud[-1] - 12_000], np.concatenate([samples[: loud[-1]], more])):
        assert said("linear16", 24000, written(other, 24000, "linear16"), ASTRA) == [None]


@pytest.mark.parametrize(("encoding", "rate", "width"), [("linear16", 16000, 2), ("mulaw", 8000, 1)])
def test_less_than_it_wants_has_nothing_to_tell(encoding, rate, width):
    """Heard as soon as it says, or unit by unit: the same is told at the same instants, up to a unit."""
    audio = b"".join(speak(u, Format(encoding, rate)) + bytes(rate * width) for u in ASTRA[:2])
    told: list[list[tuple[str, int, str | None]]] = []
    for patient in (False, True):
        stream, ear = Stream(encoding, rate), Ear((0.1, 0.3, 1.0))
        at, waiting, events = 0, b"", []
        unit = rate * width // 100
        for piece in pieces(audio, (unit,)):
            at, waiting = at + 1, waiting + piece
            if patient and len(waiting) < ear.wanted(stream.pace):
                continue
            found = ear.hear(stream.feed([waiting]))
            while ear.question:
                found += ear.answer(ASTRA)
            waiting = b""
            events += [(type(event).__name__, at, getattr(event, "text", None)) for event in found]
        told.append(events)
    plain, late = told

    assert [(kind, text) for kind, _, text in late] == [(kind, text) for kind, _, text in plain]
    # Where a sound begins it is not known yet: what is told of its beginning may come with the next look, a tenth later.
    assert all(0 <= b[1] - a[1] <= 10 for a, b in zip(plain, late, strict=True))
    assert all(b[1] - a[1] <= 1 for a, b in zip(plain, late, strict=True) if a[0] == "Quiet")


def test_an_utterance_is_told_while_it_lasts():
    samples = decoded(speak(ASTRA[4], Format("mp3", 24000)), "mp3", 24000)[0]

    events, _ = heard("linear16", 24000, written(samples, 24000, "linear16"), [*OTHERS, *ASTRA])

    told = [event for event in events if isinstance(event, Speaking)]
    assert {event.text for event in told} == {TEXTS[4]} and len(told) > 80
    assert told[0].seconds < 1.5


def page(body: bytes, granule: int, flags: int = 0) -> bytes:
    """A page of an Ogg stream; whoever reads it here looks at no check sum."""
    lacing = b"\xff" * (len(body) // 255) + bytes([len(body) % 255])
    head = b"OggS\0" + bytes([flags]) + granule.to_bytes(8, "little", signed=True) + bytes(12)
    return head + bytes([len(lacing)]) + lacing + body


SPEEX = b"Speex   " + bytes(28) + (16_000).to_bytes(4, "little") + bytes(40)
FLAC_IN_OGG = b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + bytes(10) + (8_000 << 4).to_bytes(3, "big") + bytes(21)


@pytest.mark.parametrize(
    ("encoding", "audio", "seconds"),
    [
        ("g729", bytes(3000), 3.0),
        ("amr_nb", b"#!AMR\n" + (b"\x3c" + bytes(31)) * 100, 2.0),
        ("amr_wb", b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 50, 1.0),
        ("speex", bytes(7000), 2.0),
        ("webm", b"\x1a\x45\xdf\xa3\x80" + (b"\xa3\x43\xe8" + bytes(1000)) * 8, 2.0),
        ("mp3", b"\x01" * 8000, 2.0),
        ("ogg", page(SPEEX, 0, 2) + page(bytes(1000), 32_000), 2.0),
        ("ogg", page(FLAC_IN_OGG, 0, 2) + page(bytes(1000), 32_000), 4.0),
        (
            "ogg",
            page(SPEEX, 0, 2) + page(bytes(3000), -1) * 3 + page(bytes(1000), 32_000),
            2.0,
        ),  # a packet of many pages
    ],
)
def test_what_cannot_be_decoded_has_a_length(encoding, audio, seconds):
    events, ear = heard(encoding, 16000, audio)

    assert ear.at == pytest.approx(seconds, abs=0.05)
    assert [event.text for event in events if isinstance(event, Spoken)] == [None]


def test_of_an_ogg_packet_nothing_is_told_until_its_last_page():
    decoder = compressed.Ogg()

    assert decoder.feed(page(SPEEX, 0, 2) + page(bytes(3000), -1) * 3, False) == []
    assert decoder.feed(page(bytes(1000), 32_000), True) == [Opaque(2.0)]


def test_a_flac_whose_end_is_damaged_is_heard_up_to_there():
    audio = bytearray(speak(ASTRA[4], Format("flac", 24000)))
    whole, rate = compressed.decode(bytes(audio))
    for place in range(len(audio) // 2, len(audio), 97):
        audio[place] ^= 255

    samples, told = compressed.decode(bytes(audio))

    assert told == rate == 24000
    assert len(whole) // 4 < len(samples) < len(whole)
    assert samples[: len(whole) // 4] == whole[: len(whole) // 4]


def test_a_flac_that_pauses_within_a_frame_is_heard_from_the_next_frame_on():
    audio = speak(ASTRA[4], Format("flac", 24000))
    whole, _ = compressed.decode(audio)
    decoder = compressed.Flac()

    before = decoder.feed(audio[:60_000], True)
    after = [piece for part in pieces(audio[60_000:], (4000,)) for piece in decoder.feed(part, False)]
    after += decoder.feed(b"", True)

    lengths = [sum(len(p.samples) for p in some if isinstance(p, Sound)) for some in (before, after)]
    assert 0 < len(whole) - sum(lengths) <= 2 * 2 * 4096  # the frame that was cut, and no other
    assert after[-1].samples[-1000:] == whole[-1000:]


def test_a_flac_without_frames_is_not_kept_and_has_a_length():
    head = speak(ASTRA[0], Format("flac", 24000))[:42]
    decoder = compressed.Flac()

    told = decoder.feed(head[:4] + b"\x80" + head[5:], False)
    told += [piece for _ in range(9) for piece in decoder.feed(bytes(100_000), False)]

    assert told == [Opaque(150.0)]  # of 600,000 bytes, as soon as there are more than a head may have
    assert decoder.feed(b"", True) == [Opaque(75.0)]


@pytest.mark.parametrize(("coding", "width"), [("linear16", 2), ("mulaw", 1), ("alaw", 1)])
@pytest.mark.parametrize("cut", [1, 50, 10_000])
def test_a_text_that_is_damaged_on_its_way_does_not_hide_the_next_one(coding, width, cut):
    def carrying(text: str, count: int) -> np.ndarray:
        words = np.full(count, 7, dtype=np.int16 if width == 2 else np.uint8)
        payload.hide(words, text, coding)
        return words

    good, damaged, endless, cut_short = (carrying(t, 1600) for t in ("Heard.", "Damaged.", "Endless.", "Cut short."))
    damaged[24 + 32 + 8] ^= 1  # in its check sum
    endless[24 : 24 + 32] |= 1  # its length
    stream = np.concatenate([damaged, endless, good, cut_short[:60], good])

    finder = payload.Finder(width)
    blocks = [stream[start : start + cut].tobytes() for start in range(0, len(stream), cut)]
    piecemeal = [found for block in blocks for found in finder.feed(block)]

    assert piecemeal == [("Heard.", 2 * 1600), ("Heard.", 3 * 1600 + 60)]
    assert payload.hidden(blocks, width) == ["Heard."] * 2


@pytest.mark.parametrize(("coding", "type"), [("linear16", np.int16), ("alaw", np.uint8)])
@pytest.mark.parametrize("claimed", [20_000, 65_535 << 8])
def test_samples_that_claim_texts_without_end_are_read_in_bounded_time(coding, type, claimed):
    claim = np.zeros(24 + 32, dtype=type)
    claim[:24] = np.frombuffer(payload.BEGINNINGS[coding], type)
    claim[24:] = [int(bit) for bit in f"{claimed:032b}"]
    claims = np.tile(claim, 400_000).tobytes()  # some 20 or 40 MB
    before = time.perf_counter()

    assert payload.hidden(payload.blocks(claims), claim.itemsize) == []
    assert time.perf_counter() - before < 60


def packets_of(ogg: bytes) -> tuple[bytes, list[bytes]]:
    """The OpusHead and the packets of an Ogg Opus file."""
    found, packet, at = [], b"", 0
    while ogg[at : at + 4] == b"OggS":
        lacing = ogg[at + 27 : at + 27 + ogg[at + 26]]
        at += 27 + len(lacing)
        for size in lacing:
            packet += ogg[at : at + size]
            at += size
            if size < 255:
                found.append(packet)
                packet = b""
    return found[0], found[2:]


def webm(head: bytes, packets: Sequence[bytes]) -> bytes:
    """As a browser records it: sizes of segment and clusters unknown, a cluster a second."""

    def element(id: bytes, content: bytes) -> bytes:
        return id + (0x10000000 | len(content)).to_bytes(4, "big") + content

    unknown = b"\x01" + b"\xff" * 7
    entry = element(b"\xd7", b"\1") + element(b"\x86", b"A_OPUS") + element(b"\x63\xa2", head)
    out = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm")) + b"\x18\x53\x80\x67" + unknown
    out += element(b"\x16\x54\xae\x6b", element(b"\xae", entry))
    for n, packet in enumerate(packets):
        if n % 50 == 0:
            out += b"\x1f\x43\xb6\x75" + unknown + element(b"\xe7", (n * 20).to_bytes(4, "big"))
        out += element(b"\xa3", b"\x81" + (n % 50 * 20).to_bytes(2, "big") + b"\x80" + packet)
    return out


def test_opus_packets_and_webm_are_decoded():
    samples = np.concatenate([decoded(speak(u, Format("mp3", 24000)), "mp3", 24000)[0] for u in ASTRA])
    head, packets = packets_of(written(samples, 24000, "ogg_opus"))
    stream, ear = Stream("opus", 48000), Ear()
    bare = []
    for messages, end in [*(([packet], False) for packet in packets), ((), True)]:
        bare += ear.hear(stream.feed(messages, end), end)
        while ear.question:
            bare += ear.answer(ASTRA)

    assert [event.text for event in bare if isinstance(event, Spoken)] == TEXTS
    for sizes in ((100,), (5000,)):
        assert said("webm_opus", 48000, webm(head, packets), ASTRA, sizes) == TEXTS


def test_hours_that_a_few_bytes_claim_are_not_believed():
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 8000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(60):
            file.write(np.zeros(8000 * 60, dtype="int16"))

    before = time.perf_counter()
    _, ear = heard("flac", 8000, out.getvalue(), sizes=(1_000_000,))
    assert ear.at <= 3600 and time.perf_counter() - before < 20


@pytest.mark.proof
def test_an_hour_is_heard_in_bounded_memory_and_steady_time():
    minute = np.concatenate([decoded(speak(ASTRA[4], Format("mp3", 24000)), "mp3", 24000)[0]] * 5)
    audio = written(minute, 24000, "linear16")
    stream, ear = Stream("linear16", 24000), Ear((0.1, 1.0))
    times = []
    tracemalloc.start()
    for _ in range(60):
        before = time.perf_counter()
        for chunk in pieces(audio, (8192,)):
            ear.hear(stream.feed([chunk]))
            while ear.question:
                ear.answer(ASTRA)
        times.append(time.perf_counter() - before)
        held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert held < 2_000_000
    assert sum(times[30:]) < 2 * sum(times[:30])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    encoding=st.sampled_from(["mp3", "wav", "ogg", "flac", "linear16", "linear32", "mulaw", "amr_nb", "opus", "webm"]),
    head=st.sampled_from(
        [b"", b"RIFF", b"OggS", b"fLaC\0\0\0\x22", b"ID3\3\0\0", b"\xff\xfb\x90\0", b"\x1a\x45\xdf\xa3"]
    ),
    parts=st.lists(st.binary(max_size=3000), max_size=8),
    made=st.sampled_from([None, *MADE]),
    cut=st.integers(0, 3000),
)
def test_anything_may_be_heard(encoding, head, parts, made, cut):
    audio = b"" if made is None else speak(ASTRA[1], Format(*made[:2]))[cut:]

    events, ear = heard(encoding, 8000, head + b"".join(parts) + audio, ASTRA, sizes=(1500,))

    assert ear.at < 3600
    assert all(isinstance(event, Speaking | Spoken | Quiet) for event in events)
