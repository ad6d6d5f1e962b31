"""In a workflow a person fills in the form that the bot waits for: one question, one form, the whole answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step

from llama_index_chatbots import Dify, FormFilledEvent, FormRequiredEvent, submit_form
from remote_chatbots import BotUsageError
from remote_chatbots.emulator import Emulator
from tests.llama_index_adapter.asking import MakeLLM, told, user


class Asking(Workflow):
    """A bot that may wait for a person."""

    def __init__(self, llm: Dify) -> None:
        super().__init__(timeout=20)
        self.llm = llm

    @step
    async def ask(self, ev: StartEvent) -> FormRequiredEvent | StopEvent:
        response = await self.llm.achat([user(ev.question)])
        return FormRequiredEvent.of(response) or StopEvent(response)

    @step
    async def answer(self, ev: FormFilledEvent) -> FormRequiredEvent | StopEvent:
        response = await submit_form(self.llm, ev)
        return FormRequiredEvent.of(response) or StopEvent(response)


@pytest.fixture
def posts(emulator: Emulator, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    def posts() -> list[str]:
        bodies = [(one.path, one.body) for one in emulator.requests if one.method == "POST"]
        return [path.split("/")[2] for path, body in bodies if body and body.get("user") == request.node.nodeid]

    return posts


def kept(llm: Dify, answer: Any) -> str:
    return llm._sync_client().history(told(answer)["conversation_id"], user=llm.user)[-1].text


async def test_the_form_is_submitted_as_the_user_who_asked(make_llm: MakeLLM) -> None:
    llm = make_llm("advanced-chat-form")
    event = FormRequiredEvent.of(await llm.achat([user("check this")], user="somebody else"))
    assert event is not None
    answer = await submit_form(llm, event.reply("approve"))
    assert (told(answer)["finish_reason"], told(answer)["user"]) == ("stop", "somebody else")


async def test_a_workflow_waits_for_the_form_and_goes_on_with_the_reply(
    make_llm: MakeLLM, posts: Callable[[], list[str]]
) -> None:
    llm = make_llm("advanced-chat-form")
    handler = Asking(llm).run(question="check this")
    async for event in handler.stream_events():
        if isinstance(event, FormRequiredEvent):
            assert event.form["form_content"].startswith("Please check")
            paused = event.paused
            handler.ctx.send_event(event.reply("approve", {"comment": "Fine."}))
    answer = await handler

    assert isinstance(answer, ChatResponse)
    assert paused.content == "One moment… "
    assert answer.message.content == kept(llm, answer)
    assert answer.message.content.endswith("(comment: Fine.)")
    assert told(answer)["message_id"] == paused.additional_kwargs["message_id"]
    assert told(answer)["finish_reason"] == "stop"
    assert "input_required" not in told(answer)
    assert answer.additional_kwargs["total_tokens"] > 0
    assert posts() == ["chat-messages", "form"]


async def test_a_workflow_that_was_stored_while_it_waited_goes_on_elsewhere(
    make_llm: MakeLLM, posts: Callable[[], list[str]]
) -> None:
    llm = make_llm("advanced-chat-form")
    handler = Asking(llm).run(question="check this")
    async for event in handler.stream_events():
        if isinstance(event, FormRequiredEvent):
            stored, waiting = handler.ctx.to_dict(), event
            break
    await handler.cancel_run()

    elsewhere = Asking(llm)
    handler = elsewhere.run(ctx=Context.from_dict(elsewhere, stored))
    handler.ctx.send_event(waiting.reply("reject", {"comment": "Not so."}))
    answer = await handler
    assert answer.message.content == kept(llm, answer)
    assert posts() == ["chat-messages", "form"]


async def test_a_step_that_runs_again_joins_the_run_and_has_the_same_answer(make_llm: MakeLLM) -> None:
    llm = make_llm("advanced-chat-form")
    event = FormRequiredEvent.of(await llm.achat([user("check this")]))
    assert event is not None
    filled = event.reply("approve", {"comment": "Once."})
    first, second = await submit_form(llm, filled), await submit_form(llm, filled)
    assert first.message.content == second.message.content == kept(llm, first)


async def test_thoughts_of_both_parts_are_one_block_before_the_text(make_llm: MakeLLM) -> None:
    llm = make_llm("advanced-chat-form")
    event = FormRequiredEvent.of(await llm.achat([user("check this [[think]]")]))
    assert event is not None
    answer = await submit_form(llm, event.reply("approve"))
    assert [block.block_type for block in answer.message.blocks] == ["thinking", "text"]


async def test_an_answer_that_waits_for_nobody_makes_no_event(make_llm: MakeLLM) -> None:
    assert FormRequiredEvent.of(await make_llm("advanced-chat").achat([user("check this")])) is None


async def test_a_wrong_reply_is_refused_before_the_workflow_hears_of_it(make_llm: MakeLLM) -> None:
    event = FormRequiredEvent.of(await make_llm("advanced-chat-form").achat([user("check this")]))
    assert event is not None
    with pytest.raises(BotUsageError, match="dify: The form has no action 'aprove'"):
        event.reply("aprove")
