"""`fixtures check`: whether a folder of fixtures can be used, told with file and line. Needs no server."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mock_server.cli import NEGATIVE, commands, refuse
from mock_server.cli.tables import paint

fixtures = commands("Look at folders of fixtures.")


@fixtures.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Laid out like the shipped fixtures.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for scripts.")] = False,
) -> None:
    """Read every fixture of a folder as `serve --fixtures DIR` would, and tell what cannot be used."""
    from mock_server.fixtures_check import check as check_folder

    if not folder.is_dir():
        refuse(f"{folder} is not a folder.")
    problems = check_folder(folder)
    if as_json:
        rows = [{"file": str(p.file), "line": p.line, "message": p.message} for p in problems]
        print(json.dumps({"ok": not problems, "problems": rows}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(str, problems)) if problems else f"{paint('Ok', 'green')}: {folder}")
    if problems:
        raise typer.Exit(NEGATIVE)
