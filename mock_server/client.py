"""The admin API for scripts and tests: `AdminClient`, and `AsyncAdminClient` with the same calls to be awaited.

    with AdminClient("http://localhost:4010", api_key="my-test-key") as admin:
        admin.clock.advance(60)
        admin.faults.add("429;times=1", operation="chat.*")
        print(admin.requests(status=429))

A call with an `api_key` acts on that key's account, one without on the whole server. Every call is written once, in
`_Calls` and the groups below it, and gives the `data` of the answer, or the answer itself where it has none.
Imports nothing of this project: it may be copied into another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx

TIMEOUT = 60.0  # seconds
TOKEN_HEADER = "x-mock-admin-token"  # noqa: S105
Json: TypeAlias = Any  # what an answer holds; of AsyncAdminClient an awaitable of it
Send: TypeAlias = Callable[..., Json]
Read: TypeAlias = Callable[[httpx.Response], Json]


class AdminError(Exception):
    """The server refused a call. `status` is its HTTP status, `detail` its sentence, `body` its JSON where it sent any."""

    def __init__(self, status: int, detail: str, body: Json = None) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.body = status, detail, body


class Unverified(AssertionError):
    """The journal is not as `verify` says. `body` is the server's account of the difference."""

    def __init__(self, detail: str, body: Json) -> None:
        super().__init__(detail)
        self.body = body


class Unreachable(ConnectionError):
    """No server answers at the address."""


class _Group:
    def __init__(self, send: Send) -> None:
        self._send = send


class _Rules(_Group):
    """Rules in force, in the order they are tried."""

    path = ""

    def list(self) -> Json:
        return self._send("GET", self.path)

    def put(self, rule: Mapping[str, Any]) -> Json:
        """Put a rule in force, written as the admin API takes it."""
        return self._send("POST", self.path, json={k: v for k, v in rule.items() if v is not None and v != {}})

    def remove(self, id: str) -> Json:
        return self._send("DELETE", f"{self.path}/{_segment(id)}")

    def clear(self) -> Json:
        return self._send("DELETE", self.path)


class Faults(_Rules):
    """What fails, and how."""

    path = "/faults"

    def add(
        self, effect: str | Mapping[str, Any], *, times: int | None = None, id: str | None = None, **match: Any
    ) -> Json:
        """`add("503;times=2", operation="chat.*")`, `add({"status": 422}, model="openai/*")`."""
        return self.put({"effect": effect, "times": times, "id": id, "match": match})


class Replies(_Rules):
    """What the models say."""

    path = "/replies"

    def add(self, reply: str | Mapping[str, Any], *, id: str | None = None, **match: Any) -> Json:
        """Say this where the match fits: `add("Sunny.", user_text={"contains": "weather"})`."""
        return self.put({"reply": {"text": reply} if isinstance(reply, str) else reply, "id": id, "match": match})


class Clock(_Group):
    """The time of the account, or of the server: {now, speed, account}."""

    def get(self) -> Json:
        return self._send("GET", "/clock")

    def freeze(self, at: str | None = None) -> Json:
        """Stop, here or at an ISO 8601 instant."""
        return self._move(freeze=True, set=at)

    def run(self) -> Json:
        """Go on at the speed of real time."""
        return self._move(freeze=False)

    def set(self, at: str) -> Json:
        return self._move(set=at)

    def advance(self, seconds: float) -> Json:
        return self._move(advance=seconds)

    def speed(self, times: float) -> Json:
        """Run so many times as fast as real time; 0 is frozen."""
        return self._move(speed=times)

    def _move(self, **change: Any) -> Json:
        return self._send("POST", "/clock", json={name: value for name, value in change.items() if value is not None})


class Snapshots(_Group):
    """States that were put aside."""

    def list(self) -> Json:
        return self._send("GET", "/snapshots")

    def take(self, name: str) -> Json:
        return self._send("PUT", f"/snapshots/{_segment(name)}")

    def restore(self, name: str) -> Json:
        return self._send("POST", f"/snapshots/{_segment(name)}")

    def download(self, name: str) -> Json:
        """The bytes of the snapshot's file."""
        return self._send("GET", f"/snapshots/{_segment(name)}", read=_content)

    def upload(self, name: str, content: bytes | Iterable[bytes]) -> Json:
        """Keep what was downloaded from a server; `restore` puts it into place."""
        headers = {"content-type": "application/gzip"}
        return self._send("PUT", f"/snapshots/{_segment(name)}", content=content, headers=headers)

    def remove(self, name: str) -> Json:
        return self._send("DELETE", f"/snapshots/{_segment(name)}")


class Scenario(_Group):
    """A named bundle of faults, limits and more, switched on and off as one."""

    def get(self) -> Json:
        """{data: {name, account, everyone}, scenarios: [{name, about}]}."""
        return self._send("GET", "/scenario", read=_body)

    def on(self, name: str) -> Json:
        """Switch it on, in the place of one that is."""
        return self._send("POST", "/scenario", json={"name": name})

    def off(self) -> Json:
        return self._send("DELETE", "/scenario")


class Settable(_Group):
    """Something that is read, set and set back: plans of jobs, limits, the state of an account."""

    def __init__(self, send: Send, path: str, field: str | None = None) -> None:
        super().__init__(send)
        self._path, self._field = path, field

    def get(self) -> Json:
        return self._send("GET", self._path)

    def set(self, value: Any) -> Json:
        return self._send("PUT", self._path, json={self._field: value} if self._field else value)

    def clear(self) -> Json:
        """Back to how the server was started."""
        return self._send("DELETE", self._path)


