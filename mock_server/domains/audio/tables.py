"""Rows of the transcriptions an account made: what reports count."""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class Transcription(SQLModel, table=True):
    """One transcription. `created_at` in ms; `duration` in seconds, null where it could not be measured."""

    __tablename__ = "transcription"
    __table_args__ = (Index("transcription_by_time", "account", "created_at"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    model: str = Field(sa_type=Text)
    language: str | None = Field(sa_type=Text)
    source: str = Field(sa_type=Text)  # file name or URL
    duration: float | None
    characters: int  # of the text
    created_at: int


TRANSCRIPTION: Table = SQLModel.metadata.tables["transcription"]
