"""Replies on the speech-to-text socket: who says what was said, utterance by utterance, and what goes wrong with it."""

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.test_transcription_socket import HELLO, RAW, astra, finals, heard, noise, opened

SOCKET = "speech_to_text.transcribe"


def put(client: Any, reply: Any = None, match: Any = None, **rule: Any) -> None:
    given = {"match": {"operation": "speech_to_text", **(match or {})}, **({"reply": reply} if reply else {}), **rule}
    client.admin("POST", "/replies", json=given).raise_for_status()


def reply(client: Any) -> str | None:
    return client.journal(operation=SOCKET)[0]["reply"]


@pytest.mark.parametrize("said", [{"transcript": "As told"}, {"text": "As told"}, {"transcript": {"text": "As told"}}])
@pytest.mark.parametrize("audio", ["own", "noise", "silence"])
def test_a_reply_says_what_was_said_whatever_the_audio_is(client, said, audio):
    put(client, said, id="mine")
    sound = {"own": lambda: astra(client), "noise": lambda: noise(2), "silence": lambda: bytes(32000)}[audio]()

    assert finals(heard(client, sound)) == "As told"
    assert reply(client) == "mine"


def test_its_interim_transcripts_grow_word_by_word(client):
    put(client, {"transcript": {"text": "One two three", "confidence": 0.5}})

    frames = heard(client, noise(3), RAW + "&interim_results=true")

    assert [(f["transcript"], f["is_final"]) for f in frames] == [
        ("One", False), ("One two", False), ("One two three", False), ("One two three", True),
    ]  # fmt: skip
    assert frames[-1]["confidence"] == 0.5


def test_a_sequence_says_one_utterance_after_the_other(client):
    put(client, sequence=[{"transcript": "First"}, {"transcript": "Then {{ turn }}"}], then="pass", id="talk")
    sound = astra(client)

    frames = heard(client, sound * 3)

    assert [f["transcript"] for f in frames if f["is_final"]] == ["First", "Then 2", HELLO]


MATCHES = [
    ({"model": "deepgram/*"}, True),
    ({"model": "openai/*"}, False),
    ({"language": "de"}, True),
    ({"language": "fr"}, False),
    ({"metadata": {"transcription_engine": "Deepgram"}}, True),
    ({"metadata": {"transcription_engine": "Telnyx"}}, False),
    ({"user_text": {"contains": "how are you"}}, True),
    ({"user_text": {"contains": "somebody"}}, False),
    ({"turn": 1}, True),
    ({"turn": 2}, False),
    ({"operation": "audio"}, False),
    ({"operation": SOCKET}, True),
]


@pytest.mark.parametrize(("match", "fits"), MATCHES)
def test_what_a_rule_may_match_on(client, match, fits):
    put(client, {"transcript": "Mine"}, match, id="mine")

    told = finals(heard(client, astra(client), RAW + "&language=de"))

    assert told == ("Mine" if fits else HELLO)
    misses = client.journal(operation=SOCKET)[0]["near_misses"]
    assert bool(misses) is (not fits and match != {"operation": "audio"})


def test_a_rule_for_one_account_is_not_heard_by_another(client):
    other = client.as_key("another-key-altogether")
    put(client, {"transcript": "Only for me"})

    assert finals(heard(other, astra(other))) == HELLO
    assert finals(heard(client, astra(client))) == "Only for me"


def test_a_file_says_it_too(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "calls.yaml").write_text(
        "- match: {operation: speech_to_text, model: deepgram/nova-3}\n  reply: {transcript: From the file}\n"
    )

    assert finals(heard(start(fixtures=(tmp_path,)), noise(2))) == "From the file"


@pytest.mark.parametrize(
    ("fault", "code", "frames"),
    [("close=1011", 1011, []), ("error-frame=40002", 1000, ["errors"]), ("429", 1000, ["error"])],
)
def test_a_fault_comes_with_a_reply(client, fault, code, frames):
    put(client, sequence=[{"transcript": "Fine"}, {"transcript": "Never", "fault": fault}])
    sound = astra(client)
    with opened(client) as wire:
        wire.send(sound)
        assert json.loads(wire.recv(timeout=5))["transcript"] == "Fine"
        wire.send(sound)
        told = []
        with pytest.raises(ConnectionClosed):
            while True:
                told.append(json.loads(wire.recv(timeout=5)))

    assert wire.close_code == code
    assert [
        next(key for key in frame if key.startswith("error")) for frame in told if "transcript" not in frame
    ] == frames
    assert not any(frame.get("transcript") == "Never" for frame in told)


def test_a_sequence_that_has_ended_is_told_as_an_error(client):
    put(client, sequence=[{"transcript": "Once"}, {"transcript": "Twice"}], then="fail")

    frames = heard(client, astra(client) * 3)

    assert [frame["transcript"] for frame in frames[:-1] if frame["is_final"]] == ["Once", "Twice"]
    assert "has come to its end" in frames[-1]["error"]
