"""Every error a client can be told, in the vendor's words; and whatever is sent, never a 500."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from mock_server.base import errors

CHAT = "/ai/chat/completions"
HI = {"messages": [{"role": "user", "content": "hi"}]}
JSON = {"content-type": "application/json"}
SOCKETS = ["/speech-to-text/transcription", "/text-to-speech/speech"]
META = "https://developers.telnyx.com/docs/overview/errors/"


def only_error(answer: httpx.Response) -> dict[str, Any]:
    """The one item of an `errors[]` body, whose shape is checked on the way."""
    body = answer.json()
    assert list(body) == ["errors"] and answer.headers["content-type"] == "application/json"
    (item,) = body["errors"]
    assert {"code", "title", "detail", "meta"} <= set(item) <= {"code", "title", "detail", "meta", "source"}
    assert isinstance(item["code"], str) and item["meta"] == {"url": META + item["code"]}
    return item


def send(client, content: Any, **headers: str) -> httpx.Response:
    return client.request("POST", CHAT, content=content, headers={**JSON, **headers})


def exchange(client, request: bytes) -> bytes:
    """The answer to bytes that no HTTP library would send; the connection is closed after it."""
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def get_raw(client, target: str, authorization: str | None = None) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a GET whose target and authorization go out byte for byte."""
    key = f"Bearer {client.key}" if authorization is None else authorization
    head = f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {key}\r\n\r\n"
    raw = exchange(client, head.encode("latin-1"))
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


# The table in docs/errors.md

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
SECTION = re.search(r"^## Errors$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| *`?(\d{3})`? *\|(.*?)\|(.*?)\|(.*?)\|", SECTION[1] if SECTION else "", re.MULTILINE)
NAMED = re.compile(r"(\d{5}),? +([A-Z][A-Za-z-]*(?: [A-Za-z-]+)*)")
table = pytest.mark.skipif(not ROWS, reason="docs/errors.md has no table of errors under '## Errors'")


def of_the_table() -> Iterator[tuple[int, str, str, str]]:
    """(status, code, title, detail) of every code in the table."""
    for status, names, detail, _ in ROWS:
        for code, title in NAMED.findall(names.replace("`", "").replace("*", "")):
            yield int(status), code, title, detail.strip().strip("`*")


def tree(kind: type[errors.ApiError] = errors.ApiError) -> Iterator[type[errors.ApiError]]:
    import mock_server.domains.buckets.errors  # noqa: F401  storage has some of its own

    for child in kind.__subclasses__():
        yield child
        yield from tree(child)


@table
def test_the_table_has_the_errors_that_are_raised_and_no_others():
    shown = {(status, code, title) for status, code, title, _ in of_the_table()}
    home = Path(errors.__file__)
    source = "".join(path.read_text() for path in home.parent.parent.rglob("*.py") if path != home)
    raised = [kind for kind in tree() if re.search(rf"\b{kind.__name__}\b", source)]
    assert shown - {(kind.status, kind.code, kind.title) for kind in tree()} == set(), "no such error"
    assert {(kind.status, kind.code, kind.title) for kind in raised} - shown == set(), "not in the table"


@table
def test_details_that_the_table_quotes_are_the_ones_that_are_said():
    quoted = {(s, c): detail for s, c, _, detail in of_the_table() if re.fullmatch(r"[A-Z].*\.", detail)}
    said = {(kind.status, kind.code): kind.default_detail for kind in tree() if kind.__module__ == errors.__name__}
    assert len(quoted) >= 10
    assert {place: said[place] for place in quoted} == quoted


@table
def test_every_status_of_the_table_has_a_row_that_is_met_or_injected():
    assert {int(status) for status, *_ in ROWS} >= {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 501, 503}


# Each error that needs no injection, at the wire: (status, code, title, a request that meets it)