class _Calls(_Group):
    """Every call of the admin API."""

    def __init__(self, send: Send) -> None:
        super().__init__(send)
        self.faults = Faults(send)
        self.replies = Replies(send)
        self.clock = Clock(send)
        self.snapshots = Snapshots(send)
        self.plans = Settable(send, "/plans")
        self.limits = Settable(send, "/limits", "limits")
        self.account = Settable(send, "/account", "state")
        self.scenario = Scenario(send)

    def health(self) -> Json:
        """{status, version, profile, seed, uptime}."""
        return self._send("GET", "/health")

    def state(self) -> Json:
        """What is kept: {account, now, rows: {table: n}, objects, bytes, faults, replies}."""
        return self._send("GET", "/state")

    def reset(self) -> Json:
        """Everything as new."""
        return self._send("POST", "/reset")

    def requests(self, **filters: Any) -> Json:
        """The exchanges, newest first: `requests(operation="chat.*", status=429, limit=10)`."""
        return self._send("GET", "/requests", params=filters)

    def request(self, id: str) -> Json:
        """One exchange by its x-request-id."""
        return self._send("GET", f"/requests/{_segment(id)}")

    def forget_requests(self) -> Json:
        return self._send("DELETE", "/requests")

    def verify(self, match: Mapping[str, Any] | None = None, **asked: Any) -> Json:
        """Check the journal: `verify({"operation": "chat.*"}, count={"exactly": 2})`. Raises Unverified."""
        return self._send("POST", "/verify", json={**({} if match is None else {"match": match}), **asked})

    def verdict(self) -> Json:
        """How the account's client did."""
        return self._send("GET", "/verdict")

    def webhooks(self, *, wait: bool = False) -> Json:
        """Every attempt to deliver a webhook, newest first; `wait` for what is due."""
        return self._send("GET", "/webhooks", params={"wait": wait})

    def metrics(self) -> Json:
        """The server's figures, as the text that Prometheus reads."""
        return self._send("GET", "/metrics", read=_text)

    def operations(self) -> Json:
        return self._send("GET", "/operations")

    def quirks(self) -> Json:
        return self._send("GET", "/quirks")


def _segment(name: str) -> str:
    return quote(name, safe="")


def _body(answer: httpx.Response) -> Json:
    return answer.json()


def _data(answer: httpx.Response) -> Json:
    body = answer.json()
    return body["data"] if isinstance(body, dict) and "data" in body else body


def _text(answer: httpx.Response) -> str:
    return answer.text


def _content(answer: httpx.Response) -> bytes:
    return answer.content


def _refuse(answer: httpx.Response) -> None:
    """Raises AdminError, or Unverified, for an answer that is not a success."""
    if answer.is_success:
        return
    try:
        body = answer.json()
    except ValueError:
        body = None
    detail = _detail(body) or answer.reason_phrase
    if answer.status_code == 417:
        raise Unverified(detail, body)
    raise AdminError(answer.status_code, detail, body)


def _detail(body: Json) -> str:
    """The sentence in an error's body: `errors[].detail`, or of a body that cannot be read `detail[]` with its places."""
    if not isinstance(body, dict):
        return ""
    errors, detail = body.get("errors"), body.get("detail")
    if isinstance(errors, Sequence):
        return " ".join(str(error.get("detail", error.get("title"))) for error in errors)
    if isinstance(detail, list):
        return "; ".join(f"{_place(issue)}{str(issue['msg']).removeprefix('Value error, ')}" for issue in detail)
    return str(detail or "")


def _place(issue: Mapping[str, Any]) -> str:
    place = ".".join(map(str, issue["loc"][1:]))
    return f"{place}: " if place else ""


def _options(base_url: str, api_key: str | None, token: str | None) -> dict[str, Any]:
    headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
    if token is not None:
        headers[TOKEN_HEADER] = token
    # Proxies of the environment are not for a server on this machine.
    return {"base_url": admin_url(base_url), "headers": headers, "timeout": TIMEOUT, "trust_env": False}


def admin_url(base_url: str) -> str:
    """The address of the admin API of a server that is named by its own, or by that which an SDK is given.

    Raises ValueError for what is no address.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is no address: {error}.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{base_url!r} is no address: it is written http://localhost:4010.")
    return str(url.copy_with(path="/_mock", query=None, fragment=None))


@contextmanager
def _reaching(http: httpx.Client | httpx.AsyncClient) -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        where = str(http.base_url).removesuffix("/_mock/")
        raise Unreachable(f"No server answers at {where}: {error}.") from error


class AdminClient(_Calls):
    """The admin API of the server at `base_url`, which may be the one an SDK is given (`.../v2`).

    Raises Unreachable where nobody answers, AdminError for a refusal, Unverified when `verify` finds a difference.
    """

    def __init__(self, base_url: str, api_key: str | None = None, token: str | None = None, **options: Any) -> None:
        self._http = httpx.Client(**{**_options(base_url, api_key, token), **options})
        super().__init__(self._request)

    def _request(self, method: str, path: str, *, read: Read = _data, **options: Any) -> Json:
        with _reaching(self._http):
            answer = self._http.request(method, path, **options)
        _refuse(answer)
        return read(answer)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "AdminClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncAdminClient(_Calls):
    """As AdminClient; every call is awaited."""

    def __init__(self, base_url: str, api_key: str | None = None, token: str | None = None, **options: Any) -> None:
        self._http = httpx.AsyncClient(**{**_options(base_url, api_key, token), **options})
        super().__init__(self._request)

    async def _request(self, method: str, path: str, *, read: Read = _data, **options: Any) -> Json:
        with _reaching(self._http):
            answer = await self._http.request(method, path, **options)
        _refuse(answer)
        return read(answer)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncAdminClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
