from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

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
