"""`doctor`: is the client pointed right? What the variables of SDKs would hit, tried and explained."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx
import typer

from mock_server.cli import NEGATIVE, commands
from mock_server.cli.calling import Server, calling
from mock_server.cli.tables import clean, paint
from mock_server.client import AdminClient, Unreachable

Level = Literal["ok", "note", "wrong"]
# Variables that hold a base URL: the paths below it that an SDK calls, and where it should end.
BASES = {
    "TELNYX_BASE_URL": ("/ai/models", "/v2"),
    "OPENAI_BASE_URL": ("/models", "/v2/ai/openai"),
    "ANTHROPIC_BASE_URL": ("/v1/messages", "/v2/ai/anthropic"),
    "AWS_ENDPOINT_URL_S3": ("", "/s3"),
}
KEYS = {"TELNYX_BASE_URL": "TELNYX_API_KEY", "OPENAI_BASE_URL": "OPENAI_API_KEY", "ANTHROPIC_BASE_URL": "ANTHROPIC_API_KEY",
        "AWS_ENDPOINT_URL_S3": "AWS_ACCESS_KEY_ID"}  # fmt: skip
SERVICES = ("telnyx.com", "openai.com", "anthropic.com", "amazonaws.com")  # never called from here
PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
TIMEOUT = 5.0  # seconds

doctor = commands()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `name` is a variable, or what was asked; `says` is for a person."""

    level: Level
    name: str
    value: str
    says: str


@doctor.command()
@calling
def examine(server: Server) -> None:
    """Look at the variables that SDKs read, try what they point at, and explain what is wrong."""
    found = [*_server(server), *_variables(server, os.environ)]
    server.show([asdict(finding) for finding in found], lambda _: "\n".join(map(_line, found)))
    if any(finding.level == "wrong" for finding in found):
        raise typer.Exit(NEGATIVE)


def _line(finding: Finding) -> str:
    sign = {"ok": paint("ok   ", "green"), "note": paint("note ", "yellow"), "wrong": paint("wrong", "red")}[
        finding.level
    ]
    value = f"{'=' if finding.name.isupper() else ' at '}{finding.value}" if finding.value else ""
    return f"{sign}  {finding.name}{value}\n       {finding.says}"


def _server(server: Server) -> Iterator[Finding]:
    """The mock itself, and what was wrong with requests that it got lately."""
    try:
        health = server.admin.health()
    except Unreachable:
        yield Finding(
            "wrong", "the mock", server.url, "Nobody answers there. Start it: telnyx-ai-mock serve. Or name it: --url."
        )
        return
    yield Finding(
        "ok", "the mock", server.url, f"It answers: version {health['version']}, profile {health['profile']}."
    )
    exchanges = server.admin.requests(limit=1000, brief=True)
    lost = [e for e in exchanges if e["operation"] is None and not e["warnings"]]
    if lost:
        paths = ", ".join(dict.fromkeys(f"{e['method']} {clean(e['path'])}" for e in lost[:50]))
        yield Finding(
            "note", "requests to paths that are none", "", f"{paths[:300]}. Point the client at {server.url}/v2."
        )
    for hint in dict.fromkeys(warning for e in exchanges for warning in e["warnings"]):
        yield Finding("note", "a request of lately", "", clean(hint))


def _variables(server: Server, env: Mapping[str, str]) -> Iterator[Finding]:
    for name, (path, end) in BASES.items():
        url = env.get(name, "")
        key = env.get(KEYS[name], "")
        if url:
            yield _tried(name, url, path, end, key, server.url)
        elif name in ("TELNYX_BASE_URL", "OPENAI_BASE_URL"):
            yield Finding(
                "note", name, "", f"Not set: that SDK calls the real service. export {name}={server.url}{end}"
            )
        if url or KEYS[name] == "TELNYX_API_KEY":
            yield _key(KEYS[name], key)
    yield from _proxies(server, env)


def _key(name: str, key: str) -> Finding:
    if not key:
        return Finding(
            "wrong", name, "", f"Not set: the SDK refuses to start without. Any will do: export {name}=my-test-key"
        )
    if key.startswith("mock-fault-"):
        return Finding("note", name, key, "A magic key: requests with it fail, as its name says.")
    return Finding("ok", name, f"{key[:3]}***", "Set. The mock takes any key, and keeps its hash only.")


def _tried(name: str, url: str, path: str, end: str, key: str, mock: str) -> Finding:
    """Where a base URL leads. The key is sent only to what has said that it is a mock."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        return Finding("wrong", name, url, f"No URL that can be called: it is written {mock}{end}.")
    if host.endswith(SERVICES):
        return Finding(
            "wrong", name, url, f"The real service, not the mock. It was not called. For the mock: {mock}{end}"
        )
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        with AdminClient(origin, timeout=TIMEOUT, verify=False) as admin:
            admin.health()
    except Unreachable as error:
        return Finding("wrong", name, url, _unreachable(parts.scheme, origin, mock, end, error))
    except Exception as error:
        return Finding(
            "wrong", name, url, f"Something answers at {origin}, and it is no mock ({error}). Try {mock}{end}"
        )
    return _path(name, url, parts.path.rstrip("/"), path, end, key, origin)


def _unreachable(scheme: str, origin: str, mock: str, end: str, error: Unreachable) -> str:
    if scheme == "https":
        return f"The mock speaks http, not https, unless something stands before it. Try http://{origin[8:]}{end}"
    return f"Nobody answers there: a wrong port, or the mock is not started. The mock that was asked is at {mock}{end} ({error})"


def _path(name: str, url: str, path: str, below: str, end: str, key: str, origin: str) -> Finding:
    """Whether the path of a base URL is the one that its SDK wants."""
    right = f"{origin}{end}"
    if name == "OPENAI_BASE_URL" and path == "/v2/ai":
        return Finding("note", name, url, "Chats work here, as on the service's older path; embeddings and responses do not: "
                       f"/v2/ai/embeddings is another operation. Better: {right}")  # fmt: skip
    if path != end:
        mended = "/v2 is missing" if not path.startswith("/v2") and end.startswith("/v2") else f"it should end in {end}"
        return Finding("wrong", name, url, f"The mock answers there, but {mended}: requests get 404. Try {right}")
    if not below or name == "ANTHROPIC_BASE_URL":
        return Finding("ok", name, url, "The mock answers there.")
    try:
        answer = httpx.get(url.rstrip("/") + below, headers={"authorization": f"Bearer {key or 'doctor'}"}, timeout=TIMEOUT,
                           trust_env=False, verify=False)  # fmt: skip
    except httpx.HTTPError as error:
        return Finding("note", name, url, f"GET {below} gave no answer: {type(error).__name__}.")
    if answer.status_code != 200:
        return Finding("note", name, url, f"GET {below} answers {answer.status_code}: {answer.text[:200]}")
    return Finding("ok", name, url, f"GET {below} answers 200.")


def _proxies(server: Server, env: Mapping[str, str]) -> Iterator[Finding]:
    proxy = next((name for name in PROXIES if env.get(name)), None)
    host = urlsplit(server.url).hostname or ""
    passed = [item.strip() for item in (env.get("NO_PROXY") or env.get("no_proxy") or "").split(",")]
    if proxy and not {host, "*"} & set(passed):
        yield Finding(
            "wrong", proxy, env[proxy], f"SDKs send requests for {host} to this proxy. export NO_PROXY={host}"
        )
