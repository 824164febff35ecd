"""A value that fits a JSON schema (Draft 2020-12), the same every time; a schema without one is told why.

Candidates are made and checked. Size and effort are bounded: whatever a client sends, the answer comes soon.
"""

from typing import Any

from mock_server.base.schema.document import Document, SchemaError, TooHard
from mock_server.base.schema.places import Place
from mock_server.base.schema.values import Draw, Search, Words

__all__ = ["SchemaError", "instance"]


def instance(schema: Any, draw: Draw | None = None, words: Words | None = None) -> Any:
    """A value for `schema`. Where the schema leaves a choice, the first is taken, and texts repeat their property's name.

    With `draw` choices follow its number in [0, 1) for a place such as "/score"; `words` gives the text for a name.
    Raises SchemaError for a schema that makes no sense, that nothing fits, or that asks too much.
    """
    try:
        search = Search(Document(schema), draw, words or (lambda name: name or "value"))
        for value in search.values((schema,), Place()):
            return value
    except (RecursionError, OverflowError):
        raise TooHard from None
    raise SchemaError("nothing was found that fits it")
