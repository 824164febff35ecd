"""Errors on demand: by header, by magic key, by admin rule. Decides what fires; the gate and the route let it fire.

Precedence: request header, then magic key, then admin rules in the order they were added.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mock_server.base import errors
from mock_server.base.errors import ApiError, BadRequest, Issue
from mock_server.engine.accounts import Account
from mock_server.engine.exchange import Exchange
from mock_server.engine.patterns import like
from mock_server.engine.pieces import OWNER

HEADER = b"x-mock-fault"
STATUSES: dict[int, type[ApiError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    403: errors.AuthorizationFailed,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.Invalid,
    429: errors.TooManyRequests,
    500: errors.UnexpectedError,
    503: errors.ServiceUnavailable,
    504: errors.RequestTimeout,
}
MAGIC_KEY = re.compile(r"mock-fault-(\d{3})(?:-(once|twice|thrice))?(?:-.*)?", re.DOTALL)
TIMES = {None: None, "once": 1, "twice": 2, "thrice": 3}
LONGEST_WAIT = 24 * 3600.0


class Effect(BaseModel):
    """What happens: an error with `status` in the operation's dialect, or `timeout` seconds of silence and a closed connection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int | None = Field(None, description="One of 400 401 403 404 409 422 429 500 503 504.")
    timeout: float | None = Field(
        None, ge=0, le=LONGEST_WAIT, description="Seconds, then the connection closes without an answer."
    )
    retry_after: float | None = Field(
        None, ge=0, le=LONGEST_WAIT, description="The header retry-after, in seconds; on 429 it is 1 unless given."
    )

    @model_validator(mode="after")
    def _one_of(self) -> "Effect":
        if (self.status is None) == (self.timeout is None):
            raise ValueError("give either status or timeout")
        if self.status is not None and self.status not in STATUSES:
            raise ValueError(f"status is one of {', '.join(map(str, STATUSES))}")
        return self

    def error(self) -> ApiError:
        """The error this effect answers with; only where `status` is set."""
        assert self.status is not None
        kind = STATUSES[self.status]
        if kind is errors.TooManyRequests:
            return errors.TooManyRequests(retry_after=1 if self.retry_after is None else self.retry_after)
        error = errors.Invalid([Issue(("body",), "Value error, injected fault")]) if kind is errors.Invalid else kind()
        if self.retry_after is not None:
            error.headers = {**error.headers, "retry-after": f"{self.retry_after:g}"}
        return error


class Match(BaseModel):
    """Which exchanges a rule is for; what is left out matches all. Patterns are shell-style: `*` stands for anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = Field(None, description="GET, POST, ...", max_length=16)
    path: str | None = Field(
        None, description="Pattern of the whole path, such as /v2/ai/*/completions.", max_length=500
    )
    operation: str | None = Field(
        None, description="Pattern of the operation's name, such as openai.chat.*.", max_length=200
    )
    model: str | None = Field(None, description="Pattern of the model a request body names.", max_length=200)


class Rule(BaseModel):
    """A fault rule as the admin API takes and shows it."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(
        None, description="Name of the rule; made up when left out.", pattern=r"^[A-Za-z0-9._-]{1,100}$"
    )
    match: Match = Field(default_factory=Match)
    times: int | None = Field(None, ge=1, description="How often it fires; always when left out.")
    effect: Effect

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """`effect` may be written as in the header: "429;retry-after=2;times=2"."""
        if isinstance(value, dict) and isinstance(value.get("effect"), str):
            short = parse_short(value["effect"])
            times = value.get("times", short.times)
            return {**value, "effect": {"status": short.effect.status, "timeout": short.effect.timeout,
                                        "retry_after": short.effect.retry_after}, "times": times}  # fmt: skip
        return value


@dataclass(frozen=True, slots=True)
class Short:
    """A fault written in one line: the effect, and how often it fires (None: always)."""

    effect: Effect
    times: int | None


def parse_short(text: str) -> Short:
    """`429`, `429;retry-after=2;times=2` or `timeout=5`. Raises ValueError with what is wrong."""
    effect: dict[str, Any] = {}
    times: int | None = None
    for part in text.split(";"):
        name, equals, value = (piece.strip().lower() for piece in part.partition("="))
        if not equals and name.isascii() and name.isdigit() and len(name) == 3:
            effect["status"] = int(name)
        elif name == "times" and value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value) > 0:
            times = int(value)
        elif name in ("timeout", "retry-after"):
            effect[name.replace("-", "_")] = _seconds(name, value)
        else:
            raise ValueError(f"{part.strip()!r} is none of a status, times=N, retry-after=SECONDS, timeout=SECONDS")
    try:
        return Short(Effect(**effect), times)
    except ValueError as error:
        details = error.errors() if hasattr(error, "errors") else []
        raise ValueError(
            "; ".join(str(d["msg"]).removeprefix("Value error, ") for d in details) or str(error)
        ) from None


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"{name} is a number of seconds up to a day, not {value[:40]!r}")
    return seconds


