"""What of a history reaches the server, and where: each shape, on both platforms, in both frameworks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from remote_chatbots import BotUsageError
from remote_chatbots.emulator import Emulator
from tests.asked import asked
from tests.contract.faces import FACES, PLATFORMS, Said
from tests.covering import covering

WAYS = (PLATFORMS, list(FACES), ["sync", "async"])
POLICIES = ["warn", "error", "new"]
FIRST, NEW = Said("user", "[[echo]]First"), Said("user", "[[echo]]New")
ASIDE, BRIEF = Said("user", "Aside"), Said("system", "Be brief.")
FOREIGN = Said("assistant", "Said by another.")
CALL = Said("assistant", "Let me see.", calls=(("forecast", {"city": "Bergen"}),))
RESULT = Said("tool", "Rain.")


@dataclass(frozen=True)
class World:
    """What had happened: `own` answered `FIRST`; `elsewhere` is the bot's too, in another conversation."""

    own: Said
    elsewhere: Said

    @property
    def stranger(self) -> Said:
        """The answer of another bot of the same platform."""
        platform = self.own.told["bot"].partition(":")[0]
        return Said("assistant", "Good day.", {"bot": f"{platform}:else.example:0", "conversation_id": "theirs"})


@dataclass(frozen=True)
class Shape:
    """A history, the text that reaches the server, and where: "own" and "elsewhere" are the world's conversations."""

    of: Callable[[World], list[Said]]
    text: str
    where: str = "own"
    call: Callable[[World], dict[str, Any]] = field(default=lambda world: {})
    fields: dict[str, Any] = field(default_factory=dict)
    warns: str = ""


def told(said: Said) -> dict[str, Any]:
    return {"conversation_id": said.told["conversation_id"]}


SHAPES = {
    "a single message": Shape(lambda w: [NEW], NEW.text, "new"),
    "ends in an own answer and one message": Shape(lambda w: [FIRST, w.own, NEW], NEW.text),
    "the own answer behind others' words": Shape(lambda w: [FIRST, FOREIGN, ASIDE, w.own, NEW], NEW.text),
    "two own conversations": Shape(lambda w: [FIRST, w.own, ASIDE, w.elsewhere, NEW], NEW.text, "elsewhere"),
    "a foreign answer": Shape(
        lambda w: [FIRST, FOREIGN, NEW], f"user: {FIRST.text}\n\nassistant: {FOREIGN.text}\n\nuser: {NEW.text}", "new"
    ),
    "a foreign answer since the own": Shape(
        lambda w: [FIRST, w.own, ASIDE, FOREIGN, NEW],
        f"user: {ASIDE.text}\n\nassistant: {FOREIGN.text}\n\nuser: {NEW.text}",
    ),
    "the question edited": Shape(lambda w: [Said("user", "Edited"), w.own, NEW], NEW.text),
    "the own answer edited": Shape(lambda w: [FIRST, replace(w.own, text="Edited"), NEW], NEW.text),
    "the beginning trimmed": Shape(lambda w: [w.own, NEW], NEW.text),
    "a system message first": Shape(lambda w: [BRIEF, FIRST, w.own, NEW], f"{BRIEF.text}\n\n{NEW.text}"),
    "a system message alone with the question": Shape(lambda w: [BRIEF, NEW], f"{BRIEF.text}\n\n{NEW.text}", "new"),
    "a system message for the app's variable": Shape(
        lambda w: [BRIEF, FIRST, w.own, NEW], NEW.text, fields={"system_input": "notes"}
    ),
    "two people": Shape(lambda w: [FIRST, w.own, ASIDE, NEW], f"{ASIDE.text}\n\n{NEW.text}"),
    "two people and no answer": Shape(lambda w: [ASIDE, NEW], f"{ASIDE.text}\n\n{NEW.text}", "new"),
    "tool messages": Shape(
        lambda w: [FIRST, w.own, ASIDE, CALL, RESULT, NEW],
        f'user: {ASIDE.text}\n\nassistant: {CALL.text} [calls forecast({{"city": "Bergen"}})]\n\n'
        f"tool: {RESULT.text}\n\nuser: {NEW.text}",
    ),
    "another bot's answer": Shape(
        lambda w: [FIRST, w.stranger, NEW],
        f"user: {FIRST.text}\n\nassistant: Good day.\n\nuser: {NEW.text}",
        "new",
        warns="none of this bot",
    ),
    "another bot's answer since the own": Shape(
        lambda w: [FIRST, w.own, ASIDE, w.stranger, NEW],
        f"user: {ASIDE.text}\n\nassistant: Good day.\n\nuser: {NEW.text}",
    ),
    "an explicit id": Shape(lambda w: [NEW], NEW.text, call=lambda w: told(w.own)),
    "an explicit id of an older own answer": Shape(
        lambda w: [FIRST, w.own, ASIDE, w.elsewhere, NEW], f"{ASIDE.text}\n\n{NEW.text}", call=lambda w: told(w.own)
    ),
    "an explicit id that the history does not know": Shape(
        lambda w: [FIRST, FOREIGN, NEW], NEW.text, call=lambda w: told(w.own)
    ),
    "an explicit new conversation": Shape(
        lambda w: [FIRST, w.own, NEW],
        f"user: {FIRST.text}\n\nassistant: First\n\nuser: {NEW.text}",
        "new",
        call=lambda w: {"conversation_id": ""},
    ),
    "a fixed conversation of the model's": Shape(lambda w: [FIRST, FOREIGN, NEW], NEW.text, "fixed"),
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0) as running:
        yield running


