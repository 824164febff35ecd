"""Takes secrets out of a recording: the caller's key in every form, what has a secret's name, what the user's patterns find.

In a request `***` is put in their place, which then stands for anything. In an answer every letter becomes an asterisk, so
that its pieces keep their lengths.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mock_server.engine.masks import IN_JSON, IS_SECRET, SHORTEST_SECRET, forms_of
from mock_server.engine.recordings.events import texts
from mock_server.engine.recordings.form import Chunk
from mock_server.engine.recordings.matching import ANY

STAR = b"*"


class Redaction:
    """What is secret in one exchange."""

    def __init__(self, keys: Sequence[bytes], patterns: Sequence[re.Pattern[str]]) -> None:
        self._forms = [form for key in keys if len(key) >= SHORTEST_SECRET for form in forms_of(key)]
        self._patterns = patterns

    def text(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form.decode("utf-8", "replace"), ANY)
        for pattern in self._patterns:
            text = pattern.sub(lambda found: ANY if found[0] else "", text)
        return text

    def pairs(self, values: Mapping[str, str]) -> dict[str, str]:
        return {name: ANY if IS_SECRET.fullmatch(name) else self.text(value) for name, value in values.items()}

    def json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            self.text(name): ANY if isinstance(item, str) and IS_SECRET.fullmatch(name) else self.json(item)
            for name, item in value.items()
        }

    def chunks(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The same pieces; a secret may lie across two of them, or be told word by word in the events of a stream."""
        parts = [chunk.data() for chunk in chunks]
        whole = b"".join(parts)
        blanked = self._blanked_events(self._blanked(whole))
        if blanked == whole:
            return list(chunks)
        made, at = [], 0
        for chunk, part in zip(chunks, parts, strict=True):
            made.append(Chunk.of(blanked[at : at + len(part)], chunk.after))
            at += len(part)
        return made

    def _blanked_events(self, stream: bytes) -> bytes:
        made = bytearray(stream)
        for spans in texts(stream):
            at = 0
            blanked = self._blanked(b"".join(stream[start:end] for start, end in spans))
            for start, end in spans:
                made[start:end] = blanked[at : at + end - start]
                at += end - start
        return bytes(made)

    def _blanked(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form, STAR * len(form))
        data = IN_JSON.sub(lambda found: found[1] + STAR * (len(found[0]) - len(found[1])), data)
        for pattern in self._patterns:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                return data
            data = pattern.sub(lambda found: "*" * len(found[0].encode()), text).encode()
        return data
