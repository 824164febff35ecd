"""The pytest plugin: `telnyx_mock_server` for a run, `telnyx_mock` for a test. What it imports, it imports on first use."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mock_server.client import AdminClient, Clock

MOST_SHOWN = 20  # exchanges of a failed test
LONGEST_BODY = 600  # characters of a body in a report
NO_PROXY = ("NO_PROXY", "no_proxy")


class MockServer:
    """The server that a run shares. `url` is its address, `admin` an AdminClient that acts on all of it."""

    def __init__(self, url: str, token: str | None, transport: Any) -> None:
        self.url = url.rstrip("/").removesuffix("/v2")
        self._token, self._transport = token, transport
        self.admin = self.admin_of(None)

    def admin_of(self, key: str | None) -> "AdminClient":
        """An AdminClient for a key's account. All share one pool of connections, which the run closes."""
        from mock_server.client import AdminClient

        return AdminClient(self.url, key, self._token, transport=self._transport)


class TelnyxMock:
    """An account of one test's own. `admin` is the whole admin API for it; what tests use most is here by name."""

    def __init__(self, server: MockServer, key: str) -> None:
        self.server, self.key, self.url = server, key, server.url
        self.base_url = f"{server.url}/v2"
        self.openai_base_url = f"{server.url}/v2/ai/openai"
        self.admin = server.admin_of(key)
        self.clock: Clock = self.admin.clock
        self._opened = ExitStack()

    def fault(
        self, effect: str | Mapping[str, Any], *, times: int | None = None, id: str | None = None, **match: Any
    ) -> Any:
        """Let requests fail: `fault("429;retry-after=1", times=2, operation="chat.*")`."""
        return self.admin.faults.add(effect, times=times, id=id, **match)

    def reply(self, reply: str | Mapping[str, Any], *, id: str | None = None, **match: Any) -> Any:
        """Say this where the match fits: `reply("Sunny.", user_text={"contains": "weather"})`."""
        return self.admin.replies.add(reply, id=id, **match)

    def scenario(self, name: str) -> Any:
        """Switch a scenario on, in the place of one that is."""
        return self.admin.scenario.on(name)

    def requests(self, **filters: Any) -> Any:
        """This test's exchanges, newest first: `requests(operation="chat.*", status=429)`."""
        return self.admin.requests(**filters)

    def verify(self, match: Mapping[str, Any] | None = None, **asked: Any) -> Any:
        """Check the journal: `verify({"operation": "chat.*"}, count={"exactly": 2})`. Raises an AssertionError."""
        return self.admin.verify(match, **asked)

    def verdict(self) -> Any:
        """Whether the client did what a good client does: {verdict: "ok" | "findings", findings, ...}."""
        return self.admin.verdict()

    @cached_property
    def telnyx(self) -> Any:
        """A ready `telnyx.Telnyx`. Raises ModuleNotFoundError where the SDK is not installed."""
        client = import_module("telnyx").Telnyx(api_key=self.key, base_url=self.base_url)
        return self._opened.enter_context(client)

    @cached_property
    def openai(self) -> Any:
        """A ready `openai.OpenAI`. Raises ModuleNotFoundError where the SDK is not installed."""
        client = import_module("openai").OpenAI(api_key=self.key, base_url=self.openai_base_url)
        return self._opened.enter_context(client)

    def close(self) -> None:
        """Close the clients that were made."""
        self._opened.close()

    def remove_rules(self) -> None:
        """Take out what changes answers; the exchanges, and what was stored, stay to be looked at."""
        admin = self.admin
        admin.scenario.off()
        for part in (admin.faults, admin.replies, admin.limits, admin.plans, admin.account):
            part.clear()


MOCK = pytest.StashKey[TelnyxMock]()
FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("telnyx-mock", "Telnyx AI mock")
    group.addoption(
        "--telnyx-mock-url", metavar="URL", help="A mock that runs already; without it the run starts one of its own."
    )
    group.addoption(
        "--telnyx-mock-token", metavar="TOKEN", help="Its admin token; without it the variable MOCK_ADMIN_TOKEN."
    )
    group.addoption(
        "--telnyx-mock-prefix", metavar="TEXT", default="test",
        help="How the keys of tests begin. Runs that share a server at the same time each need one of their own.",
    )  # fmt: skip


@pytest.fixture(scope="session")
def telnyx_mock_settings() -> dict[str, Any]:
    """Settings of the server that the run starts, by their names in mock_server.Settings. Override it in conftest.py."""
    return {}


@pytest.fixture(scope="session")
def telnyx_mock_server(request: pytest.FixtureRequest) -> Iterator[MockServer]:
    """The server of this run, or of this worker of it: the one that was named, or one in a thread."""
    import httpx

    config = request.config
    url = config.getoption("--telnyx-mock-url")
    token = config.getoption("--telnyx-mock-token") or os.environ.get("MOCK_ADMIN_TOKEN")
    with ExitStack() as stack:
        if not url:
            settings = request.getfixturevalue("telnyx_mock_settings")
            from mock_server.base.settings import Settings
            from mock_server.serve import LocalServer

            local = stack.enter_context(LocalServer(Settings(**{"port": 0, **settings})))
            url, token = local.url, local.settings.admin_token
        server = MockServer(url, token, stack.enter_context(httpx.HTTPTransport()))
        _greet(server)
        yield server


