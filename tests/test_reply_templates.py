"""Templates of replies: what they know, and that neither a client's text nor a hostile template gets anywhere."""

import json
from time import perf_counter

import pytest

from mock_server.engine.replies.captures import captures
from tests.test_replies import HI, TOOL_TALK, add, message, said

CHAT = "/ai/chat/completions"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{user_text}} to {{ model }} by {{operation}}", "hi 42 to m by chat.create_completion"),
        ("{{ user_text|upper }}", "HI 42"),
        ("{{ request.messages[-1].content }} {{ request.temperature }}", "hi 42 0.5"),
        ("{% for m in request.messages %}{{ loop.index }}{{ m.role }} {% endfor %}", "1user "),
        ("{% if turn == 1 %}first{% else %}later{% endif %}", "first"),
        ("{% set n = user_text.split(' ')[1]|int %}{{ n + 1 }}", "43"),
        ("{{ captures[1] }} {{ captures.n }} {{ captures[0] }}", "42 42 hi 42"),
        ("{{ [1, 'a']|tojson }} {{ {'a': none}|tojson }} {{ none }}.", '[1, "a"] {"a": null} .'),
        ("{{ request.messages|selectattr('role', 'eq', 'user')|list|length }} {{ range(3)|join('-') }}", "1 0-1-2"),
        ("{{ tools|join(' ') or 'none' }} {{ tool_result is none }} {{ used }}", "none True 1"),
        ("{{ 3.14159|round(2) }} {{ 'a-b'|replace('-', '+') }} {{ 'a' ~ 1 }}", "3.14 a+b a1"),
        ("{% raw %}{{ as it is }}{% endraw %}", "{{ as it is }}"),
    ],
)
def test_a_template_knows_the_request(client, template, text):
    add(client, {"text": template}, {"user_text": {"regex": "hi (?P<n>\\d+)"}})
    assert said(client, "hi 42", model="m", temperature=0.5) == text


def test_counters_and_draws_are_the_accounts_and_repeat(client):
    template = "{{ counter('a') }} {{ counter('a', 10) }} {{ counter() }} {{ random() }} {{ randint(1, 6) }} {{ choice('abc') }}"
    add(client, {"text": template})
    first, second = said(client), said(client)
    assert first.startswith("1 11 1 0.") and second.startswith("12 22 2 0.") and first[7:] != second[8:]
    client.admin("POST", "/reset")
    add(client, {"text": template})
    assert said(client) == first


def test_time_is_the_accounts(client):
    client.admin("POST", "/clock", json={"set": "2030-01-01T00:00:00Z", "freeze": True})
    add(client, {"text": "{{ now() }}"})
    assert said(client) == "2030-01-01T00:00:00.000Z"


def test_an_expression_in_json_keeps_its_type(client):
    add(client, {"json": {"n": "{{ 1 + 2 }}", "l": "{{ [turn] }}", "s": "n {{ 1 + 2 }}", "u": "{{user_text}}"}})
    assert json.loads(said(client, "7")) == {"n": 3, "l": [1], "s": "n 3", "u": "7"}


def test_arguments_and_the_tools_answer(client):
    call = {
        "name": "{{ 'look' }}_up",
        "arguments": {"said": "{{ tool_result.content }}", "by": "{{ tool_result.name }}"},
    }
    add(client, {"tool_calls": [call]}, {"tool_result": True})
    function = message(client.post(CHAT, {"messages": TOOL_TALK}))["tool_calls"][0]["function"]
    assert function["name"] == "look_up" and json.loads(function["arguments"]) == {
        "said": "It is raining.",
        "by": "look_up",
    }


INJECTED = "{{ 7 * 7 }} {% for a in range(9) %}x{% endfor %} {{user_text}} {{ request }} {{model}} {# a #}"


@pytest.mark.parametrize(
    "reply",
    [
        {"text": "{{user_text}}"}, {"text": "{{ user_text }}{{ '' }}"}, {"text": "{{ request.messages[-1].content }}"},
        {"text": "{{ captures[1] }}"}, {"json": "{{ user_text }}"},
    ],
    ids=str,
)  # fmt: skip
def test_a_clients_text_is_never_a_template(client, reply):
    add(client, reply, {"user_text": {"regex": "(?s)(.*)"}})
    shown = said(client, INJECTED)
    assert (json.loads(shown) if "json" in reply else shown) == INJECTED


