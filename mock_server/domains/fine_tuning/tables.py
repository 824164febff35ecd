"""Rows of fine-tuning jobs. Times are integers, milliseconds since the epoch."""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class FineTuningJob(SQLModel, table=True):
    """A job's status is its plan's at its age, or after so many reads; `tokens` is what it will have trained on.

    `ended_at` is when it was cancelled, or when a read brought a plan by reads to its end; null before.
    """

    __tablename__ = "fine_tuning_job"
    __table_args__ = (Index("fine_tuning_job_in_order", "account", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    model: str = Field(sa_type=Text)
    training_file: str = Field(sa_type=Text)
    n_epochs: int
    plan: str = Field(sa_type=Text)
    polls: int
    tokens: int
    created_at: int
    cancelled: bool
    ended_at: int | None


JOB: Table = SQLModel.metadata.tables["fine_tuning_job"]
