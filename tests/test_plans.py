"""Plans of jobs: how they will go, by header, by API (of an account or of all), by file; every kind obeys."""

from typing import Any

import pytest
import telnyx

from mock_server.base.jobs import EMBEDDING, FINE_TUNING, KINDS, REPORTS
from mock_server.engine.replies import FixtureError

JOBS = "/ai/fine_tuning/jobs"
TUNE = {"model": "openai/gpt-4o", "training_file": "my-bucket/training-data.jsonl"}
BATCH = "/legacy/reporting/batch_detail_records/speech_to_text"
MONTH = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-31T00:00:00Z"}


def planned(client, **plans: str | None) -> None:
    answer = client.admin("PUT", "/plans", json=plans)
    assert answer.status_code == 200, answer.text


def tune(client, **headers: str) -> dict[str, Any]:
    return client.post(JOBS, TUNE, headers=headers).json()


def fate(client, **headers: str) -> str:
    """What a new fine-tuning job comes to at its first read."""
    return client.get(f"{JOBS}/{tune(client, **headers)['id']}").json()["status"]


def report(client) -> str:
    return client.post(BATCH, MONTH).json()["data"]["id"]


def embed(client) -> str:
    client.http.put(f"{client.url}/s3/mine", headers={"authorization": f"AWS {client.key}:x"})
    return client.post("/ai/embeddings", {"bucket_name": "mine"}).json()["data"]["task_id"]


def run(client) -> str:
    """A conversation with one insight group run over it."""
    insight = client.post("/ai/conversations/insights", {"name": "i", "instructions": "x"}).json()["data"]["id"]
    group = client.post("/ai/conversations/insight-groups", {"name": "g"}).json()["data"]["id"]
    client.post(f"/ai/conversations/insight-groups/{group}/insights/{insight}/assign")
    id = client.post("/ai/conversations", {}).json()["id"]
    client.post(f"/ai/conversations/{id}/message", {"role": "user", "content": "hi"})
    client.admin("POST", f"/conversations/{id}/complete")
    return id


def statuses(client, path: str, *place: Any) -> list[str]:
    """The status at each of four reads, the clock moved on by a second after each."""
    found = []
    for _ in range(4):
        value = client.get(path).json()
        for step in place:
            value = value[step]
        found.append(value["status"])
        client.admin("POST", "/clock", json={"advance": 1})
    return found


