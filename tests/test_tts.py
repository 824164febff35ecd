"""POST /v2/text-to-speech/speech, audio for later, voices, and the OpenAI SDK's audio.speech."""

import base64
import io
from urllib.parse import unquote

import httpx
import mutagen
import openai
import pytest
import soundfile
import telnyx

from mock_server.audio import payload
from mock_server.base.ids import account_id
from mock_server.base.settings import Settings
from mock_server.domains.text_to_speech import service
from mock_server.serve import LocalServer
from tests.conftest import Client
from tests.speech import speak, transcribe
from tests.test_brief_curls import pytestmark as needs_curl
from tests.test_brief_curls import run

SPEECH = "/text-to-speech/speech"
CURL = r"""
curl -s \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  "https://api.telnyx.com/v2/text-to-speech/speech" | head -c 3
"""


@needs_curl
def test_the_briefs_curl_speaks(client):
    assert run(client, CURL) == "ID3"


def test_binary_output_is_chunked(client):
    answer = client.post(SPEECH, {"text": "Hello.", "voice": "telnyx.NaturalHD.Alloy"})

    assert answer.headers["content-type"] == "audio/mpeg"
    assert "content-length" not in answer.headers
    assert mutagen.File(io.BytesIO(answer.content)).info.sample_rate == 24000


def test_the_older_path_speaks_too(client):
    assert client.post("/text-to-speech", {"text": "Hi"}).headers["content-type"] == "audio/mpeg"


def test_base64_output(client):
    answer = client.post(SPEECH, {"text": "Grüße", "provider": "telnyx", "output_type": "base64_output"}).json()

    assert transcribe(client, base64.b64decode(answer["base64_audio"]), "a.mp3") == {"text": "Grüße"}


