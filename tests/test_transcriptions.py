"""POST /v2/ai/audio/transcriptions: the echo over the wire, audio from elsewhere, options, refusals; the providers."""

import hashlib
import http.server
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import openai
import pytest
import telnyx

from mock_server.domains.audio.wire import config
from tests.speech import FORMATS, decoded, needs_espeak, needs_sox, resampled, speak, texts, transcribe, wav
from tests.test_brief_curls import pytestmark as needs_curl
from tests.test_brief_curls import run

PATH = "/ai/audio/transcriptions"
CURL = r"""
curl -s \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -F "file=@/path/to/file" \
  -F "file_url=https://example.com/file.mp3" \
  -F "model=distil-whisper/distil-large-v2" \
  -F "response_format=json" \
  -F "timestamp_granularities[]=segment" \
  -F "language=en-US" \
  -F "model_config={'smart_format': True, 'punctuate': True}" \
  "https://api.telnyx.com/v2/ai/audio/transcriptions"
"""
SILENCE = wav([0.0] * 24000 * 3, 24000)
NOVA = {"model": "deepgram/nova-3", "response_format": "verbose_json"}


def errors(answer) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["detail"]


@needs_curl
def test_the_briefs_curl(client, tmp_path):
    (tmp_path / "file").write_bytes(speak(client, "As printed."))

    assert json.loads(run(client, CURL.replace("/path/to/file", str(tmp_path / "file")))) == {"text": "As printed."}


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_spoken_comes_back(client, format):
    for text in ["", *texts(3)]:
        assert transcribe(client, speak(client, text, format), "audio") == {"text": text}
    assert client.journal(operation="audio.transcribe")[0]["reply"] == "echo"


@pytest.mark.parametrize("format", ["mp3", "mulaw", "ogg_vorbis"])
def test_what_was_spoken_comes_back_after_resampling(client, format):
    for text in ["Hi", *texts(3)]:
        samples, rate = decoded(speak(client, text, format), format, 8000)
        assert transcribe(client, wav(resampled(samples, rate, 16000), 16000)) == {"text": text}
    assert client.journal(operation="audio.transcribe")[0]["reply"] == "tones"


@pytest.mark.check
@pytest.mark.timeout(300)
@pytest.mark.parametrize("format", FORMATS)
def test_200_texts_come_back(client, format):
    for text in texts(200):
        assert transcribe(client, speak(client, text, format), "audio") == {"text": text}


@pytest.mark.check
@pytest.mark.timeout(300)
def test_50_texts_come_back_after_resampling(client):
    for n, text in enumerate(texts(50)):
        format = FORMATS[n % len(FORMATS)]
        samples, rate = decoded(speak(client, text, format), format, 24000 if format == "linear16" else 8000)
        assert transcribe(client, wav(resampled(samples, rate, 16000), 16000)) == {"text": text}


@needs_sox
@pytest.mark.parametrize(
    "options", [["-r", "16000"], ["-r", "8000", "-e", "u-law"], ["-r", "44100", "-c", "2", "-b", "24"]]
)
def test_what_sox_made_of_it_is_known(client, options, tmp_path):
    (tmp_path / "in.wav").write_bytes(speak(client, "Through another program.", "wav"))
    subprocess.run(["sox", tmp_path / "in.wav", *options, tmp_path / "out.wav"], check=True)

    assert transcribe(client, (tmp_path / "out.wav").read_bytes()) == {"text": "Through another program."}


def test_tones_are_known_in_their_own_account_only(client):
    samples, rate = decoded(speak(client, "A secret of mine."), "mp3", 24000)
    audio = wav(resampled(samples, rate, 16000), 16000)

    assert transcribe(client, audio) == {"text": "A secret of mine."}
    assert "secret" not in transcribe(client.as_key(client.key + "-2"), audio)["text"]


@needs_espeak
def test_audio_from_elsewhere_gets_a_text_of_its_length(client, tmp_path):
    lengths = []
    for words in (3, 30):
        subprocess.run(["espeak-ng", "-w", tmp_path / "e.wav", "hello " * words], check=True)
        answer = transcribe(client, (tmp_path / "e.wav").read_bytes(), response_format="verbose_json")
        assert len(answer["text"]) == pytest.approx(answer["duration"] * 15, abs=14)
        lengths.append(len(answer["text"]))

    assert lengths[1] > 3 * lengths[0]
    assert client.journal(operation="audio.transcribe")[0]["reply"] == "canned"


