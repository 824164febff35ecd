"""Rules in their order, found by what they ask for: thousands of them cost a request little more than a few."""

from collections.abc import Iterable

from mock_server.engine.replies.armed import Armed
from mock_server.engine.replies.match import GRAM, View, fits_operation, key_of

INDEXED = 24  # from so many rules on, they are found by what they ask for
LONG = 20_000  # characters from which a text is not cut into pieces


def _pieces(text: str) -> set[str]:
    return {text[i : i + GRAM] for i in range(len(text) - GRAM + 1)}


class Bucket:
    """The rules of a table that one operation can meet. Many are found by what they ask for, few are tried one by one."""

    def __init__(self, rules: list[Armed]) -> None:
        self.rules = rules
        self._exact: dict[tuple[str, str], list[int]] = {}
        self._grams: dict[str, dict[str, list[int]]] = {}  # by the text's name
        self._rest: list[int] = []
        self._names: list[str] = []
        if len(rules) >= INDEXED:
            self._index()

    def _index(self) -> None:
        for n, armed in enumerate(self.rules):
            key = key_of(armed.rule.match)
            if key is None:
                self._rest.append(n)
                continue
            name, text, whole = key
            if whole:
                self._exact.setdefault((name, text), []).append(n)
            else:
                grams = self._grams.setdefault(name, {})
                rarest = min(sorted(_pieces(text)), key=lambda gram: len(grams.get(gram, ())))
                grams.setdefault(rarest, []).append(n)
        self._names = sorted({name for name, _ in self._exact})

    def candidates(self, view: View) -> Iterable[Armed]:
        """The rules that may fit, in order."""
        if len(self.rules) < INDEXED:
            return self.rules
        found: set[int] = set()
        for name in self._names:
            found.update(self._exact.get((name, getattr(view, name)), ()))
        for name, grams in self._grams.items():
            text = view.lowered() if name == "user_text" else view.system_text.lower()
            pieces = [gram for gram in grams if gram in text] if len(text) > LONG else grams.keys() & _pieces(text)
            for gram in pieces:
                found.update(grams[gram])
        places = sorted([*self._rest, *found]) if found else self._rest
        return [self.rules[n] for n in places]


class Table:
    """Rules in their order, split by operation when one is first asked for."""

    def __init__(self, rules: Iterable[Armed] = ()) -> None:
        self.rules: dict[str, Armed] = {armed.key: armed for armed in rules}
        self._buckets: dict[tuple[str, frozenset[str]], Bucket] = {}

    def put(self, armed: Armed) -> None:
        self.rules.pop(armed.key, None)
        self.rules[armed.key] = armed
        self._buckets.clear()

    def pop(self, key: str) -> Armed | None:
        self._buckets.clear()
        return self.rules.pop(key, None)

    def candidates(self, view: View) -> Iterable[Armed]:
        bucket = self._buckets.get((view.operation, view.takes))
        if bucket is None:
            fitting = [
                armed for armed in self.rules.values()
                if (not armed.kinds or armed.kinds & view.takes)
                and fits_operation(armed.rule.match, view.operation, view.domain)
            ]  # fmt: skip
            bucket = self._buckets[view.operation, view.takes] = Bucket(fitting)
        return bucket.candidates(view)
