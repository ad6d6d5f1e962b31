"""What a client says to a caller's mistakes, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import AsyncBotClient, BotClient, BotUsageError, DifyApp


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
