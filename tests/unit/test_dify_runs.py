"""A paused run goes on, a broken one is joined again: requests, order, and what comes of odd servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    Attachment,
    BotNotFoundError,
    BotProtocolError,
    BotRejectedError,
    BotServerError,
    BotTimeoutError,
    BotTruncatedError,
    BotUsageError,
    DifyApp,
    FilledForm,
    Finished,
    InputRequired,
    LostAnswer,
    Settings,
    TextDelta,
    TextReplaced,
)
from remote_chatbots.flow import Abandoned
from remote_chatbots.platforms.dify.runs import SUBMIT_WAIT_S
from remote_chatbots.wire import ResponseHead

JSON = {"content-type": "application/json"}
DONE = (ResponseHead(200, JSON), b"{}")
SENT_BEFORE = (ResponseHead(412, JSON), b'{"code":"human_input_form_submitted","message":"By another.","status":412}')
NO_PATH = (ResponseHead(404, {"content-type": "text/html"}), [b"<!doctype html><title>404 Not Found</title>"])
NO_RUN = (ResponseHead(404, JSON), [b'{"code":"not_found","message":"Workflow run not found","status":404}'])
FORM = FilledForm("tok-1", "r-1", "approve", {"comment": "Fine by me"}, "ann", "One moment… ", "c-1", "m-1")
LOST = LostAnswer("c-1", "m-1", "r-1", user="ann")
STARTED = {"event": "workflow_started", "workflow_run_id": "r-1", "data": {"reason": "resumption"}}


def text(answer: str) -> dict[str, Any]:
    return {"event": "message", "answer": answer}


def finished(answer: str | None = None, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    outputs = {} if answer is None else {"answer": answer}
    data = {"status": status, "outputs": outputs, "error": "it broke" if status == "failed" else None}
    return {"event": "workflow_finished", "workflow_run_id": "r-1", "data": data, **more}


# Recorded: 1.14.2/resume-3-events-after-finish: the run's id in place of the task's, and no other.
OVER = {"conversation_id": ..., "message_id": ..., "created_at": ..., "task_id": "r-1"}
END = {"event": "message_end", "metadata": {"usage": {"total_tokens": 7}}}


def history(answer: str, **more: Any) -> tuple[ResponseHead, list[bytes]]:
    record = {"id": "m-1", "conversation_id": "c-1", "query": "Q?", "answer": answer, "created_at": 1, **more}
    return ResponseHead(200, JSON), [orjson.dumps({"data": [record], "has_more": False, "limit": 100})]


def test_the_form_is_sent_once_beside_the_open_events_of_its_run(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    rest = framed(STARTED, text("Turn "), text("2."), END, finished("One moment… Turn 2."))
    played = drive(app.submit(FORM), [rest], asides=[DONE])

    assert [request.method for request in played.requests] == ["GET"]
    assert played.requests[0].url.endswith("/v1/workflow/r-1/events?user=ann")
    (submitted,) = played.asides
    assert submitted.url.endswith("/v1/form/human_input/tok-1")
    assert orjson.loads(submitted.body) == {"inputs": {"comment": "Fine by me"}, "action": "approve", "user": "ann"}
    kinds = [type(effect).__name__ for effect in played.effects]
    assert kinds.index("Send") < kinds.index("Aside") < kinds.index("Read")
    assert played.answer.text == "Turn 2."
    assert (played.answer.finish_reason, played.answer.message_id) == ("stop", "m-1")


def test_a_run_may_pause_again(app: DifyApp, drive: Callable, framed: Callable) -> None:
    asks = {"event": "human_input_required", "data": {"form_token": "tok-2"}}
    paused = {"event": "workflow_paused", "data": {"reasons": [{"form_token": "tok-2"}]}}
    played = drive(app.submit(FORM), [framed(STARTED, text("And? "), asks, paused)], asides=[DONE])
    assert (played.answer.text, played.answer.finish_reason) == ("And? ", "paused")
    assert played.answer.input_required == ({"form_token": "tok-2"},)


def test_moderation_after_a_pause_replaces_what_was_said_before_it_as_well(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    replaced = {"event": "message_replace", "answer": "Withdrawn.", "reason": "output_moderation"}
    stopped = finished(status="stopped")
    played = drive(app.submit(FORM), [framed(STARTED, text("Bad."), replaced, stopped)], asides=[DONE])
    assert TextReplaced("Withdrawn.", "output_moderation") in played.events
    unchanged = {**replaced, "answer": "One moment… Fine.", "reason": ""}
    played = drive(app.submit(FORM), [framed(STARTED, text("Fine."), unchanged, END, finished())], asides=[DONE])
    assert (played.answer.text, played.answer.replaced) == ("Fine.", False)


def test_a_form_of_unknown_fate_is_not_sent_again(app: DifyApp, drive: Callable) -> None:
    silence = BotTimeoutError("dify: silent. Wait.", platform="dify")
    played = drive(app.submit(FORM), [b""], asides=[silence])
    assert played.error is not None
    assert (type(played.error), played.error.retryable, len(played.asides)) == (BotTimeoutError, False, 1)


def test_what_was_filled_in_is_not_repeated_by_an_error(app: DifyApp, drive: Callable) -> None:
    told = b'{"code":"invalid_form_data","message":"comment: Fine by me is too long","status":400}'
    played = drive(app.submit(FORM), [b""], asides=[(ResponseHead(400, JSON), told)])
    assert isinstance(played.error, BotRejectedError)
    assert "Fine by me" not in str(played.error)


def test_files_of_a_form_are_uploaded_before_it_is_sent(app: DifyApp, drive: Callable, framed: Callable) -> None:
    """Written from the API's reference; no form with files was recorded."""
    note = Attachment.from_bytes(b"It is fine.", name="note.md")
    inputs = {"comment": "Fine", "proof": note, "more": [note, Attachment.from_url("https://h/b.png")]}
    form = FilledForm(**{name: getattr(FORM, name) for name in FORM.__slots__} | {"inputs": inputs})
    kept = (ResponseHead(201, JSON), [b'{"id": "f-1"}'])
    played = drive(app.submit(form), kept, [framed(finished("One moment… Turn 2."))], asides=[DONE])
    assert [request.url.rpartition("/v1/")[2] for request in played.requests] == [
        "files/upload", "workflow/r-1/events?user=ann",
    ]  # fmt: skip
    uploaded = {"type": "document", "transfer_method": "local_file", "upload_file_id": "f-1"}
    address = {"type": "image", "transfer_method": "remote_url", "url": "https://h/b.png"}
    sent = orjson.loads(played.asides[0].body)["inputs"]
    assert sent == {"comment": "Fine", "proof": uploaded, "more": [uploaded, address]}

    refused = drive(
        app.submit(form), (ResponseHead(415, JSON), [b'{"code": "unsupported_file_type", "message": "No"}'])
    )
    assert (type(refused.error), refused.asides) == (BotRejectedError, [])


