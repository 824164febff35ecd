"""The egress guard: where the server may go by itself, and what it says when it may not."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from receiver import closed_port, receiver

from mock_server import Settings
from mock_server.base.settings import SettingsError
from mock_server.engine.egress import Answer, Egress, EgressFailed, EgressRefused

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def names(*rounds: Sequence[str]) -> Resolve:
    """A name server that gives these addresses in turn, whatever it is asked."""
    left = list(rounds)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0)

    return resolve


def get(url: str, *allow: str, resolve: Resolve | None = None, most: int = 10_000) -> Answer:
    async def run() -> Answer:
        egress = Egress(allow, **({"resolve": resolve} if resolve else {}))
        try:
            return await egress.get(url, timeout=10, most=most)
        finally:
            await egress.close()

    return asyncio.run(run())


def post(url: str, *allow: str, timeout: float = 10) -> Answer:
    async def run() -> Answer:
        egress = Egress(allow)
        try:
            return await egress.post(url, b"{}", {"content-type": "application/json"}, timeout=timeout)
        finally:
            await egress.close()

    return asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
def test_this_machine_may_always_be_called(host: str) -> None:
    with receiver((200, {}, b"hello")) as site:
        assert get(site.address(host) + "/a?b=c").body == b"hello"
        assert site.next().path == "/a?b=c"


@pytest.mark.parametrize(
    "url",
    ["http://10.1.2.3/", "http://192.168.0.1:8080/x", "https://172.16.0.9/", "http://169.254.169.254/latest/meta-data",
     "http://8.8.8.8/", "http://[fd00::1]/", "http://[::ffff:10.0.0.1]/", "http://0.0.0.0/", "http://[2001:db8::7]/"],
)  # fmt: skip
def test_another_address_is_refused_with_a_sentence_that_names_the_option(url: str) -> None:
    with pytest.raises(EgressRefused, match="--egress-allow"):
        get(url)


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "93.184.216.34", "::ffff:10.0.0.7", "fe80::1%eth0"])
def test_a_name_that_resolves_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(EgressRefused, match=r"rebound\.test resolves to .* --egress-allow rebound\.test"):
        get("http://rebound.test/", resolve=names([address]))


@pytest.mark.parametrize("allow", ["receiver.test", "Receiver.Test.", "192.0.2.0/24", "192.0.2.7"])
def test_an_allowed_host_is_permitted_by_name_address_or_network(allow: str) -> None:
    egress = Egress([allow], resolve=names(["192.0.2.7"]))

    assert asyncio.run(egress.permitted("receiver.test", 80)) == ["192.0.2.7"]


def test_an_allowed_name_does_not_allow_its_subdomains() -> None:
    with pytest.raises(EgressRefused):
        get("http://evil.receiver.test/", "receiver.test", resolve=names(["10.0.0.1"]))


def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    with receiver() as site:
        # Asked a second time the name would lead to another machine; it is asked once.
        answer = get(site.address("receiver.test"), resolve=names(["127.0.0.1"], ["10.0.0.1"]))

        assert answer.status == 200
        assert site.next().headers["host"] == site.address("receiver.test").removeprefix("http://")


def test_only_the_permitted_addresses_of_a_name_are_tried() -> None:
    with receiver() as site:
        answer = get(site.address("both.test"), resolve=names(["10.0.0.1", "127.0.0.1"]))

        assert answer.status == 200


def test_the_next_address_is_tried_when_one_takes_no_connection() -> None:
    with receiver() as site:
        answer = get(site.address("both.test"), resolve=names(["127.0.0.9", "127.0.0.1"]))

        assert answer.status == 200


def test_a_redirect_is_followed_and_checked_anew() -> None:
    with receiver((302, {"location": "/b"}, b""), (307, {"location": "//localhost:9"}, b"")) as site:
        with pytest.raises(EgressFailed, match="cannot be connected to"):
            get(site.url + "/a")

        assert [site.next().path, site.next().path] == ["/a", "/b"]


@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/", "https://169.254.169.254/", "//192.168.1.1/", "file:///etc/passwd"]
)
def test_a_redirect_to_a_forbidden_place_is_refused(target: str) -> None:
    with receiver((302, {"location": target}, b"")) as site, pytest.raises(EgressRefused):
        get(site.url)


def test_a_name_that_was_fine_is_checked_again_after_a_redirect_to_itself() -> None:
    with receiver((302, {"location": "/again"}, b"")) as site, pytest.raises(EgressRefused, match=r"10\.0\.0\.1"):
        get(site.address("turning.test"), resolve=names(["127.0.0.1"], ["10.0.0.1"]))


def test_redirects_in_a_circle_end() -> None:
    with receiver((302, {"location": "/"}, b"")) as site, pytest.raises(EgressFailed, match="5 redirects"):
        get(site.url)


def test_a_post_follows_no_redirect() -> None:
    with receiver((302, {"location": "/elsewhere"}, b"")) as site:
        assert post(site.url + "/hook").status == 302
        assert [site.next().path, site.empty()] == ["/hook", True]


@pytest.mark.parametrize(
    "url",
    ["", "hook", "ftp://127.0.0.1/", "http://", "http://\x00/", "http://a..b/", "http://[::1", "//x", "http://%/",
     "http://127.0.0.1:99999/", "http://" + "a" * 70 + ".test/", "gopher://localhost/"],
)  # fmt: skip
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises((EgressRefused, EgressFailed)) as told:
        get(url)
    assert str(told.value).endswith(".")


def test_a_closed_port_an_unknown_name_and_silence_are_told() -> None:
    with pytest.raises(EgressFailed, match="cannot be connected to"):
        get(f"http://127.0.0.1:{closed_port()}/")
    with pytest.raises(EgressFailed, match="cannot be resolved"):
        get("http://nowhere.invalid/")
    with receiver() as site, pytest.raises(EgressFailed, match=r"No answer within 0\.2 s"):
        post(site.url + "/slow", timeout=0.2)


def test_an_answer_over_the_limit_is_not_read() -> None:
    with receiver((200, {}, b"x" * 1000)) as site, pytest.raises(EgressFailed, match="more than 999 bytes"):
        get(site.url, most=999)


def test_no_cookie_is_kept_and_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://10.0.0.1:3128")

    async def run(url: str) -> None:
        egress = Egress()
        for _ in range(2):
            await egress.get(url, timeout=10, most=100)
        await egress.close()

    with receiver((200, {"set-cookie": "a=b"}, b"")) as site:
        asyncio.run(run(site.url))
        assert "cookie" not in site.next().headers
        assert "cookie" not in site.next().headers


def test_https_is_checked_by_name_though_the_connection_goes_to_the_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.test").configure_cert(tls)

    def resolve() -> Any:
        return names(["127.0.0.1"])

    with receiver((200, {}, b"hello"), tls=tls) as site:
        assert get(site.address("receiver.test"), resolve=resolve()).body == b"hello"
        with pytest.raises(EgressFailed, match="certificate"):
            get(site.address("other.test"), resolve=resolve())
    with pytest.raises(EgressRefused):
        get("https://receiver.test/", resolve=names(["10.0.0.1"]))


@pytest.mark.parametrize("host", ["http://receiver", "receiver:8080", "", "a b", "receiver/path", "10.0.0.0/33"])
def test_the_option_takes_a_host_only(host: str) -> None:
    with pytest.raises(SettingsError, match="--egress-allow"):
        Settings(egress_allow=(host,))
