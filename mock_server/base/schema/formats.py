"""The formats of JSON schema: the n-th text of each, and whether a text has it. Formats that are not here hold for any text."""

import re
from collections.abc import Callable
from datetime import date, timedelta

FIRST_DAY = date(2025, 1, 1)
NAMES = ("alex", "sam", "kim", "robin", "jo", "max", "lee", "toni", "chris", "pat")
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)")
DURATION = re.compile(r"P(?=.)(\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)")
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]*")
POINTER = re.compile(r"(/([^/~]|~[01])*)*")
NO_SPACE = re.compile(r"[^\s<>\"{}|\\^`]*")
LONGEST = 2100  # characters of a text whose format is looked at


def text(name: str, n: int) -> str | None:
    """The n-th text of a format, None for a format that is not known."""
    make = _MAKE.get(name)
    return None if make is None else make(n)


def has(name: str, text: str) -> bool:
    """Whether a text has a format."""
    test = _TEST.get(name)
    return test is None or (len(text) <= LONGEST and test(text))


def _day(n: int) -> str:
    return (FIRST_DAY + timedelta(days=n % 3000)).isoformat()


def _moment(n: int) -> str:
    return f"{_day(n)}T{9 + n % 9:02}:{n * 7 % 60:02}:00Z"


def _person(n: int) -> str:
    return NAMES[n % len(NAMES)] + (str(n) if n >= len(NAMES) else "")


_MAKE: dict[str, Callable[[int], str]] = {
    "date": _day,
    "date-time": _moment,
    "time": lambda n: f"{9 + n % 9:02}:{n * 7 % 60:02}:{n // 540 % 60:02}Z",
    "duration": lambda n: f"PT{n + 1}M",
    "email": lambda n: f"{_person(n)}@example.com",
    "idn-email": lambda n: f"{_person(n)}@example.com",
    "uuid": lambda n: f"{n:08x}-0000-4000-8000-000000000000",
    "uri": lambda n: f"https://example.com/{n or ''}",
    "uri-reference": lambda n: f"/items/{n + 1}",
    "iri": lambda n: f"https://example.com/{n or ''}",
    "iri-reference": lambda n: f"/items/{n + 1}",
    "uri-template": lambda n: f"https://example.com/items/{n + 1}/{{name}}",
    "url": lambda n: f"https://example.com/{n or ''}",
    "ipv4": lambda n: f"192.0.2.{n % 254 + 1}",
    "ipv6": lambda n: f"2001:db8::{n + 1:x}" if n < 65_535 else f"2001:db8::1:{n % 65_536:x}",
    "hostname": lambda n: f"host{n or ''}.example.com",
    "idn-hostname": lambda n: f"host{n or ''}.example.com",
    "json-pointer": lambda n: f"/items/{n}",
    "relative-json-pointer": lambda n: f"{n}/name",
    "regex": lambda n: f"^[a-z]{{{n + 1}}}$",
}


def _is_date(text: str) -> bool:
    try:
        return DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    return _is_date(text[:10]) and text[10:11] in ("T", "t") and TIME.fullmatch(text[11:]) is not None


def _is_address(version: int) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        from ipaddress import ip_address

        try:
            return ip_address(text).version == version and "%" not in text
        except ValueError:
            return False

    return test


def _is_regex(text: str) -> bool:
    from mock_server.base.regex import RegexError, compiled

    try:
        return compiled(text) is not None
    except RegexError:
        return False


def _is(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_TEST: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "date-time": _is_moment,
    "time": _is(TIME),
    "duration": _is(DURATION),
    "email": _is(EMAIL),
    "idn-email": _is(EMAIL),
    "uuid": _is(UUID),
    "uri": _is(URI),
    "uri-reference": _is(NO_SPACE),
    "iri": lambda text: ":" in text and NO_SPACE.fullmatch(text) is not None,
    "iri-reference": _is(NO_SPACE),
    "url": _is(URI),
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
    "hostname": _is(HOST),
    "json-pointer": _is(POINTER),
    "regex": _is_regex,
}
