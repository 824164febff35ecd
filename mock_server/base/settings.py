"""Every setting, once: this list makes the command line, the MOCK_* variables and the table in docs/configuration.md."""

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from mock_server.base import limits, quirks, states
from mock_server.base.clock import EARLIEST, LATEST, parse_instant
from mock_server.base.limits import Limit
from mock_server.base.place import MOST_WORKERS
from mock_server.base.quirks import Profile
from mock_server.base.states import State

LogFormat = Literal["auto", "text", "json", "none"]
LONGEST = 24 * 3600.0  # seconds that any wait may take


class SettingsError(ValueError):
    """Settings that cannot be: one sentence for a person."""


def _option(default: Any, help: str, *, metavar: str = "", many: bool = False) -> Any:
    return field(default=default, metadata={"help": help, "metavar": metavar, "many": many})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one server is told at start; it never changes afterwards."""

    host: str = _option("127.0.0.1", "Address to listen on; 0.0.0.0 for every interface.")
    port: int = _option(4010, "Port to listen on; 0 takes any free one.")
    workers: int = _option(1, "Processes that serve; each account lives in one of them.", metavar="N")
    db: Path | None = _option(
        None, "SQLite file that keeps the state; without it the state ends with the server.", metavar="PATH"
    )
    data: Path | None = _option(
        None, "Folder for object bytes; without it they lie beside --db, or live in memory.", metavar="DIR"
    )
    snapshot: Path | None = _option(
        None, "Snapshot to begin with, as GET /_mock/snapshots/NAME gives it.", metavar="FILE"
    )
    buckets: tuple[Path, ...] = _option(
        (), "Folder whose sub-folders are storage buckets, read-only, for every account.", metavar="DIR", many=True
    )
    clock: str | None = _option(
        None, "Freeze the clock at this ISO 8601 instant (UTC without an offset).", metavar="INSTANT"
    )
    profile: Profile = _option(
        "spec", "Which service to be: as documented (spec), as observed (live), never refusing (stub)."
    )
    quirk: tuple[str, ...] = _option(
        (), "Switch one quirk of the profile, name=on or name=off.", metavar="NAME=on|off", many=True
    )
    fixtures: tuple[Path, ...] = _option(
        (), "Folder with your own fixtures, laid out like the shipped one; read before it.", metavar="DIR", many=True
    )
    faults: tuple[Path, ...] = _option(
        (), "File of fault rules in force for every account; read again when it changes.", metavar="FILE", many=True
    )
    strict: bool = _option(False, "Refuse a chat that none of your own replies fits, and say which came nearest.")
    replay_pace: float | None = _option(
        None, "Play recordings as fast as they came (1), or so many times as fast; without it at once.", metavar="TIMES"
    )
    seed: int = _option(0, "Seed of ids and draws: the same seed, clock and requests give the same bytes.")
    api_key: tuple[str, ...] = _option(
        (), "Accept only these API keys; without it any non-empty key is its own account.", metavar="KEY", many=True
    )
    account_state: tuple[str, ...] = _option(
        (),
        "State of an account: active, revoked, forbidden, without-funds or read-only.",
        metavar="KEY=STATE",
        many=True,
    )
    rate_limit: tuple[str, ...] = _option(
        (), "Limit of every account: 20/second, openai.chat.*=5/minute (an operation), tokens=10000/minute (of chats).",
        metavar="LIMIT", many=True,
    )  # fmt: skip
    scenario: str | None = _option(
        None, "Scenario that is on for every account from the start; GET /_mock/scenario names them.", metavar="NAME"
    )
    admin_token: str | None = _option(
        None, "Ask for this token in the header x-mock-admin-token on /_mock.", metavar="TOKEN"
    )
    admin_host: tuple[str, ...] = _option(
        (), "Another host name under which /_mock may be called.", metavar="NAME", many=True
    )
    egress_allow: tuple[str, ...] = _option(
        (), "Host, address or network that webhooks and fetches may reach; without it this machine only.",
        metavar="HOST", many=True,
    )  # fmt: skip
    log_format: LogFormat = _option(
        "auto",
        "A line on stderr for each exchange: text, json, or none of them; auto is text from the command line and none in a "
        "test's own process.",
    )
    insights_after: float | None = _option(
        None, "Seconds of silence after which a conversation's insights run by themselves.", metavar="SECONDS"
    )
    drain: float = _option(
        0.0, "Seconds that open exchanges get to finish when the server is told to stop.", metavar="SECONDS"
    )
    tokens_per_second: float | None = _option(None, "Pace streamed replies; without it they come at once.", metavar="N")
    time_to_first_token: float = _option(0.0, "Seconds before the first token of a streamed reply.", metavar="SECONDS")
    realtime: bool = _option(
        False, "Pace audio as a real engine would, by the account's clock; without it it comes at once."
    )
    transcription_idle: float = _option(
        10.0, "Seconds without a frame after which a speech-to-text socket is closed.", metavar="SECONDS"
    )
    compression: bool = _option(False, "Offer permessage-deflate to sockets.")
    max_json_bytes: int = _option(
        4 * 1024 * 1024, "Largest JSON body that is read; a larger one answers 413.", metavar="BYTES"
    )
    max_upload_bytes: int = _option(
        100 * 1024 * 1024, "Largest upload that is read; a larger one answers 413.", metavar="BYTES"
    )
    max_object_bytes: int = _option(
        1024 * 1024 * 1024, "Largest object, or part of one, that is put into a bucket.", metavar="BYTES"
    )
    max_frame_bytes: int = _option(
        16 * 1024 * 1024, "Largest frame that a socket reads; a larger one closes it with 1009.", metavar="BYTES"
    )
    max_snapshot_bytes: int = _option(
        256 * 1024 * 1024, "Largest snapshot, unpacked; four of that size are kept.", metavar="BYTES"
    )

    def __post_init__(self) -> None:
        check(self)

    def quirks(self) -> Mapping[str, bool]:
        """Every quirk's value: the profile's, overridden by `quirk`."""
        return quirks.resolve(self.profile, [_parse_quirk(text) for text in self.quirk])

    def limits(self) -> tuple[Limit, ...]:
        """The rate limits of every account that has none of its own."""
        return limits.parse_all(self.rate_limit)

    def states(self) -> Mapping[str, State]:
        """The state of each account that was given one, by its key."""
        return dict(states.parse(text) for text in self.account_state)

    def objects(self) -> Path | None:
        """The folder for object bytes, None for memory. Rows that are kept need bytes that are kept."""
        if self.data is None and self.db is not None:
            return self.db.with_name(self.db.name + ".data")
        return self.data

    def start(self) -> float | None:
        """The frozen start in seconds since the epoch, None for the machine's time."""
        return None if self.clock is None else parse_instant(self.clock)


