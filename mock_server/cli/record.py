"""`record`: pass requests on to another server, and keep what it answers as fixtures."""

import re
from pathlib import Path
from typing import Annotated

import typer

from mock_server.cli import commands, refuse

record = commands()


@record.command()
def run_recorder(
    upstream: Annotated[
        str,
        typer.Option("--upstream", metavar="URL", help="Base URL as an SDK is given it: https://api.telnyx.com/v2."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of fixtures; `serve --fixtures DIR` plays it.")
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes any free one.")] = 4010,
    redact: Annotated[
        list[str] | None, typer.Option("--redact", metavar="REGEX", help="What else is secret. Repeatable.")
    ] = None,
) -> None:
    """Stand for another server, pass requests on to it with the caller's key, and record what it answers."""
    from mock_server.client import admin_url
    from mock_server.recorder import Recorder
    from mock_server.serve import PortInUse, run_app

    try:
        admin_url(upstream)
        patterns = [re.compile(pattern) for pattern in redact or ()]
    except ValueError as error:
        refuse(f"--upstream: {error}")
    except re.error as error:
        refuse(f"--redact: {error}.")
    recorder = Recorder(upstream, out, patterns)
    try:
        recorder.prepare()
        run_app(recorder, host, port, f"Recording {upstream} into {out} at {{url}}/v2")
    except OSError as error:
        refuse(f"--out {out}: {error.strerror}.")
    except PortInUse as error:
        refuse(str(error))
    print(f"{recorder.saved} exchanges recorded. Play them: telnyx-ai-mock serve --fixtures {out}")
