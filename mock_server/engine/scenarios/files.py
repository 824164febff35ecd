"""A scenario as its file writes it. Files lie in `scenarios/` of a fixtures folder; a scenario's name is its file's."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mock_server.base.limits import parse_all
from mock_server.base.states import State
from mock_server.engine.clocks import ClockChange
from mock_server.engine.faults.rules import Rule
from mock_server.engine.plans import check
from mock_server.engine.replies import FixtureError, ReplyRule, invalid, read_yaml

FOLDER = "scenarios"
MOST_RULES = 100


class Scenario(BaseModel):
    """What is put in force together. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    about: str = Field(description="What it is like, in a sentence.", min_length=1, max_length=1000)
    faults: list[Rule] = Field(
        default_factory=list, max_length=MOST_RULES, description="Fault rules, in the order they are tried."
    )
    replies: list[ReplyRule] = Field(
        default_factory=list, max_length=MOST_RULES, description="Replies, as in a reply file."
    )
    limits: list[str] | None = Field(None, description="Rate limits, such as 20/second; an empty list is none.")
    state: State | None = Field(None, description="The state of the account.")
    plans: dict[str, str] = Field(default_factory=dict, description="Plans of jobs, by kind.")
    clock: ClockChange | None = Field(None, description="Where the clock goes, and how it runs.")

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, value: list[str] | None) -> list[str] | None:
        parse_all(value or [])
        return value

    @field_validator("plans")
    @classmethod
    def _are_plans(cls, value: dict[str, str]) -> dict[str, str]:
        check(value)
        return value


def files(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """(name, file) of every scenario; where several have a name, the first folder's comes first."""
    for folder in folders:
        for path in sorted((folder / FOLDER).glob("*.yaml")):
            yield path.stem, path


def read(path: Path) -> Scenario:
    """Raises FixtureError."""
    value: Any = read_yaml(path)
    if not isinstance(value, dict):
        raise FixtureError(f"expected a mapping with {', '.join(Scenario.model_fields)}", path, 1)
    try:
        return Scenario.model_validate(value, context={"folder": path.parent})
    except ValidationError as error:
        raise invalid(path, error) from None
