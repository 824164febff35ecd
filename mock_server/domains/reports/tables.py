"""Rows of batch reports that were asked for. What they count is read from the transcriptions when they are."""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class SpeechToTextReport(SQLModel, table=True):
    """A batch report. Dates as they were given, and as ms since the epoch; its status is its plan's at its age.

    `token` makes the address of its CSV, which nobody can guess. A report counts what lies before its `created_at`.
    """

    __tablename__ = "speech_to_text_report"
    __table_args__ = (
        Index("speech_to_text_report_in_order", "account", "n"),
        Index("speech_to_text_report_by_token", "token"),
    )

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    token: str
    start_date: str = Field(sa_type=Text)
    end_date: str = Field(sa_type=Text)
    start_ms: int
    end_ms: int
    plan: str = Field(sa_type=Text)
    polls: int
    created_at: int


REPORT: Table = SQLModel.metadata.tables["speech_to_text_report"]
