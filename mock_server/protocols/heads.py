"""Heads of requests that have been parsed, by their bytes: the same bytes need no parsing when they come again."""

from typing import Any

from mock_server.engine.heads import Head

END = b"\r\n\r\n"
LONGEST, MOST = 2048, 256  # bytes of a head that is kept; heads
# Headers that make more of a request than a head and so many bytes after it.
SPECIAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


class Heads:
    """Those of one server."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self.get = self._known.get

    def learn(self, raw: bytes, scope: Any) -> None:
        """Keep what the parser made of `raw`, which ends with the first empty line, where that is the whole of a plain head."""
        headers = scope["headers"]
        head = Head(scope["method"], scope["path"], scope["raw_path"], scope["query_string"], list(headers))
        scope["mock.head"] = head  # this request's, whether it is kept or not
        # Else the parser has seen its end elsewhere: at a bare LF, or after an empty line that stood before it.
        if raw.count(b"\n") != len(headers) + 2 or raw.count(b"\r\n") != len(headers) + 2:
            return
        if scope["http_version"] != "1.1" or not SPECIAL.isdisjoint(head.named):
            return
        lengths = [value for name, value in headers if name == b"content-length"]
        if lengths:
            if len(lengths) > 1 or not lengths[0].isdigit():
                return
            head.length = int(lengths[0])
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[raw] = head
