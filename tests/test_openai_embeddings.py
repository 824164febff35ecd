"""POST /ai/openai/embeddings and its models, by plain HTTP and as the OpenAI and the vendor's own SDK read them."""

import asyncio
import base64
import json
import struct
from collections.abc import Sequence
from math import sqrt
from typing import Any

import openai
import pytest
import telnyx
from conftest import Client

PATH = "/ai/openai/embeddings"
GTE = "thenlper/gte-large"
FOX = "The quick brown fox jumps over the lazy dog"


def vectors(client: Client, input: Any, **fields: Any) -> list[list[float]]:
    answer = client.post(PATH, {"model": GTE, "input": input, **fields})
    assert answer.status_code == 200, answer.text
    return [item["embedding"] for item in answer.json()["data"]]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_answer_has_openais_shape(client: Client) -> None:
    answer = client.post(PATH, {"input": FOX, "model": GTE}).json()

    (item,) = answer.pop("data")
    assert answer == {"object": "list", "model": GTE, "usage": {"prompt_tokens": 11, "total_tokens": 11}}
    assert (item["object"], item["index"], len(item["embedding"])) == ("embedding", 0, 1024)
    assert abs(sqrt(cosine(item["embedding"], item["embedding"])) - 1) < 1e-5


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [(GTE, 1024), ("intfloat/multilingual-e5-large", 1024), ("Qwen/Qwen3-Embedding-8B", 4096), ("a/model", 1024)],
)
def test_a_model_has_its_documented_dimensions(client: Client, model: str, dimensions: int) -> None:
    assert [len(v) for v in vectors(client, ["a", ""], model=model)] == [dimensions] * 2


@pytest.mark.parametrize("dimensions", [1, 256, 4096])
def test_dimensions_are_respected_and_the_length_stays_one(client: Client, dimensions: int) -> None:
    (vector,) = vectors(client, FOX, dimensions=dimensions)

    assert len(vector) == dimensions
    assert abs(cosine(vector, vector) - 1) < 1e-5


def test_a_text_has_one_vector_wherever_it_stands_and_shared_words_draw_near(client: Client) -> None:
    first, same, near, far = vectors(
        client, [FOX, FOX, "A brown fox jumped over lazy dogs", "Interest rates rose by one per cent"]
    )

    assert first == same == vectors(client, FOX)[0]
    assert cosine(first, near) > 0.5 > 0.2 > cosine(first, far)


def test_base64_is_the_same_numbers_as_little_endian_floats(client: Client) -> None:
    body = {"input": [FOX, "b"], "model": GTE}
    encoded = client.post(PATH, {**body, "encoding_format": "base64"}).json()

    for item, vector in zip(encoded["data"], vectors(client, body["input"]), strict=True):
        data = base64.b64decode(item["embedding"])
        assert data == struct.pack("<1024f", *vector)
    assert encoded["usage"] == client.post(PATH, body).json()["usage"]


def test_tokens_are_taken_as_one_input_or_as_several(client: Client) -> None:
    one = vectors(client, [791, 4062, 14198])
    several = vectors(client, [[791, 4062, 14198], [5]])

    assert len(one) == 1
    assert several[0] == one[0] != several[1]
    assert client.post(PATH, {"input": [[1, 2], [3]], "model": GTE}).json()["usage"]["prompt_tokens"] == 3


def test_many_inputs_are_all_answered_in_order(client: Client) -> None:
    texts = [f"text number {n}" for n in range(300)]

    answer = client.post(PATH, {"input": texts, "model": GTE, "dimensions": 64, "user": "u"}).json()

    assert [item["index"] for item in answer["data"]] == list(range(300))
    assert answer["data"][299]["embedding"] == vectors(client, texts[299], dimensions=64)[0]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": FOX},
        {"model": GTE},
        {"model": GTE, "input": []},
        {"model": GTE, "input": [[]]},
        {"model": GTE, "input": ["a", 1]},
        {"model": GTE, "input": [-1]},
        {"model": GTE, "input": None},
        {"model": GTE, "input": ["a"] * 2049},
        {"model": GTE, "input": FOX, "encoding_format": "hex"},
        {"model": GTE, "input": FOX, "dimensions": 0},
        {"model": GTE, "input": FOX, "dimensions": 4097},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_body_that_breaks_the_schema_is_422_with_its_place(client: Client, body: dict[str, Any]) -> None:
    answer = client.post(PATH, body)

    assert answer.status_code == 422
    assert all(issue["loc"][0] == "body" for issue in answer.json()["detail"])
    assert "constrained" not in answer.text


def test_live_refuses_a_model_that_is_not_listed(start: Any) -> None:
    live = start(profile="live")

    answer = live.post(PATH, {"model": "openai/gpt-4o", "input": FOX})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "10015")
    assert live.post(PATH, {"model": GTE, "input": FOX}).status_code == 200


def test_models_are_listed_and_can_be_the_users_own(client: Client, start: Any, tmp_path: Any) -> None:
    (tmp_path / "embedding_models.yaml").write_text("- {id: my/own, dimensions: 3}")
    own = start(fixtures=(tmp_path,))

    shipped = client.get(PATH + "/models").json()

    assert shipped["object"] == "list"
    assert shipped["data"][0] == {"id": GTE, "object": "model", "created": 1716249600, "owned_by": "telnyx"}
    assert [m["id"] for m in own.get(PATH + "/models").json()["data"]] == ["my/own"]
    assert len(vectors(own, FOX, model="my/own")[0]) == 3


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}], ids=str)
def test_the_openai_sdk_decodes_both_encodings(client: Client, encoding: dict[str, Any]) -> None:
    with openai.OpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai", max_retries=0) as sdk:
        answer = sdk.embeddings.create(model=GTE, input=[FOX, "b"], **encoding)

    expected: Any = vectors(client, [FOX, "b"])
    for item, vector in zip(answer.data, expected, strict=True):
        got = item.embedding
        if isinstance(got, str):  # who asks for base64 himself gets it as it is
            got = list(struct.unpack("<1024f", base64.b64decode(got)))
        assert got == pytest.approx(vector, abs=1e-6)
    assert answer.usage.total_tokens == 12


def test_the_openai_sdk_async_lists_models_and_embeds(client: Client) -> None:
    async def run() -> Any:
        async with openai.AsyncOpenAI(api_key=client.key, base_url=client.v2 + "/ai/openai", max_retries=0) as sdk:
            return await sdk.embeddings.create(model="Qwen/Qwen3-Embedding-8B", input=FOX, dimensions=8)

    assert len(asyncio.run(run()).data[0].embedding) == 8


def test_the_vendors_sdk_embeds_and_lists_sync_and_async(client: Client) -> None:
    async def run() -> Any:
        async with telnyx.AsyncTelnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
            return await sdk.ai.openai.embeddings.create_embeddings(input=FOX, model=GTE)

    with telnyx.Telnyx(api_key=client.key, base_url=client.v2, max_retries=0) as sdk:
        made = sdk.ai.openai.embeddings.create_embeddings(input=[FOX], model=GTE, user="u")
        models = sdk.ai.openai.embeddings.list_embedding_models()

    assert made.data[0].embedding == asyncio.run(run()).data[0].embedding
    assert [m.id for m in models.data][:2] == [GTE, "intfloat/multilingual-e5-large"]
