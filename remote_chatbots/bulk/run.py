"""The run: questions in, outcomes out, as they come. Where a question is asked is the asker's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from remote_chatbots.answer import Answer
from remote_chatbots.bulk.asker import Asker
from remote_chatbots.bulk.fate import fate_of
from remote_chatbots.bulk.journal import Entry, Journal
from remote_chatbots.bulk.lost import LostQuestions
from remote_chatbots.bulk.outcome import Outcome, Status
from remote_chatbots.bulk.pace import Pace
from remote_chatbots.bulk.questions import Item
from remote_chatbots.bulk.written import answer_as_json, answer_of, error_as_json, error_of
from remote_chatbots.errors import BotError, BotReplyError, BotTruncatedError, copy_of
from remote_chatbots.events import Started
from remote_chatbots.retry import RetryPolicy

_IDS = ("conversation_id", "message_id", "workflow_run_id")
SETTLED_AFTER_S = 10.0  # a turn that was begun so long ago is taken for over


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run goes about its questions.

    Attributes:
        concurrency: How many are under way at a time.
        retry: When a question that was not taken is posted again.
        repeat_unknown: Whether those are posted again of which an earlier run does not know what came of them.
        repeat_failed: Whether those are posted again whose turns failed in an earlier run.
        give_up_on: After an error of these no more questions are asked.
    """

    concurrency: int
    retry: RetryPolicy
    repeat_unknown: bool
    repeat_failed: bool
    give_up_on: tuple[type[BotError], ...]


