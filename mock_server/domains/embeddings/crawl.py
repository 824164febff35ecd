"""The pages of a web site: canned ones from fixtures/sites/<host>/, or fetched where the server may call out.

From the first page along links to pages of the same host and port, LEVELS deep, each page once. A page that cannot be had is
told of, and the others are kept, unless it is the first.
"""

import re
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mock_server.domains.embeddings import links
from mock_server.engine.accounts import Account
from mock_server.engine.egress import EgressError
from mock_server.engine.loaders import Unreadable
from mock_server.world import World, shipped_fixtures

LEVELS = 5
MOST_PAGES = 100
MOST_BYTES = 50 * 1024 * 1024  # of all pages
LARGEST_PAGE = 5 * 1024 * 1024
TIMEOUT = 10.0  # seconds for a page
LONGEST = 60.0  # seconds of the machine's time for all; then what has come is kept
SMALL = 64 * 1024  # bytes of a page whose links are found at once
SEGMENT = re.compile(r"[\w][\w.-]*")
HTML = ("text/html", "application/xhtml+xml")
KEPT = (*HTML, "text/plain", "text/csv", "application/json", "application/pdf", "text/markdown")


class Unreachable(Exception):
    """The first page cannot be had: one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Page:
    url: str
    content_type: str
    body: bytes

    @property
    def key(self) -> str:
        """The name of the object it becomes: host and path, with a suffix that says it is HTML."""
        parts = urlsplit(self.url)
        path = unquote(parts.path).strip("/") or "index"
        if parts.query:
            path += "?" + parts.query
        if self.content_type in HTML and not path.endswith((".html", ".htm")):
            path += ".html"
        return f"{parts.netloc}/{path}"


@dataclass(frozen=True, slots=True)
class Site:
    """What became of a crawl: the pages, the first one first, and why others could not be had, by their URLs."""

    pages: list[Page]
    missing: dict[str, str]


async def site(world: World, account: Account, url: str) -> Site:
    """The pages of a site. Raises Unreachable."""
    started = world.clock.machine.monotonic()
    first = await _fetch(world, links.plain(url))
    found, seen, size = [first], {links.plain(url), first.url}, len(first.body)
    level = [first]
    missing: dict[str, str] = {}
    for _ in range(LEVELS):
        following: list[Page] = []
        for page in level:
            for link in await _links(world, account, page):
                if link in seen or not _same_site(link, first.url):
                    continue
                if len(found) + len(missing) >= MOST_PAGES or world.clock.machine.monotonic() - started > LONGEST:
                    return Site(found, missing)
                seen.add(link)
                try:
                    other = await _fetch(world, link)
                except Unreachable as error:
                    missing[link] = str(error)
                    continue
                if other.url != link and (other.url in seen or not _same_site(other.url, first.url)):
                    continue
                seen.add(other.url)
                size += len(other.body)
                if size > MOST_BYTES:
                    return Site(found, missing)
                found.append(other)
                following.append(other)
        level = following
    return Site(found, missing)


async def _fetch(world: World, url: str) -> Page:
    """Raises Unreachable."""
    site = _site(world, urlsplit(url).hostname or "")
    if site is not None:
        return _canned(site, url)
    try:
        answer = await world.egress.get(url, timeout=TIMEOUT, most=LARGEST_PAGE)
    except EgressError as error:
        raise Unreachable(str(error)) from None
    if answer.status != 200:
        raise Unreachable(f"{url[:200]} answered {answer.status}.")
    kind = answer.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    if kind not in KEPT:
        raise Unreachable(f"{url[:200]} is of the type {kind[:100]}, which is not embedded.")
    return Page(links.plain(answer.url), kind, answer.body)


def _site(world: World, host: str) -> Path | None:
    """The folder of canned pages of a host."""
    if SEGMENT.fullmatch(host) is None:
        return None
    for folder in (*world.settings.fixtures, shipped_fixtures()):
        site = folder / "sites" / host.lower()
        if site.is_dir():
            return site
    return None


def _canned(site: Path, url: str) -> Page:
    """Raises Unreachable."""
    segments = [unquote(segment) for segment in urlsplit(url).path.split("/") if segment]
    if all(SEGMENT.fullmatch(segment) for segment in segments):  # nothing that could lead out of the folder
        path = site.joinpath(*segments)
        for file in (path, path.with_name(path.name + ".html"), path / "index.html"):
            if file.is_file() and file.resolve().is_relative_to(site.resolve()):
                kind = guess_type(file.name)[0] or "text/plain"
                return Page(url, kind, file.read_bytes()[:LARGEST_PAGE])
    raise Unreachable(f"There is no canned page for {url[:200]} in fixtures/sites/{site.name}.")


async def _links(world: World, account: Account, page: Page) -> list[str]:
    if page.content_type not in HTML:
        return []
    try:
        if len(page.body) <= SMALL:
            return links.found(page.url, page.body)
        return await world.worker.call(links.found, page.url, page.body, of=account.id)
    except Unreadable:
        return []  # as embedding the page will tell


def _same_site(url: str, other: str) -> bool:
    one, two = urlsplit(url), urlsplit(other)
    return (one.hostname, one.port) == (two.hostname, two.port)
