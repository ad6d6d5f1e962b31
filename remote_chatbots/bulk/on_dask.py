"""Bulk asking on a Dask cluster: an actor on each worker asks, and everything is decided here.

Dask runs a task again when its worker is lost, and would post a question twice. Calls of an actor are no tasks: Dask
sends each once, and does not make a lost actor anew. Should it ever do either, the actor refuses: it knows which calls
it has had, and another one in its place does not answer to its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from remote_chatbots.answer import Answer
from remote_chatbots.bulk.asker import Asker, ClientAsker
from remote_chatbots.client import AsyncBotClient
from remote_chatbots.errors import BotConnectError, BotError, BotTruncatedError
from remote_chatbots.events import Started
from remote_chatbots.question import Question

if TYPE_CHECKING:
    import distributed

T = TypeVar("T")
WORKERS_WITHIN_S = 60.0
HIRED_WITHIN_S = 10.0
CLOSED_WITHIN_S = 5.0
LOOK_AGAIN_S = 0.5


@dataclass(slots=True)
class _Call:
    """A call under way on a worker."""

    turn: asyncio.Task[tuple[Answer, float | None]]
    started: list[Started]


class Hand:
    """Asks on one worker, in its event loop. An actor.

    Args:
        client: The client. It comes by pickle, with its key.
    """

    def __init__(self, client: AsyncBotClient) -> None:
        self._asker: Asker = ClientAsker(client)
        self._name = uuid.uuid4().hex
        self._had: set[str] = set()
        self._calls: dict[str, _Call] = {}

    async def name(self) -> str:
        """Return a name that no other has."""
        return self._name

    async def begin(self, name: str, call: str, question: Question) -> list[Started]:
        """Post a question; return the ids of its turn when they are known, or it is over.

        Args:
            name: Whose hand the caller means.
            call: The call's own id.
            question: The question.

        Raises:
            RuntimeError: If another is meant, or the call was had before. Nothing is posted.
        """
        if name != self._name or call in self._had:
            raise RuntimeError("This call was made before, and is not made twice.")
        self._had.add(call)
        known = asyncio.Event()
        started: list[Started] = []

        def begun(event: Started) -> None:
            started.append(event)
            if event.conversation_id:
                known.set()

        turn = asyncio.ensure_future(self._asker.ask(question, begun))
        turn.add_done_callback(lambda _: known.set())
        self._calls[call] = _Call(turn, started)
        await known.wait()
        return list(started)

    async def finish(self, call: str) -> tuple[Answer, float | None, list[Started]]:
        """Return what a question was answered, after how many seconds its first text came, and its turn's ids.

        Raises:
            BotError: If its turn failed.
        """
        under_way = self._calls[call]
        try:
            await asyncio.wait([under_way.turn])
            if under_way.turn.cancelled():
                raise RuntimeError("The turn was left.")
            return *under_way.turn.result(), under_way.started
        finally:
            self._calls.pop(call, None)

    async def leave(self, call: str) -> None:
        """Stop a turn that nobody waits for any more; should its call come only now, it is not begun."""
        self._had.add(call)
        under_way = self._calls.pop(call, None)
        if under_way is not None:
            under_way.turn.cancel()
            await asyncio.wait([under_way.turn])

    async def close(self) -> None:
        """Close this worker's connections."""
        await self._asker.aclose()


@dataclass(slots=True, eq=False)
class _Hired:
    """A hand, as the caller's side sees it."""

    actor: Any
    name: str
    future: Any  # as long as it is held, Dask keeps the actor
    lost: asyncio.Future[None]  # done when its worker is gone: Dask itself tries half a minute to reach it
    busy: int = 0


