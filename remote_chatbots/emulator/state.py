"""The server's memory: apps, end users, conversations, messages and the turns that run now. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from .apps import APPS, App
from .clock import Clock, local_time
from .dify_files import Attached, FileStore, HeldFile
from .dify_forms import Form
from .ids import Ids
from .knowledge import Knowledge
from .model import Exchange, agent_script, answer_script, name_of, next_questions, tags_in, without_tags
from .refusals import Refusal, invalid_param, not_found
from .turn import Message, Turn
from .variables import HeldVariable


@dataclass(slots=True)
class Conversation:
    """A conversation of one end user with one app; `inputs` are those of its first turn."""

    id: str
    name: str
    inputs: dict[str, Any]
    introduction: str
    created_at: int
    updated_at: int
    messages: list[Message] = field(default_factory=list)
    variables: list[HeldVariable] = field(default_factory=list)

    def exchanges(self) -> list[Exchange]:
        """Return what the model sees of the conversation, lost and failed turns included."""
        return [Exchange(message.query, message.answer) for message in self.messages]


@dataclass(slots=True)
class EndUser:
    """Whoever the app's key holder calls by this name; `begun` counts the deleted conversations, too."""

    id: str
    begun: int = 0
    conversations: dict[str, Conversation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for one turn, its shape checked but nothing looked up.

    Attributes:
        conversation_id: `None` starts a conversation.
        files: What was sent as such, as it was sent.
    """

    query: str
    inputs: dict[str, Any]
    user: str
    conversation_id: str | None = None
    streaming: bool = False
    files: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What an age of Dify does with its data.

    Attributes:
        keeps_first_inputs: Every turn uses the inputs of the conversation's first; what is sent later is not even
            looked at (recorded: 0.15.3/inputs-chatflow-messages).
        chatflows_in_worker: A streamed chatflow runs apart from the request that asked for it.
        moderates: Words can be forbidden.
        asks_people: A chatflow can wait for a person, and its runs can be listened to again.
    """

    keeps_first_inputs: bool = False
    chatflows_in_worker: bool = True
    moderates: bool = True
    asks_people: bool = True


NEWEST_RULES = Rules()


class State:
    """One server's data. Nothing in it waits; callers on one event loop need no lock."""

    def __init__(
        self,
        knowledge: Knowledge,
        ids: Ids,
        rules: Rules = NEWEST_RULES,
        form_lifetime_s: float = 3600.0,
        files: FileStore | None = None,
    ) -> None:
        """Start a server without users.

        Args:
            knowledge: The dataset that all apps search.
            ids: Gives apps their keys and everything its id.
            rules: Those of the age that the server is of.
            form_lifetime_s: How long a form can be submitted, in seconds.
            files: Where its files are; a new store if left out.
        """
        self._knowledge = knowledge
        self._ids = ids
        self._rules = rules
        self._form_lifetime_s = form_lifetime_s
        self.files = files or FileStore(ids)
        self._clock = Clock()
        self._apps = {ids.app_key(app.name): app for app in APPS}
        self._end_users: dict[tuple[str, str], EndUser] = {}
        self._running: dict[str, Turn] = {}
        self._runs: Counter[str] = Counter()

    def app_with_key(self, key: str) -> App | None:
        """Return the app that the key belongs to."""
        return self._apps.get(key)

    def begin(self, app: App, request: ChatRequest) -> Turn:
        """Take a question into the history and prepare the answer.

        Args:
            app: Who is asked.
            request: The question.

        Returns:
            The turn; it runs until `end` is called with it.

        Raises:
            Refusal: In the order in which Dify looks: response mode, query, conversation, inputs.
        """
        if app.mode == "agent-chat" and not request.streaming:
            raise invalid_param("Agent Chat App does not support blocking mode")
        query = request.query.replace("\x00", "")
        if not query:
            raise invalid_param("query is required")
        known = self._named_conversation(app, request)
        end_user_id = self._end_user(app, request.user).id
        files = self.files.attached(app, end_user_id, request.files)
        if known and self._rules.keeps_first_inputs:
            inputs = known.inputs
        else:
            inputs = app.checked_inputs(self.files.in_inputs(app, end_user_id, request.inputs))
        conversation = known or self._new_conversation(app, request.user, query, inputs)
        turn = self._new_turn(app, request, conversation, query, inputs, files)
        self._running[turn.task_id] = turn
        return turn

    def resume(self, turn: Turn) -> None:
        """Let a turn run on that waited for a person; it runs until `end` is called with it."""
        self._running[turn.task_id] = turn

    def end(self, turn: Turn) -> None:
        """Forget a turn that is over; its message stays in the history."""
        self._running.pop(turn.task_id, None)

    def stop(self, app: App, user: str, task_id: str) -> None:
        """Ask a running turn to stop; without effect unless it streams to this very user."""
        turn = self._running.get(task_id)
        if turn is not None and turn.streaming and (turn.app, turn.user) == (app, user):
            turn.stopped = True

    def conversation(self, app: App, user: str, conversation_id: str) -> Conversation:
        """Return a conversation of this user.

        Raises:
            Refusal: 404; another user's conversation looks the same as none.
        """
        found = self._end_user(app, user).conversations.get(conversation_id)
        if found is None:
            raise not_found("Conversation Not Exists.")
        return found

    def conversations(self, app: App, user: str) -> list[Conversation]:
        """Return this user's conversations, oldest first."""
        return list(self._end_user(app, user).conversations.values())

    def rename(self, app: App, user: str, conversation_id: str, name: str | None) -> Conversation:
        """Give a conversation another name, `None` for one that the model finds; return the conversation.

        Only a given name counts as a change (recorded: conversation-rename, conversation-rename-auto).

        Raises:
            Refusal: 404 for another user's conversation or none.
        """
        found = self.conversation(app, user, conversation_id)
        if name is None:
            found.name = name_of(found.messages[0].query)
        else:
            found.name, found.updated_at = name, self._clock.tick()
        return found

    def delete(self, app: App, user: str, conversation_id: str) -> None:
        """Forget a conversation.

        Raises:
            Refusal: 404 for another user's conversation or none (recorded: err-conversation-delete-other-user).
        """
        found = self.conversation(app, user, conversation_id)
        del self._end_user(app, user).conversations[found.id]

    def set_variable(self, app: App, user: str, conversation_id: str, variable_id: str, value: Any) -> HeldVariable:
        """Store another value of a conversation variable; return the variable.

        Raises:
            Refusal: 404 for another user's conversation or none, or a variable that it does not have; 400 for a value
                of another type.
        """
        held = self.conversation(app, user, conversation_id).variables
        found = next((variable for variable in held if variable.id == variable_id), None)
        if found is None:
            raise not_found("Conversation Variable Not Exists.")
        found.set(value, self._clock.tick())
        return found

    def upload(self, app: App, user: str, name: str, mime_type: str, content: bytes) -> HeldFile:
        """Keep a file that a user goes on to ask with.

        Raises:
            Refusal: 413 if it is too large.
        """
        return self.files.keep(name, mime_type, content, self._end_user(app, user).id, self._clock.tick(0))

    def referred_file(self, app: App, file_id: str) -> HeldFile | None:
        """Return a file that some message of the app refers to; `None` if none does."""
        users = [user for (name, _), user in self._end_users.items() if name == app.name]
        conversations = [one for user in users for one in user.conversations.values()]
        referred = [file for one in conversations for message in one.messages for file in message.files]
        return next((one.file for one in referred if one.file and one.file.id == file_id), None)

    def suggestions(self, app: App, user: str, message_id: str) -> list[str]:
        """Return what the user could ask after an answer; a failed one will do (recorded: failed-chat-5-suggested).

        Raises:
            Refusal: 404 for another user's message or none, 400 if the app suggests nothing.
        """
        message = self._message(app, user, message_id)
        if not app.suggests:
            raise Refusal(400, "bad_request", "Suggested Questions Is Disabled.")
        return next_questions(message.sources, self._knowledge.documents)

    def rate(self, app: App, user: str, message_id: str, rating: str | None) -> None:
        """Store what a user thinks of an answer; `None` takes it back.

        Raises:
            Refusal: 404 for another user's message or none, 400 if there is nothing to take back (recorded:
                1.14.2/err-feedback-other-user, err-feedback-null-when-none).
        """
        message = self._message(app, user, message_id)
        if rating is None and message.rating is None:
            raise invalid_param("rating cannot be None when feedback not exists")
        message.rating = rating

    def text_of(self, app: App, message_id: str) -> str:
        """Return the answer of that id, whoever asked; "" if there is none (Dify API reference, "Text to audio")."""
        for (name, _), user in self._end_users.items():
            for conversation in user.conversations.values() if name == app.name else ():
                for message in conversation.messages:
                    if message.id == message_id:
                        return message.answer
        return ""

    def _message(self, app: App, user: str, message_id: str) -> Message:
        held = (message for conversation in self.conversations(app, user) for message in conversation.messages)
        message = next((message for message in held if message.id == message_id), None)
        if message is None:
            raise not_found("Message Not Exists.")
        return message

    def _end_user(self, app: App, user: str) -> EndUser:
        end_user_id = self._ids.uuid("end user", app.name, user)
        return self._end_users.setdefault((app.name, user), EndUser(end_user_id))

    def _named_conversation(self, app: App, request: ChatRequest) -> Conversation | None:
        if request.conversation_id is None:
            return None
        return self.conversation(app, request.user, request.conversation_id)

    def _new_conversation(self, app: App, user: str, query: str, inputs: dict[str, Any]) -> Conversation:
        end_user = self._end_user(app, user)
        conversation = Conversation(
            id=self._ids.uuid(end_user.id, "conversation", end_user.begun),
            name=query if len(query) <= 20 else query[:20] + "…",
            inputs=inputs,
            introduction=app.introduction(inputs),
            created_at=0,
            updated_at=0,
        )
        end_user.begun += 1
        end_user.conversations[conversation.id] = conversation
        return conversation

    def _new_turn(
        self,
        app: App,
        request: ChatRequest,
        conversation: Conversation,
        query: str,
        inputs: dict[str, Any],
        files: list[Attached],
    ) -> Turn:
        history = conversation.exchanges()
        message = self._new_message(app, conversation, query, inputs)
        message.files = [replace(file, id=self._ids.uuid(message.id, "file", n)) for n, file in enumerate(files)]
        end_user_id = self._end_user(app, request.user).id
        drawing = None
        if "draw" in tags_in(query) and app.mode != "chat":
            drawing = self.files.drawn(end_user_id, message.id, message.created_at)
        asks = app.asks_person and self._rules.asks_people
        if asks:
            message.form = Form.new(self._ids, message.id, message.created_at, self._form_lifetime_s)
        sources = [] if asks or files else self._knowledge.search(without_tags(query))
        names = [file.name for file in files]
        if app.mode == "agent-chat":
            now = local_time(message.created_at)
            script = agent_script(query, history, sources, inputs, now=now, files=names)
        else:
            script = answer_script(query, history, sources, inputs, names)
        if not self._rules.moderates:
            script = replace(script, withdrawn=None, preset=None)
        self._runs[app.name] += 1
        return Turn(
            app=app,
            user=request.user,
            end_user_id=end_user_id,
            message=message,
            task_id=self._ids.uuid(message.id, "task"),
            number=len(history) + 1,
            history=history,
            sources=sources,
            script=script,
            ids=self._ids,
            streaming=request.streaming,
            outlives_client=app.is_chatflow and self._rules.chatflows_in_worker,
            run_number=self._runs[app.name],
            drawing=drawing,
        )

    def _first_variables(self, app: App, conversation_id: str, now: int) -> list[HeldVariable]:
        return [
            HeldVariable(self._ids.uuid(conversation_id, "variable", of.name), of, of.first_value, now, now)
            for of in app.remembers
        ]

    def _new_message(self, app: App, conversation: Conversation, query: str, inputs: dict[str, Any]) -> Message:
        created_at = self._clock.tick(0 if conversation.messages and "same" in tags_in(query) else 1)
        if not conversation.messages:
            conversation.created_at = created_at
            conversation.variables = self._first_variables(app, conversation.id, created_at)
        conversation.updated_at = created_at
        message = Message(
            id=self._ids.uuid(conversation.id, "message", len(conversation.messages)),
            conversation_id=conversation.id,
            inputs=inputs,
            query=query,
            created_at=created_at,
        )
        conversation.messages.append(message)
        return message
