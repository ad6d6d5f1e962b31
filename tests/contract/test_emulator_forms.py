"""A chatflow of the emulator that waits for a person, and runs that are listened to again, against recordings."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    FERRY,
    UNKNOWN_ID,
    answer_in,
    bearer,
    collapsed,
    events_in,
    get,
    history,
    kinds,
    lines_of,
    post,
    recorded_body,
    recorded_events,
    recording,
    shape,
    stop,
    turn,
)

KIND = "advanced-chat-form"
NEWEST = "1.14"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(token_delay_s=0.002, held_open_s=0.02, idle_limit_s=0.3) as running:
        yield running


def paused(emulator: Emulator, user: str = "ann", **more: Any) -> list[dict[str, Any]]:
    return turn(emulator, "check this", kind=KIND, user=user, inputs={"guest": "Ann"}, **more)


def token_of(events: list[dict[str, Any]]) -> str:
    token: str = events[-2]["data"]["form_token"]
    return token


def submit(emulator: Emulator, token: str, **body: Any) -> requests.Response:
    body = {"inputs": {"comment": "looks good 很好"}, "action": "approve", "user": "ann", **body}
    url = f"{emulator.dify_url}/form/human_input/{token}"
    return requests.post(url, json=body, headers=bearer(emulator, KIND), timeout=5)


def run_path(events: list[dict[str, Any]]) -> str:
    return f"workflow/{events[1]['workflow_run_id']}/events"


def rest_of(emulator: Emulator, events: list[dict[str, Any]], **body: Any) -> list[dict[str, Any]]:
    """Open the events of the run, submit its form, and return what came."""
    url = f"{emulator.dify_url}/{run_path(events)}"
    with requests.get(url, params={"user": "ann"}, headers=bearer(emulator, KIND), stream=True, timeout=5) as response:
        assert submit(emulator, token_of(events), **body).json() == {}
        return [{"event": "ping"}, *lines_of(response)]


def test_a_paused_stream_has_the_recorded_events_and_keys(emulator: Emulator) -> None:
    assert collapsed(paused(emulator)) == collapsed(recorded_events(NEWEST, "human-1-stream-paused"))


def test_the_form_and_the_history_are_told_as_recorded(emulator: Emulator) -> None:
    events = paused(emulator)
    body = get(emulator, f"form/human_input/{token_of(events)}", kind=KIND).json()
    assert shape(body) == shape(recorded_body(NEWEST, "human-2-form"))
    ours = history(emulator, events, KIND)
    theirs = recorded_body(NEWEST, "human-3-messages-while-paused")["data"]
    assert shape(ours) == shape(theirs)
    assert ours[0]["answer"] == answer_in(events) == answer_in(recorded_events(NEWEST, "human-1-stream-paused"))


def test_the_rest_of_the_turn_has_the_recorded_events_and_keys(emulator: Emulator) -> None:
    events = paused(emulator)
    rest = rest_of(emulator, events)
    assert collapsed(rest) == collapsed(recorded_events(NEWEST, "human-5-events"))
    stored = history(emulator, events, KIND)[0]
    assert stored["answer"] == answer_in(events) + answer_in(rest) == rest[-1]["data"]["outputs"]["answer"]
    assert stored["answer"].endswith("(comment: looks good 很好)")
    assert (stored["status"], stored["extra_contents"][0]["submitted"]) == ("normal", True)


def test_who_rejects_gets_another_ending(emulator: Emulator) -> None:
    rest = rest_of(emulator, paused(emulator), action="reject")
    assert [event["data"]["title"] for event in rest if event["event"] == "node_finished"][-1] == "Rejected"


def test_a_second_submission_is_refused_as_recorded(emulator: Emulator) -> None:
    events = paused(emulator)
    rest_of(emulator, events)
    again = submit(emulator, token_of(events))
    theirs = recording(NEWEST, "err-human-form-again")["response"]
    assert again.status_code == theirs["status"]
    body, told = again.json(), json.loads(theirs["body"])
    assert (body["code"], body["status"]) == (told["code"], told["status"])
    assert body["message"].partition("form_id=")[0] == told["message"].partition("form_id=")[0]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "shrug"}, "invalid_form_data"),
        ({"inputs": {}}, "invalid_form_data"),
        ({"user": ""}, "invalid_param"),
    ],
)
def test_a_form_that_is_not_filled_in_right_can_be_submitted_again(
    emulator: Emulator, body: dict[str, Any], code: str
) -> None:
    events = paused(emulator)
    refused = submit(emulator, token_of(events), **body)
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert submit(emulator, token_of(events)).status_code == 200


def test_a_form_grows_old_and_an_unknown_one_is_not_found(emulator: Emulator) -> None:
    with Emulator(token_delay_s=0, held_open_s=0, form_lifetime_s=0) as hasty:
        expired = submit(hasty, token_of(paused(hasty)))
        assert (expired.status_code, expired.json()["code"]) == (412, "human_input_form_expired")
        assert submit(hasty, "nobodys").json()["message"] == "Form not found"


def test_a_blocking_turn_says_that_it_waits(emulator: Emulator) -> None:
    body = post(emulator, "check", kind=KIND, response_mode="blocking").json()
    assert (body["event"], body["answer"], body["data"]["status"]) == ("workflow_paused", "One moment… ", "paused")
    assert body["data"]["reasons"][0]["form_token"]


def test_a_run_that_is_over_tells_its_last_event_as_recorded(emulator: Emulator) -> None:
    events = turn(emulator, FERRY, kind="advanced-chat")
    response = get(emulator, run_path(events), kind="advanced-chat", user="ann")
    ours, theirs = response.text, recording(NEWEST, "resume-3-events-after-finish")["response"]
    assert collapsed(events_in(ours)) == collapsed(events_in(theirs["chunks"][0]["text"]))
    assert '{"event": "workflow_finished", ' in ours
    assert set(response.headers) == set(theirs["headers"])


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({}, "resume-2-events-while-running"),
        ({"include_state_snapshot": "true"}, "resume-5-events-with-snapshot"),
    ],
)
def test_a_run_that_goes_on_is_joined_as_recorded(emulator: Emulator, query: dict[str, str], name: str) -> None:
    path = ""
    with post(emulator, "Go on [[long]]", kind="advanced-chat", stream=True, inputs={"guest": "Ann"}) as response:
        for event in lines_of(response):
            path = run_path([{}, event]) if "workflow_run_id" in event else path
            if answer_in([event]):
                break
        joined = events_in(get(emulator, path, kind="advanced-chat", user="ann", **query).text)
    theirs = recorded_events(NEWEST, name)
    if query:
        assert collapsed(joined) == collapsed(theirs)
    else:
        assert kinds(joined)[-5:] == kinds(theirs)[-5:]
        assert collapsed(joined[-2:]) == collapsed(theirs[-2:])
    assert len(answer_in(joined)) < len(joined[-1]["data"]["outputs"]["answer"])


def test_a_run_that_waits_is_silent_until_its_form_comes_unless_a_snapshot_is_asked_for(emulator: Emulator) -> None:
    events = paused(emulator)
    begun = time.monotonic()
    assert kinds(events_in(get(emulator, run_path(events), kind=KIND, user="ann").text)) == ["ping"]
    assert 0.25 < time.monotonic() - begun < 2
    snapshot = events_in(get(emulator, run_path(events), kind=KIND, user="ann", include_state_snapshot="true").text)
    assert snapshot[-1] == events[-1]
    assert snapshot[2]["answer"] == "One moment… "


def test_a_resumed_run_can_be_stopped(emulator: Emulator) -> None:
    events = turn(emulator, "check [[slow]]", kind=KIND)
    stopper = threading.Timer(0.3, stop, (emulator, events[1]["task_id"]), {"kind": KIND})
    stopper.start()
    rest = rest_of(emulator, events)
    stopper.join()
    assert rest[-1]["data"]["status"] == "stopped"
    assert history(emulator, events, KIND)[0]["answer"] == answer_in(events) + answer_in(rest)


def test_runs_are_their_users_alone_and_only_chatflows_have_them(emulator: Emulator) -> None:
    path = run_path(turn(emulator, FERRY, kind="advanced-chat"))
    for stranger in (
        get(emulator, path, kind="advanced-chat", user="bob"),
        get(emulator, path, kind=KIND, user="ann"),
        get(emulator, f"workflow/{UNKNOWN_ID}/events", kind="advanced-chat", user="ann"),
    ):
        assert (stranger.status_code, stranger.json()["message"]) == (404, "Workflow run not found")
    told = json.loads(recording(NEWEST, "err-resume-basic-chat-app")["response"]["body"])
    assert get(emulator, path, kind="chat", user="ann").json() == told


def test_before_1_14_nobody_is_waited_for(emulator: Emulator) -> None:
    with Emulator("0.15", token_delay_s=0) as old:
        events = turn(old, FERRY, kind=KIND)
        assert "workflow_finished" in kinds(events)
        assert get(old, run_path(events), kind=KIND, user="ann").status_code == 404
        assert submit(old, "token").status_code == 404
