"""Recorded turns through LangChain: invoke and stream, sync and async, make one and the same message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache, reduce
from operator import add

import pytest
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable

from langchain_chatbots import ChatDify, sources
from remote_chatbots import DifyApp
from tests.recorded.asking import KEY, TIMEOUT_S
from tests.recorded.cassettes import URL, cassette_of
from tests.recorded.recordings import Recording, meaning, recording, told_by
from tests.recorded.replay import ReplayServer, reply_of

# A first turn and the second one in the same conversation. Of the agents and of the chatflow's stream a second turn
# was recorded with 1.14.2 only.
TURNS = [
    ("0.15.3", "chat-stream-1-first-turn", "chat-stream-2-second-turn"),
    ("0.15.3", "chat-block-1-first-turn", "chat-block-2-second-turn"),
    ("0.15.3", "chatflow-block-1-first-turn", "chatflow-block-2-second-turn"),
    ("1.14.2", "chat-stream-1-first-turn", "chat-stream-2-second-turn"),
    ("1.14.2", "chat-block-1-first-turn", "chat-block-2-second-turn"),
    ("1.14.2", "chatflow-block-1-first-turn", "chatflow-block-2-second-turn"),
    ("1.14.2", "chatflow-stream-1-first-turn", "chatflow-stream-2-second-turn"),
    ("1.14.2", "agent-stream-1-one-tool", "agent-stream-2-second-turn"),
    ("1.14.2", "agent-react-stream-1-one-tool", "agent-react-stream-2-second-turn"),
]
FIRST_TURNS_ALONE = [
    ("0.15.3", "agent-react-stream-1-one-tool"),
    ("0.15.3", "agent-stream-1-one-tool"),
    ("0.15.3", "chatflow-stream-1-first-turn"),
]
WITH_SOURCES_OF_AN_AGENT = [("0.15.3", "agent-stream-knowledge-tool-hq"), ("1.14.2", "agent-stream-knowledge-tool-hq")]
MODERATED = [("0.15.3", "chat-stream-output-moderated"), ("1.14.2", "chat-stream-output-moderated")]
TRICKY_TEXT = [
    ("0.15.3", "chat-block-zh-emoji"),
    ("0.15.3", "chatflow-stream-zh-emoji"),
    ("1.14.2", "agent-stream-zh-emoji"),
    ("1.14.2", "chat-block-zh-emoji"),
    ("1.14.2", "chat-stream-markdown-tricky"),
    ("1.14.2", "chat-stream-zh-citations"),
    ("1.14.2", "chatflow-stream-zh-emoji"),
]
PAUSED = [("1.14.2", "human-1-stream-paused")]
ALL = [
    *((version, name) for version, *names in TURNS for name in names),
    *FIRST_TURNS_ALONE,
    *WITH_SOURCES_OF_AN_AGENT,
    *MODERATED,
    *TRICKY_TEXT,
    *PAUSED,
]

Model = Runnable[LanguageModelInput, AIMessage]
Way = Callable[[Model, list[BaseMessage]], AIMessage]


def model_for(exchange: Recording, url: str) -> ChatDify:
    sent = exchange.sent
    return ChatDify(
        api_key=KEY,
        base_url=url,
        user=sent["user"],
        inputs=sent["inputs"],
        streaming=False if sent["response_mode"] == "blocking" else None,
        timeout=TIMEOUT_S,
    )


def bot_at(url: str) -> str:
    return DifyApp(KEY, url).bot_id


def by_invoke(model: Model, messages: list[BaseMessage]) -> AIMessage:
    return model.invoke(messages)


def by_ainvoke(model: Model, messages: list[BaseMessage]) -> AIMessage:
    return asyncio.run(model.ainvoke(messages))


def by_stream(model: Model, messages: list[BaseMessage]) -> AIMessage:
    return reduce(add, model.stream(messages))


def by_astream(model: Model, messages: list[BaseMessage]) -> AIMessage:
    async def summed() -> AIMessage:
        return reduce(add, [chunk async for chunk in model.astream(messages)])

    return asyncio.run(summed())


every_way = pytest.mark.parametrize(
    "way", [by_invoke, by_ainvoke, by_stream, by_astream], ids=["invoke", "ainvoke", "stream", "astream"]
)


def recordings(which: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", [recording(*one) for one in which], ids=str)


@cache
def message_of(exchange: Recording, way: Way) -> AIMessage:
    """Ask the recorded question as LangChain's users do, answered from the cassette."""
    model = model_for(exchange, URL).bind(conversation_id=exchange.sent["conversation_id"])
    with cassette_of(exchange):
        return way(model, [HumanMessage(exchange.sent["query"])])