@dataclass(slots=True)
class Armed:
    """A rule in force: whose it is (None: every account's), and how often it has fired."""

    rule: Rule
    account: str | None
    used: int = 0

    @property
    def spent(self) -> bool:
        return self.rule.times is not None and self.used >= self.rule.times

    def describe(self) -> dict[str, Any]:
        return {**self.rule.model_dump(exclude_none=True), "account": self.account, "used": self.used}


@dataclass(slots=True)
class Faults:
    """The rules in force. One table for the server; rules of an account concern that account only."""

    rules: list[Armed] = field(default_factory=list)
    _made: int = 0

    def add(self, rule: Rule, account: str | None) -> Armed:
        """Put a rule in force; one with the same id and account is replaced."""
        if rule.id is None:
            rule = rule.model_copy(update={"id": self._new_id()})
        self.rules = [a for a in self.rules if (a.rule.id, a.account) != (rule.id, account)]
        armed = Armed(rule, account)
        self.rules.append(armed)
        return armed

    def _new_id(self) -> str:
        taken = {armed.rule.id for armed in self.rules}
        while True:
            self._made += 1
            if (id := f"fault-{self._made}") not in taken:
                return id

    def remove(self, id: str | None, account: str | None) -> bool:
        """Take a rule out; whether there was one. Without an account, whosever it is."""
        before = len(self.rules)
        self.rules = [a for a in self.rules if not (a.rule.id == id and (account is None or a.account == account))]
        return len(self.rules) < before

    def clear(self, account: str | None) -> None:
        """Take out one account's rules, or all."""
        self.rules = [a for a in self.rules if account is not None and a.account != account]

    def reset(self) -> None:
        self.clear(None)
        self._made = 0

    def dump(self, account: str | None = None) -> list[dict[str, Any]]:
        """The rules of an account, or all and whose they are, with how often they have fired."""
        if account is None:
            return [armed.describe() for armed in self.rules]
        mine = [armed.describe() for armed in self.rules if armed.account == account]
        return [{name: value for name, value in state.items() if name != "account"} for state in mine]

    def load(self, states: list[dict[str, Any]], account: str | None = None) -> Callable[[], None]:
        """What puts the rules of `states` in force instead of an account's, or of all. Raises ValueError, KeyError."""
        loaded = [_armed(state, account) for state in states]

        def put() -> None:
            self.clear(account)
            self.rules += loaded
            self._made = 0  # the next name is the first that is free

        return put

    def before_parse(self, exchange: Exchange, header: bytes | None) -> Effect | None:
        """What fires by header, key, or a rule that needs no body. Raises BadRequest for a header it cannot read."""
        account = exchange.account
        assert account is not None
        if header is not None:
            effect = _by_header(account, header.decode("latin-1"))
            if effect is not None:
                exchange.fault = "header"
                return effect
        if account.fault_key:
            effect = _by_key(account)
            if effect is not None:
                exchange.fault = "key"
                return effect
        return self._by_rule(exchange, None) if self.rules else None

    def after_parse(self, exchange: Exchange, model: object) -> Effect | None:
        """What fires by a rule that asks for the model a body names."""
        return self._by_rule(exchange, model) if isinstance(model, str) else None

    def _by_rule(self, exchange: Exchange, model: str | None) -> Effect | None:
        for armed in self._matching(exchange, model):
            armed.used += 1
            exchange.fault = armed.rule.id or ""
            return armed.rule.effect
        return None

    def _matching(self, exchange: Exchange, model: str | None) -> Iterator[Armed]:
        assert exchange.account is not None and exchange.operation is not None
        for armed in self.rules:
            match = armed.rule.match
            if (
                armed.spent
                or armed.account not in (None, exchange.account.id)
                or (match.model is None) != (model is None)
            ):
                continue
            if match.method is not None and match.method.upper() != exchange.method:
                continue
            wanted = ((match.path, exchange.path), (match.operation, exchange.operation.id), (match.model, model))
            if all(pattern is None or like(pattern, text or "") for pattern, text in wanted):
                yield armed


def _armed(state: Mapping[str, Any], account: str | None) -> Armed:
    """A rule as `describe` shows it, in the hands of `account` if one is given."""
    rule = Rule.model_validate({name: value for name, value in state.items() if name not in ("account", "used")})
    used, owner = state["used"], state["account"] if account is None else account
    if rule.id is None or not isinstance(used, int) or not (owner is None or OWNER.fullmatch(owner)):
        raise ValueError("a fault rule without a name, a count or an account")
    return Armed(rule, owner, used)


def _by_header(account: Account, text: str) -> Effect | None:
    try:
        short = parse_short(text)
    except ValueError as error:
        raise BadRequest(f"The header x-mock-fault cannot be read: {error}.") from None
    if short.times is not None and account.next(f"fault header {text}") > short.times:
        return None
    return short.effect


def _by_key(account: Account) -> Effect | None:
    found = MAGIC_KEY.fullmatch(account.fault_key)
    if found is None or int(found[1]) not in STATUSES:
        known = ", ".join(map(str, STATUSES))
        raise BadRequest(f"A key that begins with mock-fault- goes on with one of {known}, as in mock-fault-429-twice.")
    times = TIMES[found[2]]
    if times is not None and account.next("fault key") > times:
        return None
    return Effect(status=int(found[1]))
