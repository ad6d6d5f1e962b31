"""Conversations as Documents."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage

from langchain_chatbots import RemoteConversationLoader
from remote_chatbots import BotNotFoundError, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.langchain_adapter.asking import PLATFORMS, MakeBot, conversation, looks_into

FIRST, SECOND = "When does the ferry leave?", "And on Sundays?"
pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


async def test_conversations_are_documents_with_their_messages_sources_and_ratings(
    make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    one = model.invoke(FIRST)
    two = model.invoke([HumanMessage(FIRST), one, HumanMessage(SECOND)])
    other = model.invoke("Is the museum open?")
    model._sync_client().feedback(two.response_metadata["message_id"], "dislike", user=model.user)
    loader = RemoteConversationLoader(model)
    newest, oldest = documents = loader.load()
    assert documents == await loader.aload()
    assert [document.id for document in documents] == [conversation(other), conversation(one)]
    assert f"user: {FIRST}" in oldest.page_content
    assert f"assistant: {two.text}" in oldest.page_content
    assert oldest.metadata["ratings"] == ["dislike"]
    assert oldest.metadata["messages"][-1]["message_id"] == two.response_metadata["message_id"]
    assert (newest.metadata["user"], newest.metadata["model_provider"]) == (model.user, platform)
    assert newest.metadata["bot"] == one.response_metadata["bot"]
    if platform == "dify":  # GPTBots' history names no sources
        assert "ferry.md" in oldest.metadata["sources"]


def test_a_turn_may_be_a_document(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    one = model.invoke(FIRST)
    two = model.invoke([HumanMessage(FIRST), one, HumanMessage(SECOND)])
    turns = RemoteConversationLoader(model, [conversation(one)], per="turn").load()
    ids = [one.response_metadata["message_id"], two.response_metadata["message_id"]]
    assert [turn.id for turn in turns][-2:] == ids
    assert turns[-1].page_content == f"user: {SECOND}\n\nassistant: {two.text}"


async def test_a_conversation_is_read_when_it_is_asked_for(
    emulator: Emulator, make_bot: MakeBot, platform: str
) -> None:
    model = make_bot(platform)
    ids = [conversation(model.invoke(FIRST)) for _ in range(3)]
    next(RemoteConversationLoader(model, ids).lazy_load())
    assert [len(looks_into(emulator, id_)) for id_ in ids] == [1, 0, 0]
    documents = RemoteConversationLoader(model, ids).alazy_load()
    await anext(documents)
    await documents.aclose()
    assert [len(looks_into(emulator, id_)) for id_ in ids] == [2, 0, 0]
    assert len(RemoteConversationLoader(model, limit=2).load()) == 2


def test_wrong_arguments_and_unknown_conversations_are_refused(make_bot: MakeBot, platform: str) -> None:
    model = make_bot(platform)
    with pytest.raises(BotUsageError, match="per"):
        RemoteConversationLoader(model, per="message")
    for ids, limit in (("c-1", None), (["c-1"], -1), (["c-1"], "3"), (None, True)):
        with pytest.raises(BotUsageError, match=f"^{platform}: .* Give (a list|such a number)"):
            RemoteConversationLoader(model, ids, limit=limit).load()  # type: ignore[arg-type]
    with pytest.raises(BotNotFoundError):
        RemoteConversationLoader(model, ["5d8c2d7e-0000-4000-8000-000000000000"]).load()
