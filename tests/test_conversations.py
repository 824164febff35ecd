"""Conversations and messages at the wire: shapes, effects, errors, isolation."""

import re

import pytest

from tests.conftest import Client

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NOBODYS = "550e8400-e29b-41d4-a716-446655440000"  # the brief's own example
NOT_FOUND = {
    "code": "10005",
    "title": "Resource not found",
    "detail": "The requested resource or URL could not be found.",
    "meta": {"url": "https://developers.telnyx.com/docs/overview/errors/10005"},
}


def create(client: Client, **body: object) -> dict:
    answer = client.post("/ai/conversations", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def freeze(client: Client, instant: str) -> None:
    assert client.admin("POST", "/clock", json={"set": instant, "freeze": True}).status_code == 200


def test_create_answers_the_bare_conversation(client: Client) -> None:
    freeze(client, "2025-04-15T13:07:28.764Z")

    made = create(client, name="Support", metadata={"assistant_id": "assistant-123"})

    assert UUID.fullmatch(made.pop("id"))
    assert made == {
        "name": "Support",
        "created_at": "2025-04-15T13:07:28.764Z",
        "last_message_at": "2025-04-15T13:07:28.764Z",
        "metadata": {"assistant_id": "assistant-123"},
    }


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'{"name":null,"metadata":null,"unknown":1}'])
def test_create_needs_no_body(client: Client, body: bytes) -> None:
    answer = client.request("POST", "/ai/conversations", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["metadata"]) == (None, {})


def test_retrieve_wraps_what_create_answered_bare(client: Client) -> None:
    made = create(client, name="a", metadata={"k": "v"})

    answer = client.get(f"/ai/conversations/{made['id']}")

    assert answer.json() == {"data": made}


def test_update_replaces_the_metadata_and_nothing_else(client: Client) -> None:
    made = create(client, name="a", metadata={"old": "1", "kept": "no"})

    answer = client.request("PUT", f"/ai/conversations/{made['id']}", json={"metadata": {"new": "2"}, "name": "b"})

    assert answer.json() == {"data": {**made, "metadata": {"new": "2"}}}
    assert client.get(f"/ai/conversations/{made['id']}").json() == answer.json()
    assert client.get("/ai/conversations?metadata->old=eq.1").json() == {"data": []}
    assert client.get("/ai/conversations?metadata->new=eq.2").json()["data"] == [answer.json()["data"]]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"metadata":null}'])
def test_update_without_metadata_changes_nothing(client: Client, body: bytes) -> None:
    made = create(client, metadata={"k": "v"})

    headers = {"content-type": "application/json"}
    answer = client.request("PUT", f"/ai/conversations/{made['id']}", content=body, headers=headers)

    assert answer.json() == {"data": made}


