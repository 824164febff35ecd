"""GET /_mock/metrics: what Prometheus reads there is what happened, and of this server only."""

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from websockets.sync.client import connect

CHAT = "chat.create_completion"
Samples = dict[tuple[str, ...], float]


def metrics(client, **headers: str) -> str:
    answer = client.http.get(client.url + "/_mock/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def samples(client, family: str) -> dict[str, Samples]:
    """The samples of a family: by name without prefix, then by the values of their labels in the order of the names."""
    found: dict[str, Samples] = {}
    for metric in read_text(metrics(client)):
        if metric.name == f"telnyx_mock_{family}":
            for sample in metric.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name.removeprefix("telnyx_mock_"), {})[labels] = sample.value
    return found


def counted(client, family: str) -> Samples:
    return samples(client, family).get(f"{family}_total", {})


def gauge(client, family: str) -> float:
    return samples(client, family)[family][()]


def test_exchanges_are_counted_by_operation_and_status(start):
    client = start()
    for _ in range(3):
        assert client.chat().status_code == 200
    client.post("/ai/chat/completions", {})
    client.get("/no/such")
    client.http.get(client.v2 + "/ai/models")

    assert counted(client, "exchanges") == {
        (CHAT, "200"): 3, (CHAT, "422"): 1, ("none", "404"): 1, ("ai.retrieve_models", "401"): 1,
    }  # fmt: skip


def test_latencies_are_a_histogram_of_each_operation(start):
    client = start()
    for _ in range(2):
        client.chat()
    client.post("/ai/chat/completions", {})

    found = samples(client, "exchange_seconds")

    buckets = {labels[0]: n for labels, n in found["exchange_seconds_bucket"].items() if labels[1] == CHAT}
    assert buckets["+Inf"] == 3 == found["exchange_seconds_count"][(CHAT,)]
    assert sorted(buckets.values()) == [buckets[bound] for bound in sorted(buckets, key=float)]
    took = sum(entry["duration_ms"] for entry in client.journal()) / 1000
    assert found["exchange_seconds_sum"][(CHAT,)] == pytest.approx(took, abs=0.001)


def test_nothing_is_lost_when_there_are_more_than_are_sorted_at_once(start):
    client = start()
    with httpx.Client(headers={"authorization": f"Bearer {client.key}"}) as http:
        for _ in range(1203):
            http.get(client.v2 + "/ai/models")

    assert samples(client, "exchange_seconds")["exchange_seconds_count"] == {("ai.retrieve_models",): 1203}
    assert counted(client, "exchanges") == {("ai.retrieve_models", "200"): 1203}


def test_the_journal_may_be_emptied_and_the_counts_stay_until_the_server_is_reset(start):
    client = start()
    client.chat()
    client.admin("DELETE", "/requests")
    client.admin("POST", "/reset")
    kept = counted(client, "exchanges")
    client.http.post(client.url + "/_mock/reset")

    assert kept == {(CHAT, "200"): 1}
    assert counted(client, "exchanges") == {}


def test_streams_that_go_on_are_open(start):
    client = start(tokens_per_second=0.01)
    with client.http.stream(
        "POST", client.v2 + "/ai/chat/completions", headers={"authorization": f"Bearer {client.key}"},
        json={"messages": [{"role": "user", "content": "hi"}], "stream": True},
    ) as answer:  # fmt: skip
        assert answer.status_code == 200
        during = gauge(client, "streams_open")
    while not client.journal():  # written a moment after the client has left
        pass

    assert (during, gauge(client, "streams_open")) == (1, 0)


def test_sockets_that_go_on_are_open_and_their_time_is_no_latency(start):
    client = start()
    url = client.v2.replace("http", "ws") + "/text-to-speech/speech"
    with connect(url, additional_headers={"authorization": f"Bearer {client.key}"}) as socket:
        socket.send(json.dumps({"text": " "}))
        socket.send(json.dumps({"text": "Hi."}))
        socket.recv()
        during = gauge(client, "sockets_open")
        socket.send(json.dumps({"text": ""}))
        for _ in socket:
            pass
    while not client.journal():
        pass

    assert (during, gauge(client, "sockets_open")) == (1, 0)
    assert samples(client, "socket_seconds")["socket_seconds_count"] == {("text_to_speech.stream",): 1}
    assert samples(client, "exchange_seconds") == {}
    assert counted(client, "exchanges") == {("text_to_speech.stream", "101"): 1}


