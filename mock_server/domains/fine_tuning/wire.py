"""Fine-tuning jobs on the wire: bare, without an envelope, except for the list's `data`."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Hyperparameters(BaseModel):
    n_epochs: Annotated[int, Field(ge=1, le=10)] = 3


class CreateJob(BaseModel):
    model: str
    training_file: str
    suffix: str | None = None
    hyperparameters: Hyperparameters | None = None


class Job(BaseModel):
    """`created_at` and `finished_at` in Unix seconds."""

    id: str
    created_at: int
    finished_at: int | None
    hyperparameters: Hyperparameters
    model: str
    organization_id: str
    status: Status
    trained_tokens: int | None
    training_file: str


class Jobs(BaseModel):
    data: list[Job]
