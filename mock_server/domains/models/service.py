"""The models there are: fixtures/models.yaml, the user's before the shipped one."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mock_server.base.clock import iso, parse_instant
from mock_server.domains.models.wire import ModelRow
from mock_server.engine.replies import FixtureError, invalid, read_yaml
from mock_server.world import Call, World


def listed(call: Call) -> list[dict[str, Any]]:
    """Every model with all documented fields, in the file's order, then the account's own; `created` is an ISO string."""
    models = [
        {name: value for name, value in model.items() if name != "reasoning"}
        for model in (*read(call.world).values(), *fine_tuned(call))
    ]
    return [_spelled_live(model) for model in models] if call.quirk("models_live_spelling") else models


def with_unix_created(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same models with `created` in Unix seconds, as older documentation has it."""
    return [{**model, "created": int(parse_instant(model["created"]))} for model in models]


def knows(call: Call, model: str) -> bool:
    return model in read(call.world) or any(model == own["id"] for own in fine_tuned(call))


def fine_tuned(call: Call) -> list[dict[str, Any]]:
    """The models of the account's fine-tuning jobs that have succeeded: as their base, under their own names."""
    world = call.world
    if not world.stored:
        return []
    from mock_server.domains.fine_tuning import service as fine_tuning

    if "fine_tuning" not in world.cache:
        world.create_tables()  # that room may not have been entered yet
        world.cache["fine_tuning"] = True
    owner = fine_tuning.organization(call)
    models = []
    for id, base, at in fine_tuning.models(call):
        model = read(world).get(base) or _complete(Path(base), 1, {"id": base or id})
        made = {"id": id, "base_model": base, "created": iso(at), "owned_by": owner, "is_fine_tunable": False}
        models.append({**model, **made})
    return models


def reasons(call: Call, model: str) -> bool:
    """Whether the model puts its thoughts into `reasoning_content`."""
    found = read(call.world).get(model)
    return found is not None and bool(found.get("reasoning"))


def read(world: World) -> dict[str, dict[str, Any]]:
    """Every model by its id. Raises FixtureError for a file that cannot be used."""
    if "models" not in world.cache:
        path = world.fixture("models.yaml")
        rows = read_yaml(path)
        if not isinstance(rows, list):
            raise FixtureError("expected a list of models", path, 1)
        world.cache["models"] = {row["id"]: row for row in (_complete(path, n, row) for n, row in enumerate(rows, 1))}
    models: dict[str, dict[str, Any]] = world.cache["models"]
    return models


def _complete(path: Path, n: int, row: Any) -> dict[str, Any]:
    """A model with every documented field; a file need not name what has a usual value."""
    try:
        given = ModelRow.model_validate(row)
    except ValidationError as error:
        raise invalid(path, error, n - 1, name=f"model {n}") from None
    model = given.model_dump(mode="json")
    size = given.parameters
    if given.organization is None:
        model["organization"] = given.id.partition("/")[0]
    if "parameters_str" not in given.model_fields_set:
        model["parameters_str"] = f"{size / 1e12:.1f}T" if size >= 1e12 else f"{size / 1e9:.1f}B"
    model["created"] = iso(given.created.timestamp())
    if given.service_tiers is None:
        del model["service_tiers"]
    return {"id": model.pop("id"), "object": "model", **model}


def _spelled_live(model: dict[str, Any]) -> dict[str, Any]:
    names = {"prompt": "input", "completion": "output"}
    proxied = model["owned_by"] != "Telnyx"
    return {
        **model,
        "task": "text generation" if proxied and model["task"] == "text-generation" else model["task"],
        "pricing": {names.get(name, name): value for name, value in model["pricing"].items()},
    }
