"""What a training file holds: whether it can be trained on, and how many tokens it has. Pure."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

CHARACTERS = 4  # of a token, roughly
LINES = (".jsonl", ".ndjson")
LONGEST_LINE = 16 * 1024 * 1024  # bytes


def count(files: Sequence[tuple[str, Callable[[], Iterator[bytes]]]]) -> int | None:
    """Tokens of these files, each a name and what opens its bytes; None where nothing can be trained on them.

    That is: a line of JSON lines that is broken, or nothing in them at all. Raises OSError.
    """
    total = 0
    for name, opened in files:
        if not name.lower().endswith(LINES):
            total += sum(len(chunk) for chunk in opened())
            continue
        try:
            total += sum(_characters(json.loads(line)) for line in _lines(opened()))
        except (ValueError, RecursionError):
            return None
    return -(-total // CHARACTERS) or None


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        *whole, held = (held + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
        if len(held) > LONGEST_LINE:
            raise ValueError("the line is too long")
    if held.strip():
        yield held


def _characters(example: Any) -> int:
    """Characters of an example: a conversation of `messages`, or any other object. Raises ValueError."""
    if not isinstance(example, dict):
        raise ValueError("a line is an object")
    messages = example.get("messages", [])
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("messages are objects in a list")
    return _texts(example)


def _texts(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_texts(item) for name, item in value.items() if name != "role")
    return sum(_texts(item) for item in value) if isinstance(value, list) else 0
