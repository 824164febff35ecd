"""What docs/coverage.md is made of: the catalogue, the routers, the SDK's own tests as `make conformance` counted them."""

import json
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from mock_server import catalogue, create_app
from mock_server.app import App
from mock_server.engine.operations import Operation

DOCS = Path(__file__).parent
COUNTS = DOCS / "conformance.json"
WRITES_TO_OTHERS = frozenset({"responses"})  # rooms without rows of their own: what is said goes to a conversation
BEGIN_JOBS = ("fine_tuning.jobs.create", "embeddings.create", "embeddings.url", "legacy.*batch_detail*.create")
HEAD = """# Coverage

Every operation that is emulated. All of them check the key, stand in the journal and are described in `/openapi.json`.
*Implemented*: a route answers it. *Validated*: what of the request is checked against the documented
schema. *Stateful*: it reads or writes rows of the account. *Faults*: what can be made to go wrong
([faults.md](faults.md)): answers (status, delay, body, cut), streams (a cut or an error in mid-stream), sockets (handshake,
frames, close), jobs ([plans.md](plans.md)). *SDK tests*: how many of the vendor's own tests of the operation
passed in profile `stub` (`make conformance`), by version of the SDK; tests that ask for a stream and expect one JSON object
are the only ones that do not pass. Operations that the vendor has and that are not here answer 501.

Written by `python docs/generate.py`.
"""


def coverage() -> str:
    """The page, from the code as it is and the counts that are kept beside it."""
    counts = json.loads(COUNTS.read_text())
    limits = yaml.safe_load((DOCS / "limitations.yaml").read_text())
    app = create_app()
    app.enter_all_rooms()
    document = app.api.openapi()
    versions = sorted(counts, key=lambda version: tuple(map(int, version.split("."))), reverse=True)
    columns = [
        "operation",
        "",
        "implemented",
        "validated",
        "stateful",
        "faults",
        *(f"SDK tests {version}" for version in versions),
        "limitations",
    ]
    rows = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    here = [o for o in catalogue.operations() if o.room is not None and not o.raw]
    for operation in sorted(here, key=lambda o: (o.path, o.method)):
        tests = [_tests(counts[version].get(operation.id)) for version in versions]
        limit = "; ".join(text for pattern, text in limits.items() if fnmatchcase(operation.id, pattern))
        method = "socket" if operation.kind == "socket" else operation.method
        cells = [
            f"`{operation.id}`",
            f"{method} `{operation.path}`",
            "yes" if _implemented(operation, document, app) else "no",
            _validated(operation, document),
            _stateful(operation),
            _faults(operation, document),
            *tests,
            limit,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    total = f"{len(here)} operations; " + "; ".join(f"{_total(counts[v])} tests of telnyx {v}" for v in versions)
    return "\n".join([HEAD, *rows, "", total + ".", ""])


def _tests(count: list[int] | None) -> str:
    if count is None:
        return "none"
    passed, foreseen = count
    return f"{passed} of {passed + foreseen}"


def _total(count: dict[str, list[int]]) -> str:
    passed, foreseen = (sum(pair[i] for pair in count.values()) for i in (0, 1))
    return f"{passed} of {passed + foreseen}"


def _validated(operation: Operation, document: dict[str, Any]) -> str:
    if operation.kind == "socket":
        return "query, frames"
    described = _described(operation, document)
    places = {parameter["in"] for parameter in described.get("parameters", ())}
    parts = [place for place in ("path", "query") if place in places]
    if "requestBody" in described:
        parts.append("form" if operation.upload else "body")
    return ", ".join(parts) or "nothing to check"


def _implemented(operation: Operation, document: dict[str, Any], app: App) -> bool:
    if operation.kind == "socket":
        return app.operations.all[operation.id].handler is not None
    return bool(_described(operation, document))


def _described(operation: Operation, document: dict[str, Any]) -> dict[str, Any]:
    """What the document of the routes that there are says of it: nothing where there is none."""
    found: dict[str, Any] = document["paths"].get(operation.path, {}).get(operation.method.lower(), {})
    return found


def _faults(operation: Operation, document: dict[str, Any]) -> str:
    if operation.kind == "socket":
        return "sockets"
    answers = _described(operation, document).get("responses", {}).values()
    streams = any("text/event-stream" in answer.get("content", {}) for answer in answers)
    jobs = any(fnmatchcase(operation.id, pattern) for pattern in BEGIN_JOBS)
    return ", ".join(["answers", *(["streams"] if streams else []), *(["jobs"] if jobs else [])])


def _stateful(operation: Operation) -> str:
    own = find_spec(f"mock_server.domains.{operation.room}.tables")
    return "yes" if own or operation.room in WRITES_TO_OTHERS else "no"
