"""What a session asks of its ear; hearer.Hearer is one."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from mock_server.audio.ear import Event
from mock_server.domains.speech_to_text.scripts import Script


class Hears(Protocol):
    """Hears the audio of one socket, knows recordings and replies, notes and counts."""

    names: bool

    @property
    def seconds(self) -> float: ...

    def hear(self, messages: Sequence[bytes], end: bool) -> list[Event] | Awaitable[list[Event]]: ...

    def canned(self, seconds: float, start: int) -> list[str]: ...

    def named(self) -> str | None: ...

    def scripted(self, heard: str, turn: int) -> Script | None: ...

    async def strike(self) -> None: ...

    def note(self, how: str) -> None: ...

    def begin(self, first: bytes) -> None: ...

    def puzzle(self) -> None: ...

    def count(self, characters: int) -> None: ...
