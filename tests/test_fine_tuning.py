"""Fine-tuning jobs: their life by plan, what is counted and refused, the models that come of them."""

import asyncio
import inspect
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import telnyx
from conftest import Client
from test_summarize import put

JOBS = "/ai/fine_tuning/jobs"
PRINTED = {
    "list": 'curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/fine_tuning/jobs"',
    "create": r"""
curl \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
  "model": "openai/gpt-4o",
  "training_file": "training-data.jsonl"
}' \
  "https://api.telnyx.com/v2/ai/fine_tuning/jobs"
""",
    "retrieve": 'curl -H "Authorization: Bearer $TELNYX_API_KEY" "https://api.telnyx.com/v2/ai/fine_tuning/jobs/{job_id}"',
    "cancel": r"""
curl \
  -X POST \
  -H "Authorization: Bearer $TELNYX_API_KEY" \
  -H "Content-Type: application/json" \
  "https://api.telnyx.com/v2/ai/fine_tuning/jobs/{job_id}/cancel"
""",
}
FIELDS = {
    "id", "created_at", "finished_at", "hyperparameters", "model", "organization_id", "status", "trained_tokens",
    "training_file",
}  # fmt: skip


def create(client: Client, plan: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"model": "openai/gpt-4o", "training_file": "training-data.jsonl", **fields}
    answer = client.post(JOBS, body, headers={"x-mock-plan": plan} if plan else {})
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


def retrieve(client: Client, id: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get(f"{JOBS}/{id}").json()
    return job


def advance(client: Client, seconds: float) -> None:
    client.admin("POST", "/clock", json={"advance": seconds}).raise_for_status()


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")
def test_the_printed_curls(client: Client) -> None:
    def run(name: str, id: str = "") -> Any:
        script = PRINTED[name].replace("https://api.telnyx.com", client.url).replace("{job_id}", id)
        env = {"TELNYX_API_KEY": client.key, "PATH": "/usr/bin:/bin:/usr/local/bin", "no_proxy": "*"}
        return json.loads(subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=30).stdout)

    job = run("create")

    assert set(job) == FIELDS and job["status"] == "queued"
    assert run("retrieve", job["id"])["status"] == run("cancel", job["id"])["status"] == "succeeded"
    assert [one["id"] for one in run("list")["data"]] == [job["id"]]


async def script(sdk: Any) -> None:
    jobs = sdk.ai.fine_tuning.jobs
    job = await done(jobs.create(
        model="openai/gpt-4o", training_file="my-bucket/training-data.jsonl", suffix="s", hyperparameters={"n_epochs": 1}
    ))  # fmt: skip
    assert (job.status, job.finished_at, job.trained_tokens, job.hyperparameters.n_epochs) == ("queued", None, None, 1)
    job = await done(jobs.retrieve(job.id))
    assert job.status == "succeeded" and job.trained_tokens > 0 and job.finished_at >= job.created_at
    assert await done(jobs.cancel(job.id)) == job
    assert (await done(jobs.list())).data == [job]
    with pytest.raises(telnyx.NotFoundError):
        await done(jobs.retrieve("none"))
    with pytest.raises(telnyx.UnprocessableEntityError):
        await done(jobs.create(model="m", training_file="f", hyperparameters={"n_epochs": 11}))


