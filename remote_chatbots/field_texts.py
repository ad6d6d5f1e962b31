"""The texts beneath a model's fields, as the fields' descriptions."""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from typing import Any


def describe(module_name: str, *kinds: Any) -> None:
    """Describe the fields of a module's classes by the texts beneath them.

    So would pydantic's `use_attribute_docstrings`, which looks, for each class, at the files of all modules that were
    ever imported: half the time of our own import. A subclass has the descriptions that its parent has when it is made.
    """
    try:
        module = ast.parse(inspect.getsource(sys.modules[module_name]))
    except OSError:
        return  # installed without its source
    for node in module.body:
        for field, text in pairwise(node.body if isinstance(node, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(said))):
                    for kind in kinds:
                        if name in kind.model_fields:
                            kind.model_fields[name].description = inspect.cleandoc(said)
