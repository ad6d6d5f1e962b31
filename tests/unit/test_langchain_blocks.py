"""What an answer has beside its text, as content blocks: the same in a stream, whole, in v0, v1 and v3."""

from __future__ import annotations

import functools
import operator
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.messages import AIMessage

from langchain_chatbots._parts import ProtocolEvents, V1Chunks
from remote_chatbots import (
    Answer,
    Event,
    Finished,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
)
from tests.unit.langchain_turns import chunks_of, maker

FLOW = [{"content": "So.", "branch": None, "from_component_name": "Answerer"}]
STARTED = Started(conversation_id="c-1", message_id="m-1")
SOURCES = SourcesFound(
    (Source(title="a.md", spans=((0, 5), (13, 19))), Source(title="b.md", raw={"document_name": "b.md"}))
)
SOURCES_NOWHERE = SourcesFound((Source(title="b.md", raw={"document_name": "b.md"}),))
CALL = Step("a-1", "thought", "rain", input={"rain": {"city": "Bergen"}})
NODE = Step("n-1", "node", "LLM", parent_id="loop", started_at=1767225600)
NODE_TOLD = {"id": "n-1", "kind": "node", "name": "LLM", "parent_id": "loop", "started_at": 1767225600}
TURNS: dict[str, tuple[list[Event], list[dict[str, Any]]]] = {
    "text alone": ([TextDelta("So "), TextDelta("be it.")], [{"type": "text", "text": "So be it."}]),
    "a thought first": (
        [Reasoning("Why "), Reasoning("not?"), TextDelta("So "), TextDelta("be it.")],
        [{"type": "reasoning", "reasoning": "Why not?"}, {"type": "text", "text": "So be it."}],
    ),
    "thoughts in between": (
        [TextDelta("First, "), Reasoning("hm"), Reasoning("?"), TextDelta("then"), TextDelta("."), Reasoning("done")],
        [
            {"type": "text", "text": "First, "},
            {"type": "reasoning", "reasoning": "hm?"},
            {"type": "text", "text": "then."},
            {"type": "reasoning", "reasoning": "done"},
        ],
    ),
    "a tool's call and its result": (
        [
            TextDelta("Let me look. "), CALL, TextDelta("It"),
            replace(CALL, status="succeeded", output={"rain": "80%"}), TextDelta(" rains."),
            Step("a-2", "thought", status="succeeded", text="It rains."),
        ],
        [
            {"type": "text", "text": "Let me look. "},
            {"type": "server_tool_call", "id": "a-1", "name": "rain", "args": {"city": "Bergen"}},
            {"type": "text", "text": "It"},
            {"type": "server_tool_result", "tool_call_id": "a-1", "status": "success", "output": "80%"},
            {"type": "text", "text": " rains."},
        ],
    ),
    "two tools of one thought, and a tool that failed": (
        [
            Step("a-1", "thought", "rain;wind", "succeeded", output={"rain": "no"},
                 input={"rain": {"on": 1}, "wind": 2}),
            Step("t-1", "tool", "map"), Step("t-1", "tool", status="failed", output="none"),
            Step("t-2", "tool", status="succeeded", output="an outcome whose call was not told"), TextDelta("No."),
        ],
        [
            {"type": "server_tool_call", "id": "a-1-1", "name": "rain", "args": {"on": 1}},
            {"type": "server_tool_result", "tool_call_id": "a-1-1", "status": "success", "output": "no"},
            {"type": "server_tool_call", "id": "a-1-2", "name": "wind", "args": {"input": 2}},
            {"type": "server_tool_result", "tool_call_id": "a-1-2", "status": "success", "output": None},
            {"type": "server_tool_call", "id": "t-1", "name": "map", "args": {}},
            {"type": "server_tool_result", "tool_call_id": "t-1", "status": "error", "output": "none"},
            {"type": "server_tool_result", "tool_call_id": "t-2", "status": "success",
             "output": "an outcome whose call was not told"},
            {"type": "text", "text": "No."},
        ],
    ),
    "arguments that come with the result": (
        [CALL, replace(CALL, status="succeeded", input={"rain": {"city": "Oslo"}}, output={"rain": "no"})],
        [
            {"type": "server_tool_call", "id": "a-1", "name": "rain", "args": {"city": "Bergen"}},
            {"type": "server_tool_result", "tool_call_id": "a-1", "status": "success", "output": "no",
             "extras": {"args": {"city": "Oslo"}}},
        ],
    ),
    "what a tool took and gave, told without its name": (
        [Step("a-1", "thought", "rain", "succeeded", input={"city": "Oslo"}, output={"rain in mm": 3})],
        [
            {"type": "server_tool_call", "id": "a-1", "name": "rain", "args": {"city": "Oslo"}},
            {"type": "server_tool_result", "tool_call_id": "a-1", "status": "success", "output": {"rain in mm": 3}},
        ],
    ),
    "a node that is tried twice in vain": (
        [Step("n-3", "node", status="retry", error=error) for error in ("503", "504")],
        [
            {"type": "non_standard", "value": {"step": {"id": "n-3", "kind": "node", "status": "retry",
             "error": error}}} for error in ("503", "504")
        ],
    ),
    "nodes, of which one is told again while it runs": (
        [
            NODE, replace(NODE, raw={"index": 1}), TextDelta("So "),
            replace(NODE, status="succeeded", output={"text": "So "}, elapsed_s=0.5), Step("n-2", "node", "Answer"),
            TextDelta("be it."), SOURCES,
        ],
        [
            {"type": "non_standard", "value": {"step": {**NODE_TOLD, "status": "running"}}},
            {"type": "text", "text": "So ", "annotations": [
                {"type": "citation", "title": "a.md", "start_index": 0, "end_index": 5,
                 "extras": {"document_name": "a.md"}},
            ]},
            {"type": "non_standard", "value": {"step": {**NODE_TOLD, "status": "succeeded", "output": {"text": "So "},
             "elapsed_s": 0.5}}},
            {"type": "non_standard", "value": {"step": {"id": "n-2", "kind": "node", "name": "Answer",
             "status": "running"}}},
            {"type": "text", "text": "be it.", "annotations": [
                {"type": "citation", "title": "a.md", "start_index": 10, "end_index": 16,
                 "extras": {"document_name": "a.md"}},
                {"type": "citation", "title": "b.md", "extras": {"document_name": "b.md"}},
            ]},
        ],
    ),
    "steps and sources without a word": (
        [NODE, SOURCES_NOWHERE, Finished()],
        [
            {"type": "non_standard", "value": {"step": {**NODE_TOLD, "status": "running"}}},
            {"type": "text", "text": "", "annotations": [
                {"type": "citation", "title": "b.md", "extras": {"document_name": "b.md"}},
            ]},
        ],
    ),
    "a thought alone": ([Reasoning("hm")], [{"type": "reasoning", "reasoning": "hm"}]),
    "a flow's output beside the text": (
        [Reasoning("hm"), TextDelta("So."), Finished("stop", {"flow_output": FLOW})],
        [
            {"type": "reasoning", "reasoning": "hm"},
            {"type": "text", "text": "So."},
            {"type": "non_standard", "value": {"flow_output": FLOW}},
        ],
    ),
    "sources, some with a place in the text": (
        [TextDelta("Alpha "), Reasoning("hm"), TextDelta("and so beta."), SOURCES],
        [
            {
                "type": "text",
                "text": "Alpha ",
                "annotations": [
                    {"type": "citation", "title": "a.md", "start_index": 0, "end_index": 5,
                     "extras": {"document_name": "a.md"}},
                ],
            },
            {"type": "reasoning", "reasoning": "hm"},
            {
                "type": "text",
                "text": "and so beta.",
                "annotations": [
                    {"type": "citation", "title": "a.md", "start_index": 7, "end_index": 13,
                     "extras": {"document_name": "a.md"}},
                    {"type": "citation", "title": "b.md", "extras": {"document_name": "b.md"}},
                ],
            },
        ],
    ),
}  # fmt: skip


