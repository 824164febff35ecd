"""docs/replies.md names every field there is, and its sequence does what it says. (tests/test_readme.py runs its blocks.)"""

import re
from pathlib import Path

from mock_server.engine.replies.rules import PacingRule, Reply, ReplyMatch, Usage
from mock_server.engine.replies.sandbox import KEPT_FILTERS
from mock_server.engine.replies.templates import NAMES

PAGE = (Path(__file__).parent.parent / "docs" / "replies.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def blocks(wanted: str) -> list[str]:
    return [code for language, code in BLOCKS if language == wanted]


def test_its_sequence_does_what_it_says(start, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "page.yaml").write_text("\n".join(code for code in blocks("yaml") if "sequence" in code))
    client = start(fixtures=(tmp_path,))
    answers = [client.chat("the report") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 200, 200, 503]
    assert answers[2].json()["choices"][0]["message"]["content"] == "Done, 1 so far."


def test_it_names_everything():
    fields = [
        field.alias or name
        for kind in (ReplyMatch, Reply, Usage, PacingRule)
        for name, field in kind.model_fields.items()
    ]
    assert [name for name in (*fields, *NAMES) if not re.search(rf"`[^`]*\b{name}\b", PAGE)] == []
    assert [name for name in KEPT_FILTERS - {"d"} if not re.search(rf"\b{name}\b", PAGE)] == []
