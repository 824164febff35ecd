"""A test that runs beside the mock in docker compose: asks for a chat, an error and a webhook, and fails unless all come.

Only the standard library, so that it runs in a bare Python image; an SDK is pointed at TELNYX_BASE_URL the same way.
"""

import json
import os
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

BASE_URL = os.environ.get("TELNYX_BASE_URL", "http://localhost:4010/v2")
API_KEY = os.environ.get("TELNYX_API_KEY", "example-key")
RECEIVER_URL = os.environ.get("RECEIVER_URL", "http://localhost:8000/")  # the neighbour that webhooks go to


def call(path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of a POST of `body` to a path of the API, or of the admin API; a GET without one."""
    url = BASE_URL.removesuffix("/v2") + path if path.startswith("/_mock") else BASE_URL + path
    headers = {"authorization": f"Bearer {API_KEY}", "content-type": "application/json", **headers}
    request = Request(url, None if body is None else json.dumps(body).encode(), headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        return error.code, json.load(error)


def chat(text: str, **headers: str) -> tuple[int, Any]:
    return call("/ai/chat/completions", {"messages": [{"role": "user", "content": text}]}, **headers)


def webhook() -> list[Any]:
    """Complete a conversation whose insight has a webhook at the neighbour; the attempts to deliver it."""
    path = "/ai/conversations"
    insight = {"name": "Mood", "instructions": "How did they feel?", "webhook": RECEIVER_URL}
    insight_id = call(f"{path}/insights", insight)[1]["data"]["id"]
    group_id = call(f"{path}/insight-groups", {"name": "After the call"})[1]["data"]["id"]
    call(f"{path}/insight-groups/{group_id}/insights/{insight_id}/assign", {})
    conversation_id = call(path, {})[1]["id"]
    call(f"{path}/{conversation_id}/message", {"role": "user", "content": "Where are my crates?"})
    call(f"/_mock/conversations/{conversation_id}/complete", {})
    attempts: list[Any] = call("/_mock/webhooks?wait=true")[1]["data"]
    return attempts


def main() -> None:
    status, completion = chat("What does the warehouse say?")
    assert status == 200, completion
    assert completion["choices"][0]["message"]["content"] == "The warehouse says: 12 crates.", completion

    status, refusal = chat("hi", **{"x-mock-fault": "429"})
    assert status == 429, refusal
    assert refusal["errors"][0]["code"] == "10011", refusal

    attempts = webhook()
    assert [attempt["status"] for attempt in attempts] == [200], attempts

    print("example ok: a chat from a fixture, a 429 on request, and a webhook delivered to the neighbour")


if __name__ == "__main__":
    main()
