from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_of_the_machine_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and settings of whoever runs the tests stay out of them."""
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("DIFY_API_KEY", "DIFY_BASE_URL", "DIFY_API_BASE", "DIFY_USER"):
        monkeypatch.delenv(name, raising=False)
