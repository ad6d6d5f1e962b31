"""A Dify app: its requests, and the exchange that is one turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import Any

from remote_chatbots.address import base_url_of, bot_id_of, checked_headers, checked_key, sent_headers
from remote_chatbots.arguments import as_json
from remote_chatbots.attachments import Attachment
from remote_chatbots.concealing import conceals
from remote_chatbots.described import AppInfo, AppMeta, AppParameters, AppSite
from remote_chatbots.errors import BotError, BotRejectedError, BotUsageError
from remote_chatbots.events import Event, MediaProduced
from remote_chatbots.flow import Abandoned, Flow, open_reply, read_body
from remote_chatbots.framing import SSEFramer
from remote_chatbots.learned import Learned
from remote_chatbots.platforms.dify import CLOUD_URL, discovery
from remote_chatbots.platforms.dify.errors import NAME, HiddenOfApp, not_allowed, refusal, refuses_blocking
from remote_chatbots.platforms.dify.files import Files, files_in, reference
from remote_chatbots.platforms.dify.management import Management
from remote_chatbots.platforms.dify.options import DifyOptions
from remote_chatbots.platforms.dify.runs import Runs
from remote_chatbots.platforms.dify.silence import look_into
from remote_chatbots.platforms.dify.speech import Speech
from remote_chatbots.platforms.dify.stream import DifyTurn
from remote_chatbots.question import Question
from remote_chatbots.resuming import FilledForm, LostAnswer
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.sounds import Audio
from remote_chatbots.stored import Before, Rating, StoredConversation, StoredMessage, StoredVariable
from remote_chatbots.stream_reader import StreamReader
from remote_chatbots.timeouts import Settings
from remote_chatbots.uploads import Uploads
from remote_chatbots.wire import HttpRequest, ResponseHead, json_request

_SETTINGS, _OPTIONS = Settings(), DifyOptions()


@conceals
@dataclass(frozen=True)
class DifyApp:
    """One Dify app of any kind that chats: `chat`, `agent-chat`, `advanced-chat` (chatflow), `agent`.

    It does no I/O. Give it to a `BotClient`, whose calls of the same names say what the arguments are.

    Args:
        api_key: The app's key ("app-…"). Not in `repr`.
        base_url: The server, with or without trailing slash and `/v1`. Default: Dify's cloud.
        headers: Headers to send beside ours. Not in `repr`.
        settings: Patience and sizes.
        options: What each turn is told beside its question; a question's own options are laid over them.

    Attributes:
        learned: What `info` and `parameters` told last.
        uploads: Which files the server has already.

    Raises:
        BotUsageError: If the key or a header is no header value, or the address is none.
    """

    api_key: str = field(repr=False)
    base_url: str = CLOUD_URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Settings = _SETTINGS
    options: DifyOptions = _OPTIONS
    learned: Learned = field(default_factory=Learned, init=False, repr=False, compare=False)
    uploads: Uploads = field(default_factory=Uploads, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", checked_key(self.api_key, "api_key"))
        object.__setattr__(self, "base_url", base_url_of(self.base_url, default_version="v1"))
        object.__setattr__(self, "headers", checked_headers(self.headers))

    def __getstate__(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}  # what is made of them is made anew

    @property
    def name(self) -> str:
        """The platform: "dify"."""
        return NAME

    @property
    def bot_id(self) -> str:
        """The bot, for histories: equal in every process and framework, different for two apps of one server."""
        return bot_id_of(NAME, self.base_url, self.api_key)

    def ask(self, question: Question) -> Flow[None]:
        """Return the flow of one turn (Dify API reference, "Send chat message").

        Raises:
            BotUsageError: At once, if the question names no user, has no text (Dify asks for one beside files), or an
                option that there is not; or if its inputs do not fit the app's form, as `parameters` told it last.
        """
        self._check_user(question.user)
        if not question.text.replace("\0", ""):  # recorded: err-query-empty, chat-block-query-with-nul
            raise BotUsageError.of(NAME, "a question is more than its files. Give a text with them.")
        options = self.options.with_those_of(question.options)
        if not options.workflow_id:  # another version has a form of its own
            discovery.check_inputs(question, self.learned)
        return self._turn(question, options)

    def check_files(self, question: Question) -> Flow[None]:
        """Refuse files that the app, as it describes itself, does not take. Nothing is uploaded.

        Raises:
            BotUsageError: With what it takes.
        """
        yield from self._files().as_taken(question)

    def history(
        self, conversation_id: str, *, user: str = "", limit: int | None = None, before: Before = ""
    ) -> Flow[list[StoredMessage]]:
        """Return the messages of a conversation, the oldest first."""
        return self._management(user).history(conversation_id, user, limit, before)

    def newest_answers(self, conversation_id: str, *, user: str = "") -> Flow[dict[str, str]]:
        """Return the answers that may be a conversation's newest, each with its question; {} if they are not told."""
        return self._management(user).newest_answers(conversation_id, user)

    def conversations(
        self, *, user: str = "", limit: int | None = None, after: str = ""
    ) -> Flow[list[StoredConversation]]:
        """Return the conversations of a user, the newest first."""
        return self._management(user).conversations(user, limit, after)

    def conversations_page(
        self, *, user: str = "", limit: int | None = None, place: str = ""
    ) -> Flow[tuple[list[StoredConversation], str]]:
        """Return a page of them, and the place of the next; "" if there is none."""
        return self._management(user).conversations_page(user, limit, place)

    def rename(self, conversation_id: str, name: str = "", *, user: str = "") -> Flow[str]:
        """Give a conversation another name, "" for one by the model; return it."""
        return self._management(user).rename(conversation_id, name, user)

    def delete(self, conversation_id: str, *, user: str = "") -> Flow[None]:
        """Delete a conversation."""
        return self._management(user).delete(conversation_id, user)

    def stop(self, task_id: str, *, user: str = "") -> Flow[None]:
        """Stop an answer under way."""
        return self._management(user).stop(task_id, user)

    def variables(self, conversation_id: str, *, user: str = "") -> Flow[list[StoredVariable]]:
        """Return the conversation variables of a chatflow."""
        return self._management(user).variables(conversation_id, user)

    def set_variable(
        self, conversation_id: str, variable: str, value: Any, *, user: str = ""
    ) -> Flow[StoredVariable]:  # fmt: skip
        """Set a conversation variable, given by its name or its id; return it."""
        return self._management(user).set_variable(conversation_id, variable, value, user)

    def feedback(self, message_id: str, rating: Rating | None, *, user: str = "", comment: str = "") -> Flow[None]:
        """Rate an answer; None takes the rating back."""
        return self._management(user).feedback(message_id, rating, user, comment)

    def suggestions(self, message_id: str, *, user: str = "") -> Flow[list[str]]:
        """Return questions that a user may ask next."""
        return self._management(user).suggestions(message_id, user)

    def transcribe(self, audio: Audio, *, user: str = "") -> Flow[str]:
        """Return what is said in a recording."""
        return self._speech(user).transcribe(audio, user)

    def speak(
        self, text: str = "", *, message_id: str = "", voice: str = "", user: str = ""
    ) -> Flow[MediaProduced]:  # fmt: skip
        """Return a text, or an answer, as speech."""
        return self._speech(user, text).speak(text, message_id, voice, user)

    def info(self) -> Flow[AppInfo]:
        """Return who the app is."""
        return discovery.info(self._calls(), self.learned)

    def parameters(self, *, user: str = "") -> Flow[AppParameters]:
        """Return how the app is set up."""
        return discovery.parameters(self._calls(), self.learned, user)

    def meta(self) -> Flow[AppMeta]:
        """Return the icons of the app's tools."""
        return discovery.meta(self._calls())

    def site(self) -> Flow[AppSite]:
        """Return how the app's page looks."""
        return discovery.site(self._calls())

    def upload(self, file: Attachment, *, user: str = "") -> Flow[Attachment]:
        """Upload a file; return it as one that goes with questions of that user."""
        self._check_user(user)
        return self._files().upload(file, user)

    def download(self, file_id: str, *, user: str = "", most_bytes: int | None = None) -> Flow[bytes]:
        """Return the bytes of a file that some message refers to."""
        return self._files().download(file_id, user, most_bytes or self.settings.max_event_bytes)

    def submit(self, form: FilledForm) -> Flow[None]:
        """Return the flow of the rest of a turn that paused for a form (Dify API reference, "Human input")."""
        self._check_user(form.user)
        return self._submitted(form)

    def recover(self, lost: LostAnswer) -> Flow[None]:
        """Return the flow of a whole answer whose turn broke off; nothing is posted."""
        return Runs(self._management(lost.user), lost.user).recover(lost)

    def _submitted(self, form: FilledForm) -> Flow[None]:
        filled = [value for value in form.inputs.values() if isinstance(value, str) and value]
        form = replace(form, inputs=(yield from self._files().in_form(form.inputs, form.user)))
        yield from Runs(self._management(form.user, *filled), form.user).submit(form)

    def _check_user(self, user: str) -> None:
        if not user:
            raise BotUsageError.of(
                NAME,
                "a user is needed, your own name for the person who asks. Give user=… with the call, or where "
                "the bot is set up.",
            )

    def _management(self, user: str, *hidden: str) -> Management:
        self._check_user(user)
        return self._calls(*hidden)

    @cached_property
    def _hidden(self) -> HiddenOfApp:
        return HiddenOfApp(self.api_key, self.headers)

    def _calls(self, *hidden: str) -> Management:
        return Management(self.base_url, self._headers, self.settings, self._hidden.beside(*hidden))

    def _files(self) -> Files:
        return Files(self.base_url, self._headers, self.settings, self._hidden, self.uploads, self.learned)

    def _speech(self, user: str, *hidden: str) -> Speech:
        self._check_user(user)
        return Speech(self.base_url, self._headers, self.settings, self._hidden.beside(*hidden))

    def _turn(self, question: Question, options: DifyOptions) -> Flow[None]:
        files = files_in(question)
        # What opens a signed address is a secret as well.
        hidden = self._hidden.beside(question.text, *[file.url.partition("?")[2] for file in files])
        turn = DifyTurn(self.settings, partial(self._stop_request, question.user), hidden)
        reader = StreamReader(
            SSEFramer(self.settings.max_event_bytes, NAME),
            turn,
            question,
            stop_wait_s=self.settings.stop_wait_s,
            after_silence_s=self.settings.probe_after_s,
            look_into=partial(look_into, question, self._get, hidden),
        )
        if files:
            kind = yield from self._files().asked_with(
                question, partial(self._open, options, hidden), by_rules=not options.workflow_id
            )
        else:
            kind = yield from self._open(options, hidden, question)
        if kind in _JSON:
            yield from self._whole(turn, reader)
        elif kind in ("", _EVENTS):
            try:
                yield from reader.events()
            except Abandoned:
                yield from reader.leave()
        else:
            body = yield from read_body(self.settings.max_event_bytes, NAME)
            raise not_allowed(f"the reply is {kind}, not a stream of events", body, hidden)

    def _open(self, options: DifyOptions, hidden: tuple[str, ...], question: Question) -> Flow[str]:
        """Ask the question; return the media type of the reply, whose body is still to be read."""
        streams_only = False

        def error_of(head: ResponseHead, body: bytes) -> BotError:
            nonlocal streams_only
            streams_only = refuses_blocking(body)
            return refusal(head, body, hidden)

        def opened(mode: str) -> Flow[ResponseHead]:
            return open_reply(self._question_request(question, options, mode), error_of=error_of, policy=self._policy)

        if question.blocking:
            try:
                return (yield from opened("blocking")).content_type
            except BotRejectedError:
                if not streams_only:
                    raise
            # An agent app: it only streams, and nothing was done with the message that it refused.
        return (yield from opened("streaming")).content_type

    def _whole(self, turn: DifyTurn, reader: StreamReader) -> Flow[None]:
        """Yield the events of an answer that came as one JSON object: the same as those of a stream."""
        body = yield from read_body(self.settings.max_event_bytes, NAME)
        events: list[Event] = []
        turn.take_whole(body, events)
        yield from reader.whole(events)

    def _question_request(self, question: Question, options: DifyOptions, mode: str) -> HttpRequest:
        payload: dict[str, Any] = {
            "inputs": dict(question.inputs),
            "query": question.text,
            "response_mode": mode,
            "conversation_id": question.conversation_id,
            "user": question.user,
            **options.payload(),
        }
        if question.files:
            payload["files"] = [reference(file) for file in question.files]
        with as_json(NAME, "inputs hold something that JSON has no form for"):
            return self._post("/chat-messages", payload)

    def _post(self, path: str, payload: object) -> HttpRequest:
        return json_request("POST", self.base_url + path, self._headers, payload)

    def _get(self, path: str) -> HttpRequest:
        return HttpRequest("GET", self.base_url + path, self._headers)

    def _stop_request(self, user: str, task_id: str) -> HttpRequest:
        return self._management(user).stop_request(task_id, user)

    @cached_property
    def _policy(self) -> RetryPolicy:
        return RetryPolicy(max_retries=self.settings.max_retries)

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        return sent_headers(self.api_key, self.headers)


_JSON = frozenset({"application/json", "text/json"})
_EVENTS = "text/event-stream"