def check(settings: Settings) -> None:
    """Refuse what cannot be, with a sentence that says what to change."""
    if not 0 <= settings.port <= 65535:
        raise SettingsError(f"--port is a number from 0 to 65535, not {settings.port}.")
    if not 1 <= settings.workers <= MOST_WORKERS:
        raise SettingsError(f"--workers is a number from 1 to {MOST_WORKERS}, not {settings.workers}.")
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise SettingsError(
            "--workers needs a system that can fork a process, and hand over a connection: not Windows."
        )
    if settings.profile not in get_args(Profile):
        raise SettingsError(f"--profile is one of spec, live and stub, not {settings.profile!r}.")
    if settings.log_format not in get_args(LogFormat):
        raise SettingsError(f"--log-format is one of auto, text, json and none, not {settings.log_format!r}.")
    try:
        settings.quirks()
    except ValueError as error:
        raise SettingsError(f"--quirk: {error}.") from None
    for option, read in (("rate-limit", settings.limits), ("account-state", settings.states)):
        try:
            read()
        except ValueError as error:
            raise SettingsError(f"--{option}: {error}.") from None
    try:
        if (start := settings.start()) is not None and not EARLIEST <= start <= LATEST:
            raise ValueError
    except (ValueError, OverflowError):
        raise SettingsError(
            f"--clock is an ISO 8601 instant such as 2026-01-31T12:00:00Z, not {settings.clock!r}."
        ) from None
    if not all(key.strip() for key in settings.api_key):
        raise SettingsError("--api-key is empty: name the key, or leave the option out to accept any.")
    if settings.admin_token is not None and not settings.admin_token.strip():
        raise SettingsError("--admin-token is empty: name the token, or leave the option out for an open admin API.")
    for host in settings.egress_allow:
        if not _is_host(host):
            raise SettingsError(
                f"--egress-allow is a host name, an address or a network such as 172.16.0.0/12, without scheme and port, "
                f"not {host!r}."
            )
    if settings.insights_after is not None and not 0 < settings.insights_after < float("inf"):
        raise SettingsError(
            "--insights-after is a number of seconds above 0; leave it out for insights on request only."
        )
    for name in ("drain", "time_to_first_token"):
        if not 0 <= getattr(settings, name) <= LONGEST:
            raise SettingsError(f"--{name.replace('_', '-')} is a number of seconds from 0 up, at most a day.")
    if not 0 < settings.transcription_idle <= LONGEST:
        raise SettingsError("--transcription-idle is a number of seconds above 0, at most a day.")
    if settings.tokens_per_second is not None and not 0.001 <= settings.tokens_per_second < math.inf:
        raise SettingsError("--tokens-per-second is at least 0.001; leave it out for no pacing.")
    if settings.replay_pace is not None and not 1e-6 <= settings.replay_pace <= 1e6:
        raise SettingsError("--replay-pace is a number from 0.000001 to 1000000; leave it out for no waits.")
    for name in ("max_json_bytes", "max_upload_bytes", "max_object_bytes", "max_frame_bytes", "max_snapshot_bytes"):
        if getattr(settings, name) < 1:
            raise SettingsError(f"--{name.replace('_', '-')} is at least 1.")
    _check_paths(settings)


