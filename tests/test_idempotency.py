"""Idempotency-Key at the wire: done once, answered again."""

import socket
import threading

import httpx
import pytest

from mock_server import catalogue
from tests.conftest import Client

IN_FLIGHT = {
    "code": "10036",
    "title": "Resource is being processed",
    "detail": "A request with this Idempotency-Key is already being processed.",
    "source": {"pointer": "/header/Idempotency-Key"},
    "meta": {"url": "https://developers.telnyx.com/docs/overview/errors/10036"},
}


def create(client: Client, key: str, name: str = "a", **headers: str) -> httpx.Response:
    return client.post("/ai/conversations", {"name": name}, headers={"idempotency-key": key, **headers})


def count(client: Client) -> int:
    return len(client.get("/ai/conversations").json()["data"])


def test_the_same_request_again_is_answered_again_and_done_once(client: Client) -> None:
    first = create(client, "key-1")
    again = create(client, "key-1")

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert count(client) == 1


def test_an_answer_without_a_body_is_replayed_without_one(client: Client) -> None:
    id = client.post("/ai/conversations").json()["id"]
    path, headers = f"/ai/conversations/{id}/message", {"idempotency-key": "key-1"}

    answers = [client.post(path, {"role": "user", "content": "hi"}, headers=headers) for _ in range(2)]

    assert [(a.status_code, a.content, a.headers.get("content-type")) for a in answers] == [(200, b"", None)] * 2
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert client.get(f"/ai/conversations/{id}/messages").json()["meta"]["total_results"] == 1


def test_another_body_under_the_same_key_is_refused(client: Client) -> None:
    create(client, "key-1", "a")

    answer = create(client, "key-1", "b")

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["title"]) == (422, "10027", "Unprocessable Entity")
    assert error["source"] == {"pointer": "/header/Idempotency-Key"}
    assert count(client) == 1


def test_a_key_belongs_to_its_account_and_path(client: Client) -> None:
    other = client.as_key(client.key + "-other")
    made = create(client, "key-1").json()

    theirs = create(other, "key-1")
    message = client.post(
        f"/ai/conversations/{made['id']}/message", {"role": "user"}, headers={"idempotency-key": "key-1"}
    )

    assert "idempotent-replayed" not in theirs.headers
    assert theirs.json()["id"] != made["id"]
    assert (message.status_code, message.headers.get("idempotent-replayed")) == (200, None)


def test_a_key_is_forgotten_after_a_day_of_the_accounts_clock(client: Client) -> None:
    client.admin("POST", "/clock", json={"set": "2025-01-01T00:00:00Z", "freeze": True})
    create(client, "key-1")
    client.admin("POST", "/clock", json={"advance": 24 * 3600 - 1})
    within = create(client, "key-1")
    client.admin("POST", "/clock", json={"advance": 1})

    after = create(client, "key-1", "another body is another request now")

    assert within.headers["idempotent-replayed"] == "true"
    assert (after.status_code, after.headers.get("idempotent-replayed")) == (200, None)
    assert count(client) == 2


def test_only_successes_are_kept(client: Client) -> None:
    refused = client.post("/ai/conversations", {"name": 1}, headers={"idempotency-key": "key-1"})
    faulty = create(client, "key-1", **{"x-mock-fault": "503"})

    done = create(client, "key-1")

    assert (refused.status_code, faulty.status_code, done.status_code) == (422, 503, 200)
    assert "idempotent-replayed" not in done.headers


def test_what_was_not_found_is_not_kept(client: Client) -> None:
    path = "/ai/conversations/550e8400-e29b-41d4-a716-446655440000/message"

    answers = [client.post(path, {"role": "user"}, headers={"idempotency-key": "key-1"}) for _ in range(2)]

    assert [(a.status_code, a.headers.get("idempotent-replayed")) for a in answers] == [(404, None)] * 2


@pytest.mark.parametrize("key", ["", "a b", "a.b", "a,b", "é", "x" * 256])
def test_malformed_keys(client: Client, key: str) -> None:
    answer = client.post("/ai/conversations", headers={"idempotency-key": key.encode()})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (400, "10015")
    assert error["source"] == {"pointer": "/header/Idempotency-Key"}


def test_a_key_sent_twice(client: Client) -> None:
    headers = [("authorization", f"Bearer {client.key}"), ("idempotency-key", "a"), ("idempotency-key", "a")]

    answer = client.http.post(client.v2 + "/ai/conversations", headers=headers)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "10015")


