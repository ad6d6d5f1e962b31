"""The parts of langchain-tests that send files, for apps that take them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests, chat_models

from langchain_chatbots import ChatDify, ChatGPTBots
from remote_chatbots.emulator import Emulator

# The suite fetches its files from the web; here they are at hand.
FILES = {
    ".jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200),
    ".png": b"\x89PNG\r\n\x1a\n" + bytes(200),
    ".pdf": b"%PDF-1.7\n" + bytes(range(32, 127)),
    ".wav": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(200),
}


def fetched(url: str, **_: Any) -> Any:
    return SimpleNamespace(content=next(data for ending, data in FILES.items() if url.endswith(ending)))


class _WithFiles(ChatModelIntegrationTests):
    kind: str

    @pytest.fixture(autouse=True)
    def _reached(self, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self._emulator = emulator
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "nobody: nothing is fetched")
        monkeypatch.setattr(chat_models, "httpx", SimpleNamespace(get=fetched))

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatGPTBots if self.kind == "gptbots" else ChatDify

    @property
    def chat_model_params(self) -> dict[str, Any]:
        url = self._emulator.gptbots_url if self.kind == "gptbots" else self._emulator.dify_url
        return {"api_key": self._emulator.key(self.kind), "base_url": url, "user": "anna"}

    has_tool_calling = False
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True


class TestChatflow(_WithFiles):
    kind = "advanced-chat-files"


class TestAgent(_WithFiles):
    kind = "gptbots"
