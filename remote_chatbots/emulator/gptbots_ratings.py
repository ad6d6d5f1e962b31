"""What users and reviewers say of answers, what comes next, and what the agent says of itself."""

from __future__ import annotations

from .gptbots_call import Call
from .gptbots_checks import one_of, text
from .gptbots_forms import Record
from .gptbots_refusals import NO_CREDITS, NO_SUGGESTIONS, AgentRefusal
from .model import next_questions

_FEEDBACK = {"POSITIVE": "POSITIVE", "NEGATIVE": "NEGATIVE", "CANCELED": ""}
_QUALITY = ("NONE", "UNRESOLVED", "PARTIALLY_RESOLVED", "FULLY_RESOLVED")
_SUGGESTION_CREDITS = 0.05


def rate(call: Call) -> Record:
    """Answer `POST /v1/message/feedback`: 0 for an answer that is not there, not a refusal (bot response feedback)."""
    feedback = _FEEDBACK[one_of(call.values, "feedback", _FEEDBACK)]
    found = call.state.turn_of(call.agent, text(call.values, "answer_id"))
    if found:
        found[1].feedback = feedback
    return {"affectCount": int(found is not None)}


def grade(call: Call) -> Record:
    """Answer `POST /v1/message/quality` (quality)."""
    quality = one_of(call.values, "quality", _QUALITY)
    found = call.state.turn_of(call.agent, text(call.values, "answer_id"))
    if found:
        found[1].quality = quality
    return {"affectCount": int(found is not None)}


def suggest(call: Call) -> Record:
    """Answer `GET /v1/next/question`, which costs credits (suggested questions)."""
    _, turn = call.turn_of(text(call.values, "answer_id"))
    if not call.agent.suggests:
        raise AgentRefusal(NO_SUGGESTIONS)
    call.state.require_credits(call.agent, NO_CREDITS)
    call.state.spend(call.agent, _SUGGESTION_CREDITS)
    documents = [document.name for base in call.state.library.bases for document in base.documents]
    return {"questions": next_questions(turn.sources, documents)}


def verify(call: Call) -> Record:
    """Answer `GET /v1/api-key/verify`; the names of the fields are the emulator's choice."""
    return {"type": "AGENT", "id": call.state.agent_id(call.agent)}


def detail(call: Call) -> Record:
    """Answer `GET /v1/bot/detail` (agent detail)."""
    agent = call.agent
    return {
        "bot_id": call.state.agent_id(agent),
        "name": agent.name,
        "logo": "",
        "bot_type": "Flow" if agent.is_flow else "QuestionAnswer",
        "welcome_message": agent.welcome,
        "introduction": "Answers questions of visitors to Saltmouth",
        "tags": [],
        "identity_prompt": "You guide visitors.",
        "ai_model": "pretend",
        "ai_model_version": "1",
        "creativity_level": 0,
        "doc_correlation": 0.1,
        "irrelevant_questions": "",
        "question_limit": agent.question_limit,
        "long_term_memory": False,
    }
