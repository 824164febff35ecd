"""Vectors in memory, to find the nearest among many: made from rows when first needed, kept in step with them, never kept.

A number in a vector takes one byte, and dimensions lie one after the other, so that a short query touches little of it:
100,000 vectors of 1024 dimensions take 100 MB. numpy is imported when the first matrix is made.
"""

import asyncio
from collections.abc import Sequence
from heapq import nsmallest

BLOCK_SIZES = (64, 512, 4096)  # columns of the first blocks, and of every later one
Key = tuple[str, str]  # account, bucket
Found = tuple[float, int, int]  # distance in [0, 1], document, its chunk


class Block:
    """Columns that are filled one after the other. A column without a norm holds nothing that counts."""

    def __init__(self, dimensions: int, size: int) -> None:
        import numpy as np

        self._np = np
        self.data = np.zeros((dimensions, size), np.int8)
        self.scale = np.zeros(size, np.float32)  # what makes a column one of unit length
        self.rows: list[tuple[int, int]] = []
        self.left = size

    def add(self, document: int, first: int, vectors: Sequence[bytes]) -> None:
        np = self._np
        start, stop = len(self.rows), len(self.rows) + len(vectors)
        columns = np.frombuffer(b"".join(vectors), np.int8).reshape(len(vectors), -1)
        self.data[:, start:stop] = columns.T
        norms = np.sqrt((columns.astype(np.float32) ** 2).sum(axis=1))
        self.scale[start:stop] = 1 / np.maximum(norms, 1)
        self.rows += [(document, first + n) for n in range(len(vectors))]
        self.left -= len(vectors)

    def remove(self, document: int) -> int:
        """Forget the chunks of a document; how many they were."""
        gone = [place for place, row in enumerate(self.rows) if row[0] == document and self.scale[place]]
        self.scale[gone] = 0
        return len(gone)

    def nearest(self, query: Sequence[float], most: int) -> list[Found]:
        np, filled = self._np, len(self.rows)
        values = np.array(query, np.float32)
        telling = np.flatnonzero(values)
        near = (values[telling] @ self.data[telling, :filled].astype(np.float32)) * self.scale[:filled]
        near[self.scale[:filled] == 0] = -2
        # The last place is shared: who is in it must not depend on how numpy partitions.
        edge = np.partition(near, filled - most)[filled - most] if filled > most else -2
        places = np.flatnonzero((near >= edge) & (near > -2))
        return [(round(min(max(1 - float(near[p]), 0.0), 1.0), 6), *self.rows[p]) for p in places]


class Matrix:
    """The vectors of one bucket's chunks."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self.blocks: list[Block] = []
        self._dead = self._live = 0

    def add(self, document: int, first: int, vectors: Sequence[bytes]) -> None:
        """Take in the chunks of a document from its `first` on."""
        while vectors:
            if not self.blocks or not self.blocks[-1].left:
                size = BLOCK_SIZES[min(len(self.blocks), len(BLOCK_SIZES) - 1)]
                self.blocks.append(Block(self._dimensions, size))
            some = vectors[: self.blocks[-1].left]
            self.blocks[-1].add(document, first, some)
            vectors, first = vectors[len(some) :], first + len(some)
            self._live += len(some)

    def remove(self, document: int) -> None:
        gone = sum(block.remove(document) for block in self.blocks)
        self._live, self._dead = self._live - gone, self._dead + gone

    def is_wasteful(self) -> bool:
        """Whether most of it is what was removed, so that it is better made anew."""
        return self._dead > self._live + 1000


def merged(found: Sequence[Found], most: int) -> list[Found]:
    """The nearest of what several blocks found, in a stable order."""
    return nsmallest(most, found)


class Entry:
    """What is known in memory of one embedded bucket. `live` until a reset or a delete forgets it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()  # held while rows of the bucket change
        self.live = True
        self.matrix: Matrix | None = None


class Vectors:
    """The embedded buckets of every account, as far as they are in memory, and the work that is under way on them."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}
        self.working: dict[tuple[str, str], asyncio.Event] = {}  # by account and what is worked at; set when it is done

    def entry(self, account: str, bucket: str) -> Entry:
        return self._entries.setdefault((account, bucket), Entry())

    def drop(self, account: str, bucket: str) -> None:
        """Forget a bucket; who works on it finds its entry no longer live."""
        entry = self._entries.pop((account, bucket), None)
        if entry is not None:
            entry.live = False

    def reset(self, account: str | None = None) -> None:
        for owner, bucket in list(self._entries):
            if account is None or owner == account:
                self.drop(owner, bucket)
        for key in [key for key in self.working if account is None or key[0] == account]:
            self.working.pop(key).set()
