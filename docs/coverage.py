"""What docs/coverage.md is made of: the catalogue, the routers, the SDK's own tests as `make conformance` counted them."""

import json
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from mock_server import catalogue, create_app
from mock_server.engine.operations import Operation

DOCS = Path(__file__).parent
COUNTS = DOCS / "conformance.json"
WRITES_TO_OTHERS = frozenset({"responses"})  # rooms without rows of their own: what is said goes to a conversation
HEAD = """# Coverage

Every operation that is emulated. All of them check the key, take any fault ([faults.md](faults.md)),
stand in the journal and are described in `/openapi.json`. *Validated*: what of the request is checked against the documented
schema. *Stateful*: it reads or writes rows of the account. *SDK tests*: how many of the vendor's own tests of the operation
passed in profile `stub` (`make conformance`), by version of the SDK; tests that ask for a stream and expect one JSON object
are the only ones that do not pass. Operations that the vendor has and that are not here answer 501.

Written by `python docs/generate.py`.
"""


def coverage() -> str:
    """The page, from the code as it is and the counts that are kept beside it."""
    counts = json.loads(COUNTS.read_text())
    limits = yaml.safe_load((DOCS / "limitations.yaml").read_text())
    document = _document()
    versions = sorted(counts, key=lambda version: tuple(map(int, version.split("."))), reverse=True)
    columns = [
        "operation",
        "",
        "validated",
        "stateful",
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
            _validated(operation, document),
            _stateful(operation),
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
    described = document["paths"][operation.path][operation.method.lower()]
    places = {parameter["in"] for parameter in described.get("parameters", ())}
    parts = [place for place in ("path", "query") if place in places]
    if "requestBody" in described:
        parts.append("form" if operation.upload else "body")
    return ", ".join(parts) or "nothing to check"


def _document() -> dict[str, Any]:
    app = create_app()
    app.enter_all_rooms()
    return app.api.openapi()


def _stateful(operation: Operation) -> str:
    own = find_spec(f"mock_server.domains.{operation.room}.tables")
    return "yes" if own or operation.room in WRITES_TO_OTHERS else "no"
