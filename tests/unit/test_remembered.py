"""What a server gives back of its conversations, as the faces need it."""

from __future__ import annotations

from typing import Any

import pytest

from remote_chatbots import MediaProduced, Source, Usage
from remote_chatbots.flow import Flow
from remote_chatbots.remembered import metadata_of, records
from remote_chatbots.stored import StoredConversation, StoredMessage
from remote_chatbots.thinking import told_apart

TOLD = {"bot": "dify:b", "model_provider": "dify", "model_name": "dify-app"}
TALK = StoredConversation("c-1", name="Rain", user="anna", created_at=1, updated_at=9)


def asks(text: str, **fields: Any) -> StoredMessage:
    return StoredMessage("user", text, conversation_id="c-1", **fields)


def answers(text: str, message_id: str = "m-1", **fields: Any) -> StoredMessage:
    return StoredMessage("assistant", text, message_id=message_id, conversation_id="c-1", **fields)


def test_an_answer_has_what_rides_on_a_live_one_and_its_rating_and_files() -> None:
    source = Source(content="Wet.", title="rain.md", raw={"content": "Wet.", "document_name": "rain.md"})
    usage = Usage(prompt_tokens=2, completion_tokens=3, total_tokens=5, raw={"total_tokens": 5})
    file = MediaProduced("image", url="https://x.example/rain.png")
    stored = answers("Yes.", created_at=7, rating="like", media=(file,), sources=(source,), usage=usage)
    assert metadata_of(stored, TOLD) == {
        **TOLD,
        "conversation_id": "c-1",
        "message_id": "m-1",
        "created_at": 7,
        "rating": "like",
        "files": [{"kind": "image", "url": "https://x.example/rain.png"}],
        "usage": {"total_tokens": 5},
        "retriever_resources": [{"content": "Wet.", "document_name": "rain.md"}],
    }


def test_a_question_names_no_bot_and_what_the_server_does_not_tell_is_left_out() -> None:
    assert metadata_of(asks("Rain?"), TOLD) == {"conversation_id": "c-1"}


def test_thoughts_are_told_apart_in_answers_alone_and_only_where_that_is_wanted() -> None:
    stored = answers("<think>Wet?</think>\n\nYes.")

    def told() -> Flow[list[StoredMessage]]:
        return [asks(stored.text), stored, answers("One.<think>Two?</think> Three.<think>Four")]
        yield

    with pytest.raises(StopIteration) as over:
        next(told_apart(told()))
    asked, first, second = over.value.value
    assert (asked.text, asked.thoughts, first.text, first.thoughts) == (stored.text, (), "Yes.", ((0, "Wet?"),))
    assert (second.text, second.thoughts) == ("One. Three.", ((4, "Two?"), (11, "Four")))
    assert second.reasoning == "Two?Four"


def test_a_record_says_who_said_what_and_sums_its_answers_up() -> None:
    source, other = Source(title="rain.md"), Source(title="sun.md")
    talk = [
        asks("Rain?"),
        answers("Yes.", sources=(source, source), rating="dislike", usage=Usage(total_tokens=5)),
        asks("Sun?"),
        answers("No.", "m-2", sources=(source, other), usage=Usage(total_tokens=6)),
    ]
    (record,) = records(TALK, talk, per="conversation", told=TOLD)
    assert record.id == "c-1"
    assert record.text == "user: Rain?\n\nassistant: Yes.\n\nuser: Sun?\n\nassistant: No."
    assert record.metadata["sources"] == ["rain.md", "sun.md"]
    assert (record.metadata["ratings"], record.metadata["total_tokens"]) == (["dislike"], 11)
    assert [(one["role"], one["text"]) for one in record.metadata["messages"]][2:] == [
        ("user", "Sun?"),
        ("assistant", "No."),
    ]
    assert {name: record.metadata[name] for name in ("name", "user", "created_at", "updated_at", "bot")} == {
        "name": "Rain",
        "user": "anna",
        "created_at": 1,
        "updated_at": 9,
        "bot": "dify:b",
    }


def test_a_turn_ends_with_its_answers_and_a_question_without_one_is_a_turn() -> None:
    talk = [answers("Hello.", "m-0"), asks("A"), asks("B"), answers("1", "m-1"), answers("2", "m-2"), asks("C")]
    found = list(records(TALK, talk, per="turn", told=TOLD))
    assert [(one.id, one.text) for one in found] == [
        ("m-0", "assistant: Hello."),
        ("m-2", "user: A\n\nuser: B\n\nassistant: 1\n\nassistant: 2"),
        ("c-1", "user: C"),
    ]


def test_a_conversation_without_messages_is_an_empty_record_and_no_turn() -> None:
    (record,) = records(TALK, [], per="conversation", told=TOLD)
    assert (record.text, record.metadata["messages"], record.metadata["total_tokens"]) == ("", [], None)
    assert list(records(TALK, [], per="turn", told=TOLD)) == []