def test_the_longest_key(client: Client) -> None:
    assert create(client, "x" * 255).status_code == 200


def test_a_keyed_body_has_a_limit_of_its_own(client: Client) -> None:
    fits, over = "x" * (256 * 1024 - len('{"name":""}')), "x" * (256 * 1024)

    assert create(client, "key-1", fits).status_code == 200
    assert create(client, "key-2", over).status_code == 413
    assert client.post("/ai/conversations", {"name": over}).status_code == 200


def test_a_keyed_body_that_does_not_announce_its_length(client: Client) -> None:
    def pieces():
        yield b'{"name":"'
        for _ in range(300):
            yield b"x" * 1024
        yield b'"}'

    answer = client.request("POST", "/ai/conversations", content=pieces(), headers={"idempotency-key": "key-1"})

    assert answer.status_code == 413


def test_operations_without_keys_take_no_notice(client: Client) -> None:
    id = client.post("/ai/conversations").json()["id"]

    answers = [client.get(f"/ai/conversations/{id}", headers={"idempotency-key": "not valid!"}) for _ in range(2)]

    assert [(a.status_code, a.headers.get("idempotent-replayed")) for a in answers] == [(200, None)] * 2


def test_a_key_is_in_flight_while_its_first_request_is_being_sent(client: Client) -> None:
    """The body's second half is held back: the server is in the middle of the first request meanwhile."""
    body = b'{"name":"slow"}'
    head = f"POST /v2/ai/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n" \
           f"idempotency-key: key-1\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"  # fmt: skip
    url = httpx.URL(client.url)
    with socket.create_connection((url.host, url.port), timeout=10) as first:
        first.sendall(head.encode() + body[:5])
        while (second := create(client, "key-1", "slow")).status_code == 200:
            pass  # the server has not come to the first one yet
        first.sendall(body[5:])
        answered = b"".join(iter(lambda: first.recv(65536), b""))

    assert (second.status_code, second.json()["errors"]) == (409, [IN_FLIGHT])
    assert answered.startswith(b"HTTP/1.1 200")
    third = client.request("POST", "/ai/conversations", content=body, headers={"idempotency-key": "key-1"})
    assert third.headers["idempotent-replayed"] == "true"
    assert answered.endswith(third.content)


def test_a_key_is_in_flight_while_a_fault_holds_its_first_request(client: Client) -> None:
    client.admin("POST", "/clock", json={"freeze": True})
    ended = []

    def first() -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            create(Client(client.url, client.key, httpx.Client(timeout=20)), "key-1", **{"x-mock-fault": "timeout=60"})
        ended.append(True)

    thread = threading.Thread(target=first)
    thread.start()
    while (second := create(client, "key-1", "other")).status_code == 200:
        client.admin("POST", "/reset")
        client.admin("POST", "/clock", json={"freeze": True})
    client.admin("POST", "/clock", json={"advance": 60})
    thread.join(10)

    assert (second.status_code, second.json()["errors"]) == (409, [IN_FLIGHT])
    assert ended == [True]
    assert create(client, "key-1").headers.get("idempotent-replayed") is None  # the first one did nothing


def test_a_client_that_leaves_lets_go_of_its_key(client: Client) -> None:
    url = httpx.URL(client.url)
    head = f"POST /v2/ai/conversations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {client.key}\r\n" \
           "idempotency-key: key-1\r\ncontent-length: 15\r\n\r\n{"  # fmt: skip
    with socket.create_connection((url.host, url.port), timeout=10) as first:
        first.sendall(head.encode())

    while (answer := create(client, "key-1")).status_code == 409:
        pass  # the server has not noticed yet

    assert answer.status_code == 200


def test_every_operation_that_takes_a_key_is_in_the_catalogue() -> None:
    assert {o.id for o in catalogue.operations()} >= catalogue.IDEMPOTENT


def test_reset_forgets_keys(client: Client) -> None:
    create(client, "key-1")
    client.admin("POST", "/reset")

    assert "idempotent-replayed" not in create(client, "key-1", "b").headers


def test_the_sdk_replays_with_its_own_argument(client: Client) -> None:
    from telnyx import Telnyx

    sdk = Telnyx(api_key=client.key, base_url=client.v2)

    made = [sdk.ai.conversations.create(name="a", idempotency_key="key-1") for _ in range(2)]

    assert made[0].id == made[1].id
    assert count(client) == 1
