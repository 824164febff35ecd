"""Writes what the documents take from code: `python docs/generate.py`. A test fails when it has not been run."""

import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

sys.path.insert(0, str(Path(__file__).parent.parent))  # this checkout, whatever is installed

from docs.coverage import DOCS, coverage
from mock_server.base.quirks import PROFILES, TABLE
from mock_server.base.settings import options

README = Path(__file__).parent.parent / "README.md"


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
    return "" if value in (None, (), False) else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def quirks() -> str:
    rows = ["| quirk | what it does when on | on in | source |", "|---|---|---|---|"]
    for quirk in TABLE:
        on_in = ", ".join(f"`{profile}`" for profile in PROFILES if profile in quirk.on_in)
        rows.append(f"| `{quirk.name}` | {quirk.what} | {on_in} | {quirk.source} |")
    return "\n".join(rows)


def generate(text: str) -> str:
    """README.md's text with its generated parts made new."""
    for name, make in (("settings", settings), ("quirks", quirks)):
        start, end = f"<!-- generated: {name} -->", "<!-- /generated -->"
        head, rest = text.split(start)
        text = f"{head}{start}\n{make()}\n{end}{rest.split(end, 1)[1]}"
    return text


if __name__ == "__main__":
    README.write_text(generate(README.read_text()))
    (DOCS / "coverage.md").write_text(coverage())
