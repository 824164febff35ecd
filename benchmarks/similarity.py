"""How long a warm search over many chunks takes, over HTTP: `python benchmarks/similarity.py [chunks]`. Below 100 ms is promised.

Real objects are put by S3's PUT and embedded by a task, in a server of this process on loopback.
"""

import statistics
import sys
import time

import httpx

from mock_server import LocalServer, Settings

EACH = 2000  # chunks of an object
ROUNDS = 15
PROMISED = 100.0  # ms
QUERIES = ("What is Telnyx?", "how do I port my phone number to another carrier", "When are invoices sent? " * 20)
HEADERS = {"authorization": "Bearer benchmark-similarity"}


def main(chunks: int) -> int:
    """Exit code 1 when a median is over what is promised."""
    with (
        LocalServer(Settings(port=0)) as server,
        httpx.Client(base_url=server.url, headers=HEADERS, timeout=600) as http,
    ):
        fill(http, chunks)
        slow = False
        for query in QUERIES:
            times = [search(http, query) for _ in range(ROUNDS)]
            slow = slow or statistics.median(times) > PROMISED
            shown = f"{statistics.median(times):.1f} ms, worst {max(times):.1f} ms"
            print(f"search over {chunks} chunks, {len(query)} characters: median {shown}")
    return int(slow)


def fill(http: httpx.Client, chunks: int) -> None:
    """A bucket of text objects whose sentences are cut one by one, embedded, and once searched."""
    http.put("/s3/large").raise_for_status()
    for n in range(chunks // EACH):
        lines = (
            f"customer {n} ported number {k} to carrier {k * 7 % 1009}, invoice {k % 53}, agent {k % 97}."
            for k in range(EACH)
        )
        http.put(f"/s3/large/{n}.txt", content="\n".join(line.ljust(99, ".") for line in lines)).raise_for_status()
    started = time.perf_counter()
    body = {"bucket_name": "large", "document_chunk_size": 100, "document_chunk_overlap_size": 0}
    task = http.post("/v2/ai/embeddings", json=body).raise_for_status().json()["data"]["task_id"]
    while (status := http.get(f"/v2/ai/embeddings/{task}").json()["data"]["status"]) in ("queued", "processing"):
        pass  # each read waits up to a second for the work
    assert status == "success", status
    print(f"embedded {chunks} chunks in {time.perf_counter() - started:.0f} s")
    search(http, QUERIES[0])


def search(http: httpx.Client, query: str) -> float:
    """Milliseconds of one search."""
    started = time.perf_counter()
    answer = http.post("/v2/ai/embeddings/similarity-search", json={"bucket_name": "large", "query": query})
    taken = (time.perf_counter() - started) * 1000
    assert len(answer.raise_for_status().json()["data"]) == 3
    return taken


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
