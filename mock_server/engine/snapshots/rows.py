"""The rows of a snapshot: out of the database and back, whatever tables there are. Every table of ours has `account`."""

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import SQLModel

from mock_server.base.errors import TooLarge
from mock_server.engine.snapshots.file import Rows, Unreadable
from mock_server.engine.store import Prepared, Store

LARGEST = 2**63
Check = Callable[[str, Mapping[str, Any]], None]


def dump(store: Store, account: str | None, most: int) -> Rows:
    """The rows of an account, without its name, or all rows, by table and in the order of their keys.

    Raises TooLarge for more than `most` bytes of text and bytes.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    run = store.connection.exec_driver_sql
    for table in store.tables():
        shape = run(f'PRAGMA table_info("{table}")').all()
        names = [column.name for column in shape if account is None or column.name != "account"]
        keys = [column.name for column in sorted(shape, key=lambda column: column.pk) if column.pk]
        columns, order = (", ".join(f'"{name}"' for name in some) for some in (names, keys))
        where = "" if account is None else "WHERE account = ?"
        sql = f'SELECT {columns} FROM "{table}" {where} ORDER BY {order}'
        for row in run(sql, () if account is None else (account,)):
            most -= len(row) + sum(len(value) for value in row if isinstance(value, str | bytes))
            if most < 0:
                raise TooLarge("The rows have more bytes than a snapshot may have (--max-snapshot-bytes).")
            found.setdefault(table, []).append(dict(zip(names, row, strict=True)))
    return found


def count(store: Store, account: str | None) -> dict[str, int]:
    """How many rows there are, by table; counters left out."""
    run = store.connection.exec_driver_sql
    where, values = ("", ()) if account is None else (" WHERE account = ?", (account,))
    tables = [table for table in store.tables() if table != "counter"]
    counted = {table: run(f'SELECT COUNT(*) FROM "{table}"{where}', values).scalar_one() for table in tables}
    return {table: n for table, n in counted.items() if n}


def checker(account: str | None) -> Check:
    """What raises ValueError unless a row, as dumped, fits its table. Knows the tables of rooms that were entered."""
    missing = {"account"} if account else set()
    tables = {
        name: {column.name: _fitting(column) for column in table.columns if column.name not in missing}
        for name, table in SQLModel.metadata.tables.items()
    }

    def check(table: str, row: Mapping[str, Any]) -> None:
        columns = tables.get(table)
        if columns is None:
            raise ValueError(f"there is no table {table[:60]!r}")
        if row.keys() != columns.keys():
            raise ValueError(f"{table} has the columns {', '.join(columns)}")
        for name, value in row.items():
            if not columns[name](value):
                raise ValueError(f"{table}.{name} cannot be {value!r:.60}")

    return check


def _fitting(column: Column[Any]) -> Callable[[Any], bool]:
    """What tells whether a value may stand in a column: SQLite itself takes anything anywhere."""
    kind, nullable = column.type, bool(column.nullable)

    def fits(value: Any) -> bool:
        if value is None:
            return nullable
        if isinstance(kind, LargeBinary):
            return isinstance(value, bytes)
        if isinstance(kind, Boolean):
            return value in (0, 1)
        if isinstance(kind, Integer):
            return type(value) is int and -LARGEST <= value < LARGEST
        if isinstance(kind, Float):
            return type(value) in (int, float) and math.isfinite(value)
        return isinstance(value, str)

    return fits


def load(store: Store, rows: Iterable[tuple[str, dict[str, Any]]], account: str | None) -> None:
    """Put checked rows in place of an account's, or of all. Raises Unreadable when two of them cannot be together."""
    statements: dict[str, Prepared] = {}
    owner = {} if account is None else {"account": account}
    with store.transaction():
        store.empty(account)
        for table, row in rows:
            if table not in statements:
                statements[table] = Prepared(insert(SQLModel.metadata.tables[table]))
            try:
                store.run(statements[table], **owner, **row)
            except sqlite3.IntegrityError as error:
                raise Unreadable(f"The snapshot's rows cannot be together: {error}.") from None