def test_a_quote_of_a_bucket_is_never_a_template(client):
    text = "The password of {{user_text}} is {{model}}. Second sentence about bees."
    with_key = {"headers": {"authorization": f"AWS {client.key}:x"}}
    for name in ("a.txt", "b.txt"):
        client.http.put(f"{client.url}/s3/quotes/{name}", content=text.encode(), **with_key)
    client.http.put(f"{client.url}/s3/quotes", **with_key)
    for name in ("a.txt", "b.txt"):
        client.http.put(f"{client.url}/s3/quotes/{name}", content=text.encode(), **with_key)
    client.post("/ai/embeddings", {"bucket_name": "quotes"})
    client.admin("POST", "/clock", json={"advance": 600})
    shown = {}
    for most in (1, 2):
        tool = {"type": "retrieval", "retrieval": {"bucket_ids": ["quotes"], "max_num_results": most}}
        shown[most] = said(client, "password?", tools=[tool])
    assert "{{user_text}} is {{model}}" in shown[1] and shown[1].count(" says: ") == 1
    assert shown[2].count(" says: ") == 2


BOMBS = [
    "{% for a in range(1000) %}{% for b in range(1000) %}{{ a }}{% endfor %}{% endfor %}",
    "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(1000)|looped(-10 ** 9) %}{% for b in range(1000) %}{{ b }}{% endfor %}{% endfor %}",
    "{{ range(10 ** 9) }}",
    "{{ 'x' * 10 ** 9 }}",
    "{{ 9 ** 9 ** 9 ** 9 }}",
    "{{ (2 ** 255) * (2 ** 255) * (2 ** 255) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'a'.ljust(999999999) }}",
    "{{ 1.5|round(999999999) }}",
    "{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a|replace('x', 'xxxxxxxx') %}" * 60 + "{{ a }}",
    "{% set a = ['x'] %}" + "{% set a = [a, a, a, a, a, a, a, a] %}" * 60 + "{{ a == a }}{{ a }}",
    "{% for a in range(900) %}{{ request }}{% endfor %}",
    "{% for a in range(900) %}{{ 'zz' in request.messages[0].content }}{% endfor %}",
    "{% for i in range(1000) %}{{ counter('n' ~ i ~ used) }}{% endfor %}{% for i in range(1000) %}{{ counter('m' ~ i) }}{% endfor %}",
    "{{ range(1000)|map('string')|map('list')|list }}",
    "{{ [3, 2]|map('looped', 10)|list }}",
]


@pytest.mark.parametrize("template", BOMBS, ids=lambda template: template[:50])
def test_a_bomb_ends_in_a_moment(client, template):
    add(client, {"text": template})
    began = perf_counter()
    answer = client.chat("x" * 100_000)
    assert perf_counter() - began < 2
    assert answer.status_code == 400 and "cannot be filled in" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ request.__init__.__globals__ }}", "{{ counter.__call__ }}",
        "{{ counter.give('x') }}", "{{ counter._run }}", "{{ [].append(1) }}", "{{ request.update({}) }}",
        "{{ ''.encode() }}", "{% for i in [1] %}{{ loop.__class__ }}{% endfor %}", "{{ range.__globals__ }}",
        "{% for i in [1] %}{{ loop.cycle(1) }}{% endfor %}", "{{ 1 / 0 }}", "{{ ''['__class__'] }}",
        "{{ request['__class__'] }}", "{{ metadata.nope.nope }}", "{{ choice([]) }}", "{{ randint(2, 1) }}",
        "{{ [request]|map(attribute='__class__')|list }}", "{{ (1).__class__ }}",
    ],
)  # fmt: skip
def test_nothing_leads_out_of_the_sandbox(client, template):
    add(client, {"text": template})
    answer = client.chat()
    assert answer.status_code == 400 and "cannot be filled in" in answer.json()["errors"][0]["detail"]
    assert "<class" not in answer.text and "0x" not in answer.text


@pytest.mark.parametrize(
    "template",
    [
        "{% include '/etc/passwd' %}", "{% import 'os' as os %}", "{% extends 'a' %}", "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% block a %}{% endblock %}", "{% filter upper %}a{% endfilter %}", "{% set a %}b{% endset %}", "{% set a.b = 1 %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "{% call f() %}{% endcall %}", "{% with a = 1 %}{% endwith %}",
        "{{ self }}", "{{ _budget }}", "{{ lipsum() }}", "{{ cycler(1) }}", "{{ namespace() }}", "{{ config }}",
        "{{ ''|attr('__class__') }}", "{{ 'x'|center(999999999) }}", "{{ [1]|batch(999999999, 1) }}", "{{ 1|random }}", "{{ x",
        "{{ " + "(" * 4000 + "1" + ")" * 4000 + " }}", "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
        "{{ '" + "x" * 20_000 + "' }}",
    ],
    ids=lambda template: template[:40],
)  # fmt: skip
def test_a_template_that_may_not_be_is_refused_when_it_is_added(client, template):
    answer = client.admin("POST", "/replies", json={"reply": {"text": template}})
    assert answer.status_code == 422 and "template" in answer.json()["detail"][0]["msg"]
    nested = client.admin("POST", "/replies", json={"reply": {"json": {"a": [template]}}})
    assert nested.status_code == 422


