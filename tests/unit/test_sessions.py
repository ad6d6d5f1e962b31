"""A session's turn as a flow: what is asked of the store, and when; nothing stands between the driver and the turn."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from remote_chatbots import BotConnectError, BotError, InMemoryConversations, Started, TextDelta
from remote_chatbots.flow import EFFECTS, Abandoned, Errand, Flow, Read, Send, Sleep, interposed
from remote_chatbots.sessions import Session, asked_in_session
from remote_chatbots.wire import HttpRequest

REQUEST = HttpRequest("GET", "http://127.0.0.1/", {})
BEGUN = Started(conversation_id="c-1")


def turn(conversation_id: str, seen: list[Any], *, raises: bool = True) -> Flow[None]:
    """A turn that tells what it was given and what was thrown into it, and reads once more when it is left.

    Then it raises what was thrown, or ends.
    """
    try:
        seen.append(("asked in", conversation_id))
        seen.append((yield Send(REQUEST)))
        yield BEGUN
        yield TextDelta("a")
        yield TextDelta("b")
    except (Abandoned, BotError) as thrown:
        seen.append(type(thrown))
        seen.append((yield Read()))
        if raises:
            raise


def steps(flow: Flow[None], *, leave_at: Any = None, fails: Any = None) -> list[Any]:
    """Drive a flow; return its steps. It is left where it yields `leave_at`, and fails where it asks for `fails`."""
    taken: list[Any] = []
    step: Any = next(flow)
    try:
        while True:
            taken.append(step)
            if leave_at is not None and step == leave_at:
                leave_at = None
                step = flow.throw(Abandoned())
            elif fails is not None and type(step) is fails:
                fails = None
                step = flow.throw(BotConnectError("dify: gone"))
            else:
                step = flow.send(step.call() if type(step) is Errand else f"of {type(step).__name__}")
    except (StopIteration, Abandoned, BotError):
        return taken


def in_session(
    store: InMemoryConversations, seen: list[Any], *, may_begin: bool = True, raises: bool = True
) -> Flow[None]:
    session = Session("s", store)
    whose = {"user": "anna", "bot_id": "b", "platform": "dify"}
    return asked_in_session(session, lambda known: turn(known, seen, raises=raises), **whose, may_begin=may_begin)


KEY = Session("s", InMemoryConversations()).key(user="anna", bot_id="b")


def test_the_id_is_kept_before_the_caller_hears_of_it_and_the_claim_is_given_back() -> None:
    store, seen = InMemoryConversations(), []
    taken = steps(in_session(store, seen))
    kinds = [type(step) for step in taken]
    assert kinds == [Errand, Errand, Errand, Send, Errand, Errand, Started, TextDelta, TextDelta]
    assert (store.get(KEY), seen) == ("c-1", [("asked in", ""), "of Send"])
    assert store.claim(KEY)


def test_a_known_session_is_asked_in_its_conversation_and_nothing_is_written() -> None:
    store, seen = InMemoryConversations(), []
    store.put(KEY, "c-1")
    taken = steps(in_session(store, seen))
    assert [type(step) for step in taken] == [Errand, Send, Started, TextDelta, TextDelta]
    assert seen[0] == ("asked in", "c-1")


def test_a_turn_that_names_its_conversation_leads_the_session_on_without_a_claim() -> None:
    store, seen = InMemoryConversations(), []
    store.put(KEY, "c-0")
    assert store.claim(KEY)
    steps(in_session(store, seen, may_begin=False))
    assert (seen[0], store.get(KEY)) == (("asked in", ""), "c-1")


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("left_at", [Send(REQUEST), BEGUN, TextDelta("a"), TextDelta("b")], ids=str)
def test_whoever_leaves_leaves_the_turn_itself_and_no_claim_behind(left_at: Any, raises: bool) -> None:
    store, seen = InMemoryConversations(), []
    taken = steps(in_session(store, seen, raises=raises), leave_at=left_at)
    assert seen[-2:] == [Abandoned, "of Read"]
    assert store.claim(KEY)
    assert bool(store.get(KEY)) is (BEGUN in taken)


@pytest.mark.parametrize("raises", [True, False])
def test_whoever_leaves_while_the_id_is_being_kept_has_it_kept_all_the_same(raises: bool) -> None:
    store, seen = InMemoryConversations(), []
    flow = in_session(store, seen, raises=raises)
    step: Any = next(flow)
    while type(step) is not Send:
        step = flow.send(step.call())
    assert type(flow.send("of Send")) is Errand  # it is cancelled before it has done anything
    step = flow.throw(Abandoned())
    with suppress(Abandoned, StopIteration):
        while True:
            step = flow.send(step.call() if type(step) is Errand else None)
    assert (store.get(KEY), store.claim(KEY)) == ("c-1", True)


def test_a_turn_that_fails_at_its_beginning_gives_its_claim_back() -> None:
    store, seen = InMemoryConversations(), []
    steps(in_session(store, seen), fails=Send)
    assert seen[-2:] == [BotConnectError, "of Read"]
    assert (store.get(KEY), store.claim(KEY)) == ("", True)


def test_a_turn_that_never_tells_its_conversation_gives_its_claim_back() -> None:
    def untold(known: str) -> Flow[None]:
        yield TextDelta("a")  # a stream of 2023

    store = InMemoryConversations()
    whose = {"user": "anna", "bot_id": "b", "platform": "dify"}
    steps(asked_in_session(Session("s", store), untold, **whose, may_begin=True))
    assert (store.get(KEY), store.claim(KEY)) == ("", True)


def test_another_first_turn_is_waited_for_until_its_conversation_is_known() -> None:
    store, seen = InMemoryConversations(), []
    assert store.claim(KEY)
    flow = in_session(store, seen)
    step: Any = next(flow)
    waits = 0
    while type(step) is not Send:
        if type(step) is Sleep:
            waits += 1
            if waits == 3:
                store.put(KEY, "c-1")
        step = flow.send(step.call() if type(step) is Errand else True)
    assert (waits, seen) == (3, [("asked in", "c-1")])
    flow.close()


@pytest.mark.parametrize("session", [("s", "anna", "other"), ("s", "bob", "b"), ("t", "anna", "b"), ('s","b', "", "")])
def test_no_two_sessions_users_or_bots_share_a_key(session: tuple[str, str, str]) -> None:
    session_id, user, bot_id = session
    assert Session(session_id, InMemoryConversations()).key(user=user, bot_id=bot_id) != KEY


def test_what_is_interposed_runs_once_before_its_event_and_sees_every_outcome_pass() -> None:
    seen: list[Any] = []
    ran: list[Any] = []

    def errand(event: Any) -> Flow[None]:
        ran.append((yield Sleep(1)))
        ran.append(event)

    taken = steps(interposed(turn("c", seen), lambda event: isinstance(event, TextDelta), errand))
    assert [step for step in taken if type(step) not in EFFECTS] == [BEGUN, TextDelta("a"), TextDelta("b")]
    assert ran == ["of Sleep", TextDelta("a")]
