"""POST /ai/embeddings/url: a site of this machine is crawled, any other is canned or fails with the reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from threading import Thread
from typing import Any

import pytest
from conftest import Client
from test_embeddings import EMBEDDINGS, files, put, search, task


@contextmanager
def site(pages: dict[str, str | tuple[int, str]]) -> Iterator[str]:
    """A web site on loopback: HTML by path, unless that ends in another type's suffix, or (status, location)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path, (404, ""))
            status, location, body = (200, "", page) if isinstance(page, str) else (*page, "")
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-type", guess_type(self.path)[0] or "text/html")
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def crawl(client: Client, url: str) -> str:
    """Embed a site into the bucket `web`. The status its task ends in."""
    put(client, "web")
    answer = client.post(EMBEDDINGS + "/url", {"url": url, "bucket_name": "web"})
    assert answer.status_code == 200, answer.text
    for _ in range(20):
        status: str = task(client, answer.json()["data"]["task_id"])["status"]
        if status not in ("queued", "processing"):
            break
    return status


def names(client: Client) -> set[str]:
    return {name.partition("/")[2] for name in files(client, "web")}


def test_pages_of_the_same_site_are_stored_and_embedded_loops_and_all(client: Client) -> None:
    pages: dict[str, Any] = {
        "/": '<a href="/a">a</a> <a href="/#top">self</a> <a href="https://elsewhere.example/">x</a> <a href="/gone">g</a>',
        "/a": 'Bees dance. <a href="/">back</a> <a href="/moved">moved</a> <a href="mailto:x@y.z">mail</a>',
        "/moved": (302, "/b"),
        "/b": 'Owls hunt. <a href="/b">self</a> <a href="/round">round</a>',
        "/round": (302, "/round"),
    }
    with site(pages) as url:
        assert crawl(client, url) == "success"

    found = files(client, "web")
    assert {name for name in names(client) if name.endswith(".html")} == {"index.html", "a.html", "b.html"}
    assert "404" in found[url + "/gone"]["error_reason"] and "redirect" in found[url + "/round"]["error_reason"]
    assert search(client, "web", "owls", num_of_docs=1)[0]["document_chunk"].startswith("Owls hunt.")


def test_pages_are_named_by_path_query_and_type_and_other_types_are_told_of(client: Client) -> None:
    pages: dict[str, Any] = {
        "/": "".join(f'<a href="{path}">x</a>' for path in ("/list?page=2", "/notes.txt", "/done.html", "/bee.png")),
        "/list?page=2": "Second page.",
        "/notes.txt": 'Plain notes, <a href="/never">which have no links</a>.',
        "/done.html": "Done.",
        "/bee.png": "no text",
        "/never": "Never read.",
    }
    with site(pages) as url:
        assert crawl(client, url) == "success"

    found = files(client, "web")
    kept = {name.partition("/")[2] for name, file in found.items() if file["status"] == "success"}
    assert kept == {"index.html", "list?page=2.html", "notes.txt", "done.html"}
    assert found[url + "/bee.png"]["error_reason"] == f"{url}/bee.png is of the type image/png, which is not embedded."


def test_a_page_that_leads_away_or_to_one_that_is_there_is_not_kept_twice(client: Client) -> None:
    with site({"/": "Elsewhere."}) as elsewhere:
        pages: dict[str, Any] = {
            "/": '<a href="/back">b</a> <a href="/away">a</a> <a href="/a">a</a> <a href="/again">a</a>',
            "/a": "Bees dance.",
            "/back": (302, "/"),
            "/away": (302, elsewhere + "/"),
            "/again": (302, "/a"),
        }
        with site(pages) as url:
            assert crawl(client, url) == "success"

    assert set(files(client, "web")) == {url.removeprefix("http://") + path for path in ("/index.html", "/a.html")}


def test_links_of_a_large_page_are_followed_and_one_that_is_nested_too_deeply_says_so(client: Client) -> None:
    pages: dict[str, Any] = {
        "/": "Bees. " * 15_000 + '<a href="/a">a</a> <a href="/deep">d</a>',
        "/a": "Owls hunt.",
        "/deep": "<div>x" * 6000 + '<a href="/b">b</a>',
        "/b": "Never read.",
    }
    with site(pages) as url:
        assert crawl(client, url) == "partial_success"

    found = {name.partition("/")[2]: file for name, file in files(client, "web").items()}
    assert set(found) == {"index.html", "a.html", "deep.html"}
    assert "nested too deeply" in found["deep.html"]["error_reason"]


def test_links_are_followed_five_levels_deep(client: Client) -> None:
    with site({f"/{n}": f'page {n} <a href="/{n + 1}">next</a>' for n in range(10)}) as url:
        assert crawl(client, url + "/0") == "success"

    assert names(client) == {f"{n}.html" for n in range(6)}


def test_at_most_a_hundred_pages_are_loaded(client: Client) -> None:
    pages = {f"/{n}": f"page {n}" for n in range(150)}
    with site({"/": "".join(f'<a href="{path}">x</a>' for path in pages), **pages}) as url:
        assert crawl(client, url) == "success"

    assert len(names(client)) == 100


@pytest.mark.check
def test_a_page_that_is_too_large_and_what_follows_50_mb_are_not_kept(client: Client) -> None:
    large = {f"/{n}": "Bees. ".ljust(4_900_000) for n in range(12)}
    with site(
        {"/": "".join(f'<a href="{path}">x</a>' for path in ["/huge", *large]), "/huge": "x" * 5_300_000, **large}
    ) as url:
        assert crawl(client, url) == "success"

    found = files(client, "web")
    assert "bytes" in found[url + "/huge"]["error_reason"]
    assert len(found) == 1 + 1 + 10  # the first page, the reason, and ten pages of 4.9 MB


def test_a_canned_site_is_loaded_without_a_call(client: Client) -> None:
    assert crawl(client, "https://example.com/resource") == "success"

    assert "support desk" in search(client, "web", "when is the support desk open", num_of_docs=1)[0]["document_chunk"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://192.0.2.1/", "--egress-allow"),
        ("https://example.com/no/such", "no canned page"),
        ("https://example.com/%2e%2e/%2e%2e/models.yaml", "no canned page"),
    ],
)
def test_what_cannot_be_had_fails_with_the_reason(client: Client, url: str, reason: str) -> None:
    assert crawl(client, url) == "failure"

    ((name, file),) = files(client, "web").items()
    assert (name, file["status"]) == (url, "failure")
    assert reason in file["error_reason"]


def test_a_first_page_that_answers_no_200_fails(client: Client) -> None:
    with site({}) as url:
        assert crawl(client, url) == "failure"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"url": "ftp://example.com/", "bucket_name": "my-bucket"}, 400),
        ({"url": "nonsense", "bucket_name": "my-bucket"}, 400),
        ({"url": "https://example.com/", "bucket_name": "no-such"}, 404),
        ({"url": "https://example.com/"}, 422),
    ],
)
def test_a_request_that_cannot_be_is_refused(client: Client, body: dict[str, Any], status: int) -> None:
    assert client.post(EMBEDDINGS + "/url", body).status_code == status
