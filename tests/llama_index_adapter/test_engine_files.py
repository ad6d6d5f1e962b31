"""What goes along with one question to a chat engine: files and inputs, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import AudioBlock, ChatMessage, DocumentBlock, ImageBlock, TextBlock

from llama_index_chatbots import GPTBots, RemoteChatEngine, RemoteLLM, RemoteStreamingResponse
from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import AGAIN, QUESTION, MakeLLM, sent

WAYS = ("chat", "achat", "stream_chat", "astream_chat")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(67)
PICTURE = Attachment.from_bytes(PNG, name="sky.png")
ASKED = "What is this?"


@pytest.fixture(params=["dify", "gptbots"])
def seeing(emulator: Emulator, make_llm: MakeLLM, request: pytest.FixtureRequest) -> RemoteLLM:
    """A bot that takes pictures."""
    if request.param == "dify":
        return make_llm("chat-image")
    return GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="seeing")


async def ask(engine: RemoteChatEngine, way: str, message: Any, **along: Any) -> Any:
    """Ask in one of the four ways, read the answer to its end and return it."""
    answer = getattr(engine, way)(message, **along)
    if way.startswith("a"):
        answer = await answer
    if isinstance(answer, RemoteStreamingResponse):
        _ = [piece async for piece in answer.async_response_gen()] if way[0] == "a" else list(answer.response_gen)
    return answer


def pictures_of(emulator: Emulator, before: int) -> list[int]:
    """Return how many pictures each question since then went with."""
    found = []
    for request in emulator.requests[before:]:
        if request.path == "/v1/chat-messages":
            found.append(len(request.body.get("files", [])))
        elif request.path.endswith("/v2/conversation/message"):
            content = request.body["messages"][-1]["content"]
            found.append(sum(part["type"] == "image" for part in content) if isinstance(content, list) else 0)
    return found


@pytest.mark.parametrize("way", WAYS)
async def test_a_question_may_be_a_message_with_a_picture(emulator: Emulator, seeing: RemoteLLM, way: str) -> None:
    engine, before = RemoteChatEngine.from_llm(seeing), len(emulator.requests)
    message = ChatMessage(role="user", blocks=[TextBlock(text=ASKED), ImageBlock(image=PNG)])
    await ask(engine, way, message)
    await ask(engine, way, AGAIN)
    assert pictures_of(emulator, before) == [1, 0]
    assert [one.content for one in engine.chat_history][::2] == [ASKED, AGAIN]
    assert isinstance(engine.chat_history[0].blocks[1], ImageBlock)


@pytest.mark.parametrize("way", WAYS)
async def test_files_go_with_the_one_question_they_are_given_to(
    emulator: Emulator, seeing: RemoteLLM, way: str
) -> None:
    engine, before = RemoteChatEngine.from_llm(seeing), len(emulator.requests)
    first = await ask(engine, way, ASKED, files=[PICTURE])
    second = await ask(engine, way, AGAIN)
    assert pictures_of(emulator, before) == [1, 0]
    assert ASKED in str(second)
    assert first.metadata["conversation_id"] == second.metadata["conversation_id"] == engine.conversation_id
    both = ChatMessage(role="user", blocks=[TextBlock(text=ASKED), ImageBlock(image=PNG)])
    await ask(engine, way, both, files=[PICTURE])
    assert pictures_of(emulator, before) == [1, 0, 2]
    with pytest.raises(BotUsageError, match=r"files must be a list of Attachment"):
        await ask(engine, way, ASKED, files=PICTURE)
    assert len(engine.chat_history) == 6


def test_documents_and_sound_go_too(emulator: Emulator) -> None:
    llm = GPTBots(api_key=emulator.gptbots_key, base_url=emulator.gptbots_url, user="seeing")
    document = DocumentBlock(data=b"%PDF-1.4 a page", title="page.pdf", document_mimetype="application/pdf")
    sound = AudioBlock(audio=b"ID3" + bytes(64), format="mp3")
    RemoteChatEngine.from_llm(llm).chat(ChatMessage(role="user", blocks=[TextBlock(text=ASKED), document, sound]))
    content = emulator.requests[-1].body["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "document", "audio"]


@pytest.mark.parametrize("way", WAYS)
async def test_inputs_of_a_question_are_laid_over_the_engines_and_the_llms(
    emulator: Emulator, make_llm: MakeLLM, way: str
) -> None:
    llm = make_llm(inputs={"city": "Bergen", "tone": "dry"})
    engine = RemoteChatEngine.from_llm(llm, inputs={"tone": "warm", "name": "Anna"})
    await ask(engine, way, QUESTION, inputs={"name": "Bob"})
    await ask(engine, way, QUESTION)
    found = [body["inputs"] for body in sent(emulator, llm.user)]
    assert [one["name"] for one in found] == ["Bob", "Anna"]
    assert {(one["city"], one["tone"]) for one in found} == {("Bergen", "warm")}
    with pytest.raises(BotUsageError, match="inputs must be"):
        await ask(engine, way, QUESTION, inputs="Bob")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "belongs"),
    [("user", "the engine: RemoteChatEngine.from_llm(llm, user=…)"), ("knowledge", "the LLM: knowledge=…")],
)
async def test_what_belongs_elsewhere_is_refused_by_name_and_nothing_is_sent(
    emulator: Emulator, bot: RemoteLLM, way: str, name: str, belongs: str
) -> None:
    before = len(emulator.requests)
    with pytest.raises(BotUsageError) as caught:
        await ask(RemoteChatEngine.from_llm(bot), way, QUESTION, **{name: "anna"})
    assert str(caught.value).startswith(f"{name} is no argument of one question")
    assert str(caught.value).endswith(f"Give it to {belongs}.")
    assert emulator.requests[before:] == []


@pytest.mark.parametrize("message", [ChatMessage(role="assistant", content="At nine."), 5, None, [QUESTION]])
def test_what_is_no_question_is_refused(make_llm: MakeLLM, message: Any) -> None:
    with pytest.raises(BotUsageError, match=r"^The message is (one of the role assistant|an? \w+), and a question"):
        RemoteChatEngine.from_llm(make_llm()).chat(message)