Ask = Callable[[Any], httpx.Response]
MET: dict[str, tuple[int, str, str, Ask]] = {
    "no key": (401, "10009", "Authentication failed", lambda c: c.http.get(c.v2 + "/ai/models")),
    "malformed JSON": (400, "10023", "Invalid JSON", lambda c: send(c, "{oops")),
    "form for JSON": (415, "10029", "Expected JSON Content-Type", lambda c: c.request("POST", CHAT, data={"a": "b"})),
    "text for JSON": (
        415,
        "10029",
        "Expected JSON Content-Type",
        lambda c: send(c, "{}", **{"content-type": "text/plain"}),
    ),
    "rule between fields": (400, "10015", "Bad Request", lambda c: c.chat(tool_choice="required")),
    "unknown path": (404, "10005", "Resource not found", lambda c: c.get("/ai/no/such/path")),
    "wrong method": (405, "10030", "Method not allowed", lambda c: c.request("DELETE", "/ai/models")),
    "not emulated": (501, "10005", "Resource not found", lambda c: c.get("/ai/assistants")),
    "no upgrade": (426, "10015", "Bad Request", lambda c: c.get(SOCKETS[1])),
    "too large": (413, "10015", "Bad Request", lambda c: send(c, b" " * (4 * 1024 * 1024 + 1))),
}


@pytest.mark.parametrize(("status", "code", "title", "ask"), MET.values(), ids=MET)
def test_errors_in_the_vendors_words(client, status, code, title, ask):
    answer = ask(client)
    item = only_error(answer)
    assert (answer.status_code, item["code"], item["title"]) == (status, code, title)
    assert item["detail"].endswith(".") and answer.headers["x-request-id"]


# 401 comes first

BAD_AUTHORIZATIONS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer   ",
    "Basic dXNlcjpwdw==",
    "key",
    "Token key",
]


@pytest.mark.parametrize("authorization", BAD_AUTHORIZATIONS)
@pytest.mark.parametrize("path", ["/v2/ai/models", "/v2/ai/assistants", "/v2/text-to-speech/voices"])
def test_a_missing_or_malformed_key_is_401_with_the_vendors_words(client, path, authorization):
    status, body = get_raw(client, path, authorization)
    detail = "The required authentication headers were either invalid or not included in the request."
    words = {"code": "10009", "title": "Authentication failed", "detail": detail, "meta": {"url": META + "10009"}}
    assert (status, body) == (401, {"errors": [words]})


@pytest.mark.parametrize(
    "content", [b"{oops", b"", b"\xff\x00", b" " * (5 * 1024 * 1024)], ids=["malformed", "none", "bytes", "5MB"]
)
def test_401_comes_before_the_body_is_looked_at(client, content):
    answer = client.http.post(client.v2 + CHAT, content=content, headers={"content-type": "text/plain"})
    assert answer.status_code == 401


@pytest.mark.parametrize("profile", ["spec", "live", "stub"])
def test_401_in_every_profile(start, profile):
    open_to_all, closed = start(profile=profile), start(profile=profile, api_key=("right",))
    assert open_to_all.http.get(open_to_all.v2 + "/ai/models").status_code == 401
    assert closed.as_key("wrong").get("/ai/models").status_code == 401
    assert closed.as_key("right").get("/ai/models").status_code == 200


def test_the_scheme_may_be_lower_case_and_x_api_key_is_no_key(client):
    spelled = client.http.get(client.v2 + "/ai/models", headers={"authorization": f"bearer {client.key}"})
    other = client.http.get(client.v2 + "/ai/models", headers={"x-api-key": client.key})
    assert (spelled.status_code, other.status_code) == (200, 401)


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic x"}], ids=["none", "basic"])
@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("profile", ["spec", "live", "stub"])
def test_a_socket_without_a_key_is_denied_with_the_json_body(start, profile, path, headers):
    url = start(profile=profile).v2.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as denied, connect(url, additional_headers=headers, proxy=None):
        pass
    answer = denied.value.response
    assert answer.status_code == 401 and answer.headers["x-request-id"]
    assert json.loads(answer.body or b"")["errors"][0]["code"] == "10009"


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v2/ai/models", 405, "method"),
        ("/v2/no/such", 404, "URL"),
        ("/text-to-speech/speech", 404, "/v2/text-to-speech/speech"),
    ],
)
def test_a_socket_where_there_is_none_is_denied_with_the_json_body(client, path, status, word):
    headers = {"authorization": f"Bearer {client.key}"}
    with pytest.raises(InvalidStatus) as denied:
        connect(client.url.replace("http", "ws") + path, additional_headers=headers, proxy=None)
    (item,) = json.loads(denied.value.response.body or b"")["errors"]
    assert denied.value.response.status_code == status and word in item["detail"]


