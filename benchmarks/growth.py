"""How listing slows down as rows grow: each query's time over 100,000 conversations against 1,000, as a ratio.

    python benchmarks/growth.py [--rows 100000] [--rounds 30] [--db]

Rows go straight into the tables, requests through a real server on loopback. Every ratio should stay below 3. Two kinds of
data are asked for: what is rare (one match however many rows there are) and what is common (a tenth of all rows).
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from mock_server import LocalServer, Settings
from mock_server.base.ids import account_id

BASE_ROWS = 1000
START_MS = 1_735_689_600_000  # 2025-01-01
STEP_MS = 60_000
QUERIES = {
    "eq on id": "id=eq.{id}",
    "eq on a rare metadata key": "metadata->call_control_id=eq.v3:{middle}",
    "eq on a common metadata key": "metadata->assistant_id=eq.assistant-3",
    "eq on a common and a rare key": "metadata->assistant_id=eq.assistant-3&metadata->telnyx_end_user_target=eq.%2B1555{target}",
    "common metadata key, by last message": "metadata->assistant_id=eq.assistant-3&order=last_message_at.desc",
    "time range of 50 rows": "created_at=gte.2025-01-01T05:00:00Z&created_at=lt.2025-01-01T05:50:00Z",
    "time range, open": "created_at=gte.2025-01-01T05:00:00Z",
    "time range on last_message_at": "last_message_at=gte.2025-01-01T05:00:00Z&order=last_message_at.asc",
    "like, rare fixed prefix": "name=like.Call 000{middle3}%25",
    "like, common fixed prefix": "name=like.Call%25",
    "ordered first page": "order=created_at.desc&limit=20",
    "ordered first page, by last message": "order=last_message_at.asc&limit=20",
    "ordered first page, by name": "order=name.asc&limit=20",
    "no query": "",
    "first page with meta": "page[size]=20",
    "(no index: like %x%)": "name=like.%25xyzzy%25",
}


def fill(server: LocalServer, key: str, rows: int) -> str:
    """Insert `rows` conversations of one account; the id of the middle one."""
    from mock_server.domains.conversations import service
    from mock_server.engine.store import RAISE

    world, account = server.app.world, account_id(key.encode())
    store = world.store
    conversations, pairs = [], []
    for n in range(1, rows + 1):
        id, at = world.ids.uuid(account, "conversation", n), START_MS + n * STEP_MS
        metadata = {
            "assistant_id": f"assistant-{n % 10}",
            "call_control_id": f"v3:{n}",
            "telnyx_end_user_target": f"+1555{n:07d}",
        }
        conversations.append({"account": account, "id": id, "n": n, "name": f"Call {n:06d}", "created_at": at,
                              "last_message_at": at, "metadata": service._json(metadata), "messages": 0})  # fmt: skip
        pairs += service._pairs(account, metadata, at, n, id)
    store.begin()
    store.run(RAISE, account=account, kind=service.KIND, n=rows)
    store.run_many(service.INSERT, conversations)
    store.run_many(service.INSERT_PAIR, pairs)
    store.commit()
    return str(conversations[rows // 2]["id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--db", action="store_true", help="in a file instead of memory")
    options = parser.parse_args()
    sizes = {"few": BASE_ROWS, "many": options.rows}
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(port=0, db=Path(folder) / "growth.db" if options.db else None)
        with LocalServer(settings) as server, httpx.Client(base_url=server.url + "/v2", timeout=60) as http:
            http.get("/ai/conversations", headers={"authorization": "Bearer few"})
            ids = {key: fill(server, key, rows) for key, rows in sizes.items()}
            print(f"{'query':40} {BASE_ROWS:>9} ms {options.rows:>9} ms   ratio")
            for name, query in QUERIES.items():
                times = {key: measure(http, key, query, ids[key], sizes[key] // 2, options.rounds) for key in sizes}
                print(f"{name:40} {times['few']:12.2f} {times['many']:12.2f} {times['many'] / times['few']:7.2f}")


def measure(http: httpx.Client, key: str, query: str, id: str, middle: int, rounds: int) -> float:
    """Median milliseconds of a list request."""
    filled = query.format(
        id=id, middle=middle, middle3=f"{middle % 1000:03d}"[:3], target=f"{middle // 10 * 10 + 3:07d}"
    )
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        answer = http.get("/ai/conversations?" + filled, headers={"authorization": f"Bearer {key}"})
        times.append(time.perf_counter() - before)
        assert answer.status_code == 200, answer.text
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
