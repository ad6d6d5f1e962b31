"""`show` and `show_live` of both faces and of the core: what they take, where it goes, and what they give back."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from llama_index.core.base.llms.types import ChatMessage

import langchain_chatbots as langchain
import llama_index_chatbots as llama_index
from remote_chatbots import AsyncBotClient, BotClient, BotTruncatedError, BotUsageError, DifyApp, TextDelta, display
from remote_chatbots.emulator import Cut, Emulator

FERRY = "When does the ferry leave? [[think]]"
Capture = pytest.CaptureFixture[str]
Outputs = list[tuple[str, dict[str, str]]]
QUESTION = [ChatMessage(FERRY)]


@pytest.fixture
def model(emulator: Emulator) -> langchain.ChatDify:
    return langchain.ChatDify(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url, user="anna")


@pytest.fixture
def llm(emulator: Emulator) -> llama_index.Dify:
    return llama_index.Dify(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url, user="anna")


@pytest.fixture
def client(emulator: Emulator) -> Iterator[BotClient]:
    app = DifyApp(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url)
    with BotClient(app, user="anna") as running:
        yield running


def is_whole(shown: str) -> None:
    """Check that all is there that the emulator says."""
    assert "The ferry to Gull Island leaves from pier 3" in shown
    assert "ferry.md" in shown
    assert "Knowledge Retrieval" in shown
    assert "USD" in shown
    assert "tokens (" in shown


def test_whatever_langchain_gives_is_shown(model: langchain.ChatDify, capsys: Capture) -> None:
    answer = model.invoke(FERRY)
    chunks = list(model.stream(FERRY))
    history = langchain.RemoteChatMessageHistory(model, conversation_id=answer.response_metadata["conversation_id"])
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    for one in (
        answer,
        whole,
        {"messages": [HumanMessage("x"), answer]},
        model.model_copy(update={"output_version": "v1"}).invoke(FERRY),
    ):
        langchain.show(one)
        shown = capsys.readouterr().out
        is_whole(shown)
        assert "Reasoning\n" in shown
    langchain.show(history.messages[-1])
    shown = capsys.readouterr().out
    assert "The ferry to Gull Island leaves" in shown
    assert "[1] ferry.md" in shown


def test_whatever_llama_index_gives_is_shown(llm: llama_index.Dify, capsys: Capture) -> None:
    engine = llama_index.RemoteChatEngine.from_llm(llm)
    streamed = engine.stream_chat(FERRY)
    assert "".join(streamed.response_gen)
    query = llama_index.RemoteQueryEngine.from_llm(llm)
    response = llm.chat(QUESTION)
    given = (response, response.message, llm.complete(FERRY), engine.chat(FERRY), streamed, query.query(FERRY))
    for one in given:
        llama_index.show(one)
        is_whole(capsys.readouterr().out)


def test_the_cores_own_answer_is_shown_by_all(client: BotClient, capsys: Capture) -> None:
    answer = client.ask(FERRY)
    for show in (langchain.show, llama_index.show, display.show):
        show(answer)
        is_whole(capsys.readouterr().out)


@pytest.mark.parametrize("show", [langchain.show, llama_index.show, display.show], ids=["langchain", "llama", "core"])
def test_what_is_no_answer_is_refused_by_name(show: Any) -> None:
    with pytest.raises(BotUsageError, match="not int"):
        show(3)
    with pytest.raises(BotUsageError, match="show_live"):
        show(iter([]))


def test_a_stream_is_shown_live_and_comes_back_whole(
    model: langchain.ChatDify, llm: llama_index.Dify, client: BotClient, capsys: Capture
) -> None:
    message = langchain.show_live(model.stream(FERRY))
    assert type(message) is AIMessage
    is_whole(capsys.readouterr().out)
    engine = llama_index.RemoteChatEngine.from_llm(llm)
    query = llama_index.RemoteQueryEngine.from_llm(llm, streaming=True)
    found = [
        str(llama_index.show_live(llm.stream_chat(QUESTION)).message.content),
        str(llama_index.show_live(llm.stream_complete(FERRY)).text),
        str(llama_index.show_live(engine.stream_chat(FERRY))),
        str(llama_index.show_live(query.query(FERRY))),
        display.show_live(client.stream(FERRY)).text,
        str(message.text),
    ]
    assert {answer.partition(". ")[2] for answer in found} == {found[0].partition(". ")[2]}
    assert capsys.readouterr().out.count("Sources") == 5


async def test_an_async_stream_is_shown_live_and_comes_back_whole(
    model: langchain.ChatDify, llm: llama_index.Dify, emulator: Emulator, capsys: Capture
) -> None:
    engine = llama_index.RemoteChatEngine.from_llm(llm)
    query = llama_index.RemoteQueryEngine.from_llm(llm, streaming=True)
    app = DifyApp(api_key=emulator.key("advanced-chat"), base_url=emulator.dify_url)
    async with AsyncBotClient(app, user="anna") as client:
        found = [
            str((await langchain.ashow_live(model.astream(FERRY))).text),
            str((await llama_index.ashow_live(await llm.astream_chat(QUESTION))).message.content),
            str(await llama_index.ashow_live(await engine.astream_chat(FERRY))),
            (await llama_index.ashow_live(await query.aquery(FERRY))).response_txt,
            (await display.ashow_live(client.stream(FERRY))).text,
        ]
    assert {answer.partition(". ")[2] for answer in found} == {found[0].partition(". ")[2]}
    assert capsys.readouterr().out.count("Sources") == 5


def test_in_a_notebook_one_output_is_updated_at_a_bounded_rate(outputs: Outputs, model: langchain.ChatDify) -> None:
    total = langchain.show_live(AIMessageChunk(f"{number} ") for number in range(5_000))
    assert len(str(total.text).split()) == 5_000
    (first, *again) = [what for what, _ in outputs]
    assert first.startswith("display rcb-")
    assert set(again) == {first.replace("display", "update")}
    assert len(outputs) < 100
    assert "4999" in outputs[-1][1]["text/html"]
    assert "answering" in outputs[0][1]["text/html"]
    assert "answering" not in outputs[-1][1]["text/html"]
    assert outputs[-1][1]["text/plain"].startswith("0 1 2 ")


def test_an_answer_shown_twice_has_other_ids_each_time(outputs: Outputs, model: langchain.ChatDify) -> None:
    answer = model.invoke(FERRY)
    for _ in range(2):
        langchain.show(answer)
    (first, _), (second, bundle) = outputs
    assert first != second
    assert f'id="{second.removeprefix("display ")}-1"' in bundle["text/html"]


def test_steps_are_seen_before_the_answer_is_whole(outputs: Outputs) -> None:
    step = {"kind": "node", "id": "1", "name": "Search", "status": "running"}
    call = {"type": "server_tool_call", "id": "2", "name": "rent_of", "args": {}}
    blocks = [{"type": "non_standard", "value": {"step": step}, "index": 0, "at": 0}, {**call, "index": 1, "at": 0}]
    chunk = AIMessageChunk("", additional_kwargs={"blocks": blocks}, response_metadata={"model_provider": "dify"})
    langchain.show_live([chunk])
    shown = outputs[0][1]["text/html"]
    assert "Search" in shown
    assert "rent_of" in shown


def test_a_turn_that_breaks_leaves_what_was_said_in_view_and_raises(
    emulator: Emulator, outputs: Outputs, llm: llama_index.Dify, model: langchain.ChatDify
) -> None:
    for stream, show_live in ((model.stream, langchain.show_live), (llm.stream_complete, llama_index.show_live)):
        emulator.faults.add(Cut(after_bytes=9_000))
        with pytest.raises(BotTruncatedError) as caught:
            show_live(stream("[[long]]"))
        shown = outputs[-1][1]["text/html"]
        assert "✗ dify: " in shown
        assert "This is a long answer." in shown
        langchain.show(caught.value)
        assert "This is a long answer." in outputs[-1][1]["text/html"]


def test_interrupting_stops_the_server(emulator: Emulator, model: langchain.ChatDify, monkeypatch: Any) -> None:
    def interrupted(_: str) -> int:
        raise KeyboardInterrupt

    before = len(emulator.requests)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(sys.stdout, "write", interrupted)
        langchain.show_live(model.stream("[[slow]]"))
    assert [one.path for one in emulator.requests[before:] if one.path.endswith("/stop")]


def test_a_stream_of_something_else_is_refused_and_closed() -> None:
    closed = []

    def words() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append("a")

    for show_live in (langchain.show_live, llama_index.show_live):
        with pytest.raises(BotUsageError, match="this one has str"):
            show_live(words())
    assert closed == ["a", "a"]


async def test_an_async_stream_is_closed_when_showing_fails() -> None:
    closed = []

    async def words() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            closed.append("a")

    with pytest.raises(BotUsageError):
        await langchain.ashow_live(words())
    assert closed == ["a"]


def test_a_terminal_is_told_the_text_once_and_nothing_that_it_would_obey(capsys: Capture) -> None:
    display.show_live([TextDelta("Red: \x1b[3"), TextDelta("1mno\x07 end")])
    assert capsys.readouterr().out == "Red: no end\n"


def test_a_notebook_without_the_packages_is_told_which_extra(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "remote_chatbots.display.page", raising=False)
    monkeypatch.delitem(sys.modules, "remote_chatbots.display.markdown", raising=False)
    monkeypatch.setitem(sys.modules, "nh3", None)
    with pytest.raises(BotUsageError, match=r"remote-chatbots\[notebook\]"):
        langchain.show(AIMessage("x"))
