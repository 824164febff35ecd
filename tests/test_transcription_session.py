"""The speech-to-text socket's protocol with lists: a query is read, frames go in, transcripts and closes come out."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mock_server.audio.ear import Quiet, Speaking, Spoken
from mock_server.base.errors import ApiError, ServiceUnavailable
from mock_server.domains.speech_to_text.frames import Style
from mock_server.domains.speech_to_text.parameters import Parameters, Rules, read
from mock_server.domains.speech_to_text.scripts import Script
from mock_server.domains.speech_to_text.session import BATCH, Manner, TranscriptionSession, quiet
from mock_server.domains.speech_to_text.words import Editor
from mock_server.engine.sockets import Close, Send, Work

ENGINE = "transcription_engine=Deepgram&input_format="
RAW = ENGINE + "linear16&sample_rate=16000"
AUDIO = bytes(BATCH)


# ------------------------------------------------------------------------------------------ the query


def refused(query: str, **rules: bool) -> tuple[str, dict[str, str]]:
    with pytest.raises(ApiError) as told:
        read(query.encode(), Rules(**rules))
    return told.value.code, dict(told.value.source or {})


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ("transcription_engine=Whisper&input_format=mp3", "40007", "transcription_engine"),
        (ENGINE + "aac", "40001", "input_format"),
        (ENGINE + "MP3", "40001", "input_format"),
        ("transcription_engine=Azure&input_format=flac", "40002", "input_format"),
        ("transcription_engine=Telnyx&input_format=mulaw&sample_rate=8000", "40002", "input_format"),
        ("transcription_engine=Reson8&input_format=mp3", "40002", "input_format"),
        (ENGINE + "linear16", "40003", "sample_rate"),
        (ENGINE + "mulaw&sample_rate=", "40003", "sample_rate"),
        ("transcription_engine=Google&input_format=mp3", "40003", "sample_rate"),
        (ENGINE + "linear16&sample_rate=fast", "40004", "sample_rate"),
        (ENGINE + "linear16&sample_rate=-8000", "40004", "sample_rate"),
        (ENGINE + "linear16&sample_rate=0", "40004", "sample_rate"),
        (ENGINE + "opus&sample_rate=22050", "40005", "sample_rate"),
        (ENGINE + "amr_nb&sample_rate=16000", "40005", "sample_rate"),
        (ENGINE + "g729&sample_rate=16000", "40005", "sample_rate"),
        ("transcription_engine=Google&input_format=speex&sample_rate=8000", "40005", "sample_rate"),
        ("transcription_engine=Speechmatics&model=speechmatics/linden-1&input_format=linear16&sample_rate=8000", "40005",
         "sample_rate"),
        (ENGINE + "mp3&model=flux", "40006", "input_format"),
        (ENGINE + "mp3&model=whisper", "10015", "model"),
        (ENGINE + "mp3&endpointing=soon", "10015", "endpointing"),
        (ENGINE + "mp3&endpointing=-1", "10015", "endpointing"),
        ("transcription_engine=Soniox&input_format=mp3&endpointing=499", "10015", "endpointing"),
        ("transcription_engine=Soniox&input_format=mp3&endpointing=3001", "10015", "endpointing"),
        (ENGINE + "mp3&eot_threshold=0.7", "10015", "eot_threshold"),
        (ENGINE + "mp3&eager_eot_threshold=0.5", "10015", "eager_eot_threshold"),
        (ENGINE + "mp3&eot_timeout_ms=5000", "10015", "eot_timeout_ms"),
        (ENGINE + "wav&model=flux&eot_threshold=0.95", "10015", "eot_threshold"),
        (ENGINE + "wav&model=flux&eot_threshold=nan", "10015", "eot_threshold"),
        (ENGINE + "wav&model=flux&eager_eot_threshold=0.8", "10015", "eager_eot_threshold"),
        (ENGINE + "wav&model=flux&eot_timeout_ms=499", "10015", "eot_timeout_ms"),
        ("transcription_engine=Cohere&input_format=mp3&language=auto", "10015", "language"),
        ("transcription_engine=Speechmatics&model=linden-1&input_format=mp3&language=multi", "10015", "language"),
    ],
)  # fmt: skip
def test_what_an_engine_does_not_take_is_refused(query, code, parameter):
    assert refused(query) == (code, {"parameter": parameter})
    assert read(query.encode(), Rules(requests_mended=True))


def test_both_names_are_required_unless_they_have_defaults():
    assert refused("")[0] == "10027"  # rendered as 10004 in the dialect of the operation
    assert read(b"", Rules(transcription_parameters_defaulted=True)) == Parameters()
    flux = read(b"model=flux", Rules(transcription_parameters_defaulted=True))
    assert (flux.model, flux.encoding) == ("deepgram/flux", "wav")


def test_names_of_engines_are_read_in_any_case_unless_exact():
    query = "transcription_engine=telnyx&input_format=wav"

    assert read(query.encode(), Rules()).engine == "Telnyx"
    assert refused(query, engine_names_exact=True)[0] == "40007"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RAW, {"encoding": "linear16", "rate": 16000, "pause": 0.1, "interim": False, "language": "en-US"}),
        (ENGINE + "webm-opus", {"encoding": "webm_opus"}),
        (ENGINE + "mp3&sample_rate=nonsense&channels=2&partial_results=true", {"encoding": "mp3"}),
        (ENGINE + "mp3&interim_results=True", {"interim": True}),
        (ENGINE + "mp3&endpointing=false", {"pause": None}),
        (ENGINE + "mp3&endpointing=300", {"pause": 0.3}),
        (ENGINE + "mp3&model=nova-2", {"model": "deepgram/nova-2"}),
        (ENGINE + "mp3&model=deepgram/nova-3", {"model": "deepgram/nova-3"}),
        (ENGINE + "opus&sample_rate=44100", {"rate": 44100}),
        (ENGINE + "mp3&redact=pci,ssn&redact=numbers", {"redact": ("pci", "ssn", "numbers")}),
        (ENGINE + "mp3&keyterm=a,b&keyterm=c&keywords=SIP:2,x", {"terms": ("a", "b", "c", "SIP", "x")}),
        (ENGINE + "mp3&model=nova-2&keyterm=a&keywords=b:1", {"terms": ("b",)}),
        (ENGINE + "wav&model=flux&keyterm=a&keywords=b", {"terms": ("a",), "pause": 0.7}),
        (ENGINE + "wav&model=flux&eot_threshold=0.9&eager_eot_threshold=0.4&eot_timeout_ms=500",
         {"pause": 0.5, "eager": 0.4}),
        ("transcription_engine=Telnyx&input_format=wav&interim_results=true&redact=pci&endpointing=x",
         {"model": "openai/whisper-tiny", "interim": False, "redact": (), "pause": 0.5}),
        ("transcription_engine=Soniox&input_format=mp3", {"pause": None}),
        ("transcription_engine=Soniox&input_format=mp3&endpointing=3000&interim_results=true",
         {"pause": 3.0, "interim": True}),
        ("transcription_engine=xAI&input_format=g729&sample_rate=8000", {"model": "xai/grok-stt"}),
        ("transcription_engine=Google&input_format=flac&model=latest_long", {"model": "google/latest_long"}),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_understood(query, expected):
    asked = read(query.encode(), Rules())

    assert {name: getattr(asked, name) for name in expected} == expected


def test_what_is_redacted_and_how_terms_are_written():
    text = "card 4111 1111-1111 1111, ssn 123-45-6789, code 42.7 at telnyx and TELNYXES"

    assert Editor(("pci",), ()).edit(text).startswith("card [REDACTED], ssn 123-45")
    assert Editor(("ssn",), ()).edit(text).split(", ")[1] == "ssn [REDACTED]"
    assert "42" not in Editor(("numbers",), ()).edit(text)
    assert Editor((), ("Telnyx", "SSN")).edit(text).endswith("at Telnyx and TELNYXES")


# ------------------------------------------------------------------------------------------ the frames


class Listener:
    """An ear that hears what it is told to: a list of events for each time it is asked."""

    def __init__(self, *heard: Sequence[Any], names: str | None = None) -> None:
        self.heard, self.text, self.names = list(heard), names, names is not None
        self.asked: list[tuple[int, bool]] = []
        self.seconds, self.counted, self.how = 0.0, [], ""
        self.scripts: list[Script | None] = []
        self.enough = 0

    def wanted(self):
        return self.enough

    def hear(self, messages, end):
        self.asked.append((sum(map(len, messages)), end))
        events = self.heard.pop(0) if self.heard else []
        if isinstance(events, ApiError):
            raise events
        self.seconds = max([self.seconds, *(event.at for event in events)])
        return events

    def canned(self, seconds, start):
        return [f"word{start + n}" for n in range(max(int(seconds), 1))]

    def named(self):
        return self.text

    def scripted(self, heard, turn):
        return self.scripts.pop(0) if self.scripts else None

    async def strike(self):
        raise AssertionError("no reply has a fault")

    def note(self, how):
        self.how = how

    def begin(self, first):
        self.first = first

    def puzzle(self):
        self.puzzled = True

    def count(self, characters):
        self.counted.append(characters)


class Socket:
    """A session and what it sent. Work is done at once, as the pump does it."""

    def __init__(self, ear: Listener, query: str = RAW, refused: ApiError | None = None, **options: Any) -> None:
        styles = {name: options.pop(name) for name in list(options) if name in Style.__slots__}
        asked = read(query.encode(), Rules())
        self.ear, self.frames, self.close = ear, [], None
        self.session = TranscriptionSession(asked, ear, Manner(**options), Style(**styles), refused)
        self._do(self.session.opened(0.0), 0.0)

    def _do(self, outs, now: float) -> None:
        for out in outs:
            if isinstance(out, Send) and self.close is None:
                self.frames.append(json.loads(out.data))
            elif isinstance(out, Close):
                self.close = self.close or out
            elif isinstance(out, Work):
                try:
                    result = out.fn(*out.args)
                except ApiError as error:
                    result = error
                self._do(self.session.done(result, now), now)

    def feed(self, *messages: Any, now: float = 0.0) -> None:
        for message in messages:
            self._do(self.session.feed(json.dumps(message) if isinstance(message, dict) else message, now), now)

    def run(self, until: float) -> None:
        """Time passes."""
        while (due := self.session.due()) is not None and due <= until:
            self._do(self.session.tick(due), due)

    def texts(self) -> list[tuple[str, bool]]:
        return [(frame["transcript"], frame["is_final"]) for frame in self.frames]


FINALIZE, CLOSE, ALIVE = ({"type": kind} for kind in ("Finalize", "CloseStream", "KeepAlive"))
HELLO = Spoken(2.0, 1.8, "Hello big world", 15.0)
PAUSE, TURN = Quiet(2.1, 0.1), Quiet(3.0, 1.0)


def test_audio_is_heard_in_batches_and_soon():
    socket = Socket(Listener())

    socket.feed(*[bytes(20_000)] * 3)
    socket.feed(b"ab")
    socket.run(0.1)

    assert socket.ear.asked == [(60_000, False), (2, False)]


def test_audio_that_can_tell_nothing_waits_for_what_can_and_for_the_end():
    socket = Socket(ear := Listener())
    ear.enough = 10
    socket.feed(b"four", now=1.0)
    socket.run(1.1)
    assert ear.asked == [(4, False)]  # after which it says what it wants

    socket.feed(b"four", b"four", now=1.2)
    socket.run(1.9)
    assert ear.asked[1:] == []
    socket.feed(b"four", now=1.9)
    assert ear.asked[1:] == [(12, False)]

    socket.feed(b"four", now=2.0)
    socket.run(2.9)
    assert ear.asked[2:] == []
    socket.run(3.1)
    assert ear.asked[2:] == [(4, True)]


def test_interim_transcripts_grow_word_by_word():
    ear = Listener(
        [Speaking(0.6, 0.4, "Hello big world", 15.0), Speaking(1.0, 0.8, "Hello big world", 15.0), HELLO, PAUSE]
    )
    socket = Socket(ear, RAW + "&interim_results=true")

    socket.feed(AUDIO)

    words = [("Hello", False), ("Hello big", False), ("Hello big world", False)]
    assert socket.texts() == [*words, ("Hello big world", True)]


def test_final_and_utterance_end_come_after_their_silences():
    socket = Socket(Listener([HELLO, PAUSE, TURN]))

    socket.feed(AUDIO)

    assert socket.frames == [
        {"type": "transcript", "transcript": "Hello big world", "confidence": 0.9912109, "is_final": True,
         "speech_final": True},
        {"type": "transcript", "transcript": "", "is_final": True, "utterance_end": True},
    ]  # fmt: skip


def test_a_final_comes_when_the_client_just_stops():
    socket = Socket(Listener([], [HELLO]))

    socket.feed(AUDIO)
    socket.run(1.0)

    assert socket.ear.asked[-1] == (0, True)
    assert [text for text, final in socket.texts() if final] == ["Hello big world", ""]
    socket.run(10.0)
    assert socket.close == Close(1000)


def test_longer_endpointing_joins_what_was_said():
    first, second = HELLO, Spoken(4.0, 1.0, "Again.", 15.0)
    ear = Listener([first, Quiet(3.0, 1.0), second, Quiet(5.0, 1.0), Quiet(7.0, 3.0)])
    socket = Socket(ear, "transcription_engine=Soniox&input_format=mp3&endpointing=3000")

    socket.feed(AUDIO)

    assert socket.texts() == [("Hello big world Again.", True)]


def test_without_endpointing_finals_end_no_speech():
    socket = Socket(Listener([HELLO, TURN]), RAW + "&endpointing=false")

    socket.feed(AUDIO)

    assert [frame.get("speech_final") for frame in socket.frames] == [False, None]


def test_finalize_brings_what_there_is_even_nothing():
    socket = Socket(Listener([HELLO]))

    socket.feed(b"abc", FINALIZE, FINALIZE)

    assert socket.ear.asked == [(3, True), (0, True)]
    assert socket.texts() == [("Hello big world", True), ("", True)]


def test_close_stream_brings_what_there_is_and_closes():
    socket = Socket(Listener([HELLO]))

    socket.feed(b"abc", CLOSE, b"more", FINALIZE)

    assert socket.texts() == [("Hello big world", True)]
    assert socket.close == Close(1000)


def test_keep_alive_and_only_it_holds_off_the_idle_close():
    socket = Socket(Listener())

    socket.feed(ALIVE, now=8.0)
    socket.feed({"type": "Unknown"}, "no json", '"text"', "x" * 10_000, "[]", now=9.0)
    socket.run(17.9)
    assert socket.close is None and socket.frames == []
    socket.run(18.0)

    assert socket.close == Close(1000)


def test_control_frames_are_for_engines_that_have_them():
    query = "transcription_engine=Telnyx&input_format=mp3"
    documented = Socket(Listener([HELLO]), query, control_frames_by_engine=True)
    lenient = Socket(Listener([HELLO]), query)

    for socket in (documented, lenient):
        socket.feed(b"abc", FINALIZE, CLOSE)

    assert (documented.texts(), documented.close) == ([], None)
    assert (lenient.texts(), lenient.close) == ([("Hello big world", True)], Close(1000))


def test_telnyx_transcribes_once_and_bare_where_it_was_seen_to():
    ear = Listener([HELLO, Quiet(2.6, 0.5), TURN, Spoken(5.0, 1.0, "Again.", 15.0)], [])
    socket = Socket(
        ear, "transcription_engine=Telnyx&input_format=mp3", telnyx_transcribes_once=True, telnyx_transcripts_bare=True,
        frames_typed=False,
    )  # fmt: skip

    socket.feed(AUDIO)
    assert socket.frames == []
    socket.run(5.0)

    assert socket.frames == [{"transcript": " Hello big world Again.", "confidence": None, "is_final": True}]


@pytest.mark.parametrize(
    ("style", "confidence"), [({}, 0.0), ({"interim_confidence_told": True}, 0.8442383)], ids=["spec", "live"]
)
def test_interim_transcripts_have_a_confidence(style, confidence):
    socket = Socket(Listener([HELLO]), RAW + "&interim_results=true", **style)

    socket.feed(AUDIO)

    assert {frame["confidence"] for frame in socket.frames} == {confidence}


def test_cohere_tells_no_confidence():
    socket = Socket(Listener([HELLO]), "transcription_engine=Cohere&input_format=mp3")

    socket.feed(b"a", FINALIZE)

    assert socket.frames[0]["confidence"] is None


@pytest.mark.parametrize(
    ("style", "frame"),
    [
        ({}, {"type": "error", "error": "Service is unavailable."}),
        ({"transcription_errors_listed": True, "frames_typed": False},
         {"errors": [{"code": "10016", "title": "Service unavailable", "detail": "Service is unavailable."}]}),
    ],
    ids=["spec", "live"],
)  # fmt: skip
def test_an_error_is_told_and_closes(style, frame):
    socket = Socket(Listener(ServiceUnavailable()), **style)

    socket.feed(AUDIO)

    assert (socket.frames, socket.close) == ([frame], Close(1000))


def test_refused_parameters_are_told_in_one_frame():
    with pytest.raises(ApiError) as told:
        read(b"transcription_engine=Deepgram&input_format=aac", Rules())

    socket = Socket(Listener(), refused=told.value, transcription_errors_listed=True, frames_typed=False)

    [error] = socket.frames[0]["errors"]
    assert (error["code"], error["title"], error["source"]) == (
        "40001",
        "Invalid Parameter",
        {"parameter": "input_format"},
    )
    assert error["detail"] == (
        "Unsupported input_format 'aac'. Supported formats: mp3, wav, webm, ogg, flac, ogg_opus, webm_opus, linear16, "
        "linear32, mulaw, alaw, opus, amr_nb, amr_wb, g729, speex"
    )
    assert socket.close == Close(1000)


def test_flux_names_its_turns_where_told_to():
    ear = Listener(
        [Spoken(1.0, 1.0, "Well", 15.0), Quiet(1.4, 0.4), Speaking(2.0, 0.2, "yes", 15.0), Spoken(3.0, 1.0, "yes", 15.0),
         Quiet(3.7, 0.7)]
    )  # fmt: skip
    query = ENGINE + "wav&model=flux&interim_results=true&eager_eot_threshold=0.4"
    socket = Socket(ear, query, flux_turns_named=True)

    socket.feed(AUDIO)

    events = [(frame.get("event"), frame["transcript"], frame["is_final"]) for frame in socket.frames]
    assert [event for event in events if event[0]] == [
        ("EagerEndOfTurn", "Well", False),
        ("TurnResumed", "Well", False),
        ("EndOfTurn", "Well yes", True),
    ]


def test_audio_of_nobodys_says_the_canned_text_on_and_on():
    ear = Listener([Spoken(3.0, 3.0, None), PAUSE, Spoken(6.0, 2.0, None), PAUSE])
    socket = Socket(ear)

    socket.feed(AUDIO)

    assert socket.texts() == [("word0 word1 word2.", True), ("word3 word4.", True)]
    assert ear.how == "canned"


def test_a_recording_with_a_name_says_what_the_fixture_says_once_it_ended():
    ear = Listener([Spoken(3.0, 3.0, None), PAUSE, Spoken(6.0, 2.0, None)], names="As written.")
    socket = Socket(ear, RAW + "&interim_results=true")

    socket.feed(AUDIO)
    assert socket.frames == []
    socket.feed(FINALIZE)

    assert socket.texts() == [("As", False), ("As written.", False), ("As written.", True)]
    assert ear.how == "transcript"


def test_silence_alone_says_the_canned_text_at_the_end():
    socket = Socket(Listener())

    socket.feed(AUDIO, CLOSE)

    assert socket.texts() == [("word0.", True)]


def test_without_audio_nothing_is_said_or_counted():
    socket = Socket(Listener())

    socket.feed(b"", CLOSE)
    socket.session.closed(1.0)

    assert (socket.frames, socket.close, socket.ear.counted) == ([], Close(1000), [])


@pytest.mark.parametrize("graceful", [True, False])
def test_a_transcription_is_counted_once_however_it_ends(graceful):
    socket = Socket(Listener([], [HELLO]))

    socket.feed(AUDIO)
    if graceful:
        socket.feed(CLOSE)
    socket._do(socket.session.closed(1.0), 1.0)

    assert socket.ear.counted == [len("Hello big world")]


def test_in_real_time_transcripts_come_when_their_audio_was_played():
    socket = Socket(Listener([HELLO, PAUSE, TURN]), realtime=True)

    socket.feed(AUDIO, now=0.0)
    assert socket.frames == []
    socket.run(2.0)
    assert socket.frames == []
    socket.run(2.1)
    assert socket.texts() == [("Hello big world", True)]
    socket.run(3.0)

    assert socket.frames[-1]["utterance_end"]


def test_in_real_time_a_socket_is_not_idle_while_its_audio_plays():
    socket = Socket(Listener([Spoken(30.0, 29.0, "Late.", 15.0), Quiet(30.1, 0.1)]), realtime=True)

    socket.feed(AUDIO)
    socket.run(30.2)
    assert (socket.texts(), socket.close) == ([("Late.", True), ("", True)], None)  # and the end of the utterance
    socket.run(41.0)

    assert socket.close == Close(1000)


def test_in_real_time_what_is_too_far_ahead_is_refused():
    events = [Spoken(n / 10, 0.1, "a", 15.0) for n in range(20_000)]
    socket = Socket(Listener(events), RAW + "&interim_results=true", realtime=True)

    socket.feed(AUDIO)

    assert "ahead" in socket.frames[-1]["error"] and socket.close == Close(1000)


def test_a_transcript_does_not_grow_without_end():
    events = [Spoken(float(n), 1.0, "x" * 1500, 15.0) for n in range(6)]
    socket = Socket(Listener(events), RAW + "&endpointing=false")

    socket.feed(AUDIO)

    assert [len(text) for text, _ in socket.texts()] == [4502, 4502]


def test_the_silences_asked_for():
    assert quiet(Parameters(pause=None)) == [1.0]
    assert quiet(Parameters(pause=0.5, eager=0.3)) == [0.3, 0.5, 1.0]