def test_audio_for_later_is_the_same_and_the_accounts_own(client):
    body = {"text": "Later.", "voice": "Telnyx.NaturalHD.astra"}
    url = client.post(SPEECH, {**body, "output_type": "audio_id"}).json()["audio_url"]

    answer = httpx.get(url, headers={"authorization": f"Bearer {client.key}"})

    assert answer.content == client.post(SPEECH, body).content
    assert httpx.get(url, headers={"authorization": "Bearer somebody-else"}).status_code == 404
    assert httpx.get(url).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "magic"),
    [
        ({"provider": "aws", "aws": {"output_format": "ogg_vorbis", "sample_rate": "16000"}}, "audio/ogg", b"OggS"),
        ({"provider": "azure", "azure": {"output_format": "riff-16khz-16bit-mono-pcm"}}, "audio/wav", b"RIFF"),
        ({"provider": "azure", "azure": {"output_format": "raw-8khz-8bit-mono-mulaw"}}, "audio/mulaw", b""),
        ({"voice": "azure.en-US-AvaMultilingualNeural"}, "audio/mpeg", b"ID3"),
        ({"voice": "AWS.Polly.Generative.Lucia", "aws": {"output_format": "pcm"}}, "audio/pcm", b""),
        ({"provider": "elevenlabs", "elevenlabs": {"api_key": "x"}}, "audio/mpeg", b"ID3"),
        ({"provider": "minimax", "minimax": {"speed": 1.5, "response_format": "wav"}}, "audio/wav", b"RIFF"),
        ({"provider": "Rime", "rime": {"response_format": "linear16", "sampling_rate": 8000}}, "audio/pcm", b""),
        ({"provider": "resemble", "resemble": {"format": "wav", "sample_rate": "48000"}}, "audio/wav", b"RIFF"),
        ({"provider": "xai", "xai": {"voice_id": "eve", "output_format": "alaw"}}, "audio/alaw", b""),
        ({"provider": "humain", "humain": {"voice_id": "sara-en"}}, "audio/pcm", b""),
        ({"provider": "soniox", "soniox": {"voice_id": "Emma", "audio_format": "pcm_mulaw"}}, "audio/mulaw", b""),
        ({"voice": "Telnyx.Qwen3TTS.ryan"}, "audio/pcm", b""),
        ({"voice": "telnyx.x", "telnyx": {"response_format": "mp3", "sampling_rate": 96000}}, "audio/mpeg", b"ID3"),
    ],
)
def test_content_type_by_provider_and_format(client, body, content_type, magic):
    answer = client.post(SPEECH, {"text": "Good morning.", **body})

    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type), answer.text
    assert answer.content.startswith(magic)
    assert transcribe(client, answer.content, "audio") == {"text": "Good morning."}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"voice": "nobody.here"}, "names no supported provider"),
        ({"voice": "astra"}, "names no supported provider"),
        ({"voice": "telnyx."}, "is written provider.voice_id"),
        ({"telnyx": {"response_format": "aac"}}, "Format 'aac' is not supported"),
        ({"telnyx": {"sampling_rate": 12345}}, "Sample rate 12345 is not supported"),
        ({"provider": "aws", "aws": {"sample_rate": "fast"}}, "Sample rate -1"),
        ({"text": "x" * 5001}, "5001 characters"),
        ({"voice": "Telnyx.Ultra.clara", "telnyx": {"voice_speed": 2.0}}, "Ultra takes a voice_speed"),
        (
            {"provider": "soniox", "soniox": {"voice_id": "a", "audio_format": "pcm_alaw", "sample_rate": 16000}},
            "8000 only",
        ),
        ({"voice": "telnyx.Bayan.Ahmed", "telnyx": {"sampling_rate": 24000}}, "response_format pcm only"),
        ({"voice": "telnyx.Sukhan.a", "telnyx": {"response_format": "wav"}}, "supported are mp3, linear16."),
        ({"voice": "soniox.a", "voice_settings": {"sample_rate": 8000}}, "mp3 does not take a sample_rate of 8000."),
    ],
)
def test_what_a_provider_does_not_make_is_90103(client, body, detail):
    answer = client.post(SPEECH, {"text": "hi", **body})

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["title"]) == (400, "90103", "Failed to produce text to speech")
    assert detail in error["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"text": 5}, "text"),
        ({"output_type": "vinyl"}, "output_type"),
        ({"telnyx": {"voice_speed": 9}}, "telnyx.voice_speed"),
        ({"telnyx": {"emotion": "bored"}}, "telnyx.emotion"),
        ({"xai": {"voice_id": "nobody"}}, "xai.voice_id"),
        ({"humain": {}}, "humain.voice_id"),
        ({"voice_settings": []}, "voice_settings"),
    ],
)
def test_a_bad_field_is_an_object_of_errors(client, body, field):
    answer = client.post(SPEECH, body)

    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_live_asks_for_text_and_voice(start):
    live = start(profile="live")

    assert live.post(SPEECH).json() == {"errors": {"text": ["can't be blank"]}}
    assert live.post(SPEECH, {"voice": "Telnyx.Natural.armon"}).json() == {"errors": {"text": ["can't be blank"]}}
    assert list(live.post(SPEECH, {"text": "hi"}).json()["errors"]) == ["provider"]
    assert list(live.post(SPEECH, {"text": "hi", "provider": "Telnyx"}).json()["errors"]) == ["provider"]
    assert live.post(SPEECH, {"text": "hi", "voice": "Telnyx.Natural.armon"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"voice": "nobody.here"},
        {"provider": "nobody"},
        {"voice": "nobody.here", "provider": "aws"},
        {"telnyx": {"response_format": "aac", "sampling_rate": 12345}},
        {"text": "x" * 5001},
    ],
)
def test_stub_speaks_as_well_as_it_can(start, body):
    answer = start(profile="stub").post(SPEECH, {"text": "Hi.", **body}, headers={"accept": "*/*"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    said = payload.marked(answer.content)
    assert said == ["x" * 5000 if "text" in body else "Hi."]


def test_what_openai_s_speech_cannot_be_is_refused_but_by_stub(client, start):
    body = {"model": "tts-1", "input": "Hi.", "voice": "alloy", "response_format": "aac"}

    refused = client.post("/audio/speech", body)

    assert refused.status_code == 400 and "Format 'aac' is not supported." in refused.text
    assert start(profile="stub").post("/audio/speech", body).headers["content-type"] == "audio/mpeg"


def test_only_the_newest_that_was_said_is_known(client, monkeypatch):
    monkeypatch.setattr("mock_server.domains.text_to_speech.service.KEPT", 2)
    body = {"voice": "Telnyx.NaturalHD.astra", "output_type": "audio_id"}
    urls = [client.post(SPEECH, {**body, "text": f"Number {n}."}).json()["audio_url"] for n in range(3)]

    found = [httpx.get(url, headers={"authorization": f"Bearer {client.key}"}) for url in urls]

    assert [answer.status_code for answer in found] == [404, 200, 200]
    assert transcribe(client, found[2].content, "a.mp3") == {"text": "Number 2."}


def test_what_was_said_again_and_again_is_known_once():
    with LocalServer(Settings(port=0)) as server, httpx.Client() as http:
        client = Client(server.url, "again", http)
        for text in ("One.", "Two.", "One.", "One."):
            assert client.post(SPEECH, {"text": text}).status_code == 200
        known = service.known(server.app.world.store, account_id(b"again"))

    assert [said.text for said in known] == ["One.", "Two."]


def test_what_was_said_can_be_listened_to_by_its_account(client):
    client.post(SPEECH, {"text": "Grüße.", "telnyx": {"response_format": "mulaw", "sampling_rate": 8000}})
    [id] = client.journal(operation="text_to_speech.generate_speech")[0]["spoken"]

    heard = client.admin("GET", f"/syntheses/{id}")
    unnamed = client.http.get(f"{client.url}/_mock/syntheses/{id}")
    unknown = client.admin("GET", "/syntheses/none")
    other = client.as_key(client.key + "-other").admin("GET", f"/syntheses/{id}")

    assert (heard.headers["content-type"], heard.headers["x-spoken-format"]) == ("audio/wav", "mulaw")
    assert payload.marked(heard.content) == ["Grüße."] == [unquote(heard.headers["x-spoken-text"])]
    assert unnamed.status_code == 401 and "name it by its key or in x-mock-account" in unnamed.text
    assert unknown.status_code == other.status_code == 404 and "Nothing is known that was said" in unknown.text


def test_stub_answers_json_to_who_accepts_nothing_else(start):
    stub = start(profile="stub")
    sdk = telnyx.Telnyx(api_key=stub.key, base_url=stub.v2, max_retries=0)

    assert base64.b64decode(sdk.text_to_speech.generate_speech(text="Hi!").base64_audio).startswith(b"ID3")
    assert stub.post(SPEECH, {"text": "Hi!"}).headers["content-type"] == "audio/mpeg"


def test_speed_shortens_speech(client):
    text = "One two three four five six seven eight nine ten."
    slow, fast = (
        client.post(SPEECH, {"text": text, "telnyx": {"response_format": "wav", "voice_speed": speed}}).content
        for speed in (0.5, 2.0)
    )

    lengths = [soundfile.info(io.BytesIO(audio)).duration for audio in (slow, fast)]
    assert lengths[0] == pytest.approx(len(text) / 7.5, rel=0.2)
    assert lengths[1] == pytest.approx(len(text) / 30, rel=0.3)


def test_ssml_is_spoken_without_its_tags(client):
    audio = client.post(
        SPEECH, {"text": "<speak>a &lt; b<break/></speak>", "voice": "aws.Polly.Mia", "text_type": "ssml"}
    )

    assert transcribe(client, audio.content, "a.mp3") == {"text": "a < b"}


def test_the_same_request_gives_the_same_bytes(start):
    assert speak(start(), "Once more.") == speak(start(), "Once more.")


def test_voices(client):
    voices = client.get("/text-to-speech/voices").json()["voices"]

    assert {"telnyx", "aws", "azure", "xai"} <= {voice["provider"] for voice in voices}
    assert set(voices[0]) == {"provider", "name", "voice_id", "language", "gender", "hosted"}
    assert {v["provider"] for v in client.get("/text-to-speech/voices?provider=AWS").json()["voices"]} == {"aws"}
    assert client.get("/text-to-speech/voices?provider=elevenlabs&api_key=x").json()["voices"]


@pytest.mark.parametrize("provider", ["nobody", "elevenlabs", "resemble", ""])
def test_voices_that_cannot_be_listed(client, provider):
    answer = client.get("/text-to-speech/voices", params={"provider": provider})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "90104")


def test_the_telnyx_sdk(client):
    sdk = telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0)

    raw = sdk.text_to_speech.with_raw_response.generate_speech(text="Hi!", voice="Telnyx.NaturalHD.astra")
    coded = sdk.text_to_speech.generate_speech(text="Hi!", provider="telnyx", output_type="base64_output")

    assert raw.read()[:3] == base64.b64decode(coded.base64_audio)[:3] == b"ID3"
    assert sdk.text_to_speech.list_voices(provider="telnyx").voices[0].voice_id == "NaturalHD.astra"
    with pytest.raises(telnyx.UnprocessableEntityError):
        sdk.text_to_speech.generate_speech(text="Hi!", provider="nobody")  # type: ignore[arg-type]


@pytest.mark.parametrize(("format", "magic"), [("mp3", b"ID3"), ("opus", b"OggS"), ("flac", b"fLaC"), ("wav", b"RIFF")])
def test_the_openai_sdk(client, format, magic):
    sdk = openai.OpenAI(api_key=client.key, base_url=client.v2, max_retries=0)

    audio = sdk.audio.speech.create(model="tts-1-hd", voice="astra", input="Good evening.", response_format=format)

    assert audio.content.startswith(magic)
    assert transcribe(client, audio.content, f"a.{format}") == {"text": "Good evening."}
