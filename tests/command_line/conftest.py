from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_of_the_machine_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, proxies and terminals of whoever runs the tests stay out of them."""
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("API_KEY", "BASE_URL", "API_BASE", "USER"):
        monkeypatch.delenv(f"DIFY_{name}", raising=False)
        monkeypatch.delenv(f"GPTBOTS_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
