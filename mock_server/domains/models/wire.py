"""Models on the wire and in fixtures/models.yaml: the public spec's ModelMetadata."""

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime

Tier = Literal["small", "medium", "large", "unlisted"]
Aware = AwareDatetime | Annotated[NaiveDatetime, AfterValidator(lambda moment: moment.replace(tzinfo=UTC))]


class ModelRow(BaseModel):
    """One entry of models.yaml; what is left out has its usual value. `reasoning` is the mock's own."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    id: Annotated[str, Field(min_length=1)]
    created: Aware = Field("2025-01-01T00:00:00Z", validate_default=True)
    owned_by: str = "Telnyx"
    organization: str | None = None
    base_model: str | None = None
    task: str = "text-generation"
    context_length: int = 131072
    max_completion_tokens: int | None = None
    languages: list[str] = ["en"]
    parameters: Annotated[int, Field(ge=0)] = 8_000_000_000
    parameters_str: str | None = None
    tier: Tier = "small"
    license: str = "Apache 2.0"
    is_fine_tunable: bool = False
    recommended_for_assistants: bool = False
    is_vision_supported: bool = False
    description: str | None = None
    pricing: dict[str, str] = {}
    regions: list[str] = ["us-central-1", "us-east-1"]
    service_tiers: list[Literal["default", "priority", "flex"]] | None = None
    reasoning: bool = False


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
    tier: Tier
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
