"""Rows of embedding tasks, embedded buckets, their files and the chunks of these.

Times are integers, milliseconds since the epoch. What ships embedded for every account has rows of its own, under the
account that is nobody's; they are made when first asked for.
"""

from sqlalchemy import Index, LargeBinary, Table, Text
from sqlmodel import Field, SQLModel


class EmbeddingTask(SQLModel, table=True):
    """`plan` says when the task is in which status; `outcome` is null while the work behind it is not done.

    `url` is empty for a bucket's own objects. `polls` is how often the task was read.
    """

    __tablename__ = "embedding_task"
    __table_args__ = (Index("embedding_task_in_order", "account", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    name: str = Field(sa_type=Text)
    bucket: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    plan: str = Field(sa_type=Text)
    polls: int
    outcome: str | None
    created_at: int
    done_at: int | None


class EmbeddingBucket(SQLModel, table=True):
    """A bucket that is embedded. `task` is the one that made it so: until that has ended it cannot be searched.

    `changes` is what the bucket was when its objects were last looked through (buckets.service.changes). `disabled` hides a
    bucket that ships embedded.
    """

    __tablename__ = "embedding_bucket"

    account: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True, sa_type=Text)
    task: str
    chunk_size: int
    overlap: int
    model: str
    loader: str
    changes: str = Field(sa_type=Text)
    disabled: bool
    created_at: int


class EmbeddingFile(SQLModel, table=True):
    """One object of an embedded bucket, or the URL that could not be fetched for it (`etag` is empty then).

    `made_from` is the object's ETag and how it was embedded; `document` numbers its chunks, 0 when it has none.
    """

    __tablename__ = "embedding_file"
    __table_args__ = (Index("embedding_file_by_document", "account", "document"),)

    account: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True, sa_type=Text)
    filename: str = Field(primary_key=True, sa_type=Text)
    document: int
    made_from: str = Field(sa_type=Text)
    checksum: str
    status: str
    error_reason: str | None = Field(sa_type=Text)
    created_at: int
    updated_at: int
    last_embedded_at: int | None


class EmbeddingChunk(SQLModel, table=True):
    """A piece of a document: its text, what the loader knows of it (JSON), a signed byte for each dimension."""

    __tablename__ = "embedding_chunk"

    account: str = Field(primary_key=True)
    document: int = Field(primary_key=True)
    n: int = Field(primary_key=True)
    text: str = Field(sa_type=Text)
    metadata_: str = Field(sa_type=Text)
    vector: bytes = Field(sa_type=LargeBinary)


TASK: Table = SQLModel.metadata.tables["embedding_task"]
BUCKET: Table = SQLModel.metadata.tables["embedding_bucket"]
FILE: Table = SQLModel.metadata.tables["embedding_file"]
CHUNK: Table = SQLModel.metadata.tables["embedding_chunk"]
