"""Rules in their order, found by what they ask for: thousands of them cost a request little more than a few.

A rule is filed under one thing that every request which it fits has: a text as a whole, or a piece of one (also of what a
regular expression must find). Of all that it could be filed under it is what the fewest rules are filed under so far.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from mock_server.engine.replies.armed import Armed
from mock_server.engine.replies.keys import Key, keys_of, values_of
from mock_server.engine.replies.literals import fold
from mock_server.engine.replies.match import View, fits_operation

INDEXED = 24  # from so many rules on, they are found by what they ask for
LONG, SHORT = 8, 3  # characters of the pieces that rules are found by; shorter texts give shorter ones
SEARCHED_ONE_BY_ONE = 32  # pieces: so few are looked for in a text, more are met by cutting the text
REMEMBERED = 128  # texts whose pieces are not cut again: prompts are sent again and again
LONGEST_REMEMBERED = 20_000  # characters
FEW_ENDS = 16  # characters that pieces end with: for so few a text is cut at those only
Places = list[int]
Filed = dict[str, Places]  # by a text, or a piece of one


class Pieces(Filed):
    """Places by pieces of one length, which are found in a text."""

    _counted = 0
    _ends: frozenset[str] = frozenset()

    def within(self, text: str, size: int) -> Iterable[str]:
        """Which of the pieces are in a text. Many are met by cutting it: where what they end with is, if that is not much.

        Texts of rules mostly end with numbers, which prompts are not full of.
        """
        if len(self) <= SEARCHED_ONE_BY_ONE:
            return [piece for piece in self if piece in text]
        if self._counted != len(self):
            self._counted = len(self)
            self._ends = frozenset(piece[-1] for piece in self)
        if len(self._ends) > FEW_ENDS:
            return self.keys() & _pieces(text, size)
        return self.keys() & [text[at + 1 - size : at + 1] for end in self._ends for at in _places(text, end, size - 1)]


class Bucket:
    """The rules of a table that one operation can meet. Many are found by what they ask for, few are tried one by one."""

    def __init__(self, operation: str, domain: str, takes: frozenset[str]) -> None:
        self._operation, self._domain, self._takes = operation, domain, takes
        self.rules: dict[int, Armed] = {}  # by place
        self._places: dict[str, int] = {}  # by the rule's key
        self._next = 0
        self._start()

    def _start(self) -> None:
        self._indexed = False
        self._exact: dict[str, Filed] = {}  # by what is looked at
        self._pieces: dict[tuple[str, int], Pieces] = {}  # by what is looked at, and the length of the pieces
        self._rest: Places = []
        self._stale = 0  # places above of rules that have gone
        self._known: dict[tuple[str, int, str], Places] = {}

    def put(self, armed: Armed) -> None:
        """Add a rule at the end, if it is for the operation and says what that can give."""
        if armed.kinds and not armed.kinds & self._takes:
            return
        if not fits_operation(armed.rule.match, self._operation, self._domain):
            return
        place = self._next
        self._next += 1
        self.rules[place] = armed
        self._places[armed.key] = place
        if self._indexed:
            self._known.clear()
            self._file(place, armed)

    def drop(self, key: str) -> None:
        """Take a rule out, if it is there; its place in the index is passed over until that is made anew."""
        place = self._places.pop(key, None)
        if place is None:
            return
        del self.rules[place]
        self._stale += 1
        if self._stale > len(self.rules):
            self._start()

    def _file(self, place: int, armed: Armed) -> None:
        ways = [self._spots(key) for key in keys_of(armed.rule.match)]
        if not ways:
            return self._rest.append(place)
        for filed, text in min(ways, key=lambda spots: sum(len(filed.get(text, ())) for filed, text in spots)):
            filed.setdefault(text, []).append(place)

    def _spots(self, key: Key) -> list[tuple[Filed, str]]:
        """Where a rule with this key would be filed."""
        if key.whole:
            return [(self._exact.setdefault(key.name, {}), text) for text in key.texts]
        return [self._rarest(key.name, text) for text in key.texts]

    def _rarest(self, name: str, text: str) -> tuple[Filed, str]:
        size = LONG if len(text) >= LONG else min(len(text), SHORT)
        filed = self._pieces.setdefault((name, size), Pieces())
        return filed, min(
            _pieces(text, size),
            key=lambda piece: (len(filed.get(piece, ())), piece[-1:].isalpha() or piece[-1:].isspace()),
        )

    def candidates(self, view: View) -> Iterable[Armed]:
        """The rules that may fit, in order."""
        if len(self.rules) < INDEXED:
            return self.rules.values()
        found = self._found(view)
        places = sorted([*self._rest, *found]) if found else self._rest
        return [self.rules[place] for place in places if place in self.rules]

    def near(self, view: View, most: int) -> Iterable[Armed]:
        """Rules that may be those that were meant: all, or of more than `most` those which share something, then the first."""
        if len(self.rules) <= most:
            return self.rules.values()
        places = dict.fromkeys([*sorted(self._found(view)), *islice(self.rules, most)])
        return [self.rules[place] for place in islice(places, most) if place in self.rules]

    def _found(self, view: View) -> set[int]:
        """The places of rules that are filed under something that a request has."""
        if not self._indexed:
            self._indexed = True
            for place, armed in self.rules.items():
                self._file(place, armed)
        found: set[int] = set()
        for name, filed in self._exact.items():
            for value in values_of(view, name):
                found.update(filed.get(value, ()))
        for (name, size), filed in self._pieces.items():
            for value in values_of(view, name) if filed else ():
                found.update(self._met(name, size, value, filed))
        return found

    def _met(self, name: str, size: int, value: str, filed: Pieces) -> Places:
        known = self._known.get((name, size, value))
        if known is None:
            known = [place for piece in filed.within(fold(value), size) for place in filed[piece]]
            if len(value) <= LONGEST_REMEMBERED:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[name, size, value] = known
        return known


def _places(text: str, character: str, first: int) -> Iterator[int]:
    """Where a character is, from a place on. Looking for each by itself is quicker than one expression for all of them."""
    at = text.find(character, first)
    while at >= 0:
        yield at
        at = text.find(character, at + 1)


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(len(text) - size + 1)]


class Table:
    """Rules in their order, split by operation when one is first asked for."""

    def __init__(self, rules: Iterable[Armed] = ()) -> None:
        self.rules: dict[str, Armed] = {armed.key: armed for armed in rules}
        self._buckets: dict[tuple[str, frozenset[str]], Bucket] = {}

    def put(self, armed: Armed) -> None:
        """Add a rule at the end, in place of one with its key."""
        self.pop(armed.key)
        self.rules[armed.key] = armed
        for bucket in self._buckets.values():
            bucket.put(armed)

    def pop(self, key: str) -> Armed | None:
        armed = self.rules.pop(key, None)
        if armed is not None:
            for bucket in self._buckets.values():
                bucket.drop(key)
        return armed

    def bucket(self, view: View) -> Bucket:
        bucket = self._buckets.get((view.operation, view.takes))
        if bucket is None:
            bucket = self._buckets[view.operation, view.takes] = Bucket(view.operation, view.domain, view.takes)
            for armed in self.rules.values():
                bucket.put(armed)
        return bucket

    def candidates(self, view: View) -> Iterable[Armed]:
        """The rules that may fit, in order."""
        return self.bucket(view).candidates(view)
