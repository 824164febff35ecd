"""Filters against a model of PostgREST's rules in plain Python: the same rows, in the same order."""

import functools
import json
import operator
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Client

# Few letters, so that filters hit; those that are special to a filter, to LIKE, to GLOB, to JSON or to URLs among them.
LETTERS = st.sampled_from(list("aAbß%_*?[]\\\"',.() +-0é😀"))
TEXT = st.text(LETTERS, max_size=4)
KEY = st.sampled_from(["k", "K", "other key", 'q"k', "a.b", "é", "0"])
ROW = st.fixed_dictionaries(
    {"name": st.none() | TEXT, "metadata": st.dictionaries(KEY, TEXT, max_size=3), "minute": st.integers(0, 3)}
)
COMPARED = ("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike")
NAMES = {"eq": "eq", "neq": "ne", "gt": "gt", "gte": "ge", "lt": "lt", "lte": "le"}  # as the module operator has them
Truth = bool | None  # SQL's: None is null
Row = dict[str, Any]


def truth(row: Row, condition: dict[str, Any]) -> Truth:
    """SQL's three-valued logic."""
    if "parts" in condition:
        values = [truth(row, part) for part in condition["parts"]]
        decisive = condition["join"] == "or"
        found = decisive if decisive in values else None if None in values else not decisive
    else:
        found = compared(value_of(row, condition["path"]), condition["op"], condition["value"])
    return None if found is None else found is not condition["not"]


def value_of(row: Row, path: tuple[str, ...]) -> Any:
    return row["metadata"].get(path[1]) if path[0] == "metadata" else row[path[0]]


def compared(value: Any, op: str, wanted: Any) -> Truth:
    if op == "is":
        return {"null": value is None, "not_null": value is not None}.get(wanted, value == wanted)
    if value is None:
        return False if op == "in" and not wanted else None
    if op == "in":
        return value in wanted
    if op in ("like", "ilike"):
        fold: Callable[[str], str] = (lambda t: "".join(map(str.lower, t))) if op == "ilike" else str
        return matches(fold(value), fold(wanted.replace("*", "%")))
    return bool(getattr(operator, NAMES[op])(value, wanted))


