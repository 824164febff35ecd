"""The plan that a request asks for a job it makes: the header `x-mock-plan`."""

import math
from collections.abc import Collection

from mock_server.base import plan as plans
from mock_server.base.errors import BadRequest
from mock_server.base.plan import Plan
from mock_server.engine.exchange import Exchange

HEADER = b"x-mock-plan"
LONGEST = 1e9  # seconds, or reads
# Instants are kept in whole milliseconds and clocks run in fractions of them: a moment counts as reached this much early.
ROUNDING = 0.001


def asked(exchange: Exchange, statuses: Collection[str], ends: Collection[str]) -> Plan | None:
    """`queued@0, running@2, failed@10`, in seconds, or `poll: ...`, in reads; None without the header. Raises BadRequest."""
    text = exchange.headers.get(HEADER)
    if text is None:
        return None
    try:
        plan = plans.parse(text.decode("latin-1"))
    except ValueError as error:
        raise BadRequest(f"The header x-mock-plan cannot be read: {error}.") from None
    *before, (last, at) = plan.steps
    if {status for status, _ in plan.steps} - set(statuses) or last not in ends or any(s in ends for s, _ in before):
        raise BadRequest(
            f"The header x-mock-plan: statuses are {', '.join(statuses)}, and the last is one of {', '.join(ends)}."
        )
    if not all(math.isfinite(second) for _, second in plan.steps) or at > LONGEST:
        raise BadRequest("The header x-mock-plan: it takes too long.")
    return plan
