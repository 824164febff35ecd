"""What is told to a client whose bytes never became an exchange."""

import asyncio
from http import HTTPStatus

from pydantic_core import to_json

from mock_server.base.errors import ApiError, render


def refuse(transport: asyncio.Transport, error: ApiError) -> None:
    """Answer in the vendor's envelope what never became an exchange, and close."""
    body = to_json(render(error, "std"))
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nx-request-id: unreadable\r\nconnection: close\r\n\r\n"
    )
    transport.write(head.encode() + body)
    transport.close()
