"""A chatflow that waits for a person, by both clients: one question, one form, the rest of the turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    AsyncBotClient,
    BotClient,
    BotError,
    BotRejectedError,
    BotUsageError,
    DifyApp,
    FilledForm,
)
from remote_chatbots.emulator import Cut, Emulator

Call = Callable[..., Any]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.002, held_open_s=0.02) as running:
        yield running


@pytest.fixture
def app(emulator: Emulator) -> DifyApp:
    return DifyApp(emulator.key("advanced-chat-form"), emulator.dify_url)


@pytest.fixture(params=["requests", "aiohttp"])
def call(request: pytest.FixtureRequest) -> Call:
    """Make one call of a client of either colour; return the answer it comes to, or the error."""

    def sync(app: DifyApp, name: str, *given: Any, **named: Any) -> Any:
        with BotClient(app, user="anna") as client:
            got = getattr(client, name)(*given, **named)
            return Answer.of(got) if name == "submit" else got

    async def through_a_loop(app: DifyApp, name: str, *given: Any, **named: Any) -> Any:
        async with AsyncBotClient(app, user="anna") as client:
            got = getattr(client, name)(*given, **named)
            return Answer.of([event async for event in got]) if name == "submit" else await got

    def either(*given: Any, **named: Any) -> Any:
        try:
            return (
                sync(*given, **named) if request.param == "requests" else asyncio.run(through_a_loop(*given, **named))
            )
        except BotError as error:
            return error

    return either


def posts(emulator: Emulator) -> list[str]:
    return [request.path.split("/")[2] for request in emulator.requests if request.method == "POST"]


def whole(app: DifyApp, answer: Answer) -> str:
    with BotClient(app, user="anna") as client:
        return client.history(answer.conversation_id)[-1].text


def test_a_paused_turn_goes_on_after_its_form(emulator: Emulator, app: DifyApp, call: Call) -> None:
    paused = call(app, "ask", "check this")
    assert (paused.finish_reason, paused.text) == ("paused", "One moment… ")

    rest = call(app, "submit", paused, "approve", {"comment": "Fine."})

    assert (rest.finish_reason, rest.message_id) == ("stop", paused.message_id)
    assert paused.text + rest.text == whole(app, rest)
    assert rest.text.endswith("(comment: Fine.)")
    assert rest.usage is not None
    assert posts(emulator) == ["chat-messages", "form"]


def test_a_turn_that_was_asked_for_whole_pauses_as_well(app: DifyApp) -> None:
    with BotClient(app, user="anna") as client:
        paused = client.ask("check this")
        from_a_store = FilledForm(
            str(paused.input_required[0]["form_token"]), paused.workflow_run_id, "reject", {"comment": ""}
        )
        assert client.ask(from_a_store).text.endswith("(comment: )")


def test_the_form_counts_as_it_was_submitted_first(emulator: Emulator, app: DifyApp, call: Call) -> None:
    paused = call(app, "ask", "check this")
    first = call(app, "submit", paused, "approve", {"comment": "First."})

    refused = call(app, "submit", paused, "reject", {"comment": "Second."})
    again = call(app, "submit", paused, "reject", {"comment": "Second."}, if_submitted="rejoin")

    assert isinstance(refused, BotRejectedError)
    assert (refused.http_status, refused.code) == (412, "human_input_form_submitted")
    assert again.text == first.text
    assert (again.message_id, again.conversation_id) == (first.message_id, first.conversation_id)
    assert whole(app, first).endswith("(comment: First.)")


def test_a_form_that_is_too_old_is_an_error_that_says_so(call: Call) -> None:
    with Emulator(token_delay_s=0, form_lifetime_s=0) as hasty:
        app = DifyApp(hasty.key("advanced-chat-form"), hasty.dify_url)
        error = call(app, "submit", call(app, "ask", "check this"), "approve")
    assert isinstance(error, BotRejectedError)
    assert error.code == "human_input_form_expired"
    assert "ask again" in error.message


def test_a_wrong_form_is_refused_by_the_platforms_name_before_it_is_sent(
    emulator: Emulator, app: DifyApp, call: Call
) -> None:
    paused = call(app, "ask", "check this")
    before = len(emulator.requests)
    error = call(app, "submit", paused, "aprove")
    assert isinstance(error, BotUsageError)
    assert error.message.startswith("dify: The form has no action 'aprove'")
    assert len(emulator.requests) == before


def test_a_rest_that_breaks_off_is_recovered(emulator: Emulator, app: DifyApp, call: Call) -> None:
    paused = call(app, "ask", "check this")
    emulator.faults.add(Cut(after_bytes=3500), path="/v1/workflow/*")
    error = call(app, "submit", paused, "approve", {"comment": "Fine."})
    assert isinstance(error, BotError)
    assert error.workflow_run_id == paused.workflow_run_id

    answer = call(app, "recover", error)

    assert answer.text == whole(app, answer)
    assert answer.text.endswith("(comment: Fine.)")
    assert posts(emulator) == ["chat-messages", "form"]


def test_leaving_the_rest_stops_it_and_keeps_what_was_said(emulator: Emulator, app: DifyApp) -> None:
    with BotClient(app, user="anna") as client:
        paused = client.ask("check [[slow]]")
        with client.submit(paused, "approve") as rest:
            next(event for event in rest if type(event).__name__ == "TextDelta")
        said = client.history(paused.conversation_id)[-1].text
    assert posts(emulator) == ["chat-messages", "form", "chat-messages"]
    assert said.startswith("One moment… This")
    assert len(said) < 200
