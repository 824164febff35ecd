"""Patterns in rules: what they find, and that none of them can hang the server."""

from time import perf_counter

import pytest

from mock_server.engine.patterns import MOST_STATES, Text, check_regex, found, like, states


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*", "", True),
        ("/v2/ai/*/completions", "/v2/ai/chat/completions", True),
        ("openai.*", "Openai.x", False),
        ("a?c", "abc", True),
        ("a[", "a[", True),
    ],
)
def test_shell_patterns(pattern, text, fits):
    assert like(pattern, text) is fits


@pytest.mark.parametrize(
    ("regex", "text", "is_found"),
    [
        ("refund", "a refund, please", True),
        ("^refund", "a refund", False),
        ("(?i)REFUND", "refund", True),
        (r"\bord-\d{4}\b", "where is ord-1234?", True),
        (r"[\]x]", "]", True),
        ("x", "\ud800", False),
        ("", "", True),
    ],
)
def test_regular_expressions_search(regex, text, is_found):
    assert found(check_regex(regex), text) is is_found


HOSTILE = [
    "(a+)+$",
    "(a|aa)+$",
    "(a|a?)+$",
    "(.*a){20}b",
    "([ab]*a[ab]{20}){10}[cd]",
    "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
]


@pytest.mark.parametrize("regex", HOSTILE)
def test_no_regular_expression_takes_long(regex):
    text = "ab" * 500_000 + "a" * 1_000_000 + "!"
    check_regex(regex)
    start = perf_counter()
    found(regex, text)
    assert perf_counter() - start < 0.5


@pytest.mark.parametrize(
    ("regex", "word"),
    [
        ("(", "unclosed group"),
        ("(?<=a)b", "look-around"),
        (r"(a)\1", "backreferences"),
        ("x" * 501, "500 characters"),
        ("(?:a{0,100}){0,100}", "repeats too much"),
        ("(?:[ab]{0,99}a[ab]{0,99}){99}[cd]", "repeats too much"),
        (r"\w{999}", "too large"),
        ("a{2,1}", "repetition"),
        ("a{99999999999}", "repeats too much"),
    ],
)
def test_what_cannot_be_searched_in_time_is_refused_with_the_reason(regex, word):
    with pytest.raises(ValueError, match=word):
        check_regex(regex)


@pytest.mark.parametrize(
    ("regex", "size"),
    [
        ("abc", 3),
        ("a{3}", 3),
        ("(?:ab){3}", 9),
        (r"\p{L}{4}", 4),
        (r"\{{2}", 2),
        ("[a-z]{5}", 5),
        ("[]{9}]", 1),
        ("[[a-z]&&[^aeiou]]{2}", 2),
        ("a{2,}", 2),
        ("a{ 2 , 7 }", 7),
        ("((a{10}){10}){11}", 1000),
    ],
)
def test_repetitions_are_multiplied(regex, size):
    assert states(regex) >= size
    assert (states(regex) > MOST_STATES) == (size >= 1000)


@pytest.mark.parametrize(
    ("text", "given", "fits"),
    [
        (Text(equals="a"), "a", True),
        (Text(equals="a"), "A", False),
        (Text(contains="REF"), "a refund", True),
        (Text(contains="ref", regex="^x"), "a refund", False),
    ],
)
def test_all_that_a_condition_says_must_hold(text, given, fits):
    assert text.fits(given) is fits


def test_a_condition_says_something():
    with pytest.raises(ValueError, match="at least one"):
        Text()
