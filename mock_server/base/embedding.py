"""Text as a vector: hashed words and pieces of words, so that texts which share words lie near each other.

Pure and deterministic: the same text gives the same vector on every machine. It knows no meaning: synonyms are strangers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import log, sqrt
from struct import pack, unpack

DIGITS = 7  # decimals of a vector's numbers: as many as a 32-bit float holds
WORD = re.compile(r"[^\W_]+")
LONGEST_WORD = 64  # characters of a word that count
PIECE = 4  # characters of a piece of a word


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


# How much a word says: nearly nothing, little, or the more the longer it is. From lists of the most frequent English words.
FUNCTION_WORDS = _listed(
    """a about above after again against all also am an and any anyone are as at away be because been before being below
    between both but by can cannot could did do does doing done down during each either else enough ever every few for from
    further get gets got had has have having he her here hers him himself his how however i if in into is it its itself just
    least less let like made make makes many may me might mine more most much must my myself neither never no none nor not
    now of off often on once only onto or other others ought our ours out over own per quite rather s same shall she should
    since so some someone something soon still such t than that the their theirs them themselves then there these they thing
    things this those though through thus to too toward towards under until up upon us very was way we went were what
    whatever when where whether which while who whom whose why will with within without would yes yet you your yours"""
)
COMMON_WORDS = _listed(
    """ago allow almost already always answer appear ask asked become began begin behind best better big bring call called
    came cause certain change come comes common day days different end even example exactly fact far feel find first five
    follow form found four full gave give given gives go goes going good great group grow hand hard help high hold idea
    instead keep kept kind know known large last late later learn leave led left line little live long look lot main man
    matter mean means men move name near need needs new next nothing number old one open order part people place plan point
    possible problem put question read real really reason right run said saw say second see seem seen set several short show
    side simple six small start state stop sure take taken takes tell ten third think three time times today together told
    took try turn two use used uses using usually want wants water week well whole why wide woman women word work works world
    write wrong year years young"""
)
ENDINGS = ("ations", "ation", "ings", "ing", "ies", "edly", "ed", "ers", "er", "es", "ly", "s", "e", "y")
PIECES_WEIGH = 0.5  # of what the word weighs, all its pieces together
PAIR_WEIGHS = 0.3  # of what two words that follow each other weigh, together

Feature = tuple[int, float]  # dimension, signed weight


def embed(text: str, dimensions: int, model: str = "") -> list[float]:
    """A vector of unit length. Every model spreads the words over the dimensions in its own way."""
    values = _spread(text, dimensions, model)
    length = sqrt(sum([value * value for value in values]))
    return [round(value / length, DIGITS) for value in values]


def embed_bytes(text: str, dimensions: int, model: str = "") -> bytes:
    """The same vector coarsely: a signed byte for each dimension, to be scaled to unit length again."""
    values = _spread(text, dimensions, model)
    scale = 127 / max(abs(value) for value in values)
    return pack(f"{dimensions}b", *[round(value * scale) for value in values])


def as_floats(values: Sequence[float]) -> bytes:
    """The numbers as little-endian 32-bit floats."""
    return pack(f"<{len(values)}f", *values)


def from_floats(data: bytes) -> tuple[float, ...]:
    """Back from `as_floats`."""
    return unpack(f"<{len(data) // 4}f", data)


def count_tokens(text: str) -> int:
    """A quarter of its characters, rounded up: a stand-in for the model's own tokens."""
    return (len(text) + 3) // 4


def _spread(text: str, dimensions: int, model: str) -> list[float]:
    """What a text consists of, added up in each dimension; a word that comes again counts less each time. Never all zero."""
    values = [0.0] * dimensions
    words = [word[:LONGEST_WORD] for word in WORD.findall(text.lower())]
    for word, times in Counter(words).items():
        tf = 1.0 if times == 1 else 1 + log(times)
        for place, weight in _of_word(word, dimensions, model):
            values[place] += weight * tf
    telling = [word for word in words if word not in FUNCTION_WORDS]
    for first, second in pairwise(telling):
        place, weight = _feature(
            f"{stem(first)} {stem(second)}", PAIR_WEIGHS * min(_weight(first), _weight(second)), dimensions, model
        )
        values[place] += weight
    if not any(values):  # no word in it, or what is in it cancels out
        place, weight = _feature(text, 1.0, dimensions, model)
        values[place] = weight
    return values


@lru_cache(maxsize=20_000)
def _of_word(word: str, dimensions: int, model: str) -> tuple[Feature, ...]:
    """The word without its ending, and its pieces."""
    weight = _weight(word)
    whole = _feature(stem(word), weight, dimensions, model)
    if word in FUNCTION_WORDS or word.isdigit():
        return (whole,)
    framed = f"<{stem(word)}>"
    pieces = [framed[n : n + PIECE] for n in range(max(len(framed) - PIECE + 1, 1))]
    each = weight * PIECES_WEIGH / sqrt(len(pieces))
    return (whole, *[_feature("#" + piece, each, dimensions, model) for piece in pieces])


def _feature(name: str, weight: float, dimensions: int, model: str) -> Feature:
    digest = blake2b(f"{model}\0{name}".encode("utf-8", "replace"), digest_size=8).digest()
    hashed = int.from_bytes(digest, "little")
    return hashed % dimensions, weight if hashed & 1 << 63 else -weight


@lru_cache(maxsize=20_000)
def _weight(word: str) -> float:
    if word in FUNCTION_WORDS:
        return 0.05
    if word in COMMON_WORDS or stem(word) in COMMON_WORDS:
        return 0.5
    return 1.0 + 0.06 * min(len(word), 12)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word without a common English ending, as far as three letters are left."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "eyi" else word
