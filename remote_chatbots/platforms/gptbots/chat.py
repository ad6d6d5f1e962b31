"""A GPTBots agent: the exchange that is one turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast, get_args

from remote_chatbots.address import base_url_of, bot_id_of, checked_headers, checked_key, sent_headers
from remote_chatbots.concealing import conceals
from remote_chatbots.described import AppInfo, AppParameters
from remote_chatbots.errors import BotError, BotReplyError, BotUsageError, copy_of
from remote_chatbots.events import MediaProduced, Source, Started
from remote_chatbots.flow import Flow, open_reply, read_body
from remote_chatbots.json_framing import JSONFramer
from remote_chatbots.learned import Learned
from remote_chatbots.platforms.gptbots import CLOUD_URL, discovery, speech
from remote_chatbots.platforms.gptbots.calls import Calls, Version, checked, message
from remote_chatbots.platforms.gptbots.errors import NAME, not_allowed, refusal
from remote_chatbots.platforms.gptbots.management import Management
from remote_chatbots.platforms.gptbots.marks import CornerMarks, unmarked
from remote_chatbots.platforms.gptbots.options import GPTBotsOptions
from remote_chatbots.platforms.gptbots.stream import GPTBotsTurn
from remote_chatbots.question import Question
from remote_chatbots.redaction import Hidden
from remote_chatbots.resuming import LostAnswer
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.sounds import Audio
from remote_chatbots.stored import Before, Rating, StoredConversation, StoredMessage
from remote_chatbots.stream_reader import EventFilter, StreamReader
from remote_chatbots.timeouts import Settings
from remote_chatbots.wire import ResponseHead

# GPTBots API reference, "API overview"; the Chinese site as public clients use it.
REGIONS = {
    "sg": CLOUD_URL,
    "th": "https://api-th.gptbots.ai",
    "jp": "https://api-jp.gptbots.ai",
    "cn": "https://api.gptbots.cn",
}


def server_of(base_url: Any) -> str:
    """Return the address of a server, which may be given as a region.

    Raises:
        BotUsageError: If it is no address.
    """
    region = base_url.strip().lower() if isinstance(base_url, str) else ""
    example = f"{CLOUD_URL}, or a region ({', '.join(REGIONS)})"
    return base_url_of(REGIONS.get(region, base_url), example=example)


_SETTINGS, _OPTIONS = Settings(), GPTBotsOptions()


@conceals
@dataclass(frozen=True)
class GPTBotsAgent:
    """One GPTBots agent. Its conversations are kept there, and each is begun before its first message.

    It does no I/O. Give it to a `BotClient`, whose calls of the same names say what the arguments are.

    Args:
        api_key: The agent's key ("app-…"). Not in `repr`.
        base_url: The server, or a region: "sg", "th", "jp", "cn". Default: Singapore.
        api_version: "v2"; "v1" (the older send call: no ids in the stream, no usage, no citations); or "auto": v2, and
            v1 where the server does not know v2, which is remembered. Default "auto".
        headers: Headers to send beside ours. Not in `repr`.
        settings: Patience and sizes.
        options: What each turn is told beside its question; a question's own options are laid over them.

    Attributes:
        learned: What `info` and `parameters` told last.

    Raises:
        BotUsageError: If the key or a header is no header value, the address is none, or the version is unknown.
    """

    api_key: str = field(repr=False)
    base_url: str = CLOUD_URL
    api_version: str = "auto"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Settings = _SETTINGS
    options: GPTBotsOptions = _OPTIONS
    learned: Learned = field(default_factory=Learned, init=False, repr=False, compare=False)
    # Which versions the server turned out to know; no part of what the agent is.
    _learnt: dict[str, Version] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", checked_key(self.api_key, "api_key"))
        object.__setattr__(self, "base_url", server_of(self.base_url))
        object.__setattr__(self, "headers", checked_headers(self.headers))
        if self.api_version not in ("auto", *get_args(Version)):
            raise BotUsageError.of(NAME, 'api_version must be "auto", "v1" or "v2". Give one of these.')

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_learnt": {}}

    @property
    def name(self) -> str:
        """The platform: "gptbots"."""
        return NAME

    @property
    def bot_id(self) -> str:
        """The bot, for histories: equal in every process and framework, different for two agents of one server."""
        return bot_id_of(NAME, self.base_url, self.api_key)

    def ask(self, question: Question) -> Flow[None]:
        """Return the flow of one turn: a conversation is begun if the question names none, then the message is sent.

        Raises:
            BotUsageError: At once, if the question cannot be sent, or has an option that there is not.
        """
        options = self.options.with_those_of(question.options)
        checked(question, options)
        message(self._versions()[0], question, options)
        return self._turn(question, options)

    def check_files(self, question: Question) -> Flow[None]:
        """Refuse files that no agent takes. Nothing is sent.

        Raises:
            BotUsageError: With what GPTBots takes.
        """
        checked(question, self.options)
        yield from ()

    def history(
        self,
        conversation_id: str,
        *,
        user: str = "",  # noqa: ARG002
        limit: int | None = None,
        before: Before = "",
    ) -> Flow[list[StoredMessage]]:
        """Return the messages of a conversation, the oldest first."""
        messages = self._management().history(conversation_id, limit, before)
        return messages if self.options.citation_marks else unmarked(messages)

    def newest_answers(self, conversation_id: str, *, user: str = "") -> Flow[dict[str, str]]:  # noqa: ARG002
        """Return the answers that may be a conversation's newest, each with its question; {} if they are not told."""
        return self._management().newest_answers(conversation_id)

    def conversations(
        self, *, user: str = "", limit: int | None = None, after: str = ""
    ) -> Flow[list[StoredConversation]]:
        """Return the conversations of a user, the newest first."""
        return self._management().conversations(user, limit, after)

    def conversations_page(
        self,
        *,
        user: str = "",
        limit: int | None = None,  # noqa: ARG002  pages are numbered, so all are of one size
        place: str = "",
    ) -> Flow[tuple[list[StoredConversation], str]]:
        """Return a page of them, and the place of the next; "" if there is none."""
        return self._management().conversations_page(user, place)

    def feedback(self, message_id: str, rating: Rating | None, *, user: str = "", comment: str = "") -> Flow[None]:  # noqa: ARG002
        """Rate an answer; None takes the rating back."""
        return self._management().feedback(message_id, rating, comment)

    def quality(self, message_id: str, grade: str) -> Flow[None]:
        """Grade an answer, as a reviewer does."""
        return self._management().quality(message_id, grade)

    def suggestions(self, message_id: str, *, user: str = "") -> Flow[list[str]]:  # noqa: ARG002
        """Return questions that a user may ask next."""
        return self._management().suggestions(message_id)

    def citations(self, message_id: str, *, user: str = "") -> Flow[list[Source]]:  # noqa: ARG002
        """Return the passages that were found for an answer."""
        return self._management().citations(message_id)

    def transcribe(self, audio: Audio, *, user: str = "") -> Flow[str]:  # noqa: ARG002
        """Return what is said in a recording."""
        return speech.transcribe(self._management(), audio)

    def speak(
        self, text: str = "", *, message_id: str = "", voice: str = "", user: str = ""  # noqa: ARG002
    ) -> Flow[MediaProduced]:  # fmt: skip
        """Return an answer as speech."""
        return speech.speak(self._management(), text, message_id, voice)

    def info(self) -> Flow[AppInfo]:
        """Return who the agent is."""
        return discovery.info(self._management(), self.learned)

    def parameters(self, *, user: str = "") -> Flow[AppParameters]:  # noqa: ARG002
        """Return how the agent is set up, as far as it tells."""
        return discovery.parameters(self._management(), self.learned)

    def recover(self, lost: LostAnswer) -> Flow[None]:
        """Return the flow of a whole answer whose turn broke off, from the history; nothing is posted."""
        return self._management().recover(lost, *lost.filters(*_marks(self.options)))

    def _turn(self, question: Question, options: GPTBotsOptions) -> Flow[None]:
        hidden = Hidden(self.api_key, self.headers, question.text)
        calls = self._management(hidden)
        conversation_id = question.conversation_id or (yield from calls.create(question.user))
        try:
            head = yield from self._opened(question, conversation_id, options, hidden)
        except BotError as error:
            # The conversation is there, whatever became of the message.
            raise copy_of(error, conversation_id=conversation_id) from error.__cause__
        yield Started(conversation_id=conversation_id)
        if head.content_type in _WEB_PAGES:
            body = yield from read_body(self.settings.max_event_bytes, NAME)
            raise not_allowed(f"the reply is {head.content_type}, not an answer", body, hidden)
        turn = GPTBotsTurn(
            self.settings,
            partial(calls.text_of, conversation_id),
            partial(calls.sources_behind, conversation_id) if options.fetch_sources else None,
            hidden,
        )
        yield from StreamReader(
            JSONFramer(self.settings.max_event_bytes, NAME),
            turn,
            question,
            filters=_marks(options),
            stop_wait_s=self.settings.stop_wait_s,
        ).events()

    def _opened(
        self, question: Question, conversation_id: str, options: GPTBotsOptions, hidden: tuple[str, ...]
    ) -> Flow[ResponseHead]:
        mode = "blocking" if question.blocking else "streaming"
        versions = self._versions()
        for version in versions:
            request = self._calls().send(version, conversation_id, mode, question, options)
            try:
                head = yield from open_reply(
                    request,
                    error_of=partial(refusal, hidden=hidden),
                    policy=RetryPolicy(max_retries=self.settings.max_retries),
                )
            except BotReplyError as error:
                # A path that the server does not know has no code of the platform's (a gateway may repeat the
                # status): nothing was done with it.
                unknown = error.http_status in (404, 405) and error.code in ("", str(error.http_status))
                if version == versions[-1] or not unknown:
                    raise
            else:
                self._learnt[self.base_url] = version
                break
        return head

    def _versions(self) -> tuple[Version, ...]:
        """Return the versions of the send call to try, in order."""
        if self.api_version != "auto":
            return (cast("Version", self.api_version),)
        learnt = self._learnt.get(self.base_url)
        return (learnt,) if learnt else ("v2", "v1")

    def _management(self, hidden: tuple[str, ...] = ()) -> Management:
        return Management(self._calls(), self.settings, hidden or Hidden(self.api_key, self.headers))

    def _calls(self) -> Calls:
        return Calls(self.base_url, sent_headers(self.api_key, self.headers))


def _marks(options: GPTBotsOptions) -> list[EventFilter]:
    marked = options.corner_citation or not options.citation_marks
    return [CornerMarks(keep=options.citation_marks)] if marked else []


_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
