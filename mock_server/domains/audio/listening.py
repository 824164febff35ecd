"""Which text a piece of audio says: by what it carries, a fixture's word, whose tones it has, or its length."""

import hashlib
import io
from pathlib import PurePosixPath
from typing import IO

from mock_server.audio import hearing
from mock_server.audio.hearing import Heard
from mock_server.domains.audio import transcripts
from mock_server.domains.text_to_speech import service as text_to_speech
from mock_server.engine.accounts import Account
from mock_server.world import World

RAW = {
    "pcm": "linear16", "raw": "linear16", "linear16": "linear16", "s16le": "linear16", "ulaw": "mulaw", "mulaw": "mulaw",
    "ul": "mulaw", "alaw": "alaw", "al": "alaw", "opus": None, "bin": None,
}  # fmt: skip
# Objects with these endings are heard, not read.
MEDIA = frozenset({".flac", ".m4a", ".mp3", ".mp4", ".mpeg", ".mpga", ".oga", ".ogg", ".wav", ".webm"})
HASHED = 1 << 20  # bytes hashed in one go


async def transcript(world: World, account: Account, name: str, data: bytes) -> str:
    """What an object of a bucket says."""
    world.create_tables()  # of rooms that nobody may have entered yet
    file = io.BytesIO(data)
    heard, sha256 = await hear(world, account, file, name)
    return (await tell(world, account, name, file, heard, sha256))[1]


async def hear(world: World, account: Account, file: IO[bytes], name: str) -> tuple[Heard, str]:
    """What the audio carries, and its SHA-256 where a fixture asks for one."""
    kind, hashes = RAW.get(ending(name)), transcripts.read(world).hashes
    return await world.worker.run(_read, file, kind, hashes, of=account.id)


async def tell(
    world: World, account: Account, name: str, file: IO[bytes] | None, heard: Heard, sha256: str
) -> tuple[str, str]:
    """How it was found, and the text: `echo`, `transcript`, `tones` or `canned`."""
    if heard.texts:
        return "echo", hearing.join(heard.texts)
    fixtures = transcripts.read(world)
    text = fixtures.find(name, sha256, heard.seconds)
    if text is not None:
        return "transcript", text
    known = text_to_speech.known(world.store, account.id) if file is not None and heard.seconds else []
    if known and file is not None:
        texts = await world.worker.run(hearing.recognise, file, known, of=account.id)
        if texts:
            return "tones", hearing.join(texts)
    return "canned", fixtures.canned(heard.seconds)


def _read(file: IO[bytes], kind: str | None, hashes: bool) -> tuple[Heard, str]:
    heard, digest = hearing.read(file, kind), hashlib.sha256()
    if hashes:
        file.seek(0)
        while block := file.read(HASHED):
            digest.update(block)
    return heard, digest.hexdigest() if hashes else ""


def ending(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).suffix[1:].lower()
