"""Similarity search at the wire, and the chat tool that retrieves."""

from typing import Any

import pytest
from conftest import Client
from test_embedding_quality import read
from test_embeddings import EMBEDDINGS, embed, put, search


def test_hits_are_ascending_with_the_documented_metadata(client: Client) -> None:
    put(client, "mine", bees__txt="Bees dance to tell where nectar is.", owls__txt="Owls hunt mice at night.")
    embed(client, "mine", embedding_model="intfloat/multilingual-e5-large")

    first, second = search(client, "mine", "where do bees find nectar")

    assert first["document_chunk"] == "Bees dance to tell where nectar is."
    assert 0 <= first["distance"] < second["distance"] <= 1
    assert first["metadata"] == {
        "source": "https://us-central-1.telnyxstorage.com/mine/bees.txt",
        "checksum": "9db93782c59dfa02f3f00a02619f8ad5",
        "embedding": "intfloat/multilingual-e5-large",
        "filename": "bees.txt",
        "certainty": pytest.approx(1 - first["distance"] / 2),
        "loader_metadata": {},
    }


def test_three_hits_unless_another_number_is_asked_for(client: Client) -> None:
    assert len(search(client, "my-bucket", "What is Telnyx?")) == 3
    assert len(search(client, "my-bucket", "What is Telnyx?", num_of_docs=1)) == 1
    assert len(search(client, "my-bucket", "What is Telnyx?", num_docs=1)) == 3  # not in the schema
    assert search(client, "my-bucket", "", num_of_docs=10**9)


def test_questions_find_their_passage(client: Client) -> None:
    passages, questions = read("passages.txt"), read("questions.txt")
    put(client, "facts", **{f"{id}__txt": text for id, text in passages.items()})
    embed(client, "facts")

    found = {
        id: [hit["metadata"]["filename"] for hit in search(client, "facts", text)] for id, text in questions.items()
    }

    assert sum(names[0] == f"{id}.txt" for id, names in found.items()) >= 0.7 * 40
    assert sum(f"{id}.txt" in names for id, names in found.items()) >= 0.9 * 40


@pytest.mark.parametrize(
    "body", [{}, {"bucket_name": "b"}, {"query": "q"}, {"bucket_name": "b", "query": "q", "num_of_docs": 0}]
)
def test_a_body_that_breaks_the_schema_is_422(client: Client, body: dict[str, Any]) -> None:
    assert client.post(EMBEDDINGS + "/similarity-search", body).status_code == 422


def test_a_bucket_that_is_not_embedded_is_404(client: Client) -> None:
    put(client, "mine", a__txt="Bees dance.")

    for bucket in ("mine", "no-such", ""):
        answer = client.post(EMBEDDINGS + "/similarity-search", {"bucket_name": bucket, "query": "bees"})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "10005")


@pytest.mark.parametrize("stream", [False, True])
def test_the_chat_tool_quotes_the_nearest_chunk(client: Client, stream: bool) -> None:
    put(client, "mine", bees__txt="Bees dance to tell where nectar is.", owls__txt="Owls hunt mice at night.")
    embed(client, "mine")
    tools = [{"type": "retrieval", "retrieval": {"bucket_ids": ["no-such", "mine"], "max_num_results": 1}}]

    answer = client.chat("When do owls hunt?", tools=tools, stream=stream)

    if stream:
        assert '"Owls' in answer.text or "Owls" in answer.text
    else:
        assert answer.json()["choices"][0]["message"]["content"] == 'owls.txt says: "Owls hunt mice at night."'
    assert "canned reply" in client.chat("hi", tools=[{**tools[0], "retrieval": {"bucket_ids": ["none"]}}]).text
