"""What was said, to be listened to: made again from its text by the admin API."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.world import AccountDep, WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/syntheses/{id}", response_class=Response, responses={200: {"content": {"audio/*": {}}}})
async def listen(world: WorldDep, account: AccountDep, id: str) -> Response:
    """The audio of a synthesis of the account, in the format that it had, or as WAV where no browser plays that.

    Which ones an exchange made, its `spoken` tells. `x-spoken-text` is the text, percent-encoded.
    """
    from urllib.parse import quote

    from mock_server.audio import formats
    from mock_server.base.errors import AuthenticationFailed, NotFound
    from mock_server.domains.text_to_speech import service

    if account is None:
        raise AuthenticationFailed("What was said is an account's: name it by its key or in x-mock-account.")
    speech = service.find(world.store, account.id, id)
    if speech is None:
        raise NotFound("Nothing is known that was said under this id: the newest 1,000 of an account are.")
    playable = speech.format.name in ("mp3", "wav", "flac", "ogg_vorbis", "opus")
    format = speech.format if playable else formats.Format("wav", speech.format.rate)
    audio = await world.worker.run(formats.speak, speech.utterance, format, speech.volume, of=account.id)
    headers = {
        "x-spoken-text": quote(speech.utterance.text[:2000], errors="replace"),
        "x-spoken-format": speech.format.name,
    }
    return Response(audio, media_type=format.content_type(), headers=headers)
