"""What frozen dataclasses have in common is what `dataclass` would make for each."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, dataclass, field, fields, make_dataclass
from typing import Any

import pytest

from remote_chatbots import Answer, Finished, Question, Source, Started, Step, TextDelta, Timeouts
from remote_chatbots.values import Value
from remote_chatbots.wire import HttpRequest


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Kept(Value):
    told: str
    secret: str = field(default="", repr=False)
    beside: str = field(default="", compare=False)


VALUES = [
    Kept("one", "two", "three"),
    Question("When?", user="anna", inputs={"a": [1]}),
    Timeouts(1, None, 2.5),
    HttpRequest("GET", "https://bots.example.com", {"Authorization": "Bearer secret"}, b"{}"),
    Answer("At 9.", sources=(Source("The ferry leaves at 9."),)),
    Step("1", "tool", input={"to": ["Bergen"]}),
    TextDelta("At"),
    Finished(),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_shown_compared_and_hashed_as_dataclass_would_have_it(value: Value) -> None:
    twin_of = twin(type(value))
    twins = [twin_of(**vars_of(value)) for _ in range(2)]

    assert repr(value) == repr(twins[0])
    assert (value == type(value)(**vars_of(value))) is (twins[0] == twins[1]) is True
    assert value != twins[0]
    assert hashed(value) == hashed(twins[0])


def test_values_that_differ_in_one_field_are_not_equal() -> None:
    assert Started("one", "two") != Started("one", "three")
    assert TextDelta("one") != TextDelta("two")
    assert Kept("one", "two") != Kept("one", "three")
    assert Kept("one", beside="two") == Kept("one", beside="three")


def test_a_value_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        TextDelta("At").text = "Of"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del TextDelta("At").text


def test_what_holds_itself_can_be_shown() -> None:
    raw: dict[str, Any] = {}
    raw["again"] = step = Step("1", "tool", raw=raw)

    assert repr(step).endswith("raw={'again': ...})")


def test_every_value_of_the_package_says_its_own_fields() -> None:
    for kind in Value.__subclasses__():
        assert kind.__match_args__ == tuple(one.name for one in fields(kind))  # type: ignore[attr-defined, arg-type]


def twin(kind: type) -> Any:
    return make_dataclass(kind.__qualname__, list(twin_fields(kind)), frozen=True)


def twin_fields(kind: Any) -> Iterator[tuple[str, Any, Any]]:
    for one in fields(kind):
        yield one.name, one.type, field(repr=one.repr, compare=one.compare)


def vars_of(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in fields(value)}


def hashed(value: Any) -> Any:
    try:
        return hash(value)
    except TypeError as error:
        return str(error)
