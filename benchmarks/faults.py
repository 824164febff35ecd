"""Fault rules that are in force and never fire: what looking at them costs a chat. Each set has a server of its own."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import servers
from servers import Server

Rules = list[dict[str, Any]]
ELSEWHERE: Rules = [{"match": {"operation": "text_to_speech.*"}, "effect": 503}]
OF_THE_BODY: Rules = [{"match": {"model": "no-such-model"}, "effect": 503}]
# A quarter each by operation, header, model and path: what rules are sorted by.
THOUSAND: Rules = [
    {"match": match, "effect": 503}
    for n in range(250)
    for match in (
        {"operation": f"ai.tools.{n}"},
        {"header": {"x-case": f"{n}"}},
        {"model": f"model-{n}"},
        {"path": f"/v2/ai/conversations/{n}"},
    )
]
# key: (title, rules)
SETS: dict[str, tuple[str, Rules]] = {
    "none": ("no rules", []),
    "again": ("no rules, measured again: the noise", []),
    "elsewhere": ("one, for another operation", ELSEWHERE),
    "body": ("one, that waits for the body", OF_THE_BODY),
    "thousand": ("1,000: by operation, header, model, path", THOUSAND),
}


@contextmanager
def started(host: str) -> Iterator[dict[str, Server]]:
    """A mock for each set of rules, `again` being that of `none`."""
    with TemporaryDirectory() as folder, ExitStack() as running:
        mocks = {}
        for key, (_, rules) in SETS.items():
            if key == "again":
                mocks[key] = mocks["none"]
                continue
            options = []
            if rules:
                path = Path(folder) / f"{key}.json"
                path.write_text(json.dumps({"faults": rules}))
                options = ["--faults", str(path)]
            mocks[key] = running.enter_context(servers.mock(host, *options))
        yield mocks
