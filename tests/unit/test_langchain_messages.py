"""Events as LangChain messages, and what their sums hold."""

from __future__ import annotations

import functools
import operator
import pickle
import subprocess
import sys
from collections import Counter

import pytest
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_chatbots._generations import Generations
from langchain_chatbots._messages import RemoteMessageChunk, usage_metadata
from langchain_chatbots._parts import V1Chunks
from remote_chatbots import (
    Answer,
    Event,
    Finished,
    InputRequired,
    MediaProduced,
    Step,
    TextDelta,
    Unrecognized,
    Usage,
)
from tests.unit.langchain_turns import (
    BOT,
    METADATA,
    TURN,
    WITHDRAWN,
    chunks_of,
    maker,
)

# One chunk for each event


def generation_of(chunk: AIMessageChunk) -> ChatGenerationChunk | None:
    return Generations(lambda _: chunk, keeps_texts=True).of(TextDelta(chunk.text))


def test_a_piece_of_text_is_a_chunk() -> None:
    (chunk,) = chunks_of([TextDelta("Rain ")])

    assert chunk == RemoteMessageChunk(content="Rain ", response_metadata={"model_provider": "dify"})


def test_what_a_reader_changes_in_a_piece_is_no_other_pieces() -> None:
    one, other = chunks_of([TextDelta("Rain "), TextDelta("today.")])
    held = [name for name, value in vars(one).items() if isinstance(value, (dict, list))]

    assert len(held) == 5
    assert not [name for name in held if getattr(one, name) is getattr(other, name)]


@pytest.mark.parametrize("events", [TURN, WITHDRAWN], ids=["turn", "withdrawn"])
def test_a_chunk_is_handed_on_as_langchain_would_make_it_of_it(events: list[Event]) -> None:
    v1 = V1Chunks(maker())
    for chunk in [*chunks_of(events), *(made for event in events if (made := v1.chunk(event)) is not None)]:
        handed_on = generation_of(chunk)

        assert handed_on is not None
        assert handed_on == ChatGenerationChunk(message=chunk)
        assert handed_on.message is chunk
        assert type(handed_on.text) is str
        assert {"text", "message"} == handed_on.model_fields_set


def test_what_a_callback_notes_on_one_chunk_is_on_no_other() -> None:
    one, other = map(generation_of, chunks_of([TextDelta("Rain "), TextDelta("today.")]))
    assert one is not None
    assert other is not None

    one.generation_info = {"seen": True}
    one.message.name = "seen"

    assert other.generation_info is None
    assert "generation_info" not in other.model_fields_set
    assert "name" not in other.message.model_fields_set


def test_the_servers_id_is_on_every_chunk_from_the_first() -> None:
    assert {chunk.id for chunk in chunks_of(TURN)} == {"m-1"}


@pytest.mark.parametrize("event", [Step("a-1", "thought"), MediaProduced("image"), Unrecognized("x", {})], ids=type)
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
    assert set(last.response_metadata) == {"model_provider", "files", "steps", "finish_reason"}


def test_a_turn_without_ids_has_its_bot_on_the_last_chunk() -> None:
    *_, last = chunks_of([TextDelta("Rain."), Finished()])

    assert last.response_metadata == {
        "model_provider": "dify",
        "bot": BOT,
        "model_name": "dify-app",
        "finish_reason": "stop",
    }


def test_only_the_last_chunk_says_that_it_is_the_last() -> None:
    *others, last = chunks_of(TURN)
    assert {chunk.chunk_position for chunk in others} == {None}
    assert last.chunk_position == "last"


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
    made = maker()
    for event in events:
        made.take(event)
    metadata = made.message(Answer()).response_metadata

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


WRITTEN = """
from typing import Any
from pydantic import TypeAdapter
from langchain_chatbots._messages import MessageMaker, RemoteMessageChunk
from remote_chatbots import Finished, Started, TextDelta

maker = MessageMaker(platform="dify", model_name="app", bot_id="b", system="")
first, chunk, last = map(maker.chunk, [Started("c-1"), TextDelta("Rain "), Finished()])
assert (first + [chunk, last]).content == "Rain "
needed_one = RemoteMessageChunk.__pydantic_complete__
written = TypeAdapter(Any).dump_python([chunk], mode="json")
print(needed_one, written[0]["content"], written[0]["response_metadata"], RemoteMessageChunk.__pydantic_complete__)
"""


def test_a_turn_needs_no_schema_of_chunks_and_what_writes_one_down_makes_it() -> None:
    done = subprocess.run([sys.executable, "-c", WRITTEN], capture_output=True, text=True, check=True)

    assert done.stdout == "False Rain  {'model_provider': 'dify'} True\n"


def test_the_whole_message_holds_what_the_turn_told() -> None:
    made = maker()
    for event in TURN:
        made.take(event)

    message = made.message(Answer.of(TURN))

    assert (message.content, message.id) == ("Rain likely.", "m-1")
    assert message.response_metadata == METADATA
    assert message.usage_metadata == {"input_tokens": 812, "output_tokens": 64, "total_tokens": 876}
