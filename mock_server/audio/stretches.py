"""Sound cut into units of a hundredth of a second: how loud each is, and its samples where somebody wants them."""

from mock_server.audio.pieces import LOWEST, Sound
from mock_server.audio.samples import WIDTH, peaks, thinned

UNIT = 0.01  # seconds


class Stretch:
    """Units in a row. `peaks`: how loud each is, 1 is full scale. `unit`: seconds of one. `at`: the first not heard yet.

    Of its samples `step` together make one at 8 to 16 kHz, of which `size` are a unit.
    """

    __slots__ = ("_samples", "_step", "at", "peaks", "size", "unit")

    def __init__(
        self, peaks: list[float], unit: float = UNIT, samples: bytes | None = None, step: int = 1, size: int = 0
    ) -> None:
        """`samples`: None where they cannot be decoded."""
        self.peaks, self.unit, self.size, self.at = peaks, unit, size, 0
        self._samples, self._step = samples, step

    @property
    def opaque(self) -> bool:
        return self._samples is None

    def samples(self, first: int, end: int) -> bytes:
        """Of some units, at 8 to 16 kHz."""
        samples = self._cut(first, end)
        assert samples is not None
        return thinned(samples, self._step)

    def last(self, end: int) -> "Stretch":
        """The unit before a place by itself, so that the others need not be kept."""
        return Stretch(self.peaks[end - 1 : end], self.unit, self._cut(end - 1, end), self._step, self.size)

    def _cut(self, first: int, end: int) -> bytes | None:
        width = self.size * self._step * WIDTH
        return None if self._samples is None else self._samples[first * width : end * width]


class Cutter:
    """Cuts sound of one rate, in Hz, wherever it was cut before."""

    def __init__(self, rate: int) -> None:
        self._step = max(rate // LOWEST, 1)
        self.rate = rate / self._step  # of the samples of its stretches
        self._size = max(round(UNIT * self.rate), 1)
        self._rest = b""  # samples that make no unit yet

    def cut(self, sound: Sound) -> Stretch | None:
        """The units that are now whole."""
        samples = self._rest + sound.samples
        width = self._size * self._step
        whole = len(samples) // (width * WIDTH) * (width * WIDTH)
        self._rest = samples[whole:]
        if not whole:
            return None
        samples = samples[:whole]
        return Stretch(peaks(samples, width), self._size / self.rate, samples, self._step, self._size)
