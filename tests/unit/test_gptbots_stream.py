"""What the frames of a GPTBots stream mean, code by code, and what text they add up to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from remote_chatbots import (
    BotProtocolError,
    BotTruncatedError,
    Finished,
    GPTBotsAgent,
    MediaProduced,
    Question,
    Reasoning,
    Settings,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    UsageReported,
)

Drive = Callable[..., Any]
Heard = Callable[..., Any]

# "Send message", the stream's example.
DOCUMENTED_V1 = """{"code":3,"message":"Text","data":"我"}
{"code":3,"message":"Text","data":"可以"}
{"code":3,"message":"Text","data":"帮"}
{"code":3,"message":"Text","data":"助"}
{"code":3,"message":"Text","data":"你"}
{"code":3,"message":"Text","data":"的"}
{"code":3,"message":"Text","data":"吗"}
{"code":3,"message":"Text","data":"?"}
{"code":10,"message":"FlowOutput","data":[{"content":"你好","branch":null,"from_component_name": "User Input"}]}
{"code":0,"message":"End","data":null}
"""
COST = {
    "prompt_tokens": 120,
    "completion_tokens": 10,
    "total_tokens": 130,
    "prompt_tokens_details": {"audio_tokens": 0, "text_tokens": 120},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "text_tokens": 10},
}
END = {"code": 0, "message": "End", "data": None}
INFO = {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-1"}}


def said(text: Any, **keys: Any) -> dict[str, Any]:
    return {"code": 3, "message": "Text", "data": text, **keys}


def flowed(*contents: Any) -> dict[str, Any]:
    items = [{"content": one, "branch": None, "from_component_name": "A"} for one in contents]
    return {"code": 10, "message": "FlowOutput", "data": items, "componentId": 7}


def spoke(transcript: Any = "", audio: Any = "") -> dict[str, Any]:
    return {"code": 39, "message": "Audio", "data": {"audioAnswer": audio, "transcript": transcript}}


def test_the_documents_stream_of_v1_is_its_text_and_the_flows_output_is_metadata(
    agent: GPTBotsAgent, drive: Drive
) -> None:
    flow = replace(agent, api_version="v1").ask(Question("HI!", conversation_id="c-1", coalesce=False))
    played = drive(flow, DOCUMENTED_V1.encode())
    output = [{"content": "你好", "branch": None, "from_component_name": "User Input"}]
    pieces = ["我", "可以", "帮", "助", "你", "的", "吗", "?"]
    assert played.events == [Started("c-1"), *map(TextDelta, pieces), Finished("stop", {"flow_output": output})]


def test_the_documents_stream_of_v2_is_ids_text_cost_and_end(heard: Heard) -> None:
    cost = {"code": 4, "message": "Cost", "data": COST}
    played = heard(INFO, said("Twelve "), said("days."), cost, END)
    started, info, first, second, usage, finished = played.events
    assert (started, info) == (Started("c-1"), Started(message_id="m-1"))
    assert (first, second, finished) == (TextDelta("Twelve "), TextDelta("days."), Finished())
    assert isinstance(usage, UsageReported)
    assert (usage.usage.prompt_tokens, usage.usage.completion_tokens, usage.usage.total_tokens) == (120, 10, 130)
    assert (usage.usage.total_price, usage.usage.currency, usage.usage.raw) == (None, "", COST)


def test_pieces_of_one_read_are_one_piece(agent: GPTBotsAgent, drive: Drive, framed: Any) -> None:
    played = drive(agent.ask(Question("HI!", conversation_id="c-1")), framed(said("a"), said("b"), said("c"), END))
    assert played.events[1:-1] == [TextDelta("abc")]


def test_empty_text_says_nothing_and_whatever_is_no_text_is_handed_on(heard: Heard) -> None:
    odd = [said(None), said(5), said(["a"]), said({"text": "a"})]
    played = heard(said(""), said("a"), said(""), *odd, END)
    assert played.answer.text == "a"
    assert played.answer.unrecognized == tuple(Unrecognized("Text", one) for one in odd)


@pytest.mark.parametrize("first", [True, False], ids=["flow first", "text first"])
def test_where_there_is_text_the_flows_output_is_metadata(heard: Heard, first: bool) -> None:
    frames = [flowed("One."), said("One.")]
    answer = heard(INFO, *(frames if first else frames[::-1]), END).answer
    assert (answer.text, answer.metadata["flow_output"]) == ("One.", flowed("One.")["data"])


def test_without_text_the_components_are_the_answer_joined_by_a_blank_line(heard: Heard) -> None:
    answer = heard(INFO, said(""), flowed("One.", "", None), flowed("Two."), END).answer
    assert answer.text == "One.\n\nTwo."
    assert answer.metadata == {"output": flowed("One.", "", None, "Two.")["data"]}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, ""),
        ([], ""),
        ("One.", "One."),
        ({"content": "One."}, "One."),
        (
            [None, 5, "One.", {"content": 5, "audioDatas": 5}, {"content": "Two.", "audioDatas": [5, None]}],
            "One.\n\nTwo.",
        ),
    ],
    ids=str,
)
def test_flow_output_in_odd_forms_is_what_can_be_read_of_it(heard: Heard, data: Any, text: str) -> None:
    played = heard({"code": 10, "data": data}, END)
    assert (played.error, played.answer.text) == (None, text)


def test_what_a_component_speaks_is_media_and_its_transcript_is_the_text(heard: Heard) -> None:
    speech = {"transcript": "Rain.", "url": "https://x.example.com/1.mp3", "seconds": 2}
    item = {"content": "Audio https://x.example.com/1.mp3 says: Rain.", "audioDatas": [speech, {"transcript": "Wind."}]}
    answer = heard({"code": 10, "data": [item]}, END).answer
    assert answer.text == "Rain.\nWind."
    assert answer.media == (MediaProduced("audio", url="https://x.example.com/1.mp3", raw=speech),)


def test_an_answer_in_speech_alone_is_the_words_of_its_transcript_and_the_bytes(heard: Heard) -> None:
    answer = heard(INFO, spoke("Rain "), spoke("likely."), spoke(audio="UklG"), spoke(audio="Rg=="), END).answer
    assert (answer.text, answer.replaced) == ("Rain likely.", False)
    assert b"".join(one.data for one in answer.media) == b"RIFF"


def test_transcripts_behind_text_repeat_it_and_are_left_out(heard: Heard) -> None:
    assert heard(said("Rain likely."), spoke("Rain "), spoke("likely."), END).answer.text == "Rain likely."


def test_text_behind_transcripts_takes_their_place(heard: Heard) -> None:
    played = heard(spoke("Rain "), said("Rain"), said(" likely."), spoke("likely."), END)
    assert (played.answer.text, played.answer.replaced) == ("Rain likely.", True)
    assert TextReplaced("Rain") in played.events


@pytest.mark.parametrize("data", [None, 5, [], "x", {"audioAnswer": 5}, {"audioAnswer": "not base64!"}], ids=str)
def test_speech_in_odd_forms_is_no_speech(heard: Heard, data: Any) -> None:
    played = heard({"code": 39, "data": data}, said("a"), END)
    assert (played.error, played.answer.text, played.answer.media) == (None, "a", ())


def test_thoughts_come_apart_from_the_text(heard: Heard) -> None:
    thoughts = ["Why", {"text": " not"}, {"id": "t", "thought": "?"}]
    answer = heard(*({"code": 41, "data": one} for one in thoughts), said("Yes."), END).answer
    assert (answer.reasoning, answer.text) == ("Why not?", "Yes.")


@pytest.mark.parametrize("data", [None, 5, [], {}, {"id": "t-1"}], ids=str)
def test_a_thought_without_words_is_handed_on(heard: Heard, data: Any) -> None:
    frame = {"code": 41, "message": "Thought", "data": data}
    assert heard(frame, END).answer.unrecognized == (Unrecognized("Thought", frame),)


def test_think_marks_split_over_frames_are_thoughts(heard: Heard) -> None:
    pieces = ["<th", "ink>Why", " not?</", "think>\n", "\nYes", "."]
    answer = heard(*map(said, pieces), END).answer
    assert (answer.reasoning, answer.text) == ("Why not?", "Yes.")
    assert heard(*map(said, pieces), END, reasoning=False).answer.text == "".join(pieces)


def test_a_tool_is_a_step_that_runs_and_ends(heard: Heard) -> None:
    call = {"code": 5, "data": {"id": "t-1", "name": "weather", "arguments": '{"city": "Bergen"}'}}
    outcome = {"code": 6, "data": {"id": "t-1", "name": "weather", "result": "Rain."}}
    played = heard(call, outcome, said("Rain."), END)
    running, ended = (event for event in played.events if isinstance(event, Step))
    assert (running.id, running.kind, running.name, running.status) == ("t-1", "tool", "weather", "running")
    assert (ended.id, ended.status, ended.error, ended.raw) == ("t-1", "succeeded", "", outcome)
    assert (running.input, running.output) == ({"city": "Bergen"}, None)
    assert (ended.input, ended.output) == ({"city": "Bergen"}, "Rain.")
    assert played.answer.steps == (ended,)


@pytest.mark.parametrize("data", ["[TOOL_ERROR] no such city", {"text": "[TOOL_ERROR]no such city"}], ids=str)
def test_a_tools_error_is_a_step_that_failed(heard: Heard, data: Any) -> None:
    (step,) = heard({"code": 5, "data": {"name": "weather"}}, {"code": 6, "data": data}, END).answer.steps
    assert (step.status, step.error) == ("failed", "no such city")


def test_outcomes_without_ids_are_those_of_the_oldest_calls(heard: Heard) -> None:
    calls = [{"code": 5, "data": {"toolName": name}} for name in "ab"]
    outcomes = [{"code": 6, "data": result} for result in ("one", "[TOOL_ERROR] two")]
    steps = heard(*calls, *outcomes, END).answer.steps
    assert [(step.id, step.status) for step in steps] == [("call-1", "succeeded"), ("call-2", "failed")]


def test_an_outcome_of_an_unknown_call_leaves_the_others_running(heard: Heard) -> None:
    steps = heard({"code": 5, "data": {"id": "a"}}, {"code": 6, "data": {"id": "z"}}, END).answer.steps
    assert [(step.id, step.status) for step in steps] == [("a", "running"), ("z", "succeeded")]


def test_a_hand_over_to_a_human_is_how_the_turn_ends_with_or_without_an_end(heard: Heard) -> None:
    frame = {"code": 36, "message": "Human", "data": None}
    for frames in ([said("One moment."), frame], [frame, said("One moment."), END]):
        played = heard(*frames)
        assert played.error is None
        assert (played.answer.text, played.answer.finish_reason) == ("One moment.", "handoff")
        assert played.answer.unrecognized == (Unrecognized("Human", frame),)
    assert 2.0 in played.waits


@pytest.mark.parametrize(
    "frame",
    [
        {"code": 999, "message": "Sparkle", "data": {"a": 1}},
        {"code": 999, "message": "Sparkle", "data": None},
        {"code": 1, "message": "Sparkle", "data": []},
        {"code": 7, "message": "Sparkle"},
        {"code": None, "message": "Sparkle", "data": 5},
        {"code": [3], "message": "Sparkle", "data": "a"},
        {"code": {}, "message": "Sparkle"},
        {"code": False, "message": "Sparkle"},
        {"code": True, "message": "Sparkle"},
        {"code": 10.5, "message": "Sparkle", "data": "a"},
        {"message": "Sparkle", "data": "a"},
    ],
    ids=str,
)
def test_a_frame_that_is_not_known_is_handed_on(heard: Heard, frame: Any) -> None:
    played = heard(INFO, said("a"), frame, said("b"), END)
    assert (played.error, played.answer.text) == (None, "ab")
    assert played.answer.unrecognized == (Unrecognized("Sparkle", frame),)


@pytest.mark.parametrize("value", [[1, 2], [said("x")], "text", 5, None, True], ids=str)
def test_what_is_no_object_is_handed_on(heard: Heard, value: Any) -> None:
    played = heard(INFO, value, said("b"), END)
    assert (played.error, played.answer.text) == (None, "b")
    assert played.answer.unrecognized == (Unrecognized("", value),)


def test_codes_may_be_written_as_text_and_keys_that_are_not_known_are_no_matter(heard: Heard) -> None:
    frames = [
        {"code": "11", "data": {"message_id": "m-1"}, "x": 1},
        {"code": "3", "data": "a", "x": {"y": 1}},
        {"code": "4", "data": {"total_tokens": "7"}},
        {"code": "0"},
    ]
    answer = heard(*frames).answer
    assert (answer.message_id, answer.text, answer.finish_reason) == ("m-1", "a", "stop")
    assert answer.usage is not None
    assert (answer.usage.total_tokens, answer.unrecognized) == (7, ())


def test_text_behind_the_end_is_no_part_of_the_answer(heard: Heard, framed: Any) -> None:
    played = heard(INFO, framed(said("a"), END, said("b"), END))
    assert (played.answer.text, played.error) == ("a", None)
    assert [one.raw for one in played.answer.unrecognized] == [said("b"), END]
    assert played.events[-1] == Finished()


@pytest.mark.parametrize("code", [{}, [0], None, "x", 1.5, True], ids=str)
def test_a_frame_with_an_odd_code_behind_the_end_is_handed_on(heard: Heard, framed: Any, code: Any) -> None:
    frame = {"code": code, "message": "Sparkle"}
    assert heard(framed(said("a"), END, frame)).answer.unrecognized == (Unrecognized("Sparkle", frame),)


def test_cost_and_ids_count_behind_the_end_as_well_and_cost_is_told_once(heard: Heard, framed: Any) -> None:
    costs = [{"code": 4, "data": {"total_tokens": tokens}} for tokens in (1, 2, 3)]
    played = heard(framed(said("a"), costs[0], costs[1], END, costs[2], INFO))
    assert [one.usage.total_tokens for one in played.events if isinstance(one, UsageReported)] == [3]
    assert (played.answer.message_id, played.answer.unrecognized) == ("m-1", ())


ANOTHER = {"code": 11, "message": "MessageInfo", "data": {"message_id": "m-2"}}


def test_a_frame_of_another_answer_is_not_taken_for_one_of_this(heard: Heard, framed: Any) -> None:
    played = heard(framed(INFO, said("Twelve "), ANOTHER, said("people were dismissed."), END))
    assert type(played.error) is BotProtocolError
    assert "another answer's" in str(played.error)
    assert (played.error.partial_text, played.error.message_id) == ("Twelve ", "m-1")


def test_the_frames_of_another_answer_behind_the_end_are_handed_on(heard: Heard, framed: Any) -> None:
    late = ({"code": 4, "data": {"total_tokens": 9}}, {"code": 20, "data": [{"citation": {"content": "Theirs"}}]})
    answer = heard(framed(INFO, said("a"), END, ANOTHER, *late)).answer
    assert (answer.message_id, answer.usage, answer.sources) == ("m-1", None, ())
    assert [one.raw for one in answer.unrecognized] == [ANOTHER, *late]


def test_an_id_that_is_told_again_or_is_none_changes_nothing(heard: Heard) -> None:
    answer = heard(INFO, INFO, {"code": 11, "data": 5}, {"code": 11, "data": {}}, said("a"), END, INFO).answer
    assert (answer.message_id, answer.text, answer.unrecognized) == ("m-1", "a", ())


def test_after_the_end_only_the_grace_is_waited(heard: Heard) -> None:
    assert heard(INFO, END, settings=Settings(end_grace_s=0.3)).waits == [None, None, 0.3]


def test_a_stream_without_its_end_is_an_error_with_the_text_and_the_ids_so_far(heard: Heard) -> None:
    played = heard(INFO, said("Twelve "), said("days"))
    error = played.error
    assert isinstance(error, BotTruncatedError)
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Twelve days", "c-1", "m-1")
    assert (error.retryable, str(error)[:9]) == (False, "gptbots: ")


def test_a_flow_without_its_end_keeps_what_its_components_said(heard: Heard) -> None:
    error = heard(INFO, flowed("One.")).error
    assert isinstance(error, BotTruncatedError)
    assert error.partial_text == "One."


@pytest.mark.parametrize("nothing", [[], [b"\n\n"], [b": ping\n\n"], [b"data: [DONE]\n\n"], [b"\xef\xbb\xbf"]], ids=str)
def test_a_body_in_which_nothing_is_said_is_truncated(heard: Heard, nothing: Any) -> None:
    assert isinstance(heard(*nothing).error, BotTruncatedError)


def test_a_stop_sequence_ends_the_answer_although_no_call_stops_the_server(heard: Heard) -> None:
    played = heard(INFO, said("One. St"), said("op. Two."), {"code": 4, "data": COST}, END, stop=["Stop"])
    assert (played.answer.text, played.answer.finish_reason, played.asides) == ("One. ", "stop", [])
    assert played.answer.usage is not None


def test_a_reply_that_thinks_and_answers_keeps_the_order(heard: Heard) -> None:
    played = heard(INFO, {"code": 41, "data": "Hm."}, said("A"), {"code": 41, "data": "Aha."}, said("B"), END)
    said_so = [event for event in played.events if isinstance(event, TextDelta | Reasoning)]
    assert said_so == [Reasoning("Hm."), TextDelta("A"), Reasoning("Aha."), TextDelta("B")]
