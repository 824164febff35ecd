"""Documents from beginning to end as users live it: boto3 puts them, the official SDK embeds, searches, summarizes, trains."""

import json
import time

import pdf
import pytest
import telnyx
from conftest import Client
from test_buckets import refused, s3_of
from test_embeddings import files
from test_summarize import bomb

DOCUMENTS = {
    "manual.pdf": (pdf.make([["The pump needs oil every spring."], ["Call the workshop first."]], compress=True), "pump oil"),
    "page.html": (b"<h1>Billing</h1><p>Invoices are sent on Mondays.</p>", "when are invoices sent"),
    "table.csv": (b"city,river\nParis,Seine\nLondon,Thames\n", "river of London"),
    "data.json": (b'[{"animal": "otter", "food": "clams"}]', "what does an otter eat, clams"),
    "notes.txt": (b"Bees dance to tell where nectar is. They return at dusk.", "where is nectar"),
}  # fmt: skip
WAY_OUT = [
    "../../../etc/passwd",
    "/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "....//etc/passwd",
    "C:\\Windows\\win.ini",
    "\0",
]


def test_documents_are_put_embedded_found_summarized_and_forgotten(client: Client) -> None:
    s3 = s3_of(client)
    s3.create_bucket(Bucket="library")
    for name, (body, _) in DOCUMENTS.items():
        s3.put_object(Bucket="library", Key=name, Body=body)
    with telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
        task = sdk.ai.embeddings.create(bucket_name="library").data
        while task.status in ("queued", "processing"):
            task = sdk.ai.embeddings.retrieve(task.task_id).data
        assert task.status == "success"

        for name, (_, query) in DOCUMENTS.items():
            found = sdk.ai.embeddings.similarity_search(bucket_name="library", query=query, num_of_docs=5).data
            assert found[0].metadata.filename == name
            assert [hit.distance for hit in found] == sorted(hit.distance for hit in found)
            assert sdk.ai.summarize(bucket="library", filename=name).data.summary
        sdk.ai.embeddings.buckets.delete("library")
        with pytest.raises(telnyx.NotFoundError):
            sdk.ai.embeddings.similarity_search(bucket_name="library", query="pump")

    for name in DOCUMENTS:
        s3.delete_object(Bucket="library", Key=name)
    s3.delete_bucket(Bucket="library")
    assert refused(s3.list_objects_v2, Bucket="library") == (404, "NoSuchBucket")


@pytest.mark.parametrize("name", WAY_OUT, ids=repr)
def test_no_name_leads_out_of_a_bucket(client: Client, name: str) -> None:
    answers = [
        client.post("/ai/summarize", {"bucket": "my-bucket", "filename": name}),
        client.post("/ai/summarize", {"bucket": name, "filename": "data.csv"}),
        client.post("/ai/embeddings", {"bucket_name": name}),
        client.post("/ai/embeddings/similarity-search", {"bucket_name": name, "query": "root"}),
        client.post("/ai/embeddings/url", {"bucket_name": name, "url": "https://example.com/"}),
        client.post("/ai/embeddings/url", {"bucket_name": "my-bucket", "url": "file:///etc/passwd"}),
        client.get("/ai/embeddings/buckets/..%2f..%2fetc"),
    ]
    job = client.post("/ai/fine_tuning/jobs", {"model": "m", "training_file": name})

    assert {answer.status_code for answer in answers} <= {400, 404, 422}
    assert "root:" not in "".join(answer.text for answer in answers)
    assert job.json().get("trained_tokens") in (None, 0)


@pytest.mark.check
def test_bombs_fail_as_files_and_do_no_harm(client: Client) -> None:
    """What unpacks to gigabytes, goes in circles or is nested without end."""
    circle = pdf.assemble(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9999999 >>"]
    )
    s3 = s3_of(client)
    s3.create_bucket(Bucket="hostile")
    for name, body in {
        "bomb.pdf": bomb(), "circle.pdf": circle, "deep.json": b"[" * 200_000, "deep.html": b"<div>x" * 200_000,
        "number.json": b"[1e999, " + b"9" * 9999 + b"]", "wide.csv": b'"' + b"x" * 300_000 + b'",y\n1,2\n', "fine.txt": b"Fine.",
    }.items():  # fmt: skip
        s3.put_object(Bucket="hostile", Key=name, Body=body)

    task = client.post("/ai/embeddings", {"bucket_name": "hostile"}).json()["data"]
    began = time.monotonic()
    while task["status"] in ("queued", "processing"):
        task = client.get(f"/ai/embeddings/{task['task_id']}").json()["data"]
        assert client.http.get(client.url + "/_mock/health").status_code == 200

    found = files(client, "hostile")
    assert task["status"] == "partial_success", json.dumps(found)
    assert found["fine.txt"]["status"] == "success"
    for name in ("circle.pdf", "deep.json", "deep.html", "number.json"):
        assert found[name]["error_reason"]
    assert time.monotonic() - began < 50
