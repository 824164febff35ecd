"""Text as it is spoken: Markdown and emoji left out, cut into sentences."""

import re
from collections.abc import Iterator

LONGEST = 1000  # characters said in one go; a longer sentence is cut at a blank
END = re.compile(r"[.?!]+[\"')\]*_”’]*(?=\s|$)|[。！？]+")  # noqa: RUF001  full-width marks of other scripts
MARKS = 20  # characters that may belong to the end of a sentence
NUMBERED = re.compile(r"\s*\d{1,9}")  # what stands before the point of a numbered line
MARKDOWN = (
    (re.compile(r"^[ \t]{0,3}(?:```|~~~)[^\n]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]{0,20}(?:#{1,6}|>|[-*+]|\d{1,9}[.)])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\[\]]{0,1000})\]\([^()\n]{0,2000}\)"), r"\1"),
    (re.compile(r"`+|~~"), ""),
    (re.compile(r"(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)"), ""),
)
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fc00-\U0001fffd\u2600-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+"
)


def complete(text: str, new: int) -> int:
    """How many characters of a text belong to sentences that have ended; only among its `new` last ones may one end."""
    ended = 0
    for match in END.finditer(text, max(len(text) - new - MARKS, 0)):
        line = text.rfind("\n", 0, match.start()) + 1
        if not (match[0] == "." and NUMBERED.fullmatch(text, line, match.start())):
            ended = match.end()
    return ended


def plain(text: str) -> str:
    """A text without Markdown and emoji, blanks in a row made one."""
    for pattern, replacement in MARKDOWN:
        text = pattern.sub(replacement, text)
    return " ".join(EMOJI.sub("", text).split())


def split(text: str) -> Iterator[str]:
    """The sentences of a plain text, none longer than LONGEST."""
    start = 0
    for match in END.finditer(text):
        yield from pieces(text[start : match.end()].strip())
        start = match.end()
    yield from pieces(text[start:].strip())


def pieces(text: str) -> Iterator[str]:
    """A text in pieces of at most LONGEST characters."""
    while len(text) > LONGEST:
        cut = text.rfind(" ", 1, LONGEST + 1)
        cut = cut if cut > 0 else LONGEST
        yield text[:cut].strip()
        text = text[cut:].strip()
    if text:
        yield text
