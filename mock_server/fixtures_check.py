"""Whether a folder of fixtures can be used: every file that users may write is read, and all that is wrong is told."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mock_server.base.settings import Settings
from mock_server.engine.replies import FixtureError
from mock_server.engine.replies.files import read_rules, reply_files
from mock_server.world import World

PLACED = re.compile(r"(.+?\.(?:ya?ml|json))(?::(\d+))?: (.*)")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: in which file, on which line where that is known, and what."""

    file: Path
    line: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}" if self.line is None else f"{self.file}:{self.line}: {self.message}"


def read_all(world: World) -> None:
    """Read what users may write, all at once. Raises FixtureError for the first file that cannot be used."""
    for read in readers(world):
        read()


def readers(world: World) -> Iterator[Callable[[], object]]:
    """What reads each kind of fixture."""
    from mock_server.domains.audio import transcripts
    from mock_server.domains.models import service as models
    from mock_server.domains.openai_embeddings import service as embedding_models
    from mock_server.domains.speech_to_text import service as speech_to_text
    from mock_server.domains.text_to_speech import voices

    yield world.replies.load
    yield world.plans.load
    yield world.scenarios.check
    if world.recordings is not None:
        yield world.recordings.load
    for domain in (models, embedding_models, speech_to_text, voices, transcripts):
        yield lambda domain=domain: domain.read(world)  # type: ignore[misc]


def check(folder: Path) -> list[Problem]:
    """What is wrong with the fixtures in a folder; of reply and fault files everything, of the others the first of each."""
    world = World(Settings(fixtures=(folder,)))
    found: list[FixtureError] = []
    for path in reply_files([folder]):
        try:
            read_rules(path, found)
        except FixtureError as error:
            found.append(error)
    for read in (*readers(world), world.faults.files.load):
        try:
            read()
        except FixtureError as error:
            found.append(error)
    return list(dict.fromkeys(_problem(folder, line) for error in found for line in str(error).splitlines()))


def _problem(folder: Path, told: str) -> Problem:
    """One line of an error, taken apart: `faults.yaml:12: what is wrong`."""
    match = PLACED.fullmatch(told)
    if match is None:
        return Problem(folder, None, told)
    return Problem(Path(match[1]), int(match[2]) if match[2] else None, match[3])
