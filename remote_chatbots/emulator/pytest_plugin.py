"""The fixture `bot_emulator`, for users' own tests. Pytest loads this at each start: the server comes with its use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from remote_chatbots.emulator import Emulator


@pytest.fixture
def bot_emulator() -> Iterator[Emulator]:
    """A running emulator of its own for the test, with no delay between tokens."""
    from remote_chatbots.emulator import Emulator

    with Emulator(token_delay_s=0) as emulator:
        yield emulator
