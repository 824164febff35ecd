"""`--workers N`: forks the workers, says when all are ready, stops them together. It serves nothing, and has no loop."""

import gc
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mock_server.base.clock import Machine
from mock_server.base.errors import ApiError
from mock_server.base.place import Place
from mock_server.base.settings import Settings, SettingsError
from mock_server.engine.replies import FixtureError
from mock_server.serve import READY, bind, url_of
from mock_server.workers.channel import Channel, mesh
from mock_server.workers.worker import work

DONE, CRASHED, REFUSED = 0, 1, 2  # exit codes
STOPS = (signal.SIGTERM, signal.SIGINT)
GRACE = 1.5  # seconds beyond --drain that workers get to stop


def run_workers(settings: Settings) -> int:
    """Serve with several processes until told to stop; the exit code. Raises PortInUse."""
    with _shared(settings) as (shared, folder):
        return _Supervisor(shared, folder).run()


@contextmanager
def _shared(settings: Settings) -> Iterator[tuple[Settings, Path | None]]:
    """Settings with a database that all can open: in a temporary folder, given too, where none was named."""
    if settings.db is not None:
        yield settings, None
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="telnyx-ai-mock-")
    except OSError as error:
        raise SettingsError(f"--workers without --db needs room for temporary files: {error.strerror}.") from None
    with folder:
        yield replace(settings, db=Path(folder.name) / "state.sqlite3"), Path(folder.name)


class _Supervisor:
    def __init__(self, settings: Settings, folder: Path | None) -> None:
        self._settings, self._folder = settings, folder
        self._listener = bind(settings.host, settings.port)
        self._ends = mesh(settings.workers)
        self._alive = os.pipe()  # its end tells workers that their supervisor has gone
        self._woken = os.pipe()  # a byte for each signal
        self._ready = os.pipe()  # a byte for each worker that is ready
        self._running: dict[int, int] = {}  # numbers of workers by process
        self._stopping = 0  # how often it was told to stop
        self._code = DONE
        self._machine = Machine()

    def run(self) -> int:
        before = {each: signal.signal(each, self._told) for each in (*STOPS, signal.SIGCHLD)}
        for fd in self._woken:
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._woken[1])
        try:
            self._serve()
        finally:
            signal.set_wakeup_fd(-1)
            for each, handler in before.items():
                signal.signal(each, handler)
        return self._code

    def _serve(self) -> None:
        gc.freeze()  # what is there now stays shared between the processes
        self._start(0)  # makes the database and loads the snapshot; the others find them
        if self._await_ready(1):
            for number in range(1, self._settings.workers):
                self._start(number)
            if self._await_ready(self._settings.workers - 1):
                url = url_of(self._listener)
                self._let_go()
                print(READY.replace("{url}", url), flush=True)
        while self._running and not self._stopping:
            self._look(None)
        self._end()

    def _await_ready(self, workers: int) -> bool:
        """Whether so many more have come to be ready; not when one has ended, or all are to stop."""
        while workers and not self._stopping:
            workers -= self._look(None)
        return not self._stopping

    def _look(self, seconds: float | None) -> int:
        """Wait for a signal or for workers to be ready; how many these are."""
        found, _, _ = select.select([self._woken[0], self._ready[0]], [], [], seconds)
        if self._woken[0] in found:
            os.read(self._woken[0], 1024)
            self._reap()
        return len(os.read(self._ready[0], 1024)) if self._ready[0] in found else 0

    def _told(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGCHLD:
            self._stopping += 1

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            number = self._running.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping or code == DONE:  # one that is told to stop stops all
                self._code = self._code or (CRASHED if code > 0 else DONE)
            else:
                self._code = code if code > 0 else CRASHED
                if code != REFUSED:
                    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                    print(f"telnyx-ai-mock: worker {number} (process {pid}) {how}: the server stops.", file=sys.stderr)
            self._stopping = self._stopping or 1

    def _end(self) -> None:
        """Stop every worker, those that do not within their time by force."""
        self._let_go()
        told = 0
        until = self._machine.monotonic() + self._settings.drain + GRACE
        while self._running:
            if told < self._stopping:
                told = self._stopping
                self._tell(signal.SIGTERM if told == 1 else signal.SIGINT)
            left = until - self._machine.monotonic()
            if left <= 0:
                self._tell(signal.SIGKILL)
            self._look(left if left > 0 else None)

    def _let_go(self) -> None:
        """The workers have what is theirs."""
        self._listener.close()
        for ends in self._ends.values():
            for end in ends.values():
                end.close()

    def _tell(self, sig: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, sig)

    def _start(self, number: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._be_worker(number)
        self._running[pid] = number

    def _be_worker(self, number: int) -> NoReturn:
        """The life of a worker's process. It never returns into what its parent was doing."""
        code = CRASHED
        try:
            signal.set_wakeup_fd(-1)
            for each in (*STOPS, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            for fd in (self._alive[1], self._ready[0], *self._woken):
                os.close(fd)
            for other, ends in self._ends.items():
                if other != number:
                    for end in ends.values():
                        end.close()
            place = Place(number, self._settings.workers)
            channel = Channel(self._ends[number])
            work(self._settings, place, self._listener, channel, self._alive[0], lambda: _tell_ready(self._ready[1]))
            # Readable is what its supervisor held open: it has gone, who would remove the folder. Its own death comes after that.
            if self._folder is not None and select.select([self._alive[0]], [], [], 0)[0]:
                shutil.rmtree(self._folder, ignore_errors=True)
            code = DONE
        except (SettingsError, FixtureError) as error:
            print(f"telnyx-ai-mock: {error}", file=sys.stderr)
            code = REFUSED
        except ApiError as error:
            print(f"telnyx-ai-mock: {error.detail}", file=sys.stderr)
            code = REFUSED
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _tell_ready(fd: int) -> None:
    os.write(fd, b".")
