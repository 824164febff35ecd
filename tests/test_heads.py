"""Heads that come again are not parsed again, and nobody can tell: raw bytes to a real server, the first time and later."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mock_server.protocols.heads import LONGEST, MOST, Heads
from tests.conftest import Client
from tests.test_accounts_and_clock import moving

H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"
CHAT = b"POST /v2/ai/chat/completions HTTP/1.1\r\n"


class Wire:
    """A connection that is kept alive: requests as bytes, answers one by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._rest = connection, b""

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self._connection.sendall(packet)

    def answer(self) -> tuple[int, bytes]:
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(head.split()[1]), body

    def says(self) -> str:
        """What a chat was answered, which repeats what it was asked."""
        status, body = self.answer()
        assert status == 200, body
        return json.loads(body)["choices"][0]["message"]["content"].split('"')[1]

    def _more(self) -> None:
        read = self._connection.recv(65536)
        assert read, f"closed after {self._rest!r}"
        self._rest += read


@contextmanager
def wired(client: Client) -> Iterator[Wire]:
    host, _, port = client.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Wire(connection)


def head(client: Client, length: int, line: bytes = CHAT, more: bytes = b"") -> bytes:
    named = b"host: here\r\nauthorization: Bearer %s\r\ncontent-type: application/json\r\n" % client.key.encode()
    return line + named + more + b"content-length: %d\r\n\r\n" % length


def chat(client: Client, text: str, more: bytes = b"") -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    return head(client, len(body), more=more) + body


def test_a_head_that_comes_again_serves_another_body(client: Client) -> None:
    with wired(client) as wire, wired(client) as other:
        for _ in range(3):
            for text in ("one", "two", "six"):
                for each in (wire, other):
                    each.send(chat(client, text))
                    assert each.says() == text


@pytest.mark.parametrize("at", [1, 30, -60, -10, -1])
def test_it_may_come_in_two_packets_all_the_same(client: Client, at: int) -> None:
    with wired(client) as wire:
        for text in ("one", "two", "six"):
            whole = chat(client, text)
            wire.send(whole, whole[:at], whole[at:], whole)
            assert [wire.says() for _ in range(3)] == [text] * 3


def test_several_may_come_in_a_packet(client: Client) -> None:
    with wired(client) as wire:
        wire.send(chat(client, "one"))
        assert wire.says() == "one"
        wire.send(chat(client, "two") + chat(client, "six") + chat(client, "ten")[:-5])
        wire.send(chat(client, "ten")[-5:] + chat(client, "one"))
        assert [wire.says() for _ in range(4)] == ["two", "six", "ten", "one"]


def test_it_waits_for_the_answers_before_it(start) -> None:
    """A request behind a paced one is not overtaken, whole and known though it is."""
    client = start(clock="2026-01-01T00:00:00Z", tokens_per_second=1)
    stream = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
    listing = b"GET /v2/ai/models HTTP/1.1\r\nhost: here\r\nauthorization: Bearer %s\r\n\r\n" % client.key.encode()
    with wired(client) as wire, wired(client) as other:
        other.send(listing)
        assert other.answer()[0] == 200
        wire.send(head(client, len(stream)) + stream)
        wire.send(listing)
        other.send(listing)
        assert other.answer()[0] == 200
        read, done = b"", threading.Event()
        moving(client, done)
        while read.count(b"HTTP/1.1 200") < 2:
            read += wire._connection.recv(65536)
        done.set()
        assert read.index(b"[DONE]") < read.rindex(b"HTTP/1.1 200")


def test_a_line_before_it_makes_no_other_of_it(client: Client) -> None:
    with wired(client) as wire:
        for text in ("one", "two"):
            wire.send(b"\r\n" + chat(client, text), chat(client, text), b"\r\n", chat(client, text))
            assert [wire.says() for _ in range(3)] == [text] * 3


def test_a_body_may_have_what_ends_a_head(client: Client) -> None:
    with wired(client) as wire:
        for body in (
            b'{"messages":[{"role":"user",\r\n\r\n"content":"one"}]}',
            b'\r\n\r\n{"messages":[{"role":"user","content":"one"}]}',
        ):
            for _ in range(3):
                wire.send(head(client, len(body)) + body)
                assert wire.says() == "one"


def test_bytes_beyond_the_body_are_no_part_of_it(client: Client) -> None:
    with wired(client) as wire:
        for _ in range(2):
            wire.send(chat(client, "one"))
            assert wire.says() == "one"
        wire.send(chat(client, "two") + b"nonsense\r\n\r\n")
        assert wire.answer()[0] == 400


def test_the_journal_has_each_of_its_requests_and_no_key(client: Client) -> None:
    with wired(client) as wire:
        for text in ("one", "two", "six"):
            wire.send(chat(client, text))
            wire.says()
    exchanges = client.journal()
    sent = [json.loads(exchange["request"]["body"])["messages"][0]["content"] for exchange in exchanges]
    assert sent == ["six", "two", "one"] and len({exchange["id"] for exchange in exchanges}) == 3
    named = [["host", "here"], ["authorization", "***"], ["content-type", "application/json"]]
    assert all(exchange["request"]["headers"][:3] == named for exchange in exchanges)
    assert all(exchange["operation"] == "chat.create_completion" for exchange in exchanges)


