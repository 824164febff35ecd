"""What the user's replies say that was said on a socket: one for every utterance, asked for when it begins."""

from typing import NamedTuple

from mock_server.base.errors import UnexpectedError
from mock_server.domains.speech_to_text.parameters import Parameters
from mock_server.engine.answers import Instead
from mock_server.engine.replies import HEARD, fill
from mock_server.world import Call

NEAR_MISSES = 9  # kept of one socket


class Script(NamedTuple):
    """What is transcribed in place of what was heard. `confidence`: None for the engine's own. `fault`: one comes with it."""

    text: str
    confidence: float | None = None
    fault: bool = False


class Scripts:
    """The replies for one socket."""

    def __init__(self, call: Call, asked: Parameters) -> None:
        self._call, self._asked = call, asked
        self._request = {
            "transcription_engine": asked.engine, "model": asked.model, "input_format": asked.encoding,
            "sample_rate": asked.rate, "language": asked.language, "interim_results": asked.interim,
        }  # fmt: skip

    def find(self, heard: str, turn: int) -> Script | None:
        """The reply for an utterance. `heard`: what its audio says, as far as that is known yet.

        The engine stands where a conversation has its metadata. Raises ApiError.
        """
        call, asked = self._call, self._asked
        if not call.world.replies.own:
            return None
        exchange = call.exchange
        fault = exchange.fault
        try:
            found = call.scripted(
                asked.model, heard, takes=HEARD, language=asked.language, turn=turn,
                metadata={"transcription_engine": asked.engine}, request=self._request,
            )  # fmt: skip
        except Instead:
            raise UnexpectedError from None
        finally:
            exchange.near_misses = exchange.near_misses[:NEAR_MISSES]
        if found is None:
            return None
        chosen, view = found
        said = chosen.reply.transcript
        fired = exchange.fault != fault
        if said is None or isinstance(said, str):
            text = said if said is not None else chosen.reply.first_text()
            return None if text is None else Script(fill(text, view), fault=fired)
        return Script(fill(said.said(), view), said.confidence, fired)

    async def strike(self) -> None:
        """The fault that came with the last one, as far as it does not wait for a frame."""
        wire = self._call.exchange.wire
        if wire is not None:
            await wire.strike()
