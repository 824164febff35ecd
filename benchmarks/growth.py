"""How the cost of an operation grows with what is stored: its time at a million conversations against a thousand.

    python benchmarks/growth.py [--conversations 1000000] [--messages 100000] [--rounds 9] [--db] [--only TEXT] [--json FILE]

Every size has a server of its own in this process, filled by plain SQL; requests go straight into the application, for the
time of a connection would hide growth. Sizes take turns, figures are medians: of CPU time, which other load changes little;
with --db of the machine's time, for then disks are waited for.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import filling
from report import _number as number
from report import _table as table

from mock_server import Settings, create_app

SMALLEST = 1000
BOUND = 1.5
EACH = 15  # requests of one operation in a row, before the next size has its turn
HEADERS = [(b"authorization", b"Bearer " + filling.KEY.encode()), (b"content-type", b"application/json")]
PATH = "/v2/ai/conversations"
# List queries. What is rare has one match however many rows there are, what is common a tenth of all.
LISTS = {
    "list, first page": "",
    "list, first page with meta": "page[size]=20",
    "list, newest first": "order=created_at.desc&limit=20",
    "list, by last message": "order=last_message_at.asc&limit=20",
    "list, by name": "order=name.asc&limit=20",
    "list, eq on id": "id=eq.{id}",
    "list, eq on name": "name=eq.Call {n:07d}",
    "list, eq on a rare metadata key": "metadata->call_control_id=eq.v3:{n}",
    "list, eq on a common metadata key": "metadata->assistant_id=eq.assistant-3",
    "list, eq on a common and a rare key": "metadata->assistant_id=eq.assistant-3&metadata->telnyx_end_user_target=eq.%2B1555{ten:07d}",
    "list, time range of 50": "created_at=gte.2025-01-01T05:00:00Z&created_at=lt.2025-01-01T05:50:00Z",
    "list, time range, open": "created_at=gte.2025-01-01T05:00:00Z",
    "list, like with a rare prefix": "name=like.Call {n:07d}%25",
    "list, like with a common prefix": "name=like.Call%25",
}
# No index serves these, or none for both filter and order: shown, and not held to the bound.
UNINDEXED = {
    "(list, common key by last message)": "metadata->assistant_id=eq.assistant-3&order=last_message_at.desc",
    "(list, like %x%)": "name=like.%25xyzzy%25",
    "(list, eq on a common key with meta)": "metadata->assistant_id=eq.assistant-3&page[size]=20",
}


class Grown:
    """A server filled to a size, and what it is asked. Ids come in no order, as those of a test suite would not."""

    def __init__(self, size: int, kind: str, folder: Path | None, stack: ExitStack) -> None:
        self.size, self.kind = size, kind
        self._clock = time.thread_time if folder is None else time.perf_counter
        self.app = create_app(Settings(port=0, db=folder / f"{kind}-{size}.db" if folder else None))
        self.app.enter_all_rooms()
        stack.callback(self.app.world.store.close)
        store = self.app.world.store
        filling.conversations(store, size if kind == "conversations" else SMALLEST)
        self.long = filling.id_of(SMALLEST // 2)
        if kind == "messages":
            filling.messages(store, self.long, size)
        self._steps: Iterator[int] = (i * 7919 % (size - 2) + 1 for i in count(1))

    def any(self) -> int:
        """The number of one of the conversations."""
        return next(self._steps)

    async def ask(self, method: str, path: str, query: str = "", body: Any = None) -> float:
        """Seconds that a request takes from its first byte to its last."""
        content = b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "http_version": "1.1", "scheme": "http",
            "query_string": query.encode(), "headers": [*HEADERS, (b"content-length", b"%d" % len(content))],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
        }  # fmt: skip
        answer: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            answer.append(message)

        before = self._clock()
        await self.app(scope, receive, send)
        taken = self._clock() - before
        if answer[0]["status"] != 200:
            raise SystemExit(
                f"{method} {path}?{query} was answered with {answer[0]['status']}: {answer[1]['body'][:300]}"
            )
        return taken


Operation = Callable[[Grown], Awaitable[float]]


def lists(query: str) -> Operation:
    def ask(grown: Grown) -> Awaitable[float]:
        n = grown.any()
        return grown.ask("GET", PATH, query.format(n=n, id=filling.id_of(n), ten=n // 10 * 10 + 3))

    return ask


BODY = {"name": "growth", "metadata": {"suite": "growth"}}
MESSAGE = {"role": "user", "content": "One more."}
CONVERSATIONS: dict[str, Operation] = {
    "create": lambda grown: grown.ask("POST", PATH, body=BODY),
    "get": lambda grown: grown.ask("GET", f"{PATH}/{filling.id_of(grown.any())}"),
    "update": lambda grown: grown.ask("PUT", f"{PATH}/{filling.id_of(grown.any())}", body={"metadata": {"a": "b"}}),
    "append a message": lambda grown: grown.ask("POST", f"{PATH}/{filling.id_of(grown.any())}/message", body=MESSAGE),
    "list messages": lambda grown: grown.ask("GET", f"{PATH}/{filling.id_of(grown.any())}/messages"),
    **{name: lists(query) for name, query in (LISTS | UNINDEXED).items()},
}
MESSAGES: dict[str, Operation] = {
    "append to a long one": lambda grown: grown.ask("POST", f"{PATH}/{grown.long}/message", body=MESSAGE),
    "list messages, first page": lambda grown: grown.ask("GET", f"{PATH}/{grown.long}/messages"),
    "list messages, last page": lambda grown: grown.ask(
        "GET", f"{PATH}/{grown.long}/messages", f"page[number]={grown.size // 20}"
    ),
    "get a long one": lambda grown: grown.ask("GET", f"{PATH}/{grown.long}"),
}


class Deleting:
    """Deletes conversations, each once: the last of a block are made anew by nobody, so it comes after all else."""

    def __init__(self) -> None:
        self.gone: dict[int, Iterator[int]] = {}

    def __call__(self, grown: Grown) -> Awaitable[float]:
        numbers = self.gone.setdefault(id(grown), iter(range(1, grown.size)))
        return grown.ask("DELETE", f"{PATH}/{filling.id_of(next(numbers))}")


async def measure(worlds: list[Grown], operation: Operation, rounds: int) -> dict[int, float]:
    """Median milliseconds by size."""
    times: dict[int, list[float]] = {grown.size: [] for grown in worlds}
    for _ in range(rounds):
        for grown in worlds:
            await operation(grown)  # what the size before has left in the processor's caches is not counted
            for _ in range(EACH):
                taken = await operation(grown)
                times[grown.size].append(taken)
                if taken > 0.05:  # once is enough of what walks through all rows
                    break
    return {size: statistics.median(taken) * 1000 for size, taken in times.items()}


def sizes(largest: int) -> list[int]:
    found = [SMALLEST]
    while found[-1] * 10 <= largest:
        found.append(found[-1] * 10)
    return found if found[-1] == largest or largest <= SMALLEST else [*found, largest]


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """{conversations: {operation: {size: ms}}, messages: the same}."""
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if options.db else None
        for kind, operations, largest in (
            ("conversations", {**CONVERSATIONS, "delete": Deleting()}, options.conversations),
            ("messages", MESSAGES, options.messages),
        ):
            wanted = {name: operation for name, operation in operations.items() if options.only in name}
            if not wanted:
                continue
            worlds = []
            for size in sizes(largest):
                print(f"filling a server with {size:,} {kind}", file=sys.stderr, flush=True)
                worlds.append(Grown(size, kind, folder, stack))
            results[kind] = {
                name: await measure(worlds, operation, options.rounds) for name, operation in wanted.items()
            }
    return results


def markdown(results: dict[str, Any]) -> str:
    parts = []
    for kind, operations in results.items():
        found = list(next(iter(operations.values())))
        rows = [[f"ms, by {kind}", *(f"{size:,}" for size in found), "ratio", ""]]
        for name, times in operations.items():
            ratio = times[found[-1]] / times[found[0]]
            state = "no index" if name.startswith("(") else "met" if ratio <= BOUND else "missed"
            rows.append([name, *(f"{times[size]:.3f}" for size in found), number(ratio), state])
        parts.append(table(rows))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--db", action="store_true", help="in files that are kept")
    parser.add_argument("--only", default="", metavar="TEXT", help="operations with this in their names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args()
    results = asyncio.run(run(options))
    tables = markdown(results)
    print(tables)
    if options.json:
        options.json.write_text(json.dumps({**results, "tables": tables}, indent=1) + "\n")


if __name__ == "__main__":
    main()