def test_faults_are_counted_by_what_asked_for_them(start):
    client = start()
    client.get("/ai/models", headers={"x-mock-fault": "503"})
    client.as_key("mock-fault-429-once-mine").get("/ai/models")
    client.admin("POST", "/faults", json={"effect": "500", "id": "mine", "match": {"operation": "chat.*"}})
    client.chat()
    client.admin("PUT", "/limits", json={"limits": ["1/minute"]})
    client.get("/ai/models")
    client.get("/ai/models")
    client.admin("PUT", "/account", json={"state": "revoked"})
    client.get("/ai/models")

    models = "ai.retrieve_models"
    assert counted(client, "faults") == {
        (models, "header"): 1, (models, "key"): 1, (CHAT, "rule"): 1, (models, "limit"): 1, (models, "state"): 1,
    }  # fmt: skip


def test_requests_that_no_reply_of_the_users_fits_are_counted_once_there_are_any(start):
    client = start()
    client.chat("weather")
    before = counted(client, "unmatched")
    client.admin("POST", "/replies", json={"match": {"user_text": "weather"}, "reply": {"text": "Sunny."}})
    client.chat("weather")
    client.chat("the time?")

    assert before == {}
    assert counted(client, "unmatched") == {(CHAT,): 1}


TALKS: dict[str, tuple[str, dict[str, Any], str, tuple[str, str]]] = {
    "chat": (
        "/ai/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, CHAT,
        ("prompt_tokens", "completion_tokens"),
    ),
    "responses": (
        "/ai/openai/responses", {"model": "m", "input": "hi"}, "openai.create_response", ("input_tokens", "output_tokens"),
    ),
    "anthropic": (
        "/ai/anthropic/v1/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
        "anthropic.v1.messages", ("input_tokens", "output_tokens"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body", "operation", "fields"), TALKS.values(), ids=TALKS)
def test_tokens_are_those_of_usage(start, path, body, operation, fields):
    client = start()
    usage = client.post(path, body).json()["usage"]
    streamed = client.post(path, {**body, "stream": True})
    assert streamed.status_code == 200

    found = counted(client, "tokens")

    assert found == {("prompt", operation): 2 * usage[fields[0]], ("completion", operation): 2 * usage[fields[1]]}


def test_tokens_of_embeddings_are_all_of_the_prompt(start):
    client = start()
    usage = client.post("/ai/openai/embeddings", {"model": "thenlper/gte-large", "input": "some words"}).json()["usage"]
    assert counted(client, "tokens") == {
        ("prompt", "openai.embeddings.create_embeddings"): usage["total_tokens"],
        ("completion", "openai.embeddings.create_embeddings"): 0,
    }


def test_two_servers_in_one_process_do_not_meet(start):
    one, other = start(), start(profile="live")
    one.chat()
    assert counted(one, "exchanges") == {(CHAT, "200"): 1}
    assert counted(other, "exchanges") == {}
    assert 'profile="live"' in metrics(other) and 'profile="spec"' in metrics(one)


def test_openmetrics_for_who_accepts_it(client):
    client.chat()
    families = {f.name for f in read_openmetrics(metrics(client, accept="application/openmetrics-text; version=1.0.0"))}
    assert {"telnyx_mock_exchanges", "telnyx_mock_exchange_seconds", "telnyx_mock_tokens"} <= families
    assert "process_resident_memory_bytes" in families or sys.platform != "linux"


def test_the_admin_token_is_asked_for(start):
    client = start(admin_token="secret-of-this-test")
    assert client.http.get(client.url + "/_mock/metrics").status_code == 401
    assert "telnyx_mock" in metrics(client, **{"x-mock-admin-token": "secret-of-this-test"})


@pytest.mark.check
def test_the_library_is_imported_when_it_is_first_needed():
    script = (
        "import sys, httpx\nfrom mock_server import LocalServer, Settings\n"
        "with LocalServer(Settings(port=0)) as server:\n"
        "    httpx.get(server.url + '/_mock/health')\n    print('prometheus_client' in sys.modules)\n"
        "    httpx.get(server.url + '/_mock/metrics')\n    print('prometheus_client' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
