"""What a user sets on a model, and what follows from it: the bot, the clients, what is shown and serialised."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from langchain_core.language_models import BaseChatModel, LangSmithParams
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, ValidationError

from langchain_chatbots._arguments import told
from langchain_chatbots.errors import ChatbotUsageError, as_model_errors
from remote_chatbots import AsyncBotClient, BotClient, BotUsageError, Settings, Timeouts
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.timeouts import DEFAULT_CONNECT_S, DEFAULT_SILENCE_S

_STANDARD = Settings()


class RemoteModelSettings(BaseChatModel):
    """The fields of every model of this package."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
        # Three classes, of which users make the last: building all schemas is a good part of the import.
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
    streaming: bool | None = None
    """None: tokens reach callbacks in `stream`, or when a handler listens. True: under `invoke` as well. False: the
    platform's blocking form, and `stream` gives one whole message."""
    coalesce: bool = True
    """Whether pieces of text that arrived together make one chunk. False: a chunk for each of the server's events."""
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
    # A cached answer would hand one user another's conversation, so the global cache is not asked.
    cache: Any = Field(default=False, exclude=True)

    _client: BotClient | None = PrivateAttr(default=None)
    _async_client: AsyncBotClient | None = PrivateAttr(default=None)

    platform: ClassVar[str]
    _options: ClassVar[tuple[str, ...]] = ()
    _environment: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        # None is "not given", but for the two fields where it says something.
        given = {name: value for name, value in given.items() if value is not None or name in ("timeout", "cache")}
        if "model" in given:
            given.setdefault("model_name", given.pop("model"))
        for name, variables in self._environment.items():
            found = next((variable for variable in variables if os.environ.get(variable)), None)
            if name not in given and found is not None:
                given[name] = SecretStr(os.environ[found]) if name == "api_key" else os.environ[found]
        if not given.get("api_key"):
            raise ChatbotUsageError(
                f"{self.platform}: api_key is missing. Give api_key=… or set {self._environment['api_key'][0]}."
            )
        wrong = ""
        try:
            super().__init__(**given)
        except ValidationError as error:
            wrong = told(error, type(self).model_fields)
        if wrong:  # outside the except: pydantic's error holds what was given
            raise ChatbotUsageError(f"{self.platform}: {wrong}")
        with as_model_errors():
            self._bot()
            Timeouts.of(self.timeout)

    @abstractmethod
    def _bot(self) -> BotProtocol:
        """Return the bot that the fields describe."""

    @property
    def _llm_type(self) -> str:
        return f"{self.platform}-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "base_url": self.base_url, "bot_id": self.bot_id or self._bot().bot_id}

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return True: `dumpd` and `load` work, the key is read from the environment again."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where `load` finds the class."""
        return ["langchain_chatbots", "chat_models"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Return which fields are secrets, and the variables they are read from."""
        return {"api_key": self._environment["api_key"][0]}

    def close(self) -> None:
        """Close this thread's connections. They are closed with the model or the thread as well."""
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Close this event loop's connections. They are closed with the model or the loop as well."""
        if self._async_client is not None:
            await self._async_client.aclose()

    def _user(self, given: Any) -> str:
        user = given or self.user
        if user and not isinstance(user, str):
            raise BotUsageError(f"{self.platform}: user must be a string, not {type(user).__name__}. Give a string.")
        if not user:
            raise BotUsageError(
                f"{self.platform}: no user. Conversations belong to the person who asks: give your name for them as "
                f"user=… to the call, by bind(user=…), as config={{'configurable': {{'user': …}}}}, to the model's "
                f"constructor, or in {self._environment['user'][0]}.",
                platform=self.platform,
            )
        return str(user)

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

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=self.platform, ls_model_name=kwargs.get("model") or self.model_name, ls_model_type="chat"
        )
        if stops := stop or self.stop:
            params["ls_stop"] = stops
        return params

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Return what `dumpd` writes in a form of its own."""
        clocks = Timeouts.of(self.timeout)
        return {"timeout": [clocks.connect_s, clocks.silence_s, clocks.total_s]}
