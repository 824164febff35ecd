"""Numbers and texts that fit a schema: candidates, the likeliest first. Whether they fit altogether is for others to check."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

from mock_server.base.regex import LONGEST_TEXT, RegexError
from mock_server.base.schema import formats
from mock_server.base.schema.document import Document, SchemaError

Facets = Sequence[dict[str, Any]]  # schemas that the value must all fit
MOST_NUMBERS = 2000
FORMATTED = 500
OTHERS = ("x", "0", "A", "-", "é", "Yes", "none")  # texts for schemas that refuse the usual ones
PLAIN = 1000  # numbered texts


def numbers(facets: Facets, whole: bool, draw: float | None, index: int) -> Iterator[int | float]:
    """Numbers within the bounds, on the steps. `draw` in [0, 1) says where in the range to begin, None at its start."""
    lows = [(Fraction(f[w]), w[0] == "e") for f in facets for w in ("minimum", "exclusiveMinimum") if w in f]
    highs = [(Fraction(f[w]), w[0] == "e") for f in facets for w in ("maximum", "exclusiveMaximum") if w in f]
    low, above = max(lows, default=(None, False))
    high, below = min(highs, key=lambda pair: (pair[0], not pair[1]), default=(None, False))
    steps = [_exact(f["multipleOf"]) for f in facets if "multipleOf" in f] + [Fraction(1)] * whole
    if steps:
        step = steps[0]
        for other in steps[1:]:
            step = _common(step, other)
        yield from _stepped(step, low, above, high, below, draw, index)
    else:
        yield from _between(low, above, high, below, draw, index)


def _exact(value: float) -> Fraction:
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


def _common(one: Fraction, other: Fraction) -> Fraction:
    """The least that both divide."""
    return Fraction(math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator))


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def _stepped(
    step: Fraction,
    low: Fraction | None,
    above: bool,
    high: Fraction | None,
    below: bool,
    draw: float | None,
    index: int,
) -> Iterator[int | float]:
    if low is None:
        low = min(Fraction(1), high) if high is not None else Fraction(1)
        if high is not None and high < 1:
            low = high - step * 9
    first = math.ceil(low / step)
    first += above and first * step == low
    usual = max(math.floor(Fraction(10) / step), first) if low <= 1 else first + 9
    last = usual if high is None else math.floor(high / step)
    last -= below and high is not None and last * step == high
    count = min(last - first + 1, 10**6)
    if count <= 0:
        return
    begin = ((0 if draw is None else int(draw * count)) + index) % (count if high is not None else 10**6)
    for n in range(min(count, MOST_NUMBERS) if high is not None else MOST_NUMBERS):
        place = (begin + n) % count if high is not None else begin + n
        yield _plain((first + place) * step)
    if high is not None and count > MOST_NUMBERS:
        yield _plain(last * step)


def _between(
    low: Fraction | None, above: bool, high: Fraction | None, below: bool, draw: float | None, index: int
) -> Iterator[int | float]:
    least = low if low is not None else min(Fraction(1), high - 9 * below) if high is not None else Fraction(1)
    most = high if high is not None else max(least, Fraction(10) if least <= 1 else least + 9)
    if draw is not None:
        yield from _rounded(least + (most - least) * Fraction(draw), above or below)
    width = most - least
    if not above:
        yield from _rounded(least + index if high is None or least + index <= high else least, False)
    for parts in (1, 2, 10, 3, 7, 100, 1000):
        for n in range(1, parts):
            yield from _rounded(least + width * n / parts, True)
    if not below:
        yield _plain(most)
    for n in range(1, MOST_NUMBERS if high is None else 1):
        yield _plain(least + index + n)


def _rounded(value: Fraction, strictly: bool) -> Iterator[int | float]:
    """A number to two places where that is in keeping, and as it is."""
    short = Fraction(round(value * 100), 100)
    if short != value or not strictly:
        yield _plain(short)
    yield _plain(value)


def texts(document: Document, facets: Facets, word: str, index: int) -> Iterator[str]:
    """Texts of a length, pattern and format; `word` is what they say where nothing else decides. Raises SchemaError."""
    least = max([f["minLength"] for f in facets if "minLength" in f], default=0)
    most = min([f["maxLength"] for f in facets if "maxLength" in f], default=LONGEST_TEXT)
    if least > LONGEST_TEXT:
        raise SchemaError(f"a text of {least} characters is asked for, {LONGEST_TEXT} are the most that is made")
    least, most = int(least), int(min(most, LONGEST_TEXT))
    document.spend(least // 8)
    for name in [f["format"] for f in facets if "format" in f]:
        for n in range(index, index + FORMATTED):
            text = formats.text(name, n)
            if text is None:
                break
            yield text if len(text) >= least else _lengthened(name, text, least)
    for pattern in [f["pattern"] for f in facets if "pattern" in f]:
        try:
            found = document.pattern(pattern).texts(least, most, document.pattern_steps)
            first = list(islice(found, index))  # an item of an array takes another than its neighbour
            yield from found
            yield from first
        except RegexError as error:
            raise SchemaError(str(error)) from None
    for n in range(index, index + PLAIN):
        yield _sized(f"{word} {n + 1}" if n else word, least, most)
        if n == index + 2:
            yield from (_sized(other, least, most) for other in OTHERS)
        if most < 4 and n > index + 2:
            yield _sized(f"{n:x}", least, most)


def _sized(text: str, least: int, most: int) -> str:
    """The text cut, or said again and again, until it has the length."""
    if len(text) < least:
        text = f"{text} " * (least // (len(text) + 1) + 1)
        text = text[:least].rstrip()
        text += "." * (least - len(text))
    return text[:most]


def _lengthened(name: str, text: str, least: int) -> str:
    """A text of a format that can be longer, made so."""
    missing = "x" * (least - len(text))
    if name in ("email", "idn-email"):
        local, _, host = text.partition("@")
        return f"{local}{missing[: 60 - len(local)]}@{missing[60 - len(local) :]}{host}"
    return text + missing if name.startswith(("uri", "iri", "url", "json-pointer")) else text
