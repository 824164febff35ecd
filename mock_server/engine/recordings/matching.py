"""Whether a request is the one that was recorded, and where it is another."""

from typing import Any

from mock_server.engine.recordings.form import Asked

ANY = "***"  # in a recorded text: anything, none included
DEEPEST = 100


def difference(
    recorded: Asked, method: str, path: str, query: dict[str, str], json: Any, sha256: str | None
) -> str | None:
    """Where a request is not as it was recorded; None where it is."""
    if recorded.method != method or not _fits(recorded.path, path):
        return "path"
    if (place := _place(recorded.query, query, "query", 0)) is not None:
        return place
    if recorded.sha256 is not None or sha256 is not None:
        return None if recorded.sha256 == sha256 else "body"
    return _place(recorded.json_body, json, "body", 0)


def _place(wanted: Any, given: Any, place: str, depth: int) -> str | None:
    """Where two JSON values differ first."""
    if isinstance(wanted, str) and ANY in wanted:
        return None if isinstance(given, str) and _fits(wanted, given) else place
    if type(wanted) is not type(given) or depth > DEEPEST:
        return None if _are_one_number(wanted, given) else place
    if isinstance(wanted, dict):
        if other := wanted.keys() ^ given.keys():
            return f"{place}.{sorted(other)[0]}"
        pairs = ((f"{place}.{name}", wanted[name], given[name]) for name in wanted)
    elif isinstance(wanted, list):
        if len(wanted) != len(given):
            return f"{place}.{min(len(wanted), len(given))}"
        pairs = ((f"{place}.{n}", a, b) for n, (a, b) in enumerate(zip(wanted, given, strict=True)))
    else:
        return None if wanted == given else place
    for where, a, b in pairs:
        if (found := _place(a, b, where, depth + 1)) is not None:
            return found
    return None


def _are_one_number(wanted: Any, given: Any) -> bool:
    """1 and 1.0 are; true and 1 are not."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (wanted, given))
    return numbers and wanted == given


def _fits(wanted: str, given: str) -> bool:
    """Whether a text is as it was recorded: what stands between `***` comes in this order, which takes no trying back."""
    first, *parts = wanted.split(ANY)
    if not parts:
        return wanted == given
    *between, last = parts
    if not (given.startswith(first) and given.endswith(last)) or len(given) < len(first) + len(last):
        return False
    at, end = len(first), len(given) - len(last)
    for part in between:
        at = given.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
