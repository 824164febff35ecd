"""Objects that fit a schema: which properties there are, and what their values are combined to."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from mock_server.base.schema import scalars
from mock_server.base.schema.document import Document, SchemaError
from mock_server.base.schema.places import Facets, Goals, Place

if TYPE_CHECKING:
    from mock_server.base.schema.values import Search

LARGEST = 10_000  # properties
TURNS = 4  # candidates of one property that are combined with those of others
COMBINED = 200
NAMES = 30  # made-up names that are tried for one more property


class Objects:
    """Objects in the making. A property's candidates are looked for once, whatever they are combined with."""

    def __init__(self, search: "Search", facets: Facets, place: Place) -> None:
        self._search, self._facets, self._place = search, facets, place
        self._found: dict[str, tuple[list[Any], Iterator[Any]]] = {}

    def _candidate(self, name: str, turn: int) -> Any:
        """The value of a property in its `turn`-th form, or `self` where there is none."""
        if name not in self._found:
            values = self._search.values(
                _goals_of(self._search.document, self._facets, name), self._place.property(name)
            )
            self._found[name] = ([], values)
        known, more = self._found[name]
        while len(known) <= turn:
            value = next(more, self)
            if value is self:
                return self
            known.append(value)
        return known[turn]

    def values(self) -> Iterator[dict[str, Any]]:
        required = list(dict.fromkeys(name for f in self._facets for name in f.get("required", ())))
        known = set(required)
        for name in required:  # grows as it is walked: what is required may require more
            for needed in self._needed(name):
                if needed not in known:
                    known.add(needed)
                    required.append(needed)
        if any(self._candidate(name, 0) is self for name in required):
            return
        optional = [] if self._search.is_lean(self._place) else self._optional(required)
        for names in dict.fromkeys((tuple(self._fitting(required, optional)), tuple(self._fitting(required, [])))):
            yield from self._of_names(names)

    def _needed(self, name: str) -> list[str]:
        """What a property requires beside it."""
        return [n for f in self._facets for n in f.get("dependentRequired", {}).get(name, ())]

    def _optional(self, required: Sequence[str]) -> list[str]:
        """The properties that may be there and can be, in the schema's order, required ones in their places."""
        names: dict[str, None] = {}
        known = set(required)
        for facet in self._facets:
            for name, inner in facet.get("properties", {}).items():
                if name in known or not (
                    self._search.is_lean(self._place, [inner])
                    or not self._search.fits_name(self._facets, name)
                    or self._candidate(name, 0) is self
                ):
                    names[name] = None
        return list(names)

    def _fitting(self, required: Sequence[str], optional: Sequence[str]) -> list[str]:
        """The names of one object: as few and as many as asked, with what they require; made-up ones where some are missing."""
        least = max([f["minProperties"] for f in self._facets if "minProperties" in f], default=0)
        most = min([f["maxProperties"] for f in self._facets if "maxProperties" in f], default=LARGEST)
        if least > LARGEST:
            raise SchemaError(f"an object of {least} properties is asked for, {LARGEST} are the most that is made")
        names = list(dict.fromkeys([*required, *self._with_what_they_need(required, optional, most)]))
        order = {name: n for n, name in enumerate(optional)}
        names.sort(key=lambda name: order.get(name, len(order)))
        if not names and optional == [] and not self._search.is_lean(self._place):
            least = max(least, any(_is_map(facet) for facet in self._facets))
        if len(names) < min(least, most):
            names += islice(self._invented(names), int(least) - len(names))
        return names

    def _with_what_they_need(self, required: Sequence[str], optional: Sequence[str], most: float) -> Iterator[str]:
        taken = set(required)
        for name in optional:
            needed = {name, *self._needed(name)} - taken
            if len(taken) + len(needed) <= most and all(self._candidate(n, 0) is not self for n in needed):
                taken |= needed
                yield from needed

    def _invented(self, names: Sequence[str]) -> Iterator[str]:
        """Names beyond those that the schema has."""
        schemas = [f["propertyNames"] for f in self._facets if "propertyNames" in f]
        patterns = [
            p for f in self._facets for p, inner in f.get("patternProperties", {}).items() if inner is not False
        ]
        known = [name for f in self._facets for name in f.get("properties", ())]
        plain = (f"property_{n}" for n in range(1, LARGEST))
        sources: list[Iterable[Any]] = [known, plain]
        if schemas:
            sources = [known, self._search.values(({"type": "string"}, *schemas), Place("/", "name", 0, 1))]
        elif patterns:
            made = [scalars.texts(self._search.document, [{"pattern": p}], "name", 0) for p in patterns]
            sources = [known, *(islice(texts, NAMES) for texts in made), plain]
        tried: set[str] = set(names)
        misses = 0
        for name in (name for source in sources for name in source):
            if name in tried:
                continue
            tried.add(name)
            if self._search.fits_name(self._facets, name) and self._candidate(name, 0) is not self:
                yield name
            elif (misses := misses + 1) > NAMES:
                return

    def _of_names(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Objects of these names: the first values, then one changed, then several."""
        one = ((*(0,) * n, turn, *(0,) * (len(names) - n - 1)) for turn in range(1, TURNS) for n in range(len(names)))
        several = product(range(TURNS), repeat=min(len(names), 6))
        combinations = [iter([(0,) * len(names)]), one, (turns + (0,) * (len(names) - len(turns)) for turns in several)]
        tried = set()
        for turns in islice((turns for source in combinations for turns in source), COMBINED):
            if turns in tried:
                continue
            tried.add(turns)
            self._search.document.spend(sum(map(len, names)) // 32)
            made = {name: self._candidate(name, turn) for name, turn in zip(names, turns, strict=True)}
            if not any(value is self for value in made.values()):
                yield made


def _goals_of(document: Document, facets: Facets, name: str) -> Goals:
    """What a property's value must fit."""
    goals: list[Any] = []
    spoken = False
    for facet in facets:
        if name in facet.get("properties", ()):
            goals.append(facet["properties"][name])
        goals += [
            inner for pattern, inner in facet.get("patternProperties", {}).items() if document.found(pattern, name)
        ]
        if document.declares(facet, name):
            spoken = True
        elif "additionalProperties" in facet:
            goals.append(facet["additionalProperties"])
            spoken = True
    if not spoken:
        goals += [facet["unevaluatedProperties"] for facet in facets if "unevaluatedProperties" in facet]
    return tuple(goals)


def _is_map(facet: dict[str, Any]) -> bool:
    """Whether an object is there for names that the schema does not know."""
    extra = facet.get("additionalProperties", True)
    return bool(facet.get("patternProperties") or facet.get("propertyNames") or not isinstance(extra, bool))
