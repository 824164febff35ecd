"""Rows as a person looks at them: of any table, the newest first, a page at a time, long values cut."""

from typing import Any

from mock_server.base import plan as plans
from mock_server.base.errors import NotFound
from mock_server.engine.plans import ROUNDING
from mock_server.engine.store import Store

LONGEST = 2000  # characters of a text that are shown
JOB = {"plan", "polls", "created_at"}  # the columns by which a table of jobs is known


def page(store: Store, table: str, account: str | None, size: int, offset: int) -> list[dict[str, Any]]:
    """Rows of a table, of one account or of all. Bytes are told by their number. Raises NotFound for no such table."""
    if table not in store.tables():
        raise NotFound("There is no table with this name, or none yet.")
    where = "" if account is None else "WHERE account = :account"
    sql = f'SELECT * FROM "{table}" {where} ORDER BY rowid DESC LIMIT :size OFFSET :offset'
    values = {"size": size, "offset": offset} | ({} if account is None else {"account": account})
    found = store.connection.exec_driver_sql(sql, values)
    names = list(found.keys())
    return [{name: _shown(value) for name, value in zip(names, row, strict=True)} for row in found]


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}… ({len(value)} characters)"
    return value


def job_tables(store: Store) -> list[str]:
    """The tables whose rows are jobs: those with a plan."""
    run = store.connection.exec_driver_sql
    return [name for name in store.tables() if {column[1] for column in run(f'PRAGMA table_info("{name}")')} >= JOB]


def job(row: dict[str, Any], now: float) -> dict[str, Any]:
    """A row of a job with where its plan has come to at `now` (seconds since the epoch), and its age in seconds."""
    plan = plans.parse(row["plan"])
    age = now - row["created_at"] / 1000
    status = "cancelled" if row.get("cancelled") else plan.status(age + ROUNDING, row["polls"])
    steps = [{"status": name, "at": at} for name, at in plan.steps]
    return {"id": row["id"], "account": row["account"], "planned": status, "age": round(age, 3), "polls": row["polls"],
            "by_poll": plan.by_poll, "steps": steps, "row": row}  # fmt: skip
