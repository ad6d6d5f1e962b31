"""A recorded chatflow that waits for a person, and recorded runs that are joined again after their stream broke."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from remote_chatbots import (
    Answer,
    AsyncBotClient,
    BotClient,
    BotError,
    BotNotFoundError,
    BotRejectedError,
    DifyApp,
    LostAnswer,
)
from tests.recorded.asking import DRIVERS, KEY, PATIENT, TIMEOUT_S, question_of
from tests.recorded.recordings import Recording, events_of, recording, told_by
from tests.recorded.replay import Received, ReplayServer, reply_of

both_drivers = pytest.mark.parametrize("driver", DRIVERS)
PAUSED = recording("1.14.2", "human-1-stream-paused")
SUBMITTED = recording("1.14.2", "human-4-form-submit")
SUBMITTED_AGAIN = recording("1.14.2", "err-human-form-again")
RESUMED = recording("1.14.2", "human-5-events")
CUT = recording("1.14.2", "resume-1-stream-cut")
RUNNING = recording("1.14.2", "resume-2-events-while-running")
OVER = recording("1.14.2", "resume-3-events-after-finish")
KEPT = recording("1.14.2", "resume-4-messages")
SNAPSHOT = recording("1.14.2", "resume-5-events-with-snapshot")
LOST = recording("1.14.2", "disconnect-chat-messages-late")


def played(
    driver: str, exchanges: list[Recording], name: str, *given: Any, user: str = "resumer", **named: Any
) -> tuple[Any, list[Received]]:
    """Call a client's method while a server plays these exchanges; return what it came to, and the requests."""

    async def awaited(app: DifyApp) -> Answer:
        async with AsyncBotClient(app, user=user, timeout=TIMEOUT_S) as client:
            got = getattr(client, name)(*given, **named)
            if name != "submit":
                answer: Answer = await got
                return answer
            return Answer.of([event async for event in got])

    def at_once(app: DifyApp) -> Answer:
        with BotClient(app, user=user, timeout=TIMEOUT_S) as client:
            got = getattr(client, name)(*given, **named)
            return Answer.of(got) if name == "submit" else got

    with ReplayServer(*map(reply_of, exchanges)) as server:
        app = DifyApp(KEY, server.url, settings=PATIENT)
        try:
            return (at_once(app) if driver == "requests" else asyncio.run(awaited(app))), server.received
        except BotError as error:
            return error, server.received


def paused(driver: str) -> Answer:
    answer, _ = played(driver, [PAUSED], "ask", question_of(PAUSED))
    assert isinstance(answer, Answer)
    assert answer.finish_reason == "paused"
    return answer


def last_outputs(exchange: Recording) -> str:
    text: str = events_of(exchange.body)[-1]["data"]["outputs"]["answer"]
    return text


@both_drivers
def test_the_recorded_pause_and_its_resumption_make_the_answer_that_the_server_ended_with(driver: str) -> None:
    before = paused(driver)
    rest, requests = played(driver, [RESUMED, SUBMITTED], "submit", before, "approve", SUBMITTED.sent["inputs"])
    told = told_by(RESUMED)
    assert before.text + rest.text == last_outputs(RESUMED)
    assert rest.text == told.answer
    assert rest.finish_reason == "stop"
    assert rest.message_id == before.message_id == told.ids["message_id"]
    assert rest.usage is not None
    assert rest.usage.raw == told.usage
    assert [step.name for step in rest.steps if step.kind == "form"] == ["Ask a person"]
    assert [(request.method, request.path) for request in requests] == [
        ("GET", RESUMED.target),
        ("POST", SUBMITTED.target),
    ]
    assert json.loads(requests[1].body) == SUBMITTED.sent


@both_drivers
def test_a_form_that_was_submitted_before_is_an_error_that_says_so(driver: str) -> None:
    error, requests = played(driver, [RESUMED, SUBMITTED_AGAIN], "submit", paused(driver), "approve", {"comment": "x"})
    assert isinstance(error, BotRejectedError)
    assert (error.http_status, error.code) == (412, json.loads(SUBMITTED_AGAIN.body)["code"])
    assert "recover" in error.message
    assert len(requests) == 2


