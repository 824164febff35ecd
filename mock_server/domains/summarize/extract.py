"""The sentences of a text that say most of it. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from mock_server.engine.loaders import load_text

SENTENCES = 3
LONGEST = 400  # characters of a sentence; a longer one is cut after a word
MOST_TEXT = 1_000_000  # characters that are considered
MOST_WORDS = 60  # of a sentence that count
WRAPPED = 50  # characters from which a line that does not end a sentence runs on in the next
END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
WORD = re.compile(r"[^\W\d_]{3,}")
COMMON = frozenset(
    {
        "about", "after", "all", "also", "and", "any", "are", "because", "been", "before", "between", "but", "can", "could",
        "did", "each", "for", "from", "had", "has", "have", "her", "him", "his", "how", "into", "its", "just", "may", "more",
        "new", "not", "now", "old", "one", "only", "other", "our", "out", "over", "said", "see", "some", "such", "than",
        "that", "the", "their", "them", "then", "there", "these", "they", "this", "two", "very", "was", "were", "what",
        "when", "where", "which", "while", "who", "will", "with", "would", "you", "your",
    }
)  # fmt: skip


def of_document(name: str, data: bytes, by_line: bool) -> str:
    """The summary of a document. Raises Unreadable."""
    return summarize(load_text(name, data, "prose"), by_line)


def summarize(parts: Sequence[str], by_line: bool) -> str:
    """Up to three sentences in the order they come in, whitespace folded; `by_line` takes lines for sentences."""
    found = list(dict.fromkeys(_sentences(parts, by_line)))
    words = [_words(sentence) for sentence in found]
    counts = Counter(word for of_one in words for word in set(of_one))
    scores = [sum(counts[word] for word in set(of_one)) / (len(of_one) + 4) for of_one in words]
    best = sorted(range(len(found)), key=lambda n: (-scores[n], n))[:SENTENCES]
    return ("\n" if by_line else " ").join(found[n] for n in sorted(best))


def _sentences(parts: Sequence[str], by_line: bool) -> Iterator[str]:
    left = MOST_TEXT
    for part in parts:
        text, left = part[:left], left - len(part)
        for piece in text.split("\n") if by_line else _unwrapped(text):
            for sentence in (piece,) if by_line else END.split(piece):
                if (folded := " ".join(sentence.split())) != "":
                    yield _cut(folded)
        if left <= 0:
            return


def _unwrapped(text: str) -> Iterator[str]:
    """Lines, those that were broken for their length put together again."""
    held = ""
    for line in text.split("\n"):
        line = line.strip()
        if held and not line:
            yield held
            held = ""
        elif held:
            held += " " + line
        else:
            held = line
        if len(line) < WRAPPED or line[-1] in ".!?:":
            if held:
                yield held
            held = ""
    if held:
        yield held


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST else sentence[:LONGEST].rpartition(" ")[0] or sentence[:LONGEST]


def _words(sentence: str) -> list[str]:
    return [word for word in WORD.findall(sentence.lower())[:MOST_WORDS] if word not in COMMON]
