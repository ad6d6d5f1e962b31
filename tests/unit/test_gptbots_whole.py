"""Answers of a GPTBots agent that come as one JSON object: the documents' examples, and what servers make of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson
import pytest

from remote_chatbots import BotProtocolError, Finished, MediaProduced, Settings, Started, TextDelta
from remote_chatbots.wire import ResponseHead

Heard = Callable[..., Any]

# "Send message", the answer's example.
DOCUMENTED_V1 = {
    "message_id": "65a4ccfC7ce58e728d5897e0",
    "message_type": "ANSWER",
    "text": "Hi, is there anything I can help you?",
    "flow_output": [{"content": "你好", "branch": "1", "from_component_name": "User Input"}],
    "create_time": 1679587005,
    "conversation_id": "657303a8a764d47094874bbe",
}
CREDITS = {"total_credits": 0.21, "text_input_credits": 0.18, "text_output_credits": 0.03}
CITATION = {
    "index": "1",
    "name": "Leave policy",
    "type": "doc",
    "content": "Staff have 25 days ...",
    "segment_id": "seg-4",
    "segment_index": 4,
    "position": "",
    "timestamp_millis": 1766990000123,
    "data_id": "66f0c0ffee0000000000d010",
    "bot_id": "66f0c0ffee00000000000b07",
    "attachment": None,
    "component_id": None,
}
# "Send message v2", the answer's example.
DOCUMENTED_V2 = {
    "create_time": 1767000000,
    "conversation_id": "66f0c0ffee0000000000a001",
    "message_id": "66f0c0ffee0000000000c002",
    "output": [
        {
            "from_component_branch": None,
            "from_component_name": "Answerer",
            "content": {"text": "Twelve days$[1]$."},
        }
    ],
    "usage": {
        "tokens": {"total_tokens": 130, "prompt_tokens": 120, "completion_tokens": 10},
        "credits": CREDITS,
    },
    "citations": [CITATION],
}
ENVELOPES = {"code and message": {"code": 0, "message": "OK"}, "code and msg": {"code": 200, "msg": "success"}}


def history(*messages: dict[str, Any]) -> tuple[ResponseHead, bytes]:
    body = {"total": len(messages), "conversation_content": list(messages)}
    return ResponseHead(200, {"content-type": "application/json"}), orjson.dumps(body)


def stored(text: str, message_id: str = "m-1") -> dict[str, Any]:
    parts = [{"type": "text", "text": text}]
    content = [{"from_component_branch": "1", "branch_content": parts}]
    return {"message_id": message_id, "role": "assistant", "create_time": 1767000000123, "content": content}


def test_the_documents_answer_of_v1_is_read_whole(heard: Heard) -> None:
    played = heard(DOCUMENTED_V1, blocking=True)
    assert played.events == [
        Started("c-1"),
        Started(message_id="65a4ccfC7ce58e728d5897e0", created_at=1679587005),
        TextDelta("Hi, is there anything I can help you?"),
        Finished("stop", {"flow_output": DOCUMENTED_V1["flow_output"]}),
    ]


def test_the_documents_answer_of_v2_is_read_whole(heard: Heard) -> None:
    answer = heard(DOCUMENTED_V2, blocking=True).answer
    assert (answer.text, answer.conversation_id) == ("Twelve days$[1]$.", "c-1")
    assert (answer.message_id, answer.created_at) == ("66f0c0ffee0000000000c002", 1767000000)
    assert answer.usage is not None
    tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    assert (tokens, answer.usage.total_price, answer.usage.currency) == ((120, 10, 130), Decimal("0.21"), "credits")
    assert answer.usage.raw == DOCUMENTED_V2["usage"]
    (source,) = answer.sources
    assert (source.title, source.content) == ("Leave policy", "Staff have 25 days ...")
    assert (source.document_id, source.segment_id, source.position) == ("66f0c0ffee0000000000d010", "seg-4", 1)
    assert (source.raw, source.spans) == (CITATION, ())
    assert (answer.finish_reason, answer.metadata, answer.unrecognized) == ("stop", {}, ())


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_a_mark_is_a_span_of_its_source_and_leaves_the_text_on_request(heard: Heard, keep: bool) -> None:
    options = {"corner_citation": True, "citation_marks": keep}
    answer = heard(DOCUMENTED_V2, blocking=True, options=options).answer
    assert answer.text == ("Twelve days$[1]$." if keep else "Twelve days.")
    assert [answer.text[begin:end] for begin, end in answer.sources[0].spans] == ["Twelve days"]


@pytest.mark.parametrize("body", [DOCUMENTED_V1, DOCUMENTED_V2], ids=["v1", "v2"])
@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_answer_in_the_envelope_of_other_calls_is_the_same(heard: Heard, body: Any, envelope: str) -> None:
    bare = heard(body, blocking=True).events
    assert heard({**ENVELOPES[envelope], "data": body}, blocking=True).events == bare
    assert heard({**ENVELOPES[envelope], **body}, blocking=True).events == bare


@pytest.mark.parametrize("content", ["Twelve.", {"text": "Twelve."}, {"text": "Twelve.", "audio": []}], ids=str)
def test_the_content_of_an_output_may_be_a_string(heard: Heard, content: Any) -> None:
    assert heard({"message_id": "m-1", "output": [{"content": content}]}, blocking=True).answer.text == "Twelve."
    assert heard({"message_id": "m-1", "output": {"content": content}}, blocking=True).answer.text == "Twelve."


def test_what_several_components_say_is_joined_by_a_blank_line(heard: Heard) -> None:
    output = [{"content": {"text": text}, "from_component_name": "A"} for text in ("One.", "", "Two.")]
    answer = heard({"message_id": "m-1", "output": output}, blocking=True).answer
    assert (answer.text, answer.metadata) == ("One.\n\nTwo.", {"output": output})


def test_a_flow_whose_text_is_empty_answers_by_its_components(heard: Heard) -> None:
    flow = [{"content": "One.", "branch": "1"}, {"content": "", "branch": None}, {"content": "Two.", "branch": "2"}]
    answer = heard(
        {"message_id": "m-1", "message_type": "ANSWER", "text": "", "flow_output": flow}, blocking=True
    ).answer
    assert (answer.text, answer.metadata) == ("One.\n\nTwo.", {"output": flow})


def test_speech_of_a_whole_answer_is_media_and_its_words_are_the_text(heard: Heard) -> None:
    spoken = {"audio": "https://x.example.com/1.mp3", "transcript": "Rain."}
    played = heard({"message_id": "m-1", "output": [{"content": {"audio": [spoken]}}]}, blocking=True)
    assert played.answer.text == "Rain."
    assert played.answer.media == (MediaProduced("audio", url="https://x.example.com/1.mp3", raw=spoken),)


def test_speech_without_words_is_an_answer_and_nothing_is_looked_for(heard: Heard) -> None:
    spoken = {"audio": "https://x.example.com/1.mp3"}
    played = heard({"message_id": "m-1", "output": [{"content": {"text": "", "audio": spoken}}]}, blocking=True)
    assert (played.answer.text, len(played.answer.media), len(played.requests)) == ("", 1, 1)


def test_an_answer_that_comes_empty_is_looked_for_in_the_history(heard: Heard) -> None:
    late = [history(stored("Another.", "m-0")), history(stored("Twelve.")), history(stored("Never asked for."))]
    played = heard({"message_id": "m-1", "output": []}, blocking=True, then=late)
    assert played.answer.text == "Twelve."
    assert (played.paths[1:], played.slept) == (["/v2/messages"] * 2, [1.0, 1.0])
    assert played.events[-1] == Finished()


def test_an_answer_that_stays_empty_is_looked_for_five_times_and_is_empty(heard: Heard) -> None:
    played = heard({"message_id": "m-1", "output": []}, blocking=True, then=[history()] * 5)
    assert (played.answer.text, played.answer.finish_reason, played.slept) == ("", "stop", [1.0] * 5)


def test_a_history_that_refuses_leaves_the_empty_answer_that_there_is(heard: Heard) -> None:
    refused = (ResponseHead(400, {}), b'{"code":40356,"message":"no such conversation"}')
    played = heard({"message_id": "m-1", "output": []}, blocking=True, then=[refused])
    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "", "stop")


def test_an_empty_answer_without_an_id_cannot_be_looked_for(heard: Heard) -> None:
    played = heard({"output": []}, blocking=True)
    assert (played.answer.text, len(played.requests)) == ("", 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"output": None, "text": None},
        {"output": [None, 5, "x", [], {"content": None}, {"content": 5}, {"content": {"text": 5, "audio": 5}}]},
        {"output": [{"content": {"text": {}, "audio": [None, 5, {"audio": 5, "transcript": 5}]}}]},
        {"text": 5, "flow_output": 5, "citations": 5, "usage": 5, "create_time": "x"},
        {"text": "", "flow_output": [None, 5, {"content": 5, "audioDatas": 5}], "citations": [None, 5, {}]},
        {"output": [], "usage": {"tokens": 5, "credits": 5}, "create_time": True},
        {
            "output": [],
            "usage": {"tokens": {"prompt_tokens": "x", "total_tokens": 1.5}, "credits": {"total_credits": {}}},
        },
        {"output": [], "citations": [{"index": {}, "score": [], "attachment": 5, "name": 5}, {"index": "9" * 5000}]},
    ],
    ids=str,
)
def test_odd_values_are_an_empty_answer_and_never_a_crash(heard: Heard, odd: Any) -> None:
    played = heard({"message_id": None, **odd}, blocking=True)
    assert (played.error, played.answer.text, played.answer.finish_reason) == (None, "", "stop")


def test_numbers_may_be_written_as_text(heard: Heard) -> None:
    tokens = {"prompt_tokens": "120", "completion_tokens": "10", "total_tokens": "130"}
    usage = {"tokens": tokens, "credits": {"total_credits": "0.21"}}
    answer = heard({"text": "Hi", "usage": usage, "create_time": "1679587005123"}, blocking=True).answer
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.usage.total_price) == (130, Decimal("0.21"))
    assert answer.created_at == 1679587005


@pytest.mark.parametrize("body", [{}, {"status": "ok"}, {"data": {"text": "no envelope"}}], ids=str)
def test_an_object_that_is_no_answer_is_an_error(heard: Heard, body: Any) -> None:
    played = heard(body, blocking=True)
    assert isinstance(played.error, BotProtocolError)
    assert played.error.conversation_id == "c-1"


def test_a_whole_answer_may_come_where_a_stream_was_due_and_a_stream_where_a_whole_was(heard: Heard) -> None:
    whole = heard(DOCUMENTED_V2, blocking=True)
    assert heard(orjson.dumps(DOCUMENTED_V2)).events == whole.events
    pretty = orjson.dumps(DOCUMENTED_V2, option=orjson.OPT_INDENT_2)
    assert heard(*(pretty[at : at + 7] for at in range(0, len(pretty), 7))).events == whole.events


def test_an_answer_larger_than_the_limit_is_refused(heard: Heard) -> None:
    played = heard({"text": "x" * 2000}, blocking=True, settings=Settings(max_event_bytes=1024))
    assert isinstance(played.error, BotProtocolError)
    assert "max_event_bytes (1024)" in str(played.error)
