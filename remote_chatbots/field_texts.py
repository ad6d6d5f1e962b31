"""The texts beneath a model's fields, as the fields' descriptions."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

# A field, however many lines it takes, and the text right beneath it. To parse the whole module takes thirty times as
# long, and would be a tenth of our import.
_FIELD = re.compile(r'^    (\w+):.*\n(?:(?: {8}|    [)\]}]).*\n)*    """((?s:.*?))"""$', re.MULTILINE)


def describe(module_name: str, *kinds: Any) -> None:
    """Describe the fields of a module's classes by the texts beneath them.

    So would pydantic's `use_attribute_docstrings`, which looks, for each class, at the files of all modules that were
    ever imported: half the time of our own import. A subclass has the descriptions that its parent has when it is made.
    """
    try:
        source = inspect.getsource(sys.modules[module_name])
    except OSError:
        return  # installed without its source
    for name, said in _FIELD.findall(source):
        for kind in kinds:
            if name in kind.model_fields:
                kind.model_fields[name].description = inspect.cleandoc(said)
