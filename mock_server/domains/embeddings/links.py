"""Where the links of a web page lead. Pure: those of a large page are found in a program beside the server."""

from urllib.parse import SplitResult, urljoin, urlsplit

from mock_server.engine.loaders import decode, parse_html


def is_web(url: str) -> bool:
    """Whether it is an http or https URL with a host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def found(url: str, body: bytes) -> list[str]:
    """Where a page's links lead, each once, in their order. Raises Unreadable."""
    tree = parse_html(decode(body))
    base = tree.css_first("base[href]")
    try:
        url = urljoin(url, (base.attributes.get("href") or "") if base is not None else "")
    except ValueError:
        pass
    seen: dict[str, None] = {}
    for node in tree.css("a[href]"):
        try:
            target = urljoin(url, (node.attributes.get("href") or "").strip())
        except ValueError:
            continue
        if is_web(target):
            seen[plain(target)] = None
    return list(seen)


def plain(url: str) -> str:
    """The URL without what names no other page: a fragment, an upper-case host, an empty path."""
    parts = urlsplit(url)
    return SplitResult(parts.scheme.lower(), parts.netloc.lower(), parts.path or "/", parts.query, "").geturl()
