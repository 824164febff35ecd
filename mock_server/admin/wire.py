"""Bodies of the admin API."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mock_server.base.clock import Timeline, parse_instant

CENTURY = 100 * 366 * 86400.0
Told = {401: "Authentication failed", 403: "Authorization failed", 404: "Resource not found", 405: "Method not allowed"}


class ClockChange(BaseModel):
    """How to move a clock: `set` first, then `advance`, then how it runs from there."""

    model_config = ConfigDict(extra="forbid")

    set: str | None = Field(None, description="An ISO 8601 instant; UTC without an offset.")
    advance: Annotated[float, Field(ge=-CENTURY, le=CENTURY)] | None = Field(None, description="Seconds.")
    freeze: bool | None = Field(None, description="true stops the clock, false lets it run again at speed 1.")
    speed: Annotated[float, Field(ge=0, le=1e6)] | None = Field(
        None, description="Times as fast as real time; 0 is frozen."
    )

    @field_validator("set")
    @classmethod
    def _is_instant(cls, value: str | None) -> str | None:
        if value is not None:
            parse_instant(value)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> "ClockChange":
        if not self.model_fields_set:
            raise ValueError("give at least one of set, advance, freeze and speed")
        if self.freeze is not None and self.speed is not None:
            raise ValueError("give freeze or speed, not both")
        return self

    def apply(self, timeline: Timeline) -> None:
        if self.set is not None:
            timeline.set(parse_instant(self.set))
        if self.advance is not None:
            timeline.advance(self.advance)
        if self.freeze is not None:
            timeline.set(speed=0.0 if self.freeze else 1.0)
        if self.speed is not None:
            timeline.set(speed=self.speed)
