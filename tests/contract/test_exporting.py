"""A user's conversations in a file, brought up to date again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from langchain_chatbots import ChatDify
from llama_index_chatbots import GPTBots
from remote_chatbots import (
    AsyncBotClient,
    BotClient,
    BotServerError,
    BotTruncatedError,
    BotUsageError,
    DifyApp,
    GPTBotsAgent,
)
from remote_chatbots.bulk import Exported, Progress, aexport_conversations, export_conversations
from remote_chatbots.emulator import Cut, Emulator, HtmlPage


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


def client_of(emulator: Emulator, user: str, conversations: int = 3) -> BotClient:
    """Return a client of a user who has so many conversations, of two turns each."""
    client = BotClient(DifyApp(emulator.dify_key, emulator.dify_url), user=user)
    for number in range(conversations):
        first = client.ask(f"When does the ferry leave? {number}")
        client.ask("And on Sundays?", conversation_id=first.conversation_id)
    return client


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def histories(emulator: Emulator, since: int) -> int:
    return sum(request.path.endswith("/messages") for request in emulator.requests[since:])


def test_each_conversation_is_a_line_with_what_the_client_tells_of_it(emulator: Emulator, tmp_path: Path) -> None:
    client = client_of(emulator, "whole")
    assert export_conversations(client, tmp_path / "all.jsonl") == Exported(written=3)
    found = {line["conversation"]["conversation_id"]: line for line in lines(tmp_path / "all.jsonl")}
    for conversation in client.conversations():
        line = found.pop(conversation.conversation_id)
        history = client.history(conversation.conversation_id)
        assert line["conversation"]["name"] == conversation.name
        assert [(one["role"], one["text"]) for one in line["messages"]] == [(one.role, one.text) for one in history]
        assert [source["title"] for source in line["messages"][1]["sources"]] == [
            source.title for source in history[1].sources
        ]
    assert found == {}
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o077 == 0


def test_what_has_not_changed_is_not_read_again_and_what_has_stands_once(emulator: Emulator, tmp_path: Path) -> None:
    client, path = client_of(emulator, "again"), tmp_path / "all.jsonl"
    export_conversations(client, path)
    since = len(emulator.requests)
    assert export_conversations(client, path) == Exported(unchanged=3)
    assert histories(emulator, since) == 0
    changed = client.conversations()[1].conversation_id
    client.ask("And on Mondays?", conversation_id=changed)
    client.ask("A new one")
    result = export_conversations(client, path)
    assert (result.written, result.unchanged) == (2, 2)
    found = lines(path)
    assert len({line["conversation"]["conversation_id"] for line in found}) == len(found) == 4
    (newest,) = (line for line in found if line["conversation"]["conversation_id"] == changed)
    assert newest["messages"][-2]["text"] == "And on Mondays?"
    assert [one.name for one in tmp_path.iterdir()] == ["all.jsonl"]


def test_conversations_of_one_turn_are_read_once_unless_the_server_tells_no_time_of_the_last_message(
    tmp_path: Path,
) -> None:
    for profile, again in (("1.14", Exported(unchanged=3)), ("0.15", Exported(unchanged=3)), ("2023", Exported(3))):
        with Emulator(profile=profile, token_delay_s=0) as emulator:
            client, path = BotClient(DifyApp(emulator.dify_key, emulator.dify_url), user="short"), tmp_path / profile
            for _ in range(3):
                client.ask("When does the ferry leave?")
            assert [export_conversations(client, path) for _ in range(3)] == [Exported(3), again, again]


def test_a_conversation_whose_last_answer_had_not_come_is_read_again(emulator: Emulator, tmp_path: Path) -> None:
    client, path = client_of(emulator, "unfinished", 1), tmp_path / "all.jsonl"
    conversation = client.conversations()[0].conversation_id
    emulator.faults.add(Cut(after_bytes=300), user="unfinished")
    with pytest.raises(BotTruncatedError):
        client.ask("[[long]] Well?", conversation_id=conversation)
    for _ in range(2):
        assert export_conversations(client, path) == Exported(written=1)
    (line,) = lines(path)
    assert (line["messages"][-2]["text"], line["messages"][-1]["text"]) == ("[[long]] Well?", "")


def test_a_conversation_that_the_server_has_no_longer_stays_in_the_file(emulator: Emulator, tmp_path: Path) -> None:
    client, path = client_of(emulator, "deleted"), tmp_path / "all.jsonl"
    export_conversations(client, path)
    client.delete(client.conversations()[0].conversation_id)
    assert export_conversations(client, path) == Exported(unchanged=2)
    assert len(lines(path)) == 3


def test_an_export_that_broke_off_goes_on_where_it_was(emulator: Emulator, tmp_path: Path) -> None:
    client, path = client_of(emulator, "broken"), tmp_path / "all.jsonl"
    told: list[Progress] = []

    def break_the_third(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 2:
            emulator.faults.add(HtmlPage(502), path="/v1/messages", user="broken")

    with pytest.raises(BotServerError):
        export_conversations(client, path, progress=break_the_third)
    assert told[-1] == Progress(2, 3, {"written": 2})
    assert len(lines(path)) == 2
    with path.open("ab") as file:
        file.write(b'{"conversation": {"conversation_id": "cut o')  # as a killed process leaves it
    assert export_conversations(client, path) == Exported(written=1, unchanged=2)
    assert len(lines(path)) == 3


def test_an_awaited_export_goes_on_and_tells_how_far_it_is_as_the_other_does(
    emulator: Emulator, tmp_path: Path
) -> None:
    client, path = client_of(emulator, "awaited"), tmp_path / "all.jsonl"
    told: list[Progress] = []

    def disturb(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 2:
            emulator.faults.add(HtmlPage(502), path="/v1/messages", user="awaited")

    async def exported(bot: Any) -> Exported:
        beats = asyncio.create_task(asyncio.sleep(0))  # the loop goes on meanwhile
        found = await aexport_conversations(bot, path, user="awaited", progress=disturb if not told else False)
        assert beats.done()
        return found

    with pytest.raises(BotServerError):
        asyncio.run(exported(client.bot))
    assert told == [Progress(1, 3, {"written": 1}), Progress(2, 3, {"written": 2})]
    assert asyncio.run(exported(AsyncBotClient(client.bot))) == Exported(written=1, unchanged=2)
    model = ChatDify(api_key=client.bot.api_key, base_url=client.bot.base_url)
    for bot in (client, model):
        assert asyncio.run(exported(bot)) == Exported(unchanged=3)
    assert len(lines(path)) == 3


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_conversation_that_is_deleted_meanwhile_is_gone(emulator: Emulator, tmp_path: Path, colour: str) -> None:
    client, path = client_of(emulator, f"meanwhile {colour}", 2), tmp_path / "all.jsonl"
    last = client.conversations()[-1].conversation_id

    def delete(progress: Progress) -> None:
        if progress.done == 1:
            client.delete(last)

    if colour == "sync":
        assert export_conversations(client, path, progress=delete) == Exported(written=1, gone=1)
    else:
        assert asyncio.run(aexport_conversations(client, path, progress=delete)) == Exported(written=1, gone=1)


@pytest.mark.parametrize("content", [b"my notes, without an end of line", b'{"id": 1}\n', b"a,b\n1,2\n"])
def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(
    emulator: Emulator, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(BotUsageError, match="no export of conversations"):
        export_conversations(client_of(emulator, "careful", 0), path)
    assert path.read_bytes() == content


def test_bots_clients_and_models_of_either_framework_are_exported_alike(emulator: Emulator, tmp_path: Path) -> None:
    client = client_of(emulator, "alike", 1)
    app = client.bot
    assert isinstance(app, DifyApp)
    model = ChatDify(api_key=app.api_key, base_url=app.base_url, user="alike")
    for number, bot in enumerate((client, AsyncBotClient(app, user="alike"), model)):
        assert export_conversations(bot, tmp_path / str(number)) == Exported(written=1)
    assert export_conversations(app, tmp_path / "of the bot", user="alike") == Exported(written=1)
    agent = GPTBotsAgent(emulator.gptbots_key, emulator.gptbots_url)
    BotClient(agent, user="greta").ask("When does the ferry leave?")
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="greta")
    assert export_conversations(llm, tmp_path / "agent") == Exported(written=1)
    assert export_conversations(llm, tmp_path / "agent") == Exported(unchanged=1)
    (line,) = lines(tmp_path / "agent")
    assert [one["role"] for one in line["messages"]] == ["user", "assistant"]


def test_a_bar_shows_how_far_an_export_is(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export_conversations(client_of(emulator, "barred", 2), tmp_path / "all.jsonl", progress=True)
    assert "2/2" in capsys.readouterr().err