def test_nothing_is_submitted_for_a_run_that_is_not_there(app: DifyApp, drive: Callable) -> None:
    played = drive(app.submit(FORM), NO_RUN)
    assert isinstance(played.error, BotNotFoundError)
    assert played.asides == []


def test_a_form_has_a_user_as_a_question_has(app: DifyApp) -> None:
    with pytest.raises(BotUsageError, match="a user is needed"):
        app.submit(FilledForm("t", "r", "a"))


def test_leaving_the_rest_of_a_turn_stops_it(app: DifyApp, drive: Callable, framed: Callable) -> None:
    played = drive(app.submit(FORM), [framed(STARTED, text("Turn ")), framed(finished(status="stopped"))],
                   asides=[DONE], leave_after=2)  # fmt: skip
    (stop,) = [effect.request for effect in played.effects_after_leaving if hasattr(effect, "request")]
    assert stop.url.endswith("/v1/chat-messages/t-1/stop")


def test_leaving_before_the_form_was_sent_sends_nothing(app: DifyApp, drive: Callable) -> None:
    played = drive(app.submit(FORM), Abandoned)
    assert played.over
    assert played.asides == []


def test_a_form_that_was_submitted_before_is_an_error_or_the_rest_of_the_run(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    played = drive(app.submit(FORM), [b""], asides=[SENT_BEFORE])
    assert (played.error.http_status, played.error.code) == (412, "human_input_form_submitted")

    again = FilledForm(**{name: getattr(FORM, name) for name in FORM.__slots__} | {"if_submitted": "rejoin"})
    played = drive(
        app.submit(again), [b""], [framed(finished("One moment… Turn 2.", **OVER))], history(""), asides=[SENT_BEFORE]
    )
    assert played.answer.text == "Turn 2."
    assert (played.answer.message_id, played.answer.conversation_id) == ("m-1", "c-1")
    assert played.answer.task_id == ""
    assert len(played.asides) == 1


def test_a_rejoined_run_that_waits_again_tells_its_form_from_the_pause(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    restated = {"event": "message_replace", "answer": "One moment… And? ", "reason": ""}
    paused = {"event": "workflow_paused", "data": {"reasons": [{"TYPE": "human_input_required", "form_token": "t-2"}]}}
    snapshot = framed({**STARTED, "data": {"reason": "initial"}}, restated, paused)
    played = drive(app.recover(LOST), [snapshot], history("", status="paused"))
    assert played.answer.text == "One moment… And? "
    assert (played.answer.finish_reason, played.answer.replaced) == ("paused", False)
    assert [form["form_token"] for form in played.answer.input_required] == ["t-2"]
    assert sum(isinstance(event, InputRequired) for event in played.events) == 1


def test_what_a_snapshot_restates_is_no_withdrawn_text(app: DifyApp, drive: Callable, framed: Callable) -> None:
    restated = {"event": "message_replace", "answer": "One moment… ", "reason": ""}
    snapshot = framed(STARTED, restated, text("Turn 2."), END, finished("One moment… Turn 2."))
    played = drive(app.recover(LOST), [snapshot])
    assert (played.answer.text, played.answer.finish_reason) == ("One moment… Turn 2.", "stop")


def test_a_recovered_answer_is_the_runs_last_word_and_not_what_was_heard_of_it(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    played = drive(app.recover(LOST), [framed(text("half."), END, finished("Both halves."))])
    assert played.requests[0].url.endswith("/v1/workflow/r-1/events?user=ann&include_state_snapshot=true")
    assert [event for event in played.events if isinstance(event, TextDelta)] == [TextDelta("Both halves.")]
    assert played.answer.usage.total_tokens == 7
    assert [request.method for request in played.requests] == ["GET"]


def test_each_id_is_told_once_though_the_caller_knew_some(app: DifyApp, drive: Callable, framed: Callable) -> None:
    played = drive(app.recover(LOST), [framed(STARTED, text("a"), END, finished("a"))])
    told = [event for event in played.events if type(event).__name__ == "Started"]
    for name in ("conversation_id", "message_id", "task_id", "workflow_run_id"):
        assert [getattr(event, name) for event in told if getattr(event, name)] == [getattr(played.answer, name)], name


def test_what_was_joined_too_late_is_completed_from_the_history(
    app: DifyApp, drive: Callable, framed: Callable
) -> None:
    source = {"document_name": "a.md", "content": "x", "segment_id": "s"}
    kept = history("As moderated.", retriever_resources=[source])
    played = drive(app.recover(LOST), [framed(finished("As generated.", **OVER))], kept)
    assert played.answer.text == "As moderated."
    assert [one.title for one in played.answer.sources] == ["a.md"]
    assert isinstance(played.events[-1], Finished)


def test_thoughts_of_a_recovered_answer_are_told_apart(app: DifyApp, drive: Callable, framed: Callable) -> None:
    for replies in (([framed(END, finished("<think>Hm.</think>Yes."))],), (NO_PATH, history("<think>Hm.</think>Yes."))):
        played = drive(app.recover(LOST), *replies)
        assert (played.answer.reasoning, played.answer.text) == ("Hm.", "Yes.")


def test_a_run_that_failed_is_that_error_when_it_is_recovered(app: DifyApp, drive: Callable, framed: Callable) -> None:
    played = drive(app.recover(LOST), [framed(finished(status="failed", **OVER))])
    assert isinstance(played.error, BotServerError)
    assert "it broke" in played.error.message


def test_a_joined_stream_that_breaks_off_is_an_error_again(app: DifyApp, drive: Callable, framed: Callable) -> None:
    played = drive(app.recover(LOST), [framed(STARTED, text("half"))])
    assert isinstance(played.error, BotTruncatedError)
    assert played.error.workflow_run_id == "r-1"


def test_a_server_that_knows_no_runs_is_asked_for_its_history(app: DifyApp, drive: Callable) -> None:
    played = drive(app.recover(LOST), NO_PATH, history("All of it."))
    assert (played.answer.text, played.answer.message_id, played.answer.finish_reason) == ("All of it.", "m-1", "stop")
    played = drive(app.recover(LOST), NO_PATH, history(""))
    assert isinstance(played.error, BotNotFoundError)
    assert "a chatflow of Dify 1.14" in played.error.message


def test_an_answer_without_ids_is_not_looked_for(app: DifyApp, drive: Callable) -> None:
    played = drive(app.recover(LostAnswer(user="ann")))
    assert isinstance(played.error, BotNotFoundError)
    assert played.requests == []


def test_a_web_page_in_place_of_the_events_is_an_error(app: DifyApp, drive: Callable) -> None:
    page = (ResponseHead(200, {"content-type": "text/html"}), [b"<html>Sign in</html>"])
    played = drive(app.submit(FORM), page)
    assert "not a stream of events" in str(played.error)
    assert played.asides == []


def test_a_submission_may_take_longer_than_other_small_calls(app: DifyApp, drive: Callable) -> None:
    played = drive(app.submit(FORM), [b""], asides=[SENT_BEFORE])
    assert [effect.within_s for effect in played.effects if hasattr(effect, "within_s")] == [SUBMIT_WAIT_S]


@pytest.mark.parametrize("name", ["conversation_id", "message_id", "workflow_run_id"])
@pytest.mark.parametrize("of_another", [STARTED, finished("Theirs.", **OVER)], ids=["its beginning", "its end"])
def test_a_run_of_another_turn_is_not_the_lost_answer(
    app: DifyApp, drive: Callable, framed: Callable, of_another: dict[str, Any], name: str
) -> None:
    played = drive(app.recover(LOST), [framed({**of_another, name: "another"}, finished("Ours."))], history(""))
    assert isinstance(played.error, BotProtocolError)
    assert played.answer.text == ""


def test_a_history_of_another_conversation_has_no_lost_answer(app: DifyApp, drive: Callable, framed: Callable) -> None:
    theirs = history("Theirs.", conversation_id="another")
    assert isinstance(drive(app.recover(LOST), NO_PATH, theirs).error, BotNotFoundError)
    assert drive(app.recover(LOST), [framed(finished("Ours.", **OVER))], theirs).answer.text == "Ours."


@pytest.mark.parametrize(("run", "kept"), [("All of it.", "All"), ("All of it.", ""), (None, "All of it.")])
def test_the_longer_of_the_runs_last_word_and_the_history_is_the_answer(
    app: DifyApp, drive: Callable, framed: Callable, run: str | None, kept: str
) -> None:
    lost = replace(LOST, said="All o")
    assert drive(app.recover(lost), [framed(finished(run, **OVER))], history(kept)).answer.text == "All of it."


@pytest.mark.parametrize("less", [None, "All"])
def test_less_than_had_arrived_is_not_the_answer(
    app: DifyApp, drive: Callable, framed: Callable, less: str | None
) -> None:
    lost = replace(LOST, said="All o")
    played = drive(app.recover(lost), [framed(finished(less, **OVER))], history(less or ""))
    assert isinstance(played.error, BotNotFoundError)
    assert played.error.partial_text == "All o"


def thoughts(*said: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"id": f"s-{at}", "position": at, "thought": words, "tool": tool} for at, (words, tool) in enumerate(said)]


def test_a_lost_agents_answer_is_what_its_steps_said_once_the_last_has_spoken(app: DifyApp, drive: Callable) -> None:
    # As in recorded histories: agent-messages-history, disconnect-agent-messages-late and -soon.
    under_way = history("", agent_thoughts=thoughts(("Let me look. ", "forecast"), ("", "")))
    done = history("", agent_thoughts=thoughts(("Let me look. ", "forecast"), ("", "map"), ("Rain.", "")))
    lost = LostAnswer("c-1", "m-1", user="ann")

    played = drive(app.recover(lost), under_way, done)
    assert (played.answer.text, len(played.slept)) == ("Let me look. \nRain.", 1)
    hurried = replace(app, settings=Settings(recover_wait_s=2))
    assert isinstance(drive(hurried.recover(lost), under_way, under_way).error, BotNotFoundError)
    failed = history("", agent_thoughts=thoughts(("Rain.", "")), status="error", error="it broke")
    assert isinstance(drive(app.recover(lost), failed).error, BotNotFoundError)
