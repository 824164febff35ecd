"""Filters of GET /ai/conversations: what they find, how they are spelled, what is refused and where it says so."""

from urllib.parse import unquote

import pytest

from tests.conftest import Client


@pytest.fixture
def listed(client: Client):
    """`listed(query)`: the names that a query finds, of six conversations made in this order."""
    rows = [
        ("Voice call 1", {"assistant_id": "assistant-123", "telnyx_end_user_target": "+13128675309"}),
        ("Voice call 2", {"assistant_id": "assistant-456", "call_control_id": "v3:123", "odd.key (1)": "a,b"}),
        ("voice", {"assistant_id": "assistant-123", "plain": "1 312"}),
        ("100% (a.b)", {'quo"ted\\': "x"}),
        ("Ünï*[code]?", {}),
        (None, {"assistant_id": ""}),
    ]
    for minute, (name, metadata) in enumerate(rows):
        client.admin("POST", "/clock", json={"set": f"2025-04-01T12:0{minute}:00Z", "freeze": True})
        assert client.post("/ai/conversations", {"name": name, "metadata": metadata}).status_code == 200

    def run(query: str) -> list[str | None]:
        answer = client.get(f"/ai/conversations?{query}")
        assert answer.status_code == 200, answer.text
        return [c["name"] for c in answer.json()["data"]]

    return run


ALL = [None, "Ünï*[code]?", "100% (a.b)", "voice", "Voice call 2", "Voice call 1"]  # newest first