def test_a_key_that_goes_and_comes_is_looked_up_each_time(start) -> None:
    client = start()
    with wired(client) as wire:
        for _ in range(2):
            wire.send(chat(client, "one"))
            assert wire.says() == "one"
        client.http.put(client.url + "/_mock/account", json={"state": "without-funds"}).raise_for_status()
        wire.send(chat(client, "one"))
        assert wire.answer()[0] in (402, 403)
        client.http.post(client.url + "/_mock/reset").raise_for_status()
        wire.send(chat(client, "one"))
        assert wire.says() == "one" and len(client.journal()) == 1


def test_one_without_an_operation_is_refused_each_time(client: Client) -> None:
    with wired(client) as wire:
        for _ in range(3):
            wire.send(head(client, 2, b"POST /v2/nowhere HTTP/1.1\r\n") + b"{}")
            assert wire.answer()[0] == 404
            wire.send(head(client, 2, b"PUT /v2/ai/models HTTP/1.1\r\n") + b"{}")
            assert wire.answer()[0] == 405


@pytest.mark.parametrize("more", [b"connection: keep-alive\r\n", b"x-long: " + b"a" * LONGEST + b"\r\n"])
def test_other_heads_go_the_parsers_way(client: Client, more: bytes) -> None:
    with wired(client) as wire:
        for text in ("one", "two"):
            wire.send(chat(client, text, more))
            assert wire.says() == text


def test_connection_close_closes_every_time(client: Client) -> None:
    for _ in range(3):
        with wired(client) as wire:
            wire.send(chat(client, "one", b"connection: close\r\n"))
            assert wire.says() == "one" and wire._connection.recv(1) == b""


# What is worth to be known


def learned(raw: bytes, *headers: tuple[bytes, bytes], version: str = "1.1") -> int | None:
    """How long the body is after a head, as it is known; None where it is not."""
    heads = Heads()
    scope = {
        "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "http_version": version, "headers": list(headers),
    }  # fmt: skip
    heads.learn(raw, scope)
    known = heads.get(raw)
    assert known in (None, scope["mock.head"])
    return None if known is None else known.length


LENGTH = (b"content-length", b"12")
RAW = b"POST / HTTP/1.1\r\ncontent-length: 12\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"\r\n" + RAW, [LENGTH]),
        (b"\r\n\r\n", [LENGTH]),
        (b"POST / HTTP/1.1\ncontent-length: 12\n\nbody\r\n\r\n", [LENGTH]),
        (b"POST / HTTP/1.1\r\ncontent-length:\r\n 12\r\n\r\n", [LENGTH]),
        (b"POST / HTTP/1.1\r\ncontent-length: 12\r\ncontent-length: 12\r\n\r\n", [LENGTH, LENGTH]),
        (b"POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n", [(b"content-length", b"+1")]),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", [(b"transfer-encoding", b"chunked")]),
        (b"POST / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n", [(b"expect", b"100-continue")]),
        (b"POST / HTTP/1.1\r\nupgrade: h2c\r\n\r\n", [(b"upgrade", b"h2c")]),
    ],
)
def test_what_is_more_than_a_plain_head_is_not_kept(raw: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert learned(raw, *headers) is None


def test_a_plain_head_is_kept_with_the_length_of_its_body() -> None:
    assert learned(RAW, LENGTH) == 12
    assert learned(b"GET / HTTP/1.1\r\n\r\n") == 0
    assert learned(RAW, LENGTH, version="1.0") is None


def test_no_more_than_so_many_are_kept() -> None:
    heads = Heads()
    for n in range(MOST * 3):
        heads.learn(b"GET /%d HTTP/1.1\r\n\r\n" % n, {
            "method": "GET", "path": f"/{n}", "raw_path": b"", "query_string": b"", "http_version": "1.1", "headers": [],
        })  # fmt: skip
    assert len(heads._known) <= MOST and heads.get(b"GET /%d HTTP/1.1\r\n\r\n" % (MOST * 3 - 1)) is not None


# Wishes for another protocol: Java's HttpClient sends one with its first request, curl with --http2


def test_a_wish_for_http2_is_passed_over(client: Client) -> None:
    with wired(client) as wire:
        for text in ("one", "two"):
            wire.send(chat(client, text, H2C))
            assert wire.says() == text
        wire.send(chat(client, "one") + chat(client, "two", H2C) + chat(client, "six", H2C) + chat(client, "ten"))
        assert [wire.says() for _ in range(4)] == ["one", "two", "six", "ten"]
        whole = chat(client, "ten", H2C)
        wire.send(whole[:20], whole[20:-10], whole[-10:])
        assert wire.says() == "ten"
    assert client.journal()[0]["request"]["size"] == len(whole.partition(b"\r\n\r\n")[2])


def test_one_without_a_body_and_many_in_a_packet(client: Client) -> None:
    asked = b"GET /v2/ai/models HTTP/1.1\r\nhost: here\r\nauthorization: Bearer %s\r\n%s\r\n" % (
        client.key.encode(),
        H2C,
    )
    with wired(client) as wire:
        wire.send(asked * 500)
        assert [wire.answer()[0] for _ in range(500)] == [200] * 500


def test_connect_is_no_method_of_ours(client: Client) -> None:
    with wired(client) as wire:
        wire.send(head(client, 0, b"CONNECT /v2/ai/models HTTP/1.1\r\n", H2C))
        assert wire.answer()[0] == 405
