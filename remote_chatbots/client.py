"""The clients: a bot, a driver, and nothing else. For people without a framework, and for the two faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots import transports
from remote_chatbots.answer import Answer
from remote_chatbots.archive import Archive, AsyncArchive
from remote_chatbots.arguments import refusals_of
from remote_chatbots.attachments import Attachment
from remote_chatbots.concealing import concealing
from remote_chatbots.discovery import AsyncDiscovery, Discovery
from remote_chatbots.errors import BotError, BotUsageError
from remote_chatbots.files import AsyncFileCalls, FileCalls
from remote_chatbots.flow import Flow
from remote_chatbots.forgotten import ask
from remote_chatbots.management import AsyncManagement, Management, awhole, operation, whole
from remote_chatbots.mending import OnBreak
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Question
from remote_chatbots.resuming import FilledForm, LostAnswer
from remote_chatbots.speech import AsyncSpeech, Speech
from remote_chatbots.timeouts import Timeouts

if TYPE_CHECKING:
    import aiohttp
    import requests

_STANDARD = Timeouts()


class _Client:
    """What both clients have: the bot, and the questions they make of a caller's arguments."""

    @concealing
    def __init__(self, bot: BotProtocol, *, user: str = "", timeout: Any = _STANDARD) -> None:
        if isinstance(bot, type) or not hasattr(bot, "ask") or not hasattr(bot, "settings"):
            raise BotUsageError(f"bot must be a bot, not {_named(bot)}. Give one, e.g. DifyApp(api_key=…).")
        self.bot = bot
        self.user = user
        self.timeouts = Timeouts.of(timeout)

    def __repr__(self) -> str:
        known = vars(self)  # not all of it, where the constructor refused
        told = f"{known.get('bot')!r}, user={known.get('user')!r}, timeout={known.get('timeouts')!r}"
        return f"{type(self).__name__}({told})"

    def _flow(self, question: Question | FilledForm | str, given: dict[str, Any]) -> Flow[None]:
        with refusals_of(self.bot.name):
            if isinstance(question, FilledForm):
                if any(given.values()):
                    raise BotUsageError("A FilledForm has its own arguments. Give them to it.")
                form = question if question.user else replace(question, user=self.user)
                flow: Flow[None] = operation(self.bot, "submit", form)
                return flow
            return ask(self.bot, self._question(question, given))

    def _filled(
        self, paused: Answer, action: str, inputs: Mapping[str, Any] | None, form_token: str, known: dict[str, Any]
    ) -> FilledForm:
        with refusals_of(self.bot.name):
            return FilledForm.of(paused, action, inputs, form_token=form_token, **known)

    def _recovery(self, broken: BotError | Answer | LostAnswer, known: dict[str, Any]) -> Flow[None]:
        with refusals_of(self.bot.name):
            lost = broken if isinstance(broken, LostAnswer) else LostAnswer.of(broken, **known)
            lost = lost if lost.user else replace(lost, user=self.user)
        flow: Flow[None] = operation(self.bot, "recover", lost)
        return flow

    def _question(self, question: Question | str, given: dict[str, Any]) -> Question:
        if isinstance(question, Question):
            if any(given.values()):
                raise BotUsageError("Give either a Question or a text with its own arguments, not both.")
            return question
        return Question(question, user=given.pop("user") or self.user, **{k: v for k, v in given.items() if v})