@both_drivers
def test_whoever_rejoins_a_run_that_is_over_gets_the_rest_of_its_answer(driver: str) -> None:
    # The recorded run that is over is another one, without a pause: as if it had begun to speak before one.
    whole = last_outputs(OVER)
    run_id = events_of(OVER.body)[-1]["workflow_run_id"]
    before = replace(paused(driver), text=whole[:20], conversation_id="", message_id="", workflow_run_id=run_id)
    rest, requests = played(
        driver,
        [RESUMED, SUBMITTED_AGAIN, OVER],
        "submit",
        before,
        "approve",
        {"comment": "x"},
        if_submitted="rejoin",
    )
    assert (before.text + rest.text, rest.finish_reason) == (whole, "stop")
    assert [request.method for request in requests] == ["GET", "POST", "GET"]
    assert requests[2].path.endswith("&include_state_snapshot=true")


@both_drivers
def test_the_answer_of_a_stream_that_was_cut_is_recovered_from_its_run_while_it_goes_on(driver: str) -> None:
    error, _ = played(driver, [CUT], "ask", question_of(CUT))
    assert isinstance(error, BotError)
    answer, (request,) = played(driver, [RUNNING], "recover", error)
    told = told_by(RUNNING)
    assert answer.text == last_outputs(RUNNING) != told.answer
    assert error.partial_text + told.answer == answer.text
    assert (answer.message_id, answer.conversation_id) == (error.message_id, error.conversation_id)
    assert answer.usage.raw == told.usage
    assert request.path == RUNNING.target + "&include_state_snapshot=true"


@both_drivers
def test_the_answer_of_a_run_that_is_over_is_recovered_with_the_ids_of_its_error(driver: str) -> None:
    error, _ = played(driver, [CUT], "ask", question_of(CUT))
    answer, requests = played(driver, [OVER, KEPT], "recover", error)
    assert answer.text == json.loads(KEPT.body)["data"][0]["answer"] == last_outputs(OVER)
    assert answer.finish_reason == "stop"
    assert (answer.message_id, answer.workflow_run_id) == (error.message_id, error.workflow_run_id)
    assert answer.task_id == ""
    assert [request.method for request in requests] == ["GET", "GET"]


@both_drivers
def test_a_snapshot_withdraws_nothing_and_its_answer_is_whole(driver: str) -> None:
    run_id = events_of(SNAPSHOT.body)[0]["workflow_run_id"]
    answer, _ = played(driver, [SNAPSHOT], "recover", LostAnswer(workflow_run_id=run_id))
    assert answer.text == last_outputs(SNAPSHOT)
    assert (answer.finish_reason, answer.replaced) == ("stop", False)
    assert answer.conversation_id == events_of(SNAPSHOT.body)[0]["conversation_id"]


@both_drivers
def test_a_chatbot_whose_stream_broke_has_lost_the_text_and_the_error_says_it(driver: str) -> None:
    record = json.loads(LOST.body)["data"][0]
    lost = LostAnswer(record["conversation_id"], record["id"], said="So far")
    error, (request,) = played(driver, [LOST], "recover", lost, user="leaver-chat")
    assert isinstance(error, BotNotFoundError)
    assert "no text of this answer" in error.message
    assert error.partial_text == "So far"
    assert request.method == "GET"


@both_drivers
def test_an_app_without_runs_refuses_in_its_own_words(driver: str) -> None:
    refusal = recording("1.14.2", "err-resume-basic-chat-app")
    error, _ = played(driver, [refusal], "recover", LostAnswer(workflow_run_id="r-1"))
    assert isinstance(error, BotRejectedError)
    assert error.code == json.loads(refusal.body)["code"]


@both_drivers
@pytest.mark.parametrize("version", ["0.15.3", "1.14.2"])
def test_what_an_agents_steps_said_is_its_lost_answer(driver: str, version: str) -> None:
    kept = recording(version, "disconnect-agent-messages-late")
    (turn,) = json.loads(kept.body)["data"]
    lost = LostAnswer(turn["conversation_id"], turn["id"], said="This is a")
    answer, _ = played(driver, [kept], "recover", lost)
    assert turn["answer"] == ""
    assert answer.text == turn["agent_thoughts"][0]["thought"]
    assert (len(answer.text), answer.finish_reason) == (919, "stop")
