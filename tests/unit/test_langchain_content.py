"""What a message of LangChain says: its speaker, its text, its files."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from remote_chatbots import Attachment, BotUsageError
from remote_chatbots.history import Plan
from tests.unit.langchain_histories import human, own, planned

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

# Content in blocks


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Will it "}, {"type": "text", "text": "rain?"}], "Will it rain?"),
        (["Will it ", {"type": "text", "text": "rain?"}], "Will it rain?"),
        ([{"type": "text-plain", "mime_type": "text/plain", "text": "notes"}], "notes"),
        ([{"type": "text", "text": "Rain?", "annotations": [], "index": 0}], "Rain?"),
    ],
    ids=["blocks", "strings and blocks", "a plain text", "a block of a v1 answer"],
)
def test_text_in_blocks_is_text(content: list[Any], text: str) -> None:
    assert planned(human(content)) == Plan(text)


def test_an_answer_in_blocks_is_told_by_its_text() -> None:
    answer = AIMessage([{"type": "reasoning", "reasoning": "West, so"}, {"type": "text", "text": "Rain."}])

    assert planned(human("Hi"), answer, human("Sure?")).text == "user: Hi\n\nassistant: Rain.\n\nuser: Sure?"


@pytest.mark.parametrize(
    ("block", "file"),
    [
        ({"type": "image", "url": "https://h/sky.png"}, Attachment("image", url="https://h/sky.png")),
        ({"type": "image", "url": "http://h/sky.png"}, Attachment("image", url="http://h/sky.png")),
        ({"type": "image", "file_id": "f-1"}, Attachment("image", file_id="f-1")),
        ({"type": "audio", "file_id": "f-1"}, Attachment("audio", file_id="f-1")),
        ({"type": "video", "url": "https://h/v.mp4"}, Attachment("video", url="https://h/v.mp4")),
        ({"type": "file", "file_id": "f-1"}, Attachment("document", file_id="f-1")),
        (
            {"type": "image_url", "image_url": {"url": "https://h/sky.png", "detail": "low"}},
            Attachment("image", url="https://h/sky.png"),
        ),
        ({"type": "image_url", "image_url": "https://h/sky.png"}, Attachment("image", url="https://h/sky.png")),
    ],
    ids=["address", "plain http", "id", "audio", "video", "document", "OpenAI's form", "OpenAI's old form"],
)
def test_a_file_goes_with_the_question(block: dict[str, Any], file: Attachment) -> None:
    told = planned(human([{"type": "text", "text": "What is this?"}, block]))

    assert told == Plan("What is this?", files=(file,))


IN_BASE64 = "iVBORw0KGgoAAAAN"
DATA_URL = f"data:image/png;base64,{IN_BASE64}"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": IN_BASE64, "mime_type": "image/png"},
        {"type": "image", "base64": IN_BASE64, "mime_type": "image/jpeg", "id": "x", "index": 0},
        {"type": "image", "url": DATA_URL},
        {"type": "image", "source_type": "base64", "data": IN_BASE64, "mime_type": "image/png"},
        {"type": "image", "source_type": "url", "url": DATA_URL},
        {"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}},
        {"type": "image_url", "image_url": DATA_URL},
        {"type": "file", "base64": IN_BASE64},
        {"type": "file", "file": {"file_data": DATA_URL}},
    ],
    ids=[
        "base64",
        "mislabelled",
        "data url",
        "0.3",
        "0.3 url",
        "OpenAI",
        "OpenAI's old form",
        "a file",
        "OpenAI's file",
    ],
)
def test_the_bytes_of_a_block_go_with_the_question_in_whichever_form_they_come(block: dict[str, Any]) -> None:
    [file] = planned(human([{"type": "text", "text": "What is this?"}, block])).files

    assert (file.kind, file.media_type, file.file_name) == ("image", "image/png", "image.png")
    assert b"".join(file.content) == b64decode(IN_BASE64)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"type": "audio", "base64": "SUQzBAA=", "mime_type": "audio/mp3"}, ("audio", "audio/mpeg", "audio.mp3")),
        ({"type": "input_audio", "input_audio": {"data": "SUQzBAA=", "format": "mp3"}},
            ("audio", "audio/mpeg", "audio.mp3")),
        ({"type": "video", "base64": "AAAAIGZ0eXBpc29t"}, ("video", "video/mp4", "video.mp4")),
        ({"type": "file", "base64": "JVBERi0xLjc=", "extras": {"filename": "Ferry.pdf"}},
            ("document", "application/pdf", "Ferry.pdf")),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0xLjc=", "filename": "a.pdf"}},
            ("document", "application/pdf", "a.pdf")),
        ({"type": "file", "url": "https://h/plan.xlsx"}, ("document", XLSX, "plan.xlsx")),
        ({"type": "text-plain", "base64": "SGVsbG8=", "title": "note"}, ("document", "text/plain", "note.txt")),
        ({"type": "file", "source_type": "id", "id": "f-1"}, ("document", "application/octet-stream", "document")),
    ],
    ids=["audio", "OpenAI's audio", "video", "pdf", "OpenAI's pdf", "an address", "plain text", "an id of 0.3"],
)  # fmt: skip
def test_a_file_is_what_its_bytes_or_its_name_say(block: dict[str, Any], told: tuple[str, str, str]) -> None:
    [file] = planned(human([{"type": "text", "text": "What is this?"}, block])).files

    assert (file.kind, file.media_type, file.file_name) == told


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image"},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {}},
        {"type": "image", "url": "", "file_id": ""},
        {"type": "image", "url": 5},
        {"type": "image", "base64": "iVBORw0KGgo=!"},
        {"type": "image", "base64": b"iVBORw0KGgo="},
        {"type": "image", "url": "file:///etc/iVBORw0KGgo="},
        {"type": "image", "path": "/etc/iVBORw0KGgo="},
        {"type": "tool_use", "name": "x"},
        {},
    ],
    ids=[
        "an image without anything",
        "OpenAI's form without anything",
        "OpenAI's form without an address",
        "an empty address and id",
        "a number as address",
        "no base64",
        "bytes",
        "a file's address",
        "a path",
        "a call of a tool",
        "no type",
    ],
)
def test_a_block_that_cannot_be_sent_is_refused_without_its_bytes(block: dict[str, Any]) -> None:
    with pytest.raises(BotUsageError, match="content block") as caught:
        planned(human([{"type": "text", "text": "What is this?"}, block]))

    assert "iVBOR" not in str(caught.value)


def test_files_of_older_turns_are_not_sent_again() -> None:
    image = {"type": "image", "url": "https://h/sky.png"}

    assert planned(human([image]), own(), human("And now?")).files == ()


IMAGE = {"type": "image", "url": "https://h/sky.png"}


def test_a_file_that_a_tool_found_goes_with_the_question_and_one_of_another_answer_does_not() -> None:
    found = ToolMessage([{"type": "text", "text": "Here."}, IMAGE], tool_call_id="t-1")
    answer = AIMessage([{"type": "text", "text": "Seen."}, {"type": "image", "url": "https://h/other.png"}])

    assert [file.url for file in planned(own(), found, answer, human("And?")).files] == ["https://h/sky.png"]


def test_a_file_in_a_system_message_is_refused_in_place_of_being_lost() -> None:
    with pytest.raises(BotUsageError, match="A system message holds a file"):
        planned(SystemMessage([{"type": "text", "text": "Be brief."}, IMAGE]), human("Hi"))


def test_files_of_all_new_messages_go_in_order() -> None:
    images = [{"type": "image", "url": f"https://h/{at}.png"} for at in (1, 2, 3)]

    told = planned(own(), human(images[:2]), human([{"type": "text", "text": "Which?"}, images[2]]))

    assert [file.url for file in told.files] == ["https://h/1.png", "https://h/2.png", "https://h/3.png"]


def test_blocks_of_other_agents_that_are_no_text_are_left_out() -> None:
    answer = AIMessage([{"type": "image", "base64": "iVBORw0KGgo="}, {"type": "text", "text": "Look."}])

    assert planned(human("Draw"), answer, human("What is it?")) == Plan(
        "user: Draw\n\nassistant: Look.\n\nuser: What is it?"
    )


def test_the_history_is_not_changed() -> None:
    history = [SystemMessage("Be brief."), human("Hi"), own(), human([{"type": "text", "text": "Rain?"}])]
    before = [message.model_dump() for message in history]

    planned(*history)

    assert [message.model_dump() for message in history] == before


# Who speaks


@pytest.mark.parametrize("role", ["user", "human"])
def test_a_chat_message_of_the_user_is_sent_as_its_plain_text(role: str) -> None:
    assert planned(ChatMessage(role=role, content="Rain?")) == Plan("Rain?")
    assert planned(own("Hello."), ChatMessage(role=role, content="Rain?")) == Plan("Rain?", "c-1")


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_chat_message_of_the_system_is_a_system_message(role: str) -> None:
    told = planned(ChatMessage(role=role, content="Be brief."), human("Rain?"))

    assert told == planned(SystemMessage("Be brief."), human("Rain?"))


@pytest.mark.parametrize("role", ["assistant", "ai"])
def test_a_chat_message_of_the_assistant_is_an_answer(role: str) -> None:
    answer = ChatMessage(role=role, content="Sun.")

    assert planned(human("Hi"), answer, human("Sure?")).text == "user: Hi\n\nassistant: Sun.\n\nuser: Sure?"
    assert planned(human("Hi"), answer, human("Sure?"), conversation_id="c-9") == Plan("Sure?", "c-9")


def test_an_instruction_to_a_reducer_is_no_message() -> None:
    with pytest.raises(BotUsageError, match=r"RemoveMessage.*add_messages"):
        planned(human("Hi"), RemoveMessage(id="m-1"), human("Rain?"))


def test_half_a_character_in_a_system_message_is_refused() -> None:
    with pytest.raises(BotUsageError, match="system message holds half a character"):
        planned(SystemMessage("Be brief.\ud800"), human("Rain?"))
