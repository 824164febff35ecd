"""The journal over the admin API: exchanges listed and filtered, one of them, and what is expected of them."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from mock_server.base.errors import BadRequest, NotFound
from mock_server.engine.accounts import Account
from mock_server.engine.elsewhere import ELSEWHERE, newest_first
from mock_server.engine.exchange import Exchange
from mock_server.engine.journal import ENTRIES, describe
from mock_server.engine.journal import brief as line
from mock_server.engine.verify import Entry, Expectation, Seen, differences, verify
from mock_server.world import AccountDep, World, WorldDep

router = APIRouter(prefix="/_mock")
BODY = "body."  # before a path, in the name of a query parameter
TITLES = {409: "Conflict", 417: "Expectation failed"}


def _of(world: World, account: str | None, request: Request) -> list[Exchange]:
    """The exchanges of an account, or all, newest first; with those of other workers where these were fetched."""
    exchanges: Iterable[Exchange] = world.ring.newest_first()
    if ELSEWHERE in request.scope:
        exchanges = newest_first([*exchanges, *request.scope[ELSEWHERE].exchanges])
    return [e for e in exchanges if account is None or (e.account is not None and e.account.id == account)]


@router.get("/requests")
async def list_requests(
    world: WorldDep,
    mine: AccountDep,
    request: Request,
    account: str | None = None,
    operation: Annotated[str | None, Query(max_length=200)] = None,
    method: Annotated[str | None, Query(max_length=16)] = None,
    path: Annotated[str | None, Query(max_length=500)] = None,
    status: Annotated[int | None, Query(ge=100, le=599)] = None,
    reply: Annotated[str | None, Query(max_length=200)] = None,
    fault: Annotated[str | None, Query(max_length=200)] = None,
    context: Annotated[str | None, Query(max_length=200)] = None,
    text: Annotated[str | None, Query(max_length=10_000)] = None,
    limit: Annotated[int, Query(ge=1, le=ENTRIES)] = 100,
    brief: bool = False,
) -> dict[str, Any]:
    """The exchanges, newest first; filtered by account id, by patterns, by status, by a part of the request's body (`text`),
    and by fields of it: `body.messages.0.content=*weather*`. `brief`: without headers, bodies and frames."""
    fields = {name[len(BODY) :]: value for name, value in request.query_params.items() if name.startswith(BODY)}
    try:
        wanted = Seen(
            operation=operation, method=method and method.upper(), path=path, status=status, reply=reply, fault=fault,
            context=context, text=text or None, body=fields or None,
        )  # fmt: skip
    except ValidationError as error:
        raise BadRequest(f"The filter cannot be read: {error.errors()[0]['msg']}.") from None
    found = []
    for exchange in _of(world, mine.id if mine else account, request):
        if not differences(wanted, Entry(exchange))[0]:
            found.append((line if brief else describe)(exchange))
            if len(found) == limit:
                break
    return {"data": found, "meta": {"evicted": _evicted(world, None, request)}}


@router.get("/requests/{id}")
async def get_request(world: WorldDep, mine: AccountDep, request: Request, id: str) -> dict[str, Any]:
    """One exchange by its id, which is the x-request-id of its response."""
    for exchange in _of(world, mine.id if mine else None, request):
        if exchange.id == id:
            return {"data": describe(exchange)}
    raise NotFound("There is no exchange with this id in the journal.")


@router.delete("/requests")
async def clear_requests(world: WorldDep, account: AccountDep) -> dict[str, Any]:
    """Forget the exchanges of the account, or all."""
    return {"deleted": world.clear_journal(account)}


@router.post(
    "/verify", responses={409: {"description": "It cannot be told."}, 417: {"description": "It does not hold."}}
)
async def verify_requests(world: WorldDep, account: AccountDep, request: Request, body: Expectation) -> JSONResponse:
    """Whether the journal is as expected: 200 when it is, 417 with what is different, 409 where what would tell is gone."""
    exchanges = sorted(_of(world, account.id if account else None, request), key=lambda exchange: exchange.started)
    verdict = verify(body, exchanges, _evicted(world, account, request))
    if verdict.holds:
        return JSONResponse({"data": {"found": verdict.found, "detail": verdict.told}})
    status = 409 if verdict.holds is None else 417
    error = {"code": str(status), "title": TITLES[status], "detail": verdict.told}
    return JSONResponse({"errors": [error], "found": verdict.found, "closest": verdict.closest}, status)


def _evicted(world: World, account: Account | None, request: Request) -> int:
    if account is not None:
        return account.evicted
    return world.ring.evicted + (request.scope[ELSEWHERE].evicted if ELSEWHERE in request.scope else 0)