def _greet(server: MockServer) -> None:
    from mock_server.client import AdminError, Unreachable

    try:
        server.admin.operations()
    except (Unreachable, AdminError, ValueError) as error:
        pytest.fail(f"No Telnyx AI mock to be used at {server.url}: {error}", pytrace=False)


@pytest.fixture
def telnyx_mock(
    telnyx_mock_server: MockServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TelnyxMock]:
    """An account of the test's own, empty at first, and the variables of the SDKs pointed at it."""
    node = request.node
    mock = TelnyxMock(telnyx_mock_server, key_of(node.nodeid, request.config.getoption("--telnyx-mock-prefix")))
    node.stash[MOCK] = mock
    mock.admin.reset()
    for name, value in (
        ("TELNYX_API_KEY", mock.key),
        ("TELNYX_BASE_URL", mock.base_url),
        ("OPENAI_API_KEY", mock.key),
        ("OPENAI_BASE_URL", mock.openai_base_url),
    ):
        monkeypatch.setenv(name, value)
    for name in NO_PROXY:  # a proxy of the environment is not for a server beside the tests
        passed = [item for item in os.environ.get(name, "").split(",") if item]
        monkeypatch.setenv(name, ",".join([*passed, _host(mock.url)]))
    yield mock
    mock.close()
    if node.stash.get(FAILED, False):
        mock.remove_rules()
    else:
        mock.admin.reset()


def key_of(nodeid: str, prefix: str) -> str:
    """A test's API key: the same in every run, so that the ids it sees are; and no other test's."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", nodeid.encode("ascii", "ignore").decode())[-80:].strip("-")
    return f"{prefix}-{readable}-{sha256(nodeid.encode()).hexdigest()[:8]}"


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).hostname or ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A failed test's report gets the exchanges that the test had."""
    report: pytest.TestReport = yield
    mock = item.stash.get(MOCK, None)
    if mock is not None and report.failed:
        item.stash[FAILED] = True
        if call.when != "teardown":
            report.sections.append(("Telnyx AI mock", _told(mock, item.config.getoption("--telnyx-mock-url"))))
    return report


def _told(mock: TelnyxMock, url: str | None) -> str:
    """The newest exchanges of a test, in the order they came."""
    try:
        exchanges = mock.requests(limit=MOST_SHOWN)
    except Exception as error:
        return f"The exchanges cannot be had: {error}"
    lines = [line for exchange in reversed(exchanges) for line in _lines(exchange)]
    if not lines:
        lines = [f"No request with this test's key ({mock.key}) came to {mock.base_url}."]
    if len(exchanges) == MOST_SHOWN:
        lines.insert(0, f"The last {MOST_SHOWN} exchanges:")
    if url:
        lines.append(f"To look again: telnyx-ai-mock requests --url {mock.url} --key {mock.key}")
        if exchanges:
            lines.append(f"In the console: {mock.url}/_mock/#exchanges/{exchanges[0]['id']}")
    return "\n".join(lines)


def _lines(exchange: Mapping[str, Any]) -> Iterator[str]:
    why = [f"{name}={exchange[name]}" for name in ("fault", "reply") if exchange[name]]
    if exchange["ended"] != "complete":
        why.append(exchange["ended"])
    query = f"?{exchange['query']}" if exchange["query"] else ""
    yield (
        f"{exchange['method']} {exchange['path']}{query} -> {exchange['status'] or 'no answer'}"
        f"  {exchange['duration_ms']:g} ms  {'  '.join(why)}".rstrip()
    )
    if frames := exchange.get("frames"):
        for sign, way in ((">", "received"), ("<", "sent")):
            yield f"  {sign} {_way(frames[way])}"
        if close := frames["close"]:
            yield f"  closed by the {close['by']}: {close['code']} {close['reason']}".rstrip()
    else:
        for sign, side in ((">", "request"), ("<", "response")):
            if body := exchange[side]["body"]:
                yield f"  {sign} {_short(body)}"
    for name, said in (("near_misses", "near miss"), ("warnings", "warning")):
        for line in exchange[name]:
            yield f"  {said}: {line}"


def _way(way: Mapping[str, Any]) -> str:
    said = f"{way['count']} frames, {way['size']} bytes"
    if way["last"] and "text" in way["last"]:
        said += f"; the last: {_short(way['last']['text'])}"
    return said


def _short(text: str) -> str:
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:LONGEST_BODY])
    return shown if len(text) <= LONGEST_BODY else f"{shown}... ({len(text)} characters)"