def test_a_transcript_file_says_what_audio_says(start, tmp_path):
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "mine.yaml").write_text(
        f"""transcripts:
  - {{file: "greeting*.wav", text: by name}}
  - {{sha256: {hashlib.sha256(SILENCE).hexdigest()}, text: by hash}}
  - {{duration: 2.0, text: by duration}}
"""
    )
    client = start(fixtures=(tmp_path,))
    two_seconds = wav([0.0] * 16000, 8000)

    said = [transcribe(client, *audio)["text"] for audio in (
        (SILENCE, "greeting-1.wav"), (SILENCE, "x.wav"), (two_seconds, "x.wav"), (two_seconds, "greeting.wav"),
    )]  # fmt: skip

    assert said == ["by name", "by hash", "by duration", "by name"]


@pytest.mark.parametrize(
    "text", ["transcripts: 5", "transcripts: [{text: a}]", "transcripts: [{file: a}]", "nonsense: 1", "a: ["]
)
def test_a_broken_transcript_file_is_refused_at_the_start(start, tmp_path, text):
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "mine.yaml").write_text(text)

    with pytest.raises(ValueError, match=r"mine\.yaml"):
        start(fixtures=(tmp_path,))


@pytest.mark.parametrize(
    ("form", "keys"),
    [
        ({}, {"text"}),
        ({"response_format": "verbose_json"}, {"text", "duration", "segments"}),
        ({"model": "openai/whisper-large-v3-turbo", "response_format": "verbose_json"}, {"text"}),
        (NOVA, {"text", "duration", "segments"}),
        ({**NOVA, "model_config": '{"smart_format": true}'}, {"text", "duration", "segments", "words"}),
        ({**NOVA, "model_config": "{'smart_format': True}"}, {"text", "duration", "segments", "words"}),
        ({**NOVA, "model_config[smart_format]": "true"}, {"text", "duration", "segments", "words"}),
        ({**NOVA, "model_config[smart_format]": "false"}, {"text", "duration", "segments"}),
    ],
)
def test_what_each_model_tells(client, form, keys):
    assert set(transcribe(client, SILENCE, **form)) == keys


def test_model_config_is_read_in_whichever_way_a_client_writes_it():
    brackets = [
        ("keywords[]", "a"),
        ("keywords[]", "5"),
        ("smart", "True"),
        ("n", " 7 "),
        ("x", "1.5"),
        ("y", "9" * 30),
    ]
    form = [
        ("model_config", " "),
        *((f"model_config[{k.removesuffix('[]')}]{'[]' * k.endswith('[]')}", v) for k, v in brackets),
    ]

    assert config([*form, ("language", "en"), ("model_config[file]", object())]) == {
        "keywords": ["a", 5], "smart": True, "n": 7, "x": "1.5", "y": "9" * 30,
    }  # fmt: skip
    assert config([("model_config[a]", "no"), ("model_config[a][]", "late")]) == {"a": "no"}
    for text in ('{"a": {"b": [true, null]}}', "{'a': {'b': [True, None]}}"):
        assert config([("model_config", text)]) == {"a": {"b": [True, None]}}


def test_segments_and_words_share_the_time(client):
    audio = speak(client, "Hello there. How are you?", "wav")
    answer = transcribe(client, audio, **NOVA, **{"model_config": '{"diarize": true}'})

    assert [s["text"] for s in answer["segments"]] == ["Hello there.", "How are you?"]
    assert answer["segments"][-1]["end"] == answer["words"][-1]["end"] == answer["duration"]
    assert [(w["word"], w["punctuated_word"]) for w in answer["words"]][:2] == [("hello", "Hello"), ("there", "there.")]
    assert {w["speaker"] for w in answer["words"]} == {0}


def test_segments_as_lines(client):
    audio = speak(client, "Hello there. How are you?")
    answer = client.post(PATH, files={"file": audio}, headers={"accept": "application/stream+json"})

    assert [json.loads(line)["text"] for line in answer.text.splitlines()] == ["Hello there.", "How are you?"]


