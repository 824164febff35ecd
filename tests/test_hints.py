"""Where a client seems misconfigured, it is told: in the journal each time, in the log once."""

import json
import struct
from collections.abc import Callable
from typing import Any

import openai
import pytest
import telnyx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mock_server.base.hints import IN_REQUESTS, TABLE

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
STT, TTS = "/speech-to-text/transcription", "/text-to-speech/speech"
WAV = (
    b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    + b"data\0\0\0\0"
)
Act = Callable[[Any], Any]


def get(path: str, **options: Any) -> Act:
    return lambda client: client.get(path, **options)


def post(path: str, body: Any) -> Act:
    return lambda client: client.post(path, body)


def bare(method: str, path: str, **headers: str) -> Act:
    """A request outside /v2, or with other headers than an Authorization."""
    return lambda client: client.http.request(method, client.url + path, headers=headers)


def prefixed(method: str, path: str) -> Act:
    return lambda client: bare(method, path, authorization=f"Bearer {client.key}")(client)


def socket(path: str, *frames: str | bytes, **headers: str) -> Act:
    """Open a socket, send frames, and leave once it was heard out or the server has closed it."""

    def act(client: Any) -> None:
        url = client.v2.replace("http", "ws") + path
        try:
            with connect(url, additional_headers={"authorization": f"Bearer {client.key}", **headers}) as opened:
                for frame in frames:
                    opened.send(frame)
                opened.ping().wait(10)
        except (ConnectionClosed, InvalidStatus):
            pass

    return act


def say(**frame: Any) -> str:
    return json.dumps(frame)


# What a client does, the hint it gets, and a part of the sentence.
MISTAKES: dict[str, tuple[str, Act, str]] = {
    "no /v2": ("wrong_prefix", prefixed("GET", "/ai/models"), "GET /v2/ai/models is one: the client's base URL should end in /v2."),
    "an OpenAI client with /v2": (
        "wrong_prefix", post("/chat/completions", {}), "POST /v2/ai/openai/chat/completions is one: the client's base URL "
        "should end in /v2/ai/openai.",
    ),
    "an OpenAI client with /v1": ("wrong_prefix", prefixed("POST", "/v1/chat/completions"), "should end in /v2/ai/openai."),
    "the Telnyx SDK with /v2/ai/openai": (
        "wrong_prefix", get("/ai/openai/ai/conversations/some-id/messages"),
        "GET /v2/ai/conversations/{conversation_id}/messages is one: the client's base URL should end in /v2.",
    ),
    "/v2 twice": ("wrong_prefix", get("/v2/ai/models"), "should have no path"),
    "a socket without /v2": (
        "wrong_prefix", socket(f"/../x{STT}"), "should end in /v2.",
    ),
    "key in x-api-key": ("key_elsewhere", bare("GET", "/v2/ai/models", **{"x-api-key": "k"}), "the header x-api-key"),
    "key without Bearer": ("key_elsewhere", bare("GET", "/v2/ai/models", authorization="my-key"), "without the word Bearer"),
    "key in the query": ("key_elsewhere", bare("GET", "/v2/ai/models?api_key=my-key"), "in the query"),
    "num_docs": (
        "num_docs", post("/ai/embeddings/similarity-search", {"bucket_name": "b", "query": "q", "num_docs": 2}), "num_of_docs",
    ),
    "vectors from /ai/embeddings": (
        "embeddings_of_text", post("/ai/embeddings", {"model": "thenlper/gte-large", "input": "hi"}),
        "POST /v2/ai/openai/embeddings",
    ),
    "text in a message": (
        "message_text", post("/ai/conversations/some-id/message", {"role": "user", "text": "hi"}), "written with content",
    ),
    "assistant_id as a column": (
        "conversation_column", get("/ai/conversations?limit=1&assistant_id=a"), "metadata->assistant_id=eq.VALUE",
    ),
    "id of an uploaded file": (
        "training_file_id", post("/ai/fine_tuning/jobs", {"model": "m", "training_file": "file-abc"}), "no files API",
    ),
    "max_tokens with tools": (
        "max_tokens_with_tools", lambda client: client.chat(tools=[TOOL], max_tokens=9), "answers 400 to max_tokens",
    ),
    "engine in lower case": (
        "engine_case", socket(f"{STT}?transcription_engine=telnyx&input_format=wav"), "no transcription_engine telnyx",
    ),
    "partial_results": (
        "partial_results", socket(f"{STT}?transcription_engine=Deepgram&input_format=wav&partial_results=true"),
        "interim_results=true",
    ),
    "interim results of an engine that has none": (
        "interim_results", socket(f"{STT}?transcription_engine=Telnyx&input_format=wav&interim_results=true"),
        "The engine Telnyx sends final",
    ),
    "another name of a parameter": (
        "socket_parameter", socket(f"{STT}?transcription_engine=Telnyx&input_format=wav&samplerate=16000"),
        "samplerate is no parameter of this socket, and is ignored. Perhaps sample_rate is meant.",
    ),
    "a name of the other socket's": ("socket_parameter", socket(f"{TTS}?output_format=mp3"), "Perhaps audio_format is meant."),
    "a parameter of nobody's": (
        "socket_parameter", socket(f"{TTS}?colour=blue"), "colour is no parameter of this socket, and is ignored.",
    ),
    "from a web page": (
        "browser_origin", socket(f"{STT}?transcription_engine=Telnyx&input_format=wav", origin="http://page.example"),
        "Origin header",
    ),
    "audio in JSON": (
        "audio_in_text", socket(f"{STT}?transcription_engine=Telnyx&input_format=wav", say(type="audio", data="UklGRg==")),
        "audio goes in binary frames",
    ),
    "a WAV file as raw samples": (
        "audio_format_declared",
        socket(f"{STT}?transcription_engine=Telnyx&input_format=linear16&sample_rate=16000", WAV),
        "input_format is linear16, but the audio does not begin so: it begins as a WAV file.",
    ),
    "raw samples as a WAV file": (
        "audio_format_declared", socket(f"{STT}?transcription_engine=Telnyx&input_format=wav", b"\1\0" * 800),
        "raw samples perhaps",
    ),
    "pcm": ("pcm", socket(f"{TTS}?audio_format=pcm"), "write linear16"),
    "Kokoro in another format": (
        "kokoro_format", socket(f"{TTS}?voice=Telnyx.KokoroTTS.af_heart&audio_format=linear16"), "gives MP3",
    ),
    "text without the handshake frame": (
        "speech_greeting", socket(TTS, say(text="Hello.")), 'the first frame of this socket is {"text": " "}',
    ),
    "text that is never flushed": ("speech_unflushed", socket(TTS, say(text=" "), say(text="Hello there")), '"flush": true'),
    "a voice in a frame": (
        "speech_frame_fields", socket(TTS, say(text=" "), say(text="Hi.", voice="v", output_format="mp3")),
        "output_format, voice in a frame is ignored",
    ),
    "the format beside the text": (
        "speech_fields", post(TTS, {"text": "Hi.", "voice": "Telnyx.NaturalHD.astra", "output_format": "wav", "speed": 2}),
        "output_format, speed at the top of the body",
    ),
}  # fmt: skip


