"""Rows of conversations and their messages.

Times are integers, milliseconds since the epoch: as fine as the wire shows them, so that a time read from an answer
finds its row again when a filter asks for it. JSON is kept as the text that goes over the wire.
"""

from sqlalchemy import Column, Index, Table, Text
from sqlmodel import Field, SQLModel


class Conversation(SQLModel, table=True):
    """`n` is its number in the account: ties in time are ordered by it. `messages` counts the rows of ConversationMessage."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index("conversation_by_creation", "account", "created_at", "n"),
        Index("conversation_by_last_message", "account", "last_message_at", "n"),
        Index("conversation_by_name", "account", "name", "created_at", "n"),
    )

    account: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    n: int
    name: str | None = Field(sa_type=Text)
    created_at: int
    last_message_at: int
    metadata_: str = Field(sa_column=Column("metadata", Text, nullable=False))  # a JSON object of strings
    messages: int = 0


class ConversationMetadata(SQLModel, table=True):
    """One pair of a conversation's metadata, so that any key is found by index, newest conversation first.

    Holds nothing that `Conversation.metadata_` does not; written in the same transaction.
    """

    __tablename__ = "conversation_metadata"
    __table_args__ = {"sqlite_with_rowid": False}

    account: str = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(primary_key=True, sa_type=Text)
    created_at: int = Field(primary_key=True)  # the conversation's, which never changes
    n: int = Field(primary_key=True)
    conversation: str


class ConversationMessage(SQLModel, table=True):
    """`n` is its number in the conversation, from 1: ties in time are ordered by it."""

    __tablename__ = "conversation_message"
    __table_args__ = (Index("conversation_message_in_order", "account", "conversation", "created_at", "n"),)

    account: str = Field(primary_key=True)
    conversation: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    role: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    name: str | None = Field(sa_type=Text)
    tool_call_id: str | None = Field(sa_type=Text)
    tool_calls: str | None = Field(sa_type=Text)  # JSON: [{id, type, function: {name, arguments}}]
    tool_choice: str | None = Field(sa_type=Text)  # JSON: a string or an object
    metadata_: str | None = Field(sa_column=Column("metadata", Text, nullable=True))  # a JSON object
    sent_at: int
    created_at: int


class ConversationOutOfOrder(SQLModel, table=True):
    """A conversation with a message that is older than the one before it, for the clock was set back in between. In all
    others a page of messages is found by their numbers, without walking past those before it.
    """

    __tablename__ = "conversation_out_of_order"
    __table_args__ = {"sqlite_with_rowid": False}

    account: str = Field(primary_key=True)
    conversation: str = Field(primary_key=True)


CONVERSATION: Table = SQLModel.metadata.tables["conversation"]
METADATA: Table = SQLModel.metadata.tables["conversation_metadata"]
MESSAGE: Table = SQLModel.metadata.tables["conversation_message"]
OUT_OF_ORDER: Table = SQLModel.metadata.tables["conversation_out_of_order"]