@contextmanager
def host(body: bytes) -> Iterator[str]:
    """A web server with one file of audio."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path.startswith("/audio") else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_audio_at_an_address(client):
    with host(speak(client, "From afar.")) as url:
        found = client.post(PATH, data={"file_url": f"{url}/audio.mp3"})
        missing = client.post(PATH, data={"file_url": f"{url}/nothing.mp3"})

    assert found.json() == {"text": "From afar."}
    assert errors(missing) == (400, "10015", "file_url cannot be downloaded: it answers 404.")


def test_an_address_that_may_not_be_called_gets_a_canned_text(client):
    assert client.post(PATH, data={"file_url": "http://192.0.2.1/file.mp3"}).json()["text"]


@pytest.mark.parametrize(
    ("options", "status", "detail"),
    [
        ({"data": {"model": "deepgram/nova-3"}}, 400, "One of file and file_url is required."),
        ({"files": {"file": ("a.wav", b"")}}, 400, "The file is empty."),
        ({"files": {"file": ("a.txt", b"x")}}, 400, "File type 'txt' is not supported"),
        ({"data": {"file_url": "ftp://example.com/a"}}, 400, "not an http or https URL"),
        ({"data": {"file_url": "http://[/a"}}, 400, "not an http or https URL"),
        ({"content": b"abc", "headers": {"content-type": "multipart/form-data"}}, 400, "The form cannot be read"),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 415, "multipart/form-data"),
    ],
)
def test_what_is_refused(client, options, status, detail):
    answer = client.request("POST", PATH, **options)

    assert answer.status_code == status
    assert detail in errors(answer)[2]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"model": "nobody/nothing"}, "model"),
        ({"response_format": "srt"}, "response_format"),
        ({"timestamp_granularities[]": "year"}, "timestamp_granularities[]"),
        ({"model_config": "5"}, "model_config"),
        ({"model_config": "__import__('os').getcwd()"}, "model_config"),
        ({"model_config": "[" * 5000}, "model_config"),
    ],
)
def test_what_breaks_the_schema(client, form, field):
    answer = client.post(PATH, files={"file": SILENCE}, data=form)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


def test_a_file_that_is_no_file(client):
    assert client.post(PATH, files={"file": (None, "text")}).json()["detail"][0]["loc"] == ["body", "file"]
    assert client.post(PATH, files={"file_url": ("a.mp3", b"text")}).json()["detail"][0]["loc"] == ["body", "file_url"]


@pytest.mark.parametrize(
    ("name", "form", "detail"),
    [
        ("a.wav", {"file_url": "https://example.com/a.mp3"}, "Only one of file and file_url"),
        ("a.wav", {"timestamp_granularities[]": "segment"}, "needs response_format verbose_json"),
        ("a.wav", {"model_config": "{'a': 1}"}, "model_config is not supported"),
        ("a.wav", {"language": "en"}, "language is not supported"),
        ("a.wav", {"model": "deepgram/nova-3", "language": "fr"}, "Language 'fr' is not supported"),
        ("a.flac", {"model": "deepgram/nova-3"}, "mp3 and wav files only"),
    ],
)
def test_live_refuses_what_the_reference_says_and_spec_does_not(client, start, name, form, detail):
    live = start(profile="live")

    assert client.post(PATH, files={"file": (name, SILENCE)}, data=form).status_code == 200
    assert detail in errors(live.post(PATH, files={"file": (name, SILENCE)}, data=form))[2]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.wav", {}),
        ("a.wav", {"model": "deepgram/nova-3", "language": "EN", "model_config": "{'a': 1}"}),
        (
            "a.wav",
            {"model": "deepgram/nova-3", "response_format": "verbose_json", "timestamp_granularities[]": "segment"},
        ),
        ("a.flac", {"model": "openai/whisper-large-v3-turbo", "language": "fr"}),
    ],
)
def test_live_takes_what_the_reference_allows(start, name, form):
    answer = start(profile="live").post(PATH, files={"file": (name, SILENCE)}, data=form)

    assert answer.status_code == 200 and answer.json()["text"]


def test_stub_says_something_of_audio_that_it_cannot_have(start):
    stub = start(profile="stub")
    with host(b"") as url, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/a.mp3"
        for form in (
            {},
            {"file_url": ""},
            {"file_url": nobody},
            {"file_url": f"{url}/nothing.mp3"},
            {"file_url": "http://[/"},
        ):
            assert stub.post(PATH, data={"model": "any", **form}).json()["text"], form


def test_an_address_where_nobody_answers_is_told(client):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = client.post(PATH, data={"file_url": f"http://127.0.0.1:{taken.getsockname()[1]}/a.mp3"})

    assert errors(answer)[:2] == (400, "10015")
    assert errors(answer)[2].startswith("file_url cannot be downloaded: 127.0.0.1 cannot be connected to")


@pytest.mark.parametrize(
    ("reply", "text", "duration"),
    [
        ({"text": "Plain."}, "Plain.", 3.0),
        ({"transcript": "Plain."}, "Plain.", 3.0),
        ({"transcript": {"text": "Longer.", "duration": 9.5}}, "Longer.", 9.5),
        ({"transcript": {"text": "As long as it is."}}, "As long as it is.", 3.0),
    ],
)
def test_a_reply_says_what_was_said_and_how_long_it_took(client, reply, text, duration):
    client.admin("POST", "/replies", json={"match": {"operation": "audio"}, "reply": reply}).raise_for_status()

    answer = transcribe(client, SILENCE, response_format="verbose_json")

    assert (answer["text"], answer["duration"]) == (text, duration)


def test_a_reply_without_words_leaves_the_audio_to_speak(client):
    audio = speak(client, "Own words.")
    client.admin("POST", "/replies", json={"match": {"operation": "audio"}, "reply": {"embedding": [0.5]}})

    assert transcribe(client, audio, "a.mp3") == {"text": "Own words."}


def test_stub_refuses_nothing_but_wrong_types(start):
    stub = start(profile="stub")

    assert stub.post(PATH, data={"model": "any", "response_format": "srt", "file_url": "x"}).status_code == 200
    assert stub.post(PATH, files={"file": ("a.txt", b"Example data")}, data={"model_config": "5"}).status_code == 200
    assert stub.post(PATH, files={"file": (None, "text")}).status_code == 422


def test_an_upload_over_the_limit_is_refused(start):
    client = start(max_upload_bytes=50_000)

    assert client.post(PATH, files={"file": SILENCE}).status_code == 413


@pytest.mark.check
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", ["large.wav", "large.pcm"])
def test_a_file_of_just_under_100_mb_is_not_held_in_memory(name, tmp_path):
    with wave.open(str(tmp_path / "large.wav"), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        for _ in range(99):
            file.writeframes(b"\x12\x34" * 500_000)
    command = [sys.executable, "-m", "mock_server", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as server:
        url, peak, form = (
            server.stdout.readline().split(" ready at ")[1].strip(),
            [0.0],
            {"headers": {"authorization": "Bearer k"}},
        )
        with httpx.Client(timeout=60, **form) as http, ThreadPoolExecutor(1) as threads:
            http.post(url + PATH, files={"file": ("a.wav", SILENCE)})  # every library is loaded now
            before = own_memory(server.pid)
            asked = threads.submit(http.post, url + PATH, files={"file": (name, (tmp_path / "large.wav").open("rb"))})
            while not asked.done():
                peak.append(own_memory(server.pid))
        server.terminate()

    assert asked.result().status_code == 200
    assert max(peak) - before < 60, "the file has 99 MB"


def own_memory(pid: int) -> float:
    """MB of a process that are not pages of files."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def test_a_large_file_is_heard_from_disk(client):
    with tempfile.TemporaryFile() as file:
        file.write(wav([0.0] * 8_000_000, 8000))
        file.seek(0)
        answer = client.post(PATH, files={"file": ("long.wav", file)}, data={"response_format": "verbose_json"})

    assert answer.json()["duration"] == 1000


