from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import IPython.display
import pytest

from remote_chatbots.emulator import Emulator


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Be in a notebook; what it is told to display, and to display again, is listed."""
    found: list[tuple[str, dict[str, str]]] = []

    def telling(word: str) -> Any:
        return lambda bundle, raw, display_id: found.append((f"{word} {display_id}", bundle))

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", telling("display"))
    monkeypatch.setattr(IPython.display, "update_display", telling("update"))
    return found
