"""What may be wrong with an account as a whole, and how it is told. Pure."""

from typing import Literal, get_args

from mock_server.base.errors import ApiError, AuthenticationFailed, AuthorizationFailed, FeatureNotEnabled

# active: nothing is wrong.  revoked: 401, as an unknown key.  forbidden: 403 for everything.  without-funds: 403 with code
# 20015 for everything.  read-only: 403 for every method but GET and HEAD; sockets open.
State = Literal["active", "revoked", "forbidden", "without-funds", "read-only"]
STATES: tuple[str, ...] = get_args(State)
REFUSALS: dict[str, type[ApiError]] = {
    "revoked": AuthenticationFailed,
    "forbidden": AuthorizationFailed,
    "without-funds": FeatureNotEnabled,
    "read-only": AuthorizationFailed,
}
READS = frozenset({"GET", "HEAD"})


def refusal(state: State, method: str) -> ApiError | None:
    """The error that an account in this state is told, None where the request passes. It says what fired."""
    if state == "active" or (state == "read-only" and method in READS):
        return None
    return REFUSALS[state](headers={"x-mock-fault": f"state:{state}"})


def parse(text: str) -> tuple[str, State]:
    """Key and state of `KEY=revoked`. Raises ValueError."""
    key, equals, state = text.rpartition("=")
    if not equals or not key.strip() or state not in STATES:
        # Without the text itself: it may hold a key.
        raise ValueError(f"an account's state is written KEY=STATE, with one of {', '.join(STATES)}")
    return key, state  # type: ignore[return-value]
