"""What commands share that call a running server: where it is, as whom, and how the answer is shown."""

import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mock_server.cli import REFUSED, UNREACHABLE, USAGE, refuse
from mock_server.client import AdminClient, AdminError, Unreachable, admin_url

WRONG = (400, 413, 422)  # what the server says of arguments that cannot be

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="MOCK_URL", metavar="URL", help="The server; without it port MOCK_PORT or 4010 here."),
]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="MOCK_KEY", metavar="KEY", help="API key whose account is meant; without it the whole server."),
]  # fmt: skip
Token = Annotated[
    str | None, typer.Option("--token", envvar="MOCK_ADMIN_TOKEN", metavar="TOKEN", help="The server's admin token.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for scripts.")]
SHARED = {"url": (Url, None), "key": (Key, None), "token": (Token, None), "as_json": (AsJson, False)}


class Server:
    """The server that a command calls, and how it shows what that answers."""

    def __init__(self, url: str | None, key: str | None, token: str | None, as_json: bool) -> None:
        asked = url or f"http://localhost:{os.environ.get('MOCK_PORT') or 4010}"
        self.url = admin_url(asked).removesuffix("/_mock")
        self.key, self.as_json = key, as_json
        self.admin = AdminClient(self.url, key, token)

    def show(self, answer: Any, human: Callable[[Any], str]) -> None:
        """Print an answer: as JSON if that was asked for, else as `human` writes it."""
        print(json.dumps(answer, indent=2, ensure_ascii=False) if self.as_json else human(answer))


def calling(run: Callable[..., Any]) -> Callable[..., None]:
    """Make a command of `run(server, ...)`: give it the options that all share, and its troubles their exit codes."""

    def command(url: str | None, key: str | None, token: str | None, as_json: bool, **own: Any) -> None:
        try:
            server = Server(url, key, token, as_json)
        except ValueError as error:
            refuse(f"--url: {error}")
        try:
            run(server, **own)
        except Unreachable as error:
            refuse(f"{error} Start one with: telnyx-ai-mock serve", UNREACHABLE)
        except AdminError as error:
            refuse(f"the server refuses: {error.detail}", USAGE if error.status in WRONG else REFUSED)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [p.replace(kind=keyword) for p in list(inspect.signature(run, eval_str=True).parameters.values())[1:]]
    shared = [inspect.Parameter(n, keyword, annotation=a, default=d) for n, (a, d) in SHARED.items()]
    command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
    command.__doc__, command.__name__ = run.__doc__, run.__name__
    return command


def read_json(text: str) -> Any:
    """JSON from an argument; `@FILE` and `-` read it from a file or from standard input."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:  # noqa: PTH123
                text = file.read()
        return json.loads(text)
    except (OSError, ValueError) as error:
        refuse(f"{text[:60]!r} is no JSON that can be read: {error}.")
