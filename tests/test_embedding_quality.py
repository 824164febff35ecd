"""How well the embedding finds what is asked for: 200 passages, 40 questions in other words."""

import re
from pathlib import Path

DATA = Path(__file__).parent / "data"
ENDINGS = re.compile(r"(?<=...)(?:ing|ed|es|s|e|y|er|ly)$")
FUNCTION_WORDS = frozenset(
    "a after an and at by can could did do does for from get given had has have he her his how i if in is it its let made "
    "make me my no of off on one or other others out she should so some something such take the their them this to under "
    "was way went were what when where which while who whose why will with would you your".split()
)


def read(name: str) -> dict[str, str]:
    """The lines of a data file: text by passage id."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    pairs = [line.split(": ", 1) for line in lines]
    assert len({id for id, _ in pairs}) == len(pairs)
    return dict(pairs)  # type: ignore[arg-type]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def stems(text: str) -> set[str]:
    """The content words without their endings."""
    return {ENDINGS.sub("", word) for word in words(text) - FUNCTION_WORDS}


def shared(asked: set[str], passage: set[str]) -> float:
    return len(asked & passage) / len(asked)


def test_no_question_is_made_of_its_passages_words() -> None:
    """At most half of a question's words are in its passage, counted as written, and the content words without endings."""
    passages, questions = read("passages.txt"), read("questions.txt")

    assert (len(passages), len(questions)) == (200, 40)
    assert {id for id, q in questions.items() if shared(words(q), words(passages[id])) > 0.5} == set()
    assert {id for id, q in questions.items() if shared(stems(q), stems(passages[id])) > 0.5} == set()