def matches(text: str, pattern: str) -> bool:
    """LIKE with `\\` as its escape character, as PostgreSQL documents it."""

    @functools.cache
    def at(t: int, p: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        if pattern[p] == "%":
            return any(at(rest, p + 1) for rest in range(t, len(text) + 1))
        literal = pattern[p] == "\\"
        char = pattern[p + literal]
        return t < len(text) and (text[t] == char or (char == "_" and not literal)) and at(t + 1, p + 1 + literal)

    return at(0, 0)


def ends_well(pattern: str) -> bool:
    """Whether the escape character has something to escape."""
    stripped = pattern.rstrip("\\")
    return (len(pattern) - len(stripped)) % 2 == 0


PATH = st.tuples(st.just("name")) | st.tuples(st.just("metadata"), KEY)
PLAIN = st.fixed_dictionaries(
    {"path": PATH, "op": st.sampled_from(COMPARED), "value": TEXT, "not": st.booleans()}
).filter(lambda c: c["op"] not in ("like", "ilike") or ends_well(c["value"]))
PREFIX = st.fixed_dictionaries(
    {
        "path": PATH,
        "op": st.just("like"),
        "value": st.text("aAb😀é", min_size=1, max_size=2).map(lambda t: t + "%"),
        "not": st.booleans(),
    }
)
AMONG = st.fixed_dictionaries(
    {
        "path": PATH,
        "op": st.just("in"),
        "value": st.lists(TEXT, max_size=3).filter(lambda v: v != [""]),
        "not": st.booleans(),
    }
)
IS = st.fixed_dictionaries(
    {"path": PATH, "op": st.just("is"), "value": st.sampled_from(["null", "not_null"]), "not": st.booleans()}
)
TIME = st.fixed_dictionaries(
    {"path": st.tuples(st.sampled_from(["created_at", "last_message_at"])), "op": st.sampled_from(COMPARED[:6]),
     "value": st.integers(0, 3).map(lambda m: f"2025-01-01T00:0{m}:00.000Z"), "not": st.booleans()}
)  # fmt: skip
CONDITION = st.one_of(PLAIN, PREFIX, AMONG, IS, TIME)
FILTER = st.recursive(
    CONDITION,
    lambda inner: st.fixed_dictionaries(
        {"join": st.sampled_from(["and", "or"]), "parts": st.lists(inner, min_size=1, max_size=3), "not": st.booleans()}
    ),
    max_leaves=5,
)
TERM = st.tuples(
    PATH | st.tuples(st.sampled_from(["created_at", "last_message_at", "id"])),
    st.booleans(),
    st.sampled_from([None, True, False]),
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def spelled_path(path: tuple[str, ...], inside: bool) -> str:
    if path[0] != "metadata":
        return path[0]
    return f"metadata->{quoted(path[1]) if inside or path[1].startswith(chr(34)) else path[1]}"


def spelled_value(condition: dict[str, Any], inside: bool) -> str:
    value = condition["value"]
    if condition["op"] == "in":
        value = "(" + ",".join(quoted(v) for v in value) + ")"
    elif inside and condition["op"] != "is":
        value = quoted(value)
    return f"{'not.' if condition['not'] else ''}{condition['op']}.{value}"


def inside(condition: dict[str, Any]) -> str:
    if "parts" in condition:
        return f"{'not.' if condition['not'] else ''}{condition['join']}({','.join(map(inside, condition['parts']))})"
    return f"{spelled_path(condition['path'], True)}.{spelled_value(condition, True)}"


def parameter(condition: dict[str, Any]) -> str:
    """`name=value` of one filter, percent-encoded."""
    if "parts" in condition:
        name = f"{'not.' if condition['not'] else ''}{condition['join']}"
        return f"{name}={quote('(' + ','.join(map(inside, condition['parts'])) + ')', safe='')}"
    return f"{quote(spelled_path(condition['path'], False), safe='')}={quote(spelled_value(condition, False), safe='')}"


def ordered(rows: list[Row], terms: list[Any]) -> list[Row]:
    """`rows`, which come in the order they were made, as ORDER BY puts them: ties by number, the first key's way round."""
    terms = terms or [(("created_at",), True, None)]
    rows = rows[::-1] if terms[0][1] else list(rows)
    for path, descending, nulls_first in reversed(terms):
        first = descending if nulls_first is None else nulls_first
        some = [r for r in rows if value_of(r, path) is not None]
        none = [r for r in rows if value_of(r, path) is None]
        some.sort(key=lambda r: value_of(r, path), reverse=descending)
        rows = none + some if first else some + none
    return rows


@pytest.mark.check
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=7), filters=st.lists(st.lists(FILTER, max_size=3), min_size=1, max_size=8),
       terms=st.lists(TERM, max_size=3), data=st.data())  # fmt: skip
def test_filters_find_what_the_model_finds(
    client: Client, rows: list[Row], filters: list[Any], terms: list[Any], data: st.DataObject
) -> None:
    client.admin("POST", "/reset")
    made = []
    for row in rows:
        client.admin("POST", "/clock", json={"set": f"2025-01-01T00:0{row['minute']}:00Z", "freeze": True})
        made.append(client.post("/ai/conversations", {"name": row["name"], "metadata": row["metadata"]}).json())
    limit, offset = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 2))
    order = ",".join(
        spelled_path(path, True)
        + (".desc" if descending else "")
        + {None: "", True: ".nullsfirst", False: ".nullslast"}[nulls]
        for path, descending, nulls in terms
    )

    for conditions in filters:
        query = "&".join(
            [
                *map(parameter, conditions),
                f"limit={limit}&offset={offset}",
                *([f"order={quote(order)}"] if order else []),
            ]
        )
        answer = client.get(f"/ai/conversations?{query}")

        assert answer.status_code == 200, (query, answer.text)
        expected = ordered([row for row in made if all(truth(row, c) is True for c in conditions)], terms)
        found = [row["id"] for row in answer.json()["data"]]
        assert found == [row["id"] for row in expected[offset : offset + limit]], json.dumps([query, made])
