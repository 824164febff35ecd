"""The route class of every domain: FastAPI declares the operation, a handler compiled once from it answers.

FastAPI's own path stays whole (its router can answer every operation too, and does for forms); both paths run the
endpoint behind the same guard and give the same bytes, which tests/test_lean_route.py holds them to.
"""

import functools
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Protocol

from fastapi import Request
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_server.base.errors import ApiError, BadRequest, ExpectedJson, Invalid, InvalidJson, Issue
from mock_server.engine.answers import Instead, Layer, Ready, as_json, of_error
from mock_server.engine.defaults import complete
from mock_server.engine.exchange import Exchange

# Complaints about a number beyond a bound.
BOUNDS = frozenset({"greater_than_equal", "greater_than", "less_than_equal", "less_than"})
# How pydantic calls a type that has bounds, where it is one of several.
BOUNDED = re.compile(r"(?:list\[)*constrained-(?:str|int|float)\]*")
REMEMBERED, MOST_REMEMBERED = 4096, 256  # bytes of a body whose value is kept, and how many of an operation
Endpoint = Callable[..., Awaitable[Any]]


class Guard(Protocol):
    """What the route asks of a call: what must happen between parsing and the service."""

    exchange: Exchange

    @property
    def plain(self) -> bool:
        """Nothing happens between parsing and the service."""

    def after_parse(self, values: dict[str, Any]) -> Response | None: ...

    def once(self, run: Callable[[], Awaitable[Response]]) -> Awaitable[Response]: ...

    def quirk(self, name: str) -> bool: ...


def current_call(connection: HTTPConnection) -> Any:
    """The call of this request, as a FastAPI dependency."""
    return connection.scope["mock.exchange"].call


class LeanRoute(APIRoute):
    """A route with `lean`: the same operation as one ASGI function, or None where FastAPI's path must answer (forms)."""

    lean: Layer | None

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        options["strict_content_type"] = False
        super().__init__(path, guarded(endpoint), **options)
        self.lean = _compile(self)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """FastAPI's path, its failures in the operation's dialect."""
        handler = super().get_route_handler()
        takes_json = self.body_field is not None and not _is_form(self)

        async def handle(request: Request) -> Response:
            exchange: Exchange = request.scope["mock.exchange"]
            assert exchange.operation is not None
            try:
                if takes_json:
                    _check_content_type(exchange, await request.body())
                return await handler(request)
            except Instead as instead:
                return instead.answer
            except ApiError as error:
                return of_error(error, exchange.operation.dialect)
            except RequestValidationError as error:
                return of_error(_invalid(error.errors()), exchange.operation.dialect)
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                wrong = InvalidJson() if takes_json else BadRequest(f"The form cannot be read: {error.detail}")
                return of_error(wrong, exchange.operation.dialect)

        return handle


def guarded(endpoint: Endpoint) -> Endpoint:
    """`endpoint` behind what every call passes after parsing, its result rendered."""
    if hasattr(endpoint, "bare"):
        return endpoint

    @functools.wraps(endpoint)
    async def run(**values: Any) -> Response:
        call: Guard = values["call"]
        answer = call.after_parse(values)
        if answer is not None:
            return answer
        if call.exchange.keyed is not None:
            return await call.once(lambda: rendered(values))
        answer = await endpoint(**values)
        return answer if isinstance(answer, Response) else as_json(answer)

    async def rendered(values: dict[str, Any]) -> Response:
        answer = await endpoint(**values)
        return answer if isinstance(answer, Response) else as_json(answer)

    run.bare = endpoint  # type: ignore[attr-defined]
    return run


def _is_form(route: APIRoute) -> bool:
    from fastapi.params import Form

    return route.body_field is not None and isinstance(route.body_field.field_info, Form)


def _compile(route: APIRoute) -> Layer | None:
    """The lean handler of a declaration: path and query by FastAPI's own fields, the body by one `validate_json`."""
    if _is_form(route):
        return None
    dependant = route.dependant
    asked = [name for name in dependant.__slots__ if name.endswith("_param_name") and getattr(dependant, name)]
    bodies = [field.name for field in dependant.body_params]
    if (
        [d.name for d in dependant.dependencies] != ["call"]
        or dependant.dependencies[0].call is not current_call
        or dependant.cookie_params
        or asked
        or bodies not in ([], ["body"])
        or route._embed_body_fields
    ):
        raise TypeError(f"{route.operation_id}: a lean route takes `call`, parameters and one `body`, nothing else")
    run, endpoint = route.endpoint, route.endpoint.bare  # type: ignore[attr-defined]
    body = None if route.body_field is None else _Body(route.body_field)
    read_parameters = _parameters(dependant.path_params, dependant.query_params, dependant.header_params)

    async def lean(scope: Scope, receive: Receive, send: Send) -> Ready | None:
        exchange: Exchange = scope["mock.exchange"]
        call: Guard = exchange.call
        issues: list[Any] = []
        values = read_parameters(scope, issues, call) if read_parameters else {}
        values["call"] = call
        if body is not None:
            values["body"] = await body.read(receive, issues, call)
        if issues:
            raise _invalid(issues)
        answer = await (endpoint if call.plain else run)(**values)
        if isinstance(answer, Ready):
            return answer
        if not isinstance(answer, Response):
            return as_json(answer)
        await answer(scope, receive, send)
        return None

    return lean


