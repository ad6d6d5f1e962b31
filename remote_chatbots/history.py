"""What of a framework's history goes to the bot, and where. Pure: messages in, a plan out.

The bot keeps the conversation, so only what is new is sent. Which conversation that is rides on the bot's own
answers: an answer whose `bot` is this bot and which has a `conversation_id`. A face says how its framework's messages
are read (`Message`); the rules are here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, overload

from remote_chatbots.errors import BotUsageError
from remote_chatbots.question import half_a_character_in

if TYPE_CHECKING:
    from remote_chatbots.attachments import Attachment

NOTHING_NEW = (
    "There is nothing new to send: the messages end in the bot's own answer, or hold a system message alone. "
    "Add a user's message."
)


class Message(Protocol):
    """One message of a history. A long history is not read where it need not be: each property reads when asked."""

    @property
    def role(self) -> str:
        """Who speaks: "user", "assistant", "system", or the framework's word for whoever else does."""

    @property
    def name(self) -> str:
        """The speaker's name; "" if none."""

    @property
    def text(self) -> str:
        """The text, of all blocks."""

    @property
    def calls(self) -> Sequence[tuple[str, str]]:
        """The tools an assistant calls: names and arguments as JSON; () if none."""

    @property
    def files(self) -> Sequence[Attachment]:
        """The files; () if none.

        Raises:
            BotUsageError: If the message holds what cannot be sent.
        """

    @property
    def told(self) -> Mapping[str, Any]:
        """The metadata in which `bot`, `conversation_id` and `system` ride."""


class Talk(Sequence[Message]):
    """A framework's history whose messages are read where they are looked at: of a long one, the newest alone.

    Args:
        messages: The framework's messages.
        read: Reads one of them.
        plain: Their classes of which none is a system message.
    """

    def __init__(self, messages: Sequence[Any], read: Callable[[Any], Message], plain: Set[type]) -> None:
        self._messages = messages
        self._read = read
        self._plain = plain

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> list[Message]: ...
    def __getitem__(self, at: int | slice) -> Message | list[Message]:
        """Return a message, or some."""
        if isinstance(at, slice):
            return [self._read(message) for message in self._messages[at]]
        return self._read(self._messages[at])

    def __iter__(self) -> Iterator[Message]:
        """Read all messages, one after the other."""
        return map(self._read, self._messages)

    def may_be_system(self) -> Sequence[int]:
        """Return the places of all messages that their class does not tell to be none of the system's."""
        if set(map(type, self._messages)) <= self._plain:
            return ()
        return [at for at, message in enumerate(self._messages) if type(message) not in self._plain]


@dataclass(slots=True)
class Plan:
    """What to ask, and where.

    Attributes:
        text: The question.
        conversation_id: The conversation to go on with; "" begins one.
        inputs: App variables that the history fills: the system message, where the app has a variable for it.
        files: Files of the new messages of users and tools.
        system: Digest of the system message that the conversation holds after this turn; "" if none.
        strangers: Whether the history holds conversations of this platform under this bot's label, but none of this
            bot.
        answer_id: The server's id of the own answer that the history goes on from; "" if it is not known, or not
            the history says where to go on.
        unanswered: Of several new messages that are all a user's, the text of all but the newest: what was asked in
            a turn that broke off; else "".
        newest: The newest of them alone: its text, and its files.
    """

    text: str
    conversation_id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Attachment, ...] = ()
    system: str = ""
    strangers: bool = False
    answer_id: str = ""
    unanswered: str = field(default="", compare=False)
    newest: tuple[str, tuple[Attachment, ...]] = field(default=("", ()), compare=False)


def plan(
    messages: Sequence[Message],
    *,
    bot_id: str,
    conversation_id: str | None = None,
    fallback_conversation_id: str = "",
    system_input: str | None = None,
    model_name: str = "",
) -> Plan:
    """Return what to ask for `messages`.

    Args:
        messages: The history, the new messages last.
        bot_id: Which answers are this bot's own.
        conversation_id: The conversation that the call names; "" is a new one; None if it names none.
        fallback_conversation_id: The conversation to use where neither the call nor the history names one.
        system_input: The app variable that takes the system message; None if the app has none, and the message
            is put before the question whenever it is new to the conversation.
        model_name: This bot's label: answers under another one are surely not its own.

    Raises:
        BotUsageError: If there is nothing new to send, or it holds what cannot be sent.
    """
    at, target = _newest_own(messages, bot_id, conversation_id)
    own = None if at is None else messages[at]
    told = {} if own is None else own.told
    held = told.get("system", "")
    systems, system = _system(messages, at, held)
    if half_a_character_in(system):
        raise BotUsageError("The system message holds half a character (a lone surrogate). Give whole text.")
    named = conversation_id if conversation_id is not None else target or fallback_conversation_id
    if own is None and named:
        # The conversation is known to the server and not to the history: what the history tells of it, it has.
        at = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "assistant"), None)
    new = _new(messages, 0 if at is None else at + 1, systems, named, named_by_call=bool(conversation_id))
    if not new:
        raise BotUsageError(NOTHING_NEW)
    digest = _digest(system)
    if system and not held and at is not None and _stands_in(messages[:at], system):
        held = digest
    digest = digest or held
    text = _rendered(new)
    inputs: dict[str, Any] = {}
    if system and system_input:
        inputs[system_input] = system
    elif system and digest != held:
        text = f"{system}\n\n{text}"
    for place in systems:
        if messages[place].files:
            raise BotUsageError("A system message holds a file, and a bot takes files with a question. Put it there.")
    files = tuple([file for message in new if message.role in _BRING_FILES for file in message.files])
    strangers = own is None and _only_strangers(messages, bot_id, model_name)
    answer_id = str(told.get("message_id") or "") if conversation_id is None else ""
    planned = Plan(text, named, inputs, files, digest, strangers, answer_id)
    if len(new) > 1 and text == _rendered(new) and all(message.role == "user" for message in new):
        return replace(planned, unanswered=_rendered(new[:-1]), newest=(new[-1].text, tuple(new[-1].files)))
    return planned


