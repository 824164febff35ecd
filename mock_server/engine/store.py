"""The one SQLite database of a World: opening, transactions, prepared statements, counters. Holds the only account filter.

Endpoints run on one loop and a transaction holds no `await`, so one connection serves all; opening a second transaction
inside one is a mistake of ours and refused. What every request runs is written in Core, compiled once (`Prepared`) and
handed to the driver: executing it through SQLAlchemy each time costs several times what SQLite does with it.
"""

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    BindParameter,
    Connection,
    Delete,
    Engine,
    Executable,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    select,
)  # fmt: skip
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlmodel import Field, SQLModel

from mock_server.base.errors import ServiceUnavailable
from mock_server.engine.database import Temporary, engine

Statement = TypeVar("Statement", Select[Any], Update, Delete)
ACCOUNT: BindParameter[Any] = bindparam("account")
VERSION = 1  # of the tables; a file of another version is refused
LOCKED_MS = 200  # how long a lock of another process is waited for: the whole server waits
SHARED_MS = 5000  # the same among workers: each holds its lock for a fraction of a millisecond, and all get their turn
# Ours to mend rather than trouble with the database.
MISTAKES = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.NotSupportedError)


class StoreError(RuntimeError):
    """A database that cannot be used: one sentence for a person."""


class Counter(SQLModel, table=True):
    """The highest number given out, per account and kind of thing; raised in the transaction of the insert it is for."""

    __tablename__ = "counter"
    __table_args__ = {"sqlite_with_rowid": False}  # found by its key alone, in one tree instead of two

    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    n: int


COUNTERS: Table = SQLModel.metadata.tables["counter"]


def mine(statement: Statement, table: Any, account: Any = ACCOUNT) -> Statement:
    """`statement` narrowed to the rows of one account in a table or its class; in a prepared one a parameter names whose.

    The only place where that is written.
    """
    return statement.where((table.c if isinstance(table, Table) else table).account == account)


