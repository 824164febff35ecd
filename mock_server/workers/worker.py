"""One worker: the server of `mock_server.serve`, whose connections may come from and go to the others."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from mock_server.app import create_app
from mock_server.base.place import Place
from mock_server.base.settings import Settings
from mock_server.serve import Server, config, quieten
from mock_server.workers.asking import Siblings
from mock_server.workers.channel import CLIENT, Channel, Kind
from mock_server.workers.everywhere import Everywhere
from mock_server.workers.protocol import SiblingProtocol, Switchboard, WorkerProtocol


class WorkerServer(Server):
    """Takes connections from the other workers, too. Ends when `alive` does, which the supervisor holds open."""

    channel: Channel
    alive: int
    ready: Callable[[], None]
    _adopting: set[asyncio.Task[None]]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._adopting = set()
        self.channel.open(self._adopt)
        asyncio.get_running_loop().add_reader(self.alive, self._stop)
        self.ready()

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self.alive)
        self.stop()

    def _adopt(self, kind: Kind, fd: int, data: bytes) -> None:
        task = asyncio.ensure_future(self._connect(kind, socket.socket(fileno=fd), data))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _connect(self, kind: Kind, connection: socket.socket, data: bytes) -> None:
        protocol: Any = self.config.http_protocol_class if kind == CLIENT else SiblingProtocol
        loop = asyncio.get_running_loop()
        make = partial(
            protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop, given=data
        )  # fmt: skip
        connection.setblocking(False)
        try:
            await loop.connect_accepted_socket(make, connection)
        except OSError:  # it has gone on the way
            connection.close()


def work(
    settings: Settings, place: Place, listener: socket.socket, channel: Channel, alive: int, ready: Callable[[], None]
) -> None:
    """Serve as one of the workers until told to stop. Raises SettingsError before anything is answered."""
    quieten()
    app = Everywhere(create_app(settings, place=place), Siblings(place, channel))
    switchboard = Switchboard(place, channel)
    server = WorkerServer(config(app, settings, partial(WorkerProtocol, switchboard=switchboard)))
    server.channel, server.alive, server.ready = channel, alive, ready
    server.run(sockets=[listener])