def warned(client: Any) -> list[str]:
    """The warnings of the newest exchange of the server, which is in the journal a moment after its last byte."""
    while not (found := client.http.get(client.url + "/_mock/requests", params={"limit": 1}).json()["data"]):
        pass
    warnings: list[str] = found[0]["warnings"]
    return warnings


@pytest.mark.parametrize(("name", "act", "part"), MISTAKES.values(), ids=MISTAKES)
def test_a_classic_mistake_is_named_in_the_journal(start, name, act, part):
    client = start()
    act(client)
    warnings = warned(client)
    assert [text for text in warnings if part in text], warnings
    fixed = TABLE[name].says.replace("{{", "{").replace("}}", "}").partition("{")[0]
    assert any(text.startswith(fixed) for text in warnings)


def test_every_hint_of_the_table_is_given_to_somebody():
    assert {name for name, *_ in MISTAKES.values()} == set(TABLE)
    assert all(hint.source and hint.says.endswith((".", "{instead}")) for hint in TABLE.values())


def test_operations_that_are_searched_are_operations(client):
    known = {row["id"] for row in client.admin("GET", "/operations").json()["data"]}
    assert set(IN_REQUESTS) <= known


def test_who_does_it_right_is_told_nothing(start):
    client = start()
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    sdk.ai.openai.chat.create_completion(messages=[{"role": "user", "content": "num_docs?"}])
    conversation = sdk.ai.conversations.create(metadata={"text": "a value"})
    sdk.ai.conversations.add_message(
        conversation.id, role="user", content='a "text": in a content', metadata={"text": "x"}
    )
    sdk.ai.conversations.list(metadata_assistant_id="eq.a")
    chat = openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai")
    chat.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], max_tokens=5)
    chat.embeddings.create(model="thenlper/gte-large", input="hi")
    client.post(TTS, {"text": "speed", "provider": "minimax", "minimax": {"speed": 1.0}})
    socket(f"{STT}?transcription_engine=Telnyx&input_format=wav&channels=1", WAV, say(type="KeepAlive"))(client)
    socket(f"{TTS}?voice=Telnyx.NaturalHD.astra", say(text=" "), say(text="Hi.", flush=True), say(text=""))(client)
    client.get("/ai/models/no/such")
    while len(entries := client.journal()) < 10:
        pass
    assert {e["operation"]: e["warnings"] for e in entries if e["warnings"]} == {}


