"""The search for a value that fits a schema: candidates in a fixed order, each checked, the first that holds is taken."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mock_server.base.schema import scalars
from mock_server.base.schema.arrays import arrays
from mock_server.base.schema.checking import fits, weight
from mock_server.base.schema.document import KINDS, Document
from mock_server.base.schema.negating import negations
from mock_server.base.schema.objects import Objects
from mock_server.base.schema.places import Facets, Goals, Place

DEEPEST = 40  # values inside one another
FULL = 5  # down to this depth all that is optional is there; below it nothing is
ROUNDS = 2  # so often a recursive schema is inside itself before it counts as deep
MISSES = 40  # candidates of one way that may fail before the next way is tried
Group = Callable[[], Iterator[Goals]]  # alternatives, of which one is taken
Draw = Callable[[str], float]
Words = Callable[[str], str]
HINTS = (
    ("object", ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames",
                "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties")),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)  # fmt: skip


class Search:
    """One search. With `draw` choices follow its number in [0, 1) for a path; `words` gives the text for a name."""

    def __init__(self, document: Document, draw: Draw | None, words: Words) -> None:
        self.document, self._draw, self._words = document, draw, words
        self._heights: dict[tuple[int, int], int] = {}

    def values(self, goals: Goals, place: Place) -> Iterator[Any]:
        """Values that fit all of `goals`, without end or until there are no more ideas. Raises SchemaError."""
        if place.depth > DEEPEST:
            return
        for facets, opened in self._ways([lambda: iter([goals])], [], place.opened, place):
            misses = 0
            for value in self._candidates(facets, replace(place, opened=opened)):
                self.document.spend()
                if all(fits(self.document, value, goal) for goal in goals):
                    yield value
                elif (misses := misses + 1) > MISSES:
                    break

    def _ways(
        self, groups: list[Group], facets: Facets, opened: tuple[int, ...], place: Place
    ) -> Iterator[tuple[Facets, tuple[int, ...]]]:
        """Every choice of branches. An alternative is schemas that the value must all fit."""
        if not groups:
            yield facets, opened
            return
        for alternative in groups[0]():
            self.document.spend()
            opening = self._open(alternative, facets, opened, place)
            if opening is not None:
                more, after, new = opening
                yield from self._ways(new + groups[1:], more, after, place)

    def _open(
        self, goals: Goals, facets: Facets, opened: tuple[int, ...], place: Place
    ) -> tuple[Facets, tuple[int, ...], list[Group]] | None:
        """The facets with those of `goals`, and the choices that these leave open. None where nothing fits them."""
        facets = list(facets)
        groups: list[Group] = []
        waiting = list(goals)
        self.document.spend(len(facets) // 8)
        seen = {id(facet) for facet in facets}
        while waiting:
            schema = waiting.pop(0)
            if schema is False:
                return None
            if schema is True or id(schema) in seen:
                continue
            self.document.spend()
            seen.add(id(schema))
            facets.append(schema)
            for word in ("$ref", "$dynamicRef"):
                if word in schema:
                    target = self.document.target(schema, word)
                    if id(target) in seen:
                        return None  # it refers to itself, and to nothing else
                    opened = (*opened, id(target))
                    waiting.append(target)
            waiting += schema.get("allOf", ())
            groups += self._choices(schema, place, opened)
        return None if _kinds(facets) == [] else (facets, opened, groups)

    def _choices(self, schema: dict[str, Any], place: Place, opened: tuple[int, ...]) -> Iterator[Group]:
        for word in ("anyOf", "oneOf"):
            if word in schema:
                branches = self._ordered(schema[word], f"{place.path}/{word}", place, opened)
                yield partial(_branches, branches, alone=word == "oneOf")
        if "if" in schema:
            condition = schema["if"]
            ways = [(condition, schema.get("then", True)), ({"not": condition}, schema.get("else", True))]
            yield partial(iter, ways)
        if "not" in schema:
            yield partial(iter, negations(self.document, schema["not"]))
        for name, inner in schema.get("dependentSchemas", {}).items():
            yield partial(iter, [({"required": [name]}, inner), ({"properties": {name: False}},)])

    def _ordered(self, branches: Sequence[Any], path: str, place: Place, opened: tuple[int, ...]) -> list[Any]:
        """The branches of a union, from the one that the draw says; what ends soonest first where it is deep already."""
        self.document.spend(len(branches) // 8)
        begin = self._pick(path, len(branches), place.index)
        ordered = [*branches[begin:], *branches[:begin]]
        if place.depth > FULL:
            return sorted(ordered, key=self._height)
        return sorted(ordered, key=lambda b: 2 + self._height(b) if self._repeats(b, opened) else _is_null(b))

    def _repeats(self, schema: Any, opened: tuple[int, ...]) -> bool:
        """Whether a schema leads to one that has been entered often enough."""
        if not isinstance(schema, dict) or "$ref" not in schema:
            return False
        return opened.count(id(self.document.target(schema, "$ref"))) >= ROUNDS

    def _height(self, schema: Any, fuel: int = 6) -> int:
        """About how many values must be inside one another to fit a schema."""
        if not isinstance(schema, dict):
            return 0
        if fuel == 0:
            return 50
        known = (id(schema), fuel)
        if known not in self._heights:
            self.document.spend()
            here = [0]
            if "$ref" in schema:
                here.append(self._height(self.document.target(schema, "$ref"), fuel - 1))
            here += [self._height(inner, fuel - 1) for inner in schema.get("allOf", ())]
            for word in ("anyOf", "oneOf"):
                here.append(min([self._height(inner, fuel - 1) for inner in schema.get(word, ())], default=0))
            properties = schema.get("properties", {})
            needed = [properties[name] for name in schema.get("required", ()) if name in properties]
            if "items" in schema and schema.get("minItems", 0) > 0:
                needed.append(schema["items"])
            here += [1 + self._height(inner, fuel - 1) for inner in needed]
            here.append(schema.get("type") in ("object", "array"))
            self._heights[known] = max(here)
        return self._heights[known]

    def _pick(self, path: str, n: int, index: int) -> int:
        first = 0 if self._draw is None else int(self._draw(path) * n)
        return (first + index) % n

    def _candidates(self, facets: Facets, place: Place) -> Iterator[Any]:
        """Values worth a try, likeliest first."""
        for facet in facets:
            if "const" in facet:
                yield self._given(facet["const"])
                return
        if self._draw is None:
            yield from (self._given(facet["default"]) for facet in facets if "default" in facet)
            for facet in facets:
                if isinstance(facet.get("examples"), list):
                    yield from map(self._given, facet["examples"][:3])
        options = [facet["enum"] for facet in facets if "enum" in facet]
        if options:
            fewest = min(options, key=len)
            begin = self._pick(place.path, len(fewest), place.index)
            for n in range(len(fewest)):
                option = fewest[(begin + n) % len(fewest)]
                if self._holds(facets, option):
                    yield self._given(option)
            return
        for kind in self._sorted_kinds(facets, place):
            yield from self._of_kind(kind, facets, place)

    def _given(self, value: Any) -> Any:
        """A value that the schema brings along."""
        self.document.spend(weight(value))
        return value

    def _holds(self, facets: Facets, value: Any) -> bool:
        return all(fits(self.document, value, facet) for facet in facets)

    def _sorted_kinds(self, facets: Facets, place: Place) -> list[str]:
        """The types that a value may have: as declared, null last; undeclared, the one that the keywords speak of first."""
        kinds = _kinds(facets)
        if kinds is not None:
            if place.depth > FULL:
                kinds.sort(key=lambda kind: (kind in ("object", "array"), kind != "null"))
            return sorted(kinds, key=lambda kind: kind == "null" and place.depth <= FULL)
        spoken = [kind for kind, words in HINTS if any(word in facet for facet in facets for word in words)]
        return list(dict.fromkeys([*spoken, *KINDS]))

    def _of_kind(self, kind: str, facets: Facets, place: Place) -> Iterator[Any]:
        if kind == "object":
            yield from Objects(self, facets, place).values()
        elif kind == "array":
            yield from arrays(self, facets, place)
        elif kind in ("integer", "number"):
            self.document.spend(len(facets))
            draw = None if self._draw is None else self._draw(place.path)
            yield from scalars.numbers(facets, kind == "integer", draw, place.index)
        elif kind == "boolean":
            first = self._pick(place.path, 2, place.index) == 0
            yield from (first, not first)
        elif kind == "null":
            yield None
        else:
            yield from scalars.texts(self.document, facets, self._words(place.name), place.index)

    def is_lean(self, place: Place, schemas: Iterable[Any] = ()) -> bool:
        """Whether only what must be there is there from here on."""
        return place.depth > FULL or any(self._repeats(schema, place.opened) for schema in schemas)

    def fits_name(self, facets: Facets, name: str) -> bool:
        return all(fits(self.document, name, f["propertyNames"]) for f in facets if "propertyNames" in f)


def _branches(branches: Sequence[Any], alone: bool) -> Iterator[Goals]:
    """Each branch; then, where one alone must hold, each with the others ruled out."""
    yield from ((branch,) for branch in branches)
    if alone:
        yield from ((b, *({"not": other} for other in branches if other is not b)) for b in branches)


def _kinds(facets: Facets) -> list[str] | None:
    """The types that all facets allow, in the order of the first; None where none says."""
    kinds: list[str] | None = None
    for facet in facets:
        if "type" in facet:
            asked = facet["type"] if isinstance(facet["type"], list) else [facet["type"]]
            if kinds is None:
                kinds = list(asked)
            else:
                both = {kind for kind in kinds if kind in asked}
                if ("integer" in kinds and "number" in asked) or ("number" in kinds and "integer" in asked):
                    both.add("integer")
                kinds = [kind for kind in [*kinds, "integer"] if kind in both]
    return None if kinds is None else list(dict.fromkeys(kinds))


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"
