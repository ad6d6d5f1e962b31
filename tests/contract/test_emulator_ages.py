"""What the ages of Dify do differently, beyond the forms of what they tell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    AGES,
    answer_in,
    ask_raw,
    events_in,
    get,
    history,
    kinds,
    lines_of,
    post,
    turn,
)

CHATFLOW = "advanced-chat"


@pytest.fixture(scope="module")
def older() -> Iterator[Emulator]:
    with Emulator("0.15", token_delay_s=0, held_open_s=60, idle_limit_s=60) as running:
        yield running


@pytest.mark.parametrize("age", AGES)
def test_a_server_says_how_old_it_is(age: str) -> None:
    with Emulator(age) as emulator:
        response = get(emulator, "")
        assert response.json()["server_version"] == response.headers["X-Version"] == AGES[age]


@pytest.mark.parametrize("age", ["2023", *AGES])
@pytest.mark.parametrize("kind", ["chat", CHATFLOW])
def test_the_same_seed_gives_the_same_bytes_in_every_age(age: str, kind: str) -> None:
    told = []
    for _ in range(2):
        with Emulator(age, seed=7, token_delay_s=0, held_open_s=0) as fresh:
            told.append((fresh.key(kind), post(fresh, "When does the ferry leave?", kind=kind).content))
    assert told[0] == told[1]


def test_only_a_worker_pings_before_anything_else() -> None:
    for age, begins in (("0.15", b"data: {"), ("1.14", b"event: ping\n\ndata: {")):
        with Emulator(age, token_delay_s=0, held_open_s=0) as emulator:
            assert post(emulator, "hello", kind=CHATFLOW).content.startswith(begins)


@pytest.mark.parametrize(
    ("age", "kind", "pings"),
    [
        ("2023", "chat", False),
        ("0.15", "chat", True),
        ("0.15", "agent-chat", True),
        ("0.15", CHATFLOW, True),
        ("1.14", "chat", True),
        ("1.14", CHATFLOW, False),
    ],
)
def test_silence_brings_pings_where_the_age_has_them(age: str, kind: str, pings: bool) -> None:
    # Each wait for a token is longer than the silence that is allowed; the immediate ping is no answer to silence.
    with Emulator(age, token_delay_s=0, held_open_s=0, ping_s=0.05) as emulator:
        text = post(emulator, "[[echo]] one two [[slow]]", kind=kind).text
    assert ("event: ping" in text.partition("data: ")[2]) is pings


def test_a_chatflow_of_1_14_holds_its_body_open_after_the_last_event() -> None:
    with Emulator(token_delay_s=0, held_open_s=1.0) as holding:
        response = post(holding, "hello", kind=CHATFLOW, stream=True)
        for event in lines_of(response):
            if event["event"] == "workflow_finished":
                finished = time.monotonic()
        assert 0.3 < time.monotonic() - finished < 1.9  # the machine may be slow to hear of the end


@pytest.mark.parametrize("query", ["hello", "[[badinput]]", "[[fail]]"])
def test_a_body_of_0_15_ends_with_its_last_event(older: Emulator, query: str) -> None:
    raw = ask_raw(older, query, kind=CHATFLOW)
    assert (raw.end, raw.took_s < 3) == ("complete", True)


def test_a_moderated_question_leaves_a_chatflow_of_1_14_without_a_run_and_without_an_end() -> None:
    with Emulator(token_delay_s=0, held_open_s=0, idle_limit_s=60) as emulator:
        raw = ask_raw(emulator, "[[badinput]]", kind=CHATFLOW, silence_s=0.3)
    events = events_in(raw.body.decode())
    assert (raw.end, kinds(events)) == ("silent", ["ping", "message", "message_end"])
    assert events[1]["answer"] == "I cannot talk about that input."


@pytest.mark.parametrize("kind", ["chat", "agent-chat", CHATFLOW])
def test_0_15_keeps_nothing_of_an_answer_whose_client_has_left(older: Emulator, kind: str) -> None:
    response = post(older, "[[echo]] one two [[slow]]", kind=kind, stream=True)
    first = next(lines_of(response))
    response.close()
    time.sleep(0.6)
    message = history(older, [first], kind)[0]
    assert (message["answer"], message["status"]) == ("", "normal")


@pytest.mark.parametrize("kind", ["chat", "agent-chat", CHATFLOW])
def test_a_conversation_of_0_15_keeps_its_first_inputs(older: Emulator, kind: str) -> None:
    first = turn(older, "[[inputs]]", kind=kind, inputs={"guest": "Ann"})
    held = first[-1]["conversation_id"]
    second = turn(older, "[[inputs]]", kind=kind, inputs={"guest": "Bo"}, conversation_id=held)
    assert answer_in(second) == answer_in(first) == '{"guest": "Ann", "notes": null}'
    assert [message["inputs"]["guest"] for message in history(older, first, kind)] == ["Ann", "Ann"]


def test_a_later_turn_of_0_15_needs_no_inputs(older: Emulator) -> None:
    kind = "advanced-chat-required"
    held = turn(older, "hello", kind=kind, inputs={"city": "Bergen"})[0]["conversation_id"]
    assert post(older, "hello", kind=kind, conversation_id=held).status_code == 200
    assert post(older, "hello", kind=kind).status_code == 400


def test_0_15_counts_the_runs_of_an_app() -> None:
    with Emulator("0.15", token_delay_s=0) as emulator:
        runs = [turn(emulator, "hello", kind=CHATFLOW, user=user) for user in ("ann", "bob")]
    numbers = [[event["data"]["sequence_number"] for event in run if "workflow_" in event["event"]] for run in runs]
    assert numbers == [[1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("conversation_id=abc", ("abc is not a valid uuid.", "conversation_id")),
        ("conversation_id=&limit=x", ("x is not a valid integer", "limit")),
        ("", ("Missing required parameter in the query string", "conversation_id")),
    ],
)
def test_0_15_names_the_first_argument_that_is_wrong(older: Emulator, query: str, told: tuple[str, str]) -> None:
    response = get(older, f"messages?{query}")
    message, params = told
    assert response.status_code == 400
    assert response.json() == {"code": "invalid_param", "message": message, "params": params}
