"""Events as LangChain messages, and what their sums hold."""

from __future__ import annotations

import functools
import operator
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from langchain_chatbots._messages import MessageMaker, RemoteMessageChunk, merge, usage_metadata
from remote_chatbots import (
    Answer,
    Event,
    Finished,
    InputRequired,
    MediaProduced,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Unrecognized,
    Usage,
    UsageReported,
)

BOT = "dify:dify.example.com:0123456789ab"
USAGE_TOLD = {"prompt_tokens": 812, "completion_tokens": 64, "total_tokens": 876, "total_price": "0.00016"}
USAGE = Usage(812, 64, 876, Decimal("0.00016"), raw=USAGE_TOLD)
RESOURCE = {"position": 1, "document_name": "coast.md", "content": "West wind.", "score": 0.77}
SOURCES = SourcesFound((Source("West wind.", "coast.md", score=0.77, position=1, raw=RESOURCE),))

TURN: list[Event] = [
    Started("c-1", "m-1", "t-1", created_at=1767225600),
    TextDelta("Rain "),
    Started(workflow_run_id="r-1"),
    Step("n-1", "node"),
    TextDelta("likely"),
    Reasoning("West, so"),
    TextDelta("."),
    UsageReported(USAGE),
    SOURCES,
    Unrecognized("new", {}),
    Finished("stop", {"annotation_reply": None, "files": [{"filename": "map.pdf"}]}),
]
WITHDRAWN: list[Event] = [
    Started("c-1", "m-1", "t-1", created_at=1767225600),
    TextDelta("bad "),
    TextDelta("words"),
    TextReplaced("[removed]", "output_moderation"),
    TextDelta(" Sorry."),
    UsageReported(USAGE),
    Finished("content_filter"),
]
TWICE: list[Event] = [
    Started("c-1", "m-1", "t-1"),
    TextDelta("bad"),
    TextReplaced("worse"),
    TextDelta(" words"),
    TextReplaced("[removed]"),
    TextDelta(" Sorry."),
    Finished("content_filter"),
]
METADATA = {
    "model_provider": "dify",
    "bot": BOT,
    "model_name": "dify-app",
    "conversation_id": "c-1",
    "message_id": "m-1",
    "task_id": "t-1",
    "created_at": 1767225600,
    "workflow_run_id": "r-1",
    "usage": USAGE_TOLD,
    "retriever_resources": [RESOURCE],
    "files": [{"filename": "map.pdf"}],
    "finish_reason": "stop",
}


def maker(system: str = "") -> MessageMaker:
    return MessageMaker(platform="dify", model_name="dify-app", bot_id=BOT, system=system)


def chunks_of(events: Sequence[Event], system: str = "") -> list[RemoteMessageChunk]:
    made = maker(system)
    return [chunk for event in events if (chunk := made.chunk(event)) is not None]


def as_blocks(chunks: Sequence[AIMessageChunk]) -> list[AIMessageChunk]:
    """Return the chunks as LangChain makes them for v1: content in blocks, each with an index."""
    made = []
    for chunk in chunks:
        blocks = [{"type": "text", "text": chunk.content, "index": 0}] if chunk.content else []
        metadata = {**chunk.response_metadata, "output_version": "v1"}
        made.append(chunk.model_copy(update={"content": blocks, "response_metadata": metadata}))
    return made


# One chunk for each event


def test_a_piece_of_text_is_a_chunk() -> None:
    (chunk,) = chunks_of([TextDelta("Rain ")])

    assert chunk == RemoteMessageChunk(content="Rain ", response_metadata={"model_provider": "dify"})


def test_the_servers_id_is_on_every_chunk_from_the_first() -> None:
    assert {chunk.id for chunk in chunks_of(TURN)} == {"m-1"}


@pytest.mark.parametrize(
    "event", [Step("n-1", "node"), Reasoning("a"), MediaProduced("image"), Unrecognized("x", {})], ids=type
)
def test_events_that_are_no_part_of_the_message_make_no_chunk(event: Event) -> None:
    assert maker().chunk(event) is None


