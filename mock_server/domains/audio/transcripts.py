"""What audio from elsewhere says: transcripts/*.yaml of the fixtures, the user's before the shipped one."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mock_server.audio.tones import CHARACTERS_PER_SECOND
from mock_server.engine.replies import invalid, read_yaml
from mock_server.world import World, shipped_fixtures

CLOSE = 0.05  # seconds by which a duration may differ
UNMEASURED = 4.0  # seconds that audio of unknown length is taken for


class Transcript(BaseModel):
    """What one recording says."""

    model_config = ConfigDict(extra="forbid")

    text: str
    file: str | None = None
    sha256: str | None = None
    duration: float | None = None

    @model_validator(mode="after")
    def _names_audio(self) -> "Transcript":
        if self.file is None and self.sha256 is None and self.duration is None:
            raise ValueError("a transcript names its audio by file, sha256 or duration")
        return self

    def fits(self, name: str, sha256: str, seconds: float | None) -> bool:
        """Whether it is what a recording says. All that it names must fit."""
        near = self.duration is None or (seconds is not None and abs(seconds - self.duration) <= CLOSE)
        return (
            near
            and (self.file is None or fnmatchcase(name, self.file))
            and (self.sha256 is None or self.sha256.lower() == sha256)
        )


class TranscriptFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    transcripts: list[Transcript] = []
    canned: str | None = None


class Transcripts:
    """Every transcript, in the order in which they are tried, and the text that all other audio says."""

    def __init__(self, files: Sequence[TranscriptFile]) -> None:
        self._all = [transcript for file in files for transcript in file.transcripts]
        canned = next((file.canned for file in files if file.canned and file.canned.strip()), "Hello.")
        self._words = canned.split()
        self.hashes = any(transcript.sha256 for transcript in self._all)
        self.any = bool(self._all)

    def find(self, name: str, sha256: str, seconds: float | None) -> str | None:
        return next((t.text for t in self._all if t.fits(name, sha256, seconds)), None)

    def canned(self, seconds: float | None) -> str:
        """As many words as are said in that time, at least one, and a full stop."""
        return sentence(self.words(UNMEASURED if seconds is None else min(seconds, 4 * 3600)))

    def words(self, seconds: float, start: int = 0) -> list[str]:
        """The same as words, from one on; the text begins again where it ends."""
        room = round(seconds * CHARACTERS_PER_SECOND)
        said: list[str] = []
        length = 0
        while not said or length + len(self._words[(start + len(said)) % len(self._words)]) <= room:
            said.append(self._words[(start + len(said)) % len(self._words)])
            length += len(said[-1]) + 1
        return said


def sentence(words: Sequence[str]) -> str:
    """Words with a full stop."""
    return " ".join(words).rstrip(".,;:!?") + "."


def read(world: World) -> Transcripts:
    """Raises FixtureError for a file that cannot be used."""
    if "transcripts" not in world.cache:
        folders = [*world.settings.fixtures, shipped_fixtures()]
        paths = [path for folder in folders for path in sorted((folder / "transcripts").glob("*.yaml"))]
        world.cache["transcripts"] = Transcripts([_file(path) for path in paths])
    found: Transcripts = world.cache["transcripts"]
    return found


def _file(path: Path) -> TranscriptFile:
    try:
        return TranscriptFile.model_validate(read_yaml(path) or {})
    except ValidationError as error:
        raise invalid(path, error) from None
