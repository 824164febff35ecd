"""`verify`, `verdict`: did the client do what it should? Exit code 0 says yes, 1 no."""

from typing import Annotated, Any

import typer

from mock_server.cli import NEGATIVE, commands, refuse
from mock_server.cli.calling import Server, calling, read_json
from mock_server.cli.tables import clean, paint, table
from mock_server.client import Unverified

verify, verdict = commands(), commands()
Pattern = Annotated[str | None, typer.Option(metavar="PATTERN", help="Which; patterns are shell-style.")]
Number = Annotated[int | None, typer.Option(metavar="N", min=0, help="How many requests must be like this.")]


@verify.command()
@calling
def verify_requests(
    server: Server,
    *,
    operation: Pattern = None,
    path: Pattern = None,
    method: Pattern = None,
    status: Annotated[int | None, typer.Option(metavar="CODE", help="Status of the answer.")] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="A part of the request's body.")] = None,
    exactly: Number = None,
    at_least: Number = None,
    at_most: Number = None,
    check: Annotated[
        str | None, typer.Option("--check", metavar="JSON", help="All of POST /_mock/verify's body; @FILE reads it.")
    ] = None,
) -> None:
    """Check what was requested: `verify --operation "chat.*" --exactly 2`. Without a number: at least one."""
    match = {"operation": operation, "path": path, "method": method, "status": status, "text": text}
    count = {"exactly": exactly, "at_least": at_least, "at_most": at_most}
    asked = {"match": _given(match), "count": _given(count) or {"at_least": 1}} if check is None else read_json(check)
    if not isinstance(asked, dict):
        refuse("--check is a JSON object.")
    try:
        server.show(server.admin.verify(**asked), lambda _: paint("Yes.", "green"))
    except Unverified as error:
        difference = "\n".join(map(clean, str(error).split("\n")))
        server.show(error.body, lambda _: f"{paint('No.', 'red')} {difference}")
        raise typer.Exit(NEGATIVE) from None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@verdict.command()
@calling
def show_verdict(server: Server) -> None:
    """Judge the account's client: what it did since the last reset that a good client does not do."""
    found = server.admin.verdict()
    server.show(found, _verdict)
    if found["verdict"] != "ok":
        raise typer.Exit(NEGATIVE)


def _verdict(found: dict[str, Any]) -> str:
    counted = f"{found['requests']} requests, {found['retries']} retries"
    if found["verdict"] == "ok":
        return f"{paint('Ok', 'green')}: {counted}."
    rows = ([f["rule"], f["detail"], f["exchanges"]] for f in found["findings"])
    return f"{paint('Findings', 'red')}: {counted}.\n" + table(("rule", "detail", "requests"), rows)