class DaskAsker:
    """Asks on the workers of a cluster, on the least busy one first; workers that come are made use of.

    Args:
        cluster: The cluster's client; used in its own event loop.
        client: The bot's client, of which each worker gets a copy.
    """

    def __init__(self, cluster: distributed.Client, client: AsyncBotClient) -> None:
        self._cluster = cluster
        self._client = client
        self._hands: dict[str, _Hired] = {}
        self._watching: asyncio.Task[None] | None = None
        self._trouble: Exception | None = None

    async def ask(self, question: Question, begun: Callable[[Started], None]) -> tuple[Answer, float | None]:
        """Return as `Asker.ask`.

        Raises:
            BotConnectError: If the cluster has no worker.
            BotTruncatedError: If the worker was lost with the question.
        """
        hand, begin = await self._free_hand()
        call, told = uuid.uuid4().hex, 0
        hand.busy += 1
        try:
            for event in await _unless_lost(hand, begin(hand.name, call, question)):
                begun(event)
                told += 1
            answer, first_text_s, started = await _unless_lost(hand, hand.actor.finish(call))
            for event in started[told:]:
                begun(event)
        except asyncio.CancelledError:
            await _called(hand, 2 * self._client.bot.settings.stop_wait_s, "leave", call)
            raise
        except BotError:
            raise
        except Exception as error:
            self._lose(hand)
            raise BotTruncatedError.of(
                self._client.bot.name,
                f"the Dask worker that asked was lost ({type(error).__name__}). The message "
                "may have arrived: look at the history before you ask again.",
            ) from error
        else:
            return answer, first_text_s
        finally:
            hand.busy -= 1

    async def aclose(self) -> None:
        """Let the workers' hands go, and close this loop's connections."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        hands, self._hands = list(self._hands.values()), {}
        await asyncio.gather(*(_called(hand, CLOSED_WITHIN_S, "close") for hand in hands))
        await self._client.aclose()

    async def _free_hand(self) -> tuple[_Hired, Callable[..., Any]]:
        until = _now() + WORKERS_WITHIN_S
        self._watching = self._watching or asyncio.create_task(self._watch())
        while True:
            for hand in sorted(self._hands.values(), key=lambda one: one.busy):
                try:
                    return hand, hand.actor.begin
                except RuntimeError:  # Dask says that it is lost, before anything is sent
                    self._lose(hand)
            if self._trouble is not None or _now() >= until:
                why = f" ({type(self._trouble).__name__})" if self._trouble else ""
                raise BotConnectError.of(
                    self._client.bot.name,
                    f"the Dask cluster has no worker that can ask{why}. Start some, with this package installed.",
                    retryable=False,
                ) from self._trouble
            await asyncio.sleep(0.1)

    async def _watch(self) -> None:
        hiring: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                workers = await self._cluster.nthreads()  # type: ignore[no-untyped-call]
                for hand in [hand for address, hand in self._hands.items() if address not in workers]:
                    self._lose(hand)
                hiring = {address: task for address, task in hiring.items() if not task.done()}
                for address in set(workers) - self._hands.keys() - hiring.keys():
                    hiring[address] = asyncio.create_task(self._hire(address))
                await asyncio.sleep(LOOK_AGAIN_S)
        except Exception as error:  # noqa: BLE001  the cluster is gone
            self._trouble = error
        finally:
            for task in hiring.values():
                task.cancel()

    async def _hire(self, address: str) -> None:
        future = self._cluster.submit(Hand, self._client, actor=True, workers=[address], pure=False)
        try:
            async with asyncio.timeout(HIRED_WITHIN_S):
                actor = await future
                name = await actor.name()
            self._hands[address] = _Hired(actor, name, future, asyncio.get_running_loop().create_future())
        except (TimeoutError, OSError, RuntimeError):
            pass  # it is gone again, or the next look finds it
        except Exception as error:  # noqa: BLE001  the worker cannot read what it is sent
            self._trouble = error

    def _lose(self, hand: _Hired) -> None:
        for address in [address for address, one in self._hands.items() if one is hand]:
            del self._hands[address]
        if not hand.lost.done():
            hand.lost.set_result(None)


async def _unless_lost(hand: _Hired, call: Awaitable[T]) -> T:
    """Return what a call returns.

    Raises:
        OSError: If the worker is lost before.
    """
    waiting = asyncio.ensure_future(call)
    either: set[asyncio.Future[Any]] = {waiting, hand.lost}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise OSError("the worker is gone")
    finally:
        waiting.cancel()


async def _called(hand: _Hired, within_s: float, name: str, *arguments: Any) -> None:
    """Make a call of a hand that may be gone, and with it what was to be done."""
    with contextlib.suppress(TimeoutError, OSError, RuntimeError):
        await asyncio.wait_for(getattr(hand.actor, name)(*arguments), within_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
