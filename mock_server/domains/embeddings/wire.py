"""Embeddings on the wire: request bodies, answers for the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

LARGEST_CHUNK = 1_000_000  # characters

Status = Literal["queued", "processing", "success", "failure", "partial_success"]
STATUS: dict[str, Any] = {
    "name": "status",
    "in": "query",
    "description": "Statuses, separated by commas or repeated; `failed` is `failure`.",
    "schema": {"type": "array", "items": {"type": "string"}, "default": ["processing", "queued"]},
}


class EmbedRequest(BaseModel):
    """`document_chunk_size` and its overlap count characters."""

    bucket_name: str
    document_chunk_size: Annotated[int, Field(ge=1, le=LARGEST_CHUNK)] = 1024
    document_chunk_overlap_size: Annotated[int, Field(ge=0, le=LARGEST_CHUNK)] = 512
    embedding_model: Literal["thenlper/gte-large", "intfloat/multilingual-e5-large"] = "thenlper/gte-large"
    loader: Literal["default", "intercom"] = "default"


class EmbedUrlRequest(BaseModel):
    url: str
    bucket_name: str


class SearchRequest(BaseModel):
    bucket_name: str
    query: str
    num_of_docs: Annotated[int, Field(ge=1)] = 3


class CreatedTask(BaseModel):
    task_id: str
    task_name: str
    status: Status
    created_at: str
    finished_at: str | None
    user_id: str


class Task(BaseModel):
    """Without `finished_at` until it has finished."""

    task_id: str
    task_name: str
    status: Status
    created_at: str
    finished_at: str | None = None


class ListedTask(BaseModel):
    user_id: str
    task_id: str
    task_name: str
    status: Status
    created_at: str
    finished_at: str | None = None
    bucket: str


class EmbeddedFile(BaseModel):
    filename: str
    status: str
    created_at: str
    updated_at: str
    last_embedded_at: str | None = None
    error_reason: str | None = None


class ChunkMetadata(BaseModel):
    source: str
    checksum: str
    embedding: str
    filename: str
    certainty: float
    loader_metadata: dict[str, Any]


class FoundChunk(BaseModel):
    document_chunk: str
    distance: float
    metadata: ChunkMetadata


class Names(BaseModel):
    buckets: list[str]


class CreatedTaskAnswer(BaseModel):
    data: CreatedTask


class TaskAnswer(BaseModel):
    data: Task


class TasksAnswer(BaseModel):
    data: list[ListedTask]


class BucketsAnswer(BaseModel):
    data: Names


class FilesAnswer(BaseModel):
    data: list[EmbeddedFile]


class SearchAnswer(BaseModel):
    data: list[FoundChunk]