def events_of(turn: str) -> list[Event]:
    events = [STARTED, *TURNS[turn][0]]
    return events if isinstance(events[-1], Finished) else [*events, Finished()]


def whole(events: list[Event]) -> AIMessage:
    made = maker()
    for event in events:
        made.take(event)
    return made.message(Answer.of(events))


def bare(blocks: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in block.items() if key != "index"} for block in blocks]


@pytest.mark.parametrize("turn", TURNS)
def test_the_blocks_of_a_whole_answer_stand_in_order(turn: str) -> None:
    message = whole(events_of(turn))

    assert message.content_blocks == TURNS[turn][1]
    assert message.content == "".join(block.get("text", "") for block in TURNS[turn][1])


@pytest.mark.parametrize("turn", TURNS)
def test_a_sum_of_chunks_has_the_blocks_of_the_whole_answer(turn: str) -> None:
    events = events_of(turn)
    total = functools.reduce(operator.add, chunks_of(events))

    assert bare(total.content_blocks) == TURNS[turn][1]
    assert total.additional_kwargs == whole(events).additional_kwargs


@pytest.mark.parametrize("turn", TURNS)
def test_a_sum_of_v1_chunks_has_the_blocks_of_the_whole_answer_as_its_content(turn: str) -> None:
    made = V1Chunks(maker())
    total = functools.reduce(operator.add, [chunk for event in events_of(turn) if (chunk := made.chunk(event))])

    assert bare(total.content) == TURNS[turn][1]
    assert bare(total.content_blocks) == TURNS[turn][1]
    assert len({block["index"] for block in total.content}) == len(total.content)
    assert total.response_metadata == whole(events_of(turn)).response_metadata | {"output_version": "v1"}


