"""The rows that remember what was answered under an Idempotency-Key. Apart from idempotency.py so that a server which
keeps nothing need not import a database."""

from sqlalchemy import Index, LargeBinary, Table, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import Field, SQLModel

from mock_server.engine.answers import Ready
from mock_server.engine.idempotency import KEPT_FOR, Keyed
from mock_server.engine.store import Prepared, Store, mine

Answered = tuple[str, int, str, bytes]  # fingerprint of the request; status, content type and body of its answer


class IdempotencyRecord(SQLModel, table=True):
    """An answer given under a key. `at` in seconds since the epoch, by the account's clock."""

    __tablename__ = "idempotency_record"
    __table_args__ = (Index("idempotency_record_by_age", "account", "at"),)

    account: str = Field(primary_key=True)
    method: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    at: float
    fingerprint: str
    status: int
    content_type: str
    body: bytes = Field(sa_type=LargeBinary)


RECORD: Table = SQLModel.metadata.tables["idempotency_record"]
ROW = RECORD.c
FIND = Prepared(
    mine(select(ROW.fingerprint, ROW.status, ROW.content_type, ROW.body), RECORD).where(
        *(column == bindparam(column.name) for column in (ROW.method, ROW.path, ROW.key)), ROW.at > bindparam("since")
    )
)
KEEP = Prepared(insert(RECORD).prefix_with("OR REPLACE"))
FORGET = Prepared(mine(delete(RECORD), RECORD).where(ROW.at <= bindparam("until")))


def find(store: Store, keyed: Keyed, since: float) -> Answered | None:
    """What was answered under a key after `since`."""
    account, method, path, key = keyed.scope
    found: Answered | None = store.one(FIND, account=account, method=method, path=path, key=key, since=since)
    return found


def keep(store: Store, keyed: Keyed, now: float, content_type: str, answer: Ready) -> None:
    """Remember an answer, in the open transaction, and forget the account's that are too old."""
    account, method, path, key = keyed.scope
    store.run(FORGET, account=account, until=now - KEPT_FOR)
    store.run(
        KEEP,
        account=account,
        method=method,
        path=path,
        key=key,
        at=now,
        fingerprint=keyed.fingerprint,
        status=answer.status_code,
        content_type=content_type,
        body=bytes(answer.body),
    )
