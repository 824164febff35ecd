"""What a model says: rules from files, matched on a small view of the request. First match wins; no match is the domain's default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mock_server.engine.patterns import like


class FixtureError(ValueError):
    """A fixture file that cannot be used: one sentence with the file's name."""


@dataclass(slots=True)
class View:
    """What rules may match on: the operation's name and domain, the model, the last user text, the system's text."""

    operation: str
    domain: str
    model: str
    user_text: str
    system_text: str = ""


class Text(BaseModel):
    """How a text must be: all that is given must hold; case counts only in `equals`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    equals: str | None = None
    contains: str | None = None

    def fits(self, text: str) -> bool:
        if self.equals is not None and text != self.equals:
            return False
        return self.contains is None or self.contains.lower() in text.lower()


class ReplyMatch(BaseModel):
    """Which requests a reply is for; what is left out matches all. `operation` is a name, a pattern of names or a domain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operation: str | None = None
    model: str | None = None
    user_text: str | Text | None = None
    system_text: str | Text | None = None

    def fits(self, view: View) -> bool:
        if self.operation is not None and self.operation != view.domain and not like(self.operation, view.operation):
            return False
        if self.model is not None and not like(self.model, view.model):
            return False
        return _fits(self.user_text, view.user_text) and _fits(self.system_text, view.system_text)


def _fits(wanted: str | Text | None, text: str) -> bool:
    """A string by itself is all that the text may be."""
    if wanted is None or isinstance(wanted, str):
        return wanted is None or wanted == text
    return wanted.fits(text)


class ToolCall(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class Reply(BaseModel):
    """What is said: a text (or one text per choice), a JSON value, or tool calls. `{{user_text}}`, `{{model}}` are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | list[str] | None = None
    json_value: Any = Field(None, alias="json")
    tool_calls: list[ToolCall] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _says_something(self) -> "Reply":
        if self.text is None and "json_value" not in self.model_fields_set and self.tool_calls is None:
            raise ValueError("a reply needs text, json or tool_calls")
        if self.text == []:
            raise ValueError("text is an empty list")
        return self


class ReplyRule(BaseModel):
    """One entry of a reply file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    match: ReplyMatch = Field(default_factory=ReplyMatch)
    reply: Reply


PLACEHOLDERS = ("model", "operation", "user_text")
ECHO_CAP = 400  # characters of the request that a canned reply repeats


def fill(template: str, view: View) -> str:
    """The template with `{{user_text}}`, `{{model}}` and `{{operation}}` filled in from the request."""
    if "{{" not in template:
        return template
    for name in PLACEHOLDERS:  # the client's own text last, so that nothing in it is filled in
        value: str = getattr(view, name)
        template = template.replace("{{" + name + "}}", value[:ECHO_CAP])
    return template


@dataclass(slots=True)
class Replies:
    """The rules in force: user files before shipped ones. The shipped file is read when first asked."""

    folders: Sequence[Path]
    shipped: Path
    _rules: list[ReplyRule] = field(default_factory=list)
    _loaded: bool = False

    def load(self) -> None:
        """Read every file now. Raises FixtureError."""
        rules: list[ReplyRule] = []
        for folder in (*self.folders, self.shipped):
            for path in sorted((folder / "replies").glob("*")):
                if path.suffix in (".yaml", ".yml", ".json"):
                    rules += read_rules(path)
        self._rules, self._loaded = rules, True

    def reset(self) -> None:
        """Read the files again when next asked."""
        self._rules, self._loaded = [], False

    def choose(self, view: View) -> ReplyRule | None:
        """The first rule that fits, None for the domain's default."""
        if not self._loaded:
            self.load()
        for rule in self._rules:
            if rule.match.fits(view):
                return rule
        return None

    def all(self) -> Sequence[ReplyRule]:
        if not self._loaded:
            self.load()
        return self._rules


def read_yaml(path: Path) -> Any:
    """A YAML (or JSON) file's value. Raises FixtureError with file and line."""
    import yaml

    try:
        return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise FixtureError(f"{path}: {' '.join(str(error).split())}") from None


def read_rules(path: Path) -> list[ReplyRule]:
    """The rules of one file: a list, or a mapping with the list under `replies`. Raises FixtureError."""
    value = read_yaml(path)
    if isinstance(value, Mapping):
        value = value.get("replies")
    if value is None:
        return []
    if not isinstance(value, list):
        raise FixtureError(f"{path}: expected a list of replies")
    rules = []
    for n, entry in enumerate(value, 1):
        try:
            rules.append(ReplyRule.model_validate(entry))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "entry"
            raise FixtureError(f"{path}: reply {n}: {place}: {first['msg']}") from None
    return rules
