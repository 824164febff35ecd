"""Memory of one server as it is used for one thing after the other, each a fixed number of times.

A run of some seconds would not do: how many conversations it leaves behind depends on the machine's speed.
"""

from collections.abc import Callable, Iterator
from functools import partial

import transcription
from load import Tally, repeat
from servers import Server, ServerFailed, new_conversation
from sockets import Speaker, take_turns
from wire import CHAT, CREATE, READ, SPEECH, STREAM, TRANSCRIPTION, Request

CHATS, STREAMS, CONVERSATIONS, SENTENCES, UTTERANCES = 10_000, 1_000, 60_000, 1_000, 100
PATIENCE = 120  # seconds for each
CONNECTIONS = 16
Job = Callable[[Server], None]


def stages(crud: bool, speech: bool, hearing: bool) -> Iterator[tuple[str, list[Job]]]:
    """What is done, by the name of the memory after it."""
    yield "start_mb", [_many(CHAT, 20)]
    yield "chat_mb", [_many(CHAT, CHATS), _many(STREAM, STREAMS)]
    if crud:
        yield "state_mb", [_many(CREATE, CONVERSATIONS), _read]
    if speech:
        yield "spoken_mb", [_speak]
    if hearing:
        yield "heard_mb", [partial(_listen, kind) for kind in transcription.KINDS]


def _many(request: Request, count: int) -> Job:
    def job(mock: Server) -> None:
        _done(mock, repeat(mock, request, CONNECTIONS, PATIENCE, count), count)

    return job


def _read(mock: Server) -> None:
    _many(READ.at(id=new_conversation(mock)), CONVERSATIONS)(mock)


def _speak(mock: Server) -> None:
    _done(mock, take_turns(Speaker, mock, SPEECH, CONNECTIONS, PATIENCE, SENTENCES), SENTENCES)


def _listen(kind: str, mock: Server) -> None:
    client = transcription.listener(kind, transcription.spoken(mock))
    _done(mock, take_turns(client, mock, TRANSCRIPTION, CONNECTIONS, PATIENCE, UTTERANCES), UTTERANCES)


def _done(mock: Server, tally: Tally, count: int) -> None:
    if tally.failed or tally.answers < count:
        raise ServerFailed(f"{mock.name} answered {tally.answers} of {count}, {tally.failed} of them failed.")