@pytest.mark.parametrize("events", [TURN, WITHDRAWN], ids=["turn", "withdrawn"])
def test_each_key_of_the_metadata_is_on_exactly_one_chunk(events: list[Event]) -> None:
    chunks = chunks_of(events, system="0123")

    counted = Counter(key for chunk in chunks for key in chunk.response_metadata)

    assert counted.pop("model_provider") == len(chunks)
    assert set(counted.values()) == {1}
    assert {"bot", "model_name", "system", "conversation_id", "message_id", "finish_reason"} < set(counted)


def test_a_key_is_on_the_first_chunk_that_can_know_it() -> None:
    first, _, second, *_, usage, sources, last = chunks_of(TURN, system="0123")

    assert set(first.response_metadata) == {
        "model_provider", "bot", "model_name", "system", "conversation_id", "message_id", "task_id", "created_at",
    }  # fmt: skip
    assert set(second.response_metadata) == {"model_provider", "workflow_run_id"}
    assert set(usage.response_metadata) == {"model_provider", "usage"}
    assert set(sources.response_metadata) == {"model_provider", "retriever_resources"}
    assert set(last.response_metadata) == {"model_provider", "files", "finish_reason"}


def test_a_turn_without_ids_has_its_bot_on_the_last_chunk() -> None:
    *_, last = chunks_of([TextDelta("Rain."), Finished()])

    assert last.response_metadata == {
        "model_provider": "dify",
        "bot": BOT,
        "model_name": "dify-app",
        "finish_reason": "stop",
    }


def test_only_the_last_chunk_says_that_it_is_the_last() -> None:
    assert [chunk.chunk_position for chunk in chunks_of(TURN)] == [None] * 7 + ["last"]


def test_only_one_chunk_counts_tokens() -> None:
    counts = [chunk.usage_metadata for chunk in chunks_of(TURN) if chunk.usage_metadata]

    assert counts == [{"input_tokens": 812, "output_tokens": 64, "total_tokens": 876}]


@pytest.mark.parametrize(
    ("usage", "total"),
    [(Usage(5, 3, 8), 8), (Usage(5, 3, 0), 8), (Usage(5, 3, 10), 10), (Usage(), 0)],
    ids=["the sum", "less", "more", "nothing"],
)
def test_the_total_of_tokens_is_at_least_the_sum_of_its_parts(usage: Usage, total: int) -> None:
    assert usage_metadata(usage)["total_tokens"] == total


def test_a_form_is_on_its_own_chunk() -> None:
    (chunk,) = chunks_of([InputRequired({"form_id": "f-1", "form_token": "tok"})])

    assert chunk.response_metadata["input_required"] == [{"form_id": "f-1", "form_token": "tok"}]


def test_several_forms_stand_in_one_list() -> None:
    events = [InputRequired({"form_id": f"f-{at}"}) for at in (1, 2)]
    metadata: dict[str, Any] = {}
    for event in events:
        merge(metadata, maker().metadata(event) or {})

    total = functools.reduce(operator.add, chunks_of(events))

    assert metadata["input_required"] == [{"form_id": "f-1"}, {"form_id": "f-2"}]
    assert total.response_metadata["input_required"] == metadata["input_required"]


def test_a_chunk_is_saved_as_the_class_that_langchain_can_load() -> None:
    chunk = chunks_of(TURN)[1]

    loaded = load(dumpd(chunk), allowed_objects="core")

    assert type(loaded) is AIMessageChunk
    assert (loaded.content, loaded.id) == ("Rain ", "m-1")


def test_a_chunk_survives_pickling() -> None:
    for chunk in chunks_of(WITHDRAWN):
        assert pickle.loads(pickle.dumps(chunk)) == chunk


# Sums, in every grouping


