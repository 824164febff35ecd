"""How long a warm search over many chunks takes, and what memory they take: `python benchmarks/similarity.py [chunks]`."""

import sys
from time import perf_counter

from mock_server.base.embedding import embed, embed_bytes
from mock_server.engine.vectors import Matrix, merged

DIMENSIONS = 1024
QUERIES = ("What is Telnyx?", "how do I port my phone number to another carrier", "When are invoices sent? " * 20)


def main(count: int) -> None:
    matrix = Matrix(DIMENSIONS)
    some = [embed_bytes(f"word{n} and word{n * 7} near word{n * 13}", DIMENSIONS) for n in range(2000)]
    for document in range(1, count // len(some) + 1):
        matrix.add(document, 0, some)
    print(f"{count} chunks: {sum(block.data.nbytes for block in matrix.blocks) / 1e6:.0f} MB")
    for query in QUERIES:
        vector = embed(query, DIMENSIONS)
        times = []
        for _ in range(10):
            started = perf_counter()
            merged([hit for block in matrix.blocks for hit in block.nearest(vector, 3)], 3)
            times.append(perf_counter() - started)
        print(f"{len(query)} characters: median {sorted(times)[5] * 1000:.1f} ms, worst {max(times) * 1000:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
