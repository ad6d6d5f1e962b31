"""What GPTBots tells of conversations that were held (history API: detail, lists)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .gptbots_call import Call
from .gptbots_checks import number, one_of, text
from .gptbots_faults import LateAnswer, NumbersAsText, OldestFirst, SingleObjectMedia
from .gptbots_forms import Record, millis
from .gptbots_media import answer_media, question_media
from .gptbots_refusals import NO_CONVERSATION, PAGE_PAST_END, AgentRefusal
from .gptbots_state import AgentConversation, cost_of
from .gptbots_turn import AgentTurn, Output

T = TypeVar("T")

_MAX_PAGE = 100
_TYPES = tuple(
    "ALL API EMBED WIDGET SHARE AI_SEARCH C CHAT C_WORKFLOW C_APPS WHATSAPP_META WHATSAPP_ENGAGELAB DINGTALK DISCORD "
    "SLACK ZAPIER WXKF TELEGRAM LIVECHAT LINE INSTAGRAM FACEBOOK SO_BOT ZOHO_SALES_IQ INTERCOM SPACE".split()
)
# The words of the ratings differ from those of the lists.
_GRADES = {"": "NONE", "POSITIVE": "GOOD", "NEGATIVE": "BAD"}


@dataclass(frozen=True, slots=True)
class _Message:
    """One line of a history; only the welcome is of no turn."""

    id: str
    parent_id: str
    created_at: int
    text: str
    is_answer: bool
    turn: AgentTurn | None = None


def messages_v1(call: Call) -> Record:
    """Answer `GET /v1/messages`."""
    found, total = _asked_page(call)
    told = [
        {
            "message_id": message.id,
            "parent_message_id": message.parent_id,
            "message_type": "ANSWER" if message.is_answer else "QUESTION",
            "text": message.text,
            "create_time": millis(message.created_at),
        }
        for message in found
    ]
    return {"total": total, "messages": told}


def messages_v2(call: Call) -> Record:
    """Answer `GET /v2/messages`."""
    found, total = _asked_page(call)
    told = [
        {
            "message_id": message.id,
            "parent_message_id": message.parent_id,
            "create_time": millis(message.created_at),
            "feedback": message.turn.feedback if message.turn and message.is_answer else "",
            "role": "assistant" if message.is_answer else "user",
            "content": _answer_content(call, message) if message.is_answer else _question_content(call, message),
        }
        for message in found
    ]
    return {"total": total, "conversation_content": told}


def conversations(call: Call) -> Record:
    """Answer `GET /v1/bot/conversation/page`; `total` is the number of those returned, as the page says."""
    kind = one_of(call.values, "conversation_type", _TYPES)
    begin, end = number(call.values, "start_time", 0), number(call.values, "end_time", 0)
    held = [
        each
        for each in call.state.conversations.values()
        if each.agent == call.agent
        and each.turns
        and kind in ("ALL", "API")
        and call.values.get("user_id") in (None, "", each.user_id)
        and begin <= millis(each.turns[-1].created_at) <= end
    ]
    held.sort(key=lambda each: each.turns[-1].created_at, reverse=True)
    told = [_conversation(call, each) for each in _page(call, held, 1)]
    return {"list": told, "total": len(told)}


def qa_records(call: Call) -> Record:
    """Answer `GET /v1/message/qa/record/page`: pairs of question and answer, newest first."""
    wanted = one_of(call.values, "user_feedback", ("ALL", *_GRADES.values()))
    begin, end = number(call.values, "start_time", 0), number(call.values, "end_time", 0)
    held = [
        turn
        for conversation in call.state.conversations.values()
        if conversation.agent == call.agent
        for turn in conversation.turns
        if begin <= millis(turn.created_at) <= end and wanted in ("ALL", _GRADES[turn.feedback])
    ]
    held.sort(key=lambda turn: turn.created_at, reverse=True)
    return {"qa": [_qa(turn) for turn in _page(call, held, 10)]}


def _conversation(call: Call, held: AgentConversation) -> Record:
    return {
        "conversation_id": held.id,
        "user_id": held.user_id,
        "recent_chat_time": millis(held.turns[-1].created_at),
        "subject": held.turns[0].asked.query,
        "conversation_type": "API",
        "message_count": len(list(_messages(held))),
        "cost_credit": round(sum(cost_of(turn).credits for turn in held.turns), 6),
        "bot_id": call.state.agent_id(call.agent),
    }


def _qa(turn: AgentTurn) -> Record:
    return {
        "id": turn.question_id,
        "q_time": turn.created_at,
        "q": turn.asked.query,
        "a": _text_of(turn),
        "user_feedback": _GRADES[turn.feedback],
        "convo_id": turn.asked.conversation_id,
        "convo_type": "API",
        "aid": turn.answer_id,
        "user_id": turn.user_id,
    }


def _asked_page(call: Call) -> tuple[Sequence[_Message], int | str]:
    held = call.state.conversations.get(text(call.values, "conversation_id"))
    if held is None or held.agent != call.agent:
        raise AgentRefusal(NO_CONVERSATION)
    messages = list(_messages(held))
    if call.faults.one(LateAnswer) and messages and messages[-1].is_answer:
        messages.pop()
    if not call.faults.one(OldestFirst):
        messages.reverse()
    found = _page(call, messages, 1)
    if not found and number(call.values, "page", 1) > 1:
        raise AgentRefusal(PAGE_PAST_END)
    return found, str(len(messages)) if call.faults.one(NumbersAsText) else len(messages)


def _page(call: Call, held: Sequence[T], least_size: int) -> Sequence[T]:
    page, size = number(call.values, "page", 1), number(call.values, "page_size", least_size, _MAX_PAGE)
    return held[(page - 1) * size : page * size]


def _messages(held: AgentConversation) -> Iterator[_Message]:
    if held.agent.welcome:
        yield _Message(f"{held.id[:-1]}w", "", held.created_at, held.agent.welcome, is_answer=True)
    for turn in held.turns:
        yield _Message(turn.question_id, "", turn.created_at, turn.asked.text, is_answer=False, turn=turn)
        if turn.script.failure is None or turn.said:
            said = _text_of(turn)
            yield _Message(turn.answer_id, turn.question_id, turn.created_at, said, is_answer=True, turn=turn)


def _text_of(turn: AgentTurn) -> str:
    return "\n\n".join(output.text for output in turn.outputs)


def _answer_content(call: Call, message: _Message) -> list[Record]:
    turn = message.turn
    outputs = turn.outputs if turn else [Output("", message.text)]
    spoken = answer_media(turn, call.media_url) if turn and turn.is_spoken else None
    return [
        {
            "from_component_branch": output.branch or "",
            "branch_content": [
                _media(call, "audio", {**spoken, "transcript": output.text}) if spoken else _text(output.text)
            ],
        }
        for output in outputs
    ]


def _question_content(call: Call, message: _Message) -> list[Record]:
    assert message.turn is not None
    parts = [_text(message.text)] if message.text else []
    files = zip(message.turn.asked.files, question_media(message.turn, call.media_url), strict=True)
    return [{"branch_content": [*parts, *(_media(call, file.kind, told) for file, told in files)]}]


def _text(said: str) -> Record:
    return {"type": "text", "text": said}


def _media(call: Call, kind: str, told: Record) -> Record:
    return {"type": kind, kind: told if call.faults.one(SingleObjectMedia) else [told]}
