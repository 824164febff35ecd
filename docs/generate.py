"""Writes what the documents take from code: `python docs/generate.py`. A test fails when it has not been run."""

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

sys.path.insert(0, str(Path(__file__).parent.parent))  # this checkout, whatever is installed

import typer
import yaml

from docs.admin import admin_api
from docs.coverage import DOCS, coverage
from mock_server.base.hints import TABLE as HINTS
from mock_server.base.quirks import PROFILES, TABLE
from mock_server.base.settings import options
from mock_server.cli import HOMES, cli

SHARED = ("--url", "--key", "--token", "--json")  # told once, above the table


def settings() -> str:
    rows = ["| option | variable | default | what |", "|---|---|---|---|"]
    for name, kind, default, about in options():
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        shown = about["metavar"] or "|".join(choices)
        many = ", repeatable" if about["many"] else ""
        option = f"`--{name.replace('_', '-')} {shown}".rstrip() + f"`{many}"
        rows.append(f"| {_cell(option)} | `MOCK_{name.upper()}` | {_default(default)} | {about['help']} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _default(value: Any) -> str:
    return (
        ""
        if value is None or value is False or value == ()
        else f"`{value:g}`"
        if isinstance(value, float)
        else f"`{value}`"
    )


def quirks() -> str:
    rows = ["| quirk | what it does when on | on in | source |", "|---|---|---|---|"]
    for quirk in TABLE:
        on_in = ", ".join(f"`{profile}`" for profile in PROFILES if profile in quirk.on_in)
        rows.append(f"| `{quirk.name}` | {quirk.what} | {on_in} | {quirk.source} |")
    return "\n".join(rows)


def hints() -> str:
    rows = ["| what the client is told | where that comes from |", "|---|---|"]
    for hint in HINTS.values():
        says = hint.says.replace("{{", "{").replace("}}", "}").removesuffix("{instead}")
        rows.append(f"| {_cell(says)} | {hint.source} |")
    return "\n".join(rows)


def observed() -> str:
    """What was seen on the running service, and where it is here."""
    rows = ["| seen | here |", "|---|---|"]
    for row in yaml.safe_load((DOCS / "observed.yaml").read_text()):
        where = f"`{row['quirk']}`" if "quirk" in row else "always" if "always" in row else "not so"
        rows.append(f"| {row['seen']} | {where} |")
    return "\n".join(rows)


def commands() -> str:
    """Every command with its arguments, options and help, from the command line itself."""
    root: Any = typer.main.get_command(cli)
    rows = ["| command | what it does | options |", "|---|---|---|"]
    for name in HOMES:
        command = root.get_command(None, name)
        for path, one in _leaves(name, command):
            asked = [p for p in one.params if p.param_type_name == "argument"]
            words = " ".join([path, *(_argument(p) for p in asked)])
            rows.append(f"| {_cell(f'`{words}`')} | {_cell(one.help or '')} | {_cell(_options(path, one))} |")
    return "\n".join(rows)


def _leaves(path: str, command: Any) -> Any:
    """The commands below a group, or a command itself, with the words that call them."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
        return
    for name, one in below.items():
        yield from _leaves(f"{path} {name}", one)


def _argument(parameter: Any) -> str:
    shown = parameter.metavar or parameter.name.upper()
    return shown if parameter.required or shown.startswith("[") else f"[{shown}]"


def _options(path: str, command: Any) -> str:
    if path == "serve":
        return "the settings"
    options = [p for p in command.params if p.param_type_name == "option" and not {*p.opts} & {*SHARED, "--help"}]
    shown = ((f"`{o.opts[0]} {o.metavar}`" if o.metavar else f"`{o.opts[0]}`", o.help) for o in options)
    return "<br>".join(f"{words} {help}" for words, help in shown)


def measured(file: str) -> str:
    """The tables of a run that `make performance` has kept."""
    tables: str = json.loads((DOCS / "performance" / file).read_text())["tables"]
    return tables


PARTS = {  # by the name in the page's comment
    "settings": settings,
    "quirks": quirks,
    "observed": observed,
    "hints": hints,
    "commands": commands,
    "bench": partial(measured, "bench.json"),
    "growth": partial(measured, "growth.json"),
}
WHOLE = {"coverage.md": coverage, "admin-api.md": admin_api}


def generate(text: str) -> str:
    """A page's text with its generated parts made new."""
    for name, make in PARTS.items():
        start, end = f"<!-- generated: {name} -->", "<!-- /generated -->"
        if start in text:
            head, rest = text.split(start)
            text = f"{head}{start}\n{make()}\n{end}{rest.split(end, 1)[1]}"
    return text


if __name__ == "__main__":
    for page in DOCS.glob("*.md"):
        page.write_text(generate(page.read_text()))
    for file, make in WHOLE.items():
        (DOCS / file).write_text(make())
