"""Asking over and over for what another task or process brings about, for as long as a loaded machine may take."""

import time
from collections.abc import Iterator

PATIENCE = 20.0  # seconds; what a test waits for comes in some milliseconds


def tries(seconds: float = PATIENCE) -> Iterator[int]:
    """Numbers until the time is up: `next(found for _ in tries() if (found := look()))`."""
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        yield number
        number += 1
