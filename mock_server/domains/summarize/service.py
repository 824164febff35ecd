"""What a summary says. The document is read and its sentences chosen beside the loop."""

import json
from pathlib import PurePosixPath

from mock_server.base.errors import BadRequest, NotFound, TooLarge
from mock_server.domains.audio import service as audio
from mock_server.domains.buckets import service as buckets
from mock_server.domains.buckets.service import Object
from mock_server.domains.summarize import extract
from mock_server.domains.summarize.wire import SummarizeRequest
from mock_server.engine.loaders import Unreadable, is_quick
from mock_server.engine.replies import TEXT, Chosen, View, fill, fill_all
from mock_server.world import Call

LARGEST = 100 * 1024 * 1024  # bytes
BY_LINE = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})


async def summarize(call: Call, request: SummarizeRequest) -> str:
    """Sentences of the object, or what a reply rule says. Raises NotFound, BadRequest and TooLarge."""
    try:
        found = buckets.get_object(call.world, call.account, request.bucket, request.filename)
    except NotFound:
        if call.quirk("unknown_ids_synthesised"):
            return f"A summary of {request.filename}."
        raise
    if found.size > LARGEST:
        raise TooLarge(f"The file has {found.size} bytes; the limit is {LARGEST}.")
    chosen, view = call.choose("", request.filename, request.system_prompt or "", takes=TEXT, request=request)
    scripted = _scripted(chosen, view)
    return await _extracted(call, found) if scripted is None else scripted


def _scripted(chosen: Chosen | None, view: View) -> str | None:
    if chosen is None:
        return None
    if chosen.reply.has_json():
        return json.dumps(fill_all(chosen.reply.json_value, view), ensure_ascii=False)
    text = chosen.reply.first_text()
    return None if text is None else fill(text, view)


async def _extracted(call: Call, found: Object) -> str:
    kind = PurePosixPath(found.key.lower()).suffix
    world, account = call.world, call.account
    data = await world.worker.run(buckets.read, world, account, found, of=account.id)
    try:
        if kind in audio.MEDIA:
            heard = await audio.transcript(world, account, found.key, data)
            return await world.worker.call(extract.summarize, [heard], False, of=account.id)
        if is_quick(found.key, data):
            return extract.of_document(found.key, data, kind in BY_LINE)
        return await world.worker.call(extract.of_document, found.key, data, kind in BY_LINE, of=account.id)
    except Unreadable as error:
        raise BadRequest(f"The file cannot be summarized. {error}") from None
