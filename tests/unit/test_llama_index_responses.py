"""Events as LlamaIndex responses: each holds all of the answer so far, and makes it when it is read."""

from __future__ import annotations

import pickle
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, TextBlock, ThinkingBlock

from llama_index_chatbots._responses import ResponseMaker, as_completion
from remote_chatbots import (
    Event,
    Finished,
    InputRequired,
    Reasoning,
    Source,
    SourcesFound,
    Started,
    Step,
    TextDelta,
    TextReplaced,
    Usage,
    UsageReported,
)

STARTED = Started(conversation_id="c-1", message_id="m-1", task_id="t-1", created_at=1)


def responses(*events: Event) -> list[ChatResponse]:
    maker = ResponseMaker(platform="dify", model_name="label", bot_id="dify:h:1", system="abc")
    return [response for event in events if (response := maker.take(event)) is not None]


def test_each_response_keeps_what_was_known_when_it_came() -> None:
    told = responses(STARTED, TextDelta("Will "), TextDelta("rain."), UsageReported(Usage(1, 2, 3)), Finished())
    assert [response.message.content for response in told] == ["Will ", "Will rain.", "Will rain."]
    assert [response.delta for response in told] == ["Will ", "rain.", ""]
    assert ["finish_reason" in response.message.additional_kwargs for response in told] == [False, False, True]
    assert [response.additional_kwargs.get("total_tokens") for response in told] == [None, None, 3]
    first = told[0].message.additional_kwargs
    assert first == {
        "model_provider": "dify", "bot": "dify:h:1", "model_name": "label", "system": "abc", "conversation_id": "c-1",
        "message_id": "m-1", "task_id": "t-1", "created_at": 1,
    }  # fmt: skip


def test_what_is_made_late_is_shown_and_listed_as_well() -> None:
    told, listed = responses(STARTED, TextDelta("Rain."), TextDelta(" Wind."))
    completion = as_completion(responses(STARTED, TextDelta("Rain."))[0])
    assert "content='Rain.'" in repr(told) or "text='Rain.'" in repr(told)
    assert dict(listed)["message"].content == "Rain. Wind."
    assert "text='Rain.'" in repr(completion)


def test_withdrawn_text_is_in_no_later_response_and_stays_in_the_earlier() -> None:
    told = responses(TextDelta("Bad"), TextReplaced("Sorry"), TextDelta("."), Finished("content_filter"))
    assert [response.message.content for response in told] == ["Bad", "Sorry", "Sorry.", "Sorry."]
    assert [response.additional_kwargs.get("replaced") for response in told] == [None, True, None, None]


def test_thoughts_stand_apart_from_the_text() -> None:
    told = responses(Reasoning("West"), Reasoning(", so"), TextDelta("Rain."), Finished())
    assert [response.additional_kwargs.get("thinking_delta") for response in told] == ["West", ", so", None, None]
    assert told[-1].message.blocks == [ThinkingBlock(content="West, so"), TextBlock(text="Rain.")]
    assert told[-1].message.content == "Rain."


def test_sources_forms_and_the_servers_own_words_ride_on_the_message() -> None:
    source = Source(content="x", raw={"content": "x", "segment_id": "s"})
    told = responses(SourcesFound((source,)), InputRequired({"a": 1}), InputRequired({"b": 2}), Finished("paused"))
    known = told[-1].message.additional_kwargs
    assert known["retriever_resources"] == [{"content": "x", "segment_id": "s"}]
    assert known["input_required"] == [{"a": 1}, {"b": 2}]
    assert told[-1].raw["finish_reason"] == known["finish_reason"] == "paused"


def test_raw_holds_the_counts_under_the_names_that_counters_read_beside_the_servers() -> None:
    usage = Usage(1, 2, 0, raw={"credits": 5})
    (last,) = responses(UsageReported(usage), Finished())
    assert last.raw["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "credits": 5}
    assert last.message.additional_kwargs["usage"] == {"credits": 5}


def test_steps_are_no_responses() -> None:
    assert responses(STARTED, Step("s", "node")) == []


def test_a_response_is_made_when_it_is_read_and_is_then_like_any_other() -> None:
    for again in (
        lambda r: pickle.loads(pickle.dumps(r)),
        lambda r: r.model_copy(),
        lambda r: ChatResponse.model_validate(r.model_dump()),
    ):
        (late,) = responses(TextDelta("Rain."))
        assert "message" not in late.__dict__
        assert again(late).message.content == "Rain."
        assert late == again(late)
        assert late.message is late.message


def test_what_a_reader_does_to_a_response_changes_no_other() -> None:
    maker = ResponseMaker(platform="dify", model_name="label", bot_id="b", system="")
    first: Any = maker.take(TextDelta("a"))
    first.message.additional_kwargs["mine"] = first.raw["mine"] = 1
    second: Any = maker.take(TextDelta("b"))
    assert "mine" not in {**second.message.additional_kwargs, **second.raw}


def test_a_completion_holds_the_same() -> None:
    told = responses(STARTED, TextDelta("a"), UsageReported(Usage(1, 2, 3)), Finished())
    completions = [as_completion(response) for response in told]
    assert [completion.text for completion in completions] == ["a", "a"]
    assert completions[-1].additional_kwargs["conversation_id"] == "c-1"
    assert completions[-1].additional_kwargs["total_tokens"] == 3
    assert pickle.loads(pickle.dumps(completions[-1])) == completions[-1]
