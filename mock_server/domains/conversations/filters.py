"""What a list filter means for conversations: conditions made into SQL over their columns, values always bound.

Null is SQL's: a conversation that lacks a metadata key matches no comparison on it, negated or not.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, or_, select

from mock_server.domains.conversations.tables import CONVERSATION, METADATA
from mock_server.engine.conditions import PLUS, Condition, Group, Path, Term, Where
from mock_server.engine.store import mine

ROW, PAIR = CONVERSATION.c, METADATA.c
COLUMNS: dict[str, ColumnElement[Any]] = {
    "id": ROW.id, "name": ROW.name, "created_at": ROW.created_at, "last_message_at": ROW.last_message_at,
}  # fmt: skip
TIMES = frozenset({"created_at", "last_message_at"})
ID, NAME = Path("id"), Path("name")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANY, ONE = object(), object()  # the two wildcards of a pattern


def knows(name: str) -> bool:
    """Whether a query's name spells a column, or a key below one; other names are not filters."""
    return name.partition("->")[0] in COLUMNS or name.startswith("metadata")


def compile(part: Condition | Group, account: str, *, indexed: bool = True) -> ColumnElement[bool]:
    """The SQL of a condition or group. Not `indexed`, it looks at row by row, however SQLite would like to find them.

    Inside a `not` it never goes by the index of pairs, which tells that a key is missing as false instead of null.
    """
    if isinstance(part, Group):
        inner = indexed and not part.negated
        parts = [compile(p, account, indexed=inner) for p in part.parts]
        joined = and_(*parts) if part.joined_by == "and" else or_(*parts)
        return not_(joined.self_group()) if part.negated else joined.self_group()
    made = _condition(part, account, indexed and not part.negated)
    return not_(made.self_group()) if part.negated else made


def order_by(terms: list[Term]) -> list[ColumnElement[Any]]:
    """The ORDER BY of a list: newest first where nothing is asked, ties always by number."""
    if not terms:
        return [ROW.created_at.desc(), ROW.n.desc()]
    keys: list[ColumnElement[Any]] = []
    for term in terms:
        column = _value(term.path, term.where)
        nullable = bool(term.path.keys) or term.path.column == "name"
        first = term.descending if term.nulls_first is None else term.nulls_first
        key = column.desc() if term.descending else column.asc()
        # SQLite's own place for null is first when ascending; saying no more than needed lets it walk an index.
        if nullable and first is term.descending:
            key = key.nulls_first() if first else key.nulls_last()
        keys.append(key)
    return [*keys, ROW.n.desc() if terms[0].descending else ROW.n.asc()]


def pair_values(part: Condition | Group) -> tuple[str, list[str]] | None:
    """The metadata key and values that a conversation must have for `part`, where the index of pairs can tell."""
    if isinstance(part, Group) or part.negated or part.operator not in ("eq", "in") or len(part.path.keys) != 1:
        return None
    return part.path.keys[0], [v for text in part.values for v in spellings(text)]


def lead(part: Condition | Group, account: str) -> Select[Any] | None:
    """The ids that an index of its own gives for `part`: of metadata pairs, or of names; None where there is none."""
    pairs = pair_values(part)
    if pairs is not None:
        return pairs_of(account, *pairs)
    if isinstance(part, Group) or part.negated or part.path != NAME or part.operator not in ("eq", "in", "like"):
        return None
    found = mine(select(ROW.id), CONVERSATION, account)
    if part.operator != "like":
        return found.where(ROW.name.in_([v for text in part.values for v in spellings(text)]))
    starts = [_begins(list(_tokens(pattern, part.where)), ROW.name) for pattern in spellings(part.values[0])]
    return found.where(or_(*(and_(*bounds) for bounds in starts))) if all(starts) else None


def is_single(part: Condition | Group) -> bool:
    """Whether `part` asks for one value, whose rows an index holds in the order of creation."""
    return isinstance(part, Condition) and part.operator == "eq" and len(spellings(part.values[0])) == 1


def _condition(part: Condition, account: str, indexed: bool) -> ColumnElement[bool]:
    operator, value = part.operator, _value(part.path, part.where)
    if not indexed and part.path == NAME:
        value = value.concat("")  # an expression, for which there is no index
    if operator == "is":
        return _is(part, value)
    if part.path.column in TIMES:
        return _time(part, value)
    if indexed and operator in ("eq", "in") and len(part.path.keys) == 1:
        return ROW.id.in_(pairs_of(account, *(pair_values(part) or ("", []))))
    if operator in ("eq", "neq", "in"):
        wanted = [v for text in part.values for v in spellings(text)]
        found = value == wanted[0] if len(wanted) == 1 else value.in_(wanted)
        return not_(found) if operator == "neq" else found
    if operator == "like":
        return or_(*(like(value, pattern, part.where) for pattern in spellings(part.values[0])))
    if operator == "ilike":
        low = func.lower_unicode(value)
        return or_(*(like(low, lower(pattern), part.where) for pattern in spellings(part.values[0])))
    return COMPARE[operator](value, spellings(part.values[0])[-1])


