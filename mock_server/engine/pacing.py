"""How fast a streamed reply comes: the waits before its events."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds before the first event, and events a second after it; neither means that all come at once."""

    first: float = 0.0
    per_second: float | None = None

    def waits(self, events: int) -> Sequence[float] | None:
        """Seconds before each of `events` events, None for no pacing. The last two, finish and [DONE], do not wait."""
        if not self.first and self.per_second is None:
            return None
        gap = 1 / self.per_second if self.per_second else 0.0
        return [self.first if n == 0 else gap if n < events - 2 else 0.0 for n in range(events)]
