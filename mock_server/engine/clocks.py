"""How the admin API and scenarios say where a clock is to go."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mock_server.base.clock import EARLIEST, FASTEST, LATEST, Timeline, parse_instant

CENTURY = 100 * 366 * 86400.0


class ClockChange(BaseModel):
    """How to move a clock: `set` first, then `advance`, then how it runs from there."""

    model_config = ConfigDict(extra="forbid")

    set: str | None = Field(None, description="An ISO 8601 instant; UTC without an offset.")
    advance: Annotated[float, Field(ge=-CENTURY, le=CENTURY)] | None = Field(None, description="Seconds.")
    freeze: bool | None = Field(None, description="true stops the clock, false lets it run again at speed 1.")
    speed: Annotated[float, Field(ge=0, le=FASTEST)] | None = Field(
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
        """Move `timeline` in one step. Raises ValueError for an instant outside the calendar; nothing moves then."""
        instant = timeline.now() if self.set is None else parse_instant(self.set)
        instant += self.advance or 0.0
        if not EARLIEST <= instant <= LATEST:
            raise ValueError("it counts from the year 1 to the year 9999")
        moved = self.set is not None or self.advance is not None
        speed = self.speed if self.freeze is None else 0.0 if self.freeze else 1.0
        timeline.set(instant if moved else None, speed)
