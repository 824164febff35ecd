"""GET /ai/models and GET /ai/openai/models."""

import json
from datetime import datetime

import pytest

from mock_server import Settings, create_app
from mock_server.engine.replies import FixtureError

PATHS = ["/ai/models", "/ai/openai/models"]
FIELDS = {
    "id": str, "object": str, "owned_by": str, "organization": str, "base_model": str | None, "task": str,
    "context_length": int, "max_completion_tokens": int | None, "languages": list, "parameters": int,
    "parameters_str": str | None, "tier": str, "license": str, "is_fine_tunable": bool, "recommended_for_assistants": bool,
    "is_vision_supported": bool, "description": str | None, "pricing": dict, "regions": list,
}  # fmt: skip


def listed(client, path: str = "/ai/models") -> dict:
    return {model["id"]: model for model in client.get(path).json()["data"]}


@pytest.mark.parametrize("path", PATHS)
def test_a_bare_list_of_models_with_every_documented_field(client, path):
    answer = client.get(path)
    body = answer.json()
    assert answer.status_code == 200 and set(body) == {"object", "data"} and body["object"] == "list"
    for model in body["data"]:
        assert set(model) - {"created", "service_tiers"} == set(FIELDS)
        assert all(isinstance(model[name], kind) for name, kind in FIELDS.items())
        assert model["object"] == "model" and model["tier"] in ("small", "medium", "large", "unlisted")
        assert all(isinstance(value, str) for value in model["pricing"].values())
        assert set(model.get("service_tiers", [])) <= {"default", "priority", "flex"}


def test_created_is_an_integer_at_the_old_path_and_iso_at_the_new(client):
    old, new = (listed(client, path) for path in PATHS)
    assert list(old) == list(new)
    for id, model in old.items():
        assert type(model["created"]) is int
        assert datetime.fromisoformat(new[id]["created"]).timestamp() == model["created"]


def test_ids_are_organization_and_name(client):
    for id, model in listed(client).items():
        assert id == f"{model['organization']}/{id.partition('/')[2]}" and not id.endswith("/")


def test_the_default_model_and_the_documents_models_are_listed(client):
    assert {
        "meta-llama/Meta-Llama-3.1-8B-Instruct", "moonshotai/Kimi-K2.6", "zai-org/GLM-5.2", "openai/gpt-4o", "openai/gpt-4",
        "mistralai/Mistral-7B-Instruct-v0.1", "thenlper/gte-large", "google/gemma-2b-it",
    } <= set(listed(client))  # fmt: skip


def test_the_documents_example_model(client):
    model = listed(client, "/ai/openai/models")["moonshotai/Kimi-K2.6"]
    assert (model["organization"], model["context_length"], model["parameters_str"]) == ("moonshotai", 262144, "1.0T")
    assert model["pricing"] == {
        "prompt": "0.300000", "completion": "1.200000", "cached_prompt": "0.060000", "currency": "USD", "unit": "1M_tokens",
    }  # fmt: skip


def test_the_embedding_model_has_its_own_task(client):
    assert listed(client)["thenlper/gte-large"]["task"] == "feature-extraction"


def test_live_spells_created_pricing_and_tasks_as_seen(start):
    models = listed(start(profile="live"))
    assert all(isinstance(model["created"], str) for model in models.values())
    assert set(models["moonshotai/Kimi-K2.6"]["pricing"]) == {"input", "output", "cached_prompt", "currency", "unit"}
    assert models["openai/gpt-4o"]["task"] == "text generation"
    assert models["moonshotai/Kimi-K2.6"]["task"] == "text-generation"


@pytest.mark.parametrize("path", PATHS)
def test_queries_and_bodies_are_ignored(client, path):
    plain = client.get(path).json()
    assert client.get(path, params={"page[size]": "x", "limit": "-1"}).json() == plain
    assert client.request("GET", path, content=b"{not json").json() == plain


def test_ones_own_models_come_from_a_fixtures_folder(start, tmp_path):
    (tmp_path / "models.yaml").write_text("- id: acme/tiny\n  tier: small\n")
    own = start(fixtures=(tmp_path,))
    assert list(listed(own)) == ["acme/tiny"] and set(listed(own)["acme/tiny"]) >= set(FIELDS)


def test_what_a_file_says_of_a_model_comes_before_what_is_usual(start, tmp_path):
    row = {"id": "acme/tiny", "organization": "Acme Inc.", "parameters": 7_000_000_000, "parameters_str": "seven"}
    (tmp_path / "models.yaml").write_text(json.dumps([row, {"id": "acme/big", "parameters": 2e12}]))
    models = listed(start(fixtures=(tmp_path,)))
    shown = [(models[id]["organization"], models[id]["parameters_str"]) for id in ("acme/tiny", "acme/big")]
    assert shown == [("Acme Inc.", "seven"), ("acme", "2.0T")]


def test_a_file_of_models_is_a_list(tmp_path):
    (tmp_path / "models.yaml").write_text("id: acme/tiny\n")
    with pytest.raises(FixtureError, match=r"models\.yaml:1: expected a list of models"):
        create_app(Settings(fixtures=(tmp_path,)))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"id": "a/b", "parameters": "big"}, "model 2: parameters"),
        ({"id": "a/b", "created": "gibberish"}, "model 2: created"),
        ({"id": ["a"]}, "model 2: id"),
        ({"id": "a/b", "contxt": 1}, "model 2: contxt"),
        ("a/b", "model 2: "),
    ],
)
def test_a_model_that_cannot_be_is_named(tmp_path, row, complaint):
    (tmp_path / "models.yaml").write_text(json.dumps([{"id": "ok/ok"}, row]))
    with pytest.raises(FixtureError, match=complaint):
        create_app(Settings(fixtures=(tmp_path,)))
