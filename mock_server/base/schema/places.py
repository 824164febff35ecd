"""Where in an instance the search is, and what the value there must fit."""

from dataclasses import dataclass
from typing import Any

Goals = tuple[Any, ...]  # schemas that a value must all fit
Facets = list[dict[str, Any]]  # the same with references, branches and conditions resolved


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the instance: the path of names, the last name, the number in an array, the references on the way."""

    path: str = ""
    name: str = ""
    index: int = 0
    depth: int = 0
    opened: tuple[int, ...] = ()

    def property(self, name: str) -> "Place":
        return Place(f"{self.path}/{name}", name, self.index, self.depth + 1, self.opened)

    def item(self, index: int) -> "Place":
        return Place(f"{self.path}/items", self.name, index, self.depth + 1, self.opened)
