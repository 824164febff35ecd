"""Finds conversations: reads the filters of a query, chooses the index to go by, runs the one statement."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, select

from mock_server.base.errors import InvalidFilter
from mock_server.domains.conversations import filters
from mock_server.domains.conversations.service import KIND, PAIR, ROW, SHOWN
from mock_server.domains.conversations.tables import CONVERSATION, METADATA
from mock_server.engine import filters as syntax
from mock_server.engine.conditions import Condition, Group, Term
from mock_server.engine.paging import asked
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call

DEFAULT_LIMIT = 100
LARGEST = 2**63 - 1  # what a database takes for a limit
FEW = 1000  # matches that are rather sorted than looked for in the order asked
GROUPS = frozenset({"or", "and", "not.or", "not.and"})
Part = Condition | Group
NEWEST = Prepared(
    mine(select(*SHOWN), CONVERSATION).order_by(*filters.order_by([]))
    .limit(bindparam("size")).offset(bindparam("offset"))
)  # fmt: skip


def find(call: Call, query: bytes, limit: int, offset: int) -> tuple[Sequence[Any], dict[str, int] | None]:
    """The conversations that a query asks for, as `wire.conversation` takes them, and `meta` where it asks for a page.

    Raises InvalidFilter.
    """
    parts, clauses, terms = _read(call, query)
    page = asked(query)
    if page is not None:
        limit, offset = page.size, page.offset
    elif max(limit, offset) > LARGEST:
        if not call.quirk("malformed_filters_ignored"):
            name = "limit" if limit > LARGEST else "offset"
            raise InvalidFilter(f"{name}: more than {LARGEST}.", source={"parameter": name})
        limit, offset = min(limit, LARGEST), min(offset, LARGEST)
    rows: Sequence[Any]
    if parts or terms:
        rows = call.world.store.query(_statement(call, parts, clauses, terms).limit(limit).offset(offset))
    else:
        rows = call.world.store.all(NEWEST, account=call.account.id, size=limit, offset=offset)
    return rows, None if page is None else page.meta(_total(call, parts, clauses))


def _read(call: Call, query: bytes) -> tuple[list[Part], list[ColumnElement[bool]], list[Term]]:
    """The filters of a query: as read, as SQL, and the order asked for."""
    parts: list[Part] = []
    clauses: list[ColumnElement[bool]] = []
    terms: list[Term] = []
    ignore = call.quirk("malformed_filters_ignored")
    for raw in query.split(b"&") if query else ():
        try:
            name, text = syntax.pair(raw)
            if name == "order":
                asked_for = syntax.order(text)
                filters.order_by(asked_for)
                terms = asked_for
            elif name in GROUPS or filters.knows(name):
                part = _part(name, text)
                clauses.append(filters.compile(part, call.account.id))
                parts.append(part)
        except InvalidFilter:
            if not ignore:
                raise
    if sum(map(_weight, parts)) > syntax.MOST_CONDITIONS:
        raise InvalidFilter(f"More than {syntax.MOST_CONDITIONS} conditions.")
    return parts, clauses, terms


def _part(name: str, text: str) -> Part:
    return syntax.group(name, text) if name in GROUPS else syntax.condition(name, syntax.path_of(name), text)


def _weight(part: Part) -> int:
    return 1 if isinstance(part, Condition) else sum(map(_weight, part.parts))


def _statement(call: Call, parts: list[Part], clauses: list[ColumnElement[bool]], terms: list[Term]) -> Any:
    """What finds the rows: by the index that leads to few of them, else in the order asked for, looking row by row.

    Without statistics SQLite cannot tell the one from the other, so matches are counted, up to FEW.
    """
    account, order = call.account.id, filters.order_by(terms)
    rows = mine(select(*SHOWN), CONVERSATION, account)
    leads = {i: lead for i, part in enumerate(parts) if (lead := filters.lead(part, account)) is not None}
    if not leads:
        return rows.where(*clauses).order_by(*order)
    row_by_row = {i: filters.compile(parts[i], account, indexed=False) for i in leads}
    slow = [row_by_row.get(i, clause) for i, clause in enumerate(clauses)]
    if any(isinstance(p, Condition) and p.path == filters.ID and not p.negated for p in parts):
        return rows.where(*slow).order_by(*order)
    by_creation = not terms or [term.path.column for term in terms] == ["created_at"]
    walks = by_creation and len(leads) == 1 and filters.is_single(parts[next(iter(leads))])
    few, best = (True, next(iter(leads))) if walks else _fewest(call, leads)
    if not few and not (by_creation and filters.is_single(parts[best])):
        return rows.where(*slow).order_by(*order)
    rest = [clause for i, clause in enumerate(slow) if i != best]
    pairs = filters.pair_values(parts[best])
    if pairs is None:
        return rows.where(clauses[best], *rest).order_by(*order)
    if by_creation:
        newest_first = not terms or terms[0].descending
        order = [c.desc() if newest_first else c.asc() for c in (PAIR.created_at, PAIR.n)]
    joined = METADATA.join(CONVERSATION, (ROW.account == PAIR.account) & (ROW.id == PAIR.conversation))
    found = mine(select(*SHOWN).select_from(joined), METADATA, account)
    return found.where(*filters.has_pair(*pairs), *rest).order_by(*order)


def _fewest(call: Call, leads: Mapping[int, Select[Any]]) -> tuple[bool, int]:
    """The lead with the fewest matches, and whether these are few."""

    def matches(lead: Select[Any]) -> int:
        found = lead.with_only_columns(literal(1)).limit(FEW + 1).subquery()
        return int(call.world.store.query(select(func.count()).select_from(found))[0][0])

    fewest, best = min((matches(lead), i) for i, lead in leads.items())
    return fewest <= FEW, best


def _total(call: Call, parts: list[Part], clauses: list[ColumnElement[bool]]) -> int:
    """How many conversations there are, by the kept counter; only under filters are they counted, in the index if that will
    do: a conversation has one pair of a key.
    """
    if not clauses:
        return call.world.store.total(call.account.id, KIND)
    if len(parts) == 1 and (pairs := filters.pair_values(parts[0])) is not None:
        of_pairs = mine(select(func.count()).select_from(METADATA), METADATA, call.account.id)
        return int(call.world.store.query(of_pairs.where(*filters.has_pair(*pairs)))[0][0])
    counted = mine(select(func.count()).select_from(CONVERSATION), CONVERSATION, call.account.id)
    return int(call.world.store.query(counted.where(*clauses))[0][0])
