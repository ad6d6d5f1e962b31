"""What a client says to a caller's mistakes, before anything is sent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from remote_chatbots import AsyncBotClient, BotClient, BotUsageError, DifyApp, GPTBotsAgent


@pytest.mark.parametrize("client", [BotClient, AsyncBotClient])
@pytest.mark.parametrize("bot", ["app-a-key", None, DifyApp], ids=["a key", "nothing", "a class"])
def test_what_is_no_bot_is_refused_without_being_repeated(client: Any, bot: Any) -> None:
    with pytest.raises(BotUsageError, match="bot must be a bot") as caught:
        client(bot)
    assert "app-a-key" not in str(caught.value)


@pytest.mark.parametrize("files", [1, "a.png", [1]], ids=repr)
def test_files_that_are_none_are_refused_by_their_name(files: Any) -> None:
    with pytest.raises(BotUsageError, match=r"a list of Attachment.*Give remote_chatbots\.Attachment\.from_path\("):
        BotClient(DifyApp("app-a-key"), user="anna").stream("Hello?", files=files)


@pytest.mark.parametrize("bot", [DifyApp("app-a-key"), GPTBotsAgent("app-a-key")], ids=["dify", "gptbots"])
@pytest.mark.parametrize("conversation_id", ["", None, 5], ids=repr)
def test_a_history_of_no_conversation_is_refused_on_every_platform(bot: Any, conversation_id: Any) -> None:
    match = rf"^{bot.name}: conversation_id is missing\. Give the one that the server gave\.$"
    with BotClient(bot, user="anna") as client, pytest.raises(BotUsageError, match=match):
        client.history(conversation_id)
    with pytest.raises(BotUsageError, match=match):
        asyncio.run(AsyncBotClient(bot, user="anna").history(conversation_id))