# What a tool found is the caller's; what another bot made is told by its words.
_BRING_FILES = ("user", "tool")


def is_own(message: Message, bot_id: str) -> bool:
    """Return whether `message` is an answer of this bot, in a conversation that it can go on with."""
    told = message.told
    return told.get("bot") == bot_id and bool(told.get("conversation_id")) and message.role == "assistant"


def newest_conversation(messages: Sequence[Message], bot_id: str) -> str:
    """Return the conversation of the newest own answer; "" if there is none."""
    return _newest_own(messages, bot_id, None)[1]


def _newest_own(talk: Sequence[Message], bot_id: str, conversation_id: str | None) -> tuple[int | None, str]:
    for at in range(len(talk) - 1, -1, -1):
        if is_own(talk[at], bot_id):
            found = str(talk[at].told["conversation_id"])
            if conversation_id in (None, found):
                return at, found
    return None, ""


def _new(
    messages: Sequence[Message], since: int, systems: Sequence[int], conversation_id: str, *, named_by_call: bool
) -> list[Message]:
    """Return the messages from `since` on that the conversation has not got, but for the system's."""
    new = [*messages[since:]]
    if systems:
        behind = [place - since for place in systems if place >= since]
        new = [message for place, message in enumerate(new) if place not in behind]
    if conversation_id:  # what was read from the conversation, it has
        new = [message for message in new if message.told.get("conversation_id") != conversation_id]
    if named_by_call:
        new = [message for message in new if message.role != "assistant"]  # what it said itself, it knows
    return new


def _system(messages: Sequence[Message], at: int | None, held: str) -> tuple[list[int], str]:
    """Return the places of the system messages, and their text.

    Where those at the front and behind the own answer at `at` are what the conversation holds, none is looked for in
    between: there may be ten thousand messages.
    """
    if at is not None:
        front = next((place for place in range(at) if messages[place].role != "system"), at)
        places = [*range(front), *(place for place in range(at + 1, len(messages)) if messages[place].role == "system")]
        text = "\n\n".join(messages[place].text for place in places)
        if not half_a_character_in(text) and _digest(text) == held:
            return places, text
    candidates = messages.may_be_system() if isinstance(messages, Talk) else range(len(messages))
    if not candidates:
        return [], ""
    places = [place for place in candidates if messages[place].role == "system"]
    return places, "\n\n".join(messages[place].text for place in places)


def _stands_in(talk: Sequence[Message], system: str) -> bool:
    # A history that was read from the server knows no digests, and has the questions as they were sent.
    return any(message.text.startswith(f"{system}\n\n") for message in talk if message.role == "user")


def _only_strangers(talk: Sequence[Message], bot_id: str, model_name: str) -> bool:
    platform = bot_id.partition(":")[0] + ":"
    found = False
    for message in talk:
        told = message.told
        if told.get("conversation_id") and told.get("model_name", model_name) == model_name:
            bot = str(told.get("bot", ""))
            if bot == bot_id:
                return False
            found = found or bot.startswith(platform)
    return found


def _digest(system: str) -> str:
    return hashlib.sha256(system.encode(errors="surrogatepass")).hexdigest()[:16] if system else ""


def _rendered(messages: Sequence[Message]) -> str:
    """Return the messages as one text: humans alone joined, others with their roles, as a transcript."""
    texts = [message.text for message in messages if message.role == "user"]
    if len(texts) == len(messages):
        return "\n\n".join(texts)
    return "\n\n".join(f"{_speaker(message)}: {_with_calls(message)}" for message in messages)


def _speaker(message: Message) -> str:
    return f"{message.role} ({message.name})" if message.name else message.role


def _with_calls(message: Message) -> str:
    told = [f"[calls {name}({arguments})]" for name, arguments in message.calls]
    return " ".join(filter(None, [message.text, *told]))
