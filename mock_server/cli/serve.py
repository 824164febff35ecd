"""`serve`: arguments and MOCK_* variables become Settings, Settings become a server."""

import gc
import inspect
import sys
from typing import Annotated, Any, get_args, get_origin

import typer

from mock_server.base.settings import Settings, SettingsError, options
from mock_server.cli import commands, refuse

serve = commands()


def run_server(**values: Any) -> None:
    """Serve the mock API until stopped with Ctrl-C or SIGTERM."""
    gc.disable()  # until the server is ready: what is imported stays, and searching it takes an eighth of the start
    try:
        settings = _settings(values)
        from mock_server.engine.log import JsonLines
        from mock_server.engine.replies import FixtureError
        from mock_server.serve import PortInUse, run
    except SettingsError as error:
        refuse(str(error))
    if settings.log_format == "json":
        sys.stderr = JsonLines(sys.stderr)
    try:
        if settings.workers > 1:
            from mock_server.workers.supervisor import run_workers

            raise typer.Exit(run_workers(settings))
        run(settings)
    except (PortInUse, SettingsError, FixtureError) as error:
        refuse(str(error))


def _settings(values: dict[str, Any]) -> Settings:
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    if given["log_format"] == "auto":
        given["log_format"] = "text"
    return Settings(**given)


def _from_settings(command: Any) -> Any:
    """Give `command` one option per setting: the list in base/settings.py is the only one."""
    parameters = []
    for name, kind, default, about in options():
        option = typer.Option(
            f"--{name.replace('_', '-')}",
            help=about["help"],
            envvar=f"MOCK_{name.upper()}",
            metavar=about["metavar"] or None,
            show_default=not about["many"] and default is not None,
        )
        annotation: Any = Annotated[_typer_type(kind), option]
        first = list(default) if about["many"] else default
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, annotation=annotation, default=first))
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _typer_type(kind: Any) -> Any:
    if get_origin(kind) is tuple:
        return list[get_args(kind)[0]]  # type: ignore[misc]
    return kind


serve.command()(_from_settings(run_server))
