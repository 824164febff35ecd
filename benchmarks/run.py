"""`make bench`: the speed of the mock server as ratios to references measured in the same run. See README.md here."""

import argparse
import ipaddress
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import faults
import memory
import report
import servers
import transcription
from load import CLIENT, Load, http_load, stream_load
from servers import Server, ServerFailed, new_conversation
from sockets import HANDSHAKE, socket_load
from transcription import listening_load, realtime_load
from wire import CHAT, CREATE, LIVE, READ, SPEECH, STREAM, TRANSCRIPTION, Request

SUITES = ("cold", "chat", "stream", "crud", "ws", "stt", "live", "faults", "memory")
STAGES = (("chat", "stream"), ("crud",), ("ws", "stt"), ("live",))  # of a server's life, by what they have it import
WARM_UP = 20  # requests
NOT_EMULATED = 501


@dataclass(frozen=True)
class Figure:
    """One thing to measure: what the mock is sent, and what the bare application is sent right before."""

    key: str
    suite: str
    drive: Callable[[Server, Request, int, int], Load]
    request: Request
    reference: Request
    connections: int


FIGURES = (
    Figure("chat.c1", "chat", http_load, CHAT, CHAT, 1),
    Figure("chat.c32", "chat", http_load, CHAT, CHAT, 32),
    Figure("stream.c16", "stream", stream_load, STREAM, STREAM, 16),
    Figure("create.c32", "crud", http_load, CREATE, CHAT, 32),
    Figure("read.c32", "crud", http_load, READ, CHAT, 32),
    Figure("ws.c16", "ws", socket_load, SPEECH, SPEECH, 16),
    *(
        Figure(f"stt.{kind}", "stt", partial(listening_load, kind), TRANSCRIPTION, TRANSCRIPTION, 16)
        for kind in transcription.KINDS
    ),
    Figure("live.c500", "live", realtime_load, LIVE, LIVE, 500),
)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.samples: dict[str, list[dict[str, Any]]] = {}
        self.absent: set[str] = set()  # suites that the mock does not emulate yet
        self.mock = partial(servers.mock, options.host)
        self.bare = partial(servers.bare, options.host)
        self.minimal = partial(servers.minimal_fastapi, options.host)

    def run(self) -> None:
        """Every round. Raises ServerFailed."""
        self.probe()
        if "cold" in self.options.only:
            with (
                self.minimal()
            ):  # an unmeasured start of each (the probe was the mock's): byte code compiled, files in the cache
                pass
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            if "cold" in self.options.only:
                self.cold_starts(number)
            figures = self.figures()
            for live in (False, True):  # 500 sockets have a server of their own
                some = [f for f in figures if (f.suite == "live") == live]
                if some:
                    self.loads(some, backwards=number % 2 == 1)
            if "faults" in self.options.only:
                self.fault_rules(number)
            if "memory" in self.options.only:
                self.memory()

    def probe(self) -> None:
        """Find out what is emulated."""
        with self.mock() as mock:
            for suite, request, headers, fine in (
                ("crud", CREATE, {}, (200, 201)),
                ("ws", SPEECH, HANDSHAKE, (101,)),
                ("stt", TRANSCRIPTION, HANDSHAKE, (101,)),
                ("live", LIVE, HANDSHAKE, (101,)),
            ):
                status, body = mock.ask(request, headers)
                if status == NOT_EMULATED:
                    self.absent.add(suite)
                elif status not in fine:
                    raise ServerFailed(f"mock answered {request.method} {request.path} with {status}: {body[:200]!r}")

    def figures(self) -> list[Figure]:
        return [f for f in FIGURES if f.suite in self.options.only and f.suite not in self.absent]

    def cold_starts(self, number: int) -> None:
        """Twice a round, the minimal FastAPI application first in even rounds and the mock first in odd ones."""
        starts = [("reference", self.minimal), ("mock", self.mock)]
        for _ in range(2):
            sample: dict[str, Any] = {}
            for name, server in starts if number % 2 == 0 else starts[::-1]:
                with server() as started:
                    sample[name] = {"ms": started.cold * 1000, "cpu_us": (started.cpu_seconds() or 0.0) * 1e6}
                    if name == "mock" and "crud" not in self.absent:
                        sample["first_create_ms"] = milliseconds(partial(new_conversation, started))
            self.note("cold", sample)

    def loads(self, figures: list[Figure], backwards: bool) -> None:
        """The figures of one server each, stage by stage; backwards within that in every other round."""
        with self.mock() as mock, self.bare() as bare:
            for _ in range(WARM_UP):
                mock.ask(CHAT)
                bare.ask(CHAT)
            for suites in STAGES:
                some = [figure for figure in figures if figure.suite in suites]
                for figure in reversed(some) if backwards else some:
                    self.both(mock, bare, figure)

    def both(self, mock: Server, bare: Server, figure: Figure) -> None:
        """One figure of the mock and of the bare application."""
        request, reference_request = figure.request, figure.reference
        if figure.key == "read.c32":
            request = request.at(id=new_conversation(mock))
        if figure.suite in ("stt", "live"):
            request = reference_request = replace(request, body=transcription.spoken(mock))
        if figure.suite in ("ws", "stt"):  # what the first sentence imports is no part of a frame
            figure.drive(mock, request, 1, 1)
        # The reference right before: the machine's speed drifts, the ratio of two neighbours does not.
        reference = self.measure(bare, figure, reference_request)
        self.note(figure.key, {"reference": reference, "mock": self.measure(mock, figure, request)})

    def fault_rules(self, number: int) -> None:
        """A chat with each set of rules, by turns; the sample has them all."""
        with faults.started(self.options.host) as mocks:
            for mock in mocks.values():
                for _ in range(WARM_UP):
                    mock.ask(CHAT)
            keys = list(faults.SETS) if number % 2 == 0 else list(faults.SETS)[::-1]
            self.note("faults", {key: self.measure(mocks[key], FIGURES[1], CHAT) for key in keys})

    def memory(self) -> None:
        """What one server takes, after each of its uses."""
        sample = {}
        with self.mock() as mock:
            for name, jobs in memory.stages(*(suite not in self.absent for suite in ("crud", "ws", "stt"))):
                for job in jobs:
                    job(mock)
                sample[name] = mock.memory_mb()
        self.note("memory", sample)

    def measure(self, server: Server, figure: Figure, request: Request) -> dict[str, Any]:
        before = server.cpu_seconds()
        load = figure.drive(server, request, figure.connections, self.options.seconds)
        after = server.cpu_seconds()
        if load.failed or not load.count:
            raise ServerFailed(f"{server.name}, {figure.key}: {load.failed} requests failed, {load.count} answered.")
        cpu = None if before is None or after is None else (after - before) / load.count * 1e6
        return {"rate": load.rate, "p50_ms": load.p50_ms, "cpu_us": cpu, "p99_ms": load.p99_ms, "lag_ms": load.lag_ms}

    def note(self, key: str, sample: dict[str, Any]) -> None:
        self.samples.setdefault(key, []).append(sample)


def milliseconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return (time.perf_counter() - began) * 1000


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def loopback(text: str) -> str:
    """An IPv4 address of this machine alone: load is never sent anywhere else."""
    try:
        address = socket.gethostbyname(text)
    except OSError:
        raise argparse.ArgumentTypeError(f"{text} is not an IPv4 loopback address") from None
    if not ipaddress.ip_address(address).is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address: load goes to this machine only")
    return address


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return int(text)


def suites(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in SUITES:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(SUITES)}")
    return names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="medians are taken over them (5)")
    parser.add_argument("--seconds", type=positive, default=2, metavar="S", help="of every run under load (2)")
    parser.add_argument(
        "--only", type=suites, default=list(SUITES), metavar="SUITE,...", help=f"of {', '.join(SUITES)}"
    )
    parser.add_argument("--host", type=loopback, default="127.0.0.1", help="loopback address to use (127.0.0.1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample here")
    parser.add_argument("--md", type=Path, metavar="FILE", help="write the tables here")
    return parser.parse_args()


def stopped(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """0: measured, whatever the figures say; 1: a server failed; 130: stopped."""
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # leaving the `with` blocks ends the servers
        signal.signal(number, stopped)
    say(f"load from {CLIENT}")
    bench, failure = Bench(options), None
    circumstances = report.circumstances(CLIENT, options.rounds, options.seconds)
    try:
        bench.run()
    except (ServerFailed, ConnectionError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    except KeyboardInterrupt:
        say("stopped; the servers are ended")
        return 130
    text = report.markdown(bench.samples, bench.absent, circumstances)
    print(text)
    if options.md:
        options.md.write_text(text + "\n")
    if options.json:
        results = {**report.results(bench.samples, bench.absent), "circumstances": circumstances, "failure": failure}
        results["tables"] = text
        options.json.write_text(json.dumps({**results, "samples": bench.samples}, indent=1) + "\n")
    if failure:
        say(f"FAILED: {failure}")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
