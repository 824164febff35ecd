"""A summary on the wire."""

from pydantic import BaseModel


class SummarizeRequest(BaseModel):
    bucket: str
    filename: str
    system_prompt: str | None = None


class Summary(BaseModel):
    summary: str


class SummaryAnswer(BaseModel):
    data: Summary
