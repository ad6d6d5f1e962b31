"""How Dify tells what it holds: apps, conversations, messages, whole answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .apps import App
from .citations import stored_citations, stored_citations_of_0_15
from .dify_events import thought_fields
from .dify_files import Attached
from .ids import Ids
from .state import Conversation
from .turn import Message, Thought, Turn

Record = dict[str, Any]

NO_PARENT = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Records:
    """The forms of one age.

    Attributes:
        message: One turn in `GET /messages`.
        conversation: One conversation in `GET /conversations`.
        info: The body of `GET /info`.
        parameters: The body of `GET /parameters`.
        answer: The body of a blocking answer, from the turn and the metadata of its `message_end`.
        renamed: The body that tells that a conversation has another name.
        messages_tell_limit: Whether a page of messages repeats the limit.
        newest_message_first: Whether a page of messages begins with the newest.
    """

    message: Callable[[App, Message, Ids], Record]
    conversation: Callable[[Conversation], Record]
    info: Callable[[App], Record]
    parameters: Callable[[App], Record]
    answer: Callable[[Turn, Record], Record]
    renamed: Callable[[Conversation], Record]
    messages_tell_limit: bool = True
    newest_message_first: bool = False


def _message_of_1_14(app: App, message: Message, ids: Ids) -> Record:
    # recorded: 1.14.2/agent-messages-history, chatflow-messages-history
    return {
        **_message_head(message),
        "feedback": _feedback(message),
        "retriever_resources": stored_citations(app, message, _rows_of(message, ids)),
        "created_at": message.created_at,
        "agent_thoughts": [
            {**_thought(message, thought), "observation": thought_fields(thought)["observation"], "files": []}
            for thought in message.thoughts
        ],
        "message_files": [file.stored() for file in message.files],
        "status": message.status,
        "error": message.error,
        "extra_contents": [message.form.stored(ids.uuid(message.id, "workflow run"))] if message.form else [],
    }


# 0.15 tells of a file that a thought does not have (recorded: 0.15.3/agent-messages-history).
_NO_FILE = {
    "id": None,
    "filename": None,
    "type": None,
    "url": None,
    "mime_type": None,
    "size": 0,
    "transfer_method": None,
    "belongs_to": "user",
}


def _message_of_0_15(app: App, message: Message, ids: Ids) -> Record:
    # recorded: 0.15.3/agent-messages-history, chatflow-messages-history, messages-with-feedback
    return {
        **_message_head(message),
        "message_files": [_file_of_0_15(file) for file in message.files],
        "feedback": _feedback(message),
        "retriever_resources": stored_citations_of_0_15(app, message, _rows_of(message, ids)),
        "created_at": message.created_at,
        "agent_thoughts": [
            {
                **_thought(message, thought),
                "observation": thought_fields(thought)["observation"],
                "message_files": [dict(_NO_FILE)],
            }
            for thought in message.thoughts
        ],
        "status": message.status,
        "error": message.error,
    }


def _file_of_0_15(file: Attached) -> Record:
    told = file.stored()
    del told["upload_file_id"]
    return told


def _message_head(message: Message) -> Record:
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "parent_message_id": NO_PARENT,
        "inputs": message.inputs,
        "query": message.query,
        "answer": message.answer,
    }


def _feedback(message: Message) -> Record | None:
    return {"rating": message.rating} if message.rating else None


def _rows_of(message: Message, ids: Ids) -> Callable[[str, int], str]:
    return lambda name, position: ids.uuid(message.id, name, position)


def _thought(message: Message, thought: Thought) -> Record:
    fields = thought_fields(thought)
    return {
        "id": thought.id,
        "chain_id": None,
        "message_id": message.id,
        "position": thought.position,
        "thought": thought.text,
        "tool": fields["tool"],
        "tool_labels": fields["tool_labels"],
        "tool_input": fields["tool_input"],
        "created_at": message.created_at,
    }


def _conversation(conversation: Conversation) -> Record:
    return {
        "id": conversation.id,
        "name": conversation.name,
        "inputs": conversation.inputs,
        "status": "normal",
        "introduction": conversation.introduction,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
    }


def _info_of_0_15(app: App) -> Record:
    # recorded: 0.15.3/chat-info
    told = app.info()
    return {key: told[key] for key in ("name", "description", "tags")}


def _answer(turn: Turn, metadata: Record) -> Record:
    # recorded: chat-block-1-first-turn, chatflow-block-1-first-turn of both ages
    message = turn.message
    return {
        "event": "message",
        "task_id": turn.task_id,
        "id": message.id,
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "mode": turn.app.mode,
        "answer": message.answer,
        "metadata": metadata,
        "created_at": message.created_at,
    }


def paused_answer(answer: Record, event: Record) -> Record:
    """Return the blocking answer of a turn that waits for a person (Dify API reference, "Human input").

    Args:
        answer: The body as of any turn.
        event: The `workflow_paused` that a stream would have ended with.
    """
    told = {**answer, "event": "workflow_paused", "workflow_run_id": event["workflow_run_id"]}
    kept = {key: told[key] for key in told if key not in ("event", "task_id")}
    return {**told, "data": {**kept, **event["data"]}}


RECORDS_1_14 = Records(
    message=_message_of_1_14,
    conversation=_conversation,
    info=App.info,
    parameters=App.parameters,
    answer=_answer,
    renamed=_conversation,
)

RECORDS_0_15 = Records(
    message=_message_of_0_15,
    conversation=_conversation,
    info=_info_of_0_15,
    parameters=App.parameters,
    answer=_answer,
    renamed=_conversation,
)
