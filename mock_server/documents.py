"""The server's own OpenAPI document: what FastAPI's declarations say, plus what every operation shares."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from mock_server import catalogue

DETAIL = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        }
    },
}
ERRORS = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "title", "detail"],
                "properties": {
                    "code": {"type": "string"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "source": {"type": "object", "additionalProperties": {"type": "string"}},
                    "meta": {"type": "object", "properties": {"url": {"type": "string"}}},
                },
            },
        }
    },
}
ERROR_MAP = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A success is replayed for 24 hours to the same request with the same key.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"},
}
BUCKET_NOT_FOUND = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {name: {"type": "string"} for name in ("code", "title", "detail")},
            },
        }
    },
}
# Answers that any operation may give: 404 and 405 by the table, 409 5xx injected.
SHARED = {
    400: "The request is malformed.",
    401: "The key is missing, malformed or unknown.",
    403: "The key may not do this; injected.",
    404: "There is no such resource.",
    405: "The method is not allowed.",
    409: "The resource is being processed.",
    413: "The body is too large.",
    415: "The body is not of a media type that the operation takes.",
    429: "Too many requests; see retry-after.",
    500: "Injected.",
    504: "Injected.",
    503: "Injected, or the database cannot be used.",
}


def document(api: FastAPI) -> None:
    """Make `api.openapi` describe security, ids and errors truthfully. Call it once every room is in."""

    def build() -> dict[str, Any]:
        if api.openapi_schema is None:
            schema = get_openapi(title=api.title, version=api.version, routes=api.routes, description=DESCRIPTION)
            _complete(schema)
            api.openapi_schema = schema
        return api.openapi_schema

    api.openapi_schema = None
    api.openapi = build  # type: ignore[method-assign]


DESCRIPTION = "A mock of Telnyx AI. Any non-empty Bearer key is an account of its own."


def _complete(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {"bearerAuth": {"type": "http", "scheme": "bearer"}}
    components.setdefault("schemas", {}).update(
        {
            "HTTPValidationError": DETAIL,
            "Errors": ERRORS,
            "ErrorMap": ERROR_MAP,
            "BucketNotFoundError": BUCKET_NOT_FOUND,
        }
    )
    components["schemas"].pop("ValidationError", None)
    schema["security"] = [{"bearerAuth": []}]
    known = {operation.id: operation for operation in catalogue.operations()}
    for item in schema["paths"].values():
        for operation in item.values():
            declared = known[operation["operationId"]]
            _add_errors(operation, declared.dialect)
            form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
            if form is not None:
                _without_null(components["schemas"][form["schema"]["$ref"].rpartition("/")[2]]["properties"])
            if declared.idempotent:
                operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)


def _without_null(parts: dict[str, Any]) -> None:
    """A part of a form may be left out, but a form knows no null."""
    for name, part in parts.items():
        kinds = [kind for kind in part.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            parts[name] = {**{k: v for k, v in part.items() if k != "anyOf"}, **kinds[0]}


def _add_errors(operation: dict[str, Any], dialect: str) -> None:
    responses = operation["responses"]
    if responses["200"].get("content") == {"application/json": {"schema": {}}}:
        del responses["200"][
            "content"
        ]  # FastAPI's way to say that nothing is known of it; ours are answers without a body
    for status, text in SHARED.items():
        responses.setdefault(str(status), _answer(text, "Errors"))
    if "426" in responses:
        responses["426"] = _answer(responses["426"]["description"], "Errors")
    shape = {"fa": "HTTPValidationError", "bucket": "HTTPValidationError", "map": "ErrorMap"}.get(dialect, "Errors")
    if dialect == "bucket":
        responses["404"] = _answer(SHARED[404], "BucketNotFoundError")
    responses["422"] = _answer("The body, query or path breaks the schema.", shape, also_errors=shape != "Errors")


def _answer(description: str, shape: str, also_errors: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{shape}"}
    if also_errors:  # an idempotency key used for another request is told in errors[]
        schema = {"anyOf": [schema, {"$ref": "#/components/schemas/Errors"}]}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
