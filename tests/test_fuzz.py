"""Schemathesis over the server's own OpenAPI document: 60 s a profile, no 5xx, no answer outside the schema, no hang."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mock_server import LocalServer, Settings

SECONDS = 60
KEY = "fuzz-key-of-its-own"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
OF_PROFILE = {
    "spec": ("ensure_resource_availability", "use_after_free"),
    "live": ("ensure_resource_availability", "use_after_free"),
    "stub": (
        "ensure_resource_availability",
        "positive_data_acceptance",
    ),  # an unknown id is synthesised, nothing refused
}


@pytest.mark.proof
@pytest.mark.timeout(3 * SECONDS)
@pytest.mark.parametrize("profile", OF_PROFILE)
def test_no_request_finds_an_answer_outside_the_document(profile: str, tmp_path: Path) -> None:
    settings = Settings(port=0, profile=profile, api_key=(KEY,))  # type: ignore[arg-type]

    with LocalServer(settings) as server:
        done = fuzz(server.url, (*CHECKS, *OF_PROFILE[profile]), tmp_path)
        ends = {exchange.ended for exchange in server.app.world.ring.newest_first()}

    print(f"profile {profile}: {done.stdout[-400:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete" in ends
    assert "crashed" not in ends


def document(url: str, folder: Path) -> Path:
    """The document without Idempotency-Key: a create that is replayed names what was deleted since, as it should.

    tests/test_idempotency.py is about those.
    """
    schema = httpx.get(url + "/openapi.json", timeout=60).json()
    for item in schema["paths"].values():
        for operation in item.values():
            kept = [p for p in operation.get("parameters", []) if p["name"] != "Idempotency-Key"]
            operation["parameters"] = kept
    path = folder / "openapi.json"
    path.write_text(json.dumps(schema))
    return path


def fuzz(url: str, checks: tuple[str, ...], folder: Path) -> "subprocess.CompletedProcess[str]":
    """A run with a fixed seed; a request that takes 10 s counts as a hang."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(document(url, folder)),
        "--url",
        url,
        "--checks",
        ",".join(checks),
    ]
    command += ["--header", f"Authorization: Bearer {KEY}", "--request-timeout", "10", "--max-time", str(SECONDS)]
    command += ["--seed", "1", "--continue-on-failure", "--generation-database", "none", "--no-color"]
    environ = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=2 * SECONDS)
