"""Sound cut into units of a hundredth of a second: how loud each is, and its samples where somebody wants them."""

from typing import TYPE_CHECKING, Any

from mock_server.audio.pieces import LOWEST, Sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

UNIT = 0.01  # seconds


class Stretch:
    """Units in a row. `peaks`: how loud each is, 1 is full scale. `unit`: seconds of one. `at`: the first not heard yet.

    Of its samples `step` together make one at 8 to 16 kHz, of which `size` are a unit. `full` is full scale in them.
    """

    __slots__ = ("_samples", "at", "full", "peaks", "size", "step", "unit")

    def __init__(
        self,
        peaks: list[float],
        unit: float = UNIT,
        samples: Any = None,
        step: int = 1,
        full: float = 1.0,
        size: int = 0,
    ) -> None:
        """`samples`: None where they cannot be decoded."""
        self.peaks, self.unit, self.size, self.step, self.full, self.at = peaks, unit, size, step, full, 0
        self._samples = samples

    @property
    def opaque(self) -> bool:
        return self._samples is None

    def samples(self, first: int, end: int) -> Any:
        """Of some units, as they came: a view."""
        width = self.size * self.step
        return self._samples[first * width : end * width]


def thinned(samples: Any, step: int) -> "Floats":
    """Each the sum of `step` of them, which may be rows."""
    floats: Floats = samples.astype("f4")
    if step == 1:
        return floats
    sums: Floats = floats[..., ::step] + floats[..., 1::step]
    for place in range(2, step):  # numpy's sum of short rows takes ten times as long
        sums += floats[..., place::step]
    return sums


class Cutter:
    """Cuts sound of one rate, in Hz, wherever it was cut before."""

    def __init__(self, rate: int) -> None:
        self._step = max(rate // LOWEST, 1)
        self.rate = rate / self._step  # of the samples of its stretches
        self._size = max(round(UNIT * self.rate), 1)
        self._rest: Any = None  # samples that make no unit yet
        self._full = 1.0  # what full scale is in them

    def cut(self, sound: Sound) -> Stretch | None:
        """The units that are now whole."""
        import numpy as np

        samples: Any = sound.samples
        if self._rest is not None:
            if sound.full != self._full:
                self._rest, samples = self._rest / self._full * sound.full, samples.astype(np.float32)
            samples = np.concatenate([self._rest, samples])
        self._full = sound.full
        width = self._size * self._step
        whole = len(samples) // width * width
        self._rest = samples[whole:] if whole < len(samples) else None
        if not whole:
            return None
        samples = samples[:whole]
        loud = np.abs(samples)
        if loud.dtype == np.int16:
            loud = loud.view(np.uint16)  # of the least of them there is no positive one
        peaks: Any = np.maximum.reduceat(loud, np.arange(0, whole, width)) / sound.full
        return Stretch(peaks.tolist(), self._size / self.rate, samples, self._step, sound.full, self._size)
