"""The lean handler and FastAPI's own path answer every request with the same bytes: one corpus, two servers.

The corpus covers every emulated operation, and a room of probes that exists here only, for declarations no operation has yet.
"""

import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from types import ModuleType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from mock_server import LocalServer, Settings, catalogue
from mock_server.engine.operations import Operation
from mock_server.engine.route import LeanRoute
from mock_server.world import CallDep
from tests.vendor import EMULATED, EXAMPLES

JSON = {"content-type": "application/json"}
ID = "550e8400-e29b-41d4-a716-446655440000"
SHOWN = 20  # differences of one test that are told


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, as it goes over the wire."""

    target: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]  # without Date
    body: bytes


class Pair:
    """Two servers that differ in nothing but the path a request takes inside."""

    def __init__(self, lean: str, fastapi: str) -> None:
        self._connections = [http.client.HTTPConnection(urlsplit(url).netloc, timeout=20) for url in (lean, fastapi)]
        self._keys = 0

    def send(self, method: str, sent: Sent) -> tuple[Answer, Answer]:
        """The lean answer and FastAPI's, both to a key of its own."""
        self._keys += 1
        lean, fastapi = (self._send(to, method, sent) for to in self._connections)
        return lean, fastapi

    def _send(self, connection: http.client.HTTPConnection, method: str, sent: Sent) -> Answer:
        connection.putrequest(method, sent.target, skip_host=True, skip_accept_encoding=True)
        headers = {"host": "mock", "authorization": f"Bearer key-{self._keys}", **sent.headers}
        if sent.body is not None:
            headers["content-length"] = str(len(sent.body))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(sent.body)
        got = connection.getresponse()
        return Answer(got.status, [h for h in got.getheaders() if h[0].lower() != "date"], got.read())


# The probes: what a declaration may hold, each answering with what it was given.

probes = APIRouter(route_class=LeanRoute)


class Item(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=20)]
    count: Annotated[int, Field(ge=0, le=10)] = 0
    when: datetime | None = None
    day: date | None = None
    id: UUID | None = None
    ratio: float | None = None
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    from_: Annotated[str | None, Field(alias="from")] = None
    tags: list[str] = []
    parent: "Item | None" = None


class Page(BaseModel, extra="forbid"):
    number: Annotated[int, Field(alias="page[number]", ge=1)] = 1
    size: Annotated[int, Field(alias="page[size]", ge=1, le=250)] = 20


def echo(**values: Any) -> Response:
    plain = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value for name, value in values.items()
    }
    return Response(json.dumps(plain, default=repr, sort_keys=True), media_type="application/json")


