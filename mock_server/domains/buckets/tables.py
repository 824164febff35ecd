"""Rows of buckets, their objects, and uploads in parts. What lies in read-only folders has no row, unless one hides it.

Times are integers, milliseconds since the epoch. `pieces` are the names of an object's bytes in `world.blobs`, in order:
one, or one for each part of an upload. JSON is kept as text.
"""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class Bucket(SQLModel, table=True):
    """A bucket that the account made, or one of a read-only folder that it deleted.

    `layered`: whether a read-only folder of its name shows through. `deleted`: hides that folder.
    """

    __tablename__ = "bucket"

    account: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    layered: bool
    deleted: bool
    created_at: int


class BucketObject(SQLModel, table=True):
    """An object that the account put, or (`deleted`) one of a read-only folder that it deleted.

    SQLite orders text by its UTF-8 bytes, as S3 orders keys. `n` is the bucket's change number when it was put.
    """

    __tablename__ = "bucket_object"

    account: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=Text)
    n: int
    deleted: bool
    size: int
    etag: str
    headers: str = Field(sa_type=Text)  # a JSON object: content-type and what else S3 gives back on GET
    pieces: str = Field(sa_type=Text)  # a JSON list of [name, size]
    updated_at: int


class BucketUpload(SQLModel, table=True):
    """An upload in parts that is neither completed nor aborted."""

    __tablename__ = "bucket_upload"
    __table_args__ = (Index("bucket_upload_of_bucket", "account", "bucket", "key", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    bucket: str
    key: str = Field(sa_type=Text)
    headers: str = Field(sa_type=Text)
    created_at: int


class BucketPart(SQLModel, table=True):
    __tablename__ = "bucket_part"

    account: str = Field(primary_key=True)
    upload: str = Field(primary_key=True)
    n: int = Field(primary_key=True)  # the part's number, from 1 to 10,000
    size: int
    etag: str
    piece: str = Field(sa_type=Text)
    updated_at: int


BUCKET: Table = SQLModel.metadata.tables["bucket"]
OBJECT: Table = SQLModel.metadata.tables["bucket_object"]
UPLOAD: Table = SQLModel.metadata.tables["bucket_upload"]
PART: Table = SQLModel.metadata.tables["bucket_part"]
