"""What a server keeps is read a part at a time, and no part before it is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from langchain_chatbots import RemoteChatMessageHistory, RemoteConversationLoader
from llama_index_chatbots import RemoteConversationReader
from remote_chatbots import AsyncBotClient, BotClient, BotNotFoundError, BotUsageError, DifyApp, GPTBotsAgent
from remote_chatbots.emulator import Emulator
from remote_chatbots.platforms.dify import management as dify
from remote_chatbots.platforms.gptbots import management as gptbots
from tests.contract.faces import PLATFORMS, LangChain, LlamaIndex, reached

LISTS = {"/v1/conversations": "list", "/gptbots/v1/bot/conversation/page": "list"}
HISTORIES = {"/v1/messages": "history", "/gptbots/v2/messages": "history"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dify, "PAGE_SIZE", 2)
    monkeypatch.setattr(gptbots, "LIST_PAGE_SIZE", 2)


def bot_of(platform: str, emulator: Emulator) -> Any:
    given = reached(platform, emulator)
    given.pop("user")
    return (DifyApp if platform == "dify" else GPTBotsAgent)(**given)


def begun(platform: str, emulator: Emulator, user: str) -> list[str]:
    """Begin three conversations; return their ids, the newest first."""
    with BotClient(bot_of(platform, emulator), user=user) as client:
        return [client.ask(f"{number}?").conversation_id for number in range(3)][::-1]


def read_since(emulator: Emulator, before: int) -> list[str]:
    """Return what was read of the server since then: pages of the list, and histories."""
    known = LISTS | HISTORIES
    return [known[one.path] for one in emulator.requests[before:] if one.path in known]


async def taken(documents: Any) -> AsyncIterator[Any]:
    """Yield the documents of either colour."""
    if hasattr(documents, "__aiter__"):
        async for one in documents:
            yield one
    else:
        for one in documents:
            yield one


WAYS: dict[str, Callable[..., Any]] = {
    "lazy_load": lambda platform, emulator, user: RemoteConversationLoader(
        LangChain(platform, emulator, "sync").model, user=user
    ).lazy_load(),
    "alazy_load": lambda platform, emulator, user: RemoteConversationLoader(
        LangChain(platform, emulator, "async").model, user=user
    ).alazy_load(),
    "lazy_load_data": lambda platform, emulator, user: RemoteConversationReader(
        LlamaIndex(platform, emulator, "sync").model, user=user
    ).lazy_load_data(),
    "alazy_load_data": lambda platform, emulator, user: RemoteConversationReader(
        LlamaIndex(platform, emulator, "async").model, user=user
    ).alazy_load_data(),
}


@pytest.mark.usefixtures("pages_of_two")
@pytest.mark.parametrize("way", WAYS)
async def test_a_document_is_there_before_the_next_conversation_is_asked_for(
    emulator: Emulator, platform: str, way: str
) -> None:
    user = f"lazy-{way}"
    ids = begun(platform, emulator, user)
    before = len(emulator.requests)
    steps = []
    async for document in taken(WAYS[way](platform, emulator, user)):
        steps.append((document.metadata["conversation_id"], read_since(emulator, before)))
    first, second, third = ["list", "history"], ["list", "history", "history"], ["list", "history", "history"]
    assert steps == list(zip(ids, (first, second, [*third, "list", "history"]), strict=True))


@pytest.mark.usefixtures("pages_of_two")
async def test_each_conversation_is_yielded_from_the_page_that_holds_it(emulator: Emulator, platform: str) -> None:
    ids = begun(platform, emulator, "each")
    bot = bot_of(platform, emulator)
    with BotClient(bot, user="each") as client:
        before = len(emulator.requests)
        steps = [(one.conversation_id, len(read_since(emulator, before))) for one in client.each_conversation()]
        assert [one.conversation_id for one in client.each_conversation(limit=2)] == ids[:2]
        assert list(client.each_conversation(limit=0)) == []
    assert steps == list(zip(ids, (1, 1, 2), strict=True))
    async with AsyncBotClient(bot, user="each") as client:
        assert [one.conversation_id async for one in client.each_conversation()] == ids


def test_conversations_behind_one_are_told(emulator: Emulator, platform: str, call: Callable[..., Any]) -> None:
    user = f"behind-{len(emulator.requests)}"
    ids, bot = begun(platform, emulator, user), bot_of(platform, emulator)
    told = call(bot, "conversations", user=user, after=ids[0])
    assert [one.conversation_id for one in told] == ids[1:]
    assert call(bot, "conversations", user=user, after=ids[0], limit=1) == told[:1]
    assert call(bot, "conversations", user=user, after=ids[2]) == []
    with pytest.raises(BotNotFoundError):
        call(bot, "conversations", user="behind", after="0b8e2b9e-0000-4000-8000-000000000000")


def test_a_history_is_read_in_parts_and_no_turn_of_one_second_is_lost(
    emulator: Emulator, platform: str, call: Callable[..., Any]
) -> None:
    bot = bot_of(platform, emulator)
    id_ = call(bot, "ask", "0").conversation_id
    for question in ("1", "[[same]]2", "[[same]]3", "4", "[[same]]5", "6"):
        call(bot, "ask", question, conversation_id=id_)
    whole = call(bot, "history", id_)
    for limit in (1, 2, 3, 5):
        read: list[Any] = []
        while part := call(bot, "history", id_, limit=limit, before=read):
            assert len(part) <= limit
            read = part + read
        assert {(one.message_id, one.role) for one in read} == {(one.message_id, one.role) for one in whole}
        assert len(read) == len(whole) == 14


def test_what_is_no_place_in_a_history_is_refused(emulator: Emulator, platform: str, call: Callable[..., Any]) -> None:
    bot = bot_of(platform, emulator)
    id_ = call(bot, "ask", "0").conversation_id
    before = len(emulator.requests)
    for wrong in (5, None, ["m-1"]):
        with pytest.raises(BotUsageError, match=f"^{platform}: before must be"):
            call(bot, "history", id_, before=wrong)
    assert len(emulator.requests) == before
    with pytest.raises(BotNotFoundError):
        call(bot, "history", id_, before="0b8e2b9e-0000-4000-8000-000000000000")


def test_langchains_history_is_read_when_it_is_looked_at_and_no_further_than_it_must(
    emulator: Emulator, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dify, "PAGE_SIZE", 4)
    monkeypatch.setattr(gptbots, "PAGE_SIZE", 8)
    model = LangChain(platform, emulator, "sync").model
    with BotClient(bot_of(platform, emulator), user=model.user) as client:
        id_ = client.ask("0").conversation_id
        for number in range(1, 12):
            client.ask(str(number), conversation_id=id_)
        whole = client.history(id_)
        before = len(emulator.requests)
        newest = RemoteChatMessageHistory(model, conversation_id=id_, last=4)
        assert read_since(emulator, before) == []
        messages = newest.messages
        assert read_since(emulator, before) == ["history"]
    assert [one.text for one in messages] == [one.text for one in whole[-4:]]
    place = whole[-4].message_id
    older = RemoteChatMessageHistory(model, conversation_id=id_, last=2, before=place).messages
    assert [one.text for one in older] == [one.text for one in whole[-6:-4]]