async def done(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.mark.parametrize("kind", [telnyx.Telnyx, telnyx.AsyncTelnyx])
def test_the_official_sdk(client: Client, kind: Any) -> None:
    asyncio.run(script(kind(api_key=client.key, base_url=client.v2)))


# The life of a job


def test_a_new_job_is_queued_and_at_its_end_when_next_read(client: Client) -> None:
    job = create(client)

    assert set(job) == FIELDS
    assert (job["status"], job["finished_at"], job["trained_tokens"]) == ("queued", None, None)
    assert (job["model"], job["training_file"], job["hyperparameters"]) == (
        "openai/gpt-4o", "training-data.jsonl", {"n_epochs": 3},
    )  # fmt: skip
    end = retrieve(client, job["id"])
    assert (end["status"], end["finished_at"]) == ("succeeded", job["created_at"])
    assert {name for name in FIELDS if end[name] != job[name]} == {"status", "finished_at", "trained_tokens"}


def test_a_plan_by_time(start: Any) -> None:
    client = start(clock="2026-01-31T12:00:00Z")
    job = create(client, "queued@0, running@5, succeeded@10")
    seen = []

    for seconds in (0, 4, 1, 4, 1):
        advance(client, seconds)
        seen.append(retrieve(client, job["id"])["status"])

    assert seen == ["queued", "queued", "running", "running", "succeeded"]
    assert retrieve(client, job["id"])["finished_at"] == job["created_at"] + 10


def test_a_plan_by_reads(client: Client) -> None:
    job = create(client, "poll: queued@0, running@2, failed@3")

    seen = [retrieve(client, job["id"]) for _ in range(4)]

    assert [one["status"] for one in seen] == ["queued", "running", "failed", "failed"]
    assert [one["finished_at"] is None for one in seen] == [True, True, False, False]
    assert seen[-1]["trained_tokens"] is None


@pytest.mark.parametrize(
    "plan",
    ["nonsense", "queued@0", "queued@0, done@1", "queued@1, failed@2", "failed@0, queued@1", "queued@0, failed@inf"],
)
def test_a_plan_that_cannot_be(client: Client, plan: str) -> None:
    answer = client.post(JOBS, {"model": "m", "training_file": "f"}, headers={"x-mock-plan": plan})

    assert answer.status_code == 400 and "x-mock-plan" in answer.json()["errors"][0]["detail"]


def test_cancel(client: Client) -> None:
    job = create(client, "queued@0, running@60, succeeded@120")

    cancelled = client.post(f"{JOBS}/{job['id']}/cancel").json()

    assert cancelled["status"] == "cancelled" and cancelled["finished_at"] is not None
    advance(client, 300)
    assert retrieve(client, job["id"]) == cancelled
    assert client.post(f"{JOBS}/{job['id']}/cancel").json() == cancelled


def test_a_job_that_has_ended_is_not_cancelled(client: Client) -> None:
    job = create(client)

    assert client.post(f"{JOBS}/{job['id']}/cancel").json() == retrieve(client, job["id"])
    assert retrieve(client, job["id"])["status"] == "succeeded"


# The training file


def test_tokens_are_counted_from_the_file_for_each_epoch(client: Client) -> None:
    put(client, "short.jsonl", b'{"messages": [{"role": "user", "content": "12345678"}]}\n\n' * 5)

    jobs = [create(client, training_file="short.jsonl", hyperparameters={"n_epochs": n})["id"] for n in (1, 4)]

    assert [retrieve(client, id)["trained_tokens"] for id in jobs] == [10, 40]


@pytest.mark.parametrize("name", ["data.csv", "my-bucket", "my-bucket/notes.txt"])
def test_documents_and_buckets_can_be_trained_on(client: Client, name: str) -> None:
    job = retrieve(client, create(client, training_file=name)["id"])

    assert job["status"] == "succeeded" and job["trained_tokens"] > 100


@pytest.mark.parametrize(
    "data",
    [b'{"messages": []}\n{"messages": [', b"[]\n", b'"text"', b"", b'{"messages": "x"}', b"\xff\xfe\n", b"[" * 100_000],
)
def test_a_broken_line_makes_the_job_fail(client: Client, data: bytes) -> None:
    put(client, "broken.jsonl", data)

    job = retrieve(client, create(client, training_file="broken.jsonl")["id"])

    assert (job["status"], job["trained_tokens"]) == ("failed", None) and job["finished_at"] is not None


def test_a_line_that_is_far_too_long_makes_the_job_fail(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_server.domains.fine_tuning.training.LONGEST_LINE", 1000)
    line = json.dumps({"messages": [{"role": "user", "content": "x" * 900}]}).encode()
    put(client, "good.jsonl", b"\n".join([line] * 3))
    put(client, "long.jsonl", line.replace(b"x", b"xx"))

    good, long = (retrieve(client, create(client, training_file=f"{name}.jsonl")["id"]) for name in ("good", "long"))

    assert (good["status"], long["status"], long["trained_tokens"]) == ("succeeded", "failed", None)


def test_an_unknown_training_file(client: Client, start: Any) -> None:
    live = start(profile="live")

    refused = live.post(JOBS, {"model": "openai/gpt-4o", "training_file": "none.jsonl"})

    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "10015")
    assert retrieve(client, create(client, training_file="none.jsonl")["id"])["status"] == "succeeded"
    assert create(live)["status"] == "queued"


@pytest.mark.parametrize(
    "body, where",
    [
        ({}, [["body", "model"], ["body", "training_file"]]),
        ({"model": "m", "training_file": "f", "hyperparameters": {"n_epochs": 0}}, [["body", "hyperparameters", "n_epochs"]]),
        ({"model": "m", "training_file": "f", "hyperparameters": {"n_epochs": "auto"}}, [["body", "hyperparameters", "n_epochs"]]),
    ],
)  # fmt: skip
def test_a_body_that_breaks_the_schema(client: Client, body: dict[str, Any], where: list[list[str]]) -> None:
    answer = client.post(JOBS, body)

    assert answer.status_code == 422 and [item["loc"] for item in answer.json()["detail"]] == where


@pytest.mark.parametrize("method, path", [("GET", "/none"), ("POST", "/none/cancel"), ("GET", "/a%2Fb")])
def test_an_unknown_job(client: Client, start: Any, method: str, path: str) -> None:
    answer = client.request(method, JOBS + path)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "10005")
    assert set(start(profile="stub").request(method, JOBS + path).json()) == FIELDS


