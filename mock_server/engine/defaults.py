"""Completes a request body that lacks required fields, for the quirk `missing_fields_defaulted`."""

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


def complete(body: bytes, adapter: TypeAdapter[Any], errors: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """The validated body with its missing fields filled in, or None and what is wrong beyond missing fields.

    Only what was missing is filled in: a value of a wrong type that the client did send stays an error.
    """
    value: Any = from_json(body)
    ours: set[tuple[Any, ...]] = set()
    for _ in range(ROUNDS):
        for error in errors:
            loc = tuple(error["loc"])
            if error["type"] == "missing":
                ours.add(loc)
            elif not any(loc[: len(made)] == made for made in ours):
                return None, errors
            _put(value, loc, _candidate(error))
        try:
            return adapter.validate_python(value), ()
        except ValidationError as failed:
            errors = failed.errors(include_url=False, include_input=False)
    return None, errors


def _candidate(error: Any) -> Any:
    if error["type"] in ("literal_error", "enum"):
        return error["ctx"]["expected"].split(",")[0].split(" or ")[0].strip("' ")
    return BY_COMPLAINT.get(error["type"], "string")


def _put(value: Any, loc: tuple[Any, ...], candidate: Any) -> None:
    """Set the field at `loc`; names of union branches, which pydantic puts into `loc`, lead nowhere and are passed over."""
    for i, step in enumerate(loc):
        last = i == len(loc) - 1
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            if last:
                value[step] = candidate
            value = value[step]
        elif isinstance(value, dict) and (step in value or last):
            if last:
                value[step] = candidate
            value = value.get(step)