@recordings(ALL)
@every_way
def test_the_message_holds_what_the_server_told(way: Way, exchange: Recording) -> None:
    message, told = message_of(exchange, way), told_by(exchange)
    assert message.content == told.text
    assert message.id == told.ids["message_id"]
    assert message.tool_calls == []
    if told.usage is None:
        assert message.usage_metadata is None
    else:
        # The server's own total of an agent may be 0; LangChain's is the sum.
        into, out = told.usage["prompt_tokens"], told.usage["completion_tokens"]
        total = max(told.usage["total_tokens"], into + out)
        assert message.usage_metadata == {"input_tokens": into, "output_tokens": out, "total_tokens": total}


@recordings(ALL)
@every_way
def test_the_metadata_holds_each_key_once_and_as_sent(way: Way, exchange: Recording) -> None:
    message, told = message_of(exchange, way), told_by(exchange)
    expected = {
        "model_provider": "dify",
        "model_name": "dify-app",
        "bot": bot_at(URL),
        **{name: value for name, value in told.ids.items() if value},
        "created_at": told.created_at,
        "finish_reason": told.finish_reason,
        **{key: value for key, value in told.metadata.items() if value is not None},
    }
    if told.usage is not None:
        expected["usage"] = told.usage
    if told.resources:
        expected["retriever_resources"] = told.resources
    if told.forms:
        expected["input_required"] = told.forms
    if told.replaced:
        expected["replaced"] = True
    assert message.response_metadata == expected


@recordings(ALL)
@every_way
def test_the_content_blocks_are_the_text_with_the_citations_in_order(way: Way, exchange: Recording) -> None:
    message, told = message_of(exchange, way), told_by(exchange)
    citations = [
        {
            "type": "citation",
            "title": resource["document_name"],
            "cited_text": resource["content"],
            "extras": {key: value for key, value in resource.items() if key != "content"},
        }
        for resource in told.resources
    ]
    block = {"type": "text", "text": told.text} | ({"annotations": citations} if citations else {})
    assert message.content_blocks == [block]


@recordings(ALL)
@every_way
def test_the_sources_are_documents_in_the_order_of_the_server(way: Way, exchange: Recording) -> None:
    message, told = message_of(exchange, way), told_by(exchange)
    found = sources(message)
    assert [document.page_content for document in found] == [resource["content"] for resource in told.resources]
    assert [document.id for document in found] == [resource["segment_id"] for resource in told.resources]
    for document, resource in zip(found, told.resources, strict=True):
        as_sent = {key: value for key, value in resource.items() if key not in ("content", "title")}
        assert as_sent.items() <= document.metadata.items()
        assert document.metadata["source"] == document.metadata["title"] == resource["document_name"]
        assert (document.metadata["bot"], document.metadata["message_id"]) == (bot_at(URL), told.ids["message_id"])


@recordings(MODERATED)
@every_way
def test_text_that_the_platform_withdrew_is_in_no_message(way: Way, exchange: Recording) -> None:
    message = message_of(exchange, way)
    assert b"FORBIDDENWORD" in exchange.body
    assert message.text == "This answer was withdrawn. 此回答已撤回。"
    assert message.response_metadata["replaced"] is True
    assert message.response_metadata["finish_reason"] == "content_filter"


@recordings([("1.14.2", "chat-stream-markdown-tricky")])
@every_way
def test_line_separators_and_lines_that_look_like_events_stay_text(way: Way, exchange: Recording) -> None:
    text = message_of(exchange, way).text
    assert text.endswith('- data: not an event\n\nevent: fake\n\n"quoted" \\ back\u2028sep\n')
    assert "\u2028".encode() in exchange.body  # raw on the wire, where a reader of Unicode's lines would cut it


@pytest.mark.parametrize(
    ("first", "second"),
    [(recording(version, first), recording(version, second)) for version, first, second in TURNS],
    ids=str,
)
@every_way
def test_a_second_turn_sends_the_new_question_alone_in_the_conversation_of_the_answer(
    way: Way, first: Recording, second: Recording
) -> None:
    answered = told_by(first)
    with ReplayServer(reply_of(second)) as server:
        ids = {"conversation_id": answered.ids["conversation_id"], "message_id": answered.ids["message_id"]}
        history: list[BaseMessage] = [
            HumanMessage(first.sent["query"]),
            AIMessage(answered.text, id=ids["message_id"], response_metadata={**ids, "bot": bot_at(server.url)}),
            HumanMessage(second.sent["query"]),
        ]
        message = way(model_for(second, server.url), history)
    (request,) = server.received
    assert meaning(json.loads(request.body)) == meaning(second.sent)
    assert second.sent["conversation_id"] == answered.ids["conversation_id"]
    assert message.text == told_by(second).text
