"""The two ways in: `aask_all` in an event loop, `ask_all` around it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from inspect import signature
from os import PathLike
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from remote_chatbots.bulk.askable import Askable, Asking
from remote_chatbots.bulk.asker import ClientAsker
from remote_chatbots.bulk.journal import Journal
from remote_chatbots.bulk.lost import LostQuestions
from remote_chatbots.bulk.on_dask import DaskAsker
from remote_chatbots.bulk.outcome import Outcome
from remote_chatbots.bulk.pace import Pace
from remote_chatbots.bulk.progress import Shown, check, shown, total_of
from remote_chatbots.bulk.questions import Asked, check_several, items
from remote_chatbots.bulk.run import BulkRun, Rules
from remote_chatbots.client import AsyncBotClient
from remote_chatbots.concealing import concealed
from remote_chatbots.errors import BotAuthError, BotConnectError, BotError, BotQuotaError, BotUsageError
from remote_chatbots.retry import RetryPolicy
from remote_chatbots.timeouts import at_least, positive_seconds

if TYPE_CHECKING:
    import distributed

T = TypeVar("T")
P = ParamSpec("P")
LONGEST_WAIT_S = 300.0
# What the next question would meet as well.
HOPELESS = (BotAuthError, BotQuotaError, BotConnectError)


def aask_all(
    bot: Askable,
    questions: Iterable[Asked],
    *,
    user: str = "",
    concurrency: int = 8,
    per_second: float | None = None,
    journal: str | PathLike[str] | None = None,
    progress: Shown = False,
    max_retries: int = 8,
    repeat_unknown: bool = False,
    repeat_failed: bool = False,
    give_up_on: tuple[type[BotError], ...] = HOPELESS,
    dask: distributed.Client | None = None,
) -> BulkRun:
    """Ask a bot many questions; return what becomes of each, as it comes.

    A question is posted once. One that the server puts off (429, 503 with `Retry-After`) or that cannot have reached it
    is posted again, after a wait that holds all back. One whose turn broke off is looked up in the server's history,
    and once more when nothing else is under way: without ids of it, among the 5,000 newest conversations of its user.
    With a journal all this holds across runs: a run that was killed goes on where it ended.

    Args:
        bot: A bot (`DifyApp(…)`), a client of it, or a model of LangChain or LlamaIndex.
        questions: Texts; `Question`s; or rows, mappings with "question" and perhaps "id", "user", "conversation_id",
            "inputs", "files", "stop", "options". Read as they are needed; a list is checked as a whole first.
        user: Your name for the person who asks, where a question names none. Default: the client's or model's.
        concurrency: How many are under way at a time; of one conversation, one. Default 8.
        per_second: The most posts a second. Default: no limit but the server's, to which the pace adapts.
        journal: A file that keeps what was asked and answered. Give it again, with the same questions, to go on.
        progress: True for a bar (tqdm), or a function that is called with a `Progress` for each outcome.
        max_retries: How often one question that was not taken is posted again. Default 8; no wait exceeds 300 s.
        repeat_unknown: Post those again of which an earlier run does not know what came of them, and the server shows
            no answer. They may then have been asked twice.
        repeat_failed: Post those again whose turns failed at the server, or were left.
        give_up_on: After an error of these no more are begun; it is raised when those under way are told. Default:
            a refused key, a spent quota, a server that cannot be reached.
        dask: A cluster whose workers ask, `concurrency` of them together; the bot goes there by pickle, with its key.
            Journal and pace stay here. A question whose worker is lost is looked up, and never asked by another. Here
            a `Client(asynchronous=True)` of this event loop; for `ask_all` one that is not.

    Returns:
        An async iterator of outcomes; leave it by `async with`, so that turns under way are stopped.

    Raises:
        BotUsageError: If an argument is wrong; if the journal is no journal, another bot's, of other questions, or in
            use. Nothing was sent. For questions that are read one by one: while iterating.
        BotError: While iterating: what `give_up_on` names.
    """
    bot = concealed("bot", bot)
    asking = Asking.of(bot, user)
    check_several(questions)
    check(progress)
    if dask is not None:
        _check_cluster(dask, asking)
    rules = _rules(concurrency, max_retries, repeat_unknown, repeat_failed, give_up_on)
    if per_second is not None:
        positive_seconds("per_second", per_second)
    with ExitStack() as opening:
        book = None if journal is None else Journal(journal, asking.client.bot.bot_id)
        if book is not None:
            opening.callback(book.close)
        numbered = items(questions, asking.question)
        if total_of(questions) is not None:
            known = list(numbered)
            if book is not None:
                for item in known:
                    book.entry(item)
            numbered = iter(known)
        tell = opening.enter_context(shown(progress, total_of(questions), "question"))
        return BulkRun(
            numbered,
            ClientAsker(asking.client) if dask is None else DaskAsker(dask, asking.client),
            LostQuestions(asking.client, concurrency),
            book,
            Pace(per_second, time.monotonic()),
            rules,
            tell,
            opening.pop_all(),
        )


def _with_parameters_of(other: Callable[P, Any]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Return what shows, to type checkers and `help`, the parameters of a function at another that hands them on."""

    def shown_so(function: Callable[..., T]) -> Callable[P, T]:
        of_its_own = signature(function)
        function.__signature__ = of_its_own.replace(parameters=[*signature(other).parameters.values()])  # type: ignore[attr-defined]
        return function

    return shown_so


