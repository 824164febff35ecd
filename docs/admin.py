"""What docs/admin-api.md is made of: the OpenAPI document of the admin API, as `telnyx-ai-mock openapi --admin` prints it."""

import asyncio
from typing import Any

import httpx

from mock_server import Settings, create_app

HEAD = """# The admin API

Everything under `/_mock`, beside the emulated API. A call with a Bearer key acts on that key's account, one without on the whole
server. `GET /_mock/openapi.json` is the machine-readable form; `telnyx-ai-mock` and `mock_server.client.AdminClient` are two
ways to call it ([command-line.md](command-line.md)).

An account's clock runs on top of the server's: it may be ahead, faster or frozen, but stands still while the server's does.

The admin API is open by default, but refuses web pages: a foreign `Origin`, and a `Host` that is a domain name. An IP address, a
name without a dot (as in a compose network) and `*.localhost`, `*.local`, `*.internal` pass; `--admin-host` adds others, and
`--admin-token` asks for a token in the header `x-mock-admin-token`.

Written by `python docs/generate.py`.

| call | what it does | query | JSON body |
|---|---|---|---|
"""


def admin_api() -> str:
    """The page, a row for every operation."""
    document = openapi()
    schemas = document.get("components", {}).get("schemas", {})
    rows = [
        f"| `{method.upper()} {path}` | {_prose(operation)} | {_query(operation)} | {_body(operation, schemas)} |"
        for path, operations in sorted(document["paths"].items())
        for method, operation in operations.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


def openapi() -> dict[str, Any]:
    """What `GET /_mock/openapi.json` answers."""
    transport = httpx.ASGITransport(app=create_app(Settings()))

    async def ask() -> Any:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/_mock/openapi.json")).json()

    document: dict[str, Any] = asyncio.run(ask())
    return document


def _prose(operation: dict[str, Any]) -> str:
    return " ".join(operation.get("description", operation["summary"]).split()).replace("|", "\\|")


def _query(operation: dict[str, Any]) -> str:
    return ", ".join(f"`{p['name']}`" for p in operation.get("parameters", ()) if p["in"] == "query")


def _body(operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    kind = content.get("schema", {})
    kinds = [kind, *kind.get("anyOf", ()), *kind.get("oneOf", ())]
    named = [schemas[k["$ref"].rsplit("/", 1)[1]] for k in kinds if "$ref" in k]
    return ", ".join(dict.fromkeys(f"`{name}`" for one in named for name in one.get("properties", ())))
