"""The text-to-speech socket's protocol, frame by frame, without a network: lists in, lists out."""

import json
from typing import Any

import pytest

from mock_server.audio.formats import Format
from mock_server.base.errors import BadRequest, ServiceUnavailable, SpeechFailed
from mock_server.domains.text_to_speech import sentences
from mock_server.domains.text_to_speech.frames import Said, read
from mock_server.domains.text_to_speech.handshake import Opening
from mock_server.domains.text_to_speech.providers import Wish
from mock_server.domains.text_to_speech.service import speech
from mock_server.domains.text_to_speech.session import MOST_WAITING, Manner, SpeechSession
from mock_server.domains.text_to_speech.spoken import Audio, Memory, Spoken
from mock_server.engine.sockets import Close, Out, Send, Work

NOW = 1000.0
LIVE = Manner(frames_typed=False, speech_on_flush_only=True, speech_final_at_end_only=True)
STUB = Manner(speech_needs_greeting=False, speech_file_per_sentence=False, requests_mended=True)
HELLO = {"text": " "}
END = {"text": ""}


class Voice:
    """Says everything in two pieces that play for a second each; notes what it is asked."""

    def __init__(self, *, whole: bool = False, error: Exception | None = None) -> None:
        self.whole, self.error = whole, error
        self.settings: Any = "not settled"
        self.said: list[str] = []
        self.hints: list[str] = []

    def settle(self, voice_settings: Any) -> None:
        self.settings = voice_settings
        if voice_settings == {"bad": 1}:
            raise SpeechFailed("No such format.")

    def hint(self, name: str, /, **values: str) -> None:
        self.hints.append(name)

    def say(self, text: str) -> Spoken:
        if self.error is not None:
            raise self.error
        cached = text in self.said
        self.said.append(text)
        return Spoken(text, [f"{text}-1", f"{text}-2"], 2.0, cached, self.whole)


class Talk:
    """A session driven as the pump drives it, its frames read back."""

    def __init__(self, manner: Manner = Manner(), opening: Opening = Opening(), voice: Voice | None = None) -> None:
        self.voice = voice or Voice()
        self.session = SpeechSession(opening, self.voice, manner)
        self.now = NOW
        self.frames: list[dict[str, Any]] = []
        self.closed: Close | None = None
        self._do(self.session.opened(self.now))

    def _do(self, outs: list[Out]) -> None:
        for out in outs:
            if isinstance(out, Work):
                try:
                    result = out.fn(*out.args)
                except ServiceUnavailable as error:
                    result = error
                self._do(self.session.done(result, self.now))
            elif self.closed is None and isinstance(out, Send):
                self.frames.append(json.loads(out.data))
            elif self.closed is None and isinstance(out, Close):
                self.closed = out

    def send(self, *frames: Any) -> "Talk":
        for frame in frames:
            self._do(self.session.feed(frame if isinstance(frame, str | bytes) else json.dumps(frame), self.now))
            self.until(self.now)
        return self

    def until(self, instant: float) -> "Talk":
        while self.closed is None and (due := self.session.due()) is not None and due <= instant:
            self.now = max(self.now, due)
            self._do(self.session.tick(self.now))
        self.now = instant
        return self

    def spoken(self) -> list[str]:
        """The sentences, and `final` where a final frame came."""
        return ["final" if f["isFinal"] else f["text"] for f in self.frames if f.get("isFinal") or f.get("text")]


# --------------------------------------------------------------------------------------------- frames


def test_the_frames_of_a_sentence_as_documented():
    talk = Talk().send(HELLO, {"text": "Hi."})

    assert talk.frames == [
        {"type": "audio_chunk", "audio": "Hi.-1", "cached": False, "isFinal": False, "text": None,
         "timeToFirstAudioFrameMs": 0},
        {"type": "audio_chunk", "audio": "Hi.-2", "cached": False, "isFinal": False, "text": None},
        {"type": "audio_chunk", "audio": None, "cached": False, "isFinal": False, "text": "Hi."},
        {"type": "final", "audio": None, "text": "", "isFinal": True},
    ]  # fmt: skip
    assert talk.closed is None


def test_the_frames_of_a_sentence_as_observed():
    talk = Talk(LIVE).send(HELLO, {"text": "Hi."}, END)

    assert all("type" not in frame for frame in talk.frames)
    assert list(talk.frames[1]) == ["audio", "cached", "isFinal", "text"]
    assert talk.frames[-1] == {"audio": None, "text": "", "isFinal": True}
    assert talk.closed == Close(1000)


def test_providers_that_send_a_sentence_in_one_frame():
    talk = Talk(voice=Voice(whole=True)).send(HELLO, {"text": "Hi."})

    assert [(f["audio"], f["text"]) for f in talk.frames] == [("Hi.-1", None), ("Hi.-2", "Hi."), (None, "")]
    assert ["timeToFirstAudioFrameMs" in f for f in talk.frames] == [True, False, False]


def test_the_same_sentence_again_is_cached():
    talk = Talk().send(HELLO, {"text": "Hi."}, {"text": "Hi."})

    assert [f["cached"] for f in talk.frames if "cached" in f] == [False] * 3 + [True] * 3