@_with_parameters_of(aask_all)
def ask_all(
    bot: Askable,
    questions: Iterable[Asked],
    *,
    progress: Shown = False,
    dask: distributed.Client | None = None,
    **given: Any,
) -> Iterator[Outcome]:
    """Ask a bot many questions; yield what becomes of each, as it comes. Arguments and errors as of `aask_all`.

    Example:
        >>> for outcome in ask_all(client, ["When does the ferry leave?"], concurrency=20, journal="asked.jsonl"):
        ...     print(outcome.row()["id"], outcome.row()["status"])

    The questions are asked, and an iterator of them is read, in a thread with an event loop of its own. Leaving the
    iteration (`break`, Ctrl-C) stops the turns that are under way.
    """
    bot = concealed("bot", bot)
    check(progress)
    if isinstance(bot, AsyncBotClient) and bot._transport.sessions.given is not None:
        raise BotUsageError("An aiohttp.ClientSession works in its own event loop alone. Use aask_all there.")
    if dask is None:
        return _blocking(aask_all(bot, questions, **given), progress, total_of(questions), _loop_in_a_thread())
    if dask.asynchronous:
        raise BotUsageError("This dask client works in its own event loop alone. Use aask_all there.")
    loop: asyncio.AbstractEventLoop = cast("Any", dask.loop).asyncio_loop
    run = _called(loop, _made(bot, questions, dask=dask, **given))
    return _blocking(run, progress, total_of(questions), nullcontext(loop))


def _blocking(
    run: BulkRun, progress: Shown, total: int | None, its_loop: AbstractContextManager[asyncio.AbstractEventLoop]
) -> Iterator[Outcome]:
    with shown(progress, total, "question") as tell, its_loop as loop:
        try:
            while (outcome := _called(loop, _next(run))) is not None:
                tell(outcome.status)
                yield outcome
        finally:
            _called(loop, run.aclose())


async def _made(*given: Any, **named: Any) -> BulkRun:
    return aask_all(*given, **named)


async def _next(run: BulkRun) -> Outcome | None:
    return await anext(run, None)


def _called(loop: asyncio.AbstractEventLoop, call: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(call, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # this thread was interrupted, the other was not
        raise


@contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        ready.set_result((asyncio.get_running_loop(), over))
        await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="remote_chatbots.bulk", daemon=True)
    thread.start()
    loop, over = ready.result()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


def _check_cluster(dask: distributed.Client, asking: Asking) -> None:
    if asking.client._transport.sessions.given is not None:
        raise BotUsageError("A session of yours does not go to Dask's workers. Give a client without one.")
    if not dask.asynchronous:
        raise BotUsageError(
            "This dask client works in another event loop. Use ask_all, or a Client(asynchronous=True)."
        )


def _rules(
    concurrency: Any,
    max_retries: Any,
    repeat_unknown: bool,
    repeat_failed: bool,
    give_up_on: tuple[type[BotError], ...],
) -> Rules:
    for name, value, least in (("concurrency", concurrency, 1), ("max_retries", max_retries, 0)):
        at_least(name, value, least)
    retry = RetryPolicy(max_retries, longest_delay_s=LONGEST_WAIT_S)
    return Rules(concurrency, retry, bool(repeat_unknown), bool(repeat_failed), tuple(give_up_on))
