"""The server's own OpenAPI document: valid, complete, and true of the vendor's printed examples and of every injected error."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from mock_server import LocalServer, Settings, catalogue
from mock_server.engine.operations import Operation
from tests.vendor import EMULATED, EXAMPLES

STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503, 504)  # what may happen to any operation
SUCCESS = re.compile(r"2\d\d")
ID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture(scope="module")
def stub() -> Iterator[LocalServer]:
    with LocalServer(Settings(port=0, profile="stub")) as running:
        yield running


@pytest.fixture(scope="module")
def document(stub: LocalServer) -> dict[str, Any]:
    answer = httpx.get(stub.url + "/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def described(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """What the document says of an operation."""
    return document["paths"][operation.path][operation.method.lower()]


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Fail unless `value` fits `schema`, whose references point into the document."""
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def check_answer(document: dict[str, Any], operation: Operation, answer: httpx.Response) -> None:
    """Fail unless the document has the answer's status, media type and shape."""
    responses = described(document, operation)["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    content = responses[str(answer.status_code)].get("content", {})
    if not answer.content:
        assert not content, "documented with a body, answered without"
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    if media_type == "application/json":
        check(document, content[media_type]["schema"], answer.json())


def send(server: LocalServer, operation: Operation, key: str, **options: Any) -> httpx.Response:
    path = operation.path.replace("{bucket_name}", "my-bucket")
    path = re.sub(r"{\w+}", ID, path)
    headers = {"authorization": f"Bearer {key}", **options.pop("headers", {})}
    return httpx.request(operation.method, server.url + path, headers=headers, timeout=20, **options)


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_admin_document_is_valid(stub: LocalServer) -> None:
    document = httpx.get(stub.url + "/_mock/openapi.json").json()

    assert "/_mock/health" in document["paths"]
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_document_has_the_emulated_operations_and_no_other(document: dict[str, Any]) -> None:
    found = {
        operation["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }

    assert found == {operation.id: (operation.method, operation.path) for operation in EMULATED.values()}
    assert set(EXAMPLES) <= {operation.id for operation in catalogue.operations()}


@pytest.mark.parametrize("id", EMULATED)
def test_an_operation_is_described_in_full(document: dict[str, Any], id: str) -> None:
    operation = described(document, EMULATED[id])
    statuses = set(operation["responses"])
    in_path = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}

    assert document["components"]["securitySchemes"]["bearerAuth"] == {"type": "http", "scheme": "bearer"}
    assert operation.get("security", document["security"]) == [{"bearerAuth": []}]
    assert {str(status) for status in (*STATUSES, 405, 413)} <= statuses
    assert any(SUCCESS.fullmatch(status) for status in statuses) or "426" in statuses
    assert operation["summary"] and operation["description"]
    assert in_path == set(re.findall(r"{(\w+)}", EMULATED[id].path))


@pytest.mark.parametrize("id", EMULATED)
def test_the_vendors_example_fits_the_document(document: dict[str, Any], stub: LocalServer, id: str) -> None:
    operation, example = EMULATED[id], EXAMPLES.get(id, {})
    body = described(document, operation).get("requestBody", {"content": {}})

    answer = send(stub, operation, f"example-{id}", **example)

    if "json" in example:
        check(document, body["content"]["application/json"]["schema"], example["json"])
    elif "files" in example:
        assert "multipart/form-data" in body["content"]
    else:
        assert not body.get("required"), "the vendor prints the call without a body"
    assert SUCCESS.fullmatch(str(answer.status_code)), answer.text
    check_answer(document, operation, answer)


@pytest.mark.check
@pytest.mark.parametrize("id", EMULATED)
def test_every_injected_error_is_documented(document: dict[str, Any], stub: LocalServer, id: str) -> None:
    for status in STATUSES:
        answer = send(stub, EMULATED[id], f"errors-{id}", headers={"x-mock-fault": str(status)})

        assert answer.status_code == status
        check_answer(document, EMULATED[id], answer)


def test_a_stream_is_documented(document: dict[str, Any], stub: LocalServer) -> None:
    operation = EMULATED["openai.chat.create_completion"]

    answer = send(stub, operation, "stream", json={**EXAMPLES[operation.id]["json"], "stream": True})

    assert answer.headers["content-type"].startswith("text/event-stream")
    check_answer(document, operation, answer)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_document_can_be_read_in_a_browser(stub: LocalServer, path: str) -> None:
    answer = httpx.get(stub.url + path)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text


def test_the_document_is_the_same_whenever_it_is_asked_for(stub: LocalServer, document: dict[str, Any]) -> None:
    for path in ("/openapi.json", "/_mock/openapi.json"):
        first, again = (httpx.get(stub.url + path) for _ in range(2))
        assert first.status_code == 200 and first.content == again.content
    assert httpx.get(stub.url + "/openapi.json").json() == document
