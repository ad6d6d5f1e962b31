"""Retrievers that ask a bot and return its sources, with the answer beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from pydantic import Field, SecretStr

from langchain_chatbots._arguments import from_config
from langchain_chatbots._events import TOLD, StepsTold
from langchain_chatbots._messages import MessageMaker
from langchain_chatbots._serialised import Serialised
from langchain_chatbots._translate import Said
from langchain_chatbots.errors import as_model_errors
from langchain_chatbots.sources import sources
from remote_chatbots import Question
from remote_chatbots.arguments import with_environment
from remote_chatbots.bot_fields import BotFields
from remote_chatbots.concealing import concealing
from remote_chatbots.constructors import DifyArguments, GPTBotsArguments
from remote_chatbots.passages import answer_metadata, checked_k
from remote_chatbots.platform_fields import DifyFields, GPTBotsFields


class DifyRetrieverArguments(DifyArguments, total=False):
    """What `DifyRetriever` takes beside the key, for type checkers."""

    k: int | None


class GPTBotsRetrieverArguments(GPTBotsArguments, total=False):
    """What `GPTBotsRetriever` takes beside the key, for type checkers."""

    k: int | None


class RemoteRetriever(Serialised, BotFields, BaseRetriever):
    """Asks a remote bot, in a conversation of its own for each query, and returns its sources, in the server's order.

    The answer and its ids ride in each Document's metadata: `answer_text`, `answer_conversation_id`,
    `answer_message_id`. A bot without sources gives []. `k`, `user`, `conversation_id`, `inputs` and `files` may also
    be given per call, and all but `k` in `config["configurable"]`.

    Raises:
        BotError: Of `remote_chatbots.errors`, and LangChain's `ModelError` at the same time, if the turn fails.
    """

    model_config = BotFields.model_config

    k: int | None = Field(None, description="At most so many Documents. Default: all.")

    _ways_to_name_the_user: ClassVar[str] = "to the call, as config={'configurable': {'user': …}}"

    @concealing
    def __init__(self, **given: Any) -> None:
        """Take the fields as keyword arguments; what is not given is read from the environment.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        with as_model_errors():
            checked_k(given.get("k"))
            super().__init__(**with_environment(given, self._environment, os.environ))

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Return the sources of the bot's answer to `input`."""
        config, kwargs = from_config(config, kwargs)
        return super().invoke(input, config, **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any  # noqa: A002
    ) -> list[Document]:  # fmt: skip
        """Return the sources of the bot's answer to `input`."""
        config, kwargs = from_config(config, kwargs)
        return await super().ainvoke(input, config, **kwargs)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:  # fmt: skip
        with as_model_errors():
            question, maker, k = self._turn(query, kwargs)
            with StepsTold(run_manager) as steps, self._sync_client().stream(question) as run:
                for event in run:
                    if isinstance(event, TOLD):
                        steps.tell(event)
                    maker.take(event)
                return _found(maker.message(run.answer), k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:  # fmt: skip
        with as_model_errors():
            question, maker, k = self._turn(query, kwargs)
            async with StepsTold(run_manager) as steps, self._loop_client().stream(question) as run:
                async for event in run:
                    if isinstance(event, TOLD):
                        await steps.atell(event)
                    maker.take(event)
                return _found(maker.message(run.answer), k)

    def _turn(self, query: str, kwargs: Mapping[str, Any]) -> tuple[Question, MessageMaker, int | None]:
        given = {**self._wanting_sources(), **kwargs}
        k = checked_k(given.pop("k", None)) or self.k
        known = self._known_now()
        question, planned = self._asked(known, [Said(HumanMessage(query))], None, given)
        maker = MessageMaker(
            platform=self.platform,
            model_name=given.get("model") or self.model_name,
            bot_id=known.bot_id,
            system=planned.system,
        )
        return question, maker, k


class DifyRetriever(DifyFields, RemoteRetriever):
    """Asks a Dify app and returns its sources: see `RemoteRetriever`.

    Example:
        >>> retriever = DifyRetriever(api_key="app-…", base_url="https://dify.example.com", user="anna", k=3)
        >>> documents = retriever.invoke("When does the ferry leave?")
    """

    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[DifyRetrieverArguments]) -> None:
        """Take the fields of `DifyFields`, and `k`, as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)


class GPTBotsRetriever(GPTBotsFields, RemoteRetriever):
    """Asks a GPTBots agent and returns its sources: see `RemoteRetriever`.

    An agent names its sources where `corner_citation` is on; where it names none they are asked for after the answer,
    by one or two requests of their own, unless `fetch_sources` is False.

    Example:
        >>> retriever = GPTBotsRetriever(api_key="app-…", base_url="sg", user="anna")
        >>> documents = retriever.invoke("How many leave days are left?")
    """

    @concealing
    def __init__(self, *, api_key: SecretStr | str | None = None, **given: Unpack[GPTBotsRetrieverArguments]) -> None:
        """Take the fields of `GPTBotsFields`, and `k`, as keyword arguments.

        Raises:
            BotUsageError: If a field is missing, wrong or unknown. The message names it and never shows a value.
        """
        fields: dict[str, Any] = {"api_key": api_key, **given}
        super().__init__(**fields)


def _found(answer: AIMessage, k: int | None) -> list[Document]:
    documents = sources(answer)[:k]
    beside = answer_metadata(str(answer.text), answer.response_metadata)
    for document in documents:
        document.metadata.update(beside)
    return documents
