"""Rows of what was synthesised: enough to make the very same audio again, and to know its tones when they come back."""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class Synthesis(SQLModel, table=True):
    """One synthesis. `slot`: seconds of a chord; `format` and `rate`: of audio.formats.Format; `created_at` in ms."""

    __tablename__ = "synthesis"
    __table_args__ = (Index("synthesis_in_order", "account", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    text: str = Field(sa_type=Text)
    pitch: float
    slot: float
    format: str
    rate: int
    volume: float
    created_at: int


SYNTHESIS: Table = SQLModel.metadata.tables["synthesis"]
