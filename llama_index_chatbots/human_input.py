"""Events for LlamaIndex workflows in which a person fills in the form that a bot waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CitationBlock,
    ContentBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.workflow import HumanResponseEvent, InputRequiredEvent

from llama_index_chatbots.remote_llm import RemoteLLM
from remote_chatbots import Answer, FilledForm
from remote_chatbots.arguments import refusals_of
from remote_chatbots.steps import joined

# What a turn says of its end: it has another one once it has gone on.
_OF_THE_PAUSE = ("input_required", "finish_reason")
_IDS = ("conversation_id", "message_id", "workflow_run_id")


class FormFilledEvent(HumanResponseEvent):
    """What a person made of the form that a bot waits for; `FormRequiredEvent.reply` makes it.

    Attributes:
        paused: The paused answer.
        filled: The form, as the attributes of a `FilledForm`.
    """

    paused: ChatMessage
    filled: dict[str, Any]


class FormRequiredEvent(InputRequiredEvent):
    """A bot waits for a person. It is written to the workflow's event stream when a step returns it.

    Attributes:
        form: The form as the platform describes it: `form_content`, `inputs`, `actions`, `expiration_time`, ….
        paused: The paused answer: what was said so far, and in whose run.
    """

    form: dict[str, Any]
    paused: ChatMessage

    @classmethod
    def of(cls, response: ChatResponse) -> FormRequiredEvent | None:
        """Return the event for an answer that waits for a person; None if it waits for nobody."""
        told = response.message.additional_kwargs
        forms = told.get("input_required")
        if told.get("finish_reason") != "paused" or not forms:
            return None
        return cls(form=dict(forms[0]), paused=response.message)

    def reply(self, action: str, inputs: Mapping[str, Any] | None = None) -> FormFilledEvent:
        """Return the event that answers this one: `handler.ctx.send_event(event.reply("approve", {…}))`.

        Args:
            action: The id of the action that was chosen.
            inputs: The values of the form's fields, by their names; one that is left out has its default.

        Raises:
            BotUsageError: If the form has no such action or field, a field without a default is left out, or the form
                has no token (its platform takes it by mail alone).
        """
        told = self.paused.additional_kwargs
        ids = {name: told.get(name, "") for name in _IDS}
        answer = Answer(text=_text(self.paused), input_required=(self.form,), **ids)
        with refusals_of(str(told.get("model_provider"))):
            form = FilledForm.of(answer, action, inputs)
        kept = ("form_token", "workflow_run_id", "action", "inputs", "said", "conversation_id", "message_id")
        return FormFilledEvent(paused=self.paused, filled={name: getattr(form, name) for name in kept})


async def submit_form(llm: RemoteLLM, event: FormFilledEvent, **kwargs: Any) -> ChatResponse:
    """Submit the form, and return the whole answer: what was said before the pause, and the rest.

    The question is not posted again, nor is the form taken twice: one that the server has already counts as it was
    submitted, and the bot's run is joined where it is. So a step that LlamaIndex runs again does no harm.

    Args:
        llm: The LLM that asked.
        event: The filled-in form.
        **kwargs: What the call is given beside it. Default of `user`: who asked.

    Returns:
        The whole answer. Where the bot pauses again, `FormRequiredEvent.of` makes the next event of it.

    Raises:
        BotRejectedError: If the form is too old, or the platform does not take it as it is filled in.
        BotError: As of any turn.
    """
    form = FilledForm(**event.filled, if_submitted="rejoin")
    before = event.paused
    # The run belongs to who asked, whoever fills in the form.
    response = await llm.achat([before], filled_form=form, **{"user": before.additional_kwargs.get("user"), **kwargs})
    rest = response.message
    told = {key: value for key, value in before.additional_kwargs.items() if key not in _OF_THE_PAUSE}
    steps = joined(told.get("steps", ()), rest.additional_kwargs.get("steps", ()))
    told |= rest.additional_kwargs | ({"steps": steps} if steps else {})
    blocks = list(rest.blocks)
    if not rest.additional_kwargs.get("replaced"):
        thoughts = [block for block in (*before.blocks, *rest.blocks) if isinstance(block, ThinkingBlock)]
        calls = [block for block in (*before.blocks, *rest.blocks) if isinstance(block, ToolCallBlock)]
        cited = [block for block in rest.blocks if isinstance(block, CitationBlock)]
        blocks = [*_one(thoughts), *calls, TextBlock(text=_text(before) + _text(rest)), *cited]
    message = ChatMessage(role=before.role, blocks=blocks, additional_kwargs=told)
    return ChatResponse(message=message, raw=response.raw, additional_kwargs=response.additional_kwargs)


def _text(message: ChatMessage) -> str:
    return "".join(block.text for block in message.blocks if isinstance(block, TextBlock))


def _one(thoughts: list[ThinkingBlock]) -> list[ContentBlock]:
    told = "".join(thought.content or "" for thought in thoughts)
    return [ThinkingBlock(content=told)] if told else []
