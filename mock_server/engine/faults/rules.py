"""A fault rule as files and the admin API write it: which exchanges it is for, when it fires, what happens then."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mock_server.base.clock import parse_instant
from mock_server.engine.faults.effects import Effect, Number
from mock_server.engine.patterns import Regex, found

FINE = "fine"  # in a sequence: this one goes well
MOST_EFFECTS = 1000
Scalar = str | int | float | bool | None
MOST_TIMES = 10**9
Often = Annotated[int, Field(ge=1, le=MOST_TIMES), Number]


class Condition(BaseModel):
    """How a value must be: all that is given must hold. A value by itself is the same as `equals`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    equals: Scalar = Field(None, description="The whole value.")
    contains: str | None = Field(None, max_length=10_000, description="A part of the text, in any case.")
    regex: Regex | None = Field(
        None, description="A regular expression (Rust's syntax) found in the text's first 16,384 characters."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Condition":
        if not self.model_fields_set:
            raise ValueError("give at least one of equals, contains and regex")
        return self

    def of_text(self) -> "Condition":
        """The same condition of a value that is always text."""
        if self.equals is None or isinstance(self.equals, str):
            return self
        return self.model_copy(update={"equals": str(self.equals).lower()})

    def fits(self, value: Any) -> bool:
        """Whether a JSON value, or a text, is as it must be."""
        if "equals" in self.model_fields_set and not _same(self.equals, value):
            return False
        if self.contains is None and self.regex is None:
            return True
        if isinstance(value, (dict, list)) or value is None:
            return False
        text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        if self.contains is not None and self.contains.lower() not in text.lower():
            return False
        return self.regex is None or found(self.regex, text)


def _same(wanted: Scalar, value: Any) -> bool:
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


def _condition(value: Any) -> Any:
    return value if isinstance(value, (dict, Condition)) else {"equals": value}


# In a schema, a condition is what it may be written as.
ConditionField = Annotated[Condition, BeforeValidator(_condition, json_schema_input_type=Condition | Scalar)]
Pattern = Annotated[str, Field(max_length=500)]


class Match(BaseModel):
    """Which exchanges a rule is for; what is left out matches all. Patterns are shell-style: `*` stands for anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["http", "socket", "webhook"] | None = Field(
        None, description="Requests, sockets, or the webhooks that this server sends; both of the first when left out."
    )
    method: Annotated[str, Field(max_length=16)] | None = Field(None, description="GET, POST, ...")
    path: Pattern | None = Field(None, description="Pattern of the whole path, such as /v2/ai/*/completions.")
    operation: Pattern | None = Field(None, description="Pattern of the operation's name, such as openai.chat.*.")
    domain: Pattern | None = Field(
        None, description="Pattern of the domain that serves it, such as chat or text_to_speech."
    )
    account: Pattern | None = Field(None, description="Pattern of the account's id, such as acct_*.")
    header: dict[str, ConditionField] | None = Field(None, description="Headers of the request, by their names.")
    query: dict[str, ConditionField] | None = Field(None, description="Parameters of the query, by their names.")
    model: Pattern | None = Field(None, description="Pattern of the model that the body names; of a socket, the query.")
    body: dict[str, ConditionField] | None = Field(
        None,
        description="Fields of the JSON body by dotted paths, such as messages.0.content; * is any item, -1 the last.",
    )
    user_text: ConditionField | None = Field(None, description="The text that the user said last.")
    stream: StrictBool | None = Field(None, description="Whether the body asks for a stream.")
    event: Pattern | None = Field(None, description="Of webhooks: pattern of the event's type.")
    url: Pattern | None = Field(None, description="Of webhooks: pattern of the URL they go to.")

    @field_validator("header", "query")
    @classmethod
    def _as_text(cls, value: dict[str, Condition] | None, info: ValidationInfo) -> dict[str, Condition] | None:
        """What comes as text is compared as text, and names of headers have no case."""
        lower = info.field_name == "header"
        return value and {name.lower() if lower else name: condition.of_text() for name, condition in value.items()}

    @model_validator(mode="after")
    def _of_one_kind(self) -> "Match":
        if self.kind == "webhook":
            wrong = self.model_fields_set - {"kind", "event", "url", "account"}
            if wrong:
                raise ValueError(f"a webhook has no {sorted(wrong)[0]}: it is matched by event, url and account")
        elif self.event is not None or self.url is not None:
            raise ValueError("event and url are of webhooks: give kind webhook")
        if self.kind == "socket" and self.needs_body:
            raise ValueError(
                "a socket has no body: it is matched by query, header and what else is known at the handshake"
            )
        return self

    @property
    def needs_body(self) -> bool:
        """Whether the body decides; of a socket, whose model is in its query, it never does."""
        asks = self.body is not None or self.user_text is not None or self.stream is not None
        return asks or (self.model is not None and self.kind != "socket")


def _effects(value: Any) -> Any:
    """Effects as they were written, the short forms read; what those say of the schedule is taken by the rule before."""
    from mock_server.engine.faults.short import parse_effect

    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"status": value}
    return parse_effect(value)[0] if isinstance(value, str) else value


Status = Annotated[int, Field(ge=400, le=599)]  # by itself: the error with this status
EffectField = Annotated[Effect, BeforeValidator(_effects, json_schema_input_type=Effect | str | Status)]
Step = Annotated[  # None: this one goes well
    Effect | None,
    BeforeValidator(
        lambda value: None if value == FINE else _effects(value), json_schema_input_type=Effect | str | Status | None
    ),
]


YEAR_FIRST: dict[str, Any] = {"pattern": r"^\d{4}"}


class Between(BaseModel):
    """Two instants of the account's clock; either may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str | None = Field(
        None, alias="from", description="ISO 8601; UTC without an offset. From then on.", json_schema_extra=YEAR_FIRST
    )
    end: str | None = Field(
        None,
        alias="until",
        description="ISO 8601. Until then, and not at that instant any more.",
        json_schema_extra=YEAR_FIRST,
    )

    @field_validator("start", "end", mode="before")
    @classmethod
    def _is_instant(cls, value: Any) -> str | None:
        if value is None:
            return None
        text = value.isoformat() if hasattr(value, "isoformat") else value  # YAML reads dates by itself
        if not isinstance(text, str):
            raise ValueError("an instant is written in ISO 8601, such as 2026-01-31T12:00:00Z")
        try:
            parse_instant(text)
        except (ValueError, OverflowError):
            raise ValueError(f"{text[:40]!r} is no ISO 8601 instant such as 2026-01-31T12:00:00Z") from None
        return text

    @property
    def bounds(self) -> tuple[float, float]:
        """Seconds since the epoch."""
        start = parse_instant(self.start) if self.start else float("-inf")
        return start, parse_instant(self.end) if self.end else float("inf")


