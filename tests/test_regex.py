"""Texts of patterns, and matching that ends."""

import re
from itertools import islice

import pytest

from mock_server.base.regex import RegexError, compiled

PATTERNS = [
    r"^\d{3}-[A-Z]+$", r"(a|b)*c", r"^(?=.*\d)(?=.*[a-z]).{8,}$", r"^(\w)(\w)\2\1$", r"\bcat\b", r"(?i)^hello$",
    r"^[^aeiou\s]{5}$",
    r"^a+?b*?c{2,3}?$", r"^(?!.*\.\.)[a-z.]+$", r"(?<!x)y$", r"^(?:[A-Z]{2}\d{2})(?:-[A-Z]{2}\d{2})*$", r"^\S+@\S+\.\w{2,}$",
    r"[\u0400-\u04ff]+",
    r"^(?>ab|a)c$", r"^a++b$", r"(?s)^.\n.$", r"(?m)^x$", r"^(|a)$", r"\.pdf$", r"^(?P<y>\d{4})/(?P=y)$",
    r"^[^x][^y]$", r"(?i)^[^A]+$", r"^(?:a(?!)|b)$",
]  # fmt: skip
HOSTILE = [
    r"(\w+)\1{1000}x", r"(.*)*\1", "(?:a?){3000}a{3000}", "((a{1000}){1000}){1000}", "a{99999}", "a{4294967290}",
    "(" * 1900 + ")" * 1900,
    "(" + "a?" * 200 + ")*b", "(a*)*" * 500, r"(?=(a+))*b\1", "(" * 40 + "a" + ")+" * 40, "(" * 50 + "){9}" * 50, "(?:){100000}",
    "(" * 40 + "b|a??" + "){0,3}" * 4 + ")*" * 36, r"[^\x00-\uffff]", "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_are_found_as_python_finds_them(pattern):
    texts = list(islice(compiled(pattern).texts(), 20))

    assert texts and all(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_finding_agrees_with_python(pattern):
    pieces = ["", "a", "b", "ac", "abc", "cat", "concat", "123-AB", "x", "xy", "y", "Hello", "abba", "2020/2020", "2020/2021", "a.pdf",
              "aab", "AA00-BB11", "a..b", "me@x.org", "x\ny", "bcdfg", "aaccc", "Жу", "1a2b3c4d", "\n"]  # fmt: skip
    for text in pieces:
        assert compiled(pattern).found(text) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if "(?m)" not in p])
def test_whole_texts_match_from_end_to_end(pattern):
    text = next(compiled(pattern).texts(whole=True))

    assert re.fullmatch(pattern, text)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", HOSTILE, ids=lambda pattern: pattern[:20])
def test_a_hostile_pattern_ends_soon(pattern):
    try:
        list(islice(compiled(pattern).texts(), 3))
        compiled(pattern).found("a" * 3000)
    except RegexError as error:
        assert "pattern" in str(error)


def test_lengths_are_kept():
    for least, most in ((0, 3), (7, 7), (40, 60)):
        for text in islice(compiled("^[a-z]+(-[a-z]+)*$").texts(least, most), 10):
            assert least <= len(text) <= most


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\p{Lu}\p{L}+$", "Zürich"),
        (r"^[\p{L} ]+$", "José Ñandú"),
        (r"^(?<year>\d{4})-\k<year>$", "2020-2020"),
        (r"^\u{1F600}$", "😀"),
    ],
)
def test_the_spelling_of_ecma_is_understood(pattern, text):
    assert compiled(pattern).found(text) and not compiled(pattern).found("?")
    assert next(compiled(pattern).texts())


@pytest.mark.parametrize("pattern", ["[", "(", r"\p{Foo}", "*", r"(\d)(?(1)a|b)", r"\2"])
def test_a_pattern_that_cannot_be_read_is_told(pattern):
    with pytest.raises(RegexError, match="pattern"):
        compiled(pattern)
