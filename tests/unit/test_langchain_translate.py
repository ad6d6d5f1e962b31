"""What of a LangChain history goes to the bot, and where."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_chatbots._translate import Said
from remote_chatbots import BotUsageError
from remote_chatbots.history import Plan, is_own
from tests.unit.langchain_histories import BOT, OTHER_BOT, digest, foreign, human, own, planned

# The table: history given, what is sent


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([human()], Plan("Will it rain?"), id="one human message"),
        pytest.param(
            [human("Hi"), own("Hello."), human("Rain?")], Plan("Rain?", "c-1"), id="own answer and one human message"
        ),
        pytest.param(
            [human("Hi"), own("Hello."), human("Rain?"), human("And wind?")],
            Plan("Rain?\n\nAnd wind?", "c-1"),
            id="own answer and two humans",
        ),
        pytest.param(
            [human("Hi"), own("Hello."), human("Rain?"), foreign("Sun."), human("Sure?")],
            Plan("user: Rain?\n\nassistant: Sun.\n\nuser: Sure?", "c-1"),
            id="own answer and another agent's",
        ),
        pytest.param(
            [own("Hello."), human("Rain?"), ToolMessage("80%", tool_call_id="x", name="forecast")],
            Plan("user: Rain?\n\ntool (forecast): 80%", "c-1"),
            id="own answer and a tool's",
        ),
        pytest.param(
            [own("Hello."), foreign("Sun.")], Plan("assistant: Sun.", "c-1"), id="own answer and another agent alone"
        ),
        pytest.param(
            [human("Hi"), foreign("Hello."), human("Rain?")],
            Plan("user: Hi\n\nassistant: Hello.\n\nuser: Rain?"),
            id="no own answer, several messages",
        ),
        pytest.param([human("Hi"), human("Rain?")], Plan("Hi\n\nRain?"), id="no own answer, two humans"),
        pytest.param(
            [human("a"), own("b", "c-1"), human("c"), own("d", "c-2"), human("e")],
            Plan("e", "c-2"),
            id="own answers of two conversations",
        ),
    ],
)
def test_what_is_new_in_a_history_is_sent(messages: list[BaseMessage], expected: Plan) -> None:
    assert planned(*messages) == expected


# Named conversations

FULL = [human("a"), own("b", "c-1"), human("c"), own("d", "c-2"), human("e")]


def test_one_message_goes_to_the_conversation_that_is_named() -> None:
    assert planned(human(), conversation_id="c-9") == Plan("Will it rain?", "c-9")


def test_a_named_conversation_takes_what_came_after_its_newest_own_answer() -> None:
    assert planned(*FULL, conversation_id="c-2") == Plan("e", "c-2")


def test_an_older_named_conversation_takes_what_came_after_its_own_answer() -> None:
    told = planned(*FULL, conversation_id="c-1")

    assert told.conversation_id == "c-1"
    assert {"a", "b"}.isdisjoint(told.text.split())
    assert {"c", "e"} <= set(told.text.split())


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (FULL, "e"),
        ([human("a"), foreign("b"), human("c")], "c"),
        ([human("a"), foreign("b"), human("c"), human("d")], "c\n\nd"),
        ([human("a"), human("b")], "a\n\nb"),
    ],
    ids=["own answers of other conversations", "another's answer", "two humans after it", "no answer at all"],
)
def test_a_named_conversation_that_the_history_does_not_hold_takes_what_came_after_the_last_answer(
    messages: list[BaseMessage], text: str
) -> None:
    expected = planned(*messages, conversation_id="c-9")

    assert (expected.text, expected.conversation_id) == (text, "c-9")


def test_an_empty_name_begins_a_conversation_whatever_the_history_holds() -> None:
    expected = Plan("user: Hi\n\nassistant: Hello.\n\nuser: Rain?")

    assert planned(human("Hi"), own("Hello."), human("Rain?"), conversation_id="") == expected
    assert planned(human(), conversation_id="", fallback_conversation_id="c-8") == Plan("Will it rain?")


def test_the_constructors_conversation_is_the_weakest() -> None:
    assert planned(human(), fallback_conversation_id="c-8").conversation_id == "c-8"
    assert planned(own(), human(), fallback_conversation_id="c-8").conversation_id == "c-1"
    assert planned(human(), conversation_id="c-9", fallback_conversation_id="c-8").conversation_id == "c-9"


def test_the_constructors_conversation_takes_no_assistants_text_either() -> None:
    assert planned(human("a"), foreign("b"), human("c"), fallback_conversation_id="c-8") == Plan("c", "c-8")


# Nothing new


@pytest.mark.parametrize(
    "messages",
    [[], [own()], [human(), own()], [SystemMessage("Be brief.")], [human(), own(), SystemMessage("Be brief.")]],
    ids=["no message", "an own answer", "an own answer at the end", "a system message", "a system message after it"],
)
@pytest.mark.parametrize("system_input", [None, "prompt"])
def test_a_history_without_anything_new_is_refused(messages: list[BaseMessage], system_input: str | None) -> None:
    with pytest.raises(BotUsageError, match="nothing new"):
        planned(*messages, system_input=system_input)


@pytest.mark.parametrize("messages", [[own()], [human(), foreign()]], ids=["own", "another's"])
def test_a_named_conversation_without_anything_new_is_refused(messages: list[BaseMessage]) -> None:
    with pytest.raises(BotUsageError, match="nothing new"):
        planned(*messages, conversation_id="c-9")


# Whose answer it is


@pytest.mark.parametrize(
    ("message", "is_it"),
    [
        (own(), True),
        (AIMessageChunk(content="a", response_metadata={"bot": BOT, "conversation_id": "c-1"}), True),
        (foreign(), False),
        (AIMessage("a", response_metadata={"bot": OTHER_BOT, "conversation_id": "c-1"}), False),
        (AIMessage("a", response_metadata={"bot": BOT}), False),
        (AIMessage("a", response_metadata={"bot": BOT, "conversation_id": ""}), False),
        (HumanMessage("a", response_metadata={"bot": BOT, "conversation_id": "c-1"}), False),
    ],
    ids=["own", "a chunk", "another model's", "another bot's", "no conversation", "an empty one", "a human's"],
)
def test_an_own_answer_is_an_assistants_of_this_bot_in_a_conversation(message: BaseMessage, is_it: bool) -> None:
    assert is_own(Said(message), BOT) is is_it


def test_the_user_of_an_answer_is_no_part_of_whose_it_is() -> None:
    assert planned(own(name="someone"), human()).conversation_id == "c-1"


@pytest.mark.parametrize(
    ("messages", "strangers"),
    [
        ([human()], False),
        ([own(), human()], False),
        ([foreign(), human()], False),
        ([own(bot=OTHER_BOT), human()], True),
        ([own(bot=OTHER_BOT, model_name="ferry desk"), human()], True),
        ([own(bot=OTHER_BOT, model_name="tickets"), human()], False),
        ([own(bot=OTHER_BOT), own(), human()], False),
        ([own(), own(bot=OTHER_BOT), human()], False),
        ([own(bot="gptbots:h:1"), human()], False),
        ([own(bot=OTHER_BOT, conversation_id=""), human()], False),
    ],
    ids=[
        "no answer",
        "own",
        "another model's",
        "another bot's of the platform",
        "the same under this bot's label",
        "the same under another label",
        "that and own",
        "own and that",
        "another platform's",
        "no conversation",
    ],
)
def test_conversations_of_the_platform_without_one_of_this_bot_are_noticed(
    messages: list[BaseMessage], strangers: bool
) -> None:
    assert planned(*messages, model_name="ferry desk").strangers is strangers


# How a transcript is written


def test_every_role_is_named_where_there_is_more_than_humans() -> None:
    told = planned(
        human("Hi"),
        AIMessage("Hello."),
        ToolMessage("80%", tool_call_id="x"),
        FunctionMessage(content="7", name="count"),
        ChatMessage(content="Psst", role="critic"),
        human("Rain?"),
    )

    assert told.text == (
        "user: Hi\n\nassistant: Hello.\n\ntool: 80%\n\nfunction (count): 7\n\ncritic: Psst\n\nuser: Rain?"
    )


def test_names_stand_beside_roles() -> None:
    told = planned(human("Hi", name="Ann"), foreign("Hello.", name="guide"), human("Rain?", name="Bo"))

    assert told.text == "user (Ann): Hi\n\nassistant (guide): Hello.\n\nuser (Bo): Rain?"


def test_calls_of_tools_are_told() -> None:
    calls = [
        {"name": "forecast", "args": {"city": "上海", "days": 2}, "id": "x"},
        {"name": "clock", "args": {}, "id": "y"},
    ]
    told = planned(human("Rain?"), AIMessage("Let me look.", tool_calls=calls), ToolMessage("80%", tool_call_id="x"))

    assert told.text == (
        'user: Rain?\n\nassistant: Let me look. [calls forecast({"city": "上海", "days": 2})] [calls clock({})]'
        "\n\ntool: 80%"
    )


def test_a_call_without_words_is_told_alone() -> None:
    call = {"name": "clock", "args": {}, "id": "y"}

    assert planned(human("Time?"), AIMessage("", tool_calls=[call])).text == (
        "user: Time?\n\nassistant: [calls clock({})]"
    )


# System messages


def test_a_system_message_is_put_before_the_first_question() -> None:
    expected = Plan("Be brief.\n\nWill it rain?", system=digest("Be brief."))

    assert planned(SystemMessage("Be brief."), human()) == expected


def test_several_system_messages_are_one_wherever_they_stand() -> None:
    told = planned(SystemMessage("Be brief."), human(), SystemMessage("Be kind."))

    assert told == Plan("Be brief.\n\nBe kind.\n\nWill it rain?", system=digest("Be brief.\n\nBe kind."))


def test_a_system_message_that_the_conversation_holds_is_not_sent_again() -> None:
    held = digest("Be brief.")

    told = planned(SystemMessage("Be brief."), human("Hi"), own(system=held), human("Rain?"))

    assert told == Plan("Rain?", "c-1", system=held)


def test_a_system_message_that_changed_is_sent() -> None:
    told = planned(SystemMessage("Be long."), human("Hi"), own(system=digest("Be brief.")), human("Rain?"))

    assert told == Plan("Be long.\n\nRain?", "c-1", system=digest("Be long."))


def test_a_system_message_that_is_new_to_a_conversation_is_sent() -> None:
    told = planned(SystemMessage("Be brief."), human("Hi"), own(), human("Rain?"))

    assert told == Plan("Be brief.\n\nRain?", "c-1", system=digest("Be brief."))


def test_a_system_message_is_sent_when_it_changes_and_only_then_over_many_turns() -> None:
    prompts = ["Be brief.", "Be brief.", "Be long.", "Be long.", None, "Be long.", "Be brief."]
    history: list[BaseMessage] = []
    sent = []

    for at, prompt in enumerate(prompts):
        history.append(human(f"q{at}"))
        told = planned(*([SystemMessage(prompt)] if prompt else []), *history)
        sent.append(told.text)
        history.append(own(f"a{at}", **({"system": told.system} if told.system else {})))

    assert sent == ["Be brief.\n\nq0", "q1", "Be long.\n\nq2", "q3", "q4", "q5", "Be brief.\n\nq6"]


def test_a_system_message_goes_to_a_new_conversation_again() -> None:
    told = planned(
        SystemMessage("Be brief."), human("Hi"), own(system=digest("Be brief.")), human("Rain?"), conversation_id="c-9"
    )

    assert told == Plan("Be brief.\n\nRain?", "c-9", system=digest("Be brief."))


def test_a_system_message_goes_before_a_transcript() -> None:
    told = planned(SystemMessage("Be brief."), human("Hi"), foreign("Hello."), human("Rain?"))

    assert told.text == "Be brief.\n\nuser: Hi\n\nassistant: Hello.\n\nuser: Rain?"


@pytest.mark.parametrize("history", [[], [own(system=digest("Be brief."))], [own()]], ids=["first", "held", "new"])
def test_an_app_with_a_variable_for_it_gets_the_system_message_there_every_turn(history: list[BaseMessage]) -> None:
    told = planned(SystemMessage("Be brief."), *history, human("Rain?"), system_input="prompt")

    assert (told.text, told.inputs, told.system) == ("Rain?", {"prompt": "Be brief."}, digest("Be brief."))


def test_without_a_system_message_the_variable_is_left_alone() -> None:
    assert planned(human(), system_input="prompt").inputs == {}


@pytest.mark.parametrize("content", ["", []], ids=["no text", "no blocks"])
def test_an_empty_system_message_is_none(content: Any) -> None:
    assert planned(SystemMessage(content), human()) == Plan("Will it rain?")