# Lists and models


def test_lists_are_newest_first_and_whole_unless_a_page_is_asked_for(client: Client) -> None:
    ids = [create(client, suffix=f"s{n}")["id"] for n in range(25)]

    answer = client.get(JOBS).json()

    assert list(answer) == ["data"] and [job["id"] for job in answer["data"]] == ids[::-1]
    assert client.get(JOBS, params={"page": 2, "page_size": 10}).json() == answer, "no spelling of a page"
    page = client.get(JOBS, params={"page[number]": 2, "page[size]": 10}).json()
    assert [job["id"] for job in page["data"]] == ids[::-1][10:20]
    assert (page["meta"]["total_pages"], page["meta"]["total_results"]) == (3, 25)


def test_the_model_of_a_job_that_succeeded_is_listed_and_answers(start: Any) -> None:
    client = start(profile="live")
    before = len(client.get("/ai/models").json()["data"])
    failing, running = create(client, "queued@0, failed@0"), create(client, "queued@0, running@1e6, succeeded@1e7")
    job = retrieve(client, create(client, suffix="my bees!")["id"])

    for path in ("/ai/models", "/ai/openai/models"):
        models = client.get(path).json()["data"]
        assert len(models) == before + 1
        assert (models[-1]["id"], models[-1]["base_model"], models[-1]["owned_by"]) == (
            job["id"], "openai/gpt-4o", job["organization_id"],
        )  # fmt: skip
    assert job["id"].startswith("ft:gpt-4o:my-bees-:")
    assert client.chat(model=job["id"]).status_code == 200
    assert client.chat(model=failing["id"]).status_code == client.chat(model=running["id"]).status_code == 400


def test_jobs_and_models_are_the_accounts_own(start: Any) -> None:
    client = start(profile="live")
    other = client.as_key("other-key")
    job = create(client)

    assert other.get(JOBS).json() == {"data": []}
    assert other.get(f"{JOBS}/{job['id']}").status_code == 404
    assert other.chat(model=job["id"]).status_code == 400
    assert job["id"] not in other.get("/ai/models").text
    assert create(other)["organization_id"] != job["organization_id"]


def test_reset_forgets_jobs_and_models(client: Client) -> None:
    job = create(client)

    client.admin("POST", "/reset")

    assert client.get(JOBS).json() == {"data": []}
    assert job["id"] not in client.get("/ai/models").text


def test_jobs_and_models_survive_a_restart(start: Any, tmp_path: Path) -> None:
    job = create(start(db=tmp_path / "state.sqlite"))

    again = start(db=tmp_path / "state.sqlite")

    assert again.get("/ai/models").json()["data"][-1]["id"] == job["id"]
    assert retrieve(again, job["id"])["status"] == "succeeded"
    assert create(again)["id"] != job["id"]


def test_models_of_a_database_that_never_had_a_job(start: Any, tmp_path: Path) -> None:
    assert start(db=tmp_path / "state.sqlite").get("/ai/models").status_code == 200


@pytest.mark.parametrize(
    "fields", [{"model": ""}, {"model": "a/b/c d\n"}, {"suffix": "x" * 5000}, {"training_file": ""}]
)
def test_odd_names_make_no_500(client: Client, fields: dict[str, Any]) -> None:
    job = create(client, **fields)

    assert retrieve(client, job["id"])["id"] == job["id"]
    assert client.get("/ai/models").status_code == 200
