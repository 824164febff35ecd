"""Models on the wire, for the OpenAPI document: the public spec's ModelMetadata."""

from typing import Literal

from pydantic import BaseModel


class _Metadata(BaseModel):
    id: str
    object: Literal["model"] = "model"
    owned_by: str
    organization: str
    base_model: str | None = None
    task: str = "text-generation"
    context_length: int
    max_completion_tokens: int | None = None
    languages: list[str]
    parameters: int
    parameters_str: str | None = None
    tier: Literal["small", "medium", "large", "unlisted"]
    license: str
    is_fine_tunable: bool = False
    recommended_for_assistants: bool = False
    is_vision_supported: bool = False
    description: str | None = None
    pricing: dict[str, str]
    regions: list[str]
    service_tiers: list[Literal["default", "priority", "flex"]] | None = None


class Model(_Metadata):
    """As at /ai/openai/models: `created` is an ISO 8601 string."""

    created: str


class OldModel(_Metadata):
    """As at /ai/models: `created` is in Unix seconds, with the quirk `models_created_iso` an ISO 8601 string."""

    created: int | str


class Models(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class OldModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[OldModel]
