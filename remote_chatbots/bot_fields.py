"""What a user sets on a model of either face, and what follows from it: the bot, the clients, the question.

pydantic comes with both frameworks: nothing of the core imports this module, the faces do.
"""

from __future__ import annotations

import ast
import inspect
import sys
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

from remote_chatbots.address import Key
from remote_chatbots.arguments import checked_call, refusals_of, wrong_fields
from remote_chatbots.client import AsyncBotClient, BotClient
from remote_chatbots.errors import BotUsageError
from remote_chatbots.flow import Flow
from remote_chatbots.forgotten import ask
from remote_chatbots.forks import NewestAnswers, OnFork, asked_unforked
from remote_chatbots.history import Message, Plan, plan
from remote_chatbots.management import operation
from remote_chatbots.platforms.dify import DifyApp, DifyOptions
from remote_chatbots.platforms.dify.chat import CLOUD_URL
from remote_chatbots.platforms.gptbots import GPTBotsAgent, GPTBotsOptions
from remote_chatbots.platforms.gptbots.chat import CLOUD_URL as GPTBOTS_URL
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question
from remote_chatbots.resuming import FilledForm
from remote_chatbots.timeouts import DEFAULT_CONNECT_S, DEFAULT_SILENCE_S, Settings, Timeouts

_STANDARD = Settings()
_MAY_BE_NONE = ("timeout", "cache")  # None says something there; elsewhere it is "not given"


