"""A transcript's text: what is taken out of it, how its key terms are written, and how much of it has been said."""

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


def said(text: str, characters: float) -> list[int]:
    """Where the words end that are whole after so many characters were spoken."""
    ends: list[int] = []
    spoken = 0
    for found in WORD.finditer(text):
        spoken += len(found[0])
        if spoken > characters:
            break
        ends.append(found.end())
        spoken += 1
    return ends
