"""What a user sets on a model of either face, and what follows from it: the bot, the clients, the question.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

import remote_chatbots
from remote_chatbots.about_answers import AboutAnswers
from remote_chatbots.arguments import checked_call, refusals_of
from remote_chatbots.connection_fields import ConnectionFields
from remote_chatbots.conversations import Conversations, InMemoryConversations, checked_conversations
from remote_chatbots.discovering import Discovering
from remote_chatbots.errors import BotUsageError
from remote_chatbots.field_texts import describe
from remote_chatbots.forgotten import ask
from remote_chatbots.forks import NewestAnswers, OnFork, asked_unforked
from remote_chatbots.history import Message, Plan, plan
from remote_chatbots.known_bot import KnownBot
from remote_chatbots.management import operation
from remote_chatbots.question import Question
from remote_chatbots.sessions import Session, asked_in_session
from remote_chatbots.timeouts import Settings
from remote_chatbots.user_warnings import warn_user

if TYPE_CHECKING:
    from remote_chatbots.client import AsyncBotClient, BotClient
    from remote_chatbots.flow import Flow
    from remote_chatbots.protocol import BotProtocol
    from remote_chatbots.resuming import FilledForm

_STANDARD = Settings()


class BotFields(AboutAnswers, Discovering, ConnectionFields):
    """The fields of every model, of whichever framework and platform."""

    user: str = ""
    """Your name for the person who asks. Conversations belong to it."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """Values of the app's variables, sent with every turn; those given per call are laid over them."""
    conversation_id: str = ""
    """One fixed conversation, for where neither call nor history names one."""
    bot_id: str | None = None
    """Which answers in a history are this bot's own. Default: by platform, host and key. Set it before you change
    keys."""
    system_input: str | None = None
    """The app variable that takes the system message. Default: none; the message is put before the question whenever
    it is new to the conversation."""
    on_missing: Literal["error", "restart"] = "error"
    """When the server has forgotten the conversation: raise, or begin a new one with what the history tells of it."""
    on_break: Literal["error", "recover"] = "error"
    """When a turn breaks off, its fate unknown: raise, or fetch the answer where the server keeps it (a Dify 1.14
    chatflow, GPTBots) without asking again, and raise if it cannot be had."""
    streaming: bool | None = None
    """None: the framework's rule; whole answers are read from the stream too. True: tokens are always streamed. False:
    the platform's blocking form, and streams give one whole message."""
    coalesce: bool = True
    """Whether pieces of text that arrived together make one chunk. False: a chunk for each of the server's events."""
    reasoning: bool = True
    """Whether what a model says between `<think>` marks is told apart from its answer. False: the text stays."""
    steps: bool = True
    """Whether what the bot does on its way (nodes, tool calls, logs) is told. False: answers have none of it, and
    callbacks hear of none: for chatflows, whose steps are the larger part of what a checkpoint stores."""
    on_fork: OnFork = "warn"
    """What becomes of a history that goes on from an answer which is not its conversation's newest: "warn" and ask all
    the same, "error", "new" for a new conversation seeded with the history, or "ignore". Where that answer is not the
    newest that this model has met, noticing costs one small request before the question."""
    conversations: Any = Field(default=None, exclude=True, repr=False)
    """Where the conversations of local sessions are kept, a `Conversations`. With it, a call that names a session goes
    on with its conversation although the history does not say which. Default: none."""
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    """The answer ends before the first of these, and the server is told to stop."""
    model_name: str = "remote-bot"
    """A label for traces; `model=` per call changes it and is not sent."""
    temperature: float | None = None
    """Accepted and not sent: the app decides."""
    max_tokens: int | None = None
    """Accepted and not sent: the app decides."""
    end_grace_s: float = _STANDARD.end_grace_s
    """After a turn's last event: how long to wait for the end of the body, so that the connection can be used again."""
    speech_wait_s: float = _STANDARD.speech_wait_s
    """After the text: how long to wait for the last piece of speech."""
    probe_after_s: float = _STANDARD.probe_after_s
    """After that much silence at the start of a stream: the server is asked whether it can answer at all."""
    stop_wait_s: float = _STANDARD.stop_wait_s
    """On leaving a stream early: how long that may take, for the server to keep what it has said."""
    recover_wait_s: float = _STANDARD.recover_wait_s
    """With `on_break="recover"`: how long the answer of a turn that broke off is looked for."""

    _known: KnownBot | None = PrivateAttr(default=None)
    _sessions: Conversations | None = PrivateAttr(default=None)

    _other_names: ClassVar[Mapping[str, str]] = {"model": "model_name"}
    _options: ClassVar[tuple[str, ...]] = ()
    _in_form: ClassVar[Mapping[str, Any]] = {}  # the options of a call whose text is to be read by a parser
    _for_sources: ClassVar[Mapping[str, Any]] = {}  # those of one that is there for the sources, where no field says
    _ways_to_name_the_user: ClassVar[str] = "to the call"

    def _check(self) -> None:
        self._bot()
        if self.conversations is not None:
            checked_conversations(self.conversations, self.platform)

    @abstractmethod
    def _bot(self) -> "BotProtocol":
        """Return the bot that the fields describe."""

    def close(self) -> None:
        """Close this thread's connections. They are closed with the model or the thread as well."""
        if self._known is not None and self._known.client is not None:
            self._known.client.close()

    async def aclose(self) -> None:
        """Close this event loop's connections. They are closed with the model or the loop as well."""
        if self._known is not None and self._known.async_client is not None:
            await self._known.async_client.aclose()

    def session_store(self) -> Conversations:
        """Return where conversations of local sessions are kept: `conversations`, else in memory, with this object."""
        self._sessions = self.conversations or self._sessions or InMemoryConversations()
        return self._sessions

    def _own_bot_id(self) -> str:
        return self._known_now().bot_id

    def _turn_flow(
        self,
        known: KnownBot,
        messages: Sequence[Message],
        stop: Sequence[str] | None,
        kwargs: Mapping[str, Any],
        session: Session | None = None,
    ) -> "tuple[Flow[None], Plan]":
        """Return the flow of the turn that a history asks for, and the plan behind it.

        Args:
            known: Whom to ask.
            messages: The history.
            stop: The call's stop sequences.
            kwargs: The call's other arguments.
            session: The local session, where the caller knows it otherwise than by `session_id`.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong, or there is nothing new to send.
        """
        form = kwargs.get("filled_form")
        if form is not None:
            return self._rest_of_turn(form, messages, kwargs)
        question, planned = self._asked(known, messages, stop, kwargs)
        anew = partial(self._anew, messages, stop, kwargs)
        flow = self._unforked(known, question, planned, anew)
        session = session or Session.of(kwargs.get("session_id"), self.conversations, self.platform)
        if session is None:
            return flow, planned

        def flow_in(talk: str) -> "Flow[None]":
            if not talk:
                return flow
            return self._unforked(known, *self._asked(known, messages, stop, kwargs, fallback=talk), anew)

        whose = {"user": question.user, "bot_id": known.bot_id, "platform": self.platform}
        unnamed = kwargs.get("conversation_id") is None and planned.conversation_id in ("", self.conversation_id)
        return asked_in_session(session, flow_in, **whose, may_begin=unnamed), planned

    def _wanting_sources(self) -> dict[str, Any]:
        return {name: value for name, value in self._for_sources.items() if getattr(self, name) is None}

    def _unforked(
        self, known: KnownBot, question: Question, planned: Plan, anew: Callable[[], Question]
    ) -> "Flow[None]":  # fmt: skip
        flow = ask(known.bot, question)
        if not planned.answer_id or self.on_fork == "ignore":
            return flow
        text, files = planned.newest
        unanswered = None
        if planned.unanswered and text:
            told = replace(question, text=text, files=(*files, *question.files[len(planned.files) :]))
            unanswered = planned.unanswered, told
        return asked_unforked(known.bot, question, planned.answer_id, known.newest, self.on_fork, anew, unanswered)

    def _rest_of_turn(
        self, form: "FilledForm", messages: Sequence[Message], kwargs: Mapping[str, Any]
    ) -> "tuple[Flow[None], Plan]":
        """Return the flow of what the bot says after a form, and the plan that the paused answer was of.

        Raises:
            BotUsageError: If it is no form, or the platform has none.
        """
        if not isinstance(form, remote_chatbots.FilledForm):
            raise BotUsageError.of(self.platform, "filled_form must be a FilledForm. Give one.")
        wanted = replace(
            form,
            user=form.user or self._user(kwargs.get("user")),
            stop=self.stop or (),
            coalesce=self.coalesce,
            reasoning=self.reasoning,
            steps=self.steps,
        )
        held = messages[-1].told.get("system", "") if messages else ""
        return operation(self._bot(), "submit", wanted), Plan("", form.conversation_id, system=str(held))

    def _asked(
        self,
        known: KnownBot,
        messages: Sequence[Message],
        stop: Sequence[str] | None,
        kwargs: Mapping[str, Any],
        fallback: str = "",
    ) -> tuple[Question, Plan]:
        """Return what to ask for a history, and the plan behind it; in `fallback` where nothing else says where.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong, or there is nothing new to send.
        """
        with refusals_of(self.platform):
            checked_call(kwargs, self._options, vars(self))
            planned = plan(
                messages,
                bot_id=known.bot_id,
                conversation_id=kwargs.get("conversation_id"),
                fallback_conversation_id=fallback or self.conversation_id,
                system_input=self.system_input,
                model_name=kwargs.get("model") or self.model_name,
            )
            if planned.strangers:
                warn_user(
                    f"The history holds conversations of {self.platform}, but none of this bot: a new one begins. If "
                    "the key was changed, give the model the bot_id that stands in the old answers' metadata. If they "
                    "are another bot's, all is well: give each bot a model_name of its own, and nothing is said.",
                )
            stops = stop if stop is not None else kwargs.get("stop_sequences")
            question = Question(
                planned.text,
                user=self._user(kwargs.get("user")),
                conversation_id=planned.conversation_id,
                inputs={**self.inputs, **(kwargs.get("inputs") or {}), **planned.inputs},
                files=(*planned.files, *(kwargs.get("files") or ())),
                stop=(self.stop if stops is None else stops) or (),
                blocking=self.streaming is False,
                coalesce=self.coalesce,
                reasoning=self.reasoning,
                steps=self.steps,
                on_break=self.on_break,
                options={name: one for name, one in kwargs.items() if name in self._options and one is not None},
            )
            if self.on_missing == "restart" and planned.conversation_id:
                question = replace(question, instead=partial(self._anew, messages, stop, kwargs))
        return question, planned

    def _anew(
        self, messages: Sequence[Message], stop: Sequence[str] | None, kwargs: Mapping[str, Any]
    ) -> Question:  # fmt: skip
        """Return the question that begins a new conversation with all of a history."""
        return self._asked(self._known_now(), messages, stop, {**kwargs, "conversation_id": ""})[0]

    def _user(self, given: Any) -> str:
        user = given or self.user
        if not user:
            raise BotUsageError.of(
                self.platform,
                "no user. Conversations belong to the person who asks: give your name for them as user=… "
                f"{self._ways_to_name_the_user}, to the model's constructor, or in {self._environment['user'][0]}.",
            )
        return str(user)

    def _known_bot(self) -> Any:
        """Return the bot of the fields as they are: one object while they stay equal, for it learns of its server."""
        return self._known_now().bot

    def _newest_answers(self) -> NewestAnswers:
        return self._known_now().newest

    def _sync_client(self) -> "BotClient":
        return self._known_now().sync_client()

    def _loop_client(self) -> "AsyncBotClient":
        return self._known_now().loop_client()

    def _known_now(self) -> KnownBot:
        # A turn asks some ten times. Before pydantic gives a private attribute by its name, it raises two exceptions.
        known: KnownBot | None = (self.__pydantic_private__ or {}).get("_known")
        if known is None or not known.is_of(vars(self)):
            known = self._known = KnownBot(self._bot(), vars(self), known)
        return known

    def _settings(self) -> Settings:
        return replace(
            super()._settings(),
            end_grace_s=self.end_grace_s,
            speech_wait_s=self.speech_wait_s,
            probe_after_s=self.probe_after_s,
            stop_wait_s=self.stop_wait_s,
            recover_wait_s=self.recover_wait_s,
        )


describe(__name__, BotFields)