def test_delete_answers_an_empty_200_and_takes_the_messages_along(client: Client) -> None:
    made = create(client, metadata={"k": "v"})
    client.post(f"/ai/conversations/{made['id']}/message", {"role": "user", "content": "hi"})

    answer = client.request("DELETE", f"/ai/conversations/{made['id']}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert "content-type" not in answer.headers
    assert client.get(f"/ai/conversations/{made['id']}").status_code == 404
    assert client.get(f"/ai/conversations/{made['id']}/messages").status_code == 404
    assert client.get("/ai/conversations?metadata->k=eq.v").json() == {"data": []}
    assert client.get("/ai/conversations?page[number]=1").json()["meta"]["total_results"] == 0


def test_list_has_no_meta_and_is_newest_first(client: Client) -> None:
    freeze(client, "2025-01-01T00:00:00Z")  # all at the same time: the order is that of creation
    names = [create(client, name=f"c{n}")["name"] for n in range(5)]

    answer = client.get("/ai/conversations").json()

    assert list(answer) == ["data"]
    assert [c["name"] for c in answer["data"]] == names[::-1]


def test_list_without_limit_answers_a_hundred(client: Client) -> None:
    for _ in range(103):
        create(client)

    assert len(client.get("/ai/conversations").json()["data"]) == 100
    assert len(client.get("/ai/conversations?limit=200").json()["data"]) == 103
    assert len(client.get("/ai/conversations?limit=200&offset=100").json()["data"]) == 3


def test_list_asked_for_pages_pages_and_says_so(client: Client) -> None:
    made = [create(client)["id"] for _ in range(5)][::-1]

    first = client.get("/ai/conversations?page%5Bsize%5D=2").json()
    last = client.get("/ai/conversations?page[size]=2&page[number]=3").json()
    beyond = client.get("/ai/conversations?page[size]=2&page[number]=99999999999").json()

    assert [c["id"] for c in first["data"]] == made[:2]
    assert first["meta"] == {"total_pages": 3, "total_results": 5, "page_number": 1, "page_size": 2}
    assert [c["id"] for c in last["data"]] == made[4:]
    assert beyond["data"] == []


def test_pages_of_a_filtered_list_count_what_the_filter_finds(client: Client) -> None:
    for n in range(5):
        create(client, name=f"{'even' if n % 2 == 0 else 'odd'} {n}")

    answer = client.get("/ai/conversations?page[size]=2&name=like.even%25").json()

    assert [c["name"] for c in answer["data"]] == ["even 4", "even 2"]
    assert answer["meta"]["total_results"] == 3


@pytest.mark.parametrize("query", ["page[size]=x", "page[size]=0", "page[number]=-1", "page[number]=" + "9" * 300])
def test_pages_that_cannot_be_are_not_refused_where_paging_is_not_documented(client: Client, query: str) -> None:
    create(client)

    answer = client.get(f"/ai/conversations?{query}")

    assert (answer.status_code, len(answer.json()["data"])) == (200, 1)


def test_a_message_is_written_with_content_and_read_with_text(client: Client) -> None:
    freeze(client, "2025-04-15T13:07:28.764Z")
    id = create(client)["id"]

    written = client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": "Hello", "name": "Ann"})

    assert (written.status_code, written.content) == (200, b"")
    assert client.get(f"/ai/conversations/{id}/messages").json() == {
        "data": [
            {
                "role": "user",
                "text": "Hello",
                "created_at": "2025-04-15T13:07:28.764Z",
                "sent_at": "2025-04-15T13:07:28.764Z",
            }
        ],
        "meta": {"total_pages": 1, "total_results": 1, "page_number": 1, "page_size": 20},
    }


def test_a_message_keeps_its_calls_metadata_and_time(client: Client) -> None:
    id = create(client)["id"]
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    metadata = {"text": "x", "number": 2**70, "flag": True, "list": [1, "two", False]}
    body = {"role": "assistant", "content": None, "tool_calls": [call], "metadata": metadata, "tool_choice": {"a": []},
            "sent_at": "2025-01-01T02:00:00+02:00"}  # fmt: skip

    assert client.post(f"/ai/conversations/{id}/message", body).status_code == 200

    (message,) = client.get(f"/ai/conversations/{id}/messages").json()["data"]
    assert (message["role"], message["text"]) == ("assistant", "")
    assert message["tool_calls"] == [call]
    assert message["metadata"] == metadata
    assert message["sent_at"] == "2025-01-01T00:00:00.000Z"


def test_incomplete_tool_calls_are_read_whole(client: Client) -> None:
    id = create(client)["id"]
    calls = [{}, {"id": 5, "function": {"name": "f", "arguments": {"a": 1}}}, {"function": "f"}]

    client.post(f"/ai/conversations/{id}/message", {"role": "assistant", "tool_calls": calls})

    (message,) = client.get(f"/ai/conversations/{id}/messages").json()["data"]
    assert [c["function"] for c in message["tool_calls"]] == [
        {"name": "", "arguments": "{}"},
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "", "arguments": "{}"},
    ]
    assert all(c["id"].startswith("call_") and c["type"] == "function" for c in message["tool_calls"])


def test_messages_are_oldest_first_ties_in_the_order_they_came(client: Client) -> None:
    freeze(client, "2025-01-01T00:00:00Z")
    id = create(client)["id"]
    for n in range(6):
        client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": str(n)})
        if n == 3:
            client.admin("POST", "/clock", json={"advance": 60})

    pages = [client.get(f"/ai/conversations/{id}/messages?page[size]=4&page[number]={n}").json() for n in (1, 2, 3)]

    assert [[m["text"] for m in page["data"]] for page in pages] == [["0", "1", "2", "3"], ["4", "5"], []]
    assert [page["meta"]["total_pages"] for page in pages] == [2, 2, 2]


