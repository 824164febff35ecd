"""Rows of insight templates, their groups, the runs over conversations and what each insight found.

Times are integers, milliseconds since the epoch, as in conversations. `n` is a row's number in its account: lists are in
its order. Links to other rooms' rows are plain ids.
"""

from sqlalchemy import Index, Table, Text
from sqlmodel import Field, SQLModel


class Insight(SQLModel, table=True):
    __tablename__ = "insight"
    __table_args__ = (Index("insight_in_order", "account", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    name: str = Field(sa_type=Text)
    instructions: str = Field(sa_type=Text)
    webhook: str = Field(sa_type=Text)
    json_schema: str | None = Field(sa_type=Text)  # JSON: an object, or a string as the client sent it
    created_at: int


class InsightGroup(SQLModel, table=True):
    __tablename__ = "insight_group"
    __table_args__ = (Index("insight_group_in_order", "account", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    name: str = Field(sa_type=Text)
    description: str | None = Field(sa_type=Text)
    webhook: str = Field(sa_type=Text)
    created_at: int


class InsightAssignment(SQLModel, table=True):
    """An insight in a group; `n` orders a group's insights by when they were assigned."""

    __tablename__ = "insight_assignment"
    __table_args__ = (
        Index("insight_assignment_in_order", "account", "insight_group", "n"),
        Index("insight_assignment_by_insight", "account", "insight"),
    )

    account: str = Field(primary_key=True)
    insight_group: str = Field(primary_key=True)
    insight: str = Field(primary_key=True)
    n: int


class InsightRun(SQLModel, table=True):
    """One group's insights over one conversation: what the API calls a conversation insight.

    Its status is its plan's at its age. Group and insights are kept as they were when it began: a change applies to later
    runs. `messages` is how many the conversation had; `told` whether its webhooks have been sent.
    """

    __tablename__ = "insight_run"
    __table_args__ = (Index("insight_run_of_conversation", "account", "conversation", "n"),)

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    conversation: str
    insight_group: str
    group_name: str = Field(sa_type=Text)
    group_webhook: str = Field(sa_type=Text)
    plan: str = Field(sa_type=Text)
    polls: int
    messages: int
    told: bool
    created_at: int


class InsightResult(SQLModel, table=True):
    """What one insight found. `completed_at` is when that counts; null while reads have not brought the run so far."""

    __tablename__ = "insight_result"
    __table_args__ = (
        Index("insight_result_by_insight", "account", "insight", "created_at"),
        Index("insight_result_by_creation", "account", "created_at"),
    )

    account: str = Field(primary_key=True)
    run: str = Field(primary_key=True)
    n: int = Field(primary_key=True)  # from 1 in the run
    conversation: str
    insight: str
    insight_name: str = Field(sa_type=Text)
    instructions: str = Field(sa_type=Text)
    webhook: str = Field(sa_type=Text)
    result: str = Field(sa_type=Text)
    fields: str | None = Field(sa_type=Text)  # `result` where that is a JSON object, to aggregate by
    created_at: int  # the run's
    completed_at: int | None


INSIGHT: Table = SQLModel.metadata.tables["insight"]
GROUP: Table = SQLModel.metadata.tables["insight_group"]
ASSIGNMENT: Table = SQLModel.metadata.tables["insight_assignment"]
RUN: Table = SQLModel.metadata.tables["insight_run"]
RESULT: Table = SQLModel.metadata.tables["insight_result"]