@pytest.mark.parametrize(
    "audio", [b"x", b"RIFF", bytes(5000), b"\x1aE\xdf\xa3\xff" * 9, b"ID3\3" + b"\x7f" * 99, b"OggS" * 50]
)
def test_what_is_no_audio_gets_a_canned_text(client, audio):
    assert transcribe(client, audio, "a.webm", response_format="verbose_json")["duration"] > 0


def test_the_telnyx_sdk(client):
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0)

    answer = sdk.ai.audio.transcribe(
        model="deepgram/nova-3",
        file=("a.wav", io.BytesIO(speak(client, "By the SDK.", "wav"))),
        response_format="verbose_json",
        timestamp_granularities=["segment"],
        model_config={"smart_format": True, "punctuate": True},
    )

    assert (answer.text, answer.segments[0].text) == ("By the SDK.", "By the SDK.")
    assert [word.word for word in answer.words] == ["by", "the", "sdk"]


def test_the_openai_sdk(client, tmp_path):
    sdk = openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai", max_retries=0)
    (tmp_path / "a.mp3").write_bytes(speak(client, "By the other SDK."))

    plain = sdk.audio.transcriptions.create(model="distil-whisper/distil-large-v2", file=tmp_path / "a.mp3")
    verbose = sdk.audio.transcriptions.create(
        model="distil-whisper/distil-large-v2", file=Path(tmp_path / "a.mp3"), response_format="verbose_json",
        timestamp_granularities=["segment"],
    )  # fmt: skip

    assert plain.text == verbose.segments[0].text == "By the other SDK."
    assert verbose.duration > 1


def test_providers(client):
    everything = client.get("/speech-to-text/providers").json()
    files = client.get("/speech-to-text/providers?service_type=file_transcription&provider=Deepgram").json()

    assert everything["meta"] == {"total": len(everything["data"])}
    assert files["data"][0]["model"] == "deepgram/nova-3"
    assert {kind["type"] for row in files["data"] for kind in row["service_types"]} == {"file_based"}
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2)
    assert sdk.speech_to_text.list_providers(provider="telnyx").data[0].provider == "telnyx"


@pytest.mark.parametrize("query", ["provider=nobody", "service_type=nothing"])
def test_unknown_providers_are_refused(client, query):
    assert client.get(f"/speech-to-text/providers?{query}").status_code == 400
