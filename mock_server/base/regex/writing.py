"""Texts that a pattern may match: whether it does is for the program to say, since what looks around is passed over."""

from typing import Any

from mock_server.base.regex.matching import Test, one_character

LONGEST_TEXT = 20_000  # characters that are made
USUAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:;!?'\"()[]{}<>/\\|@#$%&*+=^~` \t\n\réßЖ中"


class Writer:
    """One text in the writing. Turn 0 takes the first of everything, as rarely as allowed; later ones vary."""

    def __init__(self, flags: int, turn: int, need: int, likely: dict[Any, list[str]]) -> None:
        self._flags, self._turn, self._need = flags, turn, need  # need: characters beyond the shortest text
        self._likely = likely  # characters that nodes may stand for, as far as they were asked
        self._state = turn * 2_654_435_761 % 2**32
        self._left = LONGEST_TEXT
        self._groups: dict[Any, str] = {}

    def _next(self, n: int) -> int:
        """A number below `n`, 0 in turn 0."""
        if self._turn == 0 or n < 2:
            return 0
        self._state = (self._state * 1_664_525 + 1_013_904_223) % 2**32
        return (self._state >> 8) % n

    def effort(self) -> int:
        """Steps that the writing took."""
        return LONGEST_TEXT - self._left

    def write(self, tree: Any) -> str:
        return "".join([self._node(str(name), value) for name, value in tree])

    def _node(self, name: str, value: Any) -> str:
        test = one_character(name, value, self._flags)
        if test is not None:
            self._left -= 1
            return self._character(name, value, test) if self._left > 0 else ""
        if name == "BRANCH":
            return self.write(value[1][self._next(len(value[1]))])
        if name == "SUBPATTERN":
            self._groups[value[0]] = self.write(value[3])
            return self._groups[value[0]]
        if name.endswith("_REPEAT"):
            return self._repeated(*value)
        if name == "ATOMIC_GROUP":
            return self.write(value)
        return self._groups.get(value, "") if name == "GROUPREF" else ""

    def _repeated(self, least: int, most: Any, tree: Any) -> str:
        most = LONGEST_TEXT if str(most) == "MAXREPEAT" else int(most)
        self._left -= 1
        if self._left <= 0 or not tree.getwidth()[1]:
            return ""
        pieces = [self.write(tree) for _ in range(min(least, self._left))]
        for _ in range(min(self._next(4), most - least)):
            pieces.append(self.write(tree))
            self._need -= len(pieces[-1])
        while self._need > 0 and len(pieces) < most and self._left > 0:
            pieces.append(self.write(tree))
            self._need -= len(pieces[-1])
            if not pieces[-1]:
                break
        return "".join(pieces)

    def _character(self, name: str, value: Any, test: Test) -> str:
        if name == "LITERAL":
            return chr(value)
        node = (name, value if isinstance(value, int) else id(value))
        if node not in self._likely:
            found = [char for char in USUAL if test(char)]
            if not found:
                items = value if name == "IN" else ()
                ends = [v if isinstance(v, int) else v[0] for kind, v in items if str(kind) in ("LITERAL", "RANGE")]
                found = [char for char in map(chr, [*ends, *range(0x100, 0x3000)]) if test(char)]
            self._likely[node] = found
        likely = self._likely[node]
        return likely[self._next(len(likely))] if likely else ""