@pytest.fixture
def make(emulator: Emulator, platform: str, face: str, colour: str) -> Callable[..., Any]:
    return lambda **fields: FACES[face](platform, emulator, colour, **fields)


every_way = pytest.mark.parametrize(("platform", "face", "colour"), covering(*WAYS, pairs=True))


def happened(bot: Any) -> World:
    return World(own=bot.ask([FIRST]), elsewhere=bot.ask([Said("user", "[[echo]]Elsewhere")]))


@pytest.mark.parametrize(("name", "platform", "face", "colour"), covering(list(SHAPES), *WAYS, pairs=True))
def test_what_of_a_history_is_sent_and_where(emulator: Emulator, make: Callable[..., Any], name: str) -> None:
    shape = SHAPES[name]
    world = happened(make(**shape.fields))
    fixed = told(world.own) if shape.where == "fixed" else {}
    bot = make(**shape.fields, **fixed)
    before = len(emulator.requests)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = bot.ask(shape.of(world), **shape.call(world))
    places = {"own": world.own, "fixed": world.own, "elsewhere": world.elsewhere}
    expected = told(places[shape.where])["conversation_id"] if shape.where in places else ""
    assert asked(emulator, before) == [(shape.text, expected)]
    assert told(answer)["conversation_id"] == (expected or told(answer)["conversation_id"])
    if not expected:
        assert told(answer)["conversation_id"] not in {told(one)["conversation_id"] for one in places.values()}
    assert [shape.warns in str(one.message) for one in caught] == ([True] if shape.warns else [])


@every_way
def test_a_system_message_is_sent_once_and_when_it_changes(emulator: Emulator, make: Callable[..., Any]) -> None:
    bot = make()
    before = len(emulator.requests)
    first = bot.ask([BRIEF, FIRST])
    second = bot.ask([BRIEF, FIRST, first, NEW])
    bot.ask([replace(BRIEF, text="Be long."), FIRST, first, NEW, second, ASIDE])
    texts = [text for text, _ in asked(emulator, before)]
    assert texts == [f"Be brief.\n\n{FIRST.text}", NEW.text, f"Be long.\n\n{ASIDE.text}"]


@every_way
def test_a_history_that_ends_in_an_own_answer_sends_nothing(emulator: Emulator, make: Callable[..., Any]) -> None:
    bot = make()
    own = bot.ask([FIRST])
    before = len(emulator.requests)
    for history in ([FIRST, own], [BRIEF, FIRST, own], [BRIEF]):
        with pytest.raises(BotUsageError, match="nothing new to send"):
            bot.ask(history)
    assert len(emulator.requests) == before


@pytest.mark.parametrize(("policy", "platform", "face", "colour"), covering(POLICIES, *WAYS, pairs=True))
def test_a_branched_history_is_handled_by_policy(emulator: Emulator, make: Callable[..., Any], policy: str) -> None:
    first = make().ask([FIRST])
    make().ask([FIRST, first, ASIDE])
    branched = make(on_fork=policy)
    before = len(emulator.requests)
    with {
        "warn": pytest.warns(UserWarning, match="not its conversation's newest"),
        "error": pytest.raises(BotUsageError, match="not its conversation's newest"),
        "new": pytest.warns(UserWarning, match="The history forked"),
    }[policy]:
        branched.ask([FIRST, first, NEW])
    reached = {
        "warn": [(NEW.text, told(first)["conversation_id"])],
        "error": [],
        "new": [(f"user: {FIRST.text}\n\nassistant: First\n\nuser: {NEW.text}", "")],
    }
    assert asked(emulator, before) == reached[policy]
