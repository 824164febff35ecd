"""Reports of the transcriptions an account made: batches with a CSV to download, and usage at once."""

import calendar
import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from mock_server.base import plan as plans
from mock_server.base.clock import iso_ms
from mock_server.base.errors import BadRequest, NotFound
from mock_server.base.jobs import REPORTS
from mock_server.domains.audio.tables import TRANSCRIPTION
from mock_server.domains.reports.tables import REPORT
from mock_server.domains.reports.wire import ReportRequest
from mock_server.engine.store import Prepared, mine
from mock_server.world import Call, World

KIND = "speech_to_text_report"  # of ids, counters and `record_type`
LINK = "/_mock/reports/"
HEADER = ("id", "created_at", "model", "language", "source", "duration_sec", "characters")
SYNTHESISED_AT = "2025-01-01T00:00:00Z"

ROW, SAID = REPORT.c, TRANSCRIPTION.c
ID: BindParameter[str] = bindparam("id")
SHOWN = (ROW.id, ROW.token, ROW.start_date, ROW.end_date, ROW.plan, ROW.polls, ROW.created_at)
INSERT = Prepared(insert(REPORT))
GET = Prepared(mine(select(*SHOWN), REPORT).where(ROW.id == ID))
ALL = Prepared(mine(select(*SHOWN), REPORT).order_by(ROW.n.desc()))
READ = Prepared(mine(update(REPORT), REPORT).where(ROW.id == ID).values(polls=ROW.polls + 1))
DELETE = Prepared(mine(delete(REPORT), REPORT).where(ROW.id == ID))
BY_TOKEN = Prepared(  # of any account: the token is the key to it
    select(ROW.account, ROW.start_ms, ROW.end_ms, ROW.created_at).where(ROW.token == bindparam("token"))
)
COUNTED = Prepared(
    mine(
        select(SAID.id, SAID.created_at, SAID.model, SAID.language, SAID.source, SAID.duration, SAID.characters),
        TRANSCRIPTION,
    )
    .where(SAID.created_at >= bindparam("start"), SAID.created_at <= bindparam("end"))
    .order_by(SAID.created_at, SAID.n)
)


def create(call: Call, transaction: Connection, body: ReportRequest) -> dict[str, Any]:
    """A new report, PENDING. Raises BadRequest for dates that cannot be."""
    start, end = _dates(call, body)
    course = call.plan(REPORTS)
    store, account, now = call.world.store, call.account.id, call.milliseconds()
    n = store.number(transaction, account, KIND)
    ids = call.world.ids
    row = {
        "id": ids.uuid(account, KIND, n), "token": ids.hex(account, f"{KIND} token", n),
        "start_date": body.start_date or SYNTHESISED_AT, "end_date": body.end_date or SYNTHESISED_AT,
        "plan": course.dump(), "polls": 0, "created_at": now,
    }  # fmt: skip
    store.run(INSERT, account=account, n=n, start_ms=start, end_ms=end, **row)
    return _told(call, tuple(row.values()), created=True)


def get(call: Call, id: str) -> dict[str, Any]:
    """Counts as a read. Raises NotFound."""
    store, account = call.world.store, call.account.id
    row = store.one(GET, account=account, id=id)
    if row is None:
        return _synthesised(call, id)
    store.run(READ, account=account, id=id)
    return _told(call, (*row[:5], row[5] + 1, row[6]))


def listed(call: Call) -> list[dict[str, Any]]:
    """Every report, newest first. Counts as a read of each."""
    store, account = call.world.store, call.account.id
    rows = store.all(ALL, account=account)
    for row in rows:
        store.run(READ, account=account, id=row[0])
    return [_told(call, (*row[:5], row[5] + 1, row[6])) for row in rows]


def remove(call: Call, id: str) -> dict[str, Any]:
    """Delete a report; what it was. Raises NotFound."""
    store, account = call.world.store, call.account.id
    row = store.one(GET, account=account, id=id)
    if row is None:
        return _synthesised(call, id)
    store.run(DELETE, account=account, id=id)
    return _told(call, row)