@pytest.mark.parametrize(
    ("kind", "make", "path", "place"),
    [
        (KINDS["fine_tuning"], lambda c: tune(c)["id"], JOBS + "/{}", ()),
        (KINDS["reports"], report, BATCH + "/{}", ("data",)),
        (KINDS["embedding"], embed, "/ai/embeddings/{}", ("data",)),
        (KINDS["insights"], run, "/ai/conversations/{}/conversations-insights", ("data", 0)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@pytest.mark.parametrize("form", ["time", "poll", "at once", "stuck"])
def test_every_kind_obeys(client, kind, make, path, place, form):
    first, last, good = kind.before[0], kind.ends[1], kind.ends[0]
    plans = {"time": f"{first}@0, {last}@2", "poll": f"poll: {first}@0, {last}@2", "at once": last, "stuck": "stuck"}
    client.admin("POST", "/clock", json={"freeze": True})
    planned(client, **{kind.name: plans[form]})

    found = statuses(client, path.format(make(client)), *place)

    expected = {
        "time": [first, first, last, last], "poll": [first, last, last, last], "at once": [last] * 4,
        "stuck": [kind.before[-1]] * 4,
    }[form]  # fmt: skip
    assert found == expected and good not in found


def test_the_header_comes_before_the_account_before_the_server_before_the_file(start, tmp_path):
    (tmp_path / "plans.yaml").write_text("fine_tuning: cancelled\nreports: FAILED\n")
    client = start(fixtures=(tmp_path,))
    sources = []

    def note() -> str:
        sources.append(client.admin("GET", "/plans").json()["data"][1]["source"])
        return fate(client)

    found = [note()]
    client.http.put(client.url + "/_mock/plans", json={"fine_tuning": "failed"})
    found.append(note())
    planned(client, fine_tuning="queued@0, succeeded@0")
    found.append(note())
    found.append(fate(client, **{"x-mock-plan": "stuck"}))

    assert found == ["cancelled", "failed", "succeeded", "running"]
    assert sources == ["file", "server", "account"]
    assert client.get(f"{BATCH}/{report(client)}").json()["data"]["status"] == "FAILED"


def test_other_accounts_keep_theirs_and_reset_takes_all_back(start, tmp_path):
    client = start()
    other = client.as_key("another-key-altogether")
    planned(client, fine_tuning="failed")
    assert (fate(client), fate(other)) == ("failed", "succeeded")
    client.admin("POST", "/reset")
    assert fate(client) == "succeeded"
    client.http.put(client.url + "/_mock/plans", json={"fine_tuning": "failed"})
    assert fate(other) == "failed"
    client.http.post(client.url + "/_mock/reset")
    assert fate(other) == "succeeded"


def test_null_takes_one_back_and_delete_all(client):
    planned(client, fine_tuning="failed", reports="FAILED")
    planned(client, fine_tuning=None)
    rows = {row["kind"]: row for row in client.admin("GET", "/plans").json()["data"]}
    assert (rows["fine_tuning"]["source"], rows["reports"]["source"]) == ("default", "account")
    assert rows["reports"]["plan"] == "PENDING@0, FAILED@0"
    client.admin("DELETE", "/plans")
    assert {row["source"] for row in client.admin("GET", "/plans").json()["data"]} == {"default"}


def test_a_plan_is_for_jobs_made_from_now_on(client):
    job = tune(client)
    planned(client, fine_tuning="failed")
    assert client.get(f"{JOBS}/{job['id']}").json()["status"] == "succeeded"


def test_a_report_may_expire_after_it_was_complete(client):
    client.admin("POST", "/clock", json={"freeze": True})
    planned(client, reports="PENDING@0, COMPLETE@1, EXPIRED@3")
    assert statuses(client, f"{BATCH}/{report(client)}", "data") == ["PENDING", "COMPLETE", "COMPLETE", "EXPIRED"]


def test_the_header_works_on_reports_and_says_what_is_wrong(client):
    made = client.post(BATCH, MONTH, headers={"x-mock-plan": "FAILED"}).json()["data"]
    assert client.get(f"{BATCH}/{made['id']}").json()["data"]["status"] == "FAILED"
    wrong = client.post(BATCH, MONTH, headers={"x-mock-plan": "failed"})
    assert wrong.status_code == 400 and "x-mock-plan" in wrong.text


def test_the_sdk_sees_a_job_fail_at_its_third_read(client):
    planned(client, fine_tuning="poll: queued@0, running@1, failed@3")
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2) as sdk:
        job = sdk.ai.fine_tuning.jobs.create(model="openai/gpt-4o", training_file="my-bucket/training-data.jsonl")
        seen = [sdk.ai.fine_tuning.jobs.retrieve(job.id).status for _ in range(3)]
    assert (job.status, seen) == ("queued", ["running", "running", "failed"])


@pytest.mark.parametrize(
    "plans",
    [
        {"fine-tuning": "failed"},
        {"fine_tuning": "done"},
        {"fine_tuning": ""},
        {"fine_tuning": "failed@1"},
        {"fine_tuning": "queued@0, failed@nan"},
        {"fine_tuning": "queued@0, failed@1e12"},
        {"fine_tuning": "succeeded@0, failed@1"},
        {"fine_tuning": 7},
        [],
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_is_refused_and_changes_nothing(client, plans):
    assert client.admin("PUT", "/plans", json=plans).status_code == 422
    assert fate(client) == "succeeded"


@pytest.mark.parametrize("text", ["- failed", "fine_tuning: done", "embeddings: failure", "fine_tuning: 7", "{oops"])
def test_a_file_that_cannot_be_read_is_refused_at_start(start, tmp_path, text):
    (tmp_path / "plans.yaml").write_text(text)
    with pytest.raises(FixtureError, match=r"plans\.yaml"):
        start(fixtures=(tmp_path,))


def test_a_file_without_plans_leaves_the_usual_ones(start, tmp_path):
    (tmp_path / "plans.yaml").write_text("# fine_tuning: failed\n")
    assert fate(start(fixtures=(tmp_path,))) == "succeeded"


def test_a_broken_file_is_told_with_its_line(start, tmp_path):
    (tmp_path / "plans.yaml").write_text("reports: FAILED\nfine_tuning: done\n")
    with pytest.raises(FixtureError, match=r"plans\.yaml:2: fine_tuning: "):
        start(fixtures=(tmp_path,))


def test_the_first_folders_word_counts(start, tmp_path):
    for name, text in (("one", "fine_tuning: failed"), ("two", "fine_tuning: stuck\nreports: FAILED")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plans.yaml").write_text(text)
    client = start(fixtures=(tmp_path / "one", tmp_path / "two"))
    assert fate(client) == "failed"
    assert client.get(f"{BATCH}/{report(client)}").json()["data"]["status"] == "FAILED"


def test_words_for_plans():
    assert FINE_TUNING.read("immediate") == FINE_TUNING.usual == FINE_TUNING.read("queued@0, running@0, succeeded@0")
    assert EMBEDDING.read(" partial_success ").dump() == "queued@0, processing@0, partial_success@0"
    assert REPORTS.read("stuck").dump() == "PENDING@0, COMPLETE@1e+09"
