"""`snapshot`: the state of the account, or of the server, put aside and taken back."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from mock_server.cli import commands, refuse
from mock_server.cli.calling import Server, calling
from mock_server.cli.tables import table

snapshot = commands("Put the state of the account, or of the server, aside, and take it back.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the snapshot.")]
CHUNK = 1024 * 1024
COLUMNS = ("name", "account", "at", "rows", "objects", "size")


def _table(found: list[dict[str, Any]]) -> str:
    return table(
        COLUMNS, ([s["name"], s["account"] or "server", *(s[n] for n in COLUMNS[2:])] for s in found), "No snapshots."
    )


@snapshot.command("list")
@calling
def list_all(server: Server) -> None:
    """List the snapshots that are kept."""
    server.show(server.admin.snapshots.list(), _table)


@snapshot.command()
@calling
def take(server: Server, *, name: Name) -> None:
    """Take a snapshot, in place of one of the same name."""
    server.show(server.admin.snapshots.take(name), lambda taken: _table([taken]))


@snapshot.command()
@calling
def restore(server: Server, *, name: Name) -> None:
    """Put everything back to what it was when the snapshot was taken."""
    server.show(
        server.admin.snapshots.restore(name), lambda restored: f"Restored: {restored['name']}, as of {restored['at']}."
    )


@snapshot.command()
@calling
def download(
    server: Server,
    *,
    name: Name,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: NAME.jsonl.gz here.")] = None,
) -> None:
    """Write a snapshot to a file, which another server takes: `snapshot upload`, or `serve --snapshot FILE`."""
    path = file or Path(f"{name}.jsonl.gz")
    content = server.admin.snapshots.download(name)
    try:
        path.write_bytes(content)
    except OSError as error:
        refuse(f"{path} cannot be written: {error.strerror}.")
    server.show({"file": str(path), "size": len(content)}, lambda told: f"{told['file']}: {told['size']} bytes.")


@snapshot.command()
@calling
def upload(
    server: Server, *, name: Name, file: Annotated[Path, typer.Argument(metavar="FILE", help="As it was downloaded.")]
) -> None:
    """Keep the snapshot of a file; `snapshot restore` puts it into place."""
    try:
        source, size = file.open("rb"), file.stat().st_size
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror}.")
    with (
        source,
        typer.progressbar(
            length=size, label=f"Uploading {file.name}", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar,
    ):

        def chunks() -> Iterator[bytes]:
            while data := source.read(CHUNK):
                yield data
                bar.update(len(data))

        taken = server.admin.snapshots.upload(name, chunks())
    server.show(taken, lambda one: _table([one]))


@snapshot.command()
@calling
def remove(server: Server, *, name: Name) -> None:
    """Forget a snapshot."""
    server.show(server.admin.snapshots.remove(name), lambda _: f"Removed: {name}.")
