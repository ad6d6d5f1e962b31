"""The emulator against recordings of the servers that it stands for, in each of its ages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from remote_chatbots.emulator import Emulator
from tests.contract.test_emulator_helpers import (
    AGES,
    FERRY,
    answer_in,
    bearer,
    collapsed,
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

OUR_REQUIRED_NAMES = {
    "book": "city",
    '"mode"': '"tone"',
    "mode in": "tone in",
    "guide": "brief",
    "scribe": "full",
}


@pytest.fixture(scope="module")
def emulators() -> Iterator[dict[str, Emulator]]:
    with ExitStack() as stack:
        yield {
            age: stack.enter_context(Emulator(age, token_delay_s=0, held_open_s=0.02, idle_limit_s=0.05))
            for age in AGES
        }


def both(name: str, *more: Any, ages: tuple[str, ...] = tuple(AGES)) -> list[Any]:
    """Return a case for each age in which it was recorded."""
    return [pytest.param(age, name, *more, id=f"{age}-{name}") for age in ages]


NEWEST = ("1.14",)
SCENARIOS = [
    *both("chat-stream-1-first-turn", "chat", [FERRY]),
    *both("chat-stream-2-second-turn", "chat", [FERRY, FERRY]),
    *both("chat-stream-model-failmid", "chat", ["Tell me [[failmid]]"]),
    *both("chat-stream-model-fail401", "chat", ["Tell me [[fail]]"]),
    *both("chat-stream-output-moderated", "chat", ["Tell me [[bad]]"]),
    *both("chat-stream-input-moderated", "chat", ["Tell me [[badinput]]"]),
    *both("agent-stream-1-one-tool", "agent-chat", ["What time is it? [[time]]"]),
    *both("agent-stream-2-second-turn", "agent-chat", ["[[time]]", "And again? [[time]]"], ages=NEWEST),
    *both("agent-stream-no-tool", "agent-chat", ["Just say hello"]),
    *both("agent-stream-model-fail500", "agent-chat", ["Tell me [[fail]]"]),
    *both("chatflow-stream-1-first-turn", "advanced-chat", [FERRY]),
    *both("chatflow-stream-2-second-turn", "advanced-chat", [FERRY, FERRY], ages=NEWEST),
    *both("chatflow-stream-model-fail500", "advanced-chat", ["Tell me [[fail]]"]),
    *both("chatflow-stream-output-moderated", "advanced-chat", ["Tell me [[bad]]"]),
]


@pytest.mark.parametrize(("age", "name", "kind", "queries"), SCENARIOS)
def test_a_stream_has_the_recorded_events_in_order_with_the_recorded_keys(
    emulators: dict[str, Emulator], age: str, name: str, kind: str, queries: list[str]
) -> None:
    events: list[dict[str, Any]] = []
    for query in queries:
        held = events[-1]["conversation_id"] if events else ""
        events = turn(emulators[age], query, kind=kind, inputs={"guest": "Ann"}, conversation_id=held)
    assert collapsed(events) == collapsed(recorded_events(age, name))


@pytest.mark.parametrize("age", AGES)
def test_an_agents_knowledge_tool_looks_as_recorded(emulators: dict[str, Emulator], age: str) -> None:
    def without_tool_name(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for event in events:
            if event.get("tool_labels"):
                event["tool_labels"] = {"dataset": next(iter(event["tool_labels"].values()))}
        return events

    theirs = without_tool_name(recorded_events(age, "agent-stream-knowledge-tool-hq"))
    ours = without_tool_name(turn(emulators[age], FERRY, kind="agent-chat"))
    assert collapsed(ours) == collapsed(theirs)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("chat", "chat-stream-stopped"),
        ("agent-chat", "agent-stream-stopped"),
        ("advanced-chat", "chatflow-stream-stopped"),
    ],
)
@pytest.mark.parametrize("age", AGES)
def test_a_stopped_stream_ends_as_recorded_and_keeps_what_was_said(
    emulators: dict[str, Emulator], age: str, kind: str, name: str
) -> None:
    emulator = emulators[age]
    response = post(emulator, "Go on [[slow]]", kind=kind, stream=True, inputs={"guest": "Ann"})
    events, begun = [], time.monotonic()
    for event in lines_of(response):
        events.append(event)
        if answer_in(events) == "This":
            stop(emulator, event["task_id"], kind=kind)
            begun = time.monotonic()
    assert time.monotonic() - begun < 0.6
    theirs = [event for event in recorded_events(age, name) if event["event"] != "ping"]
    # That chatflow of 0.15 was stopped before its first word.
    ours = [event for event in events if event["event"] != "message" or "message" in kinds(theirs)]
    assert collapsed(ours) == collapsed(theirs)
    stored = history(emulator, events, kind)[0]
    assert (stored["answer"], stored["status"]) == (answer_in(events), "normal")


@pytest.mark.parametrize("kind", ["chat", "agent-chat", "advanced-chat"])
@pytest.mark.parametrize("age", AGES)
def test_the_history_holds_the_replacement_of_a_withdrawn_answer(
    emulators: dict[str, Emulator], age: str, kind: str
) -> None:
    events = turn(emulators[age], "Tell me [[bad]]", kind=kind)
    stored = history(emulators[age], events, kind)[0]
    replaced = next(event for event in events if event["event"] == "message_replace")
    theirs = recorded_body("0.15", "chat-messages-after-output-moderated")["data"][0]
    assert (stored["answer"], stored["status"]) == (replaced["answer"], "normal") == (theirs["answer"], "normal")


@pytest.mark.parametrize("kind", ["chat", "advanced-chat"])
@pytest.mark.parametrize("age", AGES)
def test_a_blocking_answer_that_is_withdrawn_is_the_replacement(
    emulators: dict[str, Emulator], age: str, kind: str
) -> None:
    body = post(emulators[age], "Tell me [[bad]]", kind=kind, response_mode="blocking").json()
    theirs = recorded_body(age, "chat-block-output-moderated")
    assert body["answer"] == theirs["answer"]
    assert kind != "chat" or shape(body) == shape(theirs)


BLOCKING = [*both("chat-block-1-first-turn", "chat"), *both("chatflow-block-1-first-turn", "advanced-chat")]


@pytest.mark.parametrize(("age", "name", "kind"), BLOCKING)
def test_a_blocking_answer_has_the_recorded_keys(
    emulators: dict[str, Emulator], age: str, name: str, kind: str
) -> None:
    body = post(emulators[age], FERRY, kind=kind, response_mode="blocking").json()
    assert shape(body) == shape(recorded_body(age, name))


HEADERS = [
    *both("chat-block-1-first-turn"),
    *both("chat-stream-1-first-turn"),
    *both("chat-info"),
    *both("chat-block-with-origin"),
]


@pytest.mark.parametrize(("age", "name"), HEADERS)
def test_response_headers_are_those_recorded(emulators: dict[str, Emulator], age: str, name: str) -> None:
    request = recording(age, name)["request"]
    url = emulators[age].dify_url.removesuffix("/v1") + request["path"]
    headers = bearer(emulators[age], "chat") | {k: v for k, v in request["headers"].items() if k == "Origin"}
    response = requests.request(request["method"], url, json=request.get("body"), headers=headers, timeout=5)
    theirs = recording(age, name)["response"]["headers"]
    assert set(response.headers) == set(theirs)
    ours = {key: value for key, value in response.headers.items() if key not in ("Date", "Content-Length")}
    assert ours.items() <= theirs.items()


HISTORIES = [
    *both("agent-messages-history", "agent-chat", ["[[time]]", "Again [[time]]"]),
    *both("chatflow-messages-history", "advanced-chat", [FERRY, FERRY]),
    *both("messages-with-feedback", "chat", [FERRY], ages=("0.15",)),
]


@pytest.mark.parametrize(("age", "name", "kind", "queries"), HISTORIES)
def test_the_history_has_the_recorded_keys(
    emulators: dict[str, Emulator], age: str, name: str, kind: str, queries: list[str]
) -> None:
    emulator, held = emulators[age], ""
    for query in queries:
        events = turn(emulator, query, kind=kind, conversation_id=held)
        held = events[-1]["conversation_id"]
    rated = f"{emulator.dify_url}/messages/{events[-1]['message_id']}/feedbacks"
    theirs = recorded_body(age, name)
    if theirs["data"][0]["feedback"]:
        body = {"rating": "dislike", "user": "ann"}
        assert requests.post(rated, json=body, headers=bearer(emulator, kind), timeout=5).json() == {
            "result": "success"
        }
    ours = get(emulator, "messages", kind=kind, user="ann", conversation_id=held).json()
    for body in (ours, theirs):
        del body["has_more"]
        for message in body["data"]:
            message["inputs"] = {}
    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize("age", AGES)
def test_a_list_of_conversations_has_the_recorded_keys(emulators: dict[str, Emulator], age: str) -> None:
    for _ in range(3):
        turn(emulators[age], "hello", user="lister", inputs={"guest": "Ann", "notes": None})
    body = get(emulators[age], "conversations", user="lister", limit=2).json()
    theirs = recorded_body(age, "conversations-page-1")
    body["data"][0]["inputs"] = theirs["data"][0]["inputs"]
    assert shape(body) == shape(theirs)


DESCRIPTIONS = [
    *both("chat-info", "chat", "info"),
    *both("chat-parameters", "chat", "parameters"),
    *both("chatflow-parameters", "advanced-chat", "parameters"),
    *both("agent-parameters", "agent-chat", "parameters"),
    *both("chatflow-info", "advanced-chat", "info"),
    *both("agent-info", "agent-chat", "info"),
    *both("chat-meta", "chat", "meta"),
    *both("agent-meta", "agent-chat", "meta"),
    *both("site", "chat", "site", ages=NEWEST),
]


@pytest.mark.parametrize(("age", "name", "kind", "path"), DESCRIPTIONS)
def test_an_app_describes_itself_with_the_recorded_keys(
    emulators: dict[str, Emulator], age: str, name: str, kind: str, path: str
) -> None:
    ours, theirs = get(emulators[age], path, kind=kind).json(), recorded_body(age, name)
    if path == "parameters" and kind != "chat":
        # Those apps took files, ours do not.
        del ours["file_upload"], theirs["file_upload"]
    assert shape(ours) == shape(theirs)


OLDER = ("0.15",)
REFUSALS = [
    *both("err-dataset-key-on-app", ""),
    *both("err-no-auth", ""),
    *both("err-missing-user", "chat"),
    *both("err-empty-user", "chat"),
    *both("err-missing-query", "chat"),
    *both("err-query-empty", "chat"),
    *both("chat-block-inputs-a-list", "chat", ages=NEWEST),
    *both("err-conversation-id-not-uuid", "chat"),
    *both("err-body-wrong-type", "chat"),
    *both("err-body-json-as-text", "chat"),
    *both("err-unknown-path", "chat"),
    *both("err-get-chat-messages", "chat"),
    *both("err-messages-limit-0", "chat"),
    *both("err-messages-limit-101", "chat"),
    *both("err-messages-unknown-conversation", "chat"),
    *both("err-conversations-bad-sort", "chat"),
    *both("err-conversations-unknown-last-id", "chat"),
    *both("err-chat-other-users-conversation", "chat"),
    *both("err-unknown-conversation-chatflow-stream", "advanced-chat", ages=OLDER),
    *both("err-feedback-bad-rating", "chat", ages=OLDER),
    *both("err-feedback-unknown-message", "chat", ages=OLDER),
    *both("err-input-not-a-string", "chat-required"),
    *both("err-input-not-an-option", "chat-required"),
    *both("err-input-too-long", "chat-required"),
    *both("err-required-input-missing-stream", "chat-required"),
    *both("err-input-too-long-chatflow-block", "advanced-chat-required"),
    *both("err-required-input-missing-chatflow-block", "advanced-chat-required"),
    *both("err-required-input-missing-chatflow-stream", "advanced-chat-required", ages=OLDER),
    *both("chat-stop-no-user", "chat"),
    *both("chat-stop-unknown-task", "chat"),
    *both("chat-stop-call", "chat"),
]


@pytest.mark.parametrize(("age", "name", "kind"), REFUSALS)
def test_a_request_is_refused_in_the_recorded_words(
    emulators: dict[str, Emulator], age: str, name: str, kind: str
) -> None:
    # The recorded request is sent again, and the body must be the recorded one.
    emulator = emulators[age]
    text = json.dumps(recording(age, name))
    if kind.endswith("required"):
        for theirs, ours in OUR_REQUIRED_NAMES.items():
            text = text.replace(theirs, ours).replace(theirs.replace('"', '\\"'), ours.replace('"', '\\"'))
    exchange = json.loads(text)
    request, expected = exchange["request"], exchange["response"]
    headers = {key: value for key, value in request["headers"].items() if key in ("Content-Type", "Authorization")}
    if kind:
        headers |= bearer(emulator, kind)
    body = request.get("body")
    data = body if isinstance(body, str) or body is None else json.dumps(body)
    url = emulator.dify_url.removesuffix("/v1") + request["path"]
    response = requests.request(request["method"], url, data=data, headers=headers, timeout=5)
    assert (response.status_code, response.text) == (expected["status"], expected["body"])
    for header in ("Content-Type", "WWW-Authenticate", "Access-Control-Allow-Origin", "X-Version", "Vary"):
        assert response.headers.get(header) == expected["headers"].get(header)


FAILURES = [*both("chat-block-model-fail500", "chat"), *both("chatflow-block-model-fail500", "advanced-chat")]


@pytest.mark.parametrize(("age", "name", "kind"), FAILURES)
def test_a_model_failure_in_blocking_mode_is_refused_with_the_recorded_code(
    emulators: dict[str, Emulator], age: str, name: str, kind: str
) -> None:
    response = post(emulators[age], "Tell me [[fail]]", kind=kind, response_mode="blocking")
    theirs = recorded_body(age, name)
    assert (response.status_code, shape(response.json())) == (400, shape(theirs))
    # What the model said is only ours in the newer recordings.
    assert age != "1.14" or response.text == recording(age, name)["response"]["body"]


CANNOT_BEGIN = [
    ("err-unknown-conversation-chatflow-stream", "advanced-chat"),
    ("err-required-input-missing-chatflow-stream", "advanced-chat-required"),
]


@pytest.mark.parametrize(("name", "kind"), CANNOT_BEGIN)
def test_a_chatflow_that_cannot_begin_sends_one_ping_and_ends_at_the_idle_limit(
    emulators: dict[str, Emulator], name: str, kind: str
) -> None:
    exchange = recording("1.14", name)
    response = post(emulators["1.14"], kind=kind, **exchange["request"]["body"])
    sent = "".join(chunk["text"] for chunk in exchange["response"]["chunks"])
    assert (response.status_code, response.text) == (200, sent)


def test_0_15_takes_a_list_for_inputs(emulators: dict[str, Emulator]) -> None:
    request = recording("0.15", "chat-block-inputs-a-list")["request"]["body"]
    assert post(emulators["0.15"], **request).json()["answer"].startswith("Turn 1.")


@pytest.mark.parametrize("age", AGES)
def test_events_are_written_as_recorded(emulators: dict[str, Emulator], age: str) -> None:
    raw = post(emulators[age], "[[emoji]]").content
    theirs = recording(age, "chat-stream-1-first-turn")["response"]["chunks"][0]["text"]
    assert raw[:30] == theirs.encode()[:30]
    assert ("👋".encode() in raw, b"\\ud83d\\udc4b" in raw) == (age == "1.14", age == "0.15")
