"""The one way out: whatever this server sends or fetches by itself goes through here.

This machine may always be called. Another host only when --egress-allow names it: by name, address or network. The check
is made on the address that the name resolved to, on every redirect anew, and the connection goes to that very address, so
that a name cannot change its meaning between the check and the call.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mock_server.base.clock import Clock

if TYPE_CHECKING:
    import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
REDIRECTS = frozenset({301, 302, 303, 307, 308})
HOPS = 5


class EgressError(Exception):
    """A call that did not come to an answer: one sentence for a person."""


class EgressRefused(EgressError):
    """The guard does not let this call out; trying again would not help."""


class EgressFailed(EgressError):
    """The call went out and got no answer that can be used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `url` is the one that answered, after redirects."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    url: str


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Egress:
    """Makes HTTP calls for the server, where it may."""

    def __init__(self, allow: Iterable[str] = (), resolve: Resolve = resolve) -> None:
        self._resolve = resolve
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for host in allow:
            try:
                self._networks.append(ipaddress.ip_network(host.strip("[]"), strict=False))
            except ValueError:
                self._names.add(host.lower().rstrip("."))

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> Answer:
        """POST once, following no redirect; of the answer only the head is read. Raises EgressError.

        `timeout`: seconds of the machine's time in all, name resolution included.
        """
        return await _within(timeout, self._call("POST", url, body, headers, most=None))

    async def get(self, url: str, *, timeout: float, most: int, headers: Mapping[str, str] | None = None) -> Answer:
        """GET up to `most` bytes, following up to HOPS redirects, each checked anew. Raises EgressError."""
        return await _within(timeout, self._follow(url, headers or {}, most))

    async def _follow(self, url: str, headers: Mapping[str, str], most: int) -> Answer:
        for _ in range(HOPS + 1):
            answer = await self._call("GET", url, b"", headers, most)
            if answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            url = str(_parse(url).join(answer.headers["location"]))
        raise EgressFailed(f"More than {HOPS} redirects, the last to {url[:200]}.")

    async def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str], most: int | None) -> Answer:
        """One request to the first permitted address that takes the connection."""
        import httpx

        target = _parse(url)
        if target.scheme not in ("http", "https") or not target.host:
            raise EgressRefused(f"{url[:200]!r} is not an http or https URL.")
        addresses = await self.permitted(target.host, target.port or (443 if target.scheme == "https" else 80))
        for n, address in enumerate(addresses, 1):
            request = httpx.Request(
                method,
                target.copy_with(host=address),
                headers={"host": target.netloc.decode("ascii"), "accept-encoding": "identity", **headers},
                content=body,
                extensions={"sni_hostname": target.raw_host.decode("ascii").strip("[]")},
            )
            try:
                return await self._send(request, url, most)
            except httpx.ConnectError as error:
                if n == len(addresses):
                    raise EgressFailed(f"{target.host} cannot be connected to: {_reason(error)}.") from None
            except httpx.HTTPError as error:
                raise EgressFailed(f"{target.host} gave no answer: {_reason(error)}.") from None
        raise AssertionError("permitted() gives at least one address")

    async def permitted(self, host: str, port: int) -> list[str]:
        """The addresses of `host` that may be called, at least one. Raises EgressError."""
        name = host.strip("[]").lower().rstrip(".")
        try:
            addresses = [ipaddress.ip_address(name)]
        except ValueError:
            try:
                # A scope, as in fe80::1%eth0, is not part of what is checked.
                found = await self._resolve(name, port)
                addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
            except (OSError, UnicodeError) as error:
                raise EgressFailed(f"{host[:200]} cannot be resolved: {_reason(error)}.") from None
        allowed = [str(a) for a in dict.fromkeys(addresses) if name in self._names or self._may(a)]
        if not allowed:
            where = f"{host} is" if str(addresses[0]) == name else f"{host} resolves to {addresses[0]}, which is"
            raise EgressRefused(f"{where} not this machine: the server calls it only with --egress-allow {host}.")
        return allowed

    def _may(self, address: Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        return address.is_loopback or any(address in network for network in self._networks)

    async def _send(self, request: "httpx.Request", url: str, most: int | None) -> Answer:
        """`most` bytes of body; None leaves the body unread."""
        # The bare transport: a client would keep cookies, and take proxies from the environment.
        if self._transport is None:
            import httpx

            self._transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
        response = await self._transport.handle_async_request(request)
        try:
            body = b"" if most is None else await _read(response, most)
        finally:
            await response.aclose()
        return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body, url)

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None


async def _within(seconds: float, call: Awaitable[Answer]) -> Answer:
    await Clock.turn()  # a time limit wants a task
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError:
        raise EgressFailed(f"No answer within {seconds:g} s.") from None


async def _read(response: "httpx.Response", most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > most:
            raise EgressFailed(f"The answer has more than {most} bytes, which is the limit.")
        parts.append(part)
    return b"".join(parts)


def _parse(url: str) -> "httpx.URL":
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, TypeError):
        raise EgressRefused(f"{url[:200]!r} is not a URL.") from None
    if not 0 < (parsed.port or 80) < 65536:
        raise EgressRefused(f"{url[:200]!r} names a port that cannot be.")
    return parsed


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).rstrip(".")