class _Body:
    """The one JSON body of an operation."""

    def __init__(self, field: Any) -> None:
        self._field = field
        self._required: bool = field.field_info.is_required()
        self._default = field.get_default
        annotation = field.field_info.annotation
        kind: Any = Annotated[annotation, *field.field_info.metadata, None]
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
        self._validate = self._adapter.validator.validate_json
        # The same bytes are the same value for ever, where nobody can change it.
        self._remembers = getattr(annotation, "model_config", {}).get("frozen", False)
        self._known: dict[bytes, Any] = {}

    async def read(self, receive: Receive, issues: list[Any], call: Guard) -> Any:
        """The validated body; what is wrong with it goes to `issues`."""
        exchange = call.exchange
        if exchange.body is not None and not exchange.wrapped:
            body, exchange.body = exchange.body, None
        else:
            body = await _read_on(receive)
        if not body:
            if self._required and not call.quirk("requests_mended"):
                issues.append({"loc": ("body",), "msg": "Field required", "type": "missing"})
                return None
            if not self._required:
                return self._default()
        _check_content_type(exchange, body)
        remembers = self._remembers and len(body) <= REMEMBERED  # a long body is not even hashed
        if remembers and (known := self._known.get(body)) is not None:
            return known
        try:
            value = self._validate(body or b"{}")
            if remembers:
                if len(self._known) >= MOST_REMEMBERED:  # servers in several threads may fill it at once
                    self._known.clear()
                self._known[body] = value
            return value
        except ValidationError as error:
            if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
                raise InvalidJson from None
        # Once more the way FastAPI does it: validation of Python values words several errors differently.
        value, errors = self._field.validate(from_json(body or b"{}"), {}, loc=("body",))
        if errors and call.quirk("requests_mended"):
            value, errors = complete(body or b"{}", self._adapter, [{**e, "loc": e["loc"][1:]} for e in errors])
            errors = [{**e, "loc": ("body", *e["loc"])} for e in errors]
        issues.extend(errors)
        return value


def _parameters(
    path: Sequence[Any], query: Sequence[Any], header: Sequence[Any]
) -> Callable[[Scope, list[Any], Guard], dict[str, Any]] | None:
    if not (path or query or header):
        return None

    if not (query or header) and all(_is_plain(field) for field in path):
        names = [(field.name, field.alias) for field in path]
        return lambda scope, *_: {name: scope["path_params"][alias] for name, alias in names}

    def read(scope: Scope, issues: list[Any], call: Guard) -> dict[str, Any]:
        values: dict[str, Any] = {}
        sources: tuple[tuple[Sequence[Any], Callable[[], Any]], ...] = (
            (path, lambda: scope["path_params"]),
            (query, lambda: QueryParams(scope["query_string"])),
            (header, lambda: Headers(scope=scope)),
        )
        for fields, received in sources:
            if fields:
                given = received()
                found, errors = request_params_to_args(fields, given)
                if errors and fields is query and call.quirk("requests_mended"):
                    found, errors = request_params_to_args(fields, _within_bounds(given, errors))
                values.update(found)
                issues.extend(errors)
        return values

    return read


def _within_bounds(given: QueryParams, errors: Sequence[Any]) -> QueryParams:
    """The query without the parameters that go beyond a bound: their defaults take their places."""
    beyond = {error["loc"][1] for error in errors if error["type"] in BOUNDS}
    return QueryParams([(name, value) for name, value in given.multi_items() if name not in beyond])


def _is_plain(field: Any) -> bool:
    """Whether any text will do for a path parameter, so that there is nothing to validate."""
    return field.field_info.annotation is str and not field.field_info.metadata


async def _read_on(receive: Receive) -> bytes:
    """A body that comes in one message or several."""
    parts: list[bytes] = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
    raise ClientDisconnect


def _check_content_type(exchange: Exchange, body: bytes) -> None:
    """A body must be JSON by its Content-Type; one without a Content-Type is taken for JSON."""
    kind = exchange.headers.get(b"content-type", b"application/json")
    if kind != b"application/json" and body:
        kind = kind.partition(b";")[0].strip().lower()
        if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
            raise ExpectedJson


def _invalid(errors: Sequence[Any]) -> Invalid | InvalidJson:
    if any(e["type"] == "json_invalid" for e in errors):
        return InvalidJson()
    return Invalid([Issue(tuple(map(_place, e["loc"])), e["msg"], e["type"]) for e in errors])


def _place(part: str | int) -> str | int:
    """A part of where an error is: which of several types was tried goes by the type's own name, whatever we add to it."""
    return part.replace("constrained-", "") if isinstance(part, str) and BOUNDED.fullmatch(part) else part
