"""What a bot says of itself, over a socket, in both colours and every age; and what is not sent, because it said so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from remote_chatbots import BotError, BotNotFoundError, BotRejectedError, BotUsageError, DifyApp, GPTBotsAgent, Question
from remote_chatbots.emulator import Emulator

Call = Callable[..., Any]
AGES = ("2023", "0.15", "1.14")
KINDS = ("chat", "agent-chat", "advanced-chat")


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {age: stack.enter_context(Emulator(age, token_delay_s=0, held_open_s=0)) for age in AGES}


def app_of(emulator: Emulator, kind: str) -> DifyApp:
    return DifyApp(emulator.key(kind), emulator.dify_url)


@pytest.mark.parametrize(("age", "kind"), [("2023", "chat"), *((age, kind) for age in AGES[1:] for kind in KINDS)])
def test_every_kind_of_app_tells_its_form_in_every_age(
    emulators: dict[str, Emulator], call: Call, age: str, kind: str
) -> None:
    told = call(app_of(emulators[age], kind), "parameters")
    assert [(field.name, field.label) for field in told.input_form] == [("guest", "Your name"), ("notes", "Notes")]
    assert told.opening_statement == "Welcome to Saltmouth, {{guest}}!"
    if age != "2023":
        assert [(field.kind, field.max_length) for field in told.input_form] == [("text", 48), ("paragraph", None)]
        assert (told.citations, told.suggestions, told.text_to_speech) == (True, True, False)
        assert told.files.max_bytes["audio"] == 50 * 2**20


@pytest.mark.parametrize("kind", KINDS)
def test_an_app_tells_who_it_is(emulators: dict[str, Emulator], call: Call, kind: str) -> None:
    for age, known in (("1.14", (kind, "harbour-office")), ("0.15", ("", ""))):
        told = call(app_of(emulators[age], kind), "info")
        assert (told.name, told.kind, told.author) == (kind, *known)
    icons = call(app_of(emulators["1.14"], kind), "meta").tool_icons
    assert list(icons) == (["current_time", "timestamp_to_localtime"] if kind == "agent-chat" else [])
    assert call(app_of(emulators["1.14"], kind), "site").title == kind


@pytest.mark.parametrize(("age", "name"), [("2023", "info"), ("2023", "meta"), ("2023", "site"), ("0.15", "site")])
def test_what_an_older_server_does_not_tell_is_not_found(
    emulators: dict[str, Emulator], call: Call, age: str, name: str
) -> None:
    with pytest.raises(BotNotFoundError, match="an older Dify may not have the call"):
        call(app_of(emulators[age], "chat"), name)


def test_an_agent_of_gptbots_tells_who_it_is_and_how_long_a_question_may_be(
    emulators: dict[str, Emulator], call: Call
) -> None:
    agent = GPTBotsAgent(emulators["1.14"].key("gptbots-flow"), emulators["1.14"].gptbots_url)
    info, told = call(agent, "info"), call(agent, "parameters")
    assert (info.name, info.kind) == ("gptbots-flow", "Flow")
    assert (told.opening_statement, told.max_question_tokens) == ("Welcome to Saltmouth!", 2000)
    assert told.files.number_limit == 9
    for name in ("meta", "site"):
        with pytest.raises(BotUsageError, match=f"there is no call for '{name}' on this platform"):
            call(agent, name)


def outcome(call: Call, app: DifyApp, **given: Any) -> BotError | None:
    try:
        call(app, "ask", Question("Hello?", user="anna", **given))
    except BotError as error:
        return error
    return None


INPUTS: list[dict[str, Any]] = [
    {},
    {"city": ""},
    {"city": 5},
    {"city": "far too long"},
    {"city": "Bergen", "tone": "other"},
    {"city": "Bergen", "tone": 5},
    {"city": "Bergen"},
    {"city": "Bergen", "tone": None},
    {"city": "Bergen", "tone": "brief", "unknown": "x"},
]


@pytest.mark.parametrize("inputs", INPUTS, ids=str)
@pytest.mark.parametrize("kind", ["chat-required", "advanced-chat-required"])
@pytest.mark.parametrize("age", AGES[1:])
def test_what_the_server_refuses_is_refused_before_it_is_sent_and_nothing_else(
    emulators: dict[str, Emulator], call: Call, age: str, kind: str, inputs: dict[str, Any]
) -> None:
    emulator = emulators[age]
    app = DifyApp(emulator.key(kind), emulator.dify_url)
    # A chatflow of 1.14 says nothing in a stream: the blocking form has the words.
    from_server = outcome(call, app, inputs=inputs, blocking=True)
    assert from_server is None or isinstance(from_server, BotRejectedError)

    call(app, "parameters")
    before = len(emulator.requests)
    ours = outcome(call, app, inputs=inputs)
    assert (ours is None) == (from_server is None)
    assert [request.path for request in emulator.requests[before:]] == ([] if ours else ["/v1/chat-messages"])
    if ours:
        assert isinstance(ours, BotUsageError)
        named = "tone" if "Bergen" in inputs.values() else "city"
        assert str(ours).startswith(f"dify: inputs: {named} ")
        assert f"{named} " in str(from_server)


BOOKINGS: list[dict[str, Any]] = [
    {"guest": "Ann", "party": 2},
    {"guest": "Ann", "party": "2"},
    {"guest": "Ann", "party": 2.5, "room": "single", "notes": "Late."},
    {"guest": "Ann"},
    {"guest": "Ann", "party": "many"},
    {"guest": "Ann", "party": 2, "room": "triple"},
    {"guest": "Ann", "party": 2, "notes": ["Late."]},
]


@pytest.mark.parametrize("inputs", BOOKINGS, ids=str)
@pytest.mark.parametrize("age", AGES[1:])
def test_numbers_options_and_defaults_of_a_form_are_the_servers(
    emulators: dict[str, Emulator], call: Call, age: str, inputs: dict[str, Any]
) -> None:
    app = app_of(emulators[age], "advanced-chat-booking")
    from_server = outcome(call, app, inputs=inputs, blocking=True)
    told = {field.name: field for field in call(app, "parameters").input_form}
    assert (told["party"].kind, told["party"].required, told["room"].default) == ("number", True, "double")
    assert type(outcome(call, app, inputs=inputs)) is (BotUsageError if from_server else type(None))
    assert from_server is None or isinstance(from_server, BotRejectedError)


def test_a_conversation_of_1_14_lacks_its_inputs_in_every_turn_and_one_of_0_15_in_none(
    emulators: dict[str, Emulator], call: Call
) -> None:
    for age, refused in (("1.14", BotUsageError), ("0.15", type(None))):
        app = app_of(emulators[age], "chat-required")
        call(app, "parameters")
        begun = call(app, "ask", "Hello?", inputs={"city": "Bergen"})
        assert type(outcome(call, app, conversation_id=begun.conversation_id)) is refused
