"""What was recorded beside chat: streams of a completion and a workflow app, and a browser's preflight."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest

from remote_chatbots import Answer, Question
from remote_chatbots.emulator import Emulator
from tests.recorded.asking import ASKED, DRIVERS, NOT_ASKED, ask
from tests.recorded.recordings import VERSIONS, Recording, events_of, every, recording
from tests.recorded.replay import ReplayServer, reply_of

every_version = pytest.mark.parametrize("version", VERSIONS)
both_drivers = pytest.mark.parametrize("driver", DRIVERS)
# Which calls the other modules of this folder make, by how their paths begin.
ELSEWHERE = ("audio-to-text", "conversations", "datasets", "files", "form", "info", "messages", "meta", "parameters",
             "site", "text-to-audio", "workflow/", "chat-messages/")  # fmt: skip
OF_NO_CLIENT = {"err-unknown-path", "err-get-chat-messages"}  # what the emulator says in the same words
HERE = {"completion-app-stream", "workflow-app-stream", "cors-preflight"}


def told(driver: str, exchange: Recording) -> tuple[Answer, list[dict[str, Any]]]:
    """Return what comes of the recorded stream, and its events."""
    with ReplayServer(reply_of(exchange)) as server:
        got = ask(driver, server.url, Question("Hello", user="reader-1"))
    assert isinstance(got, Answer)
    return got, events_of(exchange.body)


def test_every_recording_is_played_or_named_with_a_reason() -> None:
    left = [
        one
        for one in every()
        if one not in ASKED
        and one.name not in NOT_ASKED.keys() | HERE | OF_NO_CLIENT
        and not one.target.removeprefix("/v1/").startswith(ELSEWHERE)
    ]
    assert left == []
    assert Counter(one.version for one in every()) == {"0.15.3": 206, "1.14.2": 238}


@every_version
@both_drivers
def test_the_stream_of_a_completion_app_is_an_answer_in_no_conversation(driver: str, version: str) -> None:
    answer, events = told(driver, recording(version, "completion-app-stream"))

    assert answer.text == "".join(event["answer"] for event in events if event["event"] == "message")
    assert (answer.conversation_id, answer.message_id) == ("", events[0]["message_id"])
    assert answer.usage is not None
    assert answer.usage.raw == events[-1]["metadata"]["usage"]


@every_version
@both_drivers
def test_of_a_workflow_apps_stream_the_nodes_are_steps_and_nothing_else_is_lost(driver: str, version: str) -> None:
    answer, events = told(driver, recording(version, "workflow-app-stream"))

    assert answer.workflow_run_id == events[0]["workflow_run_id"]
    nodes = [event["data"]["node_id"] for event in events if event["event"] == "node_finished"]
    assert len(answer.steps) == len(nodes) == 3
    assert [event.raw for event in answer.unrecognized] == [e for e in events if e["event"] == "text_chunk"]


@every_version
def test_the_emulator_answers_a_browsers_preflight_as_recorded(version: str) -> None:
    exchange = recording(version, "cors-preflight")
    sent = json.loads(exchange.path.read_text("utf-8"))["request"]["headers"]
    with Emulator(version.rpartition(".")[0], token_delay_s=0) as emulator:
        at = urlsplit(emulator.dify_url)
        connection = http.client.HTTPConnection(str(at.hostname), at.port or 0, timeout=10)
        headers = {name: value for name, value in sent.items() if name not in ("Host", "Accept", "User-Agent")}
        connection.request("OPTIONS", exchange.target, headers=headers)
        response = connection.getresponse()
        got, body = dict(response.getheaders()), response.read()
        connection.close()

    assert (response.status, body) == (exchange.status, exchange.body)
    assert {**got, "Date": ""} == {**exchange.headers, "Date": ""}
