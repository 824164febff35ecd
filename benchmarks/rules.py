"""What reply rules cost a chat: its CPU time among many rules against that among a few, as a ratio.

    python benchmarks/rules.py [--rules 5000] [--rounds 7] [--requests 200] [--json FILE]

Rules of every kind that a test suite has, by API (an account with few, another with many) and in a file (a server with few,
another with many). The same requests go to both by turns, on some connections each, with a number behind the text: no text comes
twice but where that is what is measured. A figure is the server's CPU time, the median over rounds. Every ratio should stay
below 1.5.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from servers import Server

FEW = 16
HOST = "127.0.0.1"
CHAT = "/v2/ai/chat/completions"
LONG = "Some context that was pasted before the question. " * 80  # 4,000 characters
KINDS = 8
TOGETHER = 16
SAME = ("the whole text", "the same 4,000 characters")


def rule(n: int) -> dict[str, Any]:
    """The n-th rule; they come in turn from each of the kinds."""
    matches: list[dict[str, Any]] = [
        {"user_text": f"Question {n}"},
        {"operation": "chat", "user_text": {"contains": f"order {n:05}"}},
        {"user_text": {"regex": rf"(?i)refund .* invoice-{n:05} (?P<why>\w+)"}, "tool_result": False},
        {"model": "openai/*", "user_text": {"regex": rf"^(what|how) .*weather in town{n}\b"}},
        {"tool_result": {"name": f"look_up_{n}"}},
        {"context": f"test_suite.py::test_{n}", "user_text": {"contains": "hello"}},
        {"system_text": {"contains": f"You are agent {n:05}."}, "turn": 1},
        {"metadata": {"ticket": f"T-{n}"}, "tools": ["find_*"]},
    ]
    return {"id": f"r{n}", "match": matches[n % KINDS], "reply": {"text": f"scripted {n}"}}


def tool_talk(name: str) -> list[dict[str, Any]]:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        {"role": "user", "content": "Look it up."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
    ]


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def asks(last: int) -> dict[str, tuple[list[dict[str, Any]], dict[str, str], str | None]]:
    """Messages, more headers, and what is said, for the last rule of each kind; `last` is a multiple of the kinds."""
    n = last - KINDS
    system = {"role": "system", "content": f"You are agent {n + 6:05}. Be brief."}
    return {
        "the whole text": (user(f"Question {n}"), {}, f"scripted {n}"),
        "a part of the text": (user(f"Where is my order {n + 1:05}, please?"), {}, f"scripted {n + 1}"),
        "regex, any case": (user(f"Refund it: INVOICE-{n + 2:05} broken"), {}, f"scripted {n + 2}"),
        "regex, two ways": (user(f"how is the weather in town{n + 3} today?"), {}, f"scripted {n + 3}"),
        "a tool's answer": (tool_talk(f"look_up_{n + 4}"), {}, f"scripted {n + 4}"),
        "the test's context": (
            user("Why, hello!"), {"X-Mock-Context": f"test_suite.py::test_{n + 5}"}, f"scripted {n + 5}",
        ),
        "the system's text": ([system, *user("Go on.")], {}, f"scripted {n + 6}"),
        "a part of 4,000 characters": (user(f"{LONG}order {n + 1:05}"), {}, f"scripted {n + 1}"),
        "the same 4,000 characters": (user(f"{LONG}order {n + 1:05}"), {}, f"scripted {n + 1}"),
        "none of them": (user("Tell me something about the history of Chicago."), {}, None),
    }  # fmt: skip


class Line:
    """Some connections to a server: one that sleeps between requests takes twice the time for each, or half, by which core it
    wakes on.
    """

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._sockets = [socket.create_connection((HOST, server.port)) for _ in range(TOGETHER)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._key = key

    def request(self, messages: list[dict[str, Any]], headers: dict[str, str]) -> bytes:
        body = json.dumps({"model": "openai/gpt-4o", "messages": messages}).encode()
        given = {"Host": HOST, "Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return f"POST {CHAT} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def cpu_ms(self) -> float:
        """CPU time of the server so far; where the kernel does not tell, time itself."""
        spent = self._server.cpu_seconds()
        return (time.perf_counter() if spent is None else spent) * 1000

    def ask(self, *requests: bytes) -> bytes:
        """The first answer; the requests go out together, TOGETHER at most."""
        used = self._sockets[: len(requests)]
        for each, request in zip(used, requests, strict=True):
            each.sendall(request)
        bodies = [_body(each) for each in used]
        return bodies[0]

    def close(self) -> None:
        for each in self._sockets:
            each.close()


def _body(connection: socket.socket) -> bytes:
    got = b""
    while True:
        got += connection.recv(65536)
        head, found, body = got.partition(b"\r\n\r\n")
        if found:
            length = next(int(row[15:]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-length:"))
            if len(body) >= length:
                return body


@contextmanager
def lines(how: str, many: int) -> Iterator[dict[int, Line]]:
    """A connection to where there are few rules, and one to where there are many, by their number."""
    command = [sys.executable, "-m", "mock_server", "serve"]
    opened: dict[int, Line] = {}
    with tempfile.TemporaryDirectory() as folder:
        started: list[Server] = []
        try:
            if how == "API":
                server = Server("mock", command, HOST).__enter__()
                started.append(server)
                with httpx.Client(base_url=f"http://{HOST}:{server.port}/_mock", timeout=60) as admin:
                    for count in (FEW, many):
                        for n in range(count):
                            added = admin.post(
                                "/replies", json=rule(n), headers={"authorization": f"Bearer rules-{count}"}
                            )
                            added.raise_for_status()
                opened = {count: Line(server, f"rules-{count}") for count in (FEW, many)}
            for count in (FEW, many) if how == "file" else ():
                path = Path(folder) / str(count) / "replies" / "rules.json"
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps([rule(n) for n in range(count)], indent=1))
                server = Server("mock", [*command, "--fixtures", str(path.parent.parent)], HOST).__enter__()
                started.append(server)
                print(f"{count:>6} rules in a file: {server.cold:.2f} s to the first answer", file=sys.stderr)
                opened[count] = Line(server, "rules")
            yield opened
        finally:
            for line in opened.values():
                line.close()
            for server in started:
                server.__exit__(None, None, None)


def measure(opened: dict[int, Line], what: str, rounds: int, requests: int) -> tuple[float, float, float]:
    """Medians over the rounds: CPU milliseconds among few, among many, and their ratio. Raises SystemExit for a wrong answer."""
    for count, line in opened.items():
        *_, said = asks(count)[what]
        answered = json.loads(line.ask(_numbered(line, count, what, 0)))["choices"][0]["message"]["content"]
        if (answered != said) if said else answered.startswith("scripted"):
            raise SystemExit(f"{what}, among {count} rules: {answered!r} was said, not {said!r}.")
    few, many = opened
    samples: list[tuple[float, float, float]] = []
    for at in range(rounds):
        taken: dict[int, float] = {}
        for count in (few, many) if at % 2 == 0 else (many, few):
            line = opened[count]
            sent = [_numbered(line, count, what, n) for n in range(at * requests, (at + 1) * requests)]
            before = line.cpu_ms()
            for n in range(0, requests, TOGETHER):
                line.ask(*sent[n : n + TOGETHER])
            taken[count] = (line.cpu_ms() - before) / requests
        samples.append((taken[few], taken[many], taken[many] / taken[few]))
    a, b, ratio = (statistics.median(column) for column in zip(*samples, strict=True))
    return a, b, ratio


def _numbered(line: Line, count: int, what: str, n: int) -> bytes:
    messages, headers, _ = asks(count)[what]
    if what not in SAME:
        messages[-1]["content"] += f" {n}"
    return line.request(messages, headers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", type=Path, help="where every figure goes")
    options = parser.parse_args()
    many = max(options.rules // KINDS, FEW // KINDS + 1) * KINDS
    found: dict[str, dict[str, float]] = {}
    print(f"{'by':5} {'what the rule asks for':30} {FEW:>7} ms {many:>7} ms   ratio")
    for how in ("API", "file"):
        with lines(how, many) as opened:
            for what in asks(many):
                few_ms, many_ms, ratio = measure(opened, what, options.rounds, options.requests)
                found[f"{how}: {what}"] = {"few_ms": few_ms, "many_ms": many_ms, "ratio": ratio}
                print(f"{how:5} {what:30} {few_ms:10.3f} {many_ms:10.3f} {ratio:7.2f}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
