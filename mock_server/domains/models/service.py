"""The models there are: fixtures/models.yaml, the user's before the shipped one."""

from typing import Any

from mock_server.base.clock import iso, parse_instant
from mock_server.engine.replies import FixtureError, read_yaml
from mock_server.world import Call, World


def listed(call: Call) -> list[dict[str, Any]]:
    """Every model with all documented fields, in the file's order; `created` is an ISO string."""
    models = [
        {name: value for name, value in model.items() if name != "reasoning"} for model in read(call.world).values()
    ]
    return [_spelled_live(model) for model in models] if call.quirk("models_live_spelling") else models


def with_unix_created(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same models with `created` in Unix seconds, as the brief has it."""
    return [{**model, "created": int(parse_instant(model["created"]))} for model in models]


def knows(call: Call, model: str) -> bool:
    return model in read(call.world)


def reasons(call: Call, model: str) -> bool:
    """Whether the model puts its thoughts into `reasoning_content`."""
    found = read(call.world).get(model)
    return found is not None and bool(found.get("reasoning"))


def read(world: World) -> dict[str, dict[str, Any]]:
    """Every model by its id. Raises FixtureError for a file that cannot be used."""
    cache = world.cache
    if "models" not in cache:
        path = world.fixture("models.yaml")
        rows = read_yaml(path)
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
            raise FixtureError(f"{path}: expected a list of models, each with an id")
        cache["models"] = {row["id"]: _complete(row) for row in rows}
    models: dict[str, dict[str, Any]] = cache["models"]
    return models


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    """A model with every documented field; a file need not name what has a usual value."""
    organization = str(row["id"]).partition("/")[0]
    created = row.get("created", "2025-01-01T00:00:00Z")
    size = row.get("parameters", 8_000_000_000)
    return {
        "id": row["id"],
        "object": "model",
        "created": created if isinstance(created, str) else iso(created.timestamp()),
        "owned_by": row.get("owned_by", "Telnyx"),
        "organization": row.get("organization", organization),
        "base_model": row.get("base_model"),
        "task": row.get("task", "text-generation"),
        "context_length": row.get("context_length", 131072),
        "max_completion_tokens": row.get("max_completion_tokens"),
        "languages": row.get("languages", ["en"]),
        "parameters": size,
        "parameters_str": row.get("parameters_str", f"{size / 1e12:.1f}T" if size >= 1e12 else f"{size / 1e9:.1f}B"),
        "tier": row.get("tier", "small"),
        "license": row.get("license", "Apache 2.0"),
        "is_fine_tunable": row.get("is_fine_tunable", False),
        "recommended_for_assistants": row.get("recommended_for_assistants", False),
        "is_vision_supported": row.get("is_vision_supported", False),
        "description": row.get("description"),
        "pricing": row.get("pricing", {}),
        "regions": row.get("regions", ["us-central-1", "us-east-1"]),
        **({"service_tiers": row["service_tiers"]} if "service_tiers" in row else {}),
        "reasoning": row.get("reasoning", False),
    }


def _spelled_live(model: dict[str, Any]) -> dict[str, Any]:
    names = {"prompt": "input", "completion": "output"}
    proxied = model["owned_by"] != "Telnyx"
    return {
        **model,
        "task": "text generation" if proxied and model["task"] == "text-generation" else model["task"],
        "pricing": {names.get(name, name): value for name, value in model["pricing"].items()},
    }