HANDSHAKE = b"host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
COMPLETE = HANDSHAKE + b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
BROKEN_HANDSHAKES = {
    "no key": b"GET /v2/text-to-speech/speech HTTP/1.1\r\n" + HANDSHAKE + b"\r\n",
    "old version": b"GET /v2/text-to-speech/speech HTTP/1.1\r\n" + COMPLETE.replace(b"13", b"8") + b"\r\n",
    "a body": b"GET /v2/text-to-speech/speech HTTP/1.1\r\n" + COMPLETE + b"content-length: 2\r\n\r\n{}",
    "POST": b"POST /v2/text-to-speech/speech HTTP/1.1\r\n" + COMPLETE + b"\r\n",
    "POST with a body": b"POST /v2/ai/chat/completions HTTP/1.1\r\n" + HANDSHAKE + b"content-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("request_", BROKEN_HANDSHAKES.values(), ids=BROKEN_HANDSHAKES)
def test_a_broken_handshake_is_refused_in_the_vendors_envelope_not_left_hanging(client, request_):
    head, _, body = exchange(client, request_).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] in (b"400", b"401", b"405")
    assert b"x-request-id: " in head.lower() and json.loads(body)["errors"][0]["code"] in ("10015", "10009", "10030")


# Paths and methods


def test_a_path_without_v2_says_to_add_it(client):
    for method, path in (("POST", "/ai/chat/completions"), ("GET", "/ai/models"), ("GET", "/ai/conversations/123")):
        answer = client.http.request(method, client.url + path, headers={"authorization": f"Bearer {client.key}"})
        assert answer.status_code == 404 and f"/v2{path}" in only_error(answer)["detail"]


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/", "/v3/ai/models", "/v2/ai/models/", "/v2//ai/models", "/_mocking", "/v2/_mock"]
)
def test_an_unknown_path_is_404_in_the_vendors_envelope(client, path):
    answer = client.http.get(client.url + path, headers={"authorization": f"Bearer {client.key}"})
    assert answer.status_code == 404 and only_error(answer)["code"] == "10005"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("PUT", CHAT, "POST"),
        ("POST", "/ai/models", "GET"),
        ("OPTIONS", "/ai/assistants", "GET, POST"),
    ],
)
def test_a_wrong_method_names_the_right_ones(client, method, path, allow):
    answer = client.request(method, path)
    assert answer.status_code == 405 and answer.headers["allow"] == allow and only_error(answer)["code"] == "10030"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/ai/assistants", "assistants.list"),
        ("POST", "/ai/assistants/asst_1/chat", "assistants.chat"),
        ("DELETE", "/ai/missions/m/runs/r/telnyx-agents/t", "missions.runs.telnyx_agents.unlink"),
    ],
)
def test_what_the_vendor_has_and_we_have_not_is_501_with_its_name(client, method, path, name):
    answer = client.request(method, path)
    detail = only_error(answer)["detail"]
    assert answer.status_code == 501 and name in detail and method in detail
    assert client.journal()[0]["operation"] == name


@pytest.mark.parametrize("segment", ["%ff", "%c3%28", "%00", "a%00b", "%zz", "%", "%f"])
def test_bad_percent_encoding_in_a_path_is_a_clear_400(client, segment):
    status, body = get_raw(client, f"/v2/ai/assistants/{segment}")
    assert (status, body["errors"][0]["code"]) == (400, "10015")
    assert get_raw(client, f"/v2/ai/assistants/{segment}", authorization="")[0] in (400, 401)


@pytest.mark.parametrize("query", ["x=%ff", "%zz", "a=%00&b=%", "&&==&", "page[size]=", "a" * 8000])
def test_an_odd_query_is_no_crash(client, query):
    assert get_raw(client, f"/v2/ai/models?{query}")[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"oops\r\n\r\n",
        *(b"GET / HTTP/1.1\r\ncontent-length: %s\r\n\r\n" % length for length in (b"-1", b"x", b"9" * 5000)),
    ],
    ids=["no request line", "negative length", "no number", "5000 digits"],
)
def test_what_is_no_http_is_400_in_the_vendors_envelope(client, request_):
    head, _, body = exchange(client, request_).partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400" and json.loads(body)["errors"][0]["code"] == "10015"


# Bodies