@probes.get("/v2/probe/{name}/items/{n}", operation_id="probe.query")
async def query(
    call: CallDep,
    name: str,
    n: Annotated[int, Path(ge=0, le=1000)],
    number: Annotated[int, Query(alias="page[number]", ge=1)] = 1,
    size: Annotated[int, Query(alias="page[size]", ge=1, le=250)] = 20,
    tag: Annotated[list[str], Query()] = [],  # noqa: B006  FastAPI's own way to say it
    numbers: Annotated[list[int] | None, Query(alias="numbers[]")] = None,
    kind: Annotated[Literal["a", "b"] | None, Query(alias="filter[kind]")] = None,
    since: datetime | None = None,
    flag: bool = False,
    idempotency_key: Annotated[str | None, Header(pattern=r"^[A-Za-z0-9_-]{1,255}$")] = None,
    x_count: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    return echo(
        name=name, n=n, number=number, size=size, tag=tag, numbers=numbers, kind=kind, since=since, flag=flag,
        idempotency_key=idempotency_key, x_count=x_count,
    )  # fmt: skip


@probes.get("/v2/probe/pages", operation_id="probe.pages")
async def pages(call: CallDep, page: Annotated[Page, Query()], must: str, x_must: Annotated[str, Header()]) -> Response:
    return echo(page=page, must=must, x_must=x_must)


@probes.post("/v2/probe/optional", operation_id="probe.optional")
async def optional(call: CallDep, body: Item | None = None) -> Response:
    return echo(body=body)


@probes.post("/v2/probe/nullable", operation_id="probe.nullable")
async def nullable(call: CallDep, body: Item | None) -> Response:
    return echo(body=body)


@probes.put("/v2/probe/{id}", operation_id="probe.required")
async def required(call: CallDep, id: UUID, body: Item, dry: bool = False) -> Response:
    return echo(id=id, body=body, dry=dry)


@probes.post("/v2/probe/list", operation_id="probe.list")
async def many(call: CallDep, body: Annotated[list[Item], Body(max_length=2)]) -> Response:
    return echo(body=[item.model_dump(mode="json") for item in body])


@probes.post("/v2/probe/open", operation_id="probe.open")
async def open_object(call: CallDep, body: dict[str, Any]) -> Response:
    return echo(body=body)


@probes.delete("/v2/probe/{id}", operation_id="probe.nothing")
async def nothing(call: CallDep, id: str) -> Response:
    return Response(status_code=204)


@probes.get("/v2/probe/model", operation_id="probe.model")
async def model(call: CallDep) -> Item:
    return Item(name="n\u00e4me", **{"from": "x"})


ROWS = "".join(
    f"{method} {dialect} probe {route.path} {route.operation_id}\n"  # type: ignore[attr-defined]
    for dialect, route in zip(
        ("fa", "std", "map", "stt", "fa", "bucket", "fa", "fa", "std"), probes.routes, strict=True
    )
    for method in route.methods  # type: ignore[attr-defined]
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two servers that have the probes for a room: same seed, clocks frozen at the same instant."""
    room = ModuleType("mock_server.domains.probe.router")
    room.router = probes  # type: ignore[attr-defined]
    settings = Settings(port=0, seed=7, clock="2026-01-31T12:00:00Z")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(catalogue, "ROWS", catalogue.ROWS + ROWS)
        patch.setitem(sys.modules, room.__name__, room)
        lean, fastapi = (stack.enter_context(LocalServer(settings, lean=lean)) for lean in (True, False))
        yield Pair(lean.url, fastapi.url)


def assert_same(pair: Pair, method: str, corpus: list[Sent]) -> set[int]:
    """The statuses seen; fails with every request that the two answer differently."""
    answers = [(sent, *pair.send(method, sent)) for sent in corpus]
    different = [
        f"{method} {sent.target[:150]} {sent.headers} {sent.body}\n  lean {lean}\n  FastAPI {fastapi}"
        for sent, lean, fastapi in answers
        if lean != fastapi
    ]
    assert not different, f"{len(different)} differ:\n" + "\n".join(different[:SHOWN])
    return {lean.status for _, lean, _ in answers}


# The corpus.

BODIES = (
    b"", b"null", b"{}", b"[]", b"[{}]", b'""', b'"text"', b"0", b"true", b" ", b" {} ", b"\n", b"{", b'{"a":', b"{'a': 1}",
    b'{"a": 1,}', b"\xff\xfe", b'{"a": "\xff"}', b"<html></html>", b"a=b",
)  # fmt: skip
CONTENT_TYPES = (
    "application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json", "text/plain",
    "text/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "json", "", ";",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, "", "text", "1", "1.5", "true", 0, 1, -1, 1.0, 1.5, 10**30, 1e400, True, [], [None], ["text"], {}, {"a": 1},
    "2026-01-31", "2026-01-31T12:00:00Z", ID, "x" * 300, "caf\u00e9 \u2603",
)  # fmt: skip
QUERIES = (
    "?", "?a=1", "?a=1&a=2", "?a[]=1&a[]=2", "?a[b]=c", "?a%5Bb%5D=c", "?=", "?&&", "?a", "?a=%20+%2B", "?a=%FF", "?a=%",
)  # fmt: skip
PATH_VALUES = (
    ID, "x", "0", "7", "-1", "1001", "1.0", "%31", "a%20b", "a+b", "%C3%A9", "%E2%98%83", "..", "a%00b", "%FF",
    "%", "%zz", "a%25b", "a;b=c", "a:b", "~", "%3F", "x" * 2000,
)  # fmt: skip


def targets(operation: Operation) -> list[str]:
    """The operation's path with plain values, then with each odd value in each parameter."""
    segments = operation.path.split("/")
    plain = ["7" if s == "{n}" else ID if s.startswith("{") else s for s in segments]
    odd = [
        "/".join([*plain[:i], value, *plain[i + 1 :]])
        for i, segment in enumerate(segments)
        if segment.startswith("{")
        for value in PATH_VALUES
    ]
    return ["/".join(plain), *odd]


def mutations(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body itself, without each of its fields, with each field wrong in many ways, and with fields nobody knows."""
    yield body
    yield {**body, "no_such_field": {"a": [1]}}
    for name in body:
        yield {other: value for other, value in body.items() if other != name}
        yield from ({**body, name: value} for value in VALUES)


def corpus_of(operation: Operation, bodies: list[dict[str, Any]]) -> list[Sent]:
    plain, *odd = targets(operation)
    example = json.dumps(bodies[0]).encode() if bodies else None
    headers = JSON if bodies else {}
    corpus = [Sent(target, example, headers) for target in (plain, *odd)]
    corpus += [Sent(plain + query, example, headers) for query in QUERIES]
    corpus += [Sent(plain, body, JSON) for body in BODIES]
    corpus += [Sent(plain, example or b"{}", {"content-type": kind}) for kind in CONTENT_TYPES]
    corpus += [Sent(plain, example), Sent(plain, b""), Sent(plain)]
    corpus += [Sent(plain, json.dumps(changed).encode(), JSON) for body in bodies for changed in mutations(body)]
    return corpus


MORE_BODIES: dict[str, list[dict[str, Any]]] = {
    "openai.chat.create_completion": [
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "u"}}],
                },
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "done"},
            ],
            "model": "moonshotai/Kimi-K3",
            "n": 3,
            "stop": ["reply"],
            "max_tokens": 5,
            "logprobs": True,
            "top_logprobs": 2,
            "seed": 3,
        },
        {
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_object"},
        },
    ],
}
ITEM = {
    "name": "n", "count": 3, "when": "2026-01-31T12:00:00+01:00", "day": "2026-01-31", "id": ID, "ratio": 0.5, "flag": True,
    "kind": "b", "from": "f", "tags": ["a", "b"], "parent": {"name": "p"},
}  # fmt: skip


def test_an_encoded_slash_stays_in_its_segment(pair: Pair) -> None:
    # Not part of the corpus: Starlette's router decodes the path before it matches, and finds no route.
    lean, _ = pair.send("GET", Sent("/v2/probe/a%2Fb/items/7"))

    assert json.loads(lean.body)["name"] == "a/b"


@pytest.mark.check
@pytest.mark.parametrize("id", EMULATED)
def test_emulated_operations(pair: Pair, id: str) -> None:
    example = EXAMPLES.get(id, {}).get("json")
    bodies = [*([example] if example else []), *MORE_BODIES.get(id, [])]

    statuses = assert_same(pair, EMULATED[id].method, corpus_of(EMULATED[id], bodies))

    assert max(statuses) < 500


def test_probe_path_query_and_headers(pair: Pair) -> None:
    operation = Operation("probe.query", "GET", "/v2/probe/{name}/items/{n}")
    queries = [
        f"?{name}={value}"
        for name in ("page[number]", "page%5Bsize%5D", "numbers[]", "filter[kind]", "since", "flag", "tag")
        for value in (
            "",
            "0",
            "1",
            "250",
            "251",
            "-1",
            "1.0",
            "%31",
            "x",
            "true",
            "null",
            "a",
            "2026-01-31",
            "9" * 30,
            "+1",
        )
    ]
    queries += [
        "?tag=a&tag=b&tag=",
        "?numbers[]=1&numbers[]=2&numbers[]=x",
        "?page[number]=1&page[number]=2",
        "?page.size=3",
    ]
    plain = targets(operation)[0]
    headers = [
        {name: value}
        for name in ("idempotency-key", "x-count", "idempotency_key")
        for value in ("", "1", "a b", "x" * 256, "-1", "caf\u00e9", "1.0")
    ]

    corpus = corpus_of(operation, []) + [Sent(plain + query) for query in queries]
    corpus += [Sent(plain, None, {k: v.encode().decode("latin-1") for k, v in header.items()}) for header in headers]

    assert assert_same(pair, "GET", corpus) == {200, 400, 422}


def test_probe_query_model_and_required_parameters(pair: Pair) -> None:
    queries = (
        "",
        "?must=x",
        "?must=",
        "?must=x&page[number]=2&page[size]=5",
        "?must=x&page[size]=251",
        "?must=x&page=1",
    )

    corpus = [Sent("/v2/probe/pages" + q, None, h) for q in queries for h in ({}, {"x-must": "y"}, {"x_must": "y"})]

    assert {422} <= assert_same(pair, "GET", corpus) <= {200, 422}


@pytest.mark.parametrize(
    ("id", "method", "path", "body"),
    [
        ("probe.optional", "POST", "/v2/probe/optional", ITEM),
        ("probe.nullable", "POST", "/v2/probe/nullable", ITEM),
        ("probe.required", "PUT", "/v2/probe/{id}", ITEM),
        ("probe.list", "POST", "/v2/probe/list", ITEM),
        ("probe.open", "POST", "/v2/probe/open", {"a": {"b": [1, 2.5, None]}, "": 1}),
        ("probe.nothing", "DELETE", "/v2/probe/{id}", None),
        ("probe.model", "GET", "/v2/probe/model", None),
    ],
)
def test_probe_bodies(pair: Pair, id: str, method: str, path: str, body: Any) -> None:
    corpus = corpus_of(Operation(id, method, path), [body] if body else [])
    if id == "probe.list":
        corpus += [Sent(path, json.dumps([m] * n).encode(), JSON) for n in (1, 2, 3) for m in mutations(body)]

    assert max(assert_same(pair, method, corpus)) < 500


def test_a_body_in_pieces_is_one_body(pair: Pair) -> None:
    chunks = (
        b"".join(b"%x\r\n%s\r\n" % (1, bytes([b])) for b in json.dumps({"name": "in pieces"}).encode()) + b"0\r\n\r\n"
    )
    answers = []
    for connection in pair._connections:
        connection.putrequest("POST", "/v2/probe/optional", skip_accept_encoding=True)
        for name, value in {"authorization": "Bearer pieces", "transfer-encoding": "chunked", **JSON}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(chunks)
        got = connection.getresponse()
        answers.append((got.status, got.read()))

    assert answers[0] == answers[1]
    assert answers[0][0] == 200 and b"in pieces" in answers[0][1]


@pytest.mark.parametrize(
    ("key", "rule"), [("mock-fault-429-once", None), ("rule-lean", '{"effect": "422", "match": {"model": "m*"}}')]
)
def test_faults_before_and_after_parsing(pair: Pair, key: str, rule: str | None) -> None:
    headers = {"authorization": f"Bearer {key}", **JSON}
    body = json.dumps({**EXAMPLES["chat.create_completion"]["json"], "model": "mine"}).encode()
    if rule:
        pair.send("POST", Sent("/_mock/faults", rule.encode(), {**headers, "host": "localhost"}))

    corpus = [Sent("/v2/ai/chat/completions", body, headers)] * 2

    assert assert_same(pair, "POST", corpus) == ({422} if rule else {200, 429})


# Declarations that the lean handler cannot serve are refused when the room is opened, not when a request comes.


async def _with_dependency(call: CallDep, other: Annotated[int, Depends(lambda: 1)]) -> Response:
    return echo(other=other)


async def _with_request(call: CallDep, request: Request) -> Response:
    return echo(path=request.url.path)


async def _with_two_bodies(call: CallDep, body: Item, other: Item) -> Response:
    return echo(body=body, other=other)


async def _with_embedded_body(call: CallDep, body: Annotated[Item, Body(embed=True)]) -> Response:
    return echo(body=body)


async def _with_a_body_that_faults_would_not_find(call: CallDep, item: Item) -> Response:
    return echo(item=item)


async def _without_call(body: Item) -> Response:
    return echo(body=body)


@pytest.mark.parametrize(
    "endpoint",
    [
        _with_dependency,
        _with_request,
        _with_two_bodies,
        _with_embedded_body,
        _with_a_body_that_faults_would_not_find,
        _without_call,
    ],
)
def test_declarations_it_cannot_serve_are_refused(endpoint: Any) -> None:
    router = APIRouter(route_class=LeanRoute)

    with pytest.raises(TypeError, match=r"probe\.refused"):
        router.post("/v2/probe/refused", operation_id="probe.refused")(endpoint)