# ------------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize(
    ("manner", "frames", "spoken"),
    [
        (Manner(), [{"text": "One. Two"}], ["One.", "final"]),
        (Manner(), [{"text": "One"}, {"text": " and"}, {"text": "."}], ["One and.", "final"]),
        (Manner(), [{"text": "One. Two? Three"}], ["One.", "Two?", "final"]),
        (Manner(), [{"text": "One"}], []),
        (Manner(), [{"text": "One", "flush": True}], ["One", "final"]),
        (Manner(), [{"text": "One"}, {"flush": True}], ["One", "final"]),
        (Manner(), [{"flush": True}], []),
        (Manner(), [{"text": "   ", "flush": True}], []),
        (Manner(), [{"text": "It is 3.14 now"}], []),
        (Manner(), [{"text": "1. First"}], []),
        (Manner(), [{"text": "One."}, END], ["One.", "final", "final"]),
        (Manner(), [END], ["final"]),
        (LIVE, [{"text": "One. Two."}], []),
        (LIVE, [{"text": "One. Two.", "flush": True}], ["One.", "Two."]),
        (LIVE, [{"text": "One."}, END], ["One.", "final"]),
        (STUB, [{"text": "One. Two."}], ["One. Two.", "final"]),
        (
            Manner(),
            [{"text": "# Hello **dear** _friend_ 😀, see [here](http://x.y). "}],
            ["Hello dear friend , see here.", "final"],
        ),
        (Manner(), [{"text": "```", "flush": True}], []),
    ],
)
def test_what_is_spoken_when(manner, frames, spoken):
    assert Talk(manner).send(HELLO, *frames).spoken() == spoken


def test_ssml_is_spoken_at_its_end_without_its_tags():
    talk = Talk(opening=Opening(ssml=True)).send(
        HELLO, {"text": "<speak>One. *Two*"}, {"text": "<break/> 1 &lt; 2.</speak>"}
    )

    assert talk.spoken() == ["One.", "*Two* 1 < 2.", "final"]


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("## Title\n\nText", "Title Text"),
        ("- a\n* b\n+ c\n1. d\n2) e", "a b c d e"),
        ("> quoted\n> more", "quoted more"),
        ("**bold** *it* ***both*** __b__ _i_ ~~s~~", "bold it both b i s"),
        ("`code` and\n```py\nx = 1\n```", "code and x = 1"),
        ("![alt](a.png) [text](http://a.b/c_d)", "alt text"),
        ("a\n---\nb", "a b"),
        ("snake_case and 2 * 3 * 4 and 2*3", "snake_case and 2 * 3 * 4 and 2*3"),
        ("Hi 👋🏽 there ☀️!", "Hi there !"),
        ("C'est déjà l'été, 日本語", "C'est déjà l'été, 日本語"),
    ],
)
def test_markdown_and_emoji_are_left_out(markdown, plain):
    assert sentences.plain(markdown) == plain


def test_hostile_markdown_takes_no_time():
    for text in ("[" * 25_000, "*" * 25_000, "* " * 12_000, "![](" * 6_000, "`" * 25_000, "#" * 25_000, "\n> " * 8_000):
        sentences.plain(text)
        sentences.complete(text, len(text))
        list(sentences.split(text))


def test_a_long_sentence_is_cut_at_blanks():
    pieces = list(sentences.split("word " * 1000))

    assert max(map(len, pieces)) <= sentences.LONGEST
    assert " ".join(pieces) == ("word " * 1000).strip()


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "frame",
    ["{oops", "[]", "1", '"text"', b'{"text": "Hi."}', {}, {"text": 1}, {"text": "a", "flush": "yes"}, {"text": "a", "force": 1},
     {"text": " ", "voice_settings": []}, {"flush": False}, '{"text": "\\ud800"}', '{"text": NaN}', "[" * 10_000],
)  # fmt: skip
def test_a_frame_that_is_none_is_told_and_closes(frame):
    talk = Talk().send(HELLO, frame, {"text": "Hi."})

    assert talk.frames == [{"type": "error", "error": "Invalid message"}]
    assert talk.closed == Close(1000)
    assert Talk(STUB).send(frame, {"text": "Hi."}).spoken() == ["Hi.", "final"]


@pytest.mark.parametrize("manner", [Manner(), LIVE])
def test_text_before_the_greeting_is_refused(manner):
    talk = Talk(manner).send({"text": "Hi."})

    assert (talk.frames[0]["error"], talk.closed) == ("Invalid message", Close(1000))


def test_settings_of_the_greeting_are_taken_and_fixed():
    talk = Talk().send(
        {"text": " ", "voice_settings": {"voice_speed": 2}}, {"text": "Hi.", "voice_settings": {"bad": 1}}
    )

    assert (talk.voice.settings, talk.spoken()) == ({"voice_speed": 2}, ["Hi.", "final"])


def test_settings_that_cannot_be_are_told_and_close():
    talk = Talk().send({"text": " ", "voice_settings": {"bad": 1}})

    assert (talk.frames, talk.closed) == ([{"type": "error", "error": "No such format."}], Close(1000))


