"""Legacy reports of speech to text: they count what the account transcribed."""

import csv
import io

import httpx
import pytest
import telnyx

from tests.speech import transcribe, wav
from tests.test_brief_curls import pytestmark as needs_curl
from tests.test_brief_curls import run

BATCH = "/legacy/reporting/batch_detail_records/speech_to_text"
USAGE = "/legacy/reporting/usage_reports/speech_to_text"
MONTH = {"start_date": "2026-01-01T00:00:00+00:00", "end_date": "2026-02-01T00:00:00+00:00"}
TWO_SECONDS = wav([0.0] * 16000, 8000)
CREATE = r"""
curl -s \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
  "start_date": "2020-07-01T00:00:00-06:00",
  "end_date": "2020-07-01T00:00:00-06:00"
}' -o /dev/null -w "%{http_code}" \
  "https://api.telnyx.com/v2/legacy/reporting/batch_detail_records/speech_to_text"
"""
FETCH_USAGE = r"""
curl -s -H "Authorization: Bearer $TELNYX_API_KEY" -o /dev/null -w "%{http_code}" "https://api.telnyx.com/v2/legacy/reporting/usage_reports/speech_to_text?start_date=2020-07-02T00:00:00-06:00&end_date=2020-07-01T00:00:00-06:00"
"""


@pytest.fixture
def january(client):
    """An account whose clock stands at 2026-01-15T12:00Z, with two transcriptions made there."""
    client.admin("POST", "/clock", json={"freeze": True, "set": "2026-01-15T12:00:00Z"})
    for model in ("deepgram/nova-3", "distil-whisper/distil-large-v2"):
        transcribe(client, TWO_SECONDS, "=call.wav", model=model)
    return client


def rows(link: str) -> list[dict[str, str]]:
    answer = httpx.get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.text)))


@needs_curl
@pytest.mark.parametrize("script", [CREATE, FETCH_USAGE])
def test_the_briefs_curls(client, script):
    assert run(client, script) == "200"


def test_a_batch_report_is_pending_then_complete(january):
    made = january.post(BATCH, MONTH).json()["data"]
    read = january.get(f"{BATCH}/{made['id']}").json()["data"]

    assert (made["status"], made["download_link"], made["record_type"]) == ("PENDING", "", "speech_to_text_report")
    assert read == {**made, "status": "COMPLETE", "download_link": read["download_link"]}
    assert january.get(BATCH).json() == {"data": [read]}


def test_its_link_leads_to_a_csv_without_a_key(january):
    january.post(BATCH, MONTH)
    [report] = january.get(BATCH).json()["data"]

    found = rows(report["download_link"])

    assert [(row["model"], row["duration_sec"], row["source"]) for row in found] == [
        ("deepgram/nova-3", "2.0", "'=call.wav"),
        ("distil-whisper/distil-large-v2", "2.0", "'=call.wav"),
    ]
    assert httpx.get(report["download_link"].replace("reports/", "reports/0")).status_code == 404


def test_a_link_works_where_the_admin_api_asks_for_a_token(start):
    client = start(admin_token="secret")
    client.post(BATCH, MONTH)

    assert rows(client.get(BATCH).json()["data"][0]["download_link"]) == []


def test_a_report_counts_its_own_time_and_account_only(january):
    transcribe(january.as_key(january.key + "-2"), TWO_SECONDS)
    edge = {"start_date": "2026-01-15T12:00:00Z", "end_date": "2026-01-15T12:00:00Z"}
    after = {"start_date": "2026-01-15T12:00:01Z", "end_date": "2026-01-16T12:00:00Z"}
    for dates in (edge, after):
        january.post(BATCH, dates)

    assert [len(rows(report["download_link"])) for report in january.get(BATCH).json()["data"]] == [0, 2]


def test_a_deleted_report_is_gone(january):
    made = january.post(BATCH, MONTH).json()["data"]
    link = january.get(f"{BATCH}/{made['id']}").json()["data"]["download_link"]

    assert january.request("DELETE", f"{BATCH}/{made['id']}").json()["data"]["id"] == made["id"]
    assert january.get(f"{BATCH}/{made['id']}").status_code == 404
    assert january.get(BATCH).json() == {"data": []}
    assert httpx.get(link).status_code == 404


def test_another_accounts_report_is_not_found(january):
    made = january.post(BATCH, MONTH).json()["data"]
    other = january.as_key(january.key + "-2")

    assert other.get(f"{BATCH}/{made['id']}").json()["errors"][0]["code"] == "10005"
    assert other.request("DELETE", f"{BATCH}/{made['id']}").status_code == 404
    assert january.get(f"{BATCH}/{made['id']}").status_code == 200


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "The 'start_date' parameter is required."),
        ({"start_date": "2026-01-01T00:00:00Z"}, "The 'end_date' parameter is required."),
        ({**MONTH, "end_date": "2026-02-01T00:00:01Z"}, "more than one month apart"),
        ({**MONTH, "end_date": "2025-02-01T00:00:00Z"}, "before start_date"),
        ({**MONTH, "start_date": "2026-01-01T00:00:00"}, "with a time zone"),
        ({**MONTH, "start_date": "yesterday"}, "with a time zone"),
    ],
)
def test_dates_that_cannot_be(client, body, detail):
    answer = client.post(BATCH, body)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "10015")
    assert detail in answer.json()["errors"][0]["detail"]


def test_stub_reports_on_nothing_where_no_dates_are_given(start):
    client = start(profile="stub")
    transcribe(client, TWO_SECONDS, "=call.wav")
    for body in ({}, {"start_date": MONTH["start_date"]}):
        made = client.post(BATCH, body)
        assert made.status_code == 200, made.text
        assert rows(client.get(f"{BATCH}/{made.json()['data']['id']}").json()["data"]["download_link"]) == []


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_the_ends_of_the_calendar(client, date):
    assert client.post(BATCH, {"start_date": date, "end_date": date}).status_code == 200
    assert client.get(USAGE, params={"start_date": date, "end_date": date}).status_code == 200
    assert rows(client.get(BATCH).json()["data"][0]["download_link"]) == []


def test_usage(january):
    usage = january.get(USAGE, params=MONTH).json()["data"]

    assert (usage["transcriptions"], usage["duration_sec"]) == (2, 4.0)
    assert [row["model"] for row in usage["by_model"]] == ["deepgram/nova-3", "distil-whisper/distil-large-v2"]
    assert january.get(USAGE).json()["data"]["transcriptions"] == 2
    assert january.as_key(january.key + "-2").get(USAGE).json()["data"]["transcriptions"] == 0
    assert january.get(USAGE, params={"start_date": "x"}).status_code == 400


def test_the_telnyx_sdk(january):
    sdk = telnyx.Telnyx(api_key=january.key, base_url=january.v2, max_retries=0)
    reports = sdk.legacy.reporting.batch_detail_records.speech_to_text

    made = reports.create(**MONTH).data

    assert reports.retrieve(made.id).data.status == "COMPLETE"
    assert [report.id for report in reports.list().data] == [made.id]
    assert reports.delete(made.id).data.id == made.id
    assert sdk.legacy.reporting.usage_reports.retrieve_speech_to_text(**MONTH).data["transcriptions"] == 2