@pytest.mark.parametrize(
    ("query", "found"),
    [
        # as the vendor's reference and its SDK spell them
        ("name=like.Voice%25", ["Voice call 2", "Voice call 1"]),
        ("name=like.Voice%", ["Voice call 2", "Voice call 1"]),
        ("name=like.Voice*", ["Voice call 2", "Voice call 1"]),
        ("metadata->assistant_id=eq.assistant-123", ["voice", "Voice call 1"]),
        ("metadata-%3Eassistant_id=eq.assistant-123", ["voice", "Voice call 1"]),
        ("metadata->>assistant_id=eq.assistant-123", ["voice", "Voice call 1"]),
        ("metadata->call_control_id=eq.v3:123", ["Voice call 2"]),
        ("created_at=gte.2025-04-01", ALL),
        ("created_at=lte.2025-04-01", []),
        ("created_at=gte.2025-04-01T12:04:00Z", ALL[:2]),
        ("created_at=gt.2025-04-01T14:04:00%2B02:00", ALL[:1]),
        ("created_at=gt.2025-04-01T14:04:00+02:00", ALL[:1]),
        ("created_at=gt.2025-04-01+12:04:00", ALL[:1]),
        ("created_at=eq.2025-04-01T12:04:00.000Z", ["Ünï*[code]?"]),
        ("created_at=lt.infinity&created_at=gt.-infinity", ALL),
        ("created_at=gte.2025-04-01T12:01:00Z&created_at=lt.2025-04-01T12:03:00Z", ["voice", "Voice call 2"]),
        ("created_at=in.(2025-04-01T12:00:00Z,2025-04-01T12:02:00Z)", ["voice", "Voice call 1"]),
        ("last_message_at=not.gt.2025-04-01T12:00:00Z", ["Voice call 1"]),
        ("or=(created_at.gte.2025-04-01T12:05:00Z,last_message_at.lt.2025-04-01T12:01:00Z)", [None, "Voice call 1"]),
        ("or=%28name.eq.voice%2Cname.is.null%29", [None, "voice"]),
        ("limit=2", ALL[:2]),
        ("limit=2&offset=1", ALL[1:3]),
        # a plus that was not encoded
        ("metadata->telnyx_end_user_target=eq.+13128675309", ["Voice call 1"]),
        ("metadata->telnyx_end_user_target=eq.%2B13128675309", ["Voice call 1"]),
        ("metadata->telnyx_end_user_target=eq.%2013128675309", ["Voice call 1"]),
        ("metadata->telnyx_end_user_target=in.(+13128675309,x)", ["Voice call 1"]),
        ("metadata->telnyx_end_user_target=like.+1312%25", ["Voice call 1"]),
        ("metadata->telnyx_end_user_target=neq.+13128675309", []),
        ("metadata->plain=eq.1+312", ["voice"]),
        ("name=eq.Voice+call+1", ["Voice call 1"]),
        ("name=eq.Voice%20call%201", ["Voice call 1"]),
        # null: what is not there matches no comparison, negated or not
        ("metadata->call_control_id=neq.x", ["Voice call 2"]),
        ("metadata->call_control_id=not.eq.x", ["Voice call 2"]),
        ("metadata->call_control_id=not.in.(x)", ["Voice call 2"]),
        ("metadata->call_control_id=is.not_null", ["Voice call 2"]),
        ("metadata->call_control_id=not.is.null", ["Voice call 2"]),
        ("metadata->assistant_id=is.null", ["Ünï*[code]?", "100% (a.b)"]),
        ("metadata->assistant_id=eq.", [None]),
        ("name=is.null", [None]),
        ("name=is.NULL", [None]),
        ("metadata->assistant_id=is.unknown", ["Ünï*[code]?", "100% (a.b)"]),
        ("metadata->assistant_id=is.true", []),
        # texts that begin with the last of all characters
        ("name=like.%F4%8F%BF%BF%25", []),
        ("name=like.voice%F4%8F%BF%BF%25", []),
        ("metadata->plain=like.1%25&name=like.v%25", ["voice"]),
        ("id=not.eq.00000000-0000-4000-8000-000000000000&name=eq.voice", ["voice"]),
        ("id=eq.00000000-0000-4000-8000-000000000000&name=eq.voice", []),
        ("name=not.like.V%25", ALL[1:4]),
        ("not.or=(name.like.V*,metadata->assistant_id.is.null)", ["voice"]),
        ("metadata->assistant_id->deeper=is.null", ALL),
        # case
        ("name=like.voice%25", ["voice"]),
        ("name=ilike.VOICE%25", ["voice", "Voice call 2", "Voice call 1"]),
        ("name=ilike.ünÏ%25", ["Ünï*[code]?"]),
        # patterns: nothing but % (or *) and _ is special, a backslash takes that away
        ("name=like.*[code]_", ["Ünï*[code]?"]),
        ("name=like.___*[c%25", ["Ünï*[code]?"]),
        ("name=like.100\\%25%25", ["100% (a.b)"]),
        ("name=like.100_%25", ["100% (a.b)"]),
        ("name=like.voice", ["voice"]),
        ("name=like.", []),
        ("name=like.%25", ALL[1:]),
        # in, quotes, commas, dots and parentheses
        ("name=in.(voice,nobody)", ["voice"]),
        ('name=in.("100% (a.b)",voice)', ["100% (a.b)", "voice"]),
        ("name=in.()", []),
        ("name=eq.100%25 (a.b)", ["100% (a.b)"]),
        ('or=(name.eq."100% (a.b)",name.eq.voice)', ["100% (a.b)", "voice"]),
        ('metadata->"odd.key (1)"=eq.a,b', ["Voice call 2"]),
        ("metadata->odd.key (1)=eq.a,b", ["Voice call 2"]),
        ('or=(metadata->"odd.key (1)".eq."a,b")', ["Voice call 2"]),
        ('or=(metadata->"quo\\"ted\\\\".eq.x)', ["100% (a.b)"]),
        ('metadata->"quo\\"ted\\\\"=eq.x', ["100% (a.b)"]),
        ('or=(name.eq."voice,name.eq.voice)', ["voice"]),
        ('name=in.("voice"x,voice)', ["voice"]),
        # nesting
        ("or=(name.eq.voice,and(name.like.V*,metadata->assistant_id.eq.assistant-456))", ["voice", "Voice call 2"]),
        ("and=(name.like.V*,not.or(name.eq.voice,metadata->call_control_id.is.null))", ["Voice call 2"]),
        ("and=(name.not.like.V*,name.not.is.null)", ALL[1:4]),
        ("or=(name.eq.voice, name.eq.Voice call 1)", ["voice", "Voice call 1"]),
        ("or=(name.eq.voice,name.in.(Voice call 1,x))&metadata->plain=is.null", ["Voice call 1"]),
        # comparisons of text are by code points
        ("name=gt.Voice call 1&name=lte.voice", ["voice", "Voice call 2"]),
        ("metadata->assistant_id=gte.assistant-2", ["Voice call 2"]),
        # order
        ("order=created_at.asc", ALL[::-1]),
        ("order=created_at", ALL[::-1]),
        ("order=last_message_at.desc&limit=1", ALL[:1]),
        ("order=name.asc", ["100% (a.b)", "Voice call 1", "Voice call 2", "voice", "Ünï*[code]?", None]),
        ("order=name.desc", [None, "Ünï*[code]?", "voice", "Voice call 2", "Voice call 1", "100% (a.b)"]),
        ("order=name.nullsfirst&limit=2", [None, "100% (a.b)"]),
        ("order=name.desc.nullslast&limit=1", ["Ünï*[code]?"]),
        ("order=metadata->assistant_id.desc.nullslast,name.desc&limit=3", ["Voice call 2", "voice", "Voice call 1"]),
        # what is no filter is passed over
        ("assistant_id=assistant-123&sort=desc&select=id&foo=eq.1", ALL),
        ("&&=&a&%00=1", ALL),
    ],
)  # fmt: skip
def test_what_a_query_finds(listed, query: str, found: list[str | None]) -> None:
    assert listed(query) == found