def test_a_bad_parameter_is_told_in_the_first_frame():
    talk = Talk(LIVE, Opening(error=BadRequest("No such provider.")))

    assert (talk.frames, talk.closed) == ([{"error": "No such provider."}], Close(1000))


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ([{"text": "Hi. Ho. Hu"}], "Error in audio response"),
        ([{"text": "Hi"}, END], "Error in remaining audio response"),
    ],
)
def test_speech_that_fails_is_told_and_closes(frames, error):
    talk = Talk(voice=Voice(error=ServiceUnavailable())).send(HELLO, *frames)

    assert (talk.frames, talk.closed) == ([{"type": "error", "error": error}], Close(1000))


def test_too_much_text_is_told_and_closes():
    talk = Talk().send(HELLO, *[{"text": "a" * 10_000}] * 3)

    assert talk.frames == [{"type": "error", "error": f"More than {MOST_WAITING} characters wait to be spoken."}]


def test_a_fast_client_is_held_up_instead_of_refused():
    session = SpeechSession(Opening(), Voice(), Manner())
    session.feed(json.dumps(HELLO), NOW)

    first = session.feed(json.dumps({"text": "Hi. " * 6000}), NOW)
    second = session.feed(json.dumps({"text": "Ho. " * 6000}), NOW)

    assert len([out for out in first if isinstance(out, Work)]) == 1
    assert len([out for out in second if isinstance(out, Work)]) > 1000


# ---------------------------------------------------------------------------------------------- time


def test_a_silent_client_is_closed_after_the_timeout():
    talk = Talk(opening=Opening(inactivity=30)).until(NOW + 29).send(HELLO).until(NOW + 58.9)
    assert talk.closed is None

    talk.until(NOW + 59)

    assert (talk.closed, talk.frames) == (Close(1000, "Inactivity timeout"), [])


def test_paced_audio_comes_as_fast_as_it_plays():
    talk = Talk(Manner(realtime=True)).send(HELLO, {"text": "One. Two."})

    counts = [len(talk.until(NOW + t).frames) for t in (0.2, 0.25, 1.0, 2.0, 2.3, 4.3, 5.0)]

    assert counts == [0, 1, 2, 3, 4, 7, 7]
    assert talk.frames[0]["timeToFirstAudioFrameMs"] == 250
    assert talk.until(NOW + 10).spoken() == ["One.", "Two.", "final"]


def test_barge_in_drops_what_was_not_sent():
    talk = Talk(Manner(realtime=True)).send(HELLO, {"text": "One. Two. Thr"}).until(NOW + 0.5)

    talk.send({"text": "New.", "force": True}).until(NOW + 20)

    assert talk.spoken() == ["New.", "final"]
    assert [f["audio"] for f in talk.frames[:2]] == ["One.-1", "New.-1"]
    assert talk.closed is None


def test_barge_in_without_text_forgets_the_buffer():
    talk = Talk().send(HELLO, {"text": "One and"}, {"force": True}, {"text": "", "force": True}, {"text": "Two."})

    assert talk.spoken() == ["Two.", "final"]


def test_paced_the_end_comes_after_the_audio():
    talk = Talk(Manner(realtime=True)).send(HELLO, {"text": "One."}, END, {"text": "Never."}).until(NOW + 2.2)
    assert talk.closed is None

    talk.until(NOW + 2.3)

    assert (talk.spoken(), talk.closed) == (["One.", "final", "final"], Close(1000))


def test_paced_audio_keeps_the_socket_open():
    talk = Talk(Manner(realtime=True), Opening(inactivity=1)).send(HELLO, {"text": "One. Two."}).until(NOW + 4.2)
    assert talk.closed is None

    assert talk.until(NOW + 5.5).closed == Close(1000, "Inactivity timeout")


def test_frames_are_read():
    assert read('{"text": "a", "flush": true, "voice": "x"}') == Said("a", flush=True, misplaced=frozenset({"voice"}))
    assert read('{"force": true}') == Said(None, force=True)


def test_audio_is_remembered_within_a_limit():
    memory = Memory(10_000)
    speeches = [speech(f"{n}", Wish("telnyx.naturalhd.astra", Format("mp3", 24000))) for n in range(5)]
    for one in speeches:
        memory.keep(one, 1024, Audio(["x" * 1000], 1.0))
        memory.keep(one, 1024, Audio(["x" * 1000], 1.0))
        assert memory.get(speeches[0], 1024)

    assert [memory.get(one, 1024) is not None for one in speeches] == [True, False, False, True, True]
    assert memory.get(speeches[0], 600) is None


def test_text_that_comes_letter_by_letter_is_spoken_sentence_by_sentence():
    text = "He said (Go!) Then 3.5 people left... and 1. nothing? Yes."
    talk = Talk().send(HELLO, *({"text": letter} for letter in text))

    assert [said for said in talk.spoken() if said != "final"][-1] == "Yes."
    assert "".join(said for said in talk.spoken() if said != "final").replace(" ", "") == text.replace(" ", "")
