"""An exchange asks for its reply: what is chosen goes into the journal, and what is to go wrong goes wrong."""

from mock_server.base.errors import BadRequest
from mock_server.engine.answers import Instead
from mock_server.engine.exchange import Exchange
from mock_server.engine.masks import MASK, SHORTEST_SECRET
from mock_server.engine.replies.armed import Chosen
from mock_server.engine.replies.match import View
from mock_server.engine.replies.table import Replies
from mock_server.engine.tally import Tally


def consult(replies: Replies, exchange: Exchange, view: View, tally: Tally, *, strict: bool) -> Chosen | None:
    """The reply for a view, None for the domain's default.

    Raises BadRequest where a sequence has come to its end or a strict server has no reply of the user's, the error that the
    reply is to be, and Instead for any other answer in its place.
    """
    chosen = replies.choose(view)
    exchange.reply = chosen.id if chosen is not None else "default"
    if chosen is None or chosen.shipped:
        if strict or replies.own:
            tally.miss(exchange)
            _unmatched(replies, exchange, view, strict)
    elif chosen.fault is not None or chosen.reply.headers is not None:
        _dress(replies, exchange, chosen)
    return chosen


def _unmatched(replies: Replies, exchange: Exchange, view: View, strict: bool) -> None:
    """Tell which of the user's replies came nearest."""
    near = replies.near_misses(view)
    if len(secret := exchange.head.secret) >= SHORTEST_SECRET:  # a rule may name a key
        near = [told.replace(secret.decode("latin-1"), MASK.decode()) for told in near]
    exchange.near_misses = [*exchange.near_misses, *near]
    nearest = f" Nearest: {'; '.join(near)}." if near else ""
    if strict:
        exchange.reply = ""
        raise BadRequest(f"No reply of yours fits this request, and the server is strict.{nearest}")
    if near:
        replies.tell(f"{view.operation}: no reply of yours fits, {exchange.reply!r} answers.{nearest}")


def _dress(replies: Replies, exchange: Exchange, chosen: Chosen) -> None:
    """The headers of a reply, and what goes wrong with it, unless a fault of another kind goes before."""
    wire = exchange.wire
    if chosen.fault is not None and wire is not None and wire.fired is None:
        wire.fired = chosen.misfire(exchange, replies.ids)
        if (answer := wire.instead()) is not None:
            raise Instead(answer)
    headers = chosen.reply.headers or {}
    exchange.more_headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