@pytest.mark.parametrize(
    ("query", "name", "says"),
    [
        ("name=voice", "name", "expected an operator"),
        ("name=", "name", "expected an operator"),
        ("name=foo.x", "name", "not 'foo', at character 1"),
        ("name=eq", "name", "expected a dot and a value at character 3"),
        ("name=not.not.eq.x", "name", "expected an operator"),
        ("name=fts.x", "name", "expected an operator"),
        ("name=in.a", "name", "expected ( after in. at character 4"),
        ("name=in.(a", "name", "expected , or ) at character 6"),
        ("name=in.(a)b", "name", "nothing may follow the closing parenthesis at character 7"),
        ("name=is.nil", "name", "expected null, not_null, true, false or unknown at character 4"),
        ("name=is.true", "name", "which 'name' never is"),
        ("name=like.a\\", "name", "must not end with its escape character"),
        ("name=eq.a%00b", "name", "a NUL byte at character 5"),
        ("name=eq.%ff", "name", "not valid percent-encoded UTF-8"),
        ("name->x=eq.1", "name->x", "the column 'name' has no keys"),
        ("metadata=eq.1", "metadata", "key by key"),
        ("metadata->=eq.1", "metadata->", "expected a key"),
        ("metadata->%00=eq.1", "metadata->%00", "a NUL byte"),
        ("created_at=gte.yesterday", "created_at", "expected a date or time"),
        ("created_at=gte.2025-13-01", "created_at", "expected a date or time"),
        ("created_at=gte.99999999999999999999", "created_at", "expected a date or time"),
        ("created_at=in.(2025-01-01,x)", "created_at", "expected a date or time"),
        ("created_at=like.2025%", "created_at", "like is for text"),
        ("or=name.eq.x", "or", "expected ( at character 1"),
        ("or=()", "or", "expected a column at character 2"),
        ("or=(name.eq.x", "or", "expected , or ) at character 11"),
        ("or=(name.eq.x)y", "or", "nothing may follow"),
        ("or=(name.eq.x,)", "or", "expected a column at character 12"),
        ("or=(name)", "or", "expected a dot and an operator"),
        ("or=(nam.eq.x)", "or", "there is no column 'nam'"),
        ("or=(and(name.eq.x,or(name.foo.x)))", "or", "expected an operator"),
        ("order=foo", "order", "there is no column 'foo'"),
        ("order=", "order", "expected a column at character 1"),
        ("order=name.down", "order", "expected .asc, .desc, .nullsfirst or .nullslast at character 5"),
        ("order=name.asc,", "order", "expected a column at character 10"),
        ("order=name.nullsfirst.asc", "order", "expected .asc, .desc"),
        ("order=name)", "order", "expected a comma or the end at character 5"),
        ("order=" + ",".join(["name"] * 101), "order", "more than 100 keys"),
        ("metadata.a=eq.1", "metadata.a", "expected the end of the name at character 9"),
        ("or=(" + ",".join(["name.eq.x"] * 101) + ")", "or", "more than 100 conditions"),
        ("limit=99999999999999999999", "limit", "more than"),
        ("offset=99999999999999999999", "offset", "more than"),
    ],
)
def test_a_malformed_filter_is_refused_and_says_where(client: Client, query: str, name: str, says: str) -> None:
    answer = client.get(f"/ai/conversations?{query}")

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["title"]) == (400, "10031", "Invalid request filter")
    assert error["source"] == {"parameter": unquote(name)}
    assert says in error["detail"]


