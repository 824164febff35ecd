"""The one SQLite database of a World: opening, transactions, counters. Holds the only account filter.

Endpoints run on one loop and a transaction holds no `await`, so one connection serves all; opening a second transaction
inside one is a mistake of ours and refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Select, Table, create_engine, delete, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool
from sqlmodel import Field, SQLModel

VERSION = 1  # of the tables; a file of another version is refused


class StoreError(RuntimeError):
    """A database that cannot be used: one sentence for a person."""


class Counter(SQLModel, table=True):
    """The highest number given out, per account and kind of thing; raised in the transaction of the insert it is for."""

    __tablename__ = "counter"

    account: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    n: int


COUNTERS: Table = SQLModel.metadata.tables["counter"]


class Store:
    """The database of one World: in memory without a path. Raises StoreError when the file cannot be used."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._open = False
        url = URL.create("sqlite", database=None if path is None else str(path))
        # AUTOCOMMIT leaves BEGIN and COMMIT to us: the driver's own habits differ between Python versions.
        self._engine: Engine = create_engine(url, poolclass=StaticPool, isolation_level="AUTOCOMMIT")
        event.listen(self._engine, "connect", _pragmas)
        try:
            self._connection: Connection = self._engine.connect()
            self._prepare()
        except DBAPIError as error:
            raise StoreError(f"The database {path} cannot be used: {error.orig}.") from None

    def _prepare(self) -> None:
        version = self._connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version not in (0, VERSION):
            raise StoreError(f"The database {self.path} is of version {version}, this server writes version {VERSION}.")
        self.create_tables()
        self._connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def create_tables(self) -> None:
        """Create the tables of every room that has been entered by now."""
        SQLModel.metadata.create_all(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing. Holds no `await`: a second one while it is open is our own mistake."""
        assert not self._open, "a transaction is open already: an await inside one, or one inside another"
        self._open = True
        run = self._connection.exec_driver_sql
        run("BEGIN")
        try:
            yield self._connection
            run("COMMIT")
        except BaseException:
            run("ROLLBACK")
            raise
        finally:
            self._open = False

    def number(self, transaction: Connection, account: str, kind: str) -> int:
        """The next number of a kind in an account; never one that was given out before, restarts included."""
        raised = insert(Counter).values(account=account, kind=kind, n=1)
        raised = raised.on_conflict_do_update(index_elements=["account", "kind"], set_={"n": COUNTERS.c.n + 1})
        return int(transaction.execute(raised.returning(COUNTERS.c.n)).scalar_one())

    def reset(self, account: str | None = None) -> None:
        """Forget every row of an account, or all. Every table of ours has the column `account`."""
        with self.transaction() as transaction:
            for table in reversed(SQLModel.metadata.sorted_tables):
                rows = delete(table)
                transaction.execute(rows if account is None else rows.where(table.c.account == account))

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def mine(statement: Select[Any], table: Any, account: str) -> Select[Any]:
    """`statement` narrowed to the rows of one account: the only place where that is written."""
    return statement.where(table.account == account)


def _pragmas(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA foreign_keys = ON")
