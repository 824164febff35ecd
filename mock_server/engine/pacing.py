"""How fast a streamed reply comes: the waits before its events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Draw = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pacing:
    """Seconds before the first event, and tokens a second after it; neither means that all come at once.

    `jitter` is the share of each wait that chance adds or takes away, `chunk` how many tokens an event has.
    """

    first: float = 0.0
    per_second: float | None = None
    jitter: float = 0.0
    chunk: int = 1

    @property
    def paced(self) -> bool:
        return bool(self.first) or self.per_second is not None

    def waits(self, events: int, draw: Draw | None = None) -> Sequence[float] | None:
        """Seconds before each of `events` events, None for no pacing. The last two, finish and [DONE], do not wait."""
        if not self.paced:
            return None
        gap = self.chunk / self.per_second if self.per_second else 0.0
        waits = [self.first if n == 0 else gap if n < events - 2 else 0.0 for n in range(events)]
        if self.jitter and draw is not None:
            return [wait and wait * (1 + self.jitter * (2 * draw() - 1)) for wait in waits]
        return waits

    def waits_of(self, paced: Sequence[bool], draw: Draw | None = None) -> Sequence[float] | None:
        """Seconds before each event of a stream in which only some carry tokens: those that `paced` says wait."""
        waits = self.waits(sum(paced) + 2, draw)
        if waits is None:
            return None
        left = iter(waits)
        return [next(left) if tokens else 0.0 for tokens in paced]