def usage(call: Call, start_date: str | None, end_date: str | None) -> dict[str, Any]:
    """What was transcribed between two instants, both included; without one there is no limit. Raises BadRequest."""
    start = 0 if start_date is None else _instant(call, "start_date", start_date)
    end = call.milliseconds() if end_date is None else _instant(call, "end_date", end_date)
    rows = call.world.store.all(COUNTED, account=call.account.id, start=start, end=end)
    models: dict[str, list[Any]] = {}
    for row in rows:
        models.setdefault(row[2], []).append(row)
    return {
        "record_type": "speech_to_text_usage_report",
        "start_date": start_date,
        "end_date": end_date,
        **_sums(rows),
        "by_model": [{"model": model, **_sums(models[model])} for model in sorted(models)],
    }


def _sums(rows: Sequence[Any]) -> dict[str, Any]:
    return {
        "transcriptions": len(rows),
        "duration_sec": round(sum(row[5] or 0.0 for row in rows), 3),
        "characters": sum(row[6] for row in rows),
    }


def sheet(world: World, token: str) -> bytes:
    """The CSV behind a download link, which is told once the report is COMPLETE. Raises NotFound."""
    row = world.store.one(BY_TOKEN, token=token)
    if row is None:
        raise NotFound
    account, start, end, created_at = row
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for id, at, *rest in world.store.all(COUNTED, account=account, start=start, end=min(end, created_at)):
        writer.writerow([id, iso_ms(at), *map(_cell, rest)])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _told(call: Call, row: Sequence[Any], created: bool = False) -> dict[str, Any]:
    id, token, start, end, plan, polls, created_at = row
    course = plans.parse(plan)
    status = course.steps[0][0] if created else course.status(call.now() - created_at / 1000 + 0.001, polls)
    return {
        "id": id,
        "created_at": iso_ms(created_at),
        "start_date": start,
        "end_date": end,
        "download_link": call.url(f"{LINK}{token}.csv") if status == "COMPLETE" else "",
        "status": status,
        "record_type": KIND,
    }


def _synthesised(call: Call, id: str) -> dict[str, Any]:
    """What stands in for a report that is not there. Raises NotFound unless told to make one."""
    if not call.quirk("unknown_ids_synthesised"):
        raise NotFound
    return {
        "id": id, "created_at": SYNTHESISED_AT, "start_date": SYNTHESISED_AT, "end_date": SYNTHESISED_AT,
        "download_link": "", "status": "COMPLETE", "record_type": KIND,
    }  # fmt: skip


def _dates(call: Call, body: ReportRequest) -> tuple[int, int]:
    """Start and end in ms since the epoch. At most a month apart. Raises BadRequest."""
    if call.quirk("requests_mended") and (body.start_date is None or body.end_date is None):
        return 0, 0
    for name in ("start_date", "end_date"):
        if getattr(body, name) is None:
            raise BadRequest(f"The '{name}' parameter is required.", source={"pointer": f"/{name}"})
    start = _instant(call, "start_date", body.start_date or "", "pointer")
    end = _instant(call, "end_date", body.end_date or "", "pointer")
    if call.quirk("requests_mended"):
        return start, end
    if end < start:
        raise BadRequest("end_date lies before start_date.", source={"pointer": "/end_date"})
    if end > _month_after(datetime.fromisoformat(body.start_date or "")):
        raise BadRequest("The dates are more than one month apart.", source={"pointer": "/end_date"})
    return start, end


def _month_after(day: datetime) -> int:
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    try:
        later = day.replace(year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1]))
        return round(later.timestamp() * 1000)
    except (ValueError, OverflowError):  # the end of the calendar
        return 10**15


def _instant(call: Call, name: str, text: str, place: str = "parameter") -> int:
    """An ISO 8601 instant with its zone, in ms since the epoch. Raises BadRequest."""
    where = {place: f"/{name}" if place == "pointer" else name}
    try:
        instant = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        if instant.tzinfo is None and not call.quirk("requests_mended"):
            raise ValueError
        return round(instant.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadRequest(f"'{name}' is not an ISO 8601 date-time with a time zone.", source=where) from None
