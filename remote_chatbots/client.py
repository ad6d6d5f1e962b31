"""The clients: a bot, a driver, and nothing else. For people without a framework, and for the two faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.errors import BotUsageError
from remote_chatbots.forgotten import ask
from remote_chatbots.management import AsyncManagement, Management
from remote_chatbots.protocol import BotProtocol
from remote_chatbots.question import Attachment, Question
from remote_chatbots.timeouts import Timeouts
from remote_chatbots.transports.aiohttp_driver import AiohttpRun, AiohttpTransport
from remote_chatbots.transports.requests_driver import RequestsRun, RequestsTransport

if TYPE_CHECKING:
    import aiohttp
    import requests

_STANDARD = Timeouts()


class _Client:
    """What both clients have: the bot, and the questions they make of a caller's arguments."""

    def __init__(self, bot: BotProtocol, *, user: str = "", timeout: Any = _STANDARD) -> None:
        if isinstance(bot, type) or not hasattr(bot, "ask") or not hasattr(bot, "settings"):
            raise BotUsageError(f"bot must be a bot, not {_named(bot)}. Give one, e.g. DifyApp(api_key=…).")
        self.bot = bot
        self.user = user
        self.timeouts = Timeouts.of(timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.bot!r}, user={self.user!r}, timeout={self.timeouts!r})"

    def _question(self, question: Question | str, given: dict[str, Any]) -> Question:
        if isinstance(question, Question):
            if any(given.values()):
                raise BotUsageError("Give either a Question or a text with its own arguments, not both.")
            return question
        return Question(question, user=given.pop("user") or self.user, **{k: v for k, v in given.items() if v})


class BotClient(_Client, Management):
    """Asks a bot; blocking. Safe in threads; each has its own connections.

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

    def __init__(
        self, bot: BotProtocol, *, user: str = "", timeout: Any = _STANDARD, session: requests.Session | None = None
    ) -> None:
        super().__init__(bot, user=user, timeout=timeout)
        self._transport = RequestsTransport(self.timeouts, bot.settings, session)

    def stream(
        self,
        question: Question | str,
        *,
        user: str = "",
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Attachment] = (),
        stop: Sequence[str] = (),
        **options: Any,
    ) -> RequestsRun:
        """Return the turn's events, while they arrive. Nothing is sent before the first is asked for.

        Args:
            question: What is asked: a text, or a whole `Question`.
            user: Your name for the person who asks. Default: the client's.
            conversation_id: The server's id of the conversation to go on with; "" begins a new one.
            inputs: Values of the app's variables.
            files: Files that go with the question.
            stop: The answer ends before the first of these.
            **options: What the platform may be told beside, e.g. `trace_id=` (for Dify: `DifyOptions`).

        Returns:
            An iterator of events; `.answer` is the answer so far, `.close()` leaves the turn.

        Raises:
            BotUsageError: If an argument is missing or wrong.
            BotError: While iterating, if the turn fails; with the text and the ids so far.
        """
        given = {"user": user, "conversation_id": conversation_id, "inputs": inputs, "files": files, "stop": stop}
        given["options"] = options
        return self._transport.run(ask(self.bot, self._question(question, given)), self.bot.name)

    def ask(self, question: Question | str, **given: Any) -> Answer:
        """Return the whole answer; it is read from the stream. Arguments and errors as of `stream`."""
        with self.stream(question, **given) as run:
            for _ in run:
                pass
            return run.answer

    def close(self) -> None:
        """Close this thread's connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.bot, self.user, self.timeouts)


class AsyncBotClient(_Client, AsyncManagement):
    """Asks a bot from an event loop, or from several; each has its own connections.

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

    def __init__(
        self,
        bot: BotProtocol,
        *,
        user: str = "",
        timeout: Any = _STANDARD,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__(bot, user=user, timeout=timeout)
        self._transport = AiohttpTransport(self.timeouts, bot.settings, session)

    def stream(
        self,
        question: Question | str,
        *,
        user: str = "",
        conversation_id: str = "",
        inputs: Mapping[str, Any] | None = None,
        files: Sequence[Attachment] = (),
        stop: Sequence[str] = (),
        **options: Any,
    ) -> AiohttpRun:
        """Return the turn's events, while they arrive: as `BotClient.stream`, for `async for`.

        Leave it by `async with contextlib.aclosing(...)` or by `async with` itself, so that the server is told to
        stop before you go on; after a bare `break` that happens in the background.
        """
        given = {"user": user, "conversation_id": conversation_id, "inputs": inputs, "files": files, "stop": stop}
        given["options"] = options
        return self._transport.run(ask(self.bot, self._question(question, given)), self.bot.name)

    async def ask(self, question: Question | str, **given: Any) -> Answer:
        """Return the whole answer; it is read from the stream. Arguments and errors as of `stream`."""
        async with self.stream(question, **given) as run:
            async for _ in run:
                pass
            return run.answer

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
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _again(kind: type[BotClient] | type[AsyncBotClient], bot: BotProtocol, user: str, timeouts: Timeouts) -> _Client:
    return kind(bot, user=user, timeout=timeouts)
