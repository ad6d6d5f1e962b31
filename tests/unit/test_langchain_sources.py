"""The sources of an answer as Documents, from whatever holds the answer."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult

from langchain_chatbots import sources
from langchain_chatbots._messages import MessageMaker
from remote_chatbots import BotUsageError, Event, Finished, Source, SourcesFound, Started, TextDelta

COAST = {
    "position": 1,
    "dataset_id": "d-1",
    "document_id": "doc-1",
    "document_name": "coast.md",
    "segment_id": "s-1",
    "score": 0.77,
    "content": "West wind brings rain.",
    "page": None,
}
HILLS = {"position": 2, "document_name": "hills.md", "segment_id": "s-2", "score": None, "content": None}
METADATA = {"bot": "dify:h:0123", "message_id": "m-1", "retriever_resources": [COAST, HILLS]}
ANSWER = AIMessage("Rain.", id="m-1", response_metadata=METADATA)
OLDER = AIMessage("Sun.", response_metadata={**METADATA, "retriever_resources": [{"segment_id": "older"}]})
IDS = ["s-1", "s-2"]


def ids_of(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_a_source_is_a_document_with_all_that_the_server_told() -> None:
    first, _ = sources(ANSWER)

    assert first == Document(
        id="s-1",
        page_content="West wind brings rain.",
        metadata={
            "position": 1,
            "dataset_id": "d-1",
            "document_id": "doc-1",
            "document_name": "coast.md",
            "segment_id": "s-1",
            "score": 0.77,
            "page": None,
            "source": "coast.md",
            "title": "coast.md",
            "bot": "dify:h:0123",
            "message_id": "m-1",
        },
    )


def test_what_the_server_did_not_tell_is_empty() -> None:
    _, second = sources(ANSWER)

    assert (second.page_content, second.metadata["score"], second.metadata["source"]) == ("", None, "hills.md")


def test_a_source_without_anything_is_a_document_all_the_same() -> None:
    (document,) = sources(AIMessage("a", id="m-7", response_metadata={"retriever_resources": [{}]}))

    assert (document.id, document.page_content) == (None, "")
    assert document.metadata == {"source": None, "title": None, "score": None, "bot": None, "message_id": "m-7"}


@pytest.mark.parametrize("segment", ["", None, 5], ids=repr)
def test_a_source_whose_segment_has_no_id_has_none(segment: Any) -> None:
    resource = {"segment_id": segment, "content": 5}

    (document,) = sources(AIMessage("a", response_metadata={"retriever_resources": [resource]}))

    assert (document.id, document.page_content) == (None, "")


def test_a_source_from_the_web_is_called_by_its_title() -> None:
    (document,) = sources(AIMessage("a", response_metadata={"retriever_resources": [{"title": "A page"}]}))

    assert (document.metadata["source"], document.metadata["title"]) == ("A page", "A page")


def chunk() -> AIMessageChunk:
    return AIMessageChunk(content="Rain.", response_metadata=METADATA)


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(ANSWER, id="message"),
        pytest.param(chunk(), id="chunk"),
        pytest.param(AIMessageChunk(content="More ") + chunk(), id="sum of chunks"),
        pytest.param([HumanMessage("Hi"), OLDER, HumanMessage("Rain?"), ANSWER], id="list that ends in it"),
        pytest.param((OLDER, ANSWER, HumanMessage("Thanks.")), id="tuple with a human after it"),
        pytest.param({"messages": [HumanMessage("Hi"), OLDER, ANSWER], "other": 1}, id="state of a graph"),
        pytest.param({"messages": ANSWER}, id="state with one message"),
        pytest.param(LLMResult(generations=[[ChatGeneration(message=ANSWER)]]), id="LLMResult"),
        pytest.param(
            LLMResult(generations=[[ChatGeneration(message=OLDER)], [ChatGeneration(message=ANSWER)]]),
            id="LLMResult of two prompts",
        ),
        pytest.param(ChatResult(generations=[ChatGeneration(message=ANSWER)]), id="ChatResult"),
        pytest.param(ChatGeneration(message=ANSWER), id="ChatGeneration"),
    ],
)
def test_sources_are_found_in(holder: Any) -> None:
    assert ids_of(sources(holder)) == IDS


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(AIMessage("Rain."), id="an answer without sources"),
        pytest.param(AIMessage("Rain.", response_metadata={"retriever_resources": []}), id="an empty list"),
        pytest.param(AIMessage("Rain.", response_metadata={"retriever_resources": None}), id="null"),
        pytest.param(AIMessage("Rain.", response_metadata={"retriever_resources": "x"}), id="no list"),
        pytest.param(AIMessage("Rain.", response_metadata={"retriever_resources": [None, "x"]}), id="no objects"),
        pytest.param(HumanMessage("Hi", response_metadata=METADATA), id="a human's message"),
        pytest.param(SystemMessage("Hi"), id="a system message"),
        pytest.param([ANSWER, AIMessage("Sun.")], id="a newer answer without sources"),
        pytest.param([HumanMessage("Hi")], id="humans alone"),
        pytest.param([], id="an empty list of messages"),
        pytest.param({}, id="a state without messages"),
        pytest.param({"messages": []}, id="a state with none"),
        pytest.param(LLMResult(generations=[[Generation(text="Rain.")]]), id="a result of text alone"),
        pytest.param(LLMResult(generations=[]), id="an empty result"),
        pytest.param(["Rain.", ("human", "Rain?")], id="words that stand for messages"),
    ],
)
def test_no_sources_are_found_in(holder: Any) -> None:
    assert sources(holder) == []


def test_sources_come_through_a_stream_as_the_server_sent_them() -> None:
    found = SourcesFound(tuple(Source(segment_id=str(told["segment_id"]), raw=told) for told in (HILLS, COAST)))
    maker = MessageMaker(platform="dify", model_name="dify-app", bot_id="dify:h:0123", system="")
    events: list[Event] = [Started("c-1", "m-1"), TextDelta("Rain."), found, Finished()]
    first, *rest = [chunk for event in events if (chunk := maker.chunk(event)) is not None]

    documents = sources(first + rest)

    assert ids_of(documents) == ["s-2", "s-1"]
    assert documents[1] == sources(ANSWER)[0]


def test_finding_sources_changes_no_message() -> None:
    before = ANSWER.model_dump()

    for document in sources(ANSWER):
        document.metadata["mine"] = True

    assert ANSWER.model_dump() == before


@pytest.mark.parametrize(
    "answer", ["Rain.", b"Rain.", 5, None, iter([ANSWER]), (one for one in ()), {1, 2}, ANSWER.text]
)
def test_what_can_be_no_answer_is_refused_with_what_is_taken(answer: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^sources takes an answer, .* not {type(answer).__name__}\\. Give "):
        sources(answer)
