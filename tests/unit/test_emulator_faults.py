"""Faults as values, and who suffers them; no server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest

from remote_chatbots import emulator
from remote_chatbots.emulator import faults as faults_of_all
from remote_chatbots.emulator import gptbots_faults as faults_of_gptbots
from remote_chatbots.emulator.fault_registry import Faults
from remote_chatbots.emulator.faults import (
    CommentLines,
    CrLf,
    Cut,
    EndEarly,
    ErrorAt200,
    ErrorEvent,
    ExtraPings,
    Fault,
    Hang,
    HtmlPage,
    HugeEvent,
    JsonAnswer,
    ReducedErrorEvent,
    Reset,
    TooManyRequests,
    Trickle,
    Unavailable,
    UnknownEvents,
    WireFault,
    WrongCharset,
)
from remote_chatbots.emulator.gptbots_faults import FlowDuplicate, FlowOnly, WrappedError

CHAT = "/v1/chat-messages"
ALL = {
    kind
    for module in (faults_of_all, faults_of_gptbots)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Fault) and is_dataclass(kind)
}


@pytest.mark.parametrize("kind", sorted(ALL, key=lambda kind: kind.__name__))
def test_every_fault_is_exported_has_defaults_and_cannot_be_changed(kind: type[Fault]) -> None:
    assert kind.__name__ in emulator.__all__
    assert getattr(emulator, kind.__name__) is kind
    fault = kind()
    assert fault == kind()
    for field in fields(fault):
        with pytest.raises(FrozenInstanceError):
            setattr(fault, field.name, 1)


def test_the_emulators_docstring_names_every_fault() -> None:
    from remote_chatbots.emulator import Emulator

    assert len(ALL) == 39
    for kind in ALL:
        assert f"`{kind.__name__}`" in (Emulator.__doc__ or "")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: HtmlPage(304), "status must be 200 or from 400 to 599, not 304"),
        (lambda: TooManyRequests(-1), "retry_after_s must be at least 0, not -1"),
        (lambda: Unavailable(as_date=True), "as_date needs retry_after_s"),
        (lambda: ErrorEvent(-1), "after_events must be at least 0, not -1"),
        (lambda: ReducedErrorEvent(-1), "after_events must be at least 0, not -1"),
        (lambda: ReducedErrorEvent(open_s=-0.5), "open_s must be at least 0, not -0.5"),
        (lambda: HugeEvent(size_bytes=0), "size_bytes must be at least 1, not 0"),
        (lambda: UnknownEvents(0), "every_events must be at least 1, not 0"),
        (lambda: EndEarly(0), "events must be at least 1, not 0"),
        (lambda: ExtraPings(0), "every_events must be at least 1, not 0"),
        (lambda: CommentLines(text="a\rb"), "text must be one line, not 'a\\rb'"),
        (lambda: CommentLines(text="a\n"), "text must be one line, not 'a\\n'"),
        (lambda: Cut(-1), "after_bytes must be at least 0, not -1"),
        (lambda: Reset(-1), "after_bytes must be at least 0, not -1"),
        (lambda: Hang(for_s=float("nan")), "for_s must be at least 0, not nan"),
        (lambda: Hang(3, before_head=True), "before_head and after_bytes exclude each other"),
        (lambda: Trickle(0), "size_bytes must be at least 1, not 0"),
        (lambda: Trickle(delay_s=-1), "delay_s must be at least 0, not -1"),
        (lambda: WrongCharset("klingon"), "charset must be one that Python knows, not 'klingon'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(make: Callable[[], Fault], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        make()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "give at least one fault"),
        ((Cut,), "is no fault: give an instance"),
        ((Cut(1), Cut(2)), "Cut and Cut exclude each other"),
        ((Cut(1), Reset(2)), "Cut and Reset exclude each other"),
        ((Unavailable(), ErrorAt200()), "Unavailable and ErrorAt200 exclude each other"),
        ((JsonAnswer(), JsonAnswer()), "JsonAnswer and JsonAnswer exclude each other"),
        ((ErrorEvent(), ReducedErrorEvent()), "ErrorEvent and ReducedErrorEvent exclude each other"),
        ((FlowOnly(), FlowDuplicate()), "FlowOnly and FlowDuplicate exclude each other"),
        ((WrappedError(), ErrorEvent()), "WrappedError and ErrorEvent exclude each other"),
        ((Unavailable(), ExtraPings()), "Unavailable leaves no events for ExtraPings"),
        ((Trickle(), CrLf(), Trickle()), "Trickle and Trickle exclude each other"),
    ],
)
def test_faults_that_exclude_each_other_are_refused(given: tuple[Any, ...], told: str) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match=told):
        faults.add(*given)
    assert len(faults) == 0


def test_a_fault_strikes_at_least_once() -> None:
    with pytest.raises(ValueError, match="times must be at least 1, not 0"):
        Faults().add(Cut(), times=0)


def test_a_request_suffers_the_first_that_waits_for_it() -> None:
    faults = Faults()
    faults.add(Cut(1), user="bob")
    faults.add(Cut(2), times=2)
    faults.add(Cut(3), path="/v1/*")
    taken = [faults.take(path, user).faults for path, user in [
        (CHAT, "ann"), (CHAT, "bob"), ("/v1/info", None), (CHAT, None), (CHAT, "ann"),
    ]]  # fmt: skip
    assert taken == [(Cut(2),), (Cut(1),), (Cut(3),), (Cut(2),), ()]
    assert len(faults) == 0


def test_faults_strike_questions_of_any_platform_unless_told_otherwise() -> None:
    faults = Faults()
    faults.add(Cut(1), times=None)
    faults.add(Cut(2), times=None, path=("/v1/info", "/gptbots/v?/messages"))
    sends = ("/v1/chat-messages", "/gptbots/v1/conversation/message", "/gptbots/v2/conversation/message")
    assert [faults.take(path, None).faults for path in sends] == [(Cut(1),)] * 3
    assert [faults.take(path, None).faults for path in ("/v1/info", "/gptbots/v2/messages")] == [(Cut(2),)] * 2
    assert faults.take("/gptbots/v1/conversation", None).faults == ()


def test_a_star_in_a_users_name_means_nothing() -> None:
    faults = Faults()
    faults.add(Cut(), user="*")
    assert faults.take(CHAT, "ann").faults == ()
    assert faults.take(CHAT, "*").faults == (Cut(),)


def test_faults_given_together_are_found_by_what_they_are() -> None:
    faults = Faults()
    faults.add(Hang(5), CrLf(), Hang(3), ExtraPings())
    taken = faults.take(CHAT, None)
    assert taken.all(Hang) == (Hang(5), Hang(3))
    assert (taken.one(CrLf), taken.one(Cut)) == (CrLf(), None)
    assert taken.all(WireFault) == (Hang(5), CrLf(), Hang(3))


def test_clearing_forgets_what_waits() -> None:
    faults = Faults()
    faults.add(Cut(), times=None)
    faults.clear()
    assert (len(faults), faults.take(CHAT, None).faults) == (0, ())
