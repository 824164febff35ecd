"""How well the embedding finds what is asked for: 200 passages, 40 questions in other words."""

import re
from collections.abc import Sequence
from math import hypot
from pathlib import Path
from struct import unpack

import pytest

from mock_server.base.embedding import as_floats, embed, embed_bytes, from_floats

SEEN = [0.0, -0.5697424, -0.163034, -0.3842747, -0.707917, 0.0]
DATA = Path(__file__).parent / "data"
ENDINGS = re.compile(r"(?<=...)(?:ing|ed|es|s|e|y|er|ly)$")
FUNCTION_WORDS = (
    "a after an and at by can could did do does for from get given had has have he her his how i if in is it its let made "
    "make me my no of off on one or other others out she should so some something such take the their them this to under "
    "was way went were what when where which while who whose why will with would you your"
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
    return {ENDINGS.sub("", word) for word in words(text) - set(FUNCTION_WORDS.split())}


def shared(asked: set[str], passage: set[str]) -> float:
    return len(asked & passage) / len(asked)


def test_no_question_is_made_of_its_passages_words() -> None:
    """At most half of a question's words are in its passage, counted as written, and the content words without endings."""
    passages, questions = read("passages.txt"), read("questions.txt")

    assert (len(passages), len(questions)) == (200, 40)
    assert {id for id, q in questions.items() if shared(words(q), words(passages[id])) > 0.5} == set()
    assert {id for id, q in questions.items() if shared(stems(q), stems(passages[id])) > 0.5} == set()


@pytest.mark.check
@pytest.mark.parametrize("model", ["thenlper/gte-large", "intfloat/multilingual-e5-large"])
def test_the_right_passage_is_near_the_question(model: str) -> None:
    """First for 70 % of the questions, among the first three for 90 %, with the vectors as they are stored."""
    passages, questions = read("passages.txt"), read("questions.txt")
    stored = {id: unpack("1024b", embed_bytes(text, 1024, model)) for id, text in passages.items()}
    ranks = [rank(embed(question, 1024, model), stored, id) for id, question in questions.items()]

    assert sum(n == 0 for n in ranks) >= 0.7 * 40
    assert sum(n < 3 for n in ranks) >= 0.9 * 40


def rank(question: list[float], stored: dict[str, tuple[int, ...]], id: str) -> int:
    """How many passages are nearer to the question than the one it is about."""
    near = {other: sumprod(question, vector) / hypot(*vector) for other, vector in stored.items()}
    return sum(value > near[id] for value in near.values())


def sumprod(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("text", ["", " ", "?!", "a", "\ud800", "\0", "數學", "x" * 100_000, "ab " * 10_000])
@pytest.mark.parametrize("dimensions", [1, 7, 1024])
def test_every_text_has_a_vector_of_unit_length(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)

    assert len(vector) == dimensions == len(embed_bytes(text, dimensions))
    assert hypot(*vector) == pytest.approx(1, abs=1e-5)


def test_the_vectors_are_these_for_good() -> None:
    """They are kept in databases and in users' fixtures."""
    assert embed("Bees dance", 6, "m") == SEEN
    assert from_floats(as_floats(SEEN)) == pytest.approx(SEEN)