def test_counters_of_an_account_are_bounded(client):
    add(client, {"text": "{{ counter(user_text) }}"})
    assert said(client, "a") == "1"
    assert client.chat("x" * 300).status_code == 400


@pytest.mark.parametrize(
    ("regex", "text", "held"),
    [
        (
            r"order (\d+) for (?P<who>\w+)",
            "my order 42 for Ann",
            {0: "order 42 for Ann", 1: "42", 2: "Ann", "who": "Ann"},
        ),
        (r"(?i)HELLO (.*?)( now)?$", "hello big world now", {0: "hello big world now", 1: "big world", 2: " now"}),
        (r"(a|b)*c(x)?", "ababc", {0: "ababc", 1: "b", 2: None}),
        (r"^([\w.]+)@([^ @]+)$", "joe.a@x.org", {0: "joe.a@x.org", 1: "joe.a", 2: "x.org"}),
        (r"(?<year>\d{4})-(\d{2})", "on 2026-01-31", {0: "2026-01", 1: "2026", 2: "01", "year": "2026"}),
        (r"\b([A-Z]{2,3}?)\b", "in USA", {0: "USA", 1: "USA"}),
        (r"(?m)^b(.)$", "a\nbc\nd", {0: "bc", 1: "c"}),
        (r"(?s)a(.*)b", "a\n\nb", {0: "a\n\nb", 1: "\n\n"}),
        (r"(x)?y", "y", {0: "y", 1: None}),
        (r"(\p{L}+)", "abc", {}),
        (r"(a++)b", "aab", {}),  # as Python takes it, it is possessive
        (r"(?:a*|b*|c*|d*|e*|f*|g*){0,125}", "abc", {}),  # so many states
        (r"(a)", "b", {}),
    ],
)
def test_captures(regex, text, held):
    assert captures(regex, text) == held


@pytest.mark.parametrize("regex", [r"(a+)+$", r"(.*)(.*)(.*)(.*)(.*)x", r"(a|a)*$", r"(a{1,40}){1,20}b"])
def test_captures_never_hang(client, regex):
    began = perf_counter()
    captures(regex, "a" * 16_000 + "!")
    assert perf_counter() - began < 2
    add(client, {"text": "{{ captures[1] }}"}, {"user_text": {"regex": regex}})
    assert client.chat("a" * 50_000 + "!").status_code in (200, 400)


def test_groups_of_what_a_tool_said_and_of_the_system_are_there_too_the_users_come_first(client):
    match = {
        "tool_result": {"content": {"regex": r"is (?P<weather>\w+)"}},
        "system_text": {"regex": r"Be (?P<mood>\w+)"},
        "user_text": {"regex": r"(?P<said>h.)"},
    }
    add(client, {"text": "{{ captures.weather }} {{ captures.mood }} {{ captures.said }} {{ captures[1] }}"}, match)
    messages = [{"role": "system", "content": "Be kind."}, *TOOL_TALK]
    assert message(client.post(CHAT, {"messages": messages}))["content"] == "raining kind hi hi"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ metadata.nope + 1 }}", "has no attribute"),
        ("{{ 1 - metadata.nope }}", "has no attribute"),
        ("{{ (2 ** 255) * (2 ** 255) * 2 }}", "its numbers are too large"),
        ("{{ 2 ** 257 }}", "its powers are too high"),
        ("{{ 'a' * 3 }}", "* is for numbers"),
    ],
)
def test_a_sum_that_cannot_be_is_told(client, template, reason):
    add(client, {"text": template})
    answer = client.chat()
    assert answer.status_code == 400 and reason in answer.json()["errors"][0]["detail"]


def test_a_value_that_is_not_there_is_no_null_in_json(client):
    add(client, {"json": {"a": "{{ metadata.nope }}"}})
    answer = client.chat()
    assert answer.status_code == 400 and "cannot be filled in" in answer.json()["errors"][0]["detail"]


def test_a_message_of_the_sdk_with_parts(client):
    add(client, {"text": "{{ request.messages[0].content[0].text }}"})
    parts = [{"type": "text", "text": "part one"}]
    assert message(client.post(CHAT, {"messages": [{"role": "user", "content": parts}]}))["content"] == "part one"
    assert HI[0]["content"] == "hi"
