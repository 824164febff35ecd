"""A local mock server for Telnyx AI. What others may import is listed in `__all__`; everything else is ours to move."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_server.app import create_app
    from mock_server.base.settings import Settings
    from mock_server.serve import LocalServer

__version__ = "0.1.0"
__all__ = ["LocalServer", "Settings", "__version__", "create_app"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `python -m mock_server --help` imports no web framework."""
    from importlib import import_module

    homes = {
        "create_app": "mock_server.app",
        "Settings": "mock_server.base.settings",
        "LocalServer": "mock_server.serve",
    }
    if name not in homes:
        raise AttributeError(f"module 'mock_server' has no attribute {name!r}")
    return getattr(import_module(homes[name]), name)
