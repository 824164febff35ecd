"""Embeddings as OpenAI's clients send and read them, and fixtures/embedding_models.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 4096  # dimensions
MOST = 2048  # inputs of one request, as at OpenAI

Tokens = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class EmbeddingsRequest(BaseModel):
    """`input` may also be token ids, as LangChain sends them; the vendor's schema has texts only."""

    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST)]
        | Tokens
        | Annotated[list[Tokens], Field(min_length=1, max_length=MOST)]
    )
    model: Annotated[str, Field(max_length=256)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    user: str | None = None

    def inputs(self) -> "list[str | list[int]]":
        """What gets a vector each: a text, or the ids of its tokens."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [self.input]
        return list(self.input)


class Embedding(BaseModel):
    """`embedding` is base64 of little-endian 32-bit floats where the request says so."""

    object: Literal["embedding"] = "embedding"
    embedding: list[float] | str
    index: int


class Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class EmbeddingModel(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class EmbeddingModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[EmbeddingModel]


class ModelRow(BaseModel):
    """One entry of embedding_models.yaml."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1)]
    created: Annotated[str, Field(min_length=1)] = "2025-01-01T00:00:00Z"
    owned_by: str = "telnyx"
    dimensions: Annotated[int, Field(ge=1, le=LARGEST)] = 1024