def _value(path: Path, where: Where) -> ColumnElement[Any]:
    """The SQL of what a path reads."""
    if path.column == "metadata":
        if not path.keys:
            where.fail("metadata is compared key by key: metadata->key")
        # Keys go to json_each as values: a JSON path would have to quote them.
        pair = func.json_each(ROW.metadata).table_valued("key", "value")
        found = select(pair.c.value).where(pair.c.key == path.keys[0])
        if len(path.keys) > 1:  # values are strings: nothing is below them
            found = found.where(false())
        return found.correlate(CONVERSATION).scalar_subquery()
    column = COLUMNS.get(path.column)
    if column is None:
        where.fail(f"there is no column {path.column!r} (id, name, created_at, last_message_at, metadata->key)")
    if path.keys:
        where.fail(f"the column {path.column!r} has no keys")
    return column


def has_pair(key: str, values: list[str]) -> tuple[ColumnElement[bool], ...]:
    return PAIR.key == key, PAIR.value == values[0] if len(values) == 1 else PAIR.value.in_(values)


def pairs_of(account: str, key: str, values: list[str]) -> Select[Any]:
    """The ids of the conversations that have one of `values` under `key`, by the index of pairs."""
    return mine(select(PAIR.conversation), METADATA, account).where(*has_pair(key, values))


def _is(part: Condition, value: ColumnElement[Any]) -> ColumnElement[bool]:
    wanted = part.values[0]
    if wanted == "null":
        return value.is_(None)
    if wanted == "not_null":
        return value.is_not(None)
    if part.path.column != "metadata":
        part.where.fail(f"is.{wanted} is for true and false, which {part.path.column!r} never is,")
    if wanted == "unknown":
        return value.is_(None)
    return and_(value.is_not(None), value == wanted)


def _time(part: Condition, value: ColumnElement[Any]) -> ColumnElement[bool]:
    if part.operator in ("like", "ilike"):
        part.where.fail(f"{part.operator} is for text, {part.path.column!r} is a time,")
    instants = [instant(text, part.where) for text in part.values]
    if part.operator == "in":
        return value.in_(instants)
    return COMPARE[part.operator](value, instants[0])


COMPARE: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}


def spellings(text: str) -> list[str]:
    """What a value may mean: a "+" that was not percent-encoded is a space, a plus, or one at the start of a number.

    The last is the likeliest.
    """
    if PLUS not in text and not (text[:1] == " " and text[1:2].isdigit()):
        return [text]
    spaced = text.replace(PLUS, " ")
    led = f"+{spaced[1:]}" if spaced[:1] == " " else spaced
    return list(dict.fromkeys((text.replace(PLUS, "+"), spaced, led)))


def instant(text: str, where: Where) -> float:
    """Milliseconds since the epoch of a date or time; without an offset it is UTC."""
    plain = text.replace(PLUS, " ").strip()
    if plain in ("infinity", "-infinity"):
        return math.inf if plain == "infinity" else -math.inf
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        date, _, offset = plain.rpartition(" ")  # the space was the "+" of an offset
        try:
            moment = datetime.fromisoformat(f"{date}+{offset}")
        except ValueError:
            where.fail(f"expected a date or time such as 2025-04-01T12:00:00Z, not {plain[:40]!r},")
    since = moment.replace(tzinfo=UTC) - EPOCH if moment.tzinfo is None else moment - EPOCH
    whole, rest = divmod(since, timedelta(milliseconds=1))
    return whole + rest.microseconds / 1000 if rest else whole


def like(value: ColumnElement[Any], pattern: str, where: Where) -> ColumnElement[bool]:
    """`value` LIKE `pattern`, case and all, which SQLite's own LIKE does not mind: a range where the start is fixed, so
    that an index serves, and GLOB where more than the start is asked."""
    tokens = list(_tokens(pattern, where))
    bounds = _begins(tokens, value)
    if bounds and all(isinstance(token, str) for token in tokens[:-1]) and tokens[-1] is not ONE:
        return and_(*bounds)  # nothing is asked beyond the start
    if not tokens:
        return value == ""
    return and_(*bounds, value.op("GLOB", is_comparison=True)("".join(_glob(token) for token in tokens)))


def _tokens(pattern: str, where: Where) -> Iterator[Any]:
    pattern = pattern.replace("*", "%")  # PostgREST's alias, put in before the escapes are looked at
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
            if at == len(pattern):
                where.fail("a pattern must not end with its escape character")
            yield pattern[at]
        elif char == "%":
            yield ANY
        else:
            yield ONE if char == "_" else char
        at += 1


def _begins(tokens: list[Any], value: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """What the fixed start of a pattern says about a value: nothing, a range, or all there is to say."""
    start = "".join(_until_wildcard(tokens))
    if not start:
        return []
    if len(start) == len(tokens):
        return [value == start]
    above = _after(start)
    return [value >= start] if above is None else [value >= start, value < above]


def _until_wildcard(tokens: list[Any]) -> Iterator[str]:
    for token in tokens:
        if not isinstance(token, str):
            return
        yield token


def _glob(piece: Any) -> str:
    if piece is ANY:
        return "*"
    if piece is ONE:
        return "?"
    return f"[{piece}]" if piece in "*?[" else str(piece)


def _after(start: str) -> str | None:
    """The least text above every text that begins with `start`, by code points; None when there is none."""
    while start:
        last = ord(start[-1])
        if last < 0x10FFFF:
            return start[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        start = start[:-1]
    return None


def lower(text: str) -> str:
    """Letter by letter, as the SQL function lower_unicode does."""
    return "".join(map(str.lower, text))
