"""A local, faithful Dify server for tests and demonstrations.

Example:
    >>> from remote_chatbots.emulator import Emulator
    >>> with Emulator(token_delay_s=0) as emulator:
    ...     print(emulator.dify_url, emulator.key("agent-chat"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .received import ReceivedRequest
    from .server import Emulator

__all__ = ["Emulator", "ReceivedRequest"]

_HOMES = {"Emulator": ".server", "ReceivedRequest": ".received"}


def __getattr__(name: str) -> object:
    # The server's HTTP library is slow to import and not needed before a server is.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
