"""What vectors a request gets, and which embedding models there are."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from mock_server.base.clock import iso, parse_instant
from mock_server.base.embedding import count_tokens
from mock_server.base.errors import BadRequest
from mock_server.domains.openai_embeddings import vectors
from mock_server.domains.openai_embeddings.wire import EmbeddingsRequest, ModelRow
from mock_server.engine.loaders import Unreadable
from mock_server.engine.replies import VECTORS, Chosen, FixtureError, invalid, line_of, read_yaml
from mock_server.world import Call, World

FILE = "embedding_models.yaml"
DEFAULT_DIMENSIONS = 1024
AT_ONCE = 2000  # characters whose vectors are made on the loop


async def create(call: Call, request: EmbeddingsRequest) -> bytes:
    """The vectors of a request as JSON. Raises BadRequest."""
    models = read(call.world)
    if call.quirk("unknown_model_refused") and request.model not in models:
        raise BadRequest(f"The model '{request.model}' does not exist.", source={"pointer": "/model"})
    known = models.get(request.model)
    dimensions = request.dimensions or (known.dimensions if known else DEFAULT_DIMENSIONS)
    inputs = request.inputs()
    size = sum(len(text) for text in inputs) + 100 * len(inputs)
    as_base64 = request.encoding_format == "base64"
    said = "\n".join(text for text in inputs if isinstance(text, str)) if call.world.replies.own else ""
    scripted = call.scripted(request.model, said, takes=VECTORS, request=request)
    own = _scripted(scripted[0], len(inputs)) if scripted else None
    arguments = (inputs, request.model, dimensions, as_base64)
    if own is not None:
        data = vectors.items(own, as_base64)
    else:
        data = vectors.render(*arguments) if size <= AT_ONCE else await _beside(call, arguments)
    tokens = sum(count_tokens(text) if isinstance(text, str) else len(text) for text in inputs)
    total = tokens
    if scripted and (told := scripted[0].reply.usage) is not None:
        tokens = tokens if told.prompt_tokens is None else told.prompt_tokens
        total = tokens if told.total_tokens is None else told.total_tokens
    call.exchange.tokens = tokens, 0
    usage = to_json({"prompt_tokens": tokens, "total_tokens": total})
    return b'{"object":"list","data":[%s],"model":%s,"usage":%s}' % (data, to_json(request.model), usage)


async def _beside(call: Call, arguments: tuple[Any, ...]) -> bytes:
    """Raises BadRequest."""
    try:
        return await call.world.worker.call(vectors.render, *arguments, of=call.account.id)
    except Unreadable:
        raise BadRequest("The input takes too long to embed: send less of it at a time.") from None


def _scripted(chosen: Chosen, inputs: int) -> list[list[float]] | None:
    """A vector of the reply for each input."""
    reply = chosen.reply
    if reply.embeddings is not None:
        return [reply.embeddings[min(n, len(reply.embeddings) - 1)] for n in range(inputs)]
    return None if reply.embedding is None else [reply.embedding] * inputs


def listed(world: World) -> list[dict[str, Any]]:
    """The models as the API lists them, in the file's order; `created` in Unix seconds."""
    return [
        {"id": row.id, "object": "model", "created": int(parse_instant(row.created)), "owned_by": row.owned_by}
        for row in read(world).values()
    ]


def read(world: World) -> dict[str, ModelRow]:
    """Every model by its id. Raises FixtureError for a file that cannot be used."""
    if "embedding_models" not in world.cache:
        path = world.fixture(FILE)
        rows = read_yaml(path)
        if not isinstance(rows, list):
            raise FixtureError("expected a list of models", path, 1)
        world.cache["embedding_models"] = {row.id: row for row in (_row(path, n, row) for n, row in enumerate(rows, 1))}
    models: dict[str, ModelRow] = world.cache["embedding_models"]
    return models


def _row(path: Path, n: int, given: Any) -> ModelRow:
    try:
        if isinstance(given, dict) and isinstance(given.get("created"), datetime):  # YAML knows instants
            given = {**given, "created": iso(given["created"].timestamp())}
        row = ModelRow.model_validate(given)
        parse_instant(row.created)
    except ValidationError as error:
        raise invalid(path, error, n - 1, name=f"model {n}") from None
    except ValueError:
        raise FixtureError(f"model {n}: created: not an instant", path, line_of(path, [n - 1, "created"])) from None
    return row