def test_messages_are_oldest_first_on_every_page_after_the_clock_was_set_back(client: Client) -> None:
    freeze(client, "2025-01-01T00:00:00Z")
    id = create(client)["id"]
    for n in range(6):
        client.admin("POST", "/clock", json={"advance": -300 if n == 3 else 60})
        client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": str(n)})

    pages = [client.get(f"/ai/conversations/{id}/messages?page[size]=2&page[number]={n}").json() for n in (1, 2, 3)]

    assert [[m["text"] for m in page["data"]] for page in pages] == [["3", "4"], ["5", "0"], ["1", "2"]]


def test_last_message_at_follows_the_messages(client: Client) -> None:
    freeze(client, "2025-01-01T00:00:00Z")
    id = create(client)["id"]
    client.admin("POST", "/clock", json={"advance": 90})

    client.post(f"/ai/conversations/{id}/message", {"role": "user"})

    conversation = client.get(f"/ai/conversations/{id}").json()["data"]
    assert conversation["created_at"] == "2025-01-01T00:00:00.000Z"
    assert conversation["last_message_at"] == "2025-01-01T00:01:30.000Z"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"metadata": {"a": "b"}}),
        ("DELETE", "", None),
        ("POST", "/message", {"role": "user"}),
        ("GET", "/messages", None),
    ],
)
def test_another_accounts_conversation_is_like_none(client: Client, method: str, path: str, body: object) -> None:
    made = create(client, metadata={"a": "mine"})
    other = client.as_key(client.key + "-other")

    theirs = other.request(method, f"/ai/conversations/{made['id']}{path}", json=body)
    nobodys = other.request(method, f"/ai/conversations/{NOBODYS}{path}", json=body)

    assert (theirs.status_code, theirs.json()) == (404, {"errors": [NOT_FOUND]})
    assert (nobodys.status_code, nobodys.json()) == (404, {"errors": [NOT_FOUND]})
    assert client.get(f"/ai/conversations/{made['id']}").json() == {"data": made}
    assert client.get(f"/ai/conversations/{made['id']}/messages").json()["data"] == []


def test_lists_show_no_other_account(client: Client) -> None:
    made = create(client, name="n", metadata={"a": "b"})
    other = client.as_key(client.key + "-other")

    queries = ["", f"id=eq.{made['id']}", "metadata->a=eq.b", "name=eq.n", "or=(metadata->a.eq.b,name.eq.n)", "page[size]=1",
               "metadata->a=eq.b&order=name", "metadata->a=not.is.null"]  # fmt: skip
    assert [other.get(f"/ai/conversations?{q}").json()["data"] for q in queries] == [[]] * len(queries)
    assert [len(client.get(f"/ai/conversations?{q}").json()["data"]) for q in queries] == [1] * len(queries)


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("", {"metadata": {"a": 1}}, ["body", "metadata", "a"]),
        ("", {"metadata": {"a": None}}, ["body", "metadata", "a"]),
        ("", {"metadata": {"a": {"b": "c"}}}, ["body", "metadata", "a"]),
        ("", {"metadata": {"a": True}}, ["body", "metadata", "a"]),
        ("", {"metadata": []}, ["body", "metadata"]),
        ("", {"name": 1}, ["body", "name"]),
        ("", {"name": "a\0b"}, ["body", "name"]),
        ("", [], ["body"]),
        ("/{id}/message", None, ["body"]),
        ("/{id}/message", {}, ["body", "role"]),
        ("/{id}/message", {"role": None}, ["body", "role"]),
        ("/{id}/message", {"role": "user", "content": 1}, ["body", "content"]),
        ("/{id}/message", {"role": "user", "content": "\0"}, ["body", "content"]),
        ("/{id}/message", {"role": "user", "sent_at": "yesterday"}, ["body", "sent_at"]),
        ("/{id}/message", {"role": "user", "sent_at": "0001-01-01T00:00:00+14:00"}, ["body", "sent_at"]),
        ("/{id}/message", {"role": "user", "sent_at": 10**40}, ["body", "sent_at"]),
        ("/{id}/message", {"role": "user", "tool_calls": ["x"]}, ["body", "tool_calls", 0]),
    ],
)
def test_bodies_that_break_the_schema(client: Client, path: str, body: object, where: list[object]) -> None:
    id = create(client)["id"]

    answer = client.post("/ai/conversations" + path.format(id=id), body)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == where


