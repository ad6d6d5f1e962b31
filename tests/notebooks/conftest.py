"""These tests need the extra `notebook-test`. Without it they are not collected: `make test` does not install it."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("nbclient") and find_spec("ipykernel") else ["test_*.py"]
