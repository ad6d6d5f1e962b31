"""What GPTBots refuses.

The codes are documented (GPTBots API, error codes of each page), the HTTP status of each is not: these are the
emulator's choice, as are the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BAD_PARAMETERS = 40000
THROTTLED = 40001
PAGE_PAST_END = 40005
KEY_REFUSED = 40127
MEDIA_TYPE = 40325
MEDIA_SIZE = 40326
TOO_MANY_DOCUMENTS = 40332
NO_CONVERSATION = 40356
FOREIGN_CONVERSATION = 40358
NO_PICTURES = 40364
NOTHING_TO_SPEAK = 40371
DELETED = 40378
DELETED_OLDER = 20059
NO_CREDITS = 40379
NO_CREDITS_TO_SEND = 20022
QUESTION_TOO_LONG = 20040
API_OFF = 20055
NO_SUGGESTIONS = 200222
INTERNAL = 50000

_WORDS: Mapping[int, str] = MappingProxyType(
    {
        BAD_PARAMETERS: "Parameter error",
        THROTTLED: "Too many requests",
        PAGE_PAST_END: "Page number out of range",
        KEY_REFUSED: "Developer authentication failed",
        MEDIA_TYPE: "Unsupported file type",
        MEDIA_SIZE: "File too large",
        TOO_MANY_DOCUMENTS: "Too many documents",
        NO_CONVERSATION: "Conversation does not exist",
        FOREIGN_CONVERSATION: "conversation_id does not match the Agent or the user",
        NO_PICTURES: "The Agent does not use an LLM that supports pictures",
        NOTHING_TO_SPEAK: "Nothing to convert",
        DELETED: "Agent has been deleted",
        DELETED_OLDER: "Bot has been deleted",
        NO_CREDITS: "Insufficient credits",
        NO_CREDITS_TO_SEND: "Insufficient credits",
        QUESTION_TOO_LONG: "Question length limit exceeded",
        API_OFF: "The Agent's API is not enabled",
        NO_SUGGESTIONS: "Suggested questions are not enabled",
        INTERNAL: "Internal server error",
    }
)
_STATUS: Mapping[int, int] = MappingProxyType(
    {
        THROTTLED: 429,
        KEY_REFUSED: 401,
        NO_CONVERSATION: 404,
        FOREIGN_CONVERSATION: 403,
        API_OFF: 403,
        NO_CREDITS: 402,
        NO_CREDITS_TO_SEND: 402,
        INTERNAL: 500,
    }
)


class AgentRefusal(Exception):
    """A request that GPTBots answers with an error.

    Attributes:
        code: The platform's number for the error.
        message: Its explanation.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        words = _WORDS.get(code, "Error")
        super().__init__(f"{words}: {detail}" if detail else words)
        self.code = code
        self.message = str(self)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS.get(self.code, 400)

    def body(self) -> dict[str, object]:
        """Return what the client gets to read."""
        return {"code": self.code, "message": self.message}


def bad_parameters(detail: str) -> AgentRefusal:
    """Return the refusal of a value: 40000."""
    return AgentRefusal(BAD_PARAMETERS, detail)
