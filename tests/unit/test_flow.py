"""A flow under way, as every driver sees it."""

from __future__ import annotations

from pprint import pformat
from typing import Any

import pytest

from remote_chatbots import BotConnectError, BotProtocolError, BotServerError, Event, Started, TextDelta, TextReplaced
from remote_chatbots.flow import READ, Abandoned, Flow, Read, Send, Sleep, Turn, read_body
from remote_chatbots.stream_reader import joined
from remote_chatbots.wire import HttpRequest, ResponseHead

REQUEST = HttpRequest("POST", "https://dify.example.com/v1/chat-messages", {})


def test_effects_and_events_come_one_by_one_and_outcomes_go_in() -> None:
    seen: list[Any] = []

    def flow() -> Flow[None]:
        seen.append((yield Send(REQUEST)))
        seen.append((yield READ))
        seen.append((yield TextDelta("Rain")))
        seen.append((yield Sleep(1.5)))

    turn = Turn(flow())

    assert turn.resume() == Send(REQUEST)
    assert turn.resume(ResponseHead(200, {})) is READ
    assert turn.resume(b"bytes") == TextDelta("Rain")
    assert turn.resume() == Sleep(1.5)
    assert not turn.over
    assert turn.resume() is None
    assert turn.over
    assert seen == [ResponseHead(200, {}), b"bytes", None, None]


def test_a_head_does_not_show_what_a_server_sent_back() -> None:
    head = ResponseHead(502, {"x-echo": "Bearer app-a-key"})
    assert "app-a-key" not in f"{head} {[Send(REQUEST), head]} {pformat(head)}"


def test_the_answer_so_far_is_there_at_any_moment() -> None:
    def flow() -> Flow[None]:
        yield Started("c-1")
        yield TextDelta("Rain ")
        yield TextDelta("likely.")

    turn = Turn(flow())
    turn.resume()
    turn.resume()

    assert (turn.answer.text, turn.answer.conversation_id) == ("Rain ", "c-1")


def test_an_effect_that_failed_is_an_error_at_its_place() -> None:
    def flow() -> Flow[None]:
        try:
            yield READ
        except BotConnectError:
            yield TextDelta("caught")

    turn = Turn(flow())
    turn.resume()

    assert turn.resume(BotConnectError("no connection.")) == TextDelta("caught")


def test_an_error_leaves_with_the_text_and_the_ids_so_far() -> None:
    def flow() -> Flow[None]:
        yield Started("c-1", "m-1", workflow_run_id="r-1")
        yield TextDelta("Rain ")
        raise BotServerError("dify: lost.", code="x", task_id="t-9")

    turn = Turn(flow())
    turn.resume()
    turn.resume()
    with pytest.raises(BotServerError) as caught:
        turn.resume()

    error = caught.value
    assert (error.partial_text, error.conversation_id, error.message_id) == ("Rain ", "c-1", "m-1")
    assert (error.task_id, error.workflow_run_id, error.code, error.message) == ("t-9", "r-1", "x", "dify: lost.")
    assert turn.over


def test_an_error_that_knows_better_keeps_what_it_knows() -> None:
    def flow() -> Flow[None]:
        yield Started("c-1")
        yield TextDelta("Rain ")
        raise BotServerError("dify: lost.", partial_text="other", conversation_id="c-2")

    turn = Turn(flow())
    turn.resume()
    turn.resume()
    with pytest.raises(BotServerError) as caught:
        turn.resume()

    assert (caught.value.partial_text, caught.value.conversation_id) == ("other", "c-2")


def test_withdrawn_text_is_no_part_of_what_an_error_carries() -> None:
    def flow() -> Flow[None]:
        yield TextDelta("bad")
        yield TextReplaced("[removed]")
        raise BotServerError("dify: lost.")

    turn = Turn(flow())
    turn.resume()
    turn.resume()
    with pytest.raises(BotServerError) as caught:
        turn.resume()

    assert caught.value.partial_text == "[removed]"


def test_an_error_that_is_none_of_ours_leaves_as_it_is() -> None:
    error = KeyError("a")

    def flow() -> Flow[None]:
        yield READ
        raise error

    turn = Turn(flow())
    turn.resume()
    with pytest.raises(KeyError) as caught:
        turn.resume(b"")

    assert caught.value is error
    assert turn.over


def test_a_flow_that_is_left_may_still_act() -> None:
    def flow() -> Flow[None]:
        try:
            yield TextDelta("Rain ")
        except Abandoned:
            yield Sleep(0.5)

    turn = Turn(flow())
    turn.resume()

    assert turn.abandon() == Sleep(0.5)
    assert not turn.over
    assert turn.resume() is None
    assert turn.over


def test_a_flow_that_takes_no_leave_is_over_when_it_is_left() -> None:
    def flow() -> Flow[None]:
        yield TextDelta("Rain ")

    turn = Turn(flow())
    turn.resume()

    assert turn.abandon() is None
    assert turn.over


def test_leaving_is_no_error_that_a_flow_could_take_for_one() -> None:
    assert not issubclass(Abandoned, Exception)


@pytest.mark.parametrize(
    ("chunks", "last", "body"),
    [([b"ab", b"c"], b"", b"abc"), ([], b"", b""), ([b"ab"], None, b"ab")],
    ids=["to its end", "empty", "to a deadline"],
)
def test_a_body_is_read(chunks: list[bytes], last: bytes | None, body: bytes) -> None:
    flow = read_body(1024, "dify")
    assert type(next(flow)) is Read
    for chunk in chunks:
        assert type(flow.send(chunk)) is Read

    with pytest.raises(StopIteration) as done:
        flow.send(last)

    assert done.value.value == body


@pytest.mark.parametrize(("size", "taken"), [(3, True), (4, False)], ids=["exactly the limit", "more than it"])
def test_a_body_may_be_as_large_as_its_limit(size: int, taken: bool) -> None:
    flow = read_body(3, "dify")
    next(flow)

    if taken:
        assert type(flow.send(b"x" * size)) is Read
    else:
        with pytest.raises(BotProtocolError, match=r"^dify: .*max_event_bytes"):
            flow.send(b"x" * size)


def test_joining_keeps_the_order_of_everything() -> None:
    events: list[Event] = [
        TextDelta("a"),
        TextDelta("b"),
        Started("c-1"),
        TextDelta("c"),
        TextReplaced("d"),
        TextDelta("e"),
    ]

    assert joined(events) == [TextDelta("ab"), Started("c-1"), TextDelta("c"), TextReplaced("d"), TextDelta("e")]


def test_an_error_of_python_is_that_of_a_reply_only_once_there_can_be_one() -> None:
    def flow(ask: bool) -> Flow[None]:
        if ask:
            yield Send(REQUEST)
        yield TextDelta("Rain")
        raise KeyError("app-a-key")

    early, late = Turn(flow(False), "dify"), Turn(flow(True), "dify")
    early.resume()
    with pytest.raises(KeyError):
        early.resume()
    late.resume()
    late.resume(ResponseHead(200, {}))
    with pytest.raises(
        BotProtocolError, match=r"^dify: the reply could not be read \(KeyError at test_flow.py:\d+\)"
    ) as caught:
        late.resume()
    assert (late.over, caught.value.partial_text, "app-a-key" in str(caught.value)) == (True, "Rain", False)
