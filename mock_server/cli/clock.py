"""`clock`: what time it is for the account, or for the server, and how fast it runs."""

from typing import Annotated, Any

import typer

from mock_server.cli import commands
from mock_server.cli.calling import Server, calling

clock = commands("See and move the time of the account, or of the server.")
Instant = Annotated[str, typer.Argument(metavar="INSTANT", help="ISO 8601, such as 2026-01-31T12:00:00Z.")]


def _show(server: Server, told: Any) -> None:
    server.show(told, lambda t: f"{t['now']}, {_pace(t['speed'])}")


def _pace(speed: float) -> str:
    return "frozen" if speed == 0 else "running" if speed == 1 else f"running {speed:g} times as fast"


@clock.command()
@calling
def show(server: Server) -> None:
    """Say what time it is."""
    _show(server, server.admin.clock.get())


@clock.command()
@calling
def freeze(
    server: Server, *, at: Annotated[str | None, typer.Argument(metavar="[INSTANT]", help="ISO 8601.")] = None
) -> None:
    """Stop the time, here or at an instant."""
    _show(server, server.admin.clock.freeze(at))


@clock.command()
@calling
def run(server: Server) -> None:
    """Let the time run as on the wall."""
    _show(server, server.admin.clock.run())


@clock.command("set")
@calling
def set_(server: Server, *, at: Instant) -> None:
    """Go to an instant; the time runs, or stands, as before."""
    _show(server, server.admin.clock.set(at))


@clock.command()
@calling
def advance(server: Server, *, seconds: Annotated[float, typer.Argument(metavar="SECONDS", help="How far.")]) -> None:
    """Go on by so many seconds."""
    _show(server, server.admin.clock.advance(seconds))


@clock.command()
@calling
def speed(
    server: Server, *, times: Annotated[float, typer.Argument(metavar="TIMES", help="0 is frozen, 1 real time.")]
) -> None:
    """Run so many times as fast as on the wall."""
    _show(server, server.admin.clock.speed(times))
