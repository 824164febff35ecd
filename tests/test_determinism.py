"""The same seed, clock and script give the same bytes, the Date header aside; other accounts' traffic shifts nothing."""

from typing import Any

import pytest

CLOCK = "2026-01-31T12:00:00Z"
CHAT = "/ai/chat/completions"
OPENAI = "/ai/openai/chat/completions"
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}
JSON = {"content-type": "application/json"}


def ask(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


SCRIPT: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", CHAT, {"json": ask("hello")}),
    ("POST", OPENAI, {"json": ask("hello", n=3, logprobs=True, top_logprobs=2)}),
    ("POST", OPENAI, {"json": ask("stream", stream=True, stream_options={"include_usage": True})}),
    ("POST", CHAT, {"json": ask("think", model="moonshotai/Kimi-K2.6", stream=True)}),
    ("POST", CHAT, {"json": ask("call", tools=[TOOL], tool_choice="required")}),
    ("POST", CHAT, {"json": ask("call", tools=[TOOL], tool_choice="required", stream=True, n=2)}),
    ("POST", CHAT, {"json": ask("seeded", seed=42)}),
    ("POST", CHAT, {"json": ask("cut", max_tokens=5, stop="x")}),
    ("POST", CHAT, {"json": ask("", response_format={"type": "json_object"})}),
    ("GET", "/ai/models", {}),
    ("GET", "/ai/openai/models", {}),
    ("POST", "/messages", {"json": {"to": "+13125550001", "from": "+13125550002", "text": "Hello"}}),
    ("POST", CHAT, {"json": {"messages": 5, "n": 0}}),
    ("POST", CHAT, {"content": b"{oops", "headers": JSON}),
    ("GET", "/ai/models", {"headers": {"x-mock-fault": "429;retry-after=2;times=1"}}),
    ("GET", "/ai/models", {"headers": {"x-mock-fault": "429;retry-after=2;times=1"}}),
    ("GET", "/ai/no/such/path", {}),
    ("PUT", "/ai/models", {}),
    ("GET", "/ai/assistants", {}),
    ("POST", CHAT, {"json": ask("goodbye")}),
]


def play(client: Any, between: Any = lambda: None) -> list[tuple[int, list[tuple[bytes, bytes]], bytes]]:
    """Status, headers but Date, and body of every answer to the script."""
    heard = []
    for method, path, options in SCRIPT:
        answer = client.request(method, path, **options)
        headers = [(name, value) for name, value in answer.headers.raw if name.lower() != b"date"]
        heard.append((answer.status_code, headers, answer.content))
        between()
    return heard


def different(one: list[Any], other: list[Any]) -> list[tuple[str, str]]:
    """The steps of the script whose answers differ."""
    return [step[:2] for step, a, b in zip(SCRIPT, one, other, strict=True) if a != b]


@pytest.mark.parametrize("profile", ["spec", "live"])
def test_the_same_seed_clock_and_script_give_the_same_bytes(start, profile):
    one, other = (start(profile=profile, seed=7, clock=CLOCK) for _ in range(2))
    assert different(play(one), play(other)) == []


def test_a_reset_gives_the_same_bytes_again(start):
    client = start(seed=7, clock=CLOCK)
    first = play(client)
    client.http.post(client.url + "/_mock/reset")
    assert different(first, play(client)) == []


def test_a_reset_of_the_account_gives_the_same_bytes_again(start):
    client = start(seed=7, clock=CLOCK)
    first = play(client)
    client.admin("POST", "/reset")
    assert different(first, play(client)) == []


def test_other_accounts_traffic_shifts_nothing(start):
    alone, busy = (start(seed=7, clock=CLOCK) for _ in range(2))
    other = busy.as_key("another-key-altogether")

    def noise() -> None:
        other.chat("noise", n=2, tools=[TOOL], tool_choice="required")
        other.get("/ai/models", headers={"x-mock-fault": "429;retry-after=2;times=1"})
        other.get("/ai/no/such/path")
        other.http.get(other.v2 + "/ai/models")
        other.admin("POST", "/clock", json={"advance": 5})

    assert different(play(alone), play(busy, noise)) == []


def test_another_seed_gives_other_ids(start):
    one, other = (play(start(seed=seed, clock=CLOCK)) for seed in (7, 8))
    assert [step[0] for step in one] == [step[0] for step in other]
    assert set(different(one, other)) >= {
        ("POST", CHAT),
        ("POST", OPENAI),
        ("POST", "/messages"),
        ("GET", "/ai/models"),
    }


def test_another_key_gets_other_ids(start):
    client = start(seed=7, clock=CLOCK)
    mine, theirs = client.chat(), client.as_key("another-key-altogether").chat()
    assert mine.json()["id"] != theirs.json()["id"]
    assert mine.headers["x-request-id"] != theirs.headers["x-request-id"]


def test_no_id_comes_twice(start):
    client = start(seed=7, clock=CLOCK)
    ids = [dict(headers)[b"x-request-id"] for _ in range(2) for _, headers, _ in play(client)]
    assert len(ids) == len(set(ids)) == 2 * len(SCRIPT)
