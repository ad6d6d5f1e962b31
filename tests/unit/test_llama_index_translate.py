"""How LlamaIndex's messages are read by the rules of a history. The rules themselves are tested with LangChain's."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_chatbots._translate import Said
from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.history import Plan, is_own, newest_conversation, plan

BOT = "dify:dify.example.com:0123456789ab"


def say(content: Any, role: str = "user", **told: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole(role), content=content, additional_kwargs=told)


def own(text: str = "Rain.", conversation_id: str = "c-1", **told: Any) -> ChatMessage:
    return say(text, "assistant", bot=BOT, conversation_id=conversation_id, **told)


def planned(*messages: ChatMessage, **options: Any) -> Plan:
    return plan([Said(message) for message in messages], bot_id=BOT, **options)


def test_a_file_in_a_system_message_is_refused_and_one_of_a_tool_goes() -> None:
    picture = ImageBlock(url="https://h/sky.png")
    with pytest.raises(BotUsageError, match="A system message holds a file"):
        planned(say([TextBlock(text="Be brief."), picture], "system"), say("Hi"))
    assert len(planned(own(), say([TextBlock(text="Here."), picture], "tool"), say("And?")).files) == 1


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([say("Rain?")], Plan("Rain?")),
        ([say("Hi"), own(), say("Rain?")], Plan("Rain?", "c-1")),
        ([say("Hi"), say("Hello.", "assistant"), say("Rain?")], Plan("user: Hi\n\nassistant: Hello.\n\nuser: Rain?")),
        ([own("a", "c-1"), say("b"), own("c", "c-2"), say("d")], Plan("d", "c-2")),
    ],
    ids=["one message", "an own answer", "another's answer", "two conversations"],
)
def test_what_is_new_in_a_history_is_sent(messages: list[ChatMessage], expected: Plan) -> None:
    assert planned(*messages) == expected


def test_what_was_read_from_the_conversation_is_not_sent_into_it_again() -> None:
    unanswered = say("Hi", conversation_id="c-1", message_id="m-1")
    assert planned(own(), unanswered, say("Rain?")).text == "Rain?"
    assert planned(unanswered, say("Rain?"), conversation_id="c-1").text == "Rain?"
    assert planned(unanswered, say("Rain?"), conversation_id="").text == "Hi\n\nRain?"
    with pytest.raises(BotUsageError, match="nothing new"):
        planned(own(), unanswered)


@pytest.mark.parametrize("role", ["assistant", "chatbot", "model"])
def test_an_own_answer_is_an_assistants_whatever_the_word_for_it(role: str) -> None:
    answer = say("a", role, bot=BOT, conversation_id="c-7")
    assert is_own(Said(answer), BOT)
    assert newest_conversation([Said(answer), Said(say("b"))], BOT) == "c-7"
    assert not is_own(Said(say("a", "user", bot=BOT, conversation_id="c-7")), BOT)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_is_one_whatever_the_word_for_it(role: str) -> None:
    assert planned(say("Be brief.", role), say("Rain?")).text == "Be brief.\n\nRain?"


def test_roles_names_and_calls_stand_in_a_transcript() -> None:
    call = ToolCallBlock(tool_name="forecast", tool_kwargs={"city": "上海"}, tool_call_id="x")
    told = planned(
        say("Rain?", name="Ann"),
        say([TextBlock(text="Let me look."), call], "assistant"),
        say("80%", "tool", name="forecast"),
        say([ToolCallBlock(tool_name="clock", tool_kwargs="{}")], "assistant"),
    )
    assert told.text == (
        'user (Ann): Rain?\n\nassistant: Let me look. [calls forecast({"city": "上海"})]\n\ntool (forecast): 80%'
        "\n\nassistant: [calls clock({})]"
    )


def test_thoughts_and_cache_points_are_no_part_of_a_question() -> None:
    blocks = [ThinkingBlock(content="hm"), TextBlock(text="Rain?"), CachePoint(cache_control=CacheControl(type="x"))]
    assert planned(say(blocks)) == Plan("Rain?")


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (ImageBlock(url="https://h/a.png"), "image"),
        (AudioBlock(url="https://h/a.mp3"), "audio"),
        (VideoBlock(url="https://h/a.mp4"), "video"),
        (DocumentBlock(url="https://h/a.pdf"), "document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_goes_with_the_question(block: Any, kind: Any) -> None:
    assert planned(say([TextBlock(text="What?"), block])).files == (Attachment(kind, url=str(block.url)),)
    assert planned(say([TextBlock(text="What?"), block]), own(), say("And?")).files == ()


PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)
MP3 = b"ID3\x04" + bytes(60)
PDF = b"%PDF-1.7\n" + bytes(range(200))


@pytest.mark.parametrize(
    ("block", "data", "told"),
    [
        (ImageBlock(image=PNG), PNG, ("image", "image/png", "image.png")),
        (ImageBlock(image=b64encode(PNG)), PNG, ("image", "image/png", "image.png")),
        (ImageBlock(image=BytesIO(PNG)), PNG, ("image", "image/png", "image.png")),
        (ImageBlock(url=f"data:image/png;base64,{b64encode(PNG).decode()}"), PNG, ("image", "image/png", "image.png")),
        (AudioBlock(audio=MP3, format="mp3"), MP3, ("audio", "audio/mpeg", "audio.mp3")),
        (VideoBlock(video=b"\0\0\0 ftypisom"), b"\0\0\0 ftypisom", ("video", "video/mp4", "video.mp4")),
        (DocumentBlock(data=PDF), PDF, ("document", "application/pdf", "document.pdf")),
        (DocumentBlock(data=PDF, title="Ferry"), PDF, ("document", "application/pdf", "Ferry.pdf")),
        (DocumentBlock(data=b"a,b", document_mimetype="text/csv"), b"a,b", ("document", "text/csv", "document.csv")),
    ],
    ids=["image", "base64", "a file object", "a data url", "sound", "film", "pdf", "with a title", "csv"],
)
def test_the_bytes_of_a_block_go_with_the_question(block: Any, data: bytes, told: tuple[str, str, str]) -> None:
    [file] = planned(say([TextBlock(text="What?"), block])).files

    assert (file.kind, file.media_type, file.file_name) == told
    assert b"".join(file.content) == data


@pytest.mark.parametrize("kind", [ImageBlock, DocumentBlock], ids=["image", "document"])
def test_a_path_is_read_and_its_bytes_say_what_it_is(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "sky.dat"
    path.write_bytes(PNG)
    [file] = planned(say([TextBlock(text="What?"), kind(path=path)])).files

    assert (file.kind, file.media_type, file.file_name) == ("image", "image/png", "sky.dat")
    assert b"".join(file.content) == PNG


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(),
        AudioBlock(),
        ImageBlock(url="data:image/png;base64,iVBORw0KGgo=!"),
        ImageBlock(url="file:///iVBORw0KGgo=/etc/hostname"),
        CitableBlock(title="t", source="s", content=[TextBlock(text="iVBORw0KGgo=")]),
    ],
    ids=["nothing", "no sound", "no base64", "a file's address", "a citable block"],
)
def test_a_block_that_cannot_be_sent_is_refused_without_its_bytes(block: Any) -> None:
    with pytest.raises(BotUsageError, match=type(block).__name__) as caught:
        planned(say([TextBlock(text="What?"), block]))
    assert "iVBOR" not in str(caught.value)
