"""A conversation that a chat goes on with: its newest answer is the chat's."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from remote_chatbots import BotClient, BotError, DifyApp, GPTBotsAgent
from remote_chatbots.cli import main
from remote_chatbots.emulator import Emulator
from tests.command_line.running import Chat

ABOUT_IT = ("/sources", "/feedback like", "/recover")


@pytest.fixture
def asked(emulator: Emulator) -> str:
    """The id of a conversation of anna's."""
    with BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="anna") as client:
        return client.ask("When does the ferry leave?").conversation_id


@pytest.fixture
def agent(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Say lines to a GPTBots agent, with which anna has a conversation; return all that is told."""
    with BotClient(GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url), user="anna") as client:
        client.ask("When does the ferry leave?")

    def said(*lines: str, options: tuple[str, ...] = ()) -> str:
        monkeypatch.setenv("GPTBOTS_API_KEY", emulator.gptbots_key)
        monkeypatch.setenv("GPTBOTS_BASE_URL", emulator.gptbots_url)
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
        assert main(["chat", "--user", "anna", *options]) == 0
        told = capsys.readouterr()
        return told.out + told.err

    return said


def test_the_newest_answer_of_a_conversation_that_is_opened_has_sources_can_be_rated_and_is_whole(
    emulator: Emulator, chat: Chat, asked: str
) -> None:
    for opened in (chat(*ABOUT_IT, options=("--conversation", asked)), chat("/open 1", *ABOUT_IT)):
        out, err = opened
        assert out.count("[1] ferry.md 0.79") == 2  # in a line of the history, and in full
        assert "Rated: like" in err
        assert "The newest answer is whole." in err
    with BotClient(DifyApp(emulator.key("chat"), emulator.dify_url), user="anna") as client:
        assert client.history(asked)[-1].rating == "like"


def test_the_sources_of_an_agent_are_asked_for_where_neither_its_answers_nor_its_history_names_them(
    emulator: Emulator, agent: Callable[..., str]
) -> None:
    told = agent("/open 1", *ABOUT_IT)
    assert "[1] ferry.md" in told
    assert "Rated: like" in told
    assert "The newest answer is whole." in told
    assert [one.path for one in emulator.requests].count("/gptbots/v1/correlate/dataset") == 1
    assert "[1] ferry.md" in agent("When does the ferry leave?", "/sources", "/sources")
    assert [one.path for one in emulator.requests].count("/gptbots/v1/correlate/dataset") == 2


def test_a_number_opens_what_a_list_would_show(emulator: Emulator, chat: Chat, asked: str) -> None:
    out, _ = chat("/open 1", "And on Sundays?")
    assert "The crossing takes 25 minutes." in out
    assert emulator.requests[-1].body["conversation_id"] == asked
    _, err = chat("/open 2", "/open 0", code=1)
    assert err.count("Give a number that /list shows") == 2


def test_an_answer_that_the_server_has_no_text_of_is_not_whole_when_its_conversation_is_opened(
    emulator: Emulator, chat: Chat
) -> None:
    app = DifyApp(emulator.key("chat"), emulator.dify_url)
    with BotClient(app, user="anna") as client, pytest.raises(BotError):
        client.ask("[[fail]] When does the ferry leave?")
    _, err = chat("/open 1", "/recover", code=1)
    assert "✗ dify: " in err
    assert "is whole" not in err


def test_there_is_no_answer_before_the_first(chat: Chat) -> None:
    _, err = chat("/sources", "/recover")
    assert err.count("There is no answer yet.") == 2