def test_a_hint_is_logged_once_for_each_account_and_again_after_a_reset(start, capfd):
    client = start(log_format="text")
    search = {"bucket_name": "b", "query": "q", "num_docs": 2}

    def told() -> int:
        client.post("/ai/embeddings/similarity-search", search)
        other.post("/ai/embeddings/similarity-search", search)
        client.post("/ai/embeddings/similarity-search", search)
        said = ""
        while said.count(" POST ") < 3:
            said += capfd.readouterr().err
        return said.count("hint  POST /v2/ai/embeddings/similarity-search: num_docs is ignored")

    other = client.as_key("another-key")
    first, second = told(), told()
    client.admin("POST", "/reset")
    third = told()

    assert (first, second, third) == (2, 0, 1)
    assert all(e["warnings"] for e in client.journal())


def test_more_hints_than_are_remembered_are_told_again(start, capfd, monkeypatch):
    monkeypatch.setattr("mock_server.engine.hints.MOST_TOLD", 2)
    client = start(log_format="text")
    keys = ("key-one", "key-two", "key-three", "key-two", "key-one")
    for key in keys:
        client.as_key(key).post("/ai/embeddings/similarity-search", {"bucket_name": "b", "query": "q", "num_docs": 2})
    said = ""
    while said.count(" POST ") - said.count("hint  POST ") < len(keys):
        said += capfd.readouterr().err
    assert said.count("hint  POST ") == 5


def test_a_hint_in_json_is_a_line_of_its_own(start, capfd):
    client = start(log_format="json")
    client.post("/ai/embeddings/similarity-search", {"bucket_name": "b", "query": "q", "num_docs": 2})
    said = ""
    while said.count("\n") < 2:
        said += capfd.readouterr().err
    hint, line = map(json.loads, said.splitlines())
    assert hint == {"hint": TABLE["num_docs"].says, "method": "POST", "path": "/v2/ai/embeddings/similarity-search"}
    assert line["warnings"] == [TABLE["num_docs"].says]


def test_what_a_client_sent_is_repeated_in_one_short_line(start, capfd):
    client = start(log_format="text")
    socket(f"{TTS}?x%0aforged%1b[2J{'y' * 500}=1")(client)
    said = ""
    while " WS " not in said:
        said += capfd.readouterr().err
    assert said.replace("\n", "").isprintable() and len(said.split("\n")[0]) < 300
    assert said.count("\n") == 2


def test_keys_are_in_no_hint(start, capfd):
    client = start(log_format="text")
    for path in (f"/chat/{client.key}/completions", f"/{client.key}/chat/completions", f"/v2/{client.key}/ai/models"):
        client.get(path)
        client.post(path, {})
    socket(f"{STT}?transcription_engine=Telnyx&input_format=wav&{client.key}=1")(client)
    said = ""
    while "hint  GET /v2/speech-to-text" not in said:
        said += capfd.readouterr().err
    entries = client.journal()

    assert client.key not in said and client.key not in json.dumps([e["warnings"] for e in entries])
    assert "*** is no parameter of this socket" in said
    assert sum(bool(e["warnings"]) for e in entries) >= 3


def test_the_report_and_the_command_line_show_them(start):
    from typer.testing import CliRunner

    from mock_server.cli import cli
    from mock_server.pytest_plugin import _lines

    client = start()
    client.post("/ai/embeddings/similarity-search", {"bucket_name": "b", "query": "q", "num_docs": 2})
    (entry,) = client.journal()
    shown = CliRunner().invoke(cli, ["requests", "--url", client.url]).stdout

    assert f"  warning: {TABLE['num_docs'].says}" in list(_lines(entry))
    assert TABLE["num_docs"].says in shown
