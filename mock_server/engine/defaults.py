"""Mends a request body that lacks required fields or goes beyond a bound, for the quirk `requests_mended`."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

# What a field is given when the validator's complaint about the last try was of this type.
BY_COMPLAINT: dict[str, Any] = {
    "missing": "string",
    "list_type": [],
    "too_short": [{}],
    "dict_type": {},
    "model_type": {},
    "model_attributes_type": {},
    "int_parsing": 1,
    "int_type": 1,
    "float_parsing": 1.0,
    "float_type": 1.0,
    "bool_parsing": False,
    "bool_type": False,
    "uuid_parsing": "00000000-0000-4000-8000-000000000000",
    "datetime_from_date_parsing": "2025-01-01T00:00:00Z",
    "datetime_parsing": "2025-01-01T00:00:00Z",
}
ROUNDS = 12


BOUNDS = ("ge", "le")
# Complaints about what the client sent, or did not send, that are mended; all others are told.
MENDED = ("missing", "too_short", "union_tag_not_found", "greater_than_equal", "less_than_equal")
Place = tuple[Any, ...]


def complete(body: bytes, adapter: TypeAdapter[Any], errors: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """The validated body with its missing fields filled in, or None and what is wrong beyond missing fields.

    Filled in is what was missing or an empty list that must not be empty; a number beyond a bound is set to the bound.
    A value of a wrong type that the client did send stays an error.
    """
    value: Any = from_json(body)
    ours: dict[Place, Place] = {}  # where pydantic says a field of ours is -> where it is
    for _ in range(ROUNDS):
        for error in errors:
            loc = _loc(error)
            known = max((made for made in ours if loc[: len(made)] == made), key=len, default=())
            if error["type"] not in MENDED and not known:
                return None, errors
            try:
                if loc not in ours:
                    ours[loc] = _find(value, ours.get(known, ()), loc[len(known) :])
                _put(value, ours[loc], _candidate(error))
            except (LookupError, TypeError):  # branches of a union want different things of one field
                return None, errors
        try:
            return adapter.validate_python(value), ()
        except ValidationError as failed:
            errors = failed.errors(include_url=False, include_input=False)
    return None, errors


def _loc(error: Any) -> Place:
    """The field to fill: for a union, the one that says which branch is meant."""
    loc = tuple(error["loc"])
    return (*loc, error["ctx"]["discriminator"].strip("'")) if error["type"].startswith("union_tag") else loc


def _candidate(error: Any) -> Any:
    context = error.get("ctx", {})
    for name in BOUNDS:
        if name in context:
            return context[name]
    for name in ("expected", "expected_tags"):
        if name in context:
            return context[name].split(",")[0].split(" or ")[0].strip("' ")
    return BY_COMPLAINT.get(error["type"], "string")


def _find(value: Any, start: Place, loc: Place) -> Place:
    """The path of `loc` below `start`, without the names of union branches that pydantic puts into it."""
    for step in start:
        value = value[step]
    path = list(start)
    for i, step in enumerate(loc):
        inside = step in value if isinstance(value, dict) else isinstance(step, int) and isinstance(value, list)
        if inside or i == len(loc) - 1:
            path.append(step)
            value = value[step] if inside else None
    return tuple(path)


def _put(value: Any, path: Place, candidate: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = candidate