def left_to_right(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(operator.add, chunks)


def right_to_left(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(lambda total, chunk: chunk + total, reversed(chunks))


def as_a_list(chunks: Sequence[AIMessageChunk]) -> Any:
    return chunks[0] + list(chunks[1:])


def as_a_tuple(chunks: Sequence[AIMessageChunk]) -> Any:
    return chunks[0] + tuple(chunks[1:])


def in_pairs(chunks: Sequence[AIMessageChunk]) -> Any:
    while len(chunks) > 1:
        chunks = [left_to_right(chunks[at : at + 2]) for at in range(0, len(chunks), 2)]
    return chunks[0]


def as_generations(chunks: Sequence[AIMessageChunk]) -> Any:
    merged = merge_chat_generation_chunks([ChatGenerationChunk(message=chunk) for chunk in chunks])
    assert merged is not None
    return merged.message


def as_generations_one_by_one(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(operator.add, [ChatGenerationChunk(message=chunk) for chunk in chunks]).message


Grouping = Callable[[Sequence[AIMessageChunk]], Any]

FROM_THE_START: list[Grouping] = [
    left_to_right,
    as_a_list,
    as_a_tuple,
    as_generations,
    as_generations_one_by_one,
]
GROUPINGS: list[Grouping] = [*FROM_THE_START, right_to_left, in_pairs]
TURNS = {
    "a turn": (TURN, "Rain likely."),
    "text withdrawn": (WITHDRAWN, "[removed] Sorry."),
    "text withdrawn twice": (TWICE, "[removed] Sorry."),
}


def named(grouping: Any) -> str:
    return str(grouping.__name__).replace("_", " ")


@pytest.mark.parametrize("grouping", GROUPINGS, ids=named)
@pytest.mark.parametrize(("events", "text"), TURNS.values(), ids=TURNS)
def test_the_sum_is_the_answer_however_it_is_added_up(events: list[Event], text: str, grouping: Grouping) -> None:
    chunks = chunks_of(events)

    total = grouping(chunks)

    assert total.content == text
    assert total.model_dump() == left_to_right(chunks).model_dump()


@pytest.mark.parametrize("grouping", GROUPINGS, ids=named)
@pytest.mark.parametrize(("events", "text"), TURNS.values(), ids=TURNS)
def test_the_sum_of_chunks_in_blocks_is_the_answer_however_it_is_added_up(
    events: list[Event], text: str, grouping: Grouping
) -> None:
    chunks = as_blocks(chunks_of(events))

    total = grouping(chunks)

    assert total.content == [{"type": "text", "text": text, "index": 0}]
    assert total.model_dump() == left_to_right(chunks).model_dump()


@pytest.mark.parametrize("grouping", FROM_THE_START, ids=named)
@pytest.mark.parametrize(("events", "text"), TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("form", ["text", "blocks"])
def test_the_sum_of_a_stream_is_a_plain_chunk_of_langchains(
    form: str, events: list[Event], text: str, grouping: Grouping
) -> None:
    chunks: Sequence[AIMessageChunk] = chunks_of(events)

    assert type(grouping(as_blocks(chunks) if form == "blocks" else chunks)) is AIMessageChunk


@pytest.mark.parametrize("at", range(1, len(chunks_of(WITHDRAWN))))
@pytest.mark.parametrize("form", ["text", "blocks"])
def test_the_sum_of_two_sums_is_the_answer_wherever_the_stream_is_split(form: str, at: int) -> None:
    plain = chunks_of(WITHDRAWN)
    chunks: Sequence[AIMessageChunk] = plain if form == "text" else as_blocks(plain)

    total = left_to_right(chunks[:at]) + left_to_right(chunks[at:])

    assert total.text == "[removed] Sorry."
    assert total.model_dump() == left_to_right(chunks).model_dump()


@pytest.mark.parametrize(("events", "text"), TURNS.values(), ids=TURNS)
def test_langchains_own_fold_of_a_stream_gives_the_answer(events: list[Event], text: str) -> None:
    result = generate_from_stream(iter([ChatGenerationChunk(message=chunk) for chunk in chunks_of(events)]))

    (generation,) = result.generations
    assert type(generation.message) is AIMessage
    assert (generation.message.content, generation.text) == (text, text)


def test_the_sum_holds_all_the_metadata() -> None:
    total = left_to_right(chunks_of(TURN))

    assert total.response_metadata == METADATA
    assert total.usage_metadata == {"input_tokens": 812, "output_tokens": 64, "total_tokens": 876}
    assert (total.id, total.chunk_position) == ("m-1", "last")


@pytest.mark.parametrize("events", [TURN, WITHDRAWN, TWICE], ids=["turn", "withdrawn", "twice"])
def test_the_sum_is_the_message_of_the_whole_answer(events: list[Event]) -> None:
    made = maker("0123")
    metadata: dict[str, Any] = {}
    for event in events:
        merge(metadata, made.metadata(event) or {})

    message = made.message(Answer.of(events), metadata)

    total = message_chunk_to_message(left_to_right(chunks_of(events, "0123")))
    assert type(message) is AIMessage
    assert message == total


def test_the_whole_message_holds_what_the_turn_told() -> None:
    made = maker()
    metadata: dict[str, Any] = {}
    for event in TURN:
        merge(metadata, made.metadata(event) or {})

    message = made.message(Answer.of(TURN), metadata)

    assert (message.content, message.id) == ("Rain likely.", "m-1")
    assert message.response_metadata == METADATA
    assert message.usage_metadata == {"input_tokens": 812, "output_tokens": 64, "total_tokens": 876}


# Replacement, in detail


@pytest.mark.parametrize("content", [str, list], ids=["text", "blocks"])
def test_a_replacement_says_so_and_holds_the_new_text(content: type) -> None:
    chunks: Sequence[AIMessageChunk] = chunks_of(WITHDRAWN)
    replacement = (as_blocks(chunks) if content is list else chunks)[3]

    assert replacement.text == "[removed]"
    assert replacement.response_metadata["replaced"] is True


def test_the_sum_tells_that_text_was_withdrawn() -> None:
    assert left_to_right(chunks_of(WITHDRAWN)).response_metadata["replaced"] is True
    assert "replaced" not in left_to_right(chunks_of(TURN)).response_metadata


def test_nothing_but_text_is_withdrawn() -> None:
    first, text, *_, replacement = chunks_of(WITHDRAWN)[:4]
    thinking = text.model_copy(
        update={"content": [{"type": "reasoning", "reasoning": "Hm.", "index": 1}, {"type": "text", "text": "bad"}]}
    )
    blocks = as_blocks([replacement])[0]

    total = left_to_right([first.model_copy(update={"content": []}), thinking, blocks])

    assert total.content == [
        {"type": "reasoning", "reasoning": "Hm.", "index": 1},
        {"type": "text", "text": "[removed]", "index": 0},
    ]
    assert total.response_metadata["conversation_id"] == "c-1"


def test_text_may_be_withdrawn_for_nothing() -> None:
    chunks = chunks_of([Started("c-1", "m-1"), TextDelta("bad"), TextReplaced(""), Finished("content_filter")])

    assert left_to_right(chunks).content == ""


def test_a_replacement_withdraws_the_text_of_plain_chunks_too() -> None:
    replacement = chunks_of(WITHDRAWN)[3]

    assert (AIMessageChunk(content="bad") + replacement).content == "[removed]"
    assert (
        AIMessageChunk(content=[{"type": "text", "text": "bad", "index": 0}]) + as_blocks([replacement])[0]
    ).content == [{"type": "text", "text": "[removed]", "index": 0}]


def test_a_sum_goes_on_after_a_replacement_as_any_other() -> None:
    total = left_to_right(chunks_of(WITHDRAWN)[:4])

    assert (total + AIMessageChunk(content=" More.")).content == "[removed] More."


def test_adding_changes_no_chunk() -> None:
    chunks = chunks_of(WITHDRAWN)
    before = [chunk.model_dump() for chunk in chunks]

    left_to_right(chunks)
    as_a_list(chunks)

    assert [chunk.model_dump() for chunk in chunks] == before


def test_what_langchain_cannot_add_cannot_be_added_here() -> None:
    chunk = chunks_of(TURN)[1]

    with pytest.raises(TypeError):
        chunk + "text"
    with pytest.raises(TypeError):
        "text" + chunk


def test_a_message_that_is_no_chunk_is_added_as_langchain_adds_it() -> None:
    chunk = chunks_of(TURN)[1]
    plain = AIMessageChunk(**chunk.model_dump())

    try:
        expected = type(plain + HumanMessage("Hi"))
    except TypeError:
        with pytest.raises(TypeError):
            chunk + HumanMessage("Hi")
    else:
        assert type(chunk + HumanMessage("Hi")) is expected
