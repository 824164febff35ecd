"""Every quirk is a switch: one row each, asked over the wire with the switch off and on, all others as in `spec`."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mock_server import LocalServer, Settings
from mock_server.base.quirks import NAMES, TABLE
from mock_server.engine.operations import Operation
from tests.conftest import Client
from tests.receiver import receiver
from tests.speech import speak, wav
from tests.test_speech_socket import END, audio_of
from tests.test_speech_socket import HELLO as GREETING
from tests.test_speech_socket import opened as speech
from tests.test_transcription_socket import CLOSE, RAW, heard
from tests.test_transcription_socket import opened as transcription
from tests.vendor import EMULATED

ROOT = Path(__file__).parent.parent
NOBODY = "550e8400-e29b-41d4-a716-446655440000"
HELLO = "Hello there, how are you?"
TELNYX = "transcription_engine=Telnyx&input_format=wav"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SILENCE = wav([0.0] * 800, 8000)

# ------------------------------------------------------------------------------------- what a client sees


def status(answer: Any) -> int:
    return int(answer.status_code)


def insight(client: Client, **fields: Any) -> Any:
    return client.post("/ai/conversations/insights", {"instructions": "Ask.", "name": "n", **fields})


def group(client: Client, **fields: Any) -> str:
    """A group with one insight in it."""
    id: str = client.post("/ai/conversations/insight-groups", {"name": "g", **fields}).json()["data"]["id"]
    assert status(assign(client, id, insight(client).json()["data"]["id"])) == 200
    return id


def assign(client: Client, group: str, insight: str) -> Any:
    return client.post(f"/ai/conversations/insight-groups/{group}/insights/{insight}/assign")


def assigned_again(client: Client) -> int:
    made = insight(client).json()["data"]["id"]
    id = group(client)
    assign(client, id, made)
    return status(assign(client, id, made))


def completed(client: Client) -> str:
    """A conversation with insights."""
    id: str = client.post("/ai/conversations").json()["id"]
    client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": "Hello"})
    answer = client.admin("POST", f"/conversations/{id}/complete")
    assert answer.status_code == 200, answer.text
    return id


def insight_event(client: Client) -> str:
    with receiver() as site:
        group(client, webhook=site.url)
        completed(client)
        event: str = json.loads(site.next().body)["event_type"]
        return event


def names_its_group(client: Client) -> bool:
    group(client)
    (run,) = client.get(f"/ai/conversations/{completed(client)}/conversations-insights").json()["data"]
    return "insight_group_id" in run


def models(client: Client, field: str) -> Any:
    listed = {model["id"]: model for model in client.get("/ai/models").json()["data"]}
    return listed["openai/gpt-4o" if field == "task" else "moonshotai/Kimi-K2.6"][field]


def frames(socket: Any, *sent: Any) -> list[dict[str, Any]]:
    """What comes until the server closes, when these are sent."""
    with socket as wire:
        with contextlib.suppress(ConnectionClosed):  # the server may close before all is sent: what it said is there
            for frame in sent:
                wire.send(frame if isinstance(frame, bytes | str) else json.dumps(frame))
        return [json.loads(frame) for frame in wire]


def talk(client: Client, *said: Any, voice: str = "Telnyx.NaturalHD.astra") -> list[dict[str, Any]]:
    return frames(speech(client, f"voice={voice}"), *said, END)


def finals_of_speech(client: Client) -> int:
    """How many final frames come of a sentence, a flush and the end."""
    said = talk(client, GREETING, {"text": "One. "}, {"text": "Two", "flush": True})
    return sum(bool(frame["isFinal"]) for frame in said)


def kokoro(client: Client) -> bool:
    query = "Telnyx.KokoroTTS.af_heart&audio_format=linear16"
    return audio_of(talk(client, GREETING, {"text": "Hi."}, voice=query)).startswith(b"ID3")


def handshake(opened: Callable[..., Any], client: Client, query: str, **options: Any) -> int:
    try:
        with opened(client, query, **options):
            return 101
    except InvalidStatus as denied:
        return denied.response.status_code


def transcripts(client: Client, query: str, twice: bool = False) -> list[dict[str, Any]]:
    raw = "linear16" in query
    one = speak(client, HELLO, "linear16" if raw else "wav", 16000)
    pause = bytes(32000) if raw else wav([0.0] * 16000, 16000)
    return heard(client, (one + pause) * (2 if twice else 1), query)


def heard_in_all(client: Client) -> int:
    """How often an engine that has no CloseStream hears words that are sent before one and after it."""
    words, told = speak(client, HELLO, "wav", 16000), ""
    with transcription(client, TELNYX) as wire, contextlib.suppress(ConnectionClosed):
        for frame in (words, CLOSE, words):
            wire.send(frame)
        while told.count(HELLO) < 2:
            told += json.loads(wire.recv(timeout=20))["transcript"]
    return told.count(HELLO)


def transcribe(client: Client, **form: Any) -> Any:
    return client.post("/ai/audio/transcriptions", files={"file": ("a.wav", SILENCE)}, data=form)


def accepting_json(client: Client) -> str:
    answer = client.post("/text-to-speech/speech", {"text": "Hi!"}, headers={"accept": "application/json"})
    return str(answer.headers["content-type"]).partition(";")[0]


SPEECH, STT = "/text-to-speech/speech", "/speech-to-text/transcription"
ORIGIN = {"headers": {"origin": "https://example.com"}}
JOB = {"model": "openai/gpt-4o", "training_file": "none.jsonl"}
FLUX = "transcription_engine=Deepgram&model=flux&input_format=linear16&sample_rate=16000"
LOWER, POLLY = "transcription_engine=telnyx&input_format=wav", "/text-to-speech/voices?provider=AWS"
TWO = {"text": "One. Two."}
TASKS = ("text-generation", "text generation")


@dataclass(frozen=True)
class Row:
    """How to look at a quirk, what is seen when it is off and when it is on, and another that must be on for it to show."""

    look: Callable[[Client], Any]
    off: Any
    on: Any
    beside: tuple[str, ...] = ()


def bad_query(client: Client) -> list[int]:
    return [handshake(speech, client, "sample_rate=x"), handshake(transcription, client, "")]


def typed(client: Client) -> list[bool]:
    return ["type" in frame for frame in (talk(client, GREETING)[-1], transcripts(client, RAW)[-1])]


def error_keys(client: Client) -> set[str]:
    return {*frames(transcription(client, RAW + "&endpointing=x"))[0]} - {"type"}


def spelling(client: Client) -> tuple[str, bool]:
    return models(client, "task"), "input" in models(client, "pricing")


def each(method: str, *paths: str, **options: Any) -> Callable[[Client], list[int]]:
    """The statuses of a request to each path."""
    return lambda client: [client.request(method, path, **options).status_code for path in paths]


CHAT, JOBS, ONE = "/ai/chat/completions", "/ai/fine_tuning/jobs", f"/ai/conversations/{NOBODY}"
ROWS: dict[str, Row] = {
    "unknown_model_refused": Row(lambda c: status(c.chat(model="no/such")), 200, 400),
    "max_tokens_with_tools_refused": Row(
        lambda c: status(c.chat(model="zai-org/GLM-5.2", max_tokens=5, tools=[TOOL])), 200, 400
    ),
    "unknown_training_file_refused": Row(each("POST", JOBS, json=JOB), [200], [400]),
    "models_created_iso": Row(lambda c: type(models(c, "created")), int, str),
    "models_live_spelling": Row(spelling, (TASKS[0], False), (TASKS[1], True)),
    "insight_webhook_captured": Row(insight_event, "conversation.insights.completed", "conversation_insight_result"),
    "insights_name_their_group": Row(names_its_group, False, True),
    "open_json_schema_refused": Row(lambda c: status(insight(c, json_schema={"type": "object"})), 200, 400),
    "reassign_refused": Row(assigned_again, 200, 400),
    "speech_fields_required": Row(each("POST", SPEECH, json={"text": "Hi"}), [200], [422]),
    "transcription_rules_enforced": Row(
        lambda c: status(transcribe(c, file_url="https://example.com/a.mp3")), 200, 400
    ),
    "speech_needs_greeting": Row(lambda c: talk(c, TWO)[0].get("error"), None, "Invalid message"),
    "speech_on_flush_only": Row(finals_of_speech, 3, 2),
    "speech_final_at_end_only": Row(finals_of_speech, 3, 1),
    "speech_file_per_sentence": Row(lambda c: audio_of(talk(c, GREETING, TWO)).count(b"ID3"), 1, 2),
    "unknown_voice_forbidden": Row(lambda c: handshake(speech, c, "voice=nobody.x"), 400, 403),
    "kokoro_makes_mp3_only": Row(kokoro, False, True),
    "provider_names_exact": Row(each("GET", POLLY), [200], [400]),
    "engine_names_exact": Row(lambda c: handshake(transcription, c, LOWER), 101, 400),
    "transcription_parameters_defaulted": Row(lambda c: handshake(transcription, c, ""), 422, 101),
    "transcription_errors_listed": Row(error_keys, {"error"}, {"errors"}, ("parameters_refused_in_a_frame",)),
    "telnyx_transcripts_bare": Row(lambda c: transcripts(c, TELNYX)[0]["transcript"], HELLO, " " + HELLO),
    "telnyx_transcribes_once": Row(lambda c: len(transcripts(c, TELNYX, twice=True)), 2, 1),
    "interim_confidence_told": Row(
        lambda c: transcripts(c, RAW + "&interim_results=true")[0]["confidence"], 0.0, 0.8442383
    ),
    "control_frames_by_engine": Row(heard_in_all, 1, 2),
    "flux_turns_named": Row(lambda c: transcripts(c, FLUX)[-1].get("event"), None, "EndOfTurn"),
    "browser_origin_refused": Row(lambda c: handshake(transcription, c, RAW, **ORIGIN), 101, 403),
    "frames_typed": Row(typed, [False, False], [True, True]),
    "parameters_refused_in_a_frame": Row(bad_query, [400, 422], [101, 101]),
    "plain_get_on_sockets_accepted": Row(each("GET", SPEECH, STT), [426, 426], [200, 200]),
    "speech_as_accepted": Row(accepting_json, "audio/mpeg", "application/json"),
    "requests_mended": Row(each("POST", CHAT, JOBS, json={}), [422, 422], [200, 200]),
    "unknown_ids_synthesised": Row(lambda c: each("GET", ONE)(c) + each("DELETE", ONE)(c), [404, 404], [200, 200]),
    "malformed_filters_ignored": Row(each("GET", "/ai/conversations?name=string"), [400], [200]),
}


def test_every_quirk_has_its_row() -> None:
    assert set(ROWS) == NAMES


@pytest.mark.parametrize("name", ROWS)
def test_a_quirk_is_a_switch(start: Any, name: str) -> None:
    row = ROWS[name]
    beside = tuple(f"{other}=on" for other in row.beside)

    seen = {value: row.look(start(quirk=(f"{name}={value}", *beside))) for value in ("off", "on")}

    assert seen == {"off": row.off, "on": row.on}
    assert row.off != row.on


READ_BY_ID = [o for o in EMULATED.values() if o.method == "GET" and "{" in o.path]


@pytest.mark.parametrize("operation", READ_BY_ID, ids=lambda operation: operation.id)
def test_a_stand_in_is_the_same_each_time_and_not_listed(stub: Client, operation: Operation) -> None:
    path = re.sub(r"{\w+}", NOBODY, operation.path.removeprefix("/v2"))

    first = stub.get(path)
    stub.admin("POST", "/clock", json={"advance": 86_400})
    again = stub.get(path)

    assert first.status_code == 200, first.text
    assert again.content == first.content
    if "json" in first.headers["content-type"] and not isinstance(first.json().get("data"), list):
        assert NOBODY in first.text and NOBODY not in stub.get(path.rpartition("/")[0]).text


@pytest.fixture(scope="module")
def stub() -> Iterator[Client]:
    with LocalServer(Settings(port=0, profile="stub")) as server, httpx.Client(timeout=20) as http:
        yield Client(server.url, "a-key-of-the-stub", http)


OBSERVED = yaml.safe_load((ROOT / "docs" / "observed.yaml").read_text())


@pytest.mark.parametrize("row", OBSERVED, ids=lambda row: row["seen"])
def test_what_was_seen_on_the_running_service_is_here_or_in_the_limitations(row: dict[str, str]) -> None:
    (kind,) = row.keys() - {"seen"}
    if kind == "quirk":
        assert row[kind] in NAMES
    elif kind == "limit":
        assert row[kind] in " ".join((ROOT / "docs" / "limitations.md").read_text().split())
    else:
        file, test = row["always"].split("::")
        assert f"\ndef {test}(" in (ROOT / file).read_text()


def test_every_quirk_that_was_seen_is_among_them() -> None:
    seen = {quirk.name for quirk in TABLE if re.search("seen live|captured 20|captured model", quirk.source)}

    assert seen <= {row.get("quirk") for row in OBSERVED}
