"""What a model says: rules from files and by API, matched on a small view of the request. No match is the domain's default."""

from mock_server.engine.replies.armed import Armed, Chosen
from mock_server.engine.replies.files import FixtureError, invalid, line_of, read_yaml
from mock_server.engine.replies.match import AUDIO, HEARD, TALK, TEXT, VECTORS, ToolResult, View
from mock_server.engine.replies.rules import Reply, ReplyRule
from mock_server.engine.replies.table import Replies
from mock_server.engine.replies.templates import fill, fill_all

__all__ = [
    "AUDIO",
    "HEARD",
    "TALK",
    "TEXT",
    "VECTORS",
    "Armed",
    "Chosen",
    "FixtureError",
    "Replies",
    "Reply",
    "ReplyRule",
    "ToolResult",
    "View",
    "fill",
    "fill_all",
    "invalid",
    "line_of",
    "read_yaml",
]
