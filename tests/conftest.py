"""What tests share: a real server on a free port, and keys that are one test's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from coverage import Coverage

from mock_server import LocalServer, Settings


@dataclass(frozen=True)
class Client:
    """A key of one test's own on a running server."""

    url: str
    key: str
    http: httpx.Client

    @property
    def v2(self) -> str:
        return self.url + "/v2"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to /v2 + path as this client's account."""
        options["headers"] = {"authorization": f"Bearer {self.key}", **options.get("headers", {})}
        return self.http.request(method, self.v2 + path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("POST", path, json=json, **options)

    def chat(self, text: str = "hi", **fields: Any) -> httpx.Response:
        return self.post("/ai/chat/completions", {"messages": [{"role": "user", "content": text}], **fields})

    def admin(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An admin call for this client's account."""
        options["headers"] = {"authorization": f"Bearer {self.key}", **options.get("headers", {})}
        return self.http.request(method, self.url + "/_mock" + path, **options)

    def journal(self, **query: Any) -> list[dict[str, Any]]:
        return self.admin("GET", "/requests", params=query).json()["data"]

    def as_key(self, key: str) -> "Client":
        return Client(self.url, key, self.http)


def pytest_sessionfinish() -> None:
    """What a worker has covered is kept before its end, which xdist does not wait for on a busy machine."""
    measured = Coverage.current()
    if measured is not None:
        measured.save()


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """One server of profile `spec` that the whole run shares; every test has a key of its own."""
    with LocalServer(Settings(port=0)) as running:
        yield running


@pytest.fixture
def client(server: LocalServer, request: pytest.FixtureRequest) -> Iterator[Client]:
    with httpx.Client(timeout=20, verify=False) as http:
        yield Client(server.url, f"test-{request.node.nodeid}".replace(" ", "_"), http)


@pytest.fixture
def start() -> Iterator[Any]:
    """Start a server of the test's own: `start(profile="live")` gives a Client of it."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(timeout=20, verify=False))

        def run(key: str = "test-key-of-its-own", **settings: Any) -> Client:
            running = stack.enter_context(LocalServer(Settings(**{"port": 0, **settings})))
            return Client(running.url, key, http)

        yield run