class BotClient(_Client, Management, Archive, Discovery, FileCalls, Speech):
    """Asks a bot; blocking. Safe in threads; each has its own connections.

    Example:
        >>> bot = DifyApp(api_key="app-…", base_url="https://dify.example.com")
        >>> with BotClient(bot, user="anna") as client:
        ...     answer = client.ask("When does the ferry leave?")
        ...     print(answer.text, client.ask("And on Sundays?", conversation_id=answer.conversation_id).text)

    A pickle of a client carries its key, and drops connections.

    Args:
        bot: The bot, e.g. `DifyApp(api_key=…)`.
        user: Your name for the person who asks, where a question names none.
        timeout: `Timeouts`, or seconds of silence, or a pair (connect, silence), or None for no limit.
        session: A `requests.Session` of yours, for its proxies, certificates or adapters; never closed here. Until
            an answer's head is whole its connections wait as they do: a head that trickles in outlasts `total_s`.

    Raises:
        BotUsageError: If `bot` is no bot, or `timeout` none of these.
    """

    @concealing
    def __init__(
        self, bot: BotProtocol, *, user: str = "", timeout: Any = _STANDARD, session: requests.Session | None = None
    ) -> None:
        super().__init__(bot, user=user, timeout=timeout)
        self._transport = transports.RequestsTransport(self.timeouts, bot.settings, session)

    def stream(
        self,
        question: Question | FilledForm | str,
        *,
        user: str = "",
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Attachment] = (),
        stop: Sequence[str] = (),
        on_break: OnBreak | None = None,
        **options: Any,
    ) -> transports.RequestsRun:
        """Return the turn's events, while they arrive. Nothing is sent before the first is asked for.

        Args:
            question: What is asked: a text, or a whole `Question`; or a `FilledForm`, for the rest of a paused turn.
            user: Your name for the person who asks. Default: the client's.
            conversation_id: The server's id of the conversation to go on with; "" begins a new one.
            inputs: Values of the app's variables.
            files: Files that go with the question.
            stop: The answer ends before the first of these.
            on_break: What becomes of a turn that breaks off: "error" (default), or "recover" its answer, if it can be.
            **options: What the platform may be told beside, e.g. `trace_id=` (for Dify: `DifyOptions`).

        Returns:
            An iterator of events; `.answer` is the answer so far, `.close()` leaves the turn.

        Raises:
            BotUsageError: If an argument is missing or wrong.
            BotError: While iterating, if the turn fails; with the text and the ids so far.
        """
        given: dict[str, Any] = {"user": user, "conversation_id": conversation_id, "inputs": inputs}
        given |= {"files": files, "stop": stop, "on_break": on_break, "options": options}
        return self.run(self._flow(question, given))

    def run(self, flow: Flow[None]) -> transports.RequestsRun:
        """Return the events of a flow that asks this bot, as `stream` does."""
        return self._transport.run(flow, self.bot.name)

    def ask(self, question: Question | FilledForm | str, **given: Any) -> Answer:
        """Return the whole answer; it is read from the stream. Arguments and errors as of `stream`."""
        return whole(self.stream(question, **given))

    def submit(
        self,
        paused: Answer,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        form_token: str = "",
        **given: Any,
    ) -> transports.RequestsRun:
        """Submit the form that a paused answer waits for; return the events of the rest of the turn.

        For a form that was kept apart from its answer, give a `FilledForm` to `stream` or `ask`.

        Args:
            paused: The answer; its `finish_reason` is "paused".
            action: The id of the action that was chosen (`paused.input_required[0]["actions"]`).
            inputs: The values of the form's fields; one that is left out has its default.
            form_token: Which form, where the bot waits for several. Default: the first.
            **given: More of `FilledForm`, e.g. `if_submitted="rejoin"`.

        Returns:
            An iterator of events, as of `stream`: what the bot says after the pause, under the same message id.

        Raises:
            BotUsageError: If the form cannot be submitted so, or the platform has none.
            BotRejectedError: While iterating, if the form is too old or was submitted before.
            BotError: While iterating, if the turn fails.
        """
        return self.stream(self._filled(paused, action, inputs, form_token, given))

    def recover(self, broken: BotError | Answer | LostAnswer, **known: Any) -> Answer:
        """Fetch the whole answer of a turn that broke off, from where the server keeps it; nothing is posted.

        A Dify 1.14 chatflow keeps the answer of a broken turn, and is waited for if it is not done. So does GPTBots. Of
        a Dify agent's the words of its steps are kept. A Dify chatbot loses it, unless it was done when the connection
        broke.

        Args:
            broken: The error of the turn, or what is known of it: an `Answer` that is not whole, or a `LostAnswer`.
            **known: More of `LostAnswer`, e.g. `question=`, what was asked, for an error that names no message.

        Raises:
            BotUsageError: If the platform does not offer it.
            BotNotFoundError: If the server has no text of the answer.
            BotError: If its run failed.
        """
        return whole(self.run(self._recovery(broken, known)))

    def close(self) -> None:
        """Close this thread's connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.bot, self.user, self.timeouts)


class AsyncBotClient(_Client, AsyncManagement, AsyncArchive, AsyncDiscovery, AsyncFileCalls, AsyncSpeech):
    """Asks a bot from an event loop, or from several; each has its own connections.

    Example:
        >>> async def ask(bot: DifyApp) -> str:
        ...     async with AsyncBotClient(bot, user="anna") as client:
        ...         return (await client.ask("When does the ferry leave?")).text
        >>> print(asyncio.run(ask(DifyApp(api_key="app-…", base_url="https://dify.example.com"))))

    A pickle of a client carries its key, and drops connections.

    Args:
        bot: The bot, e.g. `DifyApp(api_key=…)`.
        user: Your name for the person who asks, where a question names none.
        timeout: `Timeouts`, or seconds of silence, or a pair (connect, silence), or None for no limit.
        session: An `aiohttp.ClientSession` of yours; its time-outs rule, and the limit of its connector,
            for which a stop call waits as well; it is never closed here.

    Raises:
        BotUsageError: If `bot` is no bot, or `timeout` none of these.
    """

    @concealing
    def __init__(
        self,
        bot: BotProtocol,
        *,
        user: str = "",
        timeout: Any = _STANDARD,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__(bot, user=user, timeout=timeout)
        self._transport = transports.AiohttpTransport(self.timeouts, bot.settings, session)

    def stream(
        self,
        question: Question | FilledForm | str,
        *,
        user: str = "",
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Attachment] = (),
        stop: Sequence[str] = (),
        on_break: OnBreak | None = None,
        **options: Any,
    ) -> transports.AiohttpRun:
        """Return the turn's events, while they arrive: as `BotClient.stream`, for `async for`.

        Leave it by `async with contextlib.aclosing(...)` or by `async with` itself, so that the server is told to
        stop before you go on; after a bare `break` that happens in the background.
        """
        given: dict[str, Any] = {"user": user, "conversation_id": conversation_id, "inputs": inputs}
        given |= {"files": files, "stop": stop, "on_break": on_break, "options": options}
        return self.run(self._flow(question, given))

    def run(self, flow: Flow[None]) -> transports.AiohttpRun:
        """Return the events of a flow that asks this bot, as `stream` does."""
        return self._transport.run(flow, self.bot.name)

    async def ask(self, question: Question | FilledForm | str, **given: Any) -> Answer:
        """Return the whole answer; it is read from the stream. Arguments and errors as of `stream`."""
        return await awhole(self.stream(question, **given))

    def submit(
        self,
        paused: Answer,
        action: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        form_token: str = "",
        **given: Any,
    ) -> transports.AiohttpRun:
        """Submit the form that a paused answer waits for: as `BotClient.submit`, for `async for`."""
        return self.stream(self._filled(paused, action, inputs, form_token, given))

    async def recover(self, broken: BotError | Answer | LostAnswer, **known: Any) -> Answer:
        """Fetch the whole answer of a turn that broke off: as `BotClient.recover`."""
        return await awhole(self.run(self._recovery(broken, known)))

    async def aclose(self) -> None:
        """Close this loop's connections. They are closed with the loop as well."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.bot, self.user, self.timeouts)


def _named(value: Any) -> str:
    if isinstance(value, str):
        return "str"
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _again(kind: type[BotClient] | type[AsyncBotClient], bot: BotProtocol, user: str, timeouts: Timeouts) -> _Client:
    return kind(bot, user=user, timeout=timeouts)
