"""What rides on an answer beside its text, under names that are equal in both faces: ids, usage, sources, the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remote_chatbots.events import (
    IDS,
    Event,
    Finished,
    InputRequired,
    MediaProduced,
    Source,
    SourcesFound,
    Started,
    Step,
    TextReplaced,
    UsageReported,
)
from remote_chatbots.forks import NewestAnswers
from remote_chatbots.steps import StepsSoFar, told_of
from remote_chatbots.user_warnings import warn_user

_WHY_ANEW = {
    "forgotten": "The server does not know the conversation that was asked in",
    "forked": "The history forked from the conversation that was asked in",
    "": "The server answers in another conversation than the one that was asked in",
}
_OF_STARTED = (*IDS, "created_at")


class AnswerMetadata:
    """Says of each event of one turn which metadata it is the first to tell.

    Args:
        model_name: `model_name` of the answer.
        bot_id: `bot` of the answer.
        system: Digest of the system message that the conversation holds; "" if none.
        user: Who asked, where it was another than the model's own user; "" if not.
        newest: Where the answer is noted as its conversation's newest.

    Attributes:
        message_id: The server's id of the answer; None until it is known.
    """

    def __init__(
        self,
        *,
        model_name: str,
        bot_id: str,
        system: str,
        user: str = "",
        newest: NewestAnswers | None = None,
    ) -> None:
        self.message_id: str | None = None
        self._conversation_id = ""
        self._newest = newest
        self._steps: StepsSoFar | None = None
        self._of_first: dict[str, Any] = {"bot": bot_id, "model_name": model_name}
        if system:
            self._of_first["system"] = system
        if user:
            self._of_first["user"] = user

    def of(self, event: Event) -> dict[str, Any] | None:
        """Return the metadata that `event` is the first to tell; None if it tells none."""
        match event:
            case Started():
                self.message_id = event.message_id or self.message_id
                self._conversation_id = event.conversation_id or self._conversation_id
                if self._newest is not None:
                    self._newest.note(self._conversation_id, self.message_id, under_way=True)
                told = self._once()
                for name in _OF_STARTED:
                    if value := getattr(event, name):
                        told[name] = value
                return told | self._other_than_asked(event) if event.asked_in else told
            case TextReplaced():
                return {"replaced": True}
            case UsageReported(usage):
                return {"usage": dict(usage.raw)}
            case SourcesFound(sources):
                return {"retriever_resources": [resource(source) for source in sources]}
            case Step():
                self._steps = self._steps or StepsSoFar()
                self._steps.add(event)
            case InputRequired(form):
                return {"input_required": [dict(form)]}
            case Finished(reason, metadata):
                if self._newest is not None:
                    self._newest.note(self._conversation_id, self.message_id)
                said = {key: value for key, value in metadata.items() if value is not None}
                steps = [told_of(step) for step in self._steps or ()]
                return self._once() | said | ({"steps": steps} if steps else {}) | {"finish_reason": reason}
        return None

    def _other_than_asked(self, begun: Started) -> dict[str, Any]:
        warn_user(
            f"{_WHY_ANEW[begun.begun_anew]}: this answer, and what follows it, stand in a new one. The old one's id is "
            "conversation_replaced in the metadata.",
        )
        return {"conversation_replaced": begun.asked_in}

    def _once(self) -> dict[str, Any]:
        told, self._of_first = self._of_first, {}
        return told


def resource(source: Source) -> dict[str, Any]:
    """Return a source as the server sent it, and under the names that both faces read where it has others."""
    named = {
        "content": source.content,
        "document_name": "" if source.raw.get("title") else source.title,
        "document_id": source.document_id,
        "segment_id": source.segment_id,
        "position": source.position,
        "spans": [list(span) for span in source.spans],
    }
    return {**source.raw, **{name: value for name, value in named.items() if value and not source.raw.get(name)}}


def merge(metadata: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Add what an event told to the metadata of a whole answer; several forms stand in one list."""
    for key, value in told.items():
        metadata[key] = [*metadata.get(key, []), *value] if key == "input_required" else value


def file_told(media: MediaProduced) -> dict[str, Any]:
    """Return what is known of a file, under names that are equal in both faces."""
    told = {
        "kind": media.kind,
        "url": media.url,
        "expires_at": media.expires_at,
        "mime_type": media.mime_type,
        "name": media.name,
        "id": media.id,
    }
    return {name: value for name, value in told.items() if value}