class BulkRun:
    """Outcomes as they come: an async iterator.

    A question more is begun when an outcome is asked for: a slow reader slows the run down. Leaving it (`aclose`, the
    end of an `async with`, cancellation) stops the turns that are under way; after a bare `break` they are read to
    their end, and journaled, if the loop lives long enough.

    Questions whose fate is unknown come last: each is looked for once more when nothing else is under way, and not
    before its turn is `SETTLED_AFTER_S` old.
    """

    def __init__(
        self,
        items: Iterator[Item],
        asker: Asker,
        lost: LostQuestions,
        journal: Journal | None,
        pace: Pace,
        rules: Rules,
        tell: Callable[[str], None],
        opened: ExitStack,
    ) -> None:
        self._tell = tell
        self._opened = opened
        self._items = items
        self._asker = asker
        self._lost = lost
        self._journal = journal
        self._pace = pace
        self._rules = rules
        self._one_after_the_other = asyncio.Lock()
        self._conversations: dict[str, asyncio.Lock] = {}
        self._running: set[asyncio.Task[Outcome | _Unsure]] = set()
        self._done: asyncio.Queue[asyncio.Task[Outcome | _Unsure]] = asyncio.Queue()
        self._unsure: list[_Unsure] = []
        self._server_time = 0.0  # as the newest turn told it
        self._before: dict[str, float] = {}  # and before any did, by user
        self._given_up: BotError | None = None
        self._closed = False
        for entry in journal.entries.values() if journal else ():
            self._know(entry.ids)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._closed:
            raise StopAsyncIteration
        try:
            while self._begin_more():
                task = await self._done.get()
                self._running.discard(task)
                outcome = task.result()
                if isinstance(outcome, _Unsure):
                    self._unsure.append(outcome)
                    continue
                self._tell(outcome.status)
                return outcome
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        if self._given_up is not None:
            raise copy_of(self._given_up)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop the turns that are under way, and close the journal. May be called again."""
        self._closed = True
        for task in self._running:
            task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while self._running:
            try:
                await asyncio.wait(self._running)
            except asyncio.CancelledError as error:
                cancelled = error  # however often the caller is cancelled: what is left has a deadline of its own
            for task in [task for task in self._running if task.done()]:
                self._running.discard(task)
                _ = task.cancelled() or task.exception()
        self._opened.close()
        await self._asker.aclose()
        if cancelled is not None:
            raise cancelled

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def _begin_more(self) -> bool:
        """Begin what may be under way; return whether anything is."""
        while len(self._running) < self._rules.concurrency and self._given_up is None:
            item = next(self._items, None)
            if item is None:
                break
            known = self._journal.entry(item) if self._journal else None
            self._begin(self._outcome(item, known))
        if not self._running:
            again, self._unsure = self._unsure[: self._rules.concurrency], self._unsure[self._rules.concurrency :]
            for one in again:
                self._begin(self._looked_for_again(one))
        return bool(self._running)

    def _begin(self, call: Coroutine[Any, Any, Outcome | _Unsure]) -> None:
        task = asyncio.ensure_future(call)
        self._running.add(task)
        task.add_done_callback(self._done.put_nowait)

    async def _outcome(self, item: Item, known: Entry | None) -> Outcome | _Unsure:
        if known is not None and known.state not in ("put_off", "refused"):
            if known.state == "answered":
                return self._told(item, known)
            if known.state == "failed" and not self._rules.repeat_failed:
                return self._told(item, known)
            if known.state != "failed":
                answer = await self._looked_up(item, known.ids, known.since)
                if answer is not None:
                    return self._journaled(item, "answered", answer, recovered=True, earlier=True)
                if not self._rules.repeat_unknown:
                    settled_at = time.monotonic() + min(SETTLED_AFTER_S, known.since + SETTLED_AFTER_S - time.time())
                    return _Unsure(self._of_unknown_fate(item, known), item, known.ids, known.since, settled_at)
        conversation_id = item.question.conversation_id
        if not conversation_id:
            return await self._asked(item)
        # No platform promises anything about two questions at once in one conversation.
        async with self._conversations.setdefault(conversation_id, asyncio.Lock()):
            return await self._asked(item)

    def _told(self, item: Item, known: Entry) -> Outcome:
        """Return what an earlier run came to."""
        assert self._journal is not None

        def outcome(told: dict[str, Any]) -> Outcome:
            if known.state == "failed":
                return self._ended(item, "failed", error=error_of(told["failed"]), earlier=True)
            more = {name: told.get(name) for name in ("elapsed_s", "first_text_s")}
            answer = answer_of(told["answered"])
            return self._ended(item, "answered", answer, recovered=told.get("recovered", False), earlier=True, **more)

        return self._journal.end_of(known, outcome)

    async def _asked(self, item: Item) -> Outcome | _Unsure:
        attempt = 0
        while True:
            since = await self._may_post(item.question.user)
            await self._note_asked(item, since)
            posted_at = time.monotonic()
            turn = _Turn(self, item)
            try:
                answer, first_text_s = await self._asker.ask(item.question, turn.begun)
            except asyncio.CancelledError:
                turn.left()
                raise
            except BotError as error:
                fate = fate_of(error)
                delay_s = self._rules.retry.delay_s(attempt, error) if fate == "again" else None
                if delay_s is None:
                    status: Status = "refused" if fate == "again" else fate
                    return await self._broken(item, turn, since, posted_at, error, status)
                if self._journal is not None:
                    self._journal.put_off(item)
                # What keeps one question from being taken keeps all of them.
                if isinstance(error, BotReplyError):
                    self._pace.put_off(posted_at, time.monotonic(), delay_s)
                else:
                    self._pace.hold(time.monotonic(), delay_s)
                attempt += 1
            else:
                timing: dict[str, Any] = {"elapsed_s": time.monotonic() - posted_at, "first_text_s": first_text_s}
                return self._journaled(item, "answered", answer, **timing)

    async def _note_asked(self, item: Item, since: float) -> None:
        if self._journal is not None:
            try:
                await self._journal.asked(item, since)
            except asyncio.CancelledError:
                self._journal.put_off(item)  # left before it was posted
                raise

    async def _may_post(self, user: str) -> float:
        """Wait until one may be posted; return a time before which the server does not begin its turn."""
        async with self._one_after_the_other:
            if not self._server_time and user not in self._before:
                self._before[user] = await self._lost.now(user)
            while (wait_s := self._pace.wait_s(time.monotonic())) > 0:
                await asyncio.sleep(wait_s)
            self._pace.posted(time.monotonic())
        return self._server_time or self._before[user]

    async def _broken(
        self, item: Item, turn: _Turn, since: float, posted_at: float, error: BotError, status: Status
    ) -> Outcome | _Unsure:
        ids = {name: value for name in _IDS if (value := getattr(error, name))} | turn.ids
        turn.note(ids)
        if status == "unknown":
            answer = await self._looked_up(item, turn.ids, since)
            if answer is not None:
                return self._journaled(item, "answered", answer, recovered=True)
        if isinstance(error, self._rules.give_up_on):
            self._given_up = error
        outcome = self._journaled(item, status, error=error)
        if status == "unknown":
            return _Unsure(outcome, item, turn.ids, since, posted_at + SETTLED_AFTER_S)
        return outcome

    async def _looked_up(self, item: Item, ids: dict[str, Any], since: float) -> Answer | None:
        answer, conversation_id = await self._lost.answer(item, ids, since)
        if conversation_id and not ids.get("conversation_id"):
            ids["conversation_id"] = conversation_id  # it need not be looked for again
            if self._journal is not None:
                self._journal.begun(item, {"conversation_id": conversation_id})
        return answer

    async def _looked_for_again(self, unsure: _Unsure) -> Outcome:
        outcome, item = unsure.outcome, unsure.item
        if self._given_up is None:
            await asyncio.sleep(max(0.0, unsure.settled_at - time.monotonic()))
            answer = await self._looked_up(item, unsure.ids, unsure.since)
            if answer is not None:
                return self._journaled(item, "answered", answer, recovered=True, earlier=outcome.earlier)
        return outcome

    def _of_unknown_fate(self, item: Item, known: Entry) -> Outcome:
        assert self._journal is not None
        if known.state == "unknown":
            error = self._journal.end_of(known, lambda told: error_of(told["unknown"]))
        else:
            error = BotTruncatedError(
                "An earlier run ended while this question was under way, and the server shows no whole answer to it. "
                "Look at the conversation's history, or give repeat_unknown=True to ask again.",
                **known.ids,
            )
        return self._ended(item, "unknown", error=error, earlier=True)

    def _journaled(
        self, item: Item, status: Status, answer: Answer | None = None, error: BotError | None = None, **more: Any
    ) -> Outcome:
        if self._journal is not None:
            told = answer_as_json(answer) if answer else error_as_json(error) if error else {}
            kept = {name: value for name, value in more.items() if name != "earlier" and value}
            self._journal.ended(item, status, told, **kept)
        if answer is not None:
            self._know({"conversation_id": answer.conversation_id})
        return self._ended(item, status, answer, error, **more)

    @staticmethod
    def _ended(
        item: Item, status: Status, answer: Answer | None = None, error: BotError | None = None, **more: Any
    ) -> Outcome:
        return Outcome(item.index, item.id, item.question, status, answer, error, **more)

    def _know(self, ids: Mapping[str, Any]) -> None:
        if conversation_id := ids.get("conversation_id"):
            self._lost.others.add(conversation_id)


@dataclass(frozen=True, slots=True)
class _Unsure:
    """A question that is looked for once more.

    Attributes:
        outcome: What becomes of it if that finds nothing.
        item: The question.
        ids: The ids that are known of its turn.
        since: The server's time before it was posted.
        settled_at: When its turn is taken for over, on the clock of `time.monotonic`.
    """

    outcome: Outcome
    item: Item
    ids: dict[str, Any]
    since: float
    settled_at: float


class _Turn:
    """What is known of one question's turn while it is under way."""

    def __init__(self, run: BulkRun, item: Item) -> None:
        self._run = run
        self._item = item
        self._task_id = ""
        self.ids: dict[str, Any] = {}

    def begun(self, event: Started) -> None:
        """Take ids as the server tells them."""
        self._run._server_time = max(self._run._server_time, event.created_at or 0)
        self._task_id = event.task_id or self._task_id
        self.note({name: value for name in _IDS if (value := getattr(event, name))})

    def note(self, ids: Mapping[str, Any]) -> None:
        """Keep ids, those that are new."""
        new = {name: value for name, value in ids.items() if self.ids.get(name) != value}
        if new:
            self.ids.update(new)
            self._run._know(new)
            if self._run._journal is not None:
                self._run._journal.begun(self._item, new)

    def left(self) -> None:
        """Note that the caller left the turn, where that ends it at the server as well."""
        # Without its id no stop call was made: what comes of it is looked up by the next run.
        if self._task_id and self._run._journal is not None:
            error = BotTruncatedError(
                "The turn was left before its end, and the server told to stop. Give repeat_failed=True to ask again.",
                **self.ids,
            )
            self._run._journaled(self._item, "failed", error=error)