SCHEDULE = ("times", "after", "every", "probability")


class Rule(BaseModel):
    """One fault rule. Of the requests that match, it fires by its schedule; counts are each account's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(
        None, description="Name of the rule; made up when left out.", pattern=r"^[A-Za-z0-9._-]{1,100}$"
    )
    match: Match = Field(default_factory=Match, description="Which exchanges; all when left out.")
    times: Often | None = Field(
        None,
        description="How often it fires. Always when left out; each effect once when there are several.",
    )
    after: Annotated[int, Field(ge=0, le=MOST_TIMES), Number] | None = Field(
        None, description="So many requests that match go well before."
    )
    every: Often | None = Field(None, description="Only every n-th of them fails.")
    between: Between | None = Field(None, description="Only while the account's clock is there.")
    probability: Annotated[float, Field(ge=0, le=1), Number] | None = Field(
        None,
        description="How likely each of them fails. Drawn by seed, account, rule and count: the same in every run.",
    )
    effect: EffectField | None = Field(
        None, description="What happens; also in short form, such as 429;retry-after=2;times=2."
    )
    effects: list[Step] | None = Field(
        None,
        min_length=1,
        max_length=MOST_EFFECTS,
        description="What happens, one after the other; `fine` lets one go well.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """`effect` may be written as in the header, schedule and sequence included: "429;retry-after=2;times=2"."""
        from mock_server.engine.faults.short import parse_short

        if isinstance(value, dict) and isinstance(value.get("effect"), str):
            short = parse_short(value["effect"])
            return {**short, **{name: given for name, given in value.items() if name != "effect"}}
        return value

    @model_validator(mode="after")
    def _one_of(self) -> "Rule":
        if (self.effect is None) == (self.effects is None):
            raise ValueError("give either effect or effects")
        kinds = {effect.wire_kind for effect in self.sequence if effect is not None} - {None}
        if len(kinds) > 1 or (kinds and self.match.kind not in (None, *kinds)):
            raise ValueError("these effects are not for this kind of exchange")
        if self.match.kind == "webhook":
            self._check_webhook()
        if "socket" in kinds and self.match.needs_body and self.match.model is None:
            raise ValueError("a socket has no body to match")
        return self

    def _check_webhook(self) -> None:
        allowed = {"status", "timeout", "disconnect", "delay", "duplicate"}
        for effect in self.sequence:
            if effect is not None and (wrong := effect.model_fields_set - allowed):
                raise ValueError(f"a webhook has no {sorted(wrong)[0]}: it takes {', '.join(sorted(allowed))}")

    @property
    def sequence(self) -> tuple[Effect | None, ...]:
        """Its effects in order; None lets one go well."""
        return (self.effect,) if self.effects is None else tuple(self.effects)

    @property
    def most(self) -> int | None:
        """How often it fires at most, None for ever."""
        return self.times if self.times is not None or self.effects is None else len(self.effects)

    def describe(self) -> dict[str, Any]:
        """As it would be written."""
        shown = self.model_dump(mode="json", exclude_unset=True, by_alias=True, exclude={"effect", "effects"})
        shown = {name: value for name, value in shown.items() if value is not None}
        if self.effect is not None:
            return {**shown, "effect": self.effect.describe()}
        return {**shown, "effects": [FINE if step is None else step.describe() for step in self.sequence]}


def read_rule(fields: Any) -> Rule:
    """A rule of its fields. Raises ValueError with what is wrong, in one line."""
    try:
        return Rule.model_validate(fields)
    except ValidationError as error:
        raise ValueError("; ".join(complaint(e) for e in error.errors())) from None


def complaint(error: Any) -> str:
    """One of pydantic's errors as a person would say it: where, and what."""
    words = str(error["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in error["loc"] if not str(part).startswith("function-"))
    return f"{place}: {words}" if place else words
