"""uvicorn's protocols with what an ASGI application cannot do: hang up, write at once, tell why a frame was refused."""

from mock_server.protocols.http import MOST_HEAD, MOST_HEADERS, HttpProtocol
from mock_server.protocols.sockets import SocketProtocol

__all__ = ["MOST_HEAD", "MOST_HEADERS", "HttpProtocol", "SocketProtocol"]
