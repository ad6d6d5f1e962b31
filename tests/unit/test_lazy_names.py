"""What a package exports, it imports when it is asked for; type checkers, `dir` and `import *` see the same names."""

from __future__ import annotations

import ast
import importlib
import pickle
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

from tests.forks import Forks, succeeded

PACKAGES = [
    "remote_chatbots",
    "remote_chatbots.platform_fields",
    "remote_chatbots.platforms.dify",
    "remote_chatbots.platforms.gptbots",
    "remote_chatbots.transports",
    "langchain_chatbots",
    "langchain_chatbots.chat_models",
    "llama_index_chatbots",
    "llama_index_chatbots.llms",
]


def homes_for_type_checkers(package: str) -> dict[str, str]:
    """Return for each name that a package imports under TYPE_CHECKING the module from which it does."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin
    body = ast.parse(Path(found.origin).read_text(encoding="utf-8")).body
    branches = [node.body for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for branch in branches for node in branch if isinstance(node, ast.ImportFrom)]
    return {name.name: str(node.module) for node in imports for name in node.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_is_what_type_checkers_take_it_for(package: str) -> None:
    module = importlib.import_module(package)
    homes = homes_for_type_checkers(package)
    assert homes
    assert set(homes) <= set(module.__all__) <= set(dir(module))
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)


def test_no_module_stands_in_the_way_of_a_name(frameworks: Forks) -> None:
    """`import langchain_chatbots.sources` puts a module under the name of a function, unless that is bound after it."""
    found = [module for package in PACKAGES for module in modules_of(importlib.import_module(package))]
    program = f"import {', '.join(found)}\nfrom types import ModuleType\n"
    for package in PACKAGES:
        program += f"named = {{}}\nexec('from {package} import *', named)\n"
        program += f"assert set({package}.__all__) - {{'__version__'}} <= set(named)\n"
        program += "assert not [name for name, value in named.items() if isinstance(value, ModuleType)]\n"
    succeeded(frameworks.run(program))


@pytest.mark.parametrize(
    ("package", "absent"), [("langchain_chatbots", ["langgraph", "IPython"]), ("llama_index_chatbots", ["IPython"])]
)
def test_all_names_can_be_imported_with_the_framework_alone(frameworks: Forks, package: str, absent: list[str]) -> None:
    program = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))
from {package} import *
if "langgraph" in {absent}:
    try:
        human_input_node(None)
    except ImportError as error:
        assert "pip install 'remote-chatbots[langgraph]'" in str(error)
    else:
        raise AssertionError
"""
    succeeded(frameworks.run(program))


def modules_of(package: ModuleType) -> list[str]:
    """Return its modules, but for the programs, which bring more than a library has."""
    programs = {"cli", "demo", "emulator", "bulk", "conformance"}
    return [
        f"{package.__name__}.{found.name}"
        for found in pkgutil.iter_modules(package.__path__)
        if found.name not in programs
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error_that_names_it(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'ChatDfy'") as caught:
        module.ChatDfy  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("ChatDfy", module)
    with pytest.raises(ImportError, match="cannot import name 'ChatDfy'"):
        exec(f"from {package} import ChatDfy")


CORE, LANGCHAIN, LLAMA_INDEX = "remote_chatbots", "langchain_chatbots", "llama_index_chatbots"
# What a first question has no need of.
NOT_FIRST = [f"{CORE}.{name}" for name in ("attachments", "contents", "described", "mending", "resuming", "stored")]


@pytest.mark.parametrize(
    ("statement", "kept_out"),
    [
        (f"import {CORE}", [f"{CORE}.client", f"{CORE}.events", f"{CORE}.platforms", f"{CORE}.transports"]),
        (f"from {CORE} import Question", [f"{CORE}.client", f"{CORE}.platforms", f"{CORE}.transports"]),
        (f"from {CORE} import BotClient", [f"{CORE}.transports.aiohttp_driver", f"{CORE}.platforms.dify"]),
        (
            f"from {LANGCHAIN} import ChatDify",
            [
                *NOT_FIRST,
                *(f"{CORE}.{name}.gptbots" for name in ("platforms", "platform_fields")),
                *(f"{LANGCHAIN}.{name}" for name in ("_structured", "_tool", "chat_history", "retrievers", "speech")),
                f"{LANGCHAIN}.chat_models.gptbots",
            ],
        ),
        (
            f"from {LLAMA_INDEX} import Dify, RemoteChatEngine",
            [
                *NOT_FIRST,
                *(f"{CORE}.{name}.gptbots" for name in ("platforms", "platform_fields")),
                *(f"{LLAMA_INDEX}.{name}" for name in ("_of_bot", "llms.gptbots", "memory", "retrievers", "speech")),
            ],
        ),
    ],
)
def test_what_is_not_asked_for_is_not_imported(frameworks: Forks, statement: str, kept_out: list[str]) -> None:
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    loaded = set(succeeded(frameworks.run(program)).decode().split())
    assert CORE in loaded
    assert not set(kept_out) & loaded


def test_stored_answers_are_read_as_blocks_before_any_model_is_imported(frameworks: Forks) -> None:
    """A program that only reads a history has the translator of its answers."""
    program = """
import langchain_chatbots, sys
from langchain_core.messages import AIMessage
said = AIMessage("Hello", response_metadata={"model_provider": "dify"})
assert said.content_blocks == [{"type": "text", "text": "Hello"}], said.content_blocks
from langchain_core.messages.block_translators import get_translator
assert get_translator("dify") and get_translator("gptbots")
assert "langchain_chatbots.chat_models" not in sys.modules
"""
    succeeded(frameworks.run(program))


def test_an_exported_class_pickles_by_its_own_module() -> None:
    import remote_chatbots

    assert pickle.loads(pickle.dumps(remote_chatbots.DifyApp)) is remote_chatbots.DifyApp


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        (f"from {LANGCHAIN} import ChatDify as shown", "api_key"),
        (f"from {LANGCHAIN} import GPTBotsKnowledgeRetriever as shown", "api_key"),
        (f"from {LLAMA_INDEX} import GPTBots as shown", "api_key"),
        (f"from {LLAMA_INDEX} import RemoteMemory as shown", "llm"),
        (f"from {LLAMA_INDEX} import RemoteConversationReader as shown", "llm"),
    ],
)
def test_a_class_shows_what_it_takes_before_it_was_ever_made(frameworks: Forks, statement: str, first: str) -> None:
    program = f"import inspect\n{statement}\nprint(next(iter(inspect.signature(shown).parameters)))"
    assert succeeded(frameworks.run(program)).decode() == f"{first}\n"
