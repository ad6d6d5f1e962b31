"""The tests, imported with their asserts rewritten as pytest does it: what forks of this process find done.

Each worker of the suite would import them for itself. The root's conftest.py is left to them: it asks which one it is.
"""

from __future__ import annotations

import contextlib
import importlib
import sys

import pytest
from _pytest.assertion import install_importhook
from _pytest.config import get_config

from tests.forks import ROOT

_hook = install_importhook(get_config())
pytest.register_assert_rewrite("remote_chatbots", "llama_index_chatbots.conformance")
for _path in sorted((ROOT / "tests").glob("*/*.py")):
    if _path.name.startswith(("test_", "conftest.")) and _path.parent.name != "notebooks":
        # Workers import again what cannot be imported, and say why.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(_path.relative_to(ROOT).with_suffix("").parts))
sys.meta_path.remove(_hook)
