"""The passages behind an answer: both spellings, the separate request, and the marks that cite them in the text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from remote_chatbots import BotConnectError, BotServerError, Source, SourcesFound, TextDelta
from remote_chatbots.platforms.gptbots.values import source_of
from remote_chatbots.wire import ResponseHead

Heard = Callable[..., Any]

END = {"code": 0, "message": "End", "data": None}
INFO = {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-1"}}
SNAKE = {
    "index": "1",
    "name": "Leave policy",
    "type": "doc",
    "content": "Staff have 25 days.",
    "segment_id": "seg-4",
    "segment_index": 4,
    "timestamp_millis": 1766990000123,
    "data_id": "d-1",
    "bot_id": "b-1",
    "attachment": None,
}
CAMEL = {
    "index": "1",
    "name": "Leave policy",
    "type": "doc",
    "tool": None,
    "doc": None,
    "attachment": None,
    "segmentIndex": 4,
    "timestampMillis": 1766990000123,
    "segmentId": "seg-4",
    "botId": "b-1",
    "dataId": "d-1",
    "toolId": None,
    "content": "Staff have 25 days.",
}
FOUND = {
    "dataId": "d-1",
    "dataName": "Leave policy",
    "dataType": "doc",
    "url": "https://x.example.com/leave.pdf",
    "content": "Staff have 25 days.",
    "segmentId": "seg-4",
    "componentId": None,
}
CORRELATED = {"content": "Staff have 25 days.", "data_id": "d-1", "data_name": "Leave policy", "source_url": "u"}
CITED = Source("Staff have 25 days.", "Leave policy", "d-1", "seg-4", position=1)


def said(text: str) -> dict[str, Any]:
    return {"code": 3, "message": "Text", "data": text}


def cited(*items: Any) -> dict[str, Any]:
    return {"code": 20, "message": "Citation", "data": [{"citation": item} for item in items]}


def found(*items: Any) -> dict[str, Any]:
    return {"code": 83, "message": "CorrelateAttachment", "data": list(items)}


def small(body: Any, status: int = 200) -> tuple[ResponseHead, bytes]:
    return ResponseHead(status, {"content-type": "application/json"}), orjson.dumps(body)


def plain(source: Source) -> Source:
    return Source(**{name: getattr(source, name) for name in source.__slots__ if name != "raw"})


@pytest.mark.parametrize(
    "told", [SNAKE, CAMEL, {"citation": CAMEL}, {**SNAKE, "index": 1}], ids=["snake", "camel", "nested", "number"]
)
def test_both_spellings_of_a_citation_are_one_source(told: Any) -> None:
    assert plain(source_of(told)) == CITED
    assert source_of(told).raw == (CAMEL if "citation" in told else told)


def test_a_passage_that_was_found_and_one_of_the_separate_request_have_no_number() -> None:
    assert plain(source_of(FOUND)) == Source("Staff have 25 days.", "Leave policy", "d-1", "seg-4")
    assert plain(source_of(CORRELATED)) == Source("Staff have 25 days.", "Leave policy", "d-1")


def test_an_attachment_that_is_cited_has_its_own_name() -> None:
    attachment = {"id": "a-1", "url": "https://x.example.com/a.pdf", "name": "Offer.pdf", "type": "pdf"}
    assert source_of({"index": "2", "name": None, "attachment": attachment}).title == "Offer.pdf"


@pytest.mark.parametrize(
    ("score", "number"), [("0.81", 0.81), (0.81, 0.81), (1, 1.0), ("high", None), (True, None), ({}, None)]
)
def test_a_score_may_be_a_number_or_text(score: Any, number: float | None) -> None:
    assert source_of({"score": score}).score == number


@pytest.mark.parametrize("index", ["", "x", None, [], -1.5, "9" * 5000, True], ids=lambda value: repr(value)[:9])
def test_an_index_that_is_no_number_is_none(index: Any) -> None:
    assert source_of({"index": index}).position is None


def test_sources_may_come_before_the_text_between_it_or_behind_the_end(heard: Heard, framed: Any) -> None:
    text = [said("Twelve "), said("days.")]
    for frames in (
        [cited(CAMEL), INFO, *text, END],
        [INFO, text[0], cited(CAMEL), text[1], END],
        [INFO, *text, cited(CAMEL), END],
        [INFO, *text, framed(END, cited(CAMEL))],
    ):
        played = heard(*frames)
        assert played.answer.text == "Twelve days."
        assert [plain(one) for one in played.answer.sources] == [CITED]
        assert sum(isinstance(event, SourcesFound) for event in played.events) == 1


def test_what_is_cited_stands_before_what_was_only_found_and_nothing_stands_twice(heard: Heard) -> None:
    other = {**FOUND, "dataId": "d-2", "content": "Other."}
    sources = heard(found(other, FOUND), cited(CAMEL), said("a"), END).answer.sources
    assert [(one.document_id, one.position) for one in sources] == [("d-1", 1), ("d-2", None)]


def test_citations_of_several_frames_add_up(heard: Heard) -> None:
    sources = heard(cited(CAMEL), said("a"), cited({**CAMEL, "index": "2", "content": "B"}), END).answer.sources
    assert [one.position for one in sources] == [1, 2]


@pytest.mark.parametrize("data", [None, 5, "x", [], [None, 5, "x"], {}, [[CAMEL]]], ids=lambda value: repr(value)[:9])
@pytest.mark.parametrize("code", [20, 83])
def test_citations_in_odd_forms_are_no_sources_and_no_crash(heard: Heard, code: int, data: Any) -> None:
    played = heard({"code": code, "data": data}, said("a"), END)
    assert (played.error, played.answer.text) == (None, "a")
    assert all(one == Source() for one in played.answer.sources)


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
def test_marks_cut_between_frames_are_spans_of_their_sources(heard: Heard, keep: bool) -> None:
    pieces = ["Staff have 25 days", "$", "[1", "]$. It costs $18.50$[", "2]", "$", "."]
    options = {"corner_citation": True, "citation_marks": keep}
    second = {**CAMEL, "index": "2", "content": "B"}
    answer = heard(*map(said, pieces), cited(CAMEL, second), END, options=options).answer
    marked = "Staff have 25 days$[1]$. It costs $18.50$[2]$."
    assert answer.text == (marked if keep else "Staff have 25 days. It costs $18.50.")
    spans = [[answer.text[begin:end] for begin, end in one.spans] for one in answer.sources]
    assert spans == [["Staff have 25 days"], ["It costs $18.50"]]


def test_marks_that_were_not_asked_for_leave_the_text_on_request_as_well(heard: Heard) -> None:
    frames = [said("Yes$[1]$."), cited(CAMEL), END]
    assert heard(*frames).answer.text == "Yes$[1]$."
    answer = heard(*frames, options={"citation_marks": False}).answer
    assert (answer.text, answer.sources[0].spans) == ("Yes.", ((0, 3),))


def test_a_mark_without_a_number_to_go_with_is_no_span_of_other_sources(heard: Heard) -> None:
    answer = heard(said("Yes$[0]$."), found(FOUND), END, options={"citation_marks": False}).answer
    assert (answer.text, answer.sources[0].spans) == ("Yes.", ())


def test_a_tail_that_never_became_a_mark_is_text(heard: Heard) -> None:
    played = heard(said("It costs $"), said("[1"), END, options={"citation_marks": False})
    assert played.answer.text == "It costs $[1"


def test_text_that_was_held_back_is_not_lost_with_a_broken_stream(heard: Heard) -> None:
    error = heard(said("It costs $["), options={"citation_marks": False}).error
    assert error.partial_text == "It costs $["


def test_marks_inside_a_thought_are_the_models_own(heard: Heard) -> None:
    answer = heard(said("<think>see $[1]$</think>Yes$[1]$."), END, options={"citation_marks": False}).answer
    assert (answer.reasoning, answer.text) == ("see $[1]$", "Yes.")


def test_the_passages_are_asked_for_on_request_and_again_until_they_are_there(heard: Heard) -> None:
    empty, full = {"correlate_dataset": []}, {"correlate_dataset": [{**CORRELATED, "score": "0.81"}, None]}
    played = heard(INFO, said("a"), END, then=[small(empty), small(full)], options={"fetch_sources": True})
    assert [plain(one) for one in played.answer.sources] == [
        Source("Staff have 25 days.", "Leave policy", "d-1", score=0.81)
    ]
    assert [request.url for request in played.requests[1:]] == [
        "https://bots.example.com/v1/correlate/dataset?message_id=m-1"
    ] * 2
    assert played.slept == [0.5]
    assert played.events.index(TextDelta("a")) < len(played.events) - 2


def test_passages_that_never_come_are_asked_for_three_times(heard: Heard) -> None:
    replies = [small({"correlate_dataset": None})] * 3
    played = heard(INFO, said("a"), END, then=replies, options={"fetch_sources": True})
    assert (played.answer.sources, played.slept, played.answer.finish_reason) == ((), [0.5, 1.0], "stop")


def test_passages_are_not_asked_for_if_there_are_some_or_nobody_asked(heard: Heard) -> None:
    assert len(heard(INFO, said("a"), cited(CAMEL), END, options={"fetch_sources": True}).requests) == 1
    assert len(heard(INFO, said("a"), END).requests) == 1


@pytest.mark.parametrize(
    "failure", [small({"code": 200222, "message": "off"}), BotServerError("gptbots: gone")], ids=str
)
def test_passages_that_are_refused_do_not_take_the_answer_with_them(heard: Heard, failure: Any) -> None:
    played = heard(INFO, said("a"), END, then=[failure], options={"fetch_sources": True})
    assert (played.error, played.answer.text, played.answer.sources) == (None, "a", ())


def test_asking_for_passages_is_tried_again_if_it_cannot_have_arrived(heard: Heard) -> None:
    replies = [BotConnectError("gptbots: down"), small({"correlate_dataset": [CORRELATED]})]
    played = heard(INFO, said("a"), END, then=replies, options={"fetch_sources": True})
    assert (len(played.answer.sources), len(played.slept)) == (1, 1)


def test_without_an_id_the_newest_answer_of_the_history_is_the_one(heard: Heard) -> None:
    messages = [
        {"message_id": "m-9", "parent_message_id": "q-9", "role": "assistant", "create_time": 1767000000123},
        {"message_id": "q-9", "role": "user", "create_time": 1767000000123},
        {"message_id": "m-1", "role": "assistant", "create_time": 1766000000123},
    ]
    replies = [small({"conversation_content": messages}), small({"correlate_dataset": [CORRELATED]})]
    played = heard(said("a"), END, then=replies, options={"fetch_sources": True})
    assert len(played.answer.sources) == 1
    assert played.requests[-1].url.endswith("message_id=m-9")
