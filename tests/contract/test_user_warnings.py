"""A warning points at the line of the user's that it is about, however many frames of others stand between."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.llms import ChatMessage

from langchain_chatbots import ChatDify
from llama_index_chatbots import Dify
from remote_chatbots import DifyApp, address, user_warnings
from remote_chatbots.conversations import Conversations
from remote_chatbots.emulator import Emulator
from remote_chatbots.user_warnings import warn_user

GONE = "0b8e2b9e-0000-4000-8000-000000000000"
LINES = Path(__file__).read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def given(emulator: Emulator) -> dict[str, str]:
    return {"api_key": emulator.dify_key, "base_url": emulator.dify_url, "user": "anna"}


class Unwritable(Conversations):
    """A store that knows nothing and keeps nothing."""

    def get(self, key: str) -> str:
        return ""

    def put(self, key: str, conversation_id: str) -> None:
        raise ConnectionError("gone")

    def delete(self, key: str) -> None:
        """Nothing is there."""


def line_of(call: Callable[[], Any], words: str) -> str:
    """Return the line of this file that the one warning points at."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        call()
    (one,) = [each for each in heard if words in str(each.message)]
    assert one.filename == __file__, one
    return LINES[one.lineno - 1].strip()


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda model, asked: model.invoke(asked),
    "stream": lambda model, asked: list(model.stream(asked)),
    "ainvoke": lambda model, asked: asyncio.run(model.ainvoke(asked)),
    "chain": lambda model, asked: (model | str).invoke(asked),
}


@pytest.mark.parametrize("way", WAYS)
def test_of_a_history_it_points_at_the_line_that_asks(given: dict[str, str], way: str) -> None:
    wanted = LINES[next(at for at, line in enumerate(LINES) if line.startswith(f'    "{way}"'))].strip()
    model = ChatDify(**given, on_missing="restart")
    first = model.invoke("When does the ferry leave?")
    begun = [HumanMessage("When does the ferry leave?"), first]
    model.invoke([*begun, HumanMessage("And on Sundays?")])
    assert line_of(lambda: WAYS[way](model, [*begun, HumanMessage("[[echo]]")]), "newest one") == wanted
    forgotten = first.model_copy(update={"response_metadata": {**first.response_metadata, "conversation_id": GONE}})
    assert line_of(lambda: WAYS[way](model, [forgotten, HumanMessage("Hi")]), "stand in a new one") == wanted
    stranger = AIMessage("Nine.", response_metadata={**first.response_metadata, "bot": "dify:elsewhere:000000000000"})
    assert line_of(lambda: WAYS[way](model, [stranger, HumanMessage("Hi")]), "none of this bot") == wanted


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_in_llama_index_too(given: dict[str, str], colour: str) -> None:
    llm = Dify(**given)
    other = {"bot": "dify:elsewhere:000000000000", "conversation_id": GONE, "model_provider": "dify"}
    asked = [
        ChatMessage(role="assistant", content="Nine.", additional_kwargs=other),
        ChatMessage(role="user", content="Hi"),
    ]
    calls = {"sync": lambda: llm.chat(asked), "async": lambda: asyncio.run(llm.achat(asked))}
    assert "llm.chat(asked)" in line_of(calls[colour], "none of this bot")


def test_of_a_store_it_points_at_the_line_that_asks(given: dict[str, str]) -> None:
    model = ChatDify(**given, conversations=Unwritable())
    assert "model.invoke" in line_of(lambda: model.invoke("Hi", session_id="anna"), "could not be kept")


@pytest.mark.parametrize("kind", [DifyApp, ChatDify, Dify])
def test_of_an_address_it_points_at_the_line_that_gives_it(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_WARNED_OF", set())
    url = "http://dify.plain-http"
    assert "base_url=url" in line_of(lambda: kind(api_key="app-a-key", base_url=url), "unencrypted")


def test_where_no_line_of_the_users_is_it_points_at_what_warns() -> None:
    with ThreadPoolExecutor(1) as threads, pytest.warns(UserWarning, match="odd") as heard:
        threads.submit(warn_user, "odd").result()
    assert heard[0].filename != user_warnings.__file__
