"""`openapi`: the document of what is emulated, without a server."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mock_server.cli import commands, refuse

openapi = commands()


@openapi.command()
def write_document(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to this file.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="The document of the admin API instead.")] = False,
) -> None:
    """Print the OpenAPI document of what is emulated, as GET /openapi.json answers it. Needs no server."""
    from mock_server.app import create_app

    app = create_app()
    if admin:
        document = app.admin().document()
    else:
        app.enter_all_rooms()
        document = app.api.openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if out is None:
        print(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        refuse(f"{out} cannot be written: {error.strerror}.")
