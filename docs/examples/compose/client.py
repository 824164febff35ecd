"""A test that runs beside the mock in docker compose: asks for a chat and for an error, and fails unless both come.

Only the standard library, so that it runs in a bare Python image; an SDK is pointed at TELNYX_BASE_URL the same way.
"""

import json
import os
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

BASE_URL = os.environ.get("TELNYX_BASE_URL", "http://localhost:4010/v2")
API_KEY = os.environ.get("TELNYX_API_KEY", "example-key")


def chat(text: str, **headers: str) -> tuple[int, Any]:
    """Status and JSON of a chat completion."""
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json", **headers}
    request = Request(f"{BASE_URL}/ai/chat/completions", body, headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def main() -> None:
    status, completion = chat("What does the warehouse say?")
    assert status == 200, completion
    assert completion["choices"][0]["message"]["content"] == "The warehouse says: 12 crates.", completion

    status, refusal = chat("hi", **{"x-mock-fault": "429"})
    assert status == 429, refusal
    assert refusal["errors"][0]["code"] == "10011", refusal

    print("example ok: a chat from a fixture, and a 429 on request")


if __name__ == "__main__":
    main()