@pytest.mark.parametrize(("query", "name"), [("limit=0", "limit"), ("limit=x", "limit"), ("offset=-1", "offset")])
def test_limits_are_numbers_with_bounds(client: Client, query: str, name: str) -> None:
    answer = client.get(f"/ai/conversations?{query}")

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", name])


def test_stub_passes_over_what_it_cannot_read(start) -> None:
    client = start(profile="stub")
    client.post("/ai/conversations", {"name": "a"})
    client.post("/ai/conversations", {"name": "b"})

    query = "id=string&created_at=x&or=(&order=nope&metadata->%ff=1&name=eq.a&limit=99999999999999999999"
    answer = client.get(f"/ai/conversations?{query}")

    assert [c["name"] for c in answer.json()["data"]] == ["a"]


@pytest.mark.parametrize(
    "query",
    [
        "or=" + "(and" * 5000 + "(name.eq.x" + ")" * 5000,
        "or=" + "(or" * 100 + "(name.eq.x)" + ")" * 100,
        "or=(" + ",".join(["name.eq.x"] * 3000) + ")",
        "&".join(["name=eq.x"] * 3000),
        "name=in.(" + ",".join(["x"] * 9000) + ")",
        "order=" + ",".join(["name"] * 3000),
        "name=eq." + "x" * 30000,
        "name=like." + "%a" * 12000,
        "metadata" + "->a" * 10000 + "=eq.x",
    ],
)
def test_hostile_filters_end_at_once_with_a_4xx(client: Client, query: str) -> None:
    client.post("/ai/conversations", {"name": "a" * 50000})

    assert client.get(f"/ai/conversations?{query}").status_code == 400


@pytest.mark.parametrize("pattern", ["%a" * 2000 + "b", "_" * 5000 + "%b", "%" * 9000 + "b"])
def test_a_pattern_full_of_wildcards_comes_to_an_end(client: Client, pattern: str) -> None:
    client.post("/ai/conversations", {"name": "a" * 50000})

    for operator in ("like", "ilike"):
        assert client.get("/ai/conversations", params={"name": f"{operator}.{pattern}"}).json() == {"data": []}


def test_a_page_tells_how_many_fit_by_metadata(client: Client) -> None:
    for n in range(5):
        client.post("/ai/conversations", {"metadata": {"team": "ab"[n % 2], "other": "a"}})
    gone = client.post("/ai/conversations", {"metadata": {"team": "a"}}).json()["id"]
    client.request("DELETE", f"/ai/conversations/{gone}")

    totals = [
        client.get(f"/ai/conversations?metadata->team={wanted}&page[size]=2").json()["meta"]["total_results"]
        for wanted in ("eq.a", "in.(a,b)", "in.(a,a)", "eq.c", "neq.a")
    ]

    assert totals == [3, 5, 3, 0, 2]