NOT_JSON = {
    "word": b"hello", "open brace": b"{", "trailing": b"{} x", "single quotes": b"{'messages': []}", "comma": b'{"a": 1,}',
    "invalid UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', "raw NUL": b'{"messages":\x00[]}',
    "NUL in a string": b'{"model": "a\x00b", "messages": []}', "lone surrogate": b'{"model": "\\ud800", "messages": []}',
    "100k brackets": b"[" * 100_000, "100k objects": b'{"a":' * 100_000, "UTF-16": '{"messages": []}'.encode("utf-16"),
    "100k closed": b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "a lone minus": b"-", "spaces": b"   ",
}  # fmt: skip


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_malformed_json_is_400_10023(client, content):
    answer = send(client, content)
    item = only_error(answer)
    assert (answer.status_code, item["code"], item["detail"]) == (400, "10023", "The supplied JSON is invalid.")


@pytest.mark.parametrize("path", ["/ai/chat/completions", "/ai/openai/chat/completions", "/messages"])
@pytest.mark.parametrize("profile", ["spec", "live", "stub"])
def test_malformed_json_is_the_same_everywhere(start, profile, path):
    answer = start(profile=profile).request("POST", path, content=b"{oops", headers=JSON)
    assert answer.status_code == 400 and only_error(answer)["code"] == "10023"


WRONG_WHOLE = {"nothing": b"", "null": b"null", "list": b"[]", "number": b"1", "string": b'"messages"', "true": b"true"}


@pytest.mark.parametrize("content", WRONG_WHOLE.values(), ids=WRONG_WHOLE)
def test_a_body_that_is_no_object_is_422_at_body(client, content):
    answer = send(client, content)
    assert answer.status_code == 422 and [item["loc"] for item in answer.json()["detail"]] == [["body"]]


@pytest.mark.parametrize(
    "digits", ["1" + "0" * 30, "1" + "0" * 4000, "9" * 100_000, "-" + "9" * 10_000, "1e400", "1e-400"]
)
@pytest.mark.parametrize("field", ["seed", "max_tokens", "n", "temperature", "top_logprobs", "unknown"])
def test_huge_numbers_are_no_crash(client, field, digits):
    answer = send(client, json.dumps(HI)[:-1] + f', "{field}": {digits}}}')
    assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_never_come_back(client, number):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"const": 0}}}}}
    body = json.dumps({**HI, "tools": [tool], "tool_choice": "required"})
    answer = send(client, body.replace('"const": 0', f'"const": {number}'))
    assert answer.status_code in (200, 400, 422)
    assert number not in answer.text


@pytest.mark.parametrize("depth", [50, 150, 190, 198, 250])
def test_deep_nesting_in_a_free_field_is_no_crash(client, depth):
    nested = '{"items": ' * depth + "{}" + "}" * depth
    tool = f'{{"type": "function", "function": {{"name": "f", "parameters": {nested}}}}}'
    answer = send(client, json.dumps(HI)[:-1] + f', "tools": [{tool}], "tool_choice": "required"}}')
    assert answer.status_code in (200, 400, 422)


def test_an_escaped_nul_in_a_text_is_422_and_says_where(client):
    answer = send(client, r'{"messages": [{"role": "user", "content": "a\u0000b"}]}')
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "messages", 0, "content"])


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/ld+json"]
)
def test_json_by_any_of_its_content_types(client, kind):
    assert send(client, json.dumps(HI), **{"content-type": kind}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "*/*"]
)
def test_any_other_content_type_is_415(client, kind):
    answer = send(client, json.dumps(HI), **{"content-type": kind})
    assert answer.status_code == 415 and only_error(answer)["code"] == "10029"


def test_a_body_without_a_content_type_is_taken_for_json(client):
    assert client.request("POST", CHAT, content=json.dumps(HI)).status_code == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
def test_a_body_over_the_limit_is_413_and_says_the_limit(start, chunked):
    small = start(max_json_bytes=1000)
    content = json.dumps(HI).ljust(1001).encode()
    over = send(small, iter([content[:600], content[600:]]) if chunked else content)
    fits = send(small, iter([content[:600], content[600:1000]]) if chunked else content[:1000])
    assert over.status_code == 413 and only_error(over)["code"] == "10015" and "1000" in only_error(over)["detail"]
    assert fits.status_code == 200


def test_a_get_with_a_body_is_a_get(client):
    assert client.request("GET", "/ai/models", content=b"{oops", headers=JSON).status_code == 200


def test_a_wrong_body_leaves_the_connection_and_the_server_usable(client):
    assert [send(client, content).status_code for content in (b"{", b"[]", json.dumps(HI))] == [400, 422, 200]