def test_the_reserved_flag_may_be_a_boolean(client: Client) -> None:
    made = create(client, metadata={"ai_disabled": True})

    assert made["metadata"] == {"ai_disabled": "true"}
    assert client.get("/ai/conversations?metadata->ai_disabled=is.true").json()["data"] == [made]


@pytest.mark.parametrize("query", ["page[size]=0", "page[size]=101", "page[number]=0", "page[number]=x"])
def test_pages_of_messages_have_bounds(client: Client, query: str) -> None:
    id = create(client)["id"]

    answer = client.get(f"/ai/conversations/{id}/messages?{query}")

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", query.partition("=")[0]])


def test_a_page_far_beyond_the_last_is_empty(client: Client) -> None:
    id = create(client)["id"]
    client.post(f"/ai/conversations/{id}/message", {"role": "user"})

    answer = client.get(f"/ai/conversations/{id}/messages?page[number]={10**30}")

    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize("id", ["x", "%20", "a%2Fb", "%F0%9F%98%80", "'; drop table conversation; --", "x" * 5000])
def test_odd_ids_are_not_found(client: Client, id: str) -> None:
    assert client.get(f"/ai/conversations/{id}").status_code == 404


def test_reset_of_one_account_leaves_the_others(client: Client) -> None:
    other = client.as_key(client.key + "-other")
    mine, theirs = create(client, metadata={"a": "b"}), create(other)
    client.post(f"/ai/conversations/{mine['id']}/message", {"role": "user"})

    assert client.admin("POST", "/reset").status_code == 200

    assert client.get("/ai/conversations").json() == {"data": []}
    assert client.get("/ai/conversations?metadata->a=eq.b").json() == {"data": []}
    assert client.get("/ai/conversations?page[size]=5").json()["meta"]["total_results"] == 0
    assert other.get("/ai/conversations").json() == {"data": [theirs]}
    assert create(client, metadata={"a": "b"}) | {"created_at": "", "last_message_at": ""} == mine | {
        "created_at": "",
        "last_message_at": "",
    }  # the same id: as new


def test_reset_of_the_server_forgets_everyone(start) -> None:
    client = start()
    create(client)
    create(client.as_key("another-key"))

    client.http.post(client.url + "/_mock/reset")

    assert client.get("/ai/conversations").json() == {"data": []}
    assert client.as_key("another-key").get("/ai/conversations").json() == {"data": []}


def test_stub_makes_up_what_is_not_there(start) -> None:
    client = start(profile="stub")

    read = client.get(f"/ai/conversations/{NOBODYS}").json()
    echoed = client.request("PUT", f"/ai/conversations/{NOBODYS}", json={"metadata": {"a": "b"}}).json()

    assert read["data"]["id"] == NOBODYS
    assert client.get(f"/ai/conversations/{NOBODYS}").json() == read
    assert echoed == {"data": {**read["data"], "metadata": {"a": "b"}}}
    assert client.post(f"/ai/conversations/{NOBODYS}/message", {"role": "user"}).content == b""
    assert client.get(f"/ai/conversations/{NOBODYS}/messages").json()["data"] == []
    assert client.request("DELETE", f"/ai/conversations/{NOBODYS}").status_code == 200
    assert client.get("/ai/conversations").json() == {"data": []}


def test_stub_keeps_what_was_made(start) -> None:
    client = start(profile="stub")
    made = create(client, name="real", metadata={"a": "b"})
    client.post(f"/ai/conversations/{made['id']}/message", {"role": "user", "content": "hi"})

    conversation = client.get(f"/ai/conversations/{made['id']}").json()["data"]
    assert (conversation["name"], conversation["metadata"]) == ("real", {"a": "b"})
    assert len(client.get(f"/ai/conversations/{made['id']}/messages").json()["data"]) == 1
    assert client.get("/ai/conversations").json()["data"] == [conversation]
    client.request("DELETE", f"/ai/conversations/{made['id']}")
    assert client.get("/ai/conversations").json() == {"data": []}
