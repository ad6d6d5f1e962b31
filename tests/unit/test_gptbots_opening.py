"""How a turn with a GPTBots agent opens: one conversation, one version of the send call, nothing posted twice."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from remote_chatbots import (
    BotAuthError,
    BotClient,
    BotConnectError,
    BotNotFoundError,
    BotProtocolError,
    BotRateLimitError,
    BotRejectedError,
    BotServerError,
    BotTimeoutError,
    BotTransportError,
    BotUsageError,
    GPTBotsAgent,
    GPTBotsOptions,
    Question,
    Settings,
    Started,
    TextDelta,
)
from remote_chatbots.flow import Abandoned
from remote_chatbots.wire import ResponseHead

Drive = Callable[..., Any]

CREATE, V1, V2 = "/v1/conversation", "/v1/conversation/message", "/v2/conversation/message"
STREAM = b'data:{"code":3,"message":"Text","data":"Yes."}\n\ndata:{"code":0,"message":"End","data":null}\n\n'
QUESTION = Question("HI!", user="ann")


def reply(status: int, body: Any = b"", **headers: str) -> tuple[ResponseHead, bytes]:
    head = ResponseHead(status, {name.replace("_", "-"): one for name, one in headers.items()})
    return head, body if isinstance(body, bytes) else orjson.dumps(body)


CREATED = reply(200, {"conversation_id": "c-1"})
BUSY = reply(429, {"code": 40001, "message": "Slow down"}, retry_after="2")
DOWN = BotConnectError("gptbots: down")
NOT_FOUND = reply(404, b"<html>Not Found</html>")
# What servers that do not know a path answer; none has a code of the platform's.
UNKNOWN_PATHS = {
    "a page": NOT_FOUND,
    "a word": reply(404, b"404: Not Found"),
    "nothing": reply(404),
    "another method": reply(405, b"Method Not Allowed"),
    "a framework's JSON": reply(404, {"timestamp": 1, "status": 404, "error": "Not Found", "path": V2}),
    "a gateway's JSON": reply(404, {"code": 404, "message": "no route"}),
    "a gateway's JSON, as text": reply(405, {"code": "405", "msg": "no route"}),
}


def test_a_conversation_is_begun_before_the_message_and_told_before_the_text(agent: GPTBotsAgent, drive: Drive) -> None:
    played = drive(agent.ask(QUESTION), CREATED, STREAM)
    assert played.paths == [CREATE, V2]
    assert played.posted[1]["conversation_id"] == "c-1"
    assert played.events[:2] == [Started("c-1"), TextDelta("Yes.")]
    assert played.answer.conversation_id == "c-1"


def test_a_conversation_that_is_there_is_gone_on_with(agent: GPTBotsAgent, drive: Drive) -> None:
    question = Question("HI!", user="ann", conversation_id="c/9?雪")
    played = drive(agent.ask(question), STREAM)
    assert (played.paths, played.posted[0]["conversation_id"]) == ([V2], "c/9?雪")
    assert played.events[0] == Started("c/9?雪")


def test_a_new_conversation_is_begun_for_each_question_that_names_none(agent: GPTBotsAgent, drive: Drive) -> None:
    ids = [drive(agent.ask(QUESTION), reply(200, {"conversation_id": id_}), STREAM).answer for id_ in ("c-1", "c-2")]
    assert [answer.conversation_id for answer in ids] == ["c-1", "c-2"]


@pytest.mark.parametrize("code", [0, 200, "0", None])
def test_the_id_may_stand_under_data(agent: GPTBotsAgent, drive: Drive, code: Any) -> None:
    created = reply(200, {"code": code, "message": "OK", "data": {"conversation_id": "c-7"}})
    assert drive(agent.ask(QUESTION), created, STREAM).answer.conversation_id == "c-7"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        5,
        "c-1",
        {"conversation_id": ""},
        {"conversation_id": None},
        {"conversation_id": 17},
        {"data": "c-1"},
        {"data": ["c-1"]},
        {"id": "c-1"},
        {"code": 0, "message": "OK", "data": None},
        b"<html>Log in</html>",
        b"",
    ],
    ids=str,
)
def test_a_creation_without_an_id_that_is_text_is_an_error_and_no_message_is_sent(
    agent: GPTBotsAgent, drive: Drive, body: Any
) -> None:
    played = drive(agent.ask(QUESTION), reply(200, body))
    assert isinstance(played.error, BotProtocolError)
    assert (played.paths, played.events) == ([CREATE], [])


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("word", ["message", "msg"])
def test_a_creation_that_is_refused_is_that_refusal(agent: GPTBotsAgent, drive: Drive, status: int, word: str) -> None:
    played = drive(agent.ask(QUESTION), reply(status, {"code": 40127, word: "No such key", "data": None}))
    assert isinstance(played.error, BotAuthError)
    assert (played.error.code, played.error.http_status, played.paths) == ("40127", status, [CREATE])
    assert played.error.conversation_id == ""


@pytest.mark.parametrize("failure", [BUSY, DOWN, reply(503, b"later", retry_after="1")], ids=["429", "down", "503"])
def test_what_was_put_off_or_never_arrived_is_tried_again_in_one_conversation(
    agent: GPTBotsAgent, drive: Drive, failure: Any
) -> None:
    played = drive(agent.ask(QUESTION), failure, CREATED, failure, failure, STREAM)
    assert played.error is None
    assert played.paths == [CREATE, CREATE, V2, V2, V2]
    assert {body.get("conversation_id") for body in played.posted[2:]} == {"c-1"}
    assert len(played.slept) == 3


def test_the_server_says_how_long_to_wait(agent: GPTBotsAgent, drive: Drive) -> None:
    assert drive(agent.ask(QUESTION), CREATED, BUSY, STREAM).slept == [2.0]
    busy = reply(429, b"", retry_after="31")
    played = drive(agent.ask(QUESTION), CREATED, busy)
    assert (type(played.error), played.slept, played.error.retry_after_s) == (BotRateLimitError, [], 31.0)


def test_retries_end_and_the_error_keeps_the_conversation(agent: GPTBotsAgent, drive: Drive) -> None:
    played = drive(replace(agent, settings=Settings(max_retries=1)).ask(QUESTION), CREATED, BUSY, BUSY)
    assert isinstance(played.error, BotRateLimitError)
    assert (played.error.conversation_id, played.error.retryable) == ("c-1", True)
    assert played.paths == [CREATE, V2, V2]
    # Asked again with the id of the error, no second conversation is begun.
    again = Question("HI!", user="ann", conversation_id=played.error.conversation_id)
    assert drive(agent.ask(again), STREAM).paths == [V2]


@pytest.mark.parametrize(
    "failure",
    [
        reply(400, {"code": 40000, "message": "No"}),
        reply(402, {"code": 20022, "message": "No credits"}),
        reply(404, {"code": 40356, "message": "No such conversation"}),
        reply(500, {"code": 50000, "message": "Oops"}),
        reply(500, {"code": 40001, "message": "lost"}),
        reply(502, b"Bad Gateway"),
        reply(302, b"", location="https://elsewhere.example.com"),
        BotTimeoutError("gptbots: silence"),
        BotTransportError("gptbots: reset"),
    ],
    ids=lambda failure: str(failure[0].status if isinstance(failure, tuple) else failure),
)
def test_a_send_whose_fate_is_settled_or_unknown_is_posted_once_and_its_error_keeps_the_conversation(
    agent: GPTBotsAgent, drive: Drive, failure: Any
) -> None:
    played = drive(agent.ask(QUESTION), CREATED, failure)
    assert played.error.conversation_id == "c-1"
    assert (played.error.retryable, played.paths) == (False, [CREATE, V2])


def test_a_stream_that_breaks_is_never_asked_again(agent: GPTBotsAgent, drive: Drive) -> None:
    broken = [b'data:{"code":3,"data":"Ye"}\n\n', BotTransportError("gptbots: reset")]
    played = drive(agent.ask(QUESTION), CREATED, broken)
    assert (played.error.partial_text, played.error.conversation_id, len(played.requests)) == ("Ye", "c-1", 2)
    refused = [b'data:{"code":40001,"message":"Slow down"}\n\n']
    assert len(drive(agent.ask(QUESTION), CREATED, refused).requests) == 2


@pytest.mark.parametrize("told", UNKNOWN_PATHS)
def test_a_server_without_v2_is_asked_by_v1_in_the_same_conversation_and_remembered(
    agent: GPTBotsAgent, drive: Drive, told: str
) -> None:
    played = drive(agent.ask(QUESTION), CREATED, UNKNOWN_PATHS[told], STREAM)
    assert (played.error, played.answer.text) == (None, "Yes.")
    assert played.paths == [CREATE, V2, V1]
    assert played.posted[2] == {"conversation_id": "c-1", "response_mode": "streaming", "text": "HI!"}
    assert drive(agent.ask(QUESTION), CREATED, STREAM).paths == [CREATE, V1]


def test_a_refusal_of_v1_after_the_fall_back_is_the_error_and_nothing_is_remembered(
    agent: GPTBotsAgent, drive: Drive
) -> None:
    played = drive(agent.ask(QUESTION), CREATED, NOT_FOUND, NOT_FOUND)
    assert isinstance(played.error, BotNotFoundError)
    assert (played.error.conversation_id, played.paths) == ("c-1", [CREATE, V2, V1])
    assert drive(agent.ask(QUESTION), CREATED, STREAM).paths == [CREATE, V2]


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (reply(404, {"code": 40356, "message": "No such conversation"}), BotNotFoundError),
        (reply(404, {"code": 49999, "message": "New"}), BotNotFoundError),
        (reply(405, {"code": 40000, "message": "No"}), BotRejectedError),
        (reply(400, b"Bad Request"), BotRejectedError),
        (reply(500, b"Oops"), BotServerError),
    ],
    ids=str,
)
def test_any_other_refusal_of_v2_is_the_error(agent: GPTBotsAgent, drive: Drive, told: Any, kind: type) -> None:
    played = drive(agent.ask(QUESTION), CREATED, told)
    assert (type(played.error), played.paths) == (kind, [CREATE, V2])


def test_a_server_that_knows_v2_is_never_asked_by_v1_again(agent: GPTBotsAgent, drive: Drive) -> None:
    drive(agent.ask(QUESTION), CREATED, STREAM)
    assert drive(agent.ask(QUESTION), CREATED, NOT_FOUND).paths == [CREATE, V2]


@pytest.mark.parametrize(("version", "path"), [("v1", V1), ("v2", V2)])
def test_a_version_that_is_given_is_the_only_one(agent: GPTBotsAgent, drive: Drive, version: str, path: str) -> None:
    played = drive(replace(agent, api_version=version).ask(QUESTION), CREATED, NOT_FOUND)
    assert (type(played.error), played.paths) == (BotNotFoundError, [CREATE, path])


def test_what_v1_has_no_place_for_is_an_error_after_the_fall_back_and_before_once_it_is_known(
    agent: GPTBotsAgent, drive: Drive
) -> None:
    question = Question("HI!", user="ann", inputs={"city": "上海"})
    played = drive(agent.ask(question), CREATED, NOT_FOUND)
    assert isinstance(played.error, BotUsageError)
    assert (played.error.conversation_id, played.paths) == ("c-1", [CREATE, V2])
    drive(agent.ask(QUESTION), CREATED, NOT_FOUND, STREAM)
    with pytest.raises(BotUsageError, match=r"^gptbots: inputs cannot be sent by v1"):
        agent.ask(question)


def test_leaving_ends_the_turn_without_a_call(agent: GPTBotsAgent, drive: Drive) -> None:
    for played in (
        drive(agent.ask(QUESTION), CREATED, STREAM, leave_after=2),
        drive(agent.ask(QUESTION), CREATED, [Abandoned]),
        drive(agent.ask(QUESTION), CREATED, Abandoned),
        drive(agent.ask(QUESTION), Abandoned),
    ):
        assert (played.over, played.error, played.asides, played.effects_after_leaving) == (True, None, [], [])


def test_agents_that_say_the_same_are_equal_whatever_they_learnt(agent: GPTBotsAgent, drive: Drive) -> None:
    twin = replace(agent)
    drive(agent.ask(QUESTION), CREATED, NOT_FOUND, STREAM)
    assert agent == twin
    assert agent != replace(agent, api_version="v1")
    assert agent.bot_id == twin.bot_id == "gptbots:bots.example.com:" + agent.bot_id[-12:]
    assert agent.bot_id != replace(agent, api_key="app-another").bot_id


def test_a_pickled_agent_asks_as_before_and_has_forgotten_what_it_learnt(agent: GPTBotsAgent, drive: Drive) -> None:
    agent = replace(agent, options=GPTBotsOptions(knowledge=["a"]), headers={"X-Team": "tools"})
    drive(agent.ask(QUESTION), CREATED, NOT_FOUND, STREAM)
    again = pickle.loads(pickle.dumps(agent))
    assert again == agent
    played = drive(again.ask(QUESTION), CREATED, STREAM)
    assert played.paths == [CREATE, V2]
    assert played.requests[1].headers["X-Team"] == "tools"
    assert pickle.loads(pickle.dumps(BotClient(agent, user="ann"))).bot == agent


def test_the_key_is_in_no_repr(agent: GPTBotsAgent, drive: Drive) -> None:
    agent = replace(agent, headers={"X-Gate": "gate-secret-1"})
    played = drive(agent.ask(QUESTION), CREATED, STREAM)
    shown = f"{agent!r}{BotClient(agent)!r}{agent.api_key!r}{played.requests!r}{played.effects!r}{QUESTION!r}"
    assert "app-secret-key-123" not in shown
    assert "gate-secret-1" not in shown
    assert "https://bots.example.com" in repr(agent)
