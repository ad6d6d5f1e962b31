"""What goes in: questions, files, clocks and settings, checked where they are made."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from remote_chatbots import Attachment, BotUsageError, DifyApp, Question, Settings, Timeouts

IMAGE = Attachment("image", url="https://img.example.net/sky.png")


# Attachments


@pytest.mark.parametrize("kind", ["image", "document", "audio", "video", "custom"])
def test_a_file_has_an_address_or_an_id(kind: Any) -> None:
    assert Attachment(kind, url="https://h/f").url == "https://h/f"
    assert Attachment(kind, file_id="f-1").file_id == "f-1"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "picture", "url": "https://h/f"}, "kind"),
        ({"kind": "", "url": "https://h/f"}, "kind"),
        ({"kind": None, "url": "https://h/f"}, "kind"),
        ({"kind": ["image"], "url": "https://h/f"}, "kind"),
        ({"kind": "image"}, "exactly one of url, file_id and data"),
        ({"kind": "image", "url": "https://h/f", "file_id": "f-1"}, "exactly one of url, file_id and data"),
    ],
    ids=["unknown kind", "empty kind", "no kind", "a list as kind", "neither", "both"],
)
def test_a_file_that_is_none_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(BotUsageError, match="files") as caught:
        Attachment(**fields)

    assert told in str(caught.value)


# Questions


def test_a_question_needs_nothing_but_its_text() -> None:
    question = Question("Rain?")

    assert (question.text, question.user, question.conversation_id) == ("Rain?", "", "")
    assert (dict(question.inputs), question.files, question.stop) == ({}, (), ())
    assert (question.blocking, question.coalesce) == (False, True)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000", "\0", " \0 "], ids=repr)
def test_an_empty_question_is_refused(text: str) -> None:
    with pytest.raises(BotUsageError, match="question is empty"):
        Question(text)


def test_a_file_may_go_without_words() -> None:
    assert Question("", files=[IMAGE]).text == ""


class Column:
    """A value that compares as columns of numbers do: element by element, and then is neither true nor false."""

    def __eq__(self, other: object) -> Any:
        return self

    __ne__ = __eq__
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", [None, 5, b"Rain?", ["Rain?"]]),
        ("user", [None, 5]),
        ("conversation_id", [None, 5]),
        ("inputs", [None, [("city", "Bergen")], "city"]),
        ("files", [None, 5, "sky.png", b"sky.png", ["sky.png"], [IMAGE, None], IMAGE, Column()]),
        ("stop", [None, 5, "END", b"END", ["END", ""], ["END", 5], Column()]),
        ("options", [None, 5, "trace_id"]),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_by_its_name(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(BotUsageError, match=rf"\b{name}\b"):
            Question(**{"text": "Rain?", name: value})


@pytest.mark.parametrize("name", ["files", "stop"])
def test_what_can_be_read_only_once_is_refused_or_kept_but_never_lost(name: str) -> None:
    items: list[Any] = [IMAGE] if name == "files" else ["END"]
    try:
        question = Question("Rain?", **{name: iter(items)})  # type: ignore[arg-type]
    except BotUsageError:
        return

    assert list(getattr(question, name)) == items


def test_a_question_is_shown_without_what_a_user_wrote() -> None:
    shown = repr(Question("My name is Nils", user="ann", inputs={"city": "Bergen"}))

    assert "Nils" not in shown
    assert "Bergen" not in shown
    assert "ann" in shown


def test_a_question_survives_pickling() -> None:
    question = Question("Rain?", user="ann", inputs={"city": "Bergen"}, files=[IMAGE], stop=["END"])

    assert pickle.loads(pickle.dumps(question)) == question


# Clocks


def test_the_clocks_have_defaults() -> None:
    assert Timeouts() == Timeouts(connect_s=10.0, silence_s=300.0, total_s=None)


@pytest.mark.parametrize(
    ("given", "clocks"),
    [
        (Timeouts(1, 2, 3), (1, 2, 3)),
        (None, (None, None, None)),
        (60, (10.0, 60.0, None)),
        (2.5, (2.5, 2.5, None)),
        ((5, 60), (5, 60, None)),
        ([5, 60], (5, 60, None)),
        ((5, 60, 600), (5, 60, 600)),
        ((None, 60), (None, 60, None)),
        ((5, None, None), (5, None, None)),
    ],
    ids=repr,
)
def test_a_timeout_may_be_written_in_several_ways(given: Any, clocks: tuple[float | None, ...]) -> None:
    timeouts = Timeouts.of(given)

    assert (timeouts.connect_s, timeouts.silence_s, timeouts.total_s) == clocks


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("60", "timeout"),
        (0, "timeout"),
        (-1, "timeout"),
        (float("nan"), "timeout"),
        (float("inf"), "timeout"),
        (True, "timeout"),
        ((5,), "timeout"),
        ((1, 2, 3, 4), "timeout"),
        ({"connect": 5}, "timeout"),
        ((0, 60), "connect_s"),
        (("5", 60), "connect_s"),
        ((5, -60), "silence_s"),
        ((5, True), "silence_s"),
        ((5, 60, 0), "total_s"),
        ((5, 60, float("inf")), "total_s"),
    ],
    ids=repr,
)
def test_a_timeout_that_is_none_is_refused_by_its_name(given: Any, name: str) -> None:
    with pytest.raises(BotUsageError, match=f"^{name} "):
        Timeouts.of(given)


# Settings


def test_settings_have_defaults() -> None:
    settings = Settings()

    assert (settings.end_grace_s, settings.speech_wait_s, settings.stop_wait_s) == (0.1, 10.0, 1.5)
    assert (settings.max_event_bytes, settings.max_connections) == (16 * 1024 * 1024, 1000)
    assert (settings.probe_after_s, settings.idle_s, settings.max_retries) == (5.0, 4.0, 2)


@pytest.mark.parametrize(
    "fields",
    [{"max_retries": 0}, {"max_connections": 1}, {"max_event_bytes": 1024}, {"end_grace_s": 1, "idle_s": 0.01}],
    ids=repr,
)
def test_settings_may_be_at_their_limits(fields: dict[str, Any]) -> None:
    settings = Settings(**fields)

    assert {name: getattr(settings, name) for name in fields} == fields


@pytest.mark.parametrize("name", ["end_grace_s", "speech_wait_s", "probe_after_s", "stop_wait_s", "idle_s"])
@pytest.mark.parametrize("value", [0, -1, None, "1", True, float("inf"), float("nan")], ids=repr)
def test_a_setting_that_is_no_span_of_time_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(BotUsageError, match=f"^{name} "):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_event_bytes", [1023, 0, -1, 2048.0, "2048", None, True]),
        ("max_connections", [0, -1, 1.5, "1", None, True]),
        ("max_retries", [-1, 0.5, "1", None, False]),
    ],
)
def test_a_setting_that_is_no_such_number_is_refused_by_its_name(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(BotUsageError, match=f"^{name} "):
            Settings(**{name: value})


def test_an_app_without_a_user_is_not_asked() -> None:
    with pytest.raises(BotUsageError, match="user") as caught:
        DifyApp("app-key").ask(Question("Rain?"))

    assert str(caught.value).startswith("dify:")
