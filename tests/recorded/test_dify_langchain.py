"""Every recorded question, asked through LangChain: invoke and stream, sync and async, make one and the same message.

`invoke` and `ainvoke` are answered from cassettes, `stream` and `astream` over a socket in the recorded pieces.
"""

from __future__ import annotations

import json
from itertools import cycle

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from langchain_chatbots import sources
from tests.covering import covering
from tests.recorded.asking import ASKED, question_of
from tests.recorded.asking_langchain import (
    Came,
    Way,
    ask_by,
    bare,
    bot_at,
    by_ainvoke,
    by_astream,
    by_async_v3,
    by_invoke,
    by_stream,
    by_v3,
    expected_of,
    model_for,
    outcome_of,
)
from tests.recorded.cassettes import URL, cassette_of
from tests.recorded.recordings import VERSIONS, Recording, calls_of_turn, meaning, recording, told_by
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
# One of each kind of answer: apps, sources, withdrawn and tricky text, a form, a run that was stopped.
OF_EACH_KIND = [
    recording("0.15.3", "agent-stream-1-one-tool"),
    recording("0.15.3", "chat-stream-hq-citations"),
    recording("0.15.3", "chatflow-stream-parallel"),
    recording("0.15.3", "chatflow-stream-stopped"),
    recording("1.14.2", "agent-react-stream-1-one-tool"),
    recording("1.14.2", "agent-stream-knowledge-tool-hq"),
    recording("1.14.2", "chat-stream-markdown-tricky"),
    recording("1.14.2", "chat-stream-output-moderated"),
    recording("1.14.2", "chatflow-stream-2-second-turn"),
    recording("1.14.2", "chatflow-stream-iteration"),
    recording("1.14.2", "chatflow-stream-output-moderated"),
    recording("1.14.2", "human-1-stream-paused"),
]
WAYS: dict[str, Way] = {"invoke": by_invoke, "ainvoke": by_ainvoke, "stream": by_stream, "astream": by_astream}
# What is streamed cannot be taken back: of a turn that fails, these have the beginning.
STREAMED = {"stream": by_stream, "astream": by_astream}
AT_ONCE = {"invoke": by_invoke, "ainvoke": by_ainvoke}
# Each recording of the newer server is asked in one of the ways; the matrix has each of both in all of them: what the
# older one wrote in another form is read before LangChain has it.
IN_ONE_WAY = dict(zip((str(one) for one in ASKED if one.version == VERSIONS[-1]), cycle(WAYS), strict=False))
EACH = covering(ASKED, list(WAYS), chosen=lambda exchange, way: IN_ONE_WAY.get(str(exchange)) == way)


def ways(which: dict[str, Way]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", which.values(), ids=which)


def recordings(which: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", which, ids=str)


def asked_at(url: str, way: Way, exchange: Recording) -> Came:
    """Ask the recorded question as LangChain's users do."""
    question = question_of(exchange)
    model = model_for(question, url).bind(conversation_id=question.conversation_id, files=question.files)
    return ask_by(way, model, [HumanMessage(question.text)])


def from_the_cassette(way: Way, exchange: Recording) -> Came:
    with cassette_of(exchange):
        return asked_at(URL, way, exchange)


@pytest.mark.parametrize(("exchange", "way"), [one for one in EACH if one.values[1] in AT_ONCE])
def test_the_whole_message_holds_what_the_server_told(way: str, exchange: Recording) -> None:
    came = from_the_cassette(AT_ONCE[way], exchange)
    assert outcome_of(came) == expected_of(told_by(exchange), bot_at(URL))


@pytest.mark.parametrize(("exchange", "way"), [one for one in EACH if one.values[1] in STREAMED])
def test_the_sum_of_the_chunks_holds_what_the_server_told(way: str, exchange: Recording) -> None:
    told = told_by(exchange)
    with ReplayServer(*map(reply_of, calls_of_turn(exchange))) as server:
        came = asked_at(server.url, STREAMED[way], exchange)
        assert outcome_of(came) == expected_of(told, bot_at(server.url))
    assert (came.message.text if came.message else "") == told.answer  # an error is no reason to withhold what came
    *_, request = server.received
    assert len(server.received) == len(calls_of_turn(exchange))
    assert request.path == "/v1/chat-messages"
    assert meaning(json.loads(request.body)) == meaning(exchange.sent)


@recordings(OF_EACH_KIND)
@ways({"v3": by_v3, "async v3": by_async_v3})
def test_a_v3_stream_ends_in_the_same_message_as_invoke(way: Way, exchange: Recording) -> None:
    v3, invoked = from_the_cassette(way, exchange).message, from_the_cassette(by_invoke, exchange).message
    assert v3 is not None
    assert invoked is not None
    assert (v3.text, v3.id) == (invoked.text, invoked.id)
    assert v3.usage_metadata == invoked.usage_metadata
    assert v3.response_metadata.items() >= invoked.response_metadata.items()
    assert sources(v3) == sources(invoked)
    assert bare(v3.content) == invoked.content_blocks


@recordings(OF_EACH_KIND)
@ways(STREAMED)
def test_a_v1_stream_adds_up_to_the_blocks_of_invoke(way: Way, exchange: Recording) -> None:
    with cassette_of(exchange):
        question = question_of(exchange)
        model = model_for(question, URL, output_version="v1")
        asking = model.bind(conversation_id=question.conversation_id, files=question.files)
        v1 = ask_by(way, asking, [HumanMessage(question.text)]).message
    invoked = from_the_cassette(by_invoke, exchange).message
    assert v1 is not None
    assert invoked is not None
    assert bare(v1.content) == invoked.content_blocks


@recordings([recording("0.15.3", "chat-stream-output-moderated"), recording("1.14.2", "chat-stream-output-moderated")])
@ways(WAYS)
def test_text_that_the_platform_withdrew_is_in_no_message(way: Way, exchange: Recording) -> None:
    message = from_the_cassette(way, exchange).message
    assert message is not None
    assert b"FORBIDDENWORD" in exchange.body
    assert message.text == "This answer was withdrawn. 此回答已撤回。"
    assert message.response_metadata["replaced"] is True
    assert message.response_metadata["finish_reason"] == "content_filter"


@recordings([recording("1.14.2", "chat-stream-markdown-tricky")])
@ways(WAYS)
def test_line_separators_and_lines_that_look_like_events_stay_text(way: Way, exchange: Recording) -> None:
    message = from_the_cassette(way, exchange).message
    assert message is not None
    assert message.text.endswith('- data: not an event\n\nevent: fake\n\n"quoted" \\ back\u2028sep\n')
    assert "\u2028".encode() in exchange.body  # raw on the wire, where a reader of Unicode's lines would cut it


@pytest.mark.parametrize(
    ("first", "second"),
    [(recording(version, first), recording(version, second)) for version, first, second in TURNS],
    ids=str,
)
@ways(WAYS)
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
        message = ask_by(way, model_for(question_of(second), server.url), history).message
    assert message is not None
    # A model that has not met the answer looks whether it is the newest, before it asks.
    look_up, request = server.received
    assert (look_up.method, look_up.path.partition("?")[0]) == ("GET", "/v1/messages")
    assert meaning(json.loads(request.body)) == meaning(second.sent)
    assert second.sent["conversation_id"] == answered.ids["conversation_id"]
    assert message.text == told_by(second).answer
