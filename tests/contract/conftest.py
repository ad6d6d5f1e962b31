from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from remote_chatbots import AsyncBotClient, BotClient
from remote_chatbots.protocol import BotProtocol
from tests.contract.scripted import Driver, Scripted, Step


@pytest.fixture
def serve() -> Iterator[Callable[..., Scripted]]:
    """Start a scripted server; it is gone when the test is over."""
    servers: list[Scripted] = []

    def start(*scripts: Sequence[Step]) -> Scripted:
        servers.append(Scripted(scripts))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(params=["requests", "aiohttp"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)


@pytest.fixture(params=["requests", "aiohttp"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Make one call of a client of either colour: `call(bot, "ask", …)`."""

    def sync(bot: BotProtocol, name: str, /, *arguments: Any, **named: Any) -> Any:
        with BotClient(bot, user="anna") as client:
            return getattr(client, name)(*arguments, **named)

    def through_a_loop(bot: BotProtocol, name: str, /, *arguments: Any, **named: Any) -> Any:
        async def called() -> Any:
            async with AsyncBotClient(bot, user="anna") as client:
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(called())

    return sync if request.param == "requests" else through_a_loop
