"""Tables and colours for people, without a library: the image has none, and a pipe gets plain text."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "dim": 2, "bold": 1}
GAP = "  "
UNPRINTABLE = dict.fromkeys([*range(32), 127, *range(128, 160)], " ")


def coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text: str, colour: str) -> str:
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if coloured() else text


def table(names: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "None.") -> str:
    """Columns under their names; on a terminal the last is cut where the line ends."""
    shown = [[cell(value) for value in row] for row in rows]
    if not shown:
        return empty
    widths = widths_of([names, *shown])
    head = paint(line([name.upper() for name in names], widths), "bold")
    return "\n".join([head, *(line(row, widths) for row in shown)])


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    text = GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    return text[: shutil.get_terminal_size().columns] if sys.stdout.isatty() else text


def cell(value: Any) -> str:
    """A value in one line, without what would move a terminal's cursor."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={cell(item)}" for name, item in value.items()) or "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(cell, value)) or "-"
    return clean(str(value))


def clean(text: str) -> str:
    return text.translate(UNPRINTABLE)


def facts(values: Mapping[str, Any]) -> str:
    """Names and values, a line each."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{name.replace('_', ' ').ljust(width)}{GAP}{cell(value)}" for name, value in values.items())
