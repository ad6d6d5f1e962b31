"""What sums of chunks hold, however they are added up."""

from __future__ import annotations

import functools
import json
import operator
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.load import dumps, load
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks
from langchain_core.runnables.utils import AddableDict

from remote_chatbots import (
    Answer,
    Event,
    Finished,
    Started,
    TextDelta,
    TextReplaced,
)
from tests.unit.langchain_turns import (
    METADATA,
    TURN,
    TWICE,
    WITHDRAWN,
    as_blocks,
    chunks_of,
    maker,
)


def left_to_right(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(operator.add, chunks)


def right_to_left(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(lambda total, chunk: chunk + total, reversed(chunks))


def as_a_list(chunks: Sequence[AIMessageChunk]) -> Any:
    return chunks[0] + list(chunks[1:])


def as_a_tuple(chunks: Sequence[AIMessageChunk]) -> Any:
    return chunks[0] + tuple(chunks[1:])


def a_list_to_a_sum(chunks: Sequence[AIMessageChunk]) -> Any:
    return (chunks[0] + chunks[1]) + list(chunks[2:])


def lists_to_the_left(chunks: Sequence[AIMessageChunk]) -> Any:
    return chunks[0] + [chunks[1] + list(chunks[2:])]


def generations_to_a_sum(chunks: Sequence[AIMessageChunk]) -> Any:
    first, second, *rest = [ChatGenerationChunk(message=chunk) for chunk in chunks]
    return (first + second + rest).message


def in_a_dict(chunks: Sequence[AIMessageChunk]) -> Any:
    return functools.reduce(operator.add, [AddableDict(answer=chunk) for chunk in chunks])["answer"]


def from_copies(chunks: Sequence[AIMessageChunk]) -> Any:
    return left_to_right([chunk.model_copy() for chunk in chunks])


def from_pickles(chunks: Sequence[AIMessageChunk]) -> Any:
    sums = [left_to_right(chunks[:2]), *chunks[2:]]
    return left_to_right([pickle.loads(pickle.dumps(chunk)) for chunk in sums])


def sums_from_pickles(chunks: Sequence[AIMessageChunk]) -> Any:
    begun, rest = left_to_right(chunks[:2]), left_to_right(chunks[2:])
    again, others = pickle.loads(pickle.dumps((begun, [rest])))
    return again + others


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
    a_list_to_a_sum,
    generations_to_a_sum,
    in_a_dict,
    from_copies,
    from_pickles,
    sums_from_pickles,
]
GROUPINGS: list[Grouping] = [*FROM_THE_START, right_to_left, in_pairs, lists_to_the_left]
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


@pytest.mark.parametrize("events", [TURN, WITHDRAWN], ids=["turn", "withdrawn"])
def test_langchain_makes_a_message_of_a_chunk_and_of_any_sum(events: list[Event]) -> None:
    chunks = chunks_of(events)

    for chunk in (*chunks, left_to_right(chunks[1:]), left_to_right(chunks[:-1]), left_to_right(chunks)):
        message = message_chunk_to_message(chunk)
        assert type(message) is AIMessage
        assert (message.content, message.id) == (chunk.content, "m-1")
        assert message.response_metadata == chunk.response_metadata


@pytest.mark.parametrize("form", ["text", "blocks"])
def test_a_replacement_that_went_through_json_withdraws_beside_chunks_of_ours(form: str) -> None:
    plain = chunks_of(WITHDRAWN)
    chunks: Sequence[AIMessageChunk] = plain if form == "text" else as_blocks(plain)
    through_json = load(json.loads(dumps(chunks[3])), allowed_objects="core")

    assert type(through_json) is AIMessageChunk
    assert left_to_right([*chunks[:3], through_json, *chunks[4:]]).text == "[removed] Sorry."
    assert (chunks[0] + [*chunks[1:3], through_json, *chunks[4:]]).text == "[removed] Sorry."


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
    for event in events:
        made.take(event)

    message = made.message(Answer.of(events))

    total = message_chunk_to_message(left_to_right(chunks_of(events, "0123")))
    assert type(message) is AIMessage
    assert message == total


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
