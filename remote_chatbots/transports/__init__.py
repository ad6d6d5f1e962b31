"""The drivers: the only I/O of the package. Each performs effects and hands events on; neither decides anything."""

from typing import TYPE_CHECKING

from remote_chatbots.lazy_names import lazy_names

if TYPE_CHECKING:
    from remote_chatbots.transports.aiohttp_driver import AiohttpRun, AiohttpTransport
    from remote_chatbots.transports.requests_driver import RequestsRun, RequestsTransport
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {"aiohttp_driver": "AiohttpRun AiohttpTransport", "requests_driver": "RequestsRun RequestsTransport"},
    )

__all__ = ["AiohttpRun", "AiohttpTransport", "RequestsRun", "RequestsTransport"]