def _check_paths(settings: Settings) -> None:
    for name in ("fixtures", "buckets"):
        for folder in getattr(settings, name):
            if not folder.is_dir():
                raise SettingsError(f"--{name} {folder} is not a folder.")
    for file in settings.faults:
        if not file.is_file():
            raise SettingsError(f"--faults {file} is not a file.")
    if settings.workers > 1 and settings.data is not None and settings.db is None:
        raise SettingsError("--workers with --data needs --db: the workers share the rows that name the bytes.")
    if settings.data is not None and settings.data.exists() and not settings.data.is_dir():
        raise SettingsError(f"--data {settings.data} is not a folder.")
    if settings.snapshot is not None and not settings.snapshot.is_file():
        raise SettingsError(f"--snapshot {settings.snapshot} is not a file.")
    if settings.db is not None:
        if settings.db.is_dir():
            raise SettingsError(f"--db {settings.db} is a folder: name a file.")
        if not settings.db.absolute().parent.is_dir():
            raise SettingsError(f"--db {settings.db}: its folder does not exist.")
        if settings.data is None:
            return
        if settings.db.absolute().is_relative_to(settings.data.absolute()):
            raise SettingsError(
                f"--db {settings.db} lies inside --data {settings.data}: keep rows and object bytes apart."
            )


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return re.fullmatch(r"[\w-]+(\.[\w-]+)*\.?", text) is not None
    return True


def _parse_quirk(text: str) -> tuple[str, bool]:
    name, _, value = text.partition("=")
    if value not in ("on", "off"):
        raise ValueError(f"{text!r} is not written name=on or name=off")
    return name, value == "on"


def options() -> list[tuple[str, Any, Any, Mapping[str, Any]]]:
    """(name, type, default, {help, metavar, many}) of every setting, in order: what the command line and docs are made of."""
    return [(f.name, f.type, f.default, f.metadata) for f in fields(Settings)]
