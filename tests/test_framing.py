"""A client's frames cut out of what comes, wherever it is cut: the same as `websockets` reads."""

import json
import os
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Side, State
from websockets.server import ServerProtocol

from mock_server.framing import Frames
from tests.test_sockets import raw
from tests.test_transcription_socket import CLOSE, HELLO, astra, finals, opened

LONGEST = 70_000


def framed(opcode: int, data: bytes, *, fin: bool = True, mask: bool = True, key: bytes = b"\1\2\3\4") -> bytes:
    length = len(data)
    second = 0x80 if mask else 0
    if length < 126:
        head = bytes([second | length])
    else:
        head = bytes([second | 126]) + struct.pack(">H", length) if length < 65536 else bytes([second | 127]) + struct.pack(
            ">Q", length
        )  # fmt: skip
    body = bytes(b ^ key[i % 4] for i, b in enumerate(data)) if mask else data
    return bytes([(0x80 if fin else 0) | opcode]) + head + (key if mask else b"") + body


class Reader:
    """`websockets` alone, or behind our cutter; what either reads, in order."""

    def __init__(self, ours: bool) -> None:
        self.conn = ServerProtocol(max_size=LONGEST, state=State.OPEN)
        assert self.conn.side is Side.SERVER
        self.read: list[Any] = []
        self.frames = Frames(LONGEST, self.plain, self.take, self.feed_theirs) if ours else None

    def plain(self) -> bool:
        return self.conn.state is State.OPEN and self.conn.current_size is None

    def take(self, messages: list[str | bytes]) -> None:
        self.read += messages

    def feed_theirs(self, data: bytes) -> None:
        if self.conn.parser_exc is None:
            self.conn.receive_data(data)
        for event in self.conn.events_received():
            assert isinstance(event, Frame)
            whole = event.fin and event.opcode in (Opcode.TEXT, Opcode.BINARY)
            if not whole:
                self.read.append((event.opcode, event.fin, bytes(event.data)))
            elif event.opcode is Opcode.BINARY:
                self.read.append(bytes(event.data))
            else:
                try:
                    self.read.append(bytes(event.data).decode())
                except UnicodeDecodeError:
                    self.read.append("no text")

    def feed(self, data: bytes) -> None:
        if self.conn.parser_exc is not None:
            return
        if self.frames is not None:
            self.frames.feed(data)
        else:
            self.feed_theirs(data)


PIECES = st.one_of(
    st.builds(framed, st.sampled_from([1, 2]), st.text(max_size=200).map(str.encode)),
    st.builds(framed, st.sampled_from([1, 2]), st.binary(max_size=300)),
    st.builds(
        framed, st.just(2), st.sampled_from([0, 125, 126, 127, 640, 65535, 65536, LONGEST, LONGEST + 1]).map(bytes)
    ),
    st.builds(framed, st.sampled_from([8, 9, 10]), st.binary(max_size=125)),
    st.builds(framed, st.sampled_from([0, 1, 2]), st.binary(max_size=20), fin=st.booleans()),
    st.builds(framed, st.integers(0, 15), st.binary(max_size=20), mask=st.booleans()),
    st.binary(max_size=12),
)


@pytest.mark.check
@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=6), st.lists(st.integers(1, 70_000), min_size=1, max_size=6))
def test_frames_are_read_as_websockets_reads_them(pieces, sizes):
    data = b"".join(pieces)
    theirs, ours = Reader(ours=False), Reader(ours=True)
    theirs.feed(data)
    at = n = 0
    while at < len(data):
        size = sizes[n % len(sizes)]
        ours.feed(data[at : at + size])
        at, n = at + size, n + 1

    if theirs.conn.parser_exc is None:
        assert ours.read == theirs.read
    else:  # what is refused is refused for the same reason, once it has come whole
        assert ours.read == theirs.read[: len(ours.read)]
        if ours.conn.parser_exc is not None:
            assert (ours.conn.parser_exc.__class__, ours.read) == (theirs.conn.parser_exc.__class__, theirs.read)
    assert ours.conn.data_to_send() == theirs.conn.data_to_send() or ours.conn.parser_exc is None


def test_a_byte_at_a_time_is_as_good():
    data = framed(2, os.urandom(640)) * 3 + framed(1, b"text") + framed(9, b"ping")
    theirs, ours = Reader(ours=False), Reader(ours=True)
    theirs.feed(data)
    for at in range(len(data)):
        ours.feed(data[at : at + 1])

    assert ours.read == theirs.read


def test_what_is_too_long_is_refused_by_its_head():
    ours = Reader(ours=True)
    ours.feed(framed(2, bytes(LONGEST + 1))[:14])

    assert ours.conn.parser_exc is not None
    assert ours.conn.close_sent is not None and ours.conn.close_sent.code == 1009


@pytest.mark.parametrize("compression", [True, False])
def test_frames_in_parts_and_compressed_ones_are_heard_too(start, compression):
    client = start(compression=compression)
    audio = astra(client)
    with opened(client) as wire:
        wire.send(audio[:9000])
        wire.send(iter([audio[9000:9001], audio[9001:20000], b"", audio[20000:]]))
        assert wire.ping().wait(5)
        wire.send(CLOSE)

        assert finals([json.loads(frame) for frame in wire]) == HELLO


def test_what_comes_between_the_parts_of_a_message_is_refused(client):
    with raw(client) as wire:
        wire.sendall(framed(1, b'{"te', fin=False) + framed(1, b'{"text":" "}'))
        answer = wire.recv(100)

    assert answer[:1] == b"\x88" and int.from_bytes(answer[2:4]) == 1002
