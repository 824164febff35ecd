"""Texts that come in pieces over the events of a stream: where their pieces lie, so that what is secret is found in the whole."""

import re
from collections.abc import Iterable

EVENT = re.compile(rb"^data: ?(\{.*\})\s*$", re.MULTILINE)
TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[\[\]{}]')
INDEX = re.compile(rb'"(?:\w*_)?index":\s*(\d+)')  # tells choices, calls and items apart that come in turn
Spans = list[tuple[int, int]]


def texts(stream: bytes) -> Iterable[Spans]:
    """For each text of several pieces where those lie in the stream, as they are written in JSON."""
    found: dict[tuple[bytes, ...], Spans] = {}
    for event in EVENT.finditer(stream):
        indices = INDEX.findall(event[1])
        path: list[bytes] = []
        name = b""
        for token in TOKEN.finditer(stream, *event.span(1)):
            if token[0] in b"{[":
                path.append(name)
                name = b""
            elif token[0] in b"}]":
                name = path.pop() if path else b""
            elif token[2]:
                name = token[1]
            else:
                found.setdefault((*indices, b"/", *path, name), []).append(token.span(1))
    # What is the same in every event, as the model's name is, is no text in pieces.
    return [spans for spans in found.values() if len({stream[start:end] for start, end in spans}) > 1]
