"""An answer that a paused one and its rest make."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage

from langchain_chatbots._messages import BLOCKS
from langchain_chatbots.human_input import _whole

TOLD = {"message_id": "m-1", "workflow_run_id": "r-1", "bot": "b", "system": "s"}
PAUSED = AIMessage(
    "So far. ",
    id="m-1",
    response_metadata={**TOLD, "finish_reason": "paused", "input_required": [{"form_token": "t-1"}]},
)


def rest(content: Any = "The rest.", **told: Any) -> AIMessage:
    return AIMessage(content, id="m-1", response_metadata={"message_id": "m-1", **told})


def test_the_rest_is_added_and_the_pause_forgotten() -> None:
    whole = _whole(PAUSED, rest(finish_reason="stop"))
    assert (whole.content, whole.id) == ("So far. The rest.", "m-1")
    assert whole.response_metadata == {**TOLD, "finish_reason": "stop"}


def test_a_bot_that_pauses_again_waits_for_its_new_form() -> None:
    again = [{"form_token": "t-2"}]
    told = _whole(PAUSED, rest(finish_reason="paused", input_required=again)).response_metadata
    assert (told["finish_reason"], told["input_required"]) == ("paused", again)


def test_text_that_is_withdrawn_after_the_pause_takes_what_was_said_before_with_it() -> None:
    whole = _whole(PAUSED, rest("Withdrawn.", replaced=True, finish_reason="content_filter"))
    assert (whole.content, whole.response_metadata["bot"]) == ("Withdrawn.", "b")


def test_blocks_of_the_rest_keep_their_place_behind_the_text_before_the_pause() -> None:
    thought = {"type": "reasoning", "reasoning": "Hm.", "index": 0, "at": 0}
    before = PAUSED.model_copy(update={"additional_kwargs": {BLOCKS: [thought]}})
    after = rest()
    after.additional_kwargs[BLOCKS] = [{**thought, "at": 3}]
    blocks = _whole(before, after).additional_kwargs[BLOCKS]
    assert blocks == [thought, {**thought, "index": 1, "at": len("So far. ") + 3}]


def test_content_in_lists_stays_in_lists() -> None:
    block = {"type": "text", "text": "The rest."}
    assert _whole(PAUSED, rest([block])).content == [{"type": "text", "text": "So far. "}, block]