class Prepared:
    """A Core statement as the driver takes it. Parameters are given by name (an insert's are its columns), and put in the
    statement's order here: the driver takes twice as long to look them up by name.
    """

    __slots__ = ("_constants", "_take", "sql")

    def __init__(self, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
        names: list[str] = compiled.positiontup or []  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._constants = {k: v for k, v in (compiled.params or {}).items() if v is not None}
        self._take = itemgetter(*names) if len(names) > 1 else lambda values: tuple(values[name] for name in names)

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """The values in the statement's order, as a tuple."""
        return self._take({**self._constants, **values} if self._constants else values)


def _raised() -> Prepared:
    row = insert(Counter)
    return Prepared(
        row.on_conflict_do_update(index_elements=["account", "kind"], set_={"n": COUNTERS.c.n + row.excluded.n})
    )


RAISE = _raised()
COUNTED = Prepared(mine(select(COUNTERS.c.n), COUNTERS).where(COUNTERS.c.kind == bindparam("kind")))


class Store:
    """The database of one World: a file, or a temporary one without a path. Raises StoreError when the file cannot be used.

    Trouble with the database later (locked, full, read-only, damaged) is told to the client as ServiceUnavailable.
    """

    def __init__(self, path: Path | None = None, locked_ms: int = LOCKED_MS) -> None:
        self.path = path
        self._open = False
        place = path or Temporary()
        self._temporary = None if isinstance(place, Path) else place
        self._engine: Engine = engine(place, locked_ms)
        try:
            self.connection: Connection = self._engine.connect()
            self._driver: sqlite3.Connection = self.connection.connection.driver_connection  # type: ignore[assignment]
            self._prepare()
        except (DBAPIError, sqlite3.Error) as error:
            raise StoreError(f"The database {path} cannot be used: {getattr(error, 'orig', error)}.") from None

    def _prepare(self) -> None:
        """Make a new file ours, in one transaction: another process may do the same. One that may only be read is not written."""
        if self._version() == VERSION and not self._missing():
            return
        self._driver.execute("BEGIN IMMEDIATE")
        self._version()
        SQLModel.metadata.create_all(self.connection)
        self.connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        self._driver.execute("COMMIT")

    def _version(self) -> int:
        """The file's; 0 for a new one. Raises StoreError for one that is not ours."""
        version: int = self.connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version not in (0, VERSION):
            raise StoreError(f"The database {self.path} is of version {version}, this server writes version {VERSION}.")
        return version

    def _missing(self) -> bool:
        """Whether a table of the rooms entered by now is not there."""
        there = self.connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
        return not SQLModel.metadata.tables.keys() <= set(there)

    def create_tables(self) -> None:
        """Create the tables of every room that has been entered by now: two processes may do so at once."""
        try:
            if not self._missing():
                return
        except DBAPIError as error:
            raise told(error) from error
        with nullcontext() if self._open else self.transaction():
            SQLModel.metadata.create_all(self.connection)

    def transaction(self, held: "Held | None" = None) -> "Transaction":
        """All or nothing, as `with store.transaction()`. Holds no `await`: a second one while it is open is our own mistake.

        With `held` the transaction is left open, for who holds it to end.
        """
        return Transaction(self, held)

    def begin(self) -> None:
        """Open a transaction that `commit` or `rollback` ends."""
        assert not self._open, "a transaction is open already: an await inside one, or one inside another"
        try:
            if self._temporary is not None:
                self._temporary.look(self._driver)
            self._driver.execute("BEGIN IMMEDIATE")  # a lock of another process is met here, before anything is done
        except sqlite3.Error as error:
            raise told(error) from error
        self._open = True

    def commit(self) -> None:
        try:
            self._driver.execute("COMMIT")
        except sqlite3.Error as error:
            raise told(error) from error
        self._open = False

    def rollback(self) -> None:
        self._open = False
        if self._driver.in_transaction:  # a full disk has rolled back by itself
            self._driver.execute("ROLLBACK")

    def run(self, prepared: Prepared, **values: Any) -> int:
        """Execute a statement inside the open transaction; how many rows it touched."""
        assert self._open, "rows are written inside a transaction"
        return self._execute(prepared, values).rowcount

    def run_many(self, prepared: Prepared, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement for each of `rows`."""
        for row in rows:
            self.run(prepared, **row)

    def one(self, prepared: Prepared, **values: Any) -> Any:
        """The first row that a statement finds, as a tuple; None when it finds none."""
        return self._execute(prepared, values).fetchone()

    def all(self, prepared: Prepared, **values: Any) -> list[Any]:
        """Every row that a statement finds, as tuples."""
        return self._execute(prepared, values).fetchall()

    def _execute(self, prepared: Prepared, values: Mapping[str, Any]) -> sqlite3.Cursor:
        try:
            return self._driver.execute(prepared.sql, prepared.parameters(values))
        except sqlite3.Error as error:
            raise told(error) from error

    def query(self, statement: Executable) -> Sequence[Row[Any]]:
        """Every row of a statement that is made for one request and not worth preparing."""
        try:
            return self.connection.execute(statement).all()
        except DBAPIError as error:
            raise told(error) from error

    def number(self, transaction: Connection, account: str, kind: str) -> int:
        """The next number of a kind in an account; never one that was given out before, restarts included."""
        assert self._open, "a number is given out in the transaction of the insert it is for"
        self.run(RAISE, account=account, kind=kind, n=1)
        return self._counted(account, kind)  # RETURNING takes longer than asking

    def removed(self, account: str, kind: str, count: int = 1) -> None:
        """Note that `count` things of a kind are gone, in the transaction that deletes them."""
        assert self._open, "what is gone is counted in the transaction that deletes it"
        self.run(RAISE, account=account, kind=f"{kind} removed", n=count)

    def total(self, account: str, kind: str) -> int:
        """How many things of a kind there are: numbers given out, less those noted as removed. Counts no rows."""
        given = self._counted(account, kind)
        return given - self._counted(account, f"{kind} removed") if given else 0

    def _counted(self, account: str, kind: str) -> int:
        row = self.one(COUNTED, account=account, kind=kind)
        return int(row[0]) if row else 0

    def reset(self, account: str | None = None) -> None:
        """Forget every row of an account, or all. Every table of ours has the column `account`."""
        with self.transaction():
            self.empty(account)

    def empty(self, account: str | None) -> None:
        """Delete every row of an account, or all, in the open transaction. The file may hold tables of rooms that nobody has
        entered since the start.
        """
        for table in self.tables():
            if account is None or self._alone(table, account):
                self._driver.execute(f'DELETE FROM "{table}"')  # at once, however many there are
            else:
                self._driver.execute(f'DELETE FROM "{table}" WHERE account = ?', (account,))

    def _alone(self, table: str, account: str) -> bool:
        """Whether no other account has rows in a table."""
        others = f'SELECT EXISTS (SELECT 1 FROM "{table}" WHERE account < :id) OR EXISTS (SELECT 1 FROM "{table}" WHERE account > :id)'
        return not self._driver.execute(others, {"id": account}).fetchone()[0]

    def tables(self) -> list[str]:
        """The names of all tables that are there, in a fixed order."""
        found = self._driver.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return [name for (name,) in found if not name.startswith("sqlite_")]

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()


class Held(Protocol):
    """Who holds a transaction open, and whether it is."""

    open: bool


class Transaction:
    """One transaction of a store, as a context manager. A class, for every write passes through it."""

    __slots__ = ("_held", "_store")

    def __init__(self, store: Store, held: Held | None) -> None:
        self._store, self._held = store, held

    def __enter__(self) -> Connection:
        held = self._held
        if held is None or not held.open:
            self._store.begin()
        if held is not None:
            held.open = True
        return self._store.connection

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        store = self._store
        try:
            if isinstance(error, DBAPIError):
                raise told(error) from error
            if error is None and self._held is None:
                store.commit()
                return
        except BaseException:
            if self._held is None:
                store.rollback()
            raise
        if self._held is None:
            store.rollback()


def told(error: DBAPIError | sqlite3.Error) -> Exception:
    """What a client is told of an error of the database; our own mistakes stay what they are."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, MISTAKES):
        return error
    print(f"the database cannot be used: {cause}", file=sys.stderr)
    return ServiceUnavailable(f"{ServiceUnavailable.default_detail} The database cannot be used: {cause}.")
