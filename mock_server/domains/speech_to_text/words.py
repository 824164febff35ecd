"""A transcript's text: what is taken out of it, how its key terms are written, and how much of it has been said."""

import math
import re
from collections.abc import Sequence

HIDDEN = "[REDACTED]"
PATTERNS = {
    "pci": re.compile(r"\b\d(?:[ -]?\d){12,18}\b"),
    "ssn": re.compile(r"\b\d{3}[ -]?\d{2}[ -]?\d{4}\b"),
    "numbers": re.compile(r"\d+(?:[.,:/-]\d+)*"),
}
WORD = re.compile(r"\S+")


class Editor:
    """`redact`: of PATTERNS. `terms`: words that are written as they are given, whatever their case was."""

    def __init__(self, redact: Sequence[str], terms: Sequence[str]) -> None:
        self._patterns = [PATTERNS[kind] for kind in ("pci", "ssn", "numbers") if kind in redact]
        self._terms = {term.casefold(): term for term in terms}
        longest_first = sorted(map(re.escape, terms), key=len, reverse=True)
        self._listened = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE) if terms else None

    def edit(self, text: str) -> str:
        for pattern in self._patterns:
            text = pattern.sub(HIDDEN, text)
        if self._listened is not None:
            text = self._listened.sub(lambda found: self._terms.get(found[0].casefold(), found[0]), text)
        return text


class Growth:
    """A text while it is being said: where its words end, as they become whole. `told`: how many are."""

    def __init__(self, source: str | None, text: str, told: int = 0) -> None:
        """`source`: what it was made from, for whoever asks whether it is still that. The first `told` words are."""
        self.source, self.text = source, text
        self._words = WORD.finditer(text)
        self._end = self._spoken = 0
        self.told = told
        self.next: float = 0  # characters said with which another word is whole
        for _ in range(told + 1):
            self._advance()

    def _advance(self) -> None:
        found = next(self._words, None)
        if found is None:
            self.next = math.inf
            return
        self._end = found.end()
        self.next = self._spoken + len(found[0])
        self._spoken = int(self.next) + 1

    def until(self, characters: float) -> list[int]:
        """Where the words end that have become whole with so many characters."""
        ends: list[int] = []
        while self.next <= characters and self.next < math.inf:
            ends.append(self._end)
            self.told += 1
            self._advance()
        return ends