@pytest.mark.parametrize("turn", TURNS)
def test_v3_ends_with_the_same_blocks_each_begun_before(turn: str) -> None:
    told = ProtocolEvents(maker())
    events = [protocol for event in events_of(turn) for protocol in told.of(event)]

    begun = {one["index"]: one["content"]["type"] for one in events if one["event"] == "content-block-start"}
    ended = {one["index"]: one["content"] for one in events if one["event"] == "content-block-finish"}
    assert [ended[index] for index in sorted(ended)] == TURNS[turn][1]
    assert begun == {index: block["type"] for index, block in ended.items()}
    for index, block in ended.items():
        deltas = [one["delta"] for one in events if one["event"] == "content-block-delta" and one["index"] == index]
        kind = block["type"]
        if kind in ("text", "reasoning"):
            assert "".join(delta[kind] for delta in deltas) == block[kind]


def test_a_withdrawal_keeps_the_thoughts_and_replaces_the_text() -> None:
    events: list[Event] = [
        STARTED, TextDelta("A long first answer, "), Reasoning("hm"), TextDelta("and more."), TextReplaced("Sorry."),
        Reasoning("oh"), TextDelta(" No."), Finished(),
    ]  # fmt: skip
    expected = [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "Sorry."},
        {"type": "reasoning", "reasoning": "oh"},
        {"type": "text", "text": " No."},
    ]
    total = functools.reduce(operator.add, chunks_of(events))

    made = V1Chunks(maker())
    v1 = functools.reduce(operator.add, [chunk for event in events if (chunk := made.chunk(event))])
    told = ProtocolEvents(maker())
    v3 = {one["index"]: one["content"] for event in events for one in told.of(event)
          if one["event"] == "content-block-finish"}  # fmt: skip

    assert whole(events).content_blocks == expected
    assert bare(total.content_blocks) == expected
    assert bare(v1.content) == expected
    assert [v3[index] for index in sorted(v3)] == expected
    assert total.content == "Sorry. No."


@pytest.mark.parametrize("between", [[], [NODE]], ids=["alone", "with a node's end between"])
@pytest.mark.parametrize("instead", ["[removed]", ""], ids=["by other words", "by nothing"])
def test_what_langchain_makes_of_a_v3_stream_holds_no_withdrawn_text(between: list[Event], instead: str) -> None:
    told, stream = ProtocolEvents(maker()), ChatModelStream()
    for event in [STARTED, TextDelta("bad words"), *between, TextReplaced(instead), Finished("content_filter")]:
        for protocol in told.of(event):
            stream.dispatch(protocol)
    assert stream.output.text == instead
    assert "bad" not in str(stream.output.content)
