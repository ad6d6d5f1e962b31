"""Docstrings as reference: what every public name has to say, and that what it says is true of the code beside it."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

import remote_chatbots.errors
from remote_chatbots import platforms

PACKAGES = [
    "remote_chatbots",
    "remote_chatbots.bulk",
    "remote_chatbots.emulator",
    "remote_chatbots.platforms.dify",
    "remote_chatbots.platforms.gptbots",
    "langchain_chatbots",
    "llama_index_chatbots",
]
OURS = ("remote_chatbots", "langchain_chatbots", "llama_index_chatbots")
SAME_AS_ANOTHER = re.compile(r"\b[Aa]s (of |by )?`|: see `|[Aa]s `|Do as `|errors as of")


def public() -> Iterator[tuple[str, Any]]:
    """Find each exported class and function of ours, and their public methods, by name."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            exported = getattr(module, name)
            if not (inspect.isclass(exported) or inspect.isfunction(exported)):
                continue
            yield f"{package}.{name}", exported
            for attribute, value in list(vars(exported).items()) if inspect.isclass(exported) else ():
                method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if not attribute.startswith("_") and inspect.isfunction(method) and method.__module__.startswith(OURS):
                    yield f"{package}.{name}.{attribute}", method


PUBLIC = dict(public())


def docstring(documented: Any) -> str:
    return inspect.cleandoc(documented.__doc__ or "")


def entries(text: str, section: str) -> dict[str, str]:
    """Return what a section of a Google docstring tells, by the names it tells of."""
    found = re.search(rf"^{section}:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    names: dict[str, str] = {}
    for entry in re.findall(r"^    (\S.*(?:\n {8}.*)*)", found[1] if found else "", re.MULTILINE):
        named, _, what = entry.partition(":")
        names |= {name.strip(" *`"): " ".join(what.split()) for name in named.split(",")}
    return names


def described(documented: Any) -> dict[str, str]:
    """Return what is told of arguments and fields."""
    return entries(docstring(documented), "Attributes") | entries(docstring(documented), "Args")


def test_there_is_something_to_test() -> None:
    assert len(PUBLIC) > 150
    assert entries("Do.\n\nArgs:\n    a: One,\n        or two.\n    b, c: X.\n\nRaises:\n    E: If.", "Args") == {
        "a": "One, or two.",
        "b": "X.",
        "c": "X.",
    }


def test_a_public_name_says_what_it_is_in_a_sentence() -> None:
    first = {name: docstring(value).partition("\n")[0] for name, value in PUBLIC.items()}
    assert [name for name, said in first.items() if not re.fullmatch(r"[A-Z`].*[.:]", said)] == []


def test_a_value_says_what_each_of_its_fields_is() -> None:
    # What the faults of the emulator do stands in one sentence, with their values in it.
    values = {name: value for name, value in PUBLIC.items() if is_dataclass(value) and ".emulator." not in name}
    assert values
    for name, value in values.items():
        own = {told for kind in value.__mro__ if kind.__module__.startswith(OURS) for told in kind.__annotations__}
        held = {field.name for field in fields(value) if field.name in own and not field.name.startswith("_")}
        assert (name, held - set(described(value))) == (name, set())


def test_an_argument_or_field_that_is_told_of_exists() -> None:
    wrong = []
    for name, value in PUBLIC.items():
        has = set(inspect.signature(value).parameters) | set(dir(value)) | set(getattr(value, "__annotations__", ()))
        made = inspect.getsource(value) if inspect.isclass(value) else ""
        wrong += [f"{name}: {told}" for told in described(value) if told not in has and f"self.{told}" not in made]
    assert wrong == []


def test_what_is_told_in_seconds_says_so_in_its_name() -> None:
    wrong = []
    for name, value in PUBLIC.items():
        for told, what in described(value).items():
            if re.match(r"(The )?([Nn]umber of )?[Ss]econds", what) and not told.endswith(("_s", "seconds")):
                wrong.append(f"{name}: {told}")
            if re.search(r"milliseconds|minutes", what) and told.endswith("_s"):
                wrong.append(f"{name}: {told}")
    assert wrong == []


def test_an_error_that_is_told_of_exists_and_its_condition_is_said() -> None:
    wrong = []
    for name, value in PUBLIC.items():
        for error, condition in entries(docstring(value), "Raises").items():
            module = importlib.import_module(value.__module__)
            known = [vars(place).get(error) for place in (remote_chatbots.errors, builtins, module)]
            if not condition or not any(inspect.isclass(one) and issubclass(one, BaseException) for one in known):
                wrong.append(f"{name}: {error}")
    assert wrong == []


def test_an_error_that_is_raised_at_once_is_told_of() -> None:
    wrong = []
    for name, value in PUBLIC.items():
        if not inspect.isfunction(value):
            continue
        text = docstring(value)
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(value)))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                # LangChain's twin is one of ours.
                error = ast.unparse(node.exc.func).removesuffix(".of").replace("Chatbot", "Bot")
                known = error in entries(text, "Raises") or SAME_AS_ANOTHER.search(text)
                if error[0].isupper() and not known:
                    wrong.append(f"{name}: {error}")
    assert wrong == []


@pytest.mark.parametrize("path", sorted(Path(platforms.__path__[0]).glob("*/[!_]*.py")), ids=lambda path: path.stem)
def test_a_module_of_a_platform_names_where_its_facts_are_from(path: Path) -> None:
    """A page of the platform's, or what was recorded of its servers."""
    assert re.search(
        r"[Rr]ecorded|[Rr]ecording|API reference|[Dd]ocumentation|docs\.", path.read_text(encoding="utf-8")
    )
