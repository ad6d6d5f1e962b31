"""A node for LangGraph in which a person fills in the form that a bot waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_chatbots._beside import BLOCKS
from langchain_chatbots.errors import ChatbotUsageError
from langchain_chatbots.remote_chat_model import RemoteChatModel
from remote_chatbots import Answer, BotRejectedError, BotUsageError, FilledForm
from remote_chatbots.steps import joined

try:
    from langgraph.types import interrupt
except ImportError:  # said where a node is made: without LangGraph the package's names can be imported all the same
    interrupt = None  # type: ignore[assignment]

_NOT_FILLED_IN = "invalid_form_data"
# What a turn says of its end: it has another one now.
_OF_THE_PAUSE = ("input_required", "finish_reason")


def human_input_node(model: RemoteChatModel, *, messages_key: str = "messages") -> Runnable[Any, dict[str, Any]]:
    """Return a node that has a person fill in the form a bot waits for, and then lets the bot go on.

    Put it behind the node that asks the bot. If the newest message is a paused answer of this bot, the graph is
    interrupted with the form as the platform describes it (`form_content`, `inputs`, `actions`, `expiration_time`, …);
    otherwise nothing is done, so the way through it needs no condition. Resume with `Command(resume=…)`: the id of an
    action, or `{"action": "approve", "inputs": {"comment": "Fine."}}`; fields that are left out have their defaults. A
    reply that does not fit the form interrupts again, with the reason in the form's `error`.

    The form is submitted once, as the user who asked, and the rest of the turn streamed (`stream_mode="messages"`).
    LangGraph runs a node from its beginning whenever it goes on with it: a form that was submitted by an earlier run of
    the node, or by somebody else, counts as it was, and the node joins the bot's run where it is. The question is never
    posted again.

    Args:
        model: The chat model that asked.
        messages_key: Where the state keeps its messages.

    Returns:
        A node, sync and async. It gives the whole answer under the id of the paused one, so that `add_messages` puts it
        in its place. Where the bot pauses again, the answer is a paused one again: lead the graph back to this node.

    Raises:
        ImportError: Without LangGraph.
        BotUsageError: In the node, if the form has no token (its platform takes it by mail alone).
        BotRejectedError: In the node, if the form is too old.
        BotError: In the node, as of any turn.

    Example:
        >>> graph.add_node("bot", lambda state: {"messages": [model.invoke(state["messages"])]})
        >>> graph.add_node("person", human_input_node(model))
        >>> graph.add_edge("bot", "person")
    """
    if interrupt is None:
        raise ImportError("human_input_node needs LangGraph. Install it with: pip install 'remote-chatbots[langgraph]'")
    # A cached answer would be one to a form that was never submitted.
    bot = model.model_copy(update={"cache": False}) if model.cache is not False else model

    def go_on(state: Any, config: RunnableConfig) -> dict[str, Any]:
        paused = _paused(state, messages_key, bot)
        wrong = ""
        while paused is not None:
            form = _filled_in(paused, wrong)
            try:
                rest = bot.invoke([paused], config, filled_form=form, user=_asker(paused, bot))
            except BotRejectedError as error:
                wrong = _refused(error)
            else:
                return {messages_key: [_whole(paused, rest)]}
        return {}

    async def ago_on(state: Any, config: RunnableConfig) -> dict[str, Any]:
        paused = _paused(state, messages_key, bot)
        wrong = ""
        while paused is not None:
            form = _filled_in(paused, wrong)
            try:
                rest = await bot.ainvoke([paused], config, filled_form=form, user=_asker(paused, bot))
            except BotRejectedError as error:
                wrong = _refused(error)
            else:
                return {messages_key: [_whole(paused, rest)]}
        return {}

    return RunnableLambda(go_on, ago_on, name="human_input")


def _paused(state: Any, messages_key: str, model: RemoteChatModel) -> AIMessage | None:
    """Return the newest message, if it is an answer of this bot that waits for a person."""
    messages = state[messages_key] if isinstance(state, Mapping) else getattr(state, messages_key)
    newest = messages[-1] if messages else None
    if not isinstance(newest, AIMessage):
        return None
    told = newest.response_metadata
    waits = told.get("finish_reason") == "paused" and bool(told.get("input_required"))
    return newest if waits and told.get("bot") == model._own_bot_id() else None


def _asker(paused: AIMessage, model: RemoteChatModel) -> str | None:
    """Return whose turn it is: the run belongs to who asked, whoever fills in the form."""
    return paused.response_metadata.get("user") or model.user or None


def _filled_in(paused: AIMessage, wrong: str) -> FilledForm:
    """Return the form as a person filled it in; while there is no reply, the graph is interrupted here."""
    told = paused.response_metadata
    answer = Answer(
        text=str(paused.text),
        input_required=tuple(told["input_required"]),
        **{name: told.get(name, "") for name in ("conversation_id", "message_id", "workflow_run_id")},
    )
    form: dict[str, Any] = told["input_required"][0]
    if not form.get("form_token"):
        platform = told.get("model_provider", "")
        raise ChatbotUsageError.of(
            platform,
            "the form has no token: its platform takes it by mail alone. Fill it in there, and recover the answer.",
        )
    while True:
        reply = interrupt({**form, "error": wrong} if wrong else form)
        try:
            if isinstance(reply, str):
                return FilledForm.of(answer, reply, if_submitted="rejoin")
            if isinstance(reply, Mapping) and isinstance(reply.get("action"), str):
                return FilledForm.of(answer, reply["action"], reply.get("inputs"), if_submitted="rejoin")
            wrong = 'Resume with the id of an action, or with {"action": …, "inputs": {…}}.'
        except BotUsageError as error:
            wrong = error.message


def _refused(error: BotRejectedError) -> str:
    """Return why the platform does not take the form as it is filled in; it may be filled in again."""
    if error.code != _NOT_FILLED_IN:
        raise error
    return error.message


def _whole(paused: AIMessage, rest: AIMessage) -> AIMessage:
    """Return the answer that a paused one and its rest make, under the id of the paused one."""
    before = {key: value for key, value in paused.response_metadata.items() if key not in _OF_THE_PAUSE}
    metadata = {**before, **rest.response_metadata}
    if steps := joined(before.get("steps", ()), rest.response_metadata.get("steps", ())):
        metadata["steps"] = steps
    if rest.response_metadata.get("replaced"):  # all that was said is withdrawn
        return rest.model_copy(update={"id": paused.id, "response_metadata": metadata})
    return AIMessage(
        content=_content(paused, rest),
        id=paused.id,
        name=paused.name,
        additional_kwargs={**paused.additional_kwargs, **rest.additional_kwargs, **_blocks(paused, rest)},
        response_metadata=metadata,
        usage_metadata=rest.usage_metadata or paused.usage_metadata,
    )


def _content(paused: AIMessage, rest: AIMessage) -> Any:
    if isinstance(paused.content, str) and isinstance(rest.content, str):
        return paused.content + rest.content
    both = [message.content for message in (paused, rest)]
    return [
        block
        for content in both
        for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)
    ]


def _blocks(paused: AIMessage, rest: AIMessage) -> dict[str, Any]:
    """Return the blocks beside the text; those of the rest stand behind what was said before it."""
    first = cast("list[dict[str, Any]]", paused.additional_kwargs.get(BLOCKS, []))
    behind = [
        {**block, "index": block["index"] + len(first), "at": block["at"] + len(str(paused.text))}
        for block in rest.additional_kwargs.get(BLOCKS, [])
    ]
    return {BLOCKS: [*first, *behind]} if first or behind else {}
