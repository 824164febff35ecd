"""Legacy reports on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

DATE: dict[str, Any] = {"format": "date-time"}


class ReportRequest(BaseModel):
    """Both dates are needed; without one the answer is 400, as the vendor's document has it, not 422."""

    start_date: str | None = Field(None, json_schema_extra=DATE)
    end_date: str | None = Field(None, json_schema_extra=DATE)


class Report(BaseModel):
    id: str
    created_at: str
    start_date: str
    end_date: str
    download_link: str
    status: Literal["PENDING", "COMPLETE", "FAILED", "EXPIRED"]
    record_type: str


class ReportAnswer(BaseModel):
    data: Report


class ReportsAnswer(BaseModel):
    data: list[Report]


class UsageAnswer(BaseModel):
    data: dict[str, Any]
