"""The command line: `telnyx-ai-mock COMMAND`. Each command lives in a module of its own, imported when it is called."""

import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from mock_server import __version__

# Command -> the module below this one that has it, under its name with underscores.
HOMES = {
    "serve": "serve",
    "health": "look",
    "requests": "look",
    "verify": "check",
    "verdict": "check",
    "faults": "rules",
    "replies": "rules",
    "plans": "rules",
    "limits": "rules",
    "account": "rules",
    "scenario": "rules",
    "clock": "clock",
    "reset": "look",
    "state": "look",
    "snapshot": "snapshot",
    "fixtures": "fixtures",
    "record": "record",
    "openapi": "openapi",
    "doctor": "doctor",
}
# Exit codes.
OK, NEGATIVE, USAGE, UNREACHABLE, REFUSED, STOPPED = 0, 1, 2, 3, 4, 130
EPILOG = (
    "Exit codes: 0 done; 1 the answer is no (verify, verdict, doctor, fixtures check); 2 wrong usage; 3 no server answers; "
    "4 the server refuses; 130 stopped with Ctrl-C."
)


class Commands(TyperGroup):
    """The commands by name. One is imported when it is called: `serve` is not slowed down by the others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands.update(dict.fromkeys(HOMES))  # type: ignore[arg-type]  # get_command puts in what they stand for

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in HOMES and self.commands[cmd_name] is None:
            home = import_module(f"mock_server.cli.{HOMES[cmd_name]}")
            self.commands[cmd_name] = command = typer.main.get_command(getattr(home, cmd_name))
            command.name = cmd_name
        return self.commands.get(cmd_name)


def commands(help: str | None = None) -> typer.Typer:
    """A new command, or with `help` a group of them: all look alike, whether the colours of Typer are installed or not."""
    made = typer.Typer(
        help=help,
        no_args_is_help=help is not None,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    if help is not None:
        made.callback()(_nothing)  # a group stays one when it has but one command
    return made


def _nothing() -> None: ...


cli = typer.Typer(
    cls=Commands,
    name="telnyx-ai-mock",
    help="A local mock server for Telnyx AI.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@cli.callback(invoke_without_command=True)
def main_options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """A local mock server for Telnyx AI."""
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """The console script `telnyx-ai-mock`."""
    command = typer.main.get_command(cli)
    try:
        sys.exit(command.main(prog_name="telnyx-ai-mock", standalone_mode=False))
    except typer.Exit as exit:
        sys.exit(exit.exit_code)
    except typer.Abort:
        sys.exit(STOPPED)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            sys.exit(USAGE)
        print(f"telnyx-ai-mock: {said(error)}", file=sys.stderr)
        sys.exit(USAGE)


def said(error: Any) -> str:
    """A usage error in one line: Typer takes four, and tells how pydantic came to it."""
    message = error.format_message().replace("Value error, ", "").partition(", unable to parse")[0].rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f" See {context.command_path} --help." if context is not None else ""
    return f"{message[:1].lower()}{message[1:]}{'' if message.endswith('?') else '.'}{hint}"


def refuse(sentence: str, code: int = USAGE) -> NoReturn:
    """End with a sentence and an exit code."""
    print(f"telnyx-ai-mock: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
