# ruff: noqa: RUF001
"""Among thousands, the rule that answers is the one that trying each in turn would give; and few are tried."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.base.clock import Clock
from mock_server.base.ids import Ids
from mock_server.engine.accounts import Accounts
from mock_server.engine.patterns import found
from mock_server.engine.replies import Replies, ReplyRule, ToolResult, View
from mock_server.engine.replies.index import Bucket
from mock_server.engine.replies.literals import fold, of_regex

KINDS: list[dict[str, Any]] = [
    {"user_text": "exact {n}"},
    {"user_text": {"contains": "Part {n}"}},
    {"user_text": {"contains": "天{n}"}},
    {"user_text": {"regex": r"(?i)Refund .* order {n} (?P<why>\w+)"}},
    {"user_text": {"regex": r"^(?:what|how) is [Ii]tem{n}\b"}, "model": "m*"},
    {"user_text": {"regex": r"(one{n}|two{n})+ and a \d{2,3}"}},
    {"system_text": {"contains": "agent {n}"}},
    {"context": "suite-{n}/*"},
    {"context": "test-{n}", "user_text": {"contains": "hello"}},
    {"tool_result": {"name": "look_{n}"}},
    {"tool_result": {"id": "call_{n}*", "content": {"contains": "rain"}}},
    {"metadata": {"ticket": "T{n}"}},
    {"metadata": {"city": {"contains": "City of {n}"}}},
    {"tools": ["tool_{n}"]},
    {"response_format": "shape_{n}"},
    {"operation": "embeddings", "user_text": "exact {n}"},
]
FITTING: list[dict[str, Any]] = [
    {"user_text": "exact {n}"},
    {"user_text": "it has pARt {n} in it"},
    {"user_text": "明天{n}号"},
    {"user_text": "REFUND of ORDER {n} because"},
    {"user_text": "how is item{n} today"},
    {"user_text": "two{n} and a 17"},
    {"system_text": "You are Agent {n}."},
    {"context": "suite-{n}/a"},
    {"context": "test-{n}", "user_text": "Oh, Hello"},
    {"tool_result": ToolResult("x", "look_{n}", "")},
    {"tool_result": ToolResult("call_{n}-7", "y", "It rains.")},
    {"metadata": {"ticket": "T{n}"}},
    {"metadata": {"city": "the city of {n}, old"}},
    {"tools": ["a", "tool_{n}"]},
    {"response_format": "json_schema", "schema_name": "shape_{n}"},
]


def filled(value: Any, n: int) -> Any:
    if isinstance(value, str):
        return value.replace("{n}", f"{n:05}")
    if isinstance(value, dict):
        return {key: filled(item, n) for key, item in value.items()}
    if isinstance(value, ToolResult):
        return ToolResult(*(filled(item, n) for item in value))
    return [filled(item, n) for item in value] if isinstance(value, list) else value


def put(replies: Replies, match: dict[str, Any], id: str) -> None:
    replies.add(ReplyRule.model_validate({"id": id, "match": match, "reply": {"text": id}}), None)


def empty() -> Replies:
    return Replies([], Path("no fixtures"), Ids(), lambda: 0.0)


def view(user_text: str = "x", **fields: Any) -> View:
    made = View("chat.create_completion", "chat", fields.pop("model", "m"), user_text, fields.pop("system_text", ""))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def bucket_of(replies: Replies, asked: View) -> Bucket:
    return replies._api[None].bucket(asked)


def chosen(replies: Replies, asked: View) -> str | None:
    found = replies.choose(asked)
    return found.id if found is not None else None


@pytest.fixture(scope="module")
def thousands() -> Replies:
    replies = empty()
    for n in range(5008):
        put(replies, filled(KINDS[n % len(KINDS)], n), f"r{n}")
    return replies


@pytest.mark.parametrize("kind", range(len(FITTING)), ids=lambda kind: str(KINDS[kind])[:50])
def test_among_thousands_the_rule_is_found_and_few_are_tried(thousands: Replies, kind: int):
    for n in (kind, 160 + kind, 4992 + kind):
        asked = view(**filled(FITTING[kind], n))
        assert len(list(bucket_of(thousands, asked).candidates(asked))) < 25
        assert chosen(thousands, asked) == f"r{n}"


def test_a_rule_for_an_account_is_found_among_thousands(thousands: Replies):
    accounts = Accounts(Clock())
    mine, other = (accounts.of_key(key) for key in (b"mine", b"other"))
    put(thousands, {"account": mine.id}, "mine")
    for account, expected in ((mine, "mine"), (other, None), (None, None)):
        assert chosen(thousands, view(account=account)) == expected
    assert len(list(bucket_of(thousands, view(account=other)).candidates(view(account=other)))) < 60
    thousands.remove("mine", None)


@pytest.mark.parametrize("ending", ["", " of it", "é", "-]^"], ids=["numbers", "words", "letters", "signs"])
def test_a_piece_is_found_wherever_it_is_in_a_long_text(ending: str):
    replies = empty()
    for n in range(400):
        put(replies, {"user_text": {"contains": f"item {n:04}{ending or chr(97 + n % 26) * (n % 3)}"}}, f"r{n}")
    for n in (0, 27, 399):
        text = f"item {n:04}{ending or chr(97 + n % 26) * (n % 3)}"
        for asked in (text, "Some context. " * 300 + text, text + " and more" * 300, text.upper() + text):
            assert chosen(replies, view(user_text=asked)) == f"r{n}"
    assert chosen(replies, view(user_text="item 0400" * 100)) is None


def test_what_nothing_fits_is_compared_with_the_rules_that_share_something(thousands: Replies):
    asked = view("Refund me for order 03283", context="test-03288")
    assert chosen(thousands, asked) is None
    nearest = thousands.near_misses(asked)
    assert nearest[0] == "r3288: user_text does not contain 'hello'" and len(nearest) == 3


def test_rules_that_come_and_go_are_found_in_their_order():
    replies = empty()
    for n in range(60):
        put(replies, {"user_text": {"contains": f"number {n % 30:02}"}}, f"r{n}")
    asked = view("I say number 07")
    assert chosen(replies, asked) == "r7"
    put(replies, {"user_text": {"regex": "n.mber 07"}}, "r7")  # which now comes last
    assert chosen(replies, asked) == "r37"
    replies.remove("r37", None)
    assert chosen(replies, asked) == "r7"
    for n in range(59):
        if n != 7:
            replies.remove(f"r{n}", None)
    assert chosen(replies, asked) == "r7"
    put(replies, {"user_text": "I say number 07"}, "new")
    assert chosen(replies, asked) == "r7"
    replies.remove("r7", None)
    assert chosen(replies, asked) == "new"


# What must be in a text for a regular expression to be found in it


@pytest.mark.parametrize(
    ("regex", "needed"),
    [
        (r"(?i)Refund .* order (?P<order>\d+)", (("refund ",), (" order ",))), ("^hello$", (("hello",),)),
        (r"(cat|dog)s?", (("cat", "dog"),)), (r"[Hh]ello\s+wor(ld|d)", (("hello",),)),
        ("(?:abc){2,}", (("abc",),)), ("(?:abc)*", ()), ("a|", ()), (r"\d+", ()), (".*", ()), ("größe", (("gr",),)),
        ("天气", (("天气",),)), (r"\<start", ()), (r"\b{start}go", ()), ("[[:alpha:]]x", ()), ("[a&&b]cd", ()), ("(?x)a b", ()),
        (r"end\z", ()), (r"\x41bc", ()), ("x{,3}yz", ()), ("(?-i:ab)", ()),
    ],
)  # fmt: skip
def test_what_a_text_must_hold(regex: str, needed: tuple[tuple[str, ...], ...]):
    assert of_regex(regex) == needed


ATOMS = st.sampled_from(
    ["a", "b", "S", "ſ", "k", "K", "ß", "Σ", "天", "ab", "order ", r"\d", ".", "[ab]", "[Kk]", "[^a]", r"\.", "^", "$", r"\b", "(?i)"]
)  # fmt: skip
REGEXES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda ways: f"({'|'.join(ways)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "+?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)
TEXTS = st.lists(
    st.sampled_from([*"abABkKsS1. \n", "ſ", "ß", "ẞ", "Σ", "σ", "ς", "İ", "天", "order ", "ORDER "]), max_size=12
).map("".join)


@pytest.mark.check
@settings(max_examples=1500, deadline=None)
@given(REGEXES, TEXTS)
def test_whatever_is_found_holds_it(regex: str, text: str):
    for flags in ("", "(?i)"):
        try:
            fits = found(flags + regex, text)
        except ValueError:
            return
        needed = of_regex(flags + regex)
        assert not fits or all(any(way in fold(text) for way in ways) for ways in needed), (needed, fold(text))


WORDS = st.lists(st.sampled_from(["order", "refund", " ", "7", "12", "Why", "ß", "ſ", "天气", "."]), max_size=6).map(
    "".join
)
SAID = st.one_of(
    WORDS, WORDS.map(lambda text: {"contains": text}), WORDS.map(lambda text: {"regex": f"(?i)^.*{re.escape(text)}"}),
    WORDS.map(lambda text: {"equals": text}),
)  # fmt: skip
RESULTS = st.fixed_dictionaries({}, optional={"name": st.sampled_from(["f", "f*"]), "content": SAID})
MATCHES = st.fixed_dictionaries({}, optional={
    "user_text": SAID, "system_text": SAID, "model": st.sampled_from(["m", "m*", "x", "*"]), "turn": st.integers(0, 2),
    "context": st.sampled_from(["a", "a*", "*b", "?"]), "metadata": st.fixed_dictionaries({"k": SAID}),
    "tools": st.sampled_from([True, False, ["t"], ["t*", "u"]]), "response_format": st.sampled_from(["text", "s"]),
    "tool_result": st.booleans() | RESULTS,
})  # fmt: skip
VIEWS = st.builds(
    view, WORDS, system_text=WORDS, model=st.sampled_from(["m", "mm"]), turn=st.integers(0, 2),
    context=st.sampled_from(["", "a", "ab"]), metadata=st.sampled_from([{}, {"k": "order 7"}, {"k": ""}]),
    tools=st.sampled_from([(), ("t",), ("t", "u")]), response_format=st.sampled_from(["", "json_schema"]),
    schema_name=st.sampled_from(["", "s"]), tool_result=st.sampled_from([None, ToolResult("c", "f", "order 12")]),
)  # fmt: skip


@pytest.mark.check
@settings(max_examples=150, deadline=None)
@given(
    st.lists(MATCHES, min_size=24, max_size=60), st.lists(VIEWS, min_size=1, max_size=8), st.sets(st.integers(0, 59))
)
def test_the_first_that_fits_answers_as_if_each_was_tried(
    matches: list[dict[str, Any]], views: list[View], gone: set[int]
):
    replies = empty()
    for n, match in enumerate(matches):
        put(replies, match, str(n))
    chosen(replies, views[0])  # which makes the index
    for n in gone:
        replies.remove(str(n), None)
    put(replies, {"turn": 2}, "late")
    for asked in views:
        fits = [
            armed.rule.id for armed in replies._api[None].rules.values() if all(test(asked) for _, test in armed.tests)
        ]
        assert chosen(replies, asked) == (fits[0] if fits else None)
