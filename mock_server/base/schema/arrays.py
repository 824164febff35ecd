"""Arrays that fit a schema: how many items, which of them are what the array must contain, and each unlike the others."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from mock_server.base.schema.checking import key
from mock_server.base.schema.document import SchemaError
from mock_server.base.schema.places import Facets, Goals, Place

if TYPE_CHECKING:
    from mock_server.base.schema.values import Search

LARGEST = 10_000  # items
TURNS = 4  # candidates of the items that are tried


def arrays(search: "Search", facets: Facets, place: Place) -> Iterator[Any]:
    """Arrays worth a try, the likeliest first. Raises SchemaError."""
    least = int(max([f["minItems"] for f in facets if "minItems" in f], default=0))
    most = min([f["maxItems"] for f in facets if "maxItems" in f], default=LARGEST)
    contained = [(f["contains"], f.get("minContains", 1), f.get("maxContains")) for f in facets if "contains" in f]
    prefix = max([len(f["prefixItems"]) for f in facets if "prefixItems" in f], default=0)
    if any(goal is False for goal in _goals_at(facets, prefix)):
        most = min(most, prefix)
    needed = sum(int(count) for _, count, _ in contained)
    if max(least, needed) > LARGEST:
        raise SchemaError(f"an array of {max(least, needed)} items is asked for, {LARGEST} are the most that is made")
    lean = search.is_lean(place, _goals_at(facets, prefix))
    usual = max(prefix, needed, not lean)
    if needed and prefix and most > prefix:
        usual = prefix + needed
    counts = dict.fromkeys(int(min(max(least, n), most)) for n in (usual, least, least + needed, 0, usual + 1, prefix))
    for count in counts:
        for shift in range(min(count, 3) if contained else 1):
            for turn in range(TURNS):
                made = _items(search, facets, place, count, contained, shift, turn)
                if made is not None:
                    yield made


def _items(
    search: "Search", facets: Facets, place: Place, count: int, contained: Sequence[Any], shift: int, turn: int
) -> list[Any] | None:
    """An array of `count` items, what it must contain at its end; `shift` moves that, `turn` takes other items."""
    search.document.spend(count)
    goals = [_goals_at(facets, n) for n in range(count)]
    at = count - 1 - shift
    for schema, least, most in contained:
        chosen = {(at - n) % count for n in range(int(least))} if count else set()
        at -= int(least)
        for n in range(count):
            if n in chosen:
                goals[n] = (*goals[n], schema)
            elif most is not None:
                goals[n] = (*goals[n], {"not": schema})
    unique = any(f.get("uniqueItems") for f in facets)
    made: list[Any] = []
    seen: set[Any] = set()
    for n in range(count):
        values = search.values(goals[n], place.item(n))
        item = next(
            (v for v in islice(values, turn, None) if not unique or key(search.document, v) not in seen), values
        )
        if item is values:
            return None
        made.append(item)
        if unique:
            seen.add(key(search.document, item))
    return made


def _goals_at(facets: Facets, n: int) -> Goals:
    """What an array's n-th item must fit."""
    goals: list[Any] = []
    for facet in facets:
        prefix = facet.get("prefixItems", ())
        if n < len(prefix):
            goals.append(prefix[n])
        elif "items" in facet:
            goals.append(facet["items"])
    if not goals:
        goals += [facet["unevaluatedItems"] for facet in facets if "unevaluatedItems" in facet]
    return tuple(goals)