class BotFields(BaseModel):
    """The fields of every model, of whichever framework and platform."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
        # Several classes, of which users make the last: building all schemas is a good part of the import.
        defer_build=True,
    )

    api_key: SecretStr
    """The bot's key. Never shown; a pickle of the model carries it."""
    base_url: str
    """The server, with or without trailing slash and version."""
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
    streaming: bool | None = None
    """None: the framework's rule; whole answers are read from the stream too. True: tokens are always streamed. False:
    the platform's blocking form, and streams give one whole message."""
    coalesce: bool = True
    """Whether pieces of text that arrived together make one chunk. False: a chunk for each of the server's events."""
    reasoning: bool = True
    """Whether what a model says between `<think>` marks is told apart from its answer. False: the text stays."""
    on_fork: OnFork = "warn"
    """What becomes of a history that goes on from an answer which is not its conversation's newest: "warn" and ask all
    the same, "error", "new" for a new conversation seeded with the history, or "ignore". Where that answer is not the
    newest that this model has met, noticing costs one small request before the question."""
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    """The answer ends before the first of these, and the server is told to stop."""
    timeout: Any = (DEFAULT_CONNECT_S, DEFAULT_SILENCE_S)
    """Seconds of silence, or (connect, silence), or (connect, silence, total), or `Timeouts`, or None for no limit."""
    max_retries: int = _STANDARD.max_retries
    """How often an opening that cannot have arrived, or was put off, is tried again."""
    default_headers: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Headers to send beside ours. Treated like keys: neither shown nor serialised."""
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
    max_event_bytes: int = _STANDARD.max_event_bytes
    """The largest event that is taken."""
    max_connections: int = _STANDARD.max_connections
    """Connections at a time, per event loop."""
    idle_s: float = _STANDARD.idle_s
    """A connection that was idle for longer is not used for a post."""

    _client: BotClient | None = PrivateAttr(default=None)
    _async_client: AsyncBotClient | None = PrivateAttr(default=None)
    _newest: NewestAnswers | None = PrivateAttr(default=None)

    platform: ClassVar[str]
    _options: ClassVar[tuple[str, ...]] = ()
    _environment: ClassVar[Mapping[str, tuple[str, ...]]]
    _ways_to_name_the_user: ClassVar[str] = "to the call"

    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        given = {name: value for name, value in given.items() if value is not None or name in _MAY_BE_NONE}
        if "model" in given:
            given.setdefault("model_name", given.pop("model"))
        if isinstance(given.get("api_key"), str):
            given["api_key"] = SecretStr(given["api_key"])
        if not given.get("api_key"):
            raise BotUsageError(
                f"{self.platform}: api_key is missing. Give api_key=… or set {self._environment['api_key'][0]}."
            )
        wrong = ""
        try:
            super().__init__(**given)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = wrong_fields(details, type(self).model_fields)
        if wrong:  # outside the except: pydantic's error holds what was given
            raise BotUsageError(f"{self.platform}: {wrong}")
        self._bot()
        Timeouts.of(self.timeout)

    def model_post_init(self, context: Any, /) -> None:
        """Let the framework's own follow; the one that pydantic makes for private attributes would end here."""
        super().model_post_init(context)

    @abstractmethod
    def _bot(self) -> BotProtocol:
        """Return the bot that the fields describe."""

    def close(self) -> None:
        """Close this thread's connections. They are closed with the model or the thread as well."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Close this event loop's connections. They are closed with the model or the loop as well."""
        if self._async_client is not None:
            await self._async_client.aclose()

    def _own_bot_id(self) -> str:
        return self.bot_id or self._bot().bot_id

    def _turn_flow(
        self, messages: Sequence[Message], stop: Sequence[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[Flow[None], Plan]:
        """Return the flow of the turn that a history asks for, and the plan behind it.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong, or there is nothing new to send.
        """
        form = kwargs.get("filled_form")
        if form is not None:
            return self._rest_of_turn(form, messages, kwargs)
        question, planned = self._asked(messages, stop, kwargs)
        bot = self._bot()
        flow = ask(bot, question)
        if planned.answer_id and self.on_fork != "ignore":
            flow = asked_unforked(
                bot,
                question,
                answer_id=planned.answer_id,
                newest=self._newest_answers(),
                on_fork=self.on_fork,
                anew=lambda: self._asked(messages, stop, {**kwargs, "conversation_id": ""})[0],
            )
        return flow, planned

    def _rest_of_turn(
        self, form: FilledForm, messages: Sequence[Message], kwargs: Mapping[str, Any]
    ) -> tuple[Flow[None], Plan]:
        """Return the flow of what the bot says after a form, and the plan that the paused answer was of.

        Raises:
            BotUsageError: If it is no form, or the platform has none.
        """
        if not isinstance(form, FilledForm):
            raise BotUsageError(f"{self.platform}: filled_form must be a FilledForm. Give one.", platform=self.platform)
        wanted = replace(
            form,
            user=form.user or self._user(kwargs.get("user")),
            stop=self.stop or (),
            coalesce=self.coalesce,
            reasoning=self.reasoning,
        )
        held = messages[-1].told.get("system", "") if messages else ""
        return operation(self._bot(), "submit", wanted), Plan("", form.conversation_id, system=str(held))

    def _asked(
        self, messages: Sequence[Message], stop: Sequence[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[Question, Plan]:
        """Return what to ask for a history, and the plan behind it.

        Raises:
            BotUsageError: If an argument is unknown, missing or wrong, or there is nothing new to send.
        """
        with refusals_of(self.platform):
            checked_call(kwargs, self._options, type(self).model_fields)
            planned = plan(
                messages,
                bot_id=self._own_bot_id(),
                conversation_id=kwargs.get("conversation_id"),
                fallback_conversation_id=self.conversation_id,
                system_input=self.system_input,
            )
            if planned.strangers:
                warnings.warn(
                    f"The history holds conversations of {self.platform}, but none of this bot: a new one begins. If "
                    "the key was changed, give the model the bot_id that stands in the old answers' metadata; if they "
                    "are another bot's, all is well.",
                    stacklevel=3,
                )
            stops = next((given for given in (stop, kwargs.get("stop_sequences")) if given is not None), self.stop)
            question = Question(
                planned.text,
                user=self._user(kwargs.get("user")),
                conversation_id=planned.conversation_id,
                inputs={**self.inputs, **(kwargs.get("inputs") or {}), **planned.inputs},
                files=(*planned.files, *(kwargs.get("files") or ())),
                stop=stops or (),
                blocking=self.streaming is False,
                coalesce=self.coalesce,
                reasoning=self.reasoning,
                options={name: kwargs[name] for name in self._options if kwargs.get(name) is not None},
            )
            if self.on_missing == "restart" and planned.conversation_id:
                afresh = plan(
                    messages, bot_id=self._own_bot_id(), conversation_id="", system_input=self.system_input
                )  # fmt: skip
                question = replace(
                    question, instead=replace(question, text=afresh.text, conversation_id="", files=afresh.files)
                )  # fmt: skip
        return question, planned

    def _user(self, given: Any) -> str:
        user = given or self.user
        if not user:
            raise BotUsageError(
                f"{self.platform}: no user. Conversations belong to the person who asks: give your name for them as "
                f"user=… {self._ways_to_name_the_user}, to the model's constructor, or in "
                f"{self._environment['user'][0]}.",
                platform=self.platform,
            )
        return str(user)

    def _newest_answers(self) -> NewestAnswers:
        if self._newest is None:
            self._newest = NewestAnswers()
        return self._newest

    def _sync_client(self) -> BotClient:
        bot, timeouts = self._bot(), Timeouts.of(self.timeout)
        client = self._client
        if client is None or client.bot != bot or client.timeouts != timeouts:
            client = self._client = BotClient(bot, timeout=timeouts)
        return client

    def _loop_client(self) -> AsyncBotClient:
        bot, timeouts = self._bot(), Timeouts.of(self.timeout)
        client = self._async_client
        if client is None or client.bot != bot or client.timeouts != timeouts:
            client = self._async_client = AsyncBotClient(bot, timeout=timeouts)
        return client

    def _settings(self) -> Settings:
        return Settings(
            end_grace_s=self.end_grace_s,
            speech_wait_s=self.speech_wait_s,
            probe_after_s=self.probe_after_s,
            stop_wait_s=self.stop_wait_s,
            max_event_bytes=self.max_event_bytes,
            max_connections=self.max_connections,
            idle_s=self.idle_s,
            max_retries=self.max_retries,
        )


class DifyFields(BotFields):
    """The fields of a Dify app, in either face."""

    base_url: str = CLOUD_URL
    model_name: str = "dify-app"
    workflow_id: str = ""
    """Run this published version of a chatflow; "" runs the newest. Also per call."""
    auto_generate_name: bool = True
    """Whether the server names a new conversation by its first message. Also per call."""
    trace_id: str = ""
    """Your id of the turn in a tracing system: 1 to 128 letters, digits, hyphens, underscores. Also per call."""

    platform: ClassVar[str] = "dify"
    _options: ClassVar[tuple[str, ...]] = ("workflow_id", "auto_generate_name", "trace_id")
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("DIFY_API_KEY",),
        "base_url": ("DIFY_BASE_URL", "DIFY_API_BASE"),
        "user": ("DIFY_USER",),
    }

    def _bot(self) -> BotProtocol:
        return DifyApp(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            headers=self.default_headers,
            settings=self._settings(),
            options=DifyOptions(self.workflow_id, self.auto_generate_name, self.trace_id),
        )


class GPTBotsFields(BotFields):
    """The fields of a GPTBots agent, in either face."""

    base_url: str = GPTBOTS_URL
    """The server, or a region: "sg", "th", "jp", "cn"."""
    model_name: str = "gptbots-agent"
    api_version: str = "auto"
    """The send call: "v2", "v1", or "auto": v2, and v1 where the server does not know v2."""
    short_term_memory: bool | None = None
    """Whether a turn remembers the conversation's recent turns. None: the agent's setting. Also per call."""
    long_term_memory: bool | None = None
    """Whether a turn uses the long-term memory. None: the agent's setting. Also per call."""
    knowledge: Any = None
    """What of the knowledge is searched: document ids, or a mapping with `data_ids` and `group_ids`; [] searches
    nothing. None: all that the agent has. Also per call."""
    corner_citation: bool | None = None
    """Whether the agent marks in its text what it cites (`$[1]$`), and names its sources. Also per call."""
    citation_marks: bool = True
    """Whether those marks stay in the text. Also per call."""
    fetch_sources: bool = False
    """Whether the passages behind an answer that names none are asked for after it, by requests of their own. Also per
    call."""

    platform: ClassVar[str] = "gptbots"
    _options: ClassVar[tuple[str, ...]] = (
        "short_term_memory", "long_term_memory", "knowledge", "corner_citation", "citation_marks", "fetch_sources",
    )  # fmt: skip
    _environment: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("GPTBOTS_API_KEY",),
        "base_url": ("GPTBOTS_BASE_URL",),
        "user": ("GPTBOTS_USER",),
    }

    def _bot(self) -> BotProtocol:
        return GPTBotsAgent(
            Key(self.api_key.get_secret_value()),
            self.base_url,
            self.api_version,
            headers=self.default_headers,
            settings=self._settings(),
            options=GPTBotsOptions(**{name: getattr(self, name) for name in self._options}),
        )


def _describe(*kinds: Any) -> None:
    """Describe the fields by the texts beneath them, as pydantic's `use_attribute_docstrings` would.

    That looks, for each class, at the files of all modules that were ever imported: half the time of our own import.
    """
    try:
        module = ast.parse(inspect.getsource(sys.modules[__name__]))
    except OSError:
        return  # installed without its source
    for node in module.body:
        for field, text in pairwise(node.body if isinstance(node, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(said))):
                    for kind in kinds:
                        if name in kind.model_fields:
                            kind.model_fields[name].description = inspect.cleandoc(said)


_describe(BotFields, DifyFields, GPTBotsFields)
